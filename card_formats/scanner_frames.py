"""What crosses between a 2D scanner and its host: codes, and the commands of three makers."""

from __future__ import annotations

import dataclasses
import enum
import re
from typing import Any

from construct import Adapter, Bytes, Const, GreedyBytes, Int8ub, Int16ub, Struct

from card_formats.core import FormatError, Record, Vector, WireFormat
from card_formats.pieces import AllBut, Bounded, refuse

# --- a code on the line, any maker ---------------------------------------------------------


class Suffix(enum.Enum):
    """What ends a code; nothing leaves only the silence after it."""

    NONE = b""
    CR = b"\r"
    LF = b"\n"
    CRLF = b"\r\n"


@dataclasses.dataclass(frozen=True)
class ScannedCode:
    """A code as sent, its suffix taken off.

    ``symbology`` is the AIM identifier of a QR code without its flag character, ``Q0`` to
    ``Q6``, or ``None`` when the scanner does not say.
    """

    data: bytes
    symbology: str | None = None


_AIM_QR = re.compile(rb"\]Q[0-6]")


class _ScannedCodeAdapter(Adapter):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(GreedyBytes)

    def _decode(self, obj: Any, context: Any, path: str) -> ScannedCode:
        if _AIM_QR.match(obj):
            return ScannedCode(obj[3:], obj[1:3].decode("ascii"))
        return ScannedCode(obj)

    def _encode(self, obj: Any, context: Any, path: str) -> bytes:
        if obj.symbology is None:
            if _AIM_QR.match(obj.data):
                raise refuse("data that begins as an AIM identifier needs one before it", path)
            return bytes(obj.data)
        prefix: bytes = b"]" + obj.symbology.encode("ascii")
        if not _AIM_QR.fullmatch(prefix):
            raise refuse(f"{obj.symbology!r} is no QR code's identifier, Q0 to Q6", path)
        return prefix + bytes(obj.data)


SCANNED_CODE: WireFormat[ScannedCode] = WireFormat(
    "scanned_code",
    "ISO/IEC 15424:2008 (AIM symbology identifiers), QR code",
    _ScannedCodeAdapter(),
    [
        Vector("5D51314543563131", ScannedCode(b"ECV11", "Q1"), "]Q1: model 2, no ECI"),
        Vector("45435631", ScannedCode(b"ECV1"), "no identifier"),
    ],
    open_ended=True,
)


# --- Zebra, Symbol: Simple Serial Interface ------------------------------------------------


class Ssi(enum.IntEnum):
    """Opcodes (72E-40451, chapter 3)."""

    REQUEST_REVISION = 0xA3
    REPLY_REVISION = 0xA4
    PARAM_SEND = 0xC6
    PARAM_REQUEST = 0xC7
    PARAM_DEFAULTS = 0xC8
    CMD_ACK = 0xD0
    CMD_NAK = 0xD1
    FLUSH_QUEUE = 0xD2
    START_SESSION = 0xE4
    STOP_SESSION = 0xE5
    BEEP = 0xE6
    LED_ON = 0xE7
    LED_OFF = 0xE8
    SCAN_ENABLE = 0xE9
    SCAN_DISABLE = 0xEA
    SLEEP = 0xEB
    DECODE_DATA = 0xF3


class SsiStatus(enum.IntFlag):
    """Bits of the status byte."""

    RETRANSMITTED = 0x01
    CONTINUED = 0x02
    """Another packet of the same message follows."""
    PERMANENT = 0x08


class SsiNak(enum.IntEnum):
    """Cause of CMD_NAK."""

    RESEND = 1
    BAD_CONTEXT = 2
    DENIED = 6


SSI_QR_CODE = 0x1C
"""Code type of a QR code in DECODE_DATA."""

SSI_SOURCE_DECODER = 0x00
SSI_SOURCE_HOST = 0x04
SSI_MAX_DATA = 251
"""Most bytes of a packet's data: its length byte counts the four of the header too."""

_SSI_HEADER = 4
_SSI_CHECKSUM = 2


