"""What crosses between a PN532 and its host: frames, and the commands inside them.

Clauses are those of NXP's PN532 user manual, UM0701-02 rev. 02. The parameters of the commands
are in :mod:`card_formats.pn532_commands`.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

from construct import Adapter, Bytes, Const, GreedyBytes, Int8ub, Int16ub, Struct

from card_formats.core import FormatError, Vector, WireFormat
from card_formats.pieces import Dispatch, refuse

MAX_NORMAL = 255
"""Most bytes of a normal frame, TFI included; longer ones go in extended frames."""

MAX_DATA = 265
"""Most bytes of a frame the chip takes or sends, TFI included (6.2.1.2)."""

MAX_TRANSFER = 262
"""Most bytes of a card's data in one command or response (7.3.8, 7.3.16)."""


class Command(enum.IntEnum):
    """Command codes (clause 7)."""

    DIAGNOSE = 0x00
    GET_FIRMWARE_VERSION = 0x02
    GET_GENERAL_STATUS = 0x04
    READ_REGISTER = 0x06
    WRITE_REGISTER = 0x08
    READ_GPIO = 0x0C
    WRITE_GPIO = 0x0E
    SET_SERIAL_BAUD_RATE = 0x10
    SET_PARAMETERS = 0x12
    SAM_CONFIGURATION = 0x14
    POWER_DOWN = 0x16
    RF_CONFIGURATION = 0x32
    RF_REGULATION_TEST = 0x58
    IN_DATA_EXCHANGE = 0x40
    IN_COMMUNICATE_THRU = 0x42
    IN_DESELECT = 0x44
    IN_JUMP_FOR_PSL = 0x46
    IN_LIST_PASSIVE_TARGET = 0x4A
    IN_PSL = 0x4E
    IN_ATR = 0x50
    IN_RELEASE = 0x52
    IN_SELECT = 0x54
    IN_JUMP_FOR_DEP = 0x56
    IN_AUTO_POLL = 0x60
    TG_GET_DATA = 0x86
    TG_GET_INITIATOR_COMMAND = 0x88
    TG_GET_TARGET_STATUS = 0x8A
    TG_INIT_AS_TARGET = 0x8C
    TG_SET_DATA = 0x8E
    TG_RESPONSE_TO_INITIATOR = 0x90
    TG_SET_GENERAL_BYTES = 0x92
    TG_SET_META_DATA = 0x94


class Status(enum.IntEnum):
    """Error codes in the status byte of a response (clause 7.1)."""

    OK = 0x00
    TIME_OUT = 0x01
    CRC = 0x02
    PARITY = 0x03
    BUFFER_TOO_SMALL = 0x07
    RF_PROTOCOL = 0x0B
    INVALID_PARAMETER = 0x10
    DEP_STATE = 0x25
    NOT_ALLOWED = 0x26
    CONTEXT = 0x27
    RELEASED = 0x29


class BaudRate(enum.IntEnum):
    """Codes of SetSerialBaudRate (7.2.7)."""

    BD_9600 = 0
    BD_19200 = 1
    BD_38400 = 2
    BD_57600 = 3
    BD_115200 = 4
    BD_230400 = 5
    BD_460800 = 6
    BD_921600 = 7
    BD_1288000 = 8

    @property
    def bits_per_second(self) -> int:
        """The rate itself."""
        return int(self.name[3:])


# --- frames --------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class InformationFrame:
    """A frame with data: TFI (D4 host to chip, D5 chip to host, 7F error) and what follows.

    ``extended`` is how it is written; only data of 255 bytes or less leaves the choice.
    """

    data: bytes
    extended: bool = False


@dataclasses.dataclass(frozen=True)
class Ack:
    """The frame before was received; sent by the host during a command, it aborts it (6.2.1.3)."""


@dataclasses.dataclass(frozen=True)
class Nack:
    """Send the last response again (6.2.1.4)."""


Frame = InformationFrame | Ack | Nack

SYNTAX_ERROR = InformationFrame(b"\x7f")
"""The error frame: the chip does not know the command or its parameters (6.2.1.5)."""


