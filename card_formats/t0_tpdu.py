"""Commands and procedure bytes of the character protocol T=0 (ISO/IEC 7816-3:2006, 10.3)."""

from __future__ import annotations

import dataclasses
import enum

from construct import Bytes, Int8ub

from card_formats.core import Record, Vector, WireFormat
from card_formats.pieces import Dispatch, refuse

INS_GET_RESPONSE = 0xC0
NULL = 0x60
"""Procedure byte by which the card asks for more time."""


@dataclasses.dataclass(frozen=True)
class T0Command:
    """The header and, when they go to the card, its P3 data bytes.

    Without data, ``p3`` is the number of bytes expected from the card, 0 meaning 256; nothing
    tells a command without any data (case 1, P3 = 0) from one that expects 256 bytes.
    """

    cla: int
    ins: int
    p1: int
    p2: int
    p3: int = 0
    data: bytes = b""

    @property
    def expected(self) -> int:
        """Bytes expected from the card when there are none for it."""
        return self.p3 or 256


_HEADER = ("cla" / Int8ub, "ins" / Int8ub, "p1" / Int8ub, "p2" / Int8ub, "p3" / Int8ub)


def _of_size(size: int) -> Record:
    return Record(T0Command, *_HEADER, "data" / Bytes(size))


_SHAPES = [_of_size(size) for size in range(256)]


def _of_bytes(tpdu: bytes) -> Record:
    return _SHAPES[tpdu[4] if len(tpdu) > 5 else 0]


def _of_value(command: object) -> Record:
    if not isinstance(command, T0Command):
        raise refuse(f"expected T0Command, got {type(command).__name__}")
    if command.data and len(command.data) != command.p3:
        raise refuse(f"P3 is {command.p3} for {len(command.data)} bytes of data")
    return _SHAPES[len(command.data)]


T0_COMMAND: WireFormat[T0Command] = WireFormat(
    "t0_command",
    "ISO/IEC 7816-3:2006 10.3.2",
    Dispatch(_of_bytes, _of_value),
    [
        Vector("00B0000010", T0Command(0, 0xB0, 0, 0, 0x10), "sixteen bytes from the card"),
        Vector("00C0000000", T0Command(0, 0xC0, 0, 0), "GET RESPONSE of 256 bytes"),
        Vector(
            "00A40400023F00",
            T0Command(0, 0xA4, 4, 0, 2, b"\x3f\x00"),
            "two bytes for the card: its header alone asks for two",
            frozenset({5}),
        ),
    ],
    open_ended=True,
)


class Procedure(enum.Enum):
    """What a procedure byte asks of the reader (10.3.3)."""

    WAIT = "wait"
    REST = "send or take all bytes that are left"
    ONE = "send or take one byte"
    STATUS = "this is SW1"
    INVALID = "invalid"


def procedure(value: int, ins: int) -> Procedure:
    """Classify the procedure byte ``value`` received after a header with ``ins``."""
    if value == NULL:
        return Procedure.WAIT
    if value == ins:
        return Procedure.REST
    if value == ins ^ 0xFF:
        return Procedure.ONE
    if value >> 4 in (6, 9):
        return Procedure.STATUS
    return Procedure.INVALID
