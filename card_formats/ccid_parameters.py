"""Protocol data structures of Get, Set and Reset Parameters (CCID 1.1, 6.1.7)."""

from __future__ import annotations

import dataclasses
from typing import Any

from construct import Adapter, BitsInteger, BitStruct, Const, Flag, Int8ub, Struct

from card_formats.core import Record, Vector, WireFormat
from card_formats.pieces import Bounded, Dispatch, refuse


@dataclasses.dataclass(frozen=True)
class ParametersT0:
    """Of T=0.

    Attributes:
        rates: bmFindexDindex, coded like TA1.
        inverse: inverse convention.
        guard_time: bGuardTimeT0, extra etu between characters.
        waiting_integer: WI.
        clock_stop: bClockStop, 0..3.
    """

    rates: int = 0x11
    inverse: bool = False
    guard_time: int = 0
    waiting_integer: int = 10
    clock_stop: int = 0


@dataclasses.dataclass(frozen=True)
class ParametersT1:
    """Of T=1.

    Attributes:
        rates, inverse, guard_time, clock_stop: see :class:`ParametersT0`.
        crc: blocks end in a CRC and not in an LRC.
        bwi, cwi: block and character waiting integers.
        ifsc: information field size of the card in bytes.
        nad: node address the reader uses, 0 if it supports no other.
    """

    rates: int = 0x11
    inverse: bool = False
    crc: bool = False
    guard_time: int = 0
    bwi: int = 4
    cwi: int = 13
    clock_stop: int = 0
    ifsc: int = 32
    nad: int = 0


Parameters = ParametersT0 | ParametersT1


class _Flat(Adapter):  # type: ignore[misc]
    """Fields of nested bit structures, seen as fields of the record around them."""

    def __init__(self, *fields: Any) -> None:
        super().__init__(Struct(*fields))

    def _decode(self, obj: Any, context: Any, path: str) -> Any:
        flat = {}
        for name, value in obj.items():
            flat.update(value if isinstance(value, dict) else {name: value})
        return flat

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        return {**obj, "coding": obj, "waiting": obj}


class _FlatRecord(Record):
    def __init__(self, cls: type[Any], *fields: Any) -> None:
        super().__init__(cls)
        self.subcon = _Flat(*fields)


_T0 = _FlatRecord(
    ParametersT0,
    "rates" / Int8ub,
    "coding"
    / BitStruct(
        "rfu" / Const(0, BitsInteger(6)), "inverse" / Flag, "rfu2" / Const(0, BitsInteger(1))
    ),
    "guard_time" / Int8ub,
    "waiting_integer" / Int8ub,
    "clock_stop" / Bounded(Int8ub, 0, 3),
)

_T1 = _FlatRecord(
    ParametersT1,
    "rates" / Int8ub,
    "coding" / BitStruct("mark" / Const(4, BitsInteger(6)), "inverse" / Flag, "crc" / Flag),
    "guard_time" / Int8ub,
    "waiting" / BitStruct("bwi" / BitsInteger(4), "cwi" / BitsInteger(4)),
    "clock_stop" / Bounded(Int8ub, 0, 3),
    "ifsc" / Bounded(Int8ub, 1, 254),
    "nad" / Int8ub,
)


def _of_value(value: Any) -> Any:
    if isinstance(value, ParametersT0):
        return _T0
    if isinstance(value, ParametersT1):
        return _T1
    raise refuse(f"{type(value).__name__} are no parameters")


CCID_PARAMETERS: WireFormat[Parameters] = WireFormat(
    "ccid_parameters",
    "CCID 1.1 6.1.7, abProtocolDataStructure: 5 bytes for T=0, 7 for T=1",
    Dispatch(lambda data: _T0 if len(data) <= 5 else _T1, _of_value),
    [
        Vector("1100000A00", ParametersT0(), "T=0, all defaults"),
        Vector("960200FF00", ParametersT0(0x96, True, 0, 255), "T=0, inverse convention"),
        Vector("1110004D002000", ParametersT1(), "T=1, all defaults"),
        Vector("1811FF4303FE00", ParametersT1(0x18, False, True, 255, 4, 3, 3, 254), "T=1, CRC"),
    ],
)
