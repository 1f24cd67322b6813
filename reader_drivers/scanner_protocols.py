"""How the host speaks with the scanners of each make."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable

from card_formats.core import FormatError
from card_formats.scanner_frames import (
    SSI_PACKET,
    SSI_SOURCE_DECODER,
    DatalogicCommand,
    HoneywellTrigger,
    Ssi,
    SsiNak,
    SsiPacket,
    SsiSplitter,
    SsiStatus,
)

_FIRST_PRINTABLE = 0x20


class Protocol(ABC):
    """One make.

    Args:
        write: sends bytes to the scanner.

    Attributes:
        can_trigger: the make has a trigger command.
        frames_messages: codes come framed: :meth:`take_message` gives them, and what
            :meth:`received` returns is empty.
        complaint: what the scanner last said against a command, ``""`` if nothing.
    """

    can_trigger = True
    frames_messages = False
    complaint = ""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write

    @abstractmethod
    def trigger(self, on: bool) -> None:
        """Pull or release the trigger."""

    def received(self, data: bytes) -> bytes:
        """Take bytes of the scanner, return those that belong to a code."""
        return data

    def take_message(self) -> bytes | None:
        """The next code of a make that frames them, ``None`` if there is none yet."""
        return None

    def silent(self) -> None:  # noqa: B027, most makes need do nothing
        """The line has fallen silent."""

    def reset(self) -> None:
        """Forget what is incomplete."""
        self.complaint = ""


class GenericProtocol(Protocol):
    """Any scanner that sends what it reads."""

    can_trigger = False

    def trigger(self, on: bool) -> None:
        """There is no such command."""


class HoneywellProtocol(Protocol):
    """Honeywell: ``SYN T CR`` and ``SYN U CR``."""

    def trigger(self, on: bool) -> None:
        """Pull or release the trigger."""
        self._write((HoneywellTrigger.ON if on else HoneywellTrigger.OFF).value)


class DatalogicProtocol(Protocol):
    """Datalogic: one character a command."""

    def trigger(self, on: bool) -> None:
        """Enable the scanner and pull the trigger, or release it."""
        if on:
            self._write(DatalogicCommand.ENABLE.value + DatalogicCommand.TRIGGER_ON.value)
        else:
            self._write(DatalogicCommand.TRIGGER_OFF.value)


class SsiProtocol(Protocol):
    """Zebra's SSI: packets, each of the scanner's acknowledged, long codes in several."""

    frames_messages = True

    def __init__(self, write: Callable[[bytes], None]) -> None:
        super().__init__(write)
        self._splitter = SsiSplitter()
        self._messages: deque[bytes] = deque()
        self._parts = b""
        self._code_type: int | None = None
        self._last: SsiPacket | None = None

    def trigger(self, on: bool) -> None:
        """Pull or release the trigger."""
        self._send(Ssi.START_SESSION if on else Ssi.STOP_SESSION)

    def received(self, data: bytes) -> bytes:
        """Take bytes of the scanner, acknowledge its packets."""
        for packet in self._splitter.feed(data):
            if isinstance(packet, FormatError):
                self._send(Ssi.CMD_NAK, bytes([SsiNak.RESEND]))
            elif packet.source != SSI_SOURCE_DECODER:
                continue  # an echo of our own
            elif packet.opcode == Ssi.DECODE_DATA:
                self._send(Ssi.CMD_ACK)
                self._take(packet)
            elif packet.opcode == Ssi.CMD_NAK:
                self.complaint = _cause(packet)
        return b""

    def take_message(self) -> bytes | None:
        """The next whole code."""
        return self._messages.popleft() if self._messages else None

    def silent(self) -> None:
        """Ask again for a packet that broke off."""
        if self._splitter.incomplete:
            self._splitter.reset()
            self._send(Ssi.CMD_NAK, bytes([SsiNak.RESEND]))

    def reset(self) -> None:
        """Forget what is incomplete."""
        super().reset()
        self._splitter.reset()
        self._messages.clear()
        self._parts, self._code_type, self._last = b"", None, None

    def _take(self, packet: SsiPacket) -> None:
        previous, self._last = self._last, packet
        if packet.status & SsiStatus.RETRANSMITTED and _same(packet, previous):
            return  # our acknowledgement was lost, its data was not
        data = packet.data
        if self._code_type is None:
            self._code_type, data = (data[0] if data else 0), data[1:]
        elif data and data[0] == self._code_type < _FIRST_PRINTABLE:
            data = data[1:]  # some firmware repeats the code type in every packet
        self._parts += data
        if not packet.status & SsiStatus.CONTINUED:
            self._messages.append(self._parts)
            self._parts, self._code_type = b"", None

    def _send(self, opcode: Ssi, data: bytes = b"") -> None:
        self._write(SSI_PACKET.build(SsiPacket(opcode, data=data)))


def _same(packet: SsiPacket, previous: SsiPacket | None) -> bool:
    if previous is None:
        return False
    mask = ~SsiStatus.RETRANSMITTED
    return (packet.opcode, packet.data, packet.status & mask) == (
        previous.opcode,
        previous.data,
        previous.status & mask,
    )


def _cause(packet: SsiPacket) -> str:
    try:
        return f"refused ({SsiNak(packet.data[0]).name.lower()})"
    except (ValueError, IndexError):
        return "refused"


PROTOCOLS: dict[str, type[Protocol]] = {
    "generic": GenericProtocol,
    "honeywell": HoneywellProtocol,
    "zebra": SsiProtocol,
    "datalogic": DatalogicProtocol,
}
"""Makes by the name used in URLs."""
