"""Scanners of three makes, each with its own commands on the serial line."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from card_formats.core import FormatError
from card_formats.scanner_frames import (
    HONEYWELL_REPLY,
    SSI_MAX_DATA,
    SSI_PACKET,
    SSI_QR_CODE,
    SSI_SOURCE_DECODER,
    SSI_SOURCE_HOST,
    DatalogicCommand,
    HoneywellResult,
    HoneywellSplitter,
    HoneywellTrigger,
    MenuCommand,
    MenuReply,
    Ssi,
    SsiNak,
    SsiPacket,
    SsiSplitter,
    SsiStatus,
)
from firmware_sim.reader.pty_port import PtyPort
from firmware_sim.reader.scanner import Scanner, ScannerSettings, Trigger

_ALL_SYMBOLOGIES = "99"
_AIM_MARK = b"\x5c\x81"
_SSI_ANSWER_TIME = 2.0
_SSI_TRIES = 3
_SSI_RAW_DATA = 0


class HoneywellScanner(Scanner):
    """Honeywell: ``SYN T CR`` and ``SYN U CR`` trigger, menu commands configure.

    Known tags: DEFALT, SUFBK2, SUFCA2, PREBK2, PRECA2, QRCENA, TRGMOD, TRGSTO, REVINF. Prefix and
    suffix take symbology 99 (all) and hexadecimal; 5C81 in a prefix stands for the AIM identifier.
    """

    revision = "Simulated 2D imager 1.0"

    def __init__(
        self, port: PtyPort | None = None, settings: ScannerSettings | None = None
    ) -> None:
        super().__init__(port, settings)
        self._splitter = HoneywellSplitter()
        self._tags: dict[str, Callable[[str], HoneywellResult]] = {
            "DEFALT": self._defaults,
            "SUFBK2": self._set_suffix,
            "SUFCA2": self._clear_suffix,
            "PREBK2": self._set_prefix,
            "PRECA2": self._clear_prefix,
            "QRCENA": self._enable_qr,
            "TRGMOD": self._set_trigger,
            "TRGSTO": self._set_trigger_time,
        }

    def received(self, data: bytes) -> None:
        """Take bytes of the host."""
        for command in self._splitter.feed(data):
            if isinstance(command, HoneywellTrigger):
                self.trigger(command is HoneywellTrigger.ON)
            else:
                self.write(HONEYWELL_REPLY.build(self._menu(command)))

    def _menu(self, command: MenuCommand) -> MenuReply:
        text = command.text.upper()
        if text == "REVINF":
            return MenuReply(f"{text}: {self.revision}".replace(".", ","), HoneywellResult.ACK)
        setter = self._tags.get(text[:6])
        if text.endswith("?") and text[:6] == "QRCENA":
            return MenuReply(f"QRCENA{int(self.settings.qr_enabled)}", HoneywellResult.ACK)
        result = HoneywellResult.ENQ if setter is None else setter(text[6:])
        return MenuReply(command.text, result, command.permanent)

    def _defaults(self, data: str) -> HoneywellResult:
        self.settings = ScannerSettings()
        return HoneywellResult.ACK

    def _set_suffix(self, data: str) -> HoneywellResult:
        value = _affix(data)
        if value is None:
            return HoneywellResult.NAK
        self.settings.suffix = value
        return HoneywellResult.ACK

    def _clear_suffix(self, data: str) -> HoneywellResult:
        self.settings.suffix = b""
        return HoneywellResult.ACK

    def _set_prefix(self, data: str) -> HoneywellResult:
        value = _affix(data)
        if value is None:
            return HoneywellResult.NAK
        self.settings.symbology = "Q1" if _AIM_MARK in value else None
        self.settings.prefix = value.replace(_AIM_MARK, b"")
        return HoneywellResult.ACK

    def _clear_prefix(self, data: str) -> HoneywellResult:
        self.settings.prefix, self.settings.symbology = b"", None
        return HoneywellResult.ACK

    def _enable_qr(self, data: str) -> HoneywellResult:
        if data not in ("0", "1"):
            return HoneywellResult.NAK
        self.settings.qr_enabled = data == "1"
        return HoneywellResult.ACK

    def _set_trigger(self, data: str) -> HoneywellResult:
        modes = {"0": Trigger.HOST, "3": Trigger.PRESENTATION}
        if data not in modes:
            return HoneywellResult.NAK
        self.settings.trigger = modes[data]
        return HoneywellResult.ACK

    def _set_trigger_time(self, data: str) -> HoneywellResult:
        if not data.isdecimal() or int(data) > 300_000:
            return HoneywellResult.NAK
        self.settings.trigger_time = int(data) / 1000
        return HoneywellResult.ACK


def _affix(data: str) -> bytes | None:
    """The bytes of ``99`` and hexadecimal, ``None`` if it is not that."""
    if not data.startswith(_ALL_SYMBOLOGIES):
        return None
    try:
        return bytes.fromhex(data[2:])
    except ValueError:
        return None


class ZebraScanner(Scanner):
    """Zebra or Symbol with SSI: packets both ways, each of the scanner's acknowledged.

    Attributes:
        type_in_every_packet: continued packets begin with the code type too, as with some
            firmware; else only the first does.
        retransmissions: packets sent again.
    """

    def __init__(
        self, port: PtyPort | None = None, settings: ScannerSettings | None = None
    ) -> None:
        super().__init__(port, settings)
        self._splitter = SsiSplitter()
        self._arrived: deque[SsiPacket | FormatError] = deque()
        self.packeted = True
        self.handshake = True
        self.type_in_every_packet = False
        self.retransmissions = 0

    def received(self, data: bytes) -> None:
        """Take bytes of the host."""
        self._arrived.extend(self._splitter.feed(data))
        self._obey()

    def _obey(self) -> None:
        while self._arrived:
            packet = self._arrived.popleft()
            if isinstance(packet, FormatError):
                self._nak(SsiNak.RESEND)
            elif packet.source == SSI_SOURCE_HOST:
                self._command(packet)

    def transmit_code(self, message: bytes) -> None:
        """Send a code in as many packets as it takes."""
        if not self.packeted:
            self.write(message)
            return
        room = SSI_MAX_DATA - 1
        parts = [message[i : i + room] for i in range(0, len(message), room)] or [b""]
        for index, part in enumerate(parts):
            last = index == len(parts) - 1
            typed = index == 0 or self.type_in_every_packet
            data = (bytes([SSI_QR_CODE]) if typed else b"") + part
            status = 0 if last else SsiStatus.CONTINUED
            if not self._deliver(SsiPacket(Ssi.DECODE_DATA, SSI_SOURCE_DECODER, status, data)):
                break
        self._obey()  # what the host sent right behind its acknowledgement

    def _deliver(self, packet: SsiPacket) -> bool:
        """Send until acknowledged; whether it was."""
        for attempt in range(_SSI_TRIES):
            status = packet.status | (SsiStatus.RETRANSMITTED if attempt else 0)
            self.retransmissions += bool(attempt)
            self.write(
                SSI_PACKET.build(SsiPacket(packet.opcode, packet.source, status, packet.data))
            )
            if not self.handshake or self._acknowledged():
                return True
        return False

    def _acknowledged(self) -> bool:
        deadline = time.monotonic() + _SSI_ANSWER_TIME
        while (left := deadline - time.monotonic()) > 0:
            self._arrived.extend(self._splitter.feed(self.read(left)))
            while self._arrived:
                packet = self._arrived.popleft()
                if isinstance(packet, FormatError):
                    continue
                if packet.opcode in (Ssi.CMD_ACK, Ssi.CMD_NAK):
                    return packet.opcode == Ssi.CMD_ACK
                self._command(packet)
        return False

    def _command(self, packet: SsiPacket) -> None:
        opcode = packet.opcode
        if opcode in (Ssi.CMD_ACK, Ssi.CMD_NAK):
            return
        if opcode == Ssi.REQUEST_REVISION:
            self._reply(Ssi.REPLY_REVISION, b"SIMULATED SSI 1.0")
            return
        if opcode in (Ssi.START_SESSION, Ssi.STOP_SESSION):
            if not self.settings.enabled:
                self._nak(SsiNak.DENIED)
                return
            self.trigger(opcode == Ssi.START_SESSION)
        elif opcode in (Ssi.SCAN_ENABLE, Ssi.SCAN_DISABLE):
            self.settings.enabled = opcode == Ssi.SCAN_ENABLE
        elif opcode == Ssi.PARAM_SEND:
            self._set_parameters(packet.data)
        elif opcode == Ssi.PARAM_DEFAULTS:
            self.settings, self.packeted, self.handshake = ScannerSettings(), True, True
        elif opcode not in (Ssi.BEEP, Ssi.LED_ON, Ssi.LED_OFF, Ssi.SLEEP, Ssi.FLUSH_QUEUE):
            self._nak(SsiNak.BAD_CONTEXT)
            return
        self._reply(Ssi.CMD_ACK)

    def _set_parameters(self, data: bytes) -> None:
        """A beep code, then numbers and values: 8A trigger, 9F handshake, EE packet format."""
        pairs = dict(zip(data[1::2], data[2::2], strict=False))
        if 0x8A in pairs:
            presentation = pairs[0x8A] == 0x07
            self.settings.trigger = Trigger.PRESENTATION if presentation else Trigger.HOST
        self.handshake = bool(pairs.get(0x9F, self.handshake))
        self.packeted = pairs.get(0xEE, int(self.packeted)) != _SSI_RAW_DATA

    def _nak(self, cause: SsiNak) -> None:
        self._reply(Ssi.CMD_NAK, bytes([cause]))

    def _reply(self, opcode: Ssi, data: bytes = b"") -> None:
        self.write(SSI_PACKET.build(SsiPacket(opcode, SSI_SOURCE_DECODER, 0, data)))


class DatalogicScanner(Scanner):
    """Datalogic: one character a command, anything else is ignored."""

    def received(self, data: bytes) -> None:
        """Take bytes of the host."""
        for value in data:
            try:
                command = DatalogicCommand(bytes([value]))
            except ValueError:
                continue
            if command in (DatalogicCommand.ENABLE, DatalogicCommand.DISABLE):
                self.settings.enabled = command is DatalogicCommand.ENABLE
            else:
                self.trigger(command is DatalogicCommand.TRIGGER_ON)


SCANNERS: dict[str, type[Scanner]] = {
    "honeywell": HoneywellScanner,
    "zebra": ZebraScanner,
    "datalogic": DatalogicScanner,
}
"""Makes by the name the scanner driver knows them under."""