class _InformationAdapter(Adapter):  # type: ignore[misc]
    def __init__(self, subcon: Any, extended: bool) -> None:
        super().__init__(subcon)
        self.extended = extended

    def _decode(self, obj: Any, context: Any, path: str) -> InformationFrame:
        if _negated_sum(_length_bytes(obj.length, self.extended)) != obj.lcs:
            raise refuse(f"LCS {obj.lcs:02X} does not match length {obj.length}", path)
        if _negated_sum(obj.data) != obj.dcs:
            raise refuse(f"DCS {obj.dcs:02X} should be {_negated_sum(obj.data):02X}", path)
        _check_length(obj.length, self.extended, path)
        return InformationFrame(obj.data, self.extended)

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        length = len(obj.data)
        _check_length(length, self.extended, path)
        return {
            "length": length,
            "lcs": _negated_sum(_length_bytes(length, self.extended)),
            "data": obj.data,
            "dcs": _negated_sum(obj.data),
        }


def _negated_sum(data: bytes) -> int:
    return -sum(data) & 0xFF


def _length_bytes(length: int, extended: bool) -> bytes:
    return length.to_bytes(2 if extended else 1, "big")


def _check_length(length: int, extended: bool, path: str) -> None:
    if not 1 <= length <= (0xFFFF if extended else MAX_NORMAL):
        raise refuse(f"{length} bytes do not go into one frame", path)


_START = b"\x00\x00\xff"
_ACK = _START + b"\x00\xff\x00"
_NACK = _START + b"\xff\x00\x00"
_START_CODE = 2
_EXTENDED_MARK = b"\xff\xff"
_NORMAL_FRAME = _InformationAdapter(
    Struct(
        Const(_START),
        "length" / Int8ub,
        "lcs" / Int8ub,
        "data" / Bytes(lambda ctx: ctx.length),
        "dcs" / Int8ub,
        Const(b"\x00"),
    ),
    extended=False,
)
_EXTENDED_FRAME = _InformationAdapter(
    Struct(
        Const(_START + _EXTENDED_MARK),
        "length" / Int16ub,
        "lcs" / Int8ub,
        "data" / Bytes(lambda ctx: ctx.length),
        "dcs" / Int8ub,
        Const(b"\x00"),
    ),
    extended=True,
)


class _Bare(Adapter):  # type: ignore[misc]
    """A frame without data is its constant."""

    def __init__(self, value: Frame, encoded: bytes) -> None:
        super().__init__(Const(encoded))
        self.value = value

    def _decode(self, obj: Any, context: Any, path: str) -> Frame:
        return self.value

    def _encode(self, obj: Any, context: Any, path: str) -> None:
        return None


_ACK_FRAME = _Bare(Ack(), _ACK)
_NACK_FRAME = _Bare(Nack(), _NACK)


def _frame_of_bytes(data: bytes) -> Any:
    mark = data[3:5]
    if mark == b"\x00\xff":
        return _ACK_FRAME
    if mark == b"\xff\x00":
        return _NACK_FRAME
    return _EXTENDED_FRAME if mark == _EXTENDED_MARK else _NORMAL_FRAME


def _frame_of_value(frame: Any) -> Any:
    if isinstance(frame, InformationFrame):
        return _EXTENDED_FRAME if frame.extended else _NORMAL_FRAME
    if isinstance(frame, Ack | Nack):
        return _ACK_FRAME if isinstance(frame, Ack) else _NACK_FRAME
    raise refuse(f"{type(frame).__name__} is no PN532 frame")


PN532_FRAME: WireFormat[Frame] = WireFormat(
    "pn532_frame",
    "UM0701-02 6.2.1",
    Dispatch(_frame_of_bytes, _frame_of_value),
    [
        Vector("0000FF00FF00", Ack(), "acknowledge, or abort"),
        Vector("0000FFFF0000", Nack(), "repeat"),
        Vector("0000FF01FF7F8100", SYNTAX_ERROR, "application level error"),
        Vector("0000FF02FED4022A00", InformationFrame(b"\xd4\x02"), "GetFirmwareVersion"),
        Vector(
            "0000FF06FAD50332010607E800",
            InformationFrame(bytes.fromhex("D50332010607")),
            "its answer: PN532 1.6",
        ),
        Vector(
            "0000FFFFFF0003FDD4001F0D00",
            InformationFrame(b"\xd4\x00\x1f", extended=True),
            "extended form",
        ),
    ],
)