@dataclasses.dataclass(frozen=True)
class SsiPacket:
    """A packet: opcode, source (00 decoder, 04 host), status bits and data."""

    opcode: int
    source: int = SSI_SOURCE_HOST
    status: int = 0
    data: bytes = b""


_SSI_BODY = Struct(
    "length" / Int8ub,
    "opcode" / Int8ub,
    "source" / Int8ub,
    "status" / Int8ub,
    "data" / GreedyBytes,
)


class _SsiAdapter(Adapter):  # type: ignore[misc]
    def __init__(self) -> None:
        body = AllBut(_SSI_CHECKSUM, GreedyBytes)
        super().__init__(Struct("body" / body, "checksum" / Int16ub))

    def _decode(self, obj: Any, context: Any, path: str) -> SsiPacket:
        if obj.checksum != _ssi_checksum(obj.body):
            raise refuse(
                f"checksum {obj.checksum:04X}, should be {_ssi_checksum(obj.body):04X}", path
            )
        body = _SSI_BODY.parse(obj.body)
        if body.length != len(obj.body):
            raise refuse(f"length {body.length}, the packet has {len(obj.body)} bytes", path)
        return SsiPacket(body.opcode, body.source, body.status, body.data)

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        if len(obj.data) > SSI_MAX_DATA:
            raise refuse(f"{len(obj.data)} bytes do not go into a packet", path)
        body = _SSI_BODY.build({**dataclasses.asdict(obj), "length": _SSI_HEADER + len(obj.data)})
        return {"body": body, "checksum": _ssi_checksum(body)}


def _ssi_checksum(body: bytes) -> int:
    return -sum(body) & 0xFFFF


SSI_PACKET: WireFormat[SsiPacket] = WireFormat(
    "ssi_packet",
    "Zebra Simple Serial Interface 72E-40451, 2",
    _SsiAdapter(),
    [
        Vector("04E40400FF14", SsiPacket(Ssi.START_SESSION), "trigger on"),
        Vector("04D00400FF28", SsiPacket(Ssi.CMD_ACK), "acknowledge"),
        Vector(
            "09F300001C45435631FDD9",
            SsiPacket(Ssi.DECODE_DATA, SSI_SOURCE_DECODER, 0, b"\x1cECV1"),
            "a QR code",
        ),
    ],
)


