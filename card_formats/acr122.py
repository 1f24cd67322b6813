"""Pseudo-APDUs of the ACS ACR122U: what its own firmware answers (ACR122U API V2.04)."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

from construct import Bytes, Const, GreedyBytes, Int8ub, Prefixed, Struct

from card_formats.core import Record, Vector, WireFormat
from card_formats.pieces import Dispatch, refuse

FIRMWARE_VERSION = b"ACR122U214"


class Result(enum.IntEnum):
    """Status words of a direct transmission (6.1)."""

    OK = 0x9000
    FAILED = 0x6300
    CHIP_SILENT = 0x6301
    CHIP_CHECKSUM = 0x6327
    CHIP_REFUSED = 0x637F


class GetDataOf(enum.IntEnum):
    """P1 of GetData (4.1)."""

    UID = 0x00
    ATS = 0x01


@dataclasses.dataclass(frozen=True)
class GetData:
    """UID or ATS of the card in the field (4.1). ``le`` 0 is all of it."""

    what: int
    le: int = 0


@dataclasses.dataclass(frozen=True)
class DirectTransmit:
    """A PN532 command from its TFI on (6.1)."""

    payload: bytes


@dataclasses.dataclass(frozen=True)
class SetLedAndBuzzer:
    """LED state control and the four bytes of the blinking: T1, T2 in 100 ms, repetitions and
    what the buzzer does (6.2)."""

    state: int
    blinking: bytes


@dataclasses.dataclass(frozen=True)
class GetFirmwareVersion:
    """Answered by text without a status word (6.3)."""


@dataclasses.dataclass(frozen=True)
class GetPiccParameters:
    """Answered by 90 and the value (6.4)."""


@dataclasses.dataclass(frozen=True)
class SetPiccParameters:
    """Bit 7 automatic polling, bit 6 automatic ATS, others the technologies polled (6.5)."""

    value: int


@dataclasses.dataclass(frozen=True)
class SetTimeout:
    """How long the chip is waited for: 00 not at all, 01..FE in 5 s, FF for ever (6.6)."""

    value: int


@dataclasses.dataclass(frozen=True)
class SetDetectionBuzzer:
    """Beep when a card comes: 00 no, FF yes (6.7)."""

    value: int


PseudoApdu = (
    GetData
    | DirectTransmit
    | SetLedAndBuzzer
    | GetFirmwareVersion
    | GetPiccParameters
    | SetPiccParameters
    | SetTimeout
    | SetDetectionBuzzer
)

_ZERO = Const(b"\x00")


def _header(ins: int, *rest: Any) -> tuple[Any, ...]:
    return (Const(bytes([0xFF, 0x00, ins])), *rest)


_DEFINITIONS: dict[tuple[int, int], tuple[type[Any], Any]] = {
    (0xCA, 0): (
        GetData,
        Record(GetData, Const(b"\xff\xca"), "what" / Int8ub, _ZERO, "le" / Int8ub),
    ),
    (0x00, 0x00): (
        DirectTransmit,
        Record(
            DirectTransmit,
            *_header(0x00, _ZERO),
            "payload" / Prefixed(Int8ub, GreedyBytes),
        ),
    ),
    (0x00, 0x40): (
        SetLedAndBuzzer,
        Record(
            SetLedAndBuzzer,
            *_header(0x40, "state" / Int8ub, Const(b"\x04"), "blinking" / Bytes(4)),
        ),
    ),
    (0x00, 0x48): (
        GetFirmwareVersion,
        Record(GetFirmwareVersion, *_header(0x48, Const(b"\x00\x00"))),
    ),
    (0x00, 0x50): (
        GetPiccParameters,
        Record(GetPiccParameters, *_header(0x50, Const(b"\x00\x00"))),
    ),
    (0x00, 0x51): (
        SetPiccParameters,
        Record(SetPiccParameters, *_header(0x51, "value" / Int8ub, _ZERO)),
    ),
    (0x00, 0x41): (SetTimeout, Record(SetTimeout, *_header(0x41, "value" / Int8ub, _ZERO))),
    (0x00, 0x52): (
        SetDetectionBuzzer,
        Record(SetDetectionBuzzer, *_header(0x52, "value" / Int8ub, _ZERO)),
    ),
}
_BY_TYPE = dict(_DEFINITIONS.values())
_PREFIX = Struct("cla" / Const(b"\xff"), "ins" / Int8ub, "p1" / Int8ub)


def _of_bytes(data: bytes) -> Any:
    # Class and instruction, then P1: this maker numbers its commands there.
    head = _PREFIX.parse(data)
    key = (head.ins, head.p1 if head.ins == 0x00 else 0)
    if key not in _DEFINITIONS:
        raise refuse(f"{data[:3].hex()} is no pseudo-APDU of this reader")
    return _DEFINITIONS[key][1]


def _of_value(value: Any) -> Any:
    if type(value) not in _BY_TYPE:
        raise refuse(f"{type(value).__name__} is no pseudo-APDU of this reader")
    return _BY_TYPE[type(value)]


ACR122_PSEUDO_APDU: WireFormat[PseudoApdu] = WireFormat(
    "acr122_pseudo_apdu",
    "ACR122U API V2.04, 4.1 and 6.1 to 6.7",
    Dispatch(_of_bytes, _of_value),
    [
        Vector("FFCA000000", GetData(GetDataOf.UID), "UID"),
        Vector("FF00000002D402", DirectTransmit(b"\xd4\x02"), "GetFirmwareVersion of the PN532"),
        Vector("FF00400E0400000000", SetLedAndBuzzer(0x0E, bytes(4)), "LED green, as nfcpy"),
        Vector("FF00480000", GetFirmwareVersion()),
        Vector("FF00500000", GetPiccParameters()),
        Vector("FF00517F00", SetPiccParameters(0x7F), "no automatic polling"),
        Vector("FF00410100", SetTimeout(1), "five seconds"),
        Vector("FF0052FF00", SetDetectionBuzzer(0xFF)),
    ],
)