def information_frame(data: bytes) -> InformationFrame:
    """The frame for ``data`` (TFI first), extended only where it must be."""
    return InformationFrame(data, extended=len(data) > MAX_NORMAL)


class FrameSplitter:
    """Cuts a byte stream into frames.

    Preamble, wake-up bytes (55 55 00…) and noise before a start code are skipped, as by the chip.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame | FormatError]:
        """Take the bytes received next, return what is complete: frames, and the error of each
        one that was damaged."""
        self._buffer += data
        found: list[Frame | FormatError] = []
        while (raw := self._next()) is not None:
            try:
                found.append(PN532_FRAME.parse(raw))
            except FormatError as error:
                found.append(error)
        return found

    def _next(self) -> bytes | None:
        start = self._buffer.find(b"\x00\xff")
        if start < 0:
            # The last byte may be the first half of a start code.
            del self._buffer[: max(0, len(self._buffer) - 1)]
            return None
        del self._buffer[:start]
        size = self._size()
        if size is None or len(self._buffer) < size:
            return None
        raw = b"\x00" + bytes(self._buffer[:size])
        del self._buffer[:size]
        return raw

    def _size(self) -> int | None:
        """Bytes from the start code's 00 to the postamble; ``None`` while it cannot be told."""
        head = bytes(self._buffer[2:7])
        if len(head) < 2:
            return None
        if head[:2] in (b"\x00\xff", b"\xff\x00"):
            return 5
        if head[:2] == _EXTENDED_MARK:
            if len(head) < 5:
                return None
            length, lcs = head[2] << 8 | head[3], head[4]
            sound = not (sum(head[2:4]) + lcs) & 0xFF and 0 < length <= MAX_DATA
            return 7 + length + 2 if sound else _START_CODE
        # A length that fails its check says nothing of where the frame ends: the next start
        # code may be just behind.
        sound = not sum(head[:2]) & 0xFF and head[0] > 0
        return 4 + head[0] + 2 if sound else _START_CODE


# --- commands and responses ----------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class HostCommand:
    """A command: its code, any byte, and its parameters."""

    code: int
    parameters: bytes = b""


@dataclasses.dataclass(frozen=True)
class ChipResponse:
    """A response. ``code`` is that of the command it answers; on the wire it is one more."""

    code: int
    data: bytes = b""


class _CommandAdapter(Adapter):  # type: ignore[misc]
    def __init__(self, cls: type[Any], tfi: bytes, offset: int) -> None:
        super().__init__(Struct(Const(tfi), "code" / Int8ub, "data" / GreedyBytes))
        self.cls = cls
        self.names = [field.name for field in dataclasses.fields(cls)]
        self.offset = offset

    def _decode(self, obj: Any, context: Any, path: str) -> Any:
        if obj.code < self.offset:
            raise refuse("response code 00 answers no command", path)
        return self.cls(obj.code - self.offset, obj.data)

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        if not isinstance(obj, self.cls):
            raise refuse(f"expected {self.cls.__name__}, got {type(obj).__name__}", path)
        code, data = (getattr(obj, name) for name in self.names)
        return {"code": code + self.offset, "data": data}


PN532_COMMAND: WireFormat[HostCommand] = WireFormat(
    "pn532_command",
    "UM0701-02 6.2.1.1 and 7",
    _CommandAdapter(HostCommand, b"\xd4", 0),
    [
        Vector("D402", HostCommand(Command.GET_FIRMWARE_VERSION)),
        Vector("D44A0100", HostCommand(Command.IN_LIST_PASSIVE_TARGET, b"\x01\x00")),
    ],
    open_ended=True,
)

PN532_RESPONSE: WireFormat[ChipResponse] = WireFormat(
    "pn532_response",
    "UM0701-02 6.2.1.1 and 7",
    _CommandAdapter(ChipResponse, b"\xd5", 1),
    [
        Vector("D515", ChipResponse(Command.SAM_CONFIGURATION)),
        Vector("D54300029000", ChipResponse(Command.IN_COMMUNICATE_THRU, b"\x00\x02\x90\x00")),
    ],
    open_ended=True,
)