class SsiSplitter:
    """Cuts a byte stream into packets. Wake-up zeros and noise before a header are skipped."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[SsiPacket | FormatError]:
        """Take the bytes received next, return the packets and the error of each damaged one."""
        self._buffer += data
        found: list[SsiPacket | FormatError] = []
        while (raw := self._next()) is not None:
            try:
                found.append(SSI_PACKET.parse(raw))
            except FormatError as error:
                found.append(error)
        return found

    @property
    def incomplete(self) -> bool:
        """A packet has begun."""
        return bool(self._buffer)

    def reset(self) -> None:
        """Forget an incomplete packet: the line was silent too long."""
        self._buffer.clear()

    def _next(self) -> bytes | None:
        while self._buffer and not self._plausible():
            del self._buffer[0]
        if not self._buffer:
            return None
        size = self._buffer[0] + _SSI_CHECKSUM
        if len(self._buffer) < size:
            return None
        raw = bytes(self._buffer[:size])
        del self._buffer[:size]
        return raw

    def _plausible(self) -> bool:
        head = self._buffer[:3]
        return (
            head[0] >= _SSI_HEADER
            and (len(head) < 2 or head[1] in _SSI_OPCODES)
            and (len(head) < 3 or head[2] in (SSI_SOURCE_DECODER, SSI_SOURCE_HOST))
        )


_SSI_OPCODES = frozenset(Ssi)


# --- Honeywell -----------------------------------------------------------------------------

SYN = 0x16


class HoneywellTrigger(enum.Enum):
    """Serial trigger commands."""

    ON = b"\x16T\r"
    OFF = b"\x16U\r"


class HoneywellResult(enum.IntEnum):
    """Byte put before the final punctuation mark of the echo."""

    ACK = 0x06
    """Done."""
    ENQ = 0x05
    """No such tag."""
    NAK = 0x15
    """The tag does not take that data."""


@dataclasses.dataclass(frozen=True)
class MenuCommand:
    """``SYN M CR`` and a command: ``text`` is tag, subtag and data (``SUFBK2990D``), or ends in
    ``?``. ``permanent`` survives switching off (``.``), else not (``!``)."""

    text: str
    permanent: bool = False


@dataclasses.dataclass(frozen=True)
class MenuReply:
    """Echo of a menu command with its result."""

    text: str
    result: int
    permanent: bool = False


class _Text(Adapter):  # type: ignore[misc]
    """Printable ASCII without the punctuation that ends a command."""

    _ALLOWED = re.compile(r"[ -~]+")

    def _decode(self, obj: Any, context: Any, path: str) -> str:
        text = bytes(obj).decode("ascii", "replace")
        return self._checked(text, path)

    def _encode(self, obj: Any, context: Any, path: str) -> bytes:
        return self._checked(obj, path).encode("ascii")

    def _checked(self, text: str, path: str) -> str:
        if not self._ALLOWED.fullmatch(text) or set(text) & set(".!"):
            raise refuse(f"{text!r} is no menu command", path)
        return text


class _Permanent(Adapter):  # type: ignore[misc]
    def _decode(self, obj: Any, context: Any, path: str) -> bool:
        if obj not in b".!":
            raise refuse(f"{obj!r} ends no menu command", path)
        return bool(obj == b".")

    def _encode(self, obj: Any, context: Any, path: str) -> bytes:
        return b"." if obj else b"!"


_PERMANENT = "permanent" / _Permanent(Bytes(1))

HONEYWELL_MENU: WireFormat[MenuCommand] = WireFormat(
    "honeywell_menu",
    "Honeywell Xenon/Vuquest user's guide, Serial programming commands",
    Record(
        MenuCommand,
        Const(bytes([SYN]) + b"M\r"),
        "text" / _Text(AllBut(1, GreedyBytes)),
        _PERMANENT,
    ),
    [
        Vector("164D0D5355464341322E", MenuCommand("SUFCA2", permanent=True)),
        Vector("164D0D535546424B323939304421", MenuCommand("SUFBK2990D"), "suffix CR"),
    ],
)

HONEYWELL_REPLY: WireFormat[MenuReply] = WireFormat(
    "honeywell_reply",
    "Honeywell Xenon/Vuquest user's guide, Serial programming commands, Responses",
    Record(
        MenuReply,
        "text" / _Text(AllBut(2, GreedyBytes)),
        "result" / Bounded(Int8ub, HoneywellResult.ENQ, HoneywellResult.NAK),
        _PERMANENT,
    ),
    [Vector("535546424B32393930440621", MenuReply("SUFBK2990D", HoneywellResult.ACK))],
)


class HoneywellSplitter:
    """Cuts what a host sends to a scanner into trigger and menu commands."""

    _COMMAND = re.compile(rb"\x16(?:[TU]\r|M\r[^.!\x16]{1,200}[.!])")

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[HoneywellTrigger | MenuCommand]:
        """Take the bytes received next, return the commands complete by now."""
        self._buffer += data
        found: list[HoneywellTrigger | MenuCommand] = []
        end = 0
        for match in self._COMMAND.finditer(self._buffer):
            end = match.end()
            try:
                found.append(HoneywellTrigger(match[0]))
            except ValueError:
                try:
                    found.append(HONEYWELL_MENU.parse(match[0]))
                except FormatError:
                    continue
        self._buffer = self._buffer[max(end, self._buffer.rfind(b"\x16")) :]
        return found


# --- Datalogic -----------------------------------------------------------------------------


class DatalogicCommand(enum.Enum):
    """Host commands, one character each."""

    TRIGGER_ON = b"T"
    TRIGGER_OFF = b"X"
    ENABLE = b"E"
    DISABLE = b"D"
