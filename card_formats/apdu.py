"""Command and response APDU (ISO/IEC 7816-4:2020, 5.2).

The short and the extended form of the same command are different values: a card may answer
them differently, so a round trip keeps the form.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from construct import Adapter, Bytes, Computed, Const, GreedyBytes, Int8ub, Int16ub, Rebuild, this

from card_formats.core import Record, Vector, WireFormat
from card_formats.pieces import AllBut, Bounded, Dispatch, refuse

SHORT_MAX_DATA = 255
SHORT_MAX_LE = 256
EXTENDED_MAX_DATA = 65_535
EXTENDED_MAX_LE = 65_536


@dataclasses.dataclass(frozen=True)
class CommandApdu:
    """A command.

    Attributes:
        cla, ins, p1, p2: header bytes.
        data: command data, 0 to 65,535 bytes; empty means no Lc field.
        le: most bytes of response data expected, 1 to 65,536; ``None`` means no Le field.
        extended: lengths are coded on two bytes. A command with neither data nor Le has no
            extended form.
    """

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    le: int | None = None
    extended: bool = False


@dataclasses.dataclass(frozen=True)
class ResponseApdu:
    """A response: 0 to 65,536 bytes of data and the status word (0x9000 = normal)."""

    data: bytes
    sw: int

    @property
    def sw1(self) -> int:
        """High byte of the status word."""
        return self.sw >> 8

    @property
    def sw2(self) -> int:
        """Low byte of the status word."""
        return self.sw & 0xFF


class _Le(Adapter):  # type: ignore[misc]
    """Le, where zero on the wire stands for the largest length."""

    def __init__(self, subcon: Any, largest: int) -> None:
        super().__init__(subcon)
        self.largest = largest

    def _decode(self, obj: Any, context: Any, path: str) -> Any:
        return obj or self.largest

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        if not 1 <= obj <= self.largest:
            raise refuse(f"Le {obj} is outside 1..{self.largest}", path)
        return obj % self.largest


_HEADER = ("cla" / Int8ub, "ins" / Int8ub, "p1" / Int8ub, "p2" / Int8ub)
_NO_DATA = "data" / Computed(b"")
_NO_LE = "le" / Computed(None)
_SHORT = "extended" / Computed(False)
_EXTENDED = "extended" / Computed(True)
_MARK = "mark" / Const(b"\x00")
_LC8 = "lc" / Rebuild(Bounded(Int8ub, 1, SHORT_MAX_DATA), lambda ctx: len(ctx.data))
_LC16 = "lc" / Rebuild(Bounded(Int16ub, 1, EXTENDED_MAX_DATA), lambda ctx: len(ctx.data))
_DATA = "data" / Bytes(this.lc)
_LE8 = "le" / _Le(Int8ub, SHORT_MAX_LE)
_LE16 = "le" / _Le(Int16ub, EXTENDED_MAX_LE)

_CASES = {
    "1": Record(CommandApdu, *_HEADER, _NO_DATA, _NO_LE, _SHORT),
    "2S": Record(CommandApdu, *_HEADER, _NO_DATA, _LE8, _SHORT),
    "3S": Record(CommandApdu, *_HEADER, _LC8, _DATA, _NO_LE, _SHORT),
    "4S": Record(CommandApdu, *_HEADER, _LC8, _DATA, _LE8, _SHORT),
    "2E": Record(CommandApdu, *_HEADER, _NO_DATA, _MARK, _LE16, _EXTENDED),
    "3E": Record(CommandApdu, *_HEADER, _MARK, _LC16, _DATA, _NO_LE, _EXTENDED),
    "4E": Record(CommandApdu, *_HEADER, _MARK, _LC16, _DATA, _LE16, _EXTENDED),
}


def _case_of_bytes(command: bytes) -> Any:
    length = len(command)
    if length <= 4:
        return _CASES["1"]
    if length == 5:
        return _CASES["2S"]
    if command[4]:
        return _CASES["3S" if length <= 5 + command[4] else "4S"]
    if length <= 7:
        return _CASES["2E"]
    lc = int.from_bytes(command[5:7], "big")
    return _CASES["3E" if length <= 7 + lc else "4E"]


def _case_of_value(command: Any) -> Any:
    if not isinstance(command, CommandApdu):
        raise refuse(f"expected CommandApdu, got {type(command).__name__}")
    longest = EXTENDED_MAX_DATA if command.extended else SHORT_MAX_DATA
    if len(command.data) > longest:
        form = "an extended" if command.extended else "a short"
        raise refuse(f"{len(command.data)} bytes of data do not fit {form} command")
    number = (3 if command.data else 1) + (command.le is not None)
    if number == 1:
        if command.extended:
            raise refuse("a command with neither data nor Le has no extended form")
        return _CASES["1"]
    return _CASES[f"{number}{'E' if command.extended else 'S'}"]


_SELECT_DATA = bytes.fromhex("F04543415254 4501")

COMMAND_APDU: WireFormat[CommandApdu] = WireFormat(
    "command_apdu",
    "ISO/IEC 7816-4:2020 5.2, cases 1, 2S, 3S, 4S, 2E, 3E, 4E",
    Dispatch(_case_of_bytes, _case_of_value),
    [
        Vector("00840000", CommandApdu(0x00, 0x84, 0, 0), "case 1"),
        Vector("0084000008", CommandApdu(0x00, 0x84, 0, 0, le=8), "case 2S", frozenset({4})),
        Vector(
            "00B0000000",
            CommandApdu(0x00, 0xB0, 0, 0, le=256),
            "case 2S, Le 00 means 256",
            frozenset({4}),
        ),
        Vector(
            "00A4040C08F045434152544501",
            CommandApdu(0x00, 0xA4, 4, 0x0C, _SELECT_DATA),
            "case 3S",
            frozenset({4, 5}),
        ),
        Vector(
            "00A4040008F04543415254450100",
            CommandApdu(0x00, 0xA4, 4, 0, _SELECT_DATA, 256),
            "case 4S: all but its last byte is a case 3S",
            frozenset({4, 5, 13}),
        ),
        Vector(
            "00B00000000100",
            CommandApdu(0x00, 0xB0, 0, 0, le=256, extended=True),
            "case 2E asking for what a short Le could ask",
            frozenset({4, 5}),
        ),
        Vector(
            "00B00000000000",
            CommandApdu(0x00, 0xB0, 0, 0, le=65_536, extended=True),
            "case 2E, Le 0000 means 65536",
            frozenset({4, 5}),
        ),
        Vector(
            "80EC00000000020A0B",
            CommandApdu(0x80, 0xEC, 0, 0, b"\x0a\x0b", extended=True),
            "case 3E: its first seven bytes are a case 2E",
            frozenset({4, 5, 7}),
        ),
        Vector(
            "80EC00000000020A0B0000",
            CommandApdu(0x80, 0xEC, 0, 0, b"\x0a\x0b", 65_536, extended=True),
            "case 4E",
            frozenset({4, 5, 7, 9}),
        ),
    ],
    open_ended=True,
)

RESPONSE_APDU: WireFormat[ResponseApdu] = WireFormat(
    "response_apdu",
    "ISO/IEC 7816-4:2020 5.3",
    Record(ResponseApdu, "data" / AllBut(2, GreedyBytes), "sw" / Int16ub),
    [
        Vector("9000", ResponseApdu(b"", 0x9000), "status only"),
        Vector("6A82", ResponseApdu(b"", 0x6A82), "file or application not found"),
        Vector(
            "01020390006110",
            ResponseApdu(bytes.fromhex("0102039000"), 0x6110),
            "data that itself ends like a status",
            frozenset(range(2, 7)),
        ),
    ],
    open_ended=True,
)
