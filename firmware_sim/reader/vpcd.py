"""Cards straight under pcscd, without a reader: clients of vsmartcard's vpcd driver.

The driver listens, the card connects. What reaches the card are the host's own APDUs; a card of
T=0 takes them as TPDUs, so that its 61xx and 6Cxx are the host's to deal with.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from card_formats.vpcd import LENGTH_SIZE, MAX_FRAME, VPCD_FRAME, VPCD_LENGTH, VpcdControl
from firmware_sim.link.icc import Icc
from firmware_sim.link.iso_dep import Mute
from firmware_sim.link.picc import Picc
from firmware_sim.reader.ccid_firmware import BARE_UID
from firmware_sim.reader.contact import ContactSlotCard
from firmware_sim.reader.contactless import BareSlotCard, PiccSlotCard
from firmware_sim.reader.exchange import Exchange, SlotCard
from firmware_sim.reader.pcscd_entry import ReaderEntry
from firmware_sim.reader.private_pcscd import PcscdError, PrivatePcscd
from firmware_sim.reader.pseudo_apdu import pseudo_apdu
from firmware_sim.seam import Card

LIBRARY = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
PACKAGE = "vsmartcard-vpcd"
SLOTS = 2
"""Slots of one entry, on one port and the next."""

_PORTS = range(20_000, 32_000, SLOTS)  # the driver takes ports for signed numbers
_JOIN_SECONDS = 5.0


class VpcdReader:
    """A virtual reader of two slots.

    Args:
        name: FRIENDLYNAME under pcscd.
        contactless: present bare cards as contactless ones, with the ATR of PC/SC part 3;
            otherwise as cards with the contacts of ``IccConfig()``.

    Attributes:
        names: names of its slots under pcscd; pcscd has the last word on them.
        port: where the driver listens for the card of the first slot.
    """

    package = PACKAGE

    def __init__(self, name: str = "Virtual PCD", contactless: bool = True) -> None:
        self.name = name
        self.slots = SLOTS
        self.names = [f"{name} 00 {slot:02X}" for slot in range(SLOTS)]
        self.library = LIBRARY
        self._contactless = contactless
        self._slots = [_VpcdSlot(slot_name) for slot_name in self.names]
        self.port = 0

    def url(self, slot: int = 0) -> str:
        """URL of a slot, once pcscd runs."""
        return f"pcsc:{self.names[slot]}"

    def insert(self, card: Card | Icc | Picc, slot: int = 0) -> None:
        """Put a card into a slot, after taking out the one that is there."""
        self._slots[slot].insert(self._device(card))

    def remove(self, slot: int = 0) -> None:
        """Take the card out, also in mid-command. Harmless when there is none."""
        self._slots[slot].remove()

    def card_present(self, slot: int = 0) -> bool:
        """Whether there is a card in the slot."""
        return self._slots[slot].card is not None

    def entries(self, folder: Path) -> list[ReaderEntry]:
        """What pcscd's configuration says of it."""
        # Two entries that load the same file share its variables, hence their cards.
        library = folder / f"vpcd-{self.name.replace(' ', '-').replace('/', '-')}.so"
        if not library.exists():
            shutil.copyfile(self.library, library)
        self.port = _free_ports()
        return [ReaderEntry(self.name, f"/dev/null:{self.port}", library, self.port)]

    def plugged(self, pcscd: PrivatePcscd, names: Sequence[str]) -> None:
        """The driver listens: connect the cards."""
        self.names = list(names)
        for number, slot in enumerate(self._slots):
            slot.attach(pcscd, self.port + number)

    def unplugged(self) -> None:
        """pcscd ended: the cards lose their power."""
        for slot in self._slots:
            slot.detach()

    def close(self) -> None:
        """Take all cards out. Harmless when called twice."""
        for slot in self._slots:
            slot.remove()
            slot.detach()

    def _device(self, card: Card | Icc | Picc) -> SlotCard:
        if isinstance(card, Icc):
            return ContactSlotCard(card)
        if isinstance(card, Picc):
            return PiccSlotCard(card)
        return BareSlotCard(card, BARE_UID) if self._contactless else ContactSlotCard(Icc(card))


