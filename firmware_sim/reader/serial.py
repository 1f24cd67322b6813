"""CCID readers on a serial line, as libccidtwin drives them.

Two families share the framing: GemPC readers echo each command before they answer it, and tell
card movements between echo and answer; the two-slot ones do neither.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from card_formats.ccid import CCID_COMMAND, HEADER_SIZE, CommandType
from card_formats.ccid_descriptor import PinSupport
from card_formats.core import FormatError
from card_formats.gempc_serial import GEMPC_FRAME, GemPcFrame, GemPcNak, next_frame
from firmware_sim.link.icc import Icc
from firmware_sim.link.picc import Picc
from firmware_sim.reader.ccid_config import CcidConfig, Level
from firmware_sim.reader.ccid_firmware import CcidFirmware
from firmware_sim.reader.keypad import Keypad
from firmware_sim.reader.pcscd_entry import ReaderEntry
from firmware_sim.reader.pty_port import PtyPort, Unplugged
from firmware_sim.seam import Card

LIBRARY = Path("/usr/lib/pcsc/drivers/serial/libccidtwin.so")
PACKAGE = "libccid"

_READ_EVERY = 5.0
_LONGEST_ECHO = 16
_MOVED = {True: b"\x50\x03", False: b"\x50\x02"}

ByteFilter = Callable[[bytes], Iterable[bytes]]
"""bytes about to be sent -> the pieces sent instead. How faults of the line are planted."""


@dataclasses.dataclass(frozen=True)
class SerialModel:
    """A reader libccidtwin knows.

    Attributes:
        driver_name: what follows the colon of DEVICENAME.
        slots: how many cards it holds.
        echo: it repeats each command before the answer.
        pin: what its keypad can do.
        escapes: answer to each Escape message.
    """

    driver_name: str
    slots: int
    echo: bool
    pin: PinSupport
    escapes: Mapping[bytes, bytes]


def _escapes(firmware: bytes, *others: str) -> dict[bytes, bytes]:
    return {b"\x02": firmware, **{bytes.fromhex(other): b"" for other in others}}


_NOTIFY = "01 01 01"
_FASTER = "01 10 20"

MODELS: dict[str, SerialModel] = {
    model.driver_name: model
    for model in (
        SerialModel("GemPCTwin", 1, True, PinSupport.NONE, _escapes(b"GemTwin-V2.10", _NOTIFY)),
        SerialModel(
            "GemPCPinPad",
            1,
            True,
            PinSupport.VERIFY | PinSupport.MODIFY,
            _escapes(b"GemPinPad-V1.00", _NOTIFY),
        ),
        SerialModel(
            "GemCoreSIMPro2",
            2,
            False,
            PinSupport.NONE,
            _escapes(b"GemCoreSIMPro2-V1.00", _NOTIFY, _FASTER),
        ),
        SerialModel("SEC1210", 2, False, PinSupport.NONE, {b"\x06": b"SEC1210"}),
    )
}
"""By driver name."""

_STRINGS = (b"\xb2", b"\xb5")
"""First byte of the Escapes that load the texts of a GemPC PinPad."""


class _Firmware(CcidFirmware):
    """Accepts the texts libccid loads into a PIN pad, which are too long to list."""

    def escape_answer(self, data: bytes) -> bytes | None:
        """The answer to an Escape, ``None`` to refuse it."""
        if self.config.pin and data.startswith(_STRINGS):
            return b""
        return super().escape_answer(data)


class SerialReader:
    """A simulated reader on a pseudo-terminal.

    Args:
        model: one of :data:`MODELS`, or its driver name.
        name: FRIENDLYNAME under pcscd; the driver name when left out.
        link: symbolic link to the terminal, so that its name is known beforehand.
        baud: keep to the pace of such a line; ``None`` sends at once.

    Attributes:
        firmware: the reader's firmware, where faults of the reader are planted.
        byte_filter: where faults of the line are planted.
        naks: damaged frames received so far.
        names: names of its slots under pcscd; pcscd has the last word on them.
    """

    package = PACKAGE

    def __init__(
        self,
        model: SerialModel | str = "GemPCTwin",
        name: str = "",
        link: Path | None = None,
        baud: int | None = None,
    ) -> None:
        self.model = MODELS[model] if isinstance(model, str) else model
        self.name = name or self.model.driver_name
        self.slots = self.model.slots
        self.names = [f"{self.name} 00 {slot:02X}" for slot in range(self.slots)]
        config = CcidConfig(
            product=self.model.driver_name,
            level=Level.TPDU,
            slots=self.model.slots,
            pin=self.model.pin,
            three_messages=True,
            escapes=self.model.escapes,
        )
        self.firmware = _Firmware(config)
        self.firmware.on_slot_change.append(self._moved)
        self.library = LIBRARY
        self.byte_filter: ByteFilter | None = None
        self.naks = 0
        self._movements: list[bytes] = []
        self._guard = threading.Lock()
        self._port = PtyPort(link, baud)
        self._thread = threading.Thread(target=self._serve, name=self.name, daemon=True)
        self._thread.start()

    @property
    def keypad(self) -> Keypad:
        """The keypad, for readers that have one."""
        return self.firmware.keypad

    @property
    def device(self) -> str:
        """The terminal a driver opens."""
        return self._port.path

    def insert(self, card: Card | Icc | Picc, slot: int = 0) -> None:
        """Put a card into a slot; see :meth:`CcidFirmware.insert`."""
        self.firmware.insert(card, slot)

    def remove(self, slot: int = 0) -> None:
        """Take the card out, also in mid-command."""
        self.firmware.remove(slot)

    def entries(self, folder: Path) -> list[ReaderEntry]:
        """What pcscd's configuration says of it."""
        return [ReaderEntry(self.name, f"{self.device}:{self.model.driver_name}", self.library)]

    def plugged(self, pcscd: object, names: Sequence[str]) -> None:
        """pcscd runs, and opened the line."""
        self.names = list(names)

    def unplugged(self) -> None:
        """pcscd ended: the reader loses its host, hence the power of its cards."""
        self.firmware.reset()

    def url(self, slot: int = 0) -> str:
        """URL of a slot, once pcscd runs."""
        return f"pcsc:{self.names[slot]}"

    def close(self) -> None:
        """Unplug the reader. Harmless when called twice."""
        self._port.shut_down()
        self._thread.join(timeout=_READ_EVERY)
        self._port.close()
        self.firmware.reset()

    def _moved(self, slot: int, present: bool) -> None:
        if self.model.echo:
            with self._guard:
                self._movements.append(_MOVED[present])

    def _serve(self) -> None:
        received = b""
        with contextlib.suppress(Unplugged):
            while True:
                received += self._port.read(_READ_EVERY)
                while (cut := next_frame(received)) is not None:
                    frame, received = cut
                    self._take(frame)

    def _take(self, frame: bytes) -> None:
        try:
            parsed = GEMPC_FRAME.parse(frame)
        except FormatError:
            self.naks += 1
            self._send(GEMPC_FRAME.build(GemPcNak()))
            return
        if isinstance(parsed, GemPcFrame):
            self._answer(parsed.message, self._echo(frame, parsed.message))

    def _answer(self, message: bytes, echo: bytes) -> None:
        # Echo and answer go out together: one write, one wake-up of the driver.
        before = echo + self._take_movements()
        answered = False
        for answer in self.firmware.handle(message):
            self._send(before + GEMPC_FRAME.build(GemPcFrame(answer)))
            # After a time extension the driver waits for an echo again.
            before = echo
            answered = True
        if not answered and before:
            self._send(before)

    def _echo(self, frame: bytes, message: bytes) -> bytes:
        """The driver compares nothing, but it reads an echo into the room it has for the answer,
        which for an Escape is little."""
        if not self.model.echo:
            return b""
        if len(message) > HEADER_SIZE + _LONGEST_ECHO:
            command = CCID_COMMAND.parse(message)
            if command.kind == CommandType.ESCAPE:
                short = CCID_COMMAND.build(dataclasses.replace(command, data=b""))
                return GEMPC_FRAME.build(GemPcFrame(short))
        return frame

    def _take_movements(self) -> bytes:
        with self._guard:
            movements, self._movements = self._movements, []
        return b"".join(movements)

    def _send(self, data: bytes) -> None:
        if self.byte_filter is None:
            self._port.write(data)
            return
        for piece in self.byte_filter(data):
            self._port.write(piece)