class _VpcdSlot:
    """One slot: holds a card and, while pcscd runs, a connection for it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._guard = threading.RLock()
        self._pcscd: PrivatePcscd | None = None
        self._port = 0
        self._connection: _Connection | None = None
        self.card: SlotCard | None = None

    def attach(self, pcscd: PrivatePcscd, port: int) -> None:
        with self._guard:
            self._pcscd, self._port = pcscd, port
            self._connect()

    def detach(self) -> None:
        with self._guard:
            self._pcscd = None
        self._disconnect()

    def insert(self, card: SlotCard) -> None:
        self.remove()
        card.insert()
        with self._guard:
            self.card = card
            self._connect()

    def remove(self) -> None:
        with self._guard:
            card, self.card = self.card, None
        if card is not None:
            card.remove()
        self._disconnect()

    def _connect(self) -> None:
        if self._pcscd is None or self.card is None:
            return
        self._connection = _Connection(self._name, self._dial, self.card, self._ended)

    def _dial(self) -> socket.socket | None:
        pcscd = self._pcscd
        if pcscd is None:
            raise PcscdError("pcscd does not run")
        return pcscd.connect(self._port)

    def _disconnect(self) -> None:
        with self._guard:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _ended(self, connection: _Connection) -> None:
        """Called by a connection that ended by itself."""
        with self._guard:
            if connection is not self._connection:
                return
            self._connection = None
            if self.card is not None and self.card.gone:
                self.card = None
            # A mute card stays in the reader: the driver drops who does not answer, so that
            # the card must come back on a new line.
            self._connect()


class _Connection:
    """A card on a line to the driver, served by a thread.

    Args:
        name: of the thread.
        dial: connects to the driver; ``None`` if it is to be tried again.
        card: the card.
        ended: called when the line ended by itself.
    """

    def __init__(
        self,
        name: str,
        dial: Callable[[], socket.socket | None],
        card: SlotCard,
        ended: Callable[[_Connection], None],
    ) -> None:
        self._dial = dial
        self._card = card
        self._ended = ended
        self._line: socket.socket | None = None
        self._closed = threading.Event()
        self._atr = b""
        self._powered = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hang up."""
        self._closed.set()
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)
        if threading.current_thread() is not self._thread:
            self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        try:
            while self._line is None and not self._closed.is_set():
                self._line = self._dial()
        except PcscdError:
            return  # whoever stops or restarts pcscd calls for a new connection
        if self._line is not None:
            self._serve(self._line)
        self._card.power_off()
        if not self._closed.is_set():
            self._ended(self)

    def _serve(self, line: socket.socket) -> None:
        with line, contextlib.suppress(OSError, Mute):
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not self._closed.is_set():
                answer = self._answer(self._receive(line))
                if answer:
                    line.sendall(VPCD_FRAME.build(answer))

    @classmethod
    def _receive(cls, line: socket.socket) -> bytes:
        return cls._exactly(line, VPCD_LENGTH.parse(cls._exactly(line, LENGTH_SIZE)))

    @staticmethod
    def _exactly(line: socket.socket, size: int) -> bytes:
        data = b""
        while len(data) < size:
            # The driver sends a frame in two writes; unless its first is acknowledged at once,
            # its kernel holds the second back for 40 ms.
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            part = line.recv(size - len(data))
            if not part:
                raise ConnectionError("the driver hung up")
            data += part
        return data

    def _answer(self, frame: bytes) -> bytes:
        """The answer to a frame, empty if none is due. Raises Mute."""
        if len(frame) == 1:
            return self._control(frame[0])
        if not self._powered:
            raise Mute
        return _finished(self._exchange(frame))

    def _exchange(self, command: bytes) -> Exchange:
        pseudo = pseudo_apdu(self._card, command)
        if pseudo is not None:
            return pseudo
        exchange = self._card.tpdu if self._card.protocol == 0 else self._card.apdu
        response = yield from exchange(command)
        if not 0 < len(response) <= MAX_FRAME:
            # An empty frame would block the driver for ever.
            raise Mute
        return response

    def _control(self, code: int) -> bytes:
        if code == VpcdControl.OFF:
            self._card.power_off()
            self._powered = False
        elif code in (VpcdControl.ON, VpcdControl.RESET):
            self._power_on(warm=self._powered)
        elif code == VpcdControl.ATR:
            # Asked for several times a second, and first before the card is powered.
            if not self._atr:
                self._power_on(warm=False)
            return self._atr
        return b""

    def _power_on(self, warm: bool) -> None:
        self._atr = self._card.power_on(warm)
        self._powered = True


def _finished(exchange: Exchange) -> bytes:
    """Let an exchange run to its end: the driver waits as long as it takes."""
    while True:
        try:
            next(exchange)
        except StopIteration as end:
            return bytes(end.value)


def _free_ports() -> int:
    """The first of two neighbouring ports on which nobody listens."""
    for port in random.sample(_PORTS, len(_PORTS)):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for offset in range(SLOTS):
                probe = stack.enter_context(socket.socket())
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("", port + offset))
            return port
    raise PcscdError(f"no free port between {_PORTS.start} and {_PORTS.stop}")
