"""Parameters of the PN532's commands for cards: as their reader, and in the place of one.

Clauses are those of NXP's UM0701-02 rev. 02.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

from construct import (
    Adapter,
    Bytes,
    GreedyBytes,
    Int8ub,
    Prefixed,
    PrefixedArray,
    Struct,
)

from card_formats.core import Record, Vector, WireFormat
from card_formats.pieces import Bounded, refuse


class Modulation(enum.IntEnum):
    """BrTy of InListPassiveTarget (7.3.5)."""

    TYPE_A_106 = 0
    FELICA_212 = 1
    FELICA_424 = 2
    TYPE_B_106 = 3
    JEWEL_106 = 4


class TargetType(enum.IntEnum):
    """Types of InAutoPoll that are of type A (7.3.13)."""

    GENERIC_106A = 0x00
    MIFARE = 0x10
    ISO_DEP_A = 0x20


class TargetMode(enum.IntFlag):
    """Mode byte of TgInitAsTarget (7.3.14)."""

    PASSIVE_ONLY = 0x01
    DEP_ONLY = 0x02
    PICC_ONLY = 0x04


# --- initiator -----------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class ListPassiveTarget:
    """InListPassiveTarget. ``initiator_data`` is for type A the wanted UID with cascade tags."""

    max_targets: int
    modulation: int
    initiator_data: bytes = b""


PN532_LIST_PASSIVE_TARGET: WireFormat[ListPassiveTarget] = WireFormat(
    "pn532_list_passive_target",
    "UM0701-02 7.3.5",
    Record(
        ListPassiveTarget,
        "max_targets" / Bounded(Int8ub, 1, 2),
        "modulation" / Int8ub,
        "initiator_data" / GreedyBytes,
    ),
    [
        Vector("0100", ListPassiveTarget(1, Modulation.TYPE_A_106)),
        Vector("010008A1B2C3", ListPassiveTarget(1, 0, bytes.fromhex("08A1B2C3")), "that card"),
    ],
    open_ended=True,
)


@dataclasses.dataclass(frozen=True)
class TypeATarget:
    """A type A card found.

    ``sens_res`` is the ATQA with its second byte first, as the chip reports it; ``ats`` starts
    with TL and is empty when no RATS was sent.
    """

    number: int
    sens_res: bytes
    sel_res: int
    uid: bytes
    ats: bytes = b""


class _AtsOrNothing(Adapter):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(GreedyBytes)

    def _decode(self, obj: Any, context: Any, path: str) -> bytes:
        if obj and obj[0] != len(obj):
            raise refuse(f"TL is {obj[0]}, the ATS has {len(obj)} bytes", path)
        return bytes(obj)

    def _encode(self, obj: Any, context: Any, path: str) -> bytes:
        return self._decode(obj, context, path)


PN532_TYPE_A_TARGET: WireFormat[TypeATarget] = WireFormat(
    "pn532_type_a_target",
    "UM0701-02 7.3.5 (106 kbit/s type A)",
    Record(
        TypeATarget,
        "number" / Bounded(Int8ub, 1, 2),
        "sens_res" / Bytes(2),
        "sel_res" / Int8ub,
        "uid" / Prefixed(Int8ub, GreedyBytes),
        "ats" / _AtsOrNothing(),
    ),
    [
        Vector(
            "010004200408A1B2C3067877910280",
            TypeATarget(
                1, b"\x00\x04", 0x20, bytes.fromhex("08A1B2C3"), bytes.fromhex("067877910280")
            ),
            "ISO-DEP card",
            frozenset({9}),
        ),
        Vector(
            "010344080704112233445566",
            TypeATarget(1, b"\x03\x44", 8, bytes.fromhex("04112233445566")),
        ),
    ],
)


@dataclasses.dataclass(frozen=True)
class AutoPoll:
    """InAutoPoll: ``polls`` (255 for ever), ``period`` in units of 150 ms, target ``types``."""

    polls: int
    period: int
    types: bytes


PN532_AUTO_POLL: WireFormat[AutoPoll] = WireFormat(
    "pn532_auto_poll",
    "UM0701-02 7.3.13",
    Record(
        AutoPoll,
        "polls" / Bounded(Int8ub, 1, 255),
        "period" / Bounded(Int8ub, 1, 15),
        "types" / GreedyBytes,
    ),
    [Vector("14022010", AutoPoll(20, 2, b"\x20\x10"), "as nfc-poll", frozenset({2, 3}))],
    open_ended=True,
)


@dataclasses.dataclass(frozen=True)
class AutoPollResult:
    """What InAutoPoll found: (type, target as in InListPassiveTarget) of each."""

    found: tuple[tuple[int, bytes], ...] = ()


class _Found(Adapter):  # type: ignore[misc]
    def __init__(self) -> None:
        item = Struct("type" / Int8ub, "data" / Prefixed(Int8ub, GreedyBytes))
        super().__init__(PrefixedArray(Bounded(Int8ub, 0, 2), item))

    def _decode(self, obj: Any, context: Any, path: str) -> Any:
        return tuple((item.type, item.data) for item in obj)

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        return [{"type": kind, "data": data} for kind, data in obj]


PN532_AUTO_POLL_RESULT: WireFormat[AutoPollResult] = WireFormat(
    "pn532_auto_poll_result",
    "UM0701-02 7.3.13",
    Record(AutoPollResult, "found" / _Found()),
    [
        Vector("00", AutoPollResult(), "nobody"),
        Vector(
            "01200F010004200408A1B2C3067877910280",
            AutoPollResult(((0x20, bytes.fromhex("010004200408A1B2C3067877910280")),)),
            "one ISO-DEP card",
        ),
    ],
)


@dataclasses.dataclass(frozen=True)
class DataExchange:
    """InDataExchange: target number, MI (more parts of this command follow), data."""

    target: int
    data: bytes = b""
    more: bool = False


class _DataExchangeAdapter(Adapter):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(Struct("tg" / Int8ub, "data" / GreedyBytes))

    def _decode(self, obj: Any, context: Any, path: str) -> DataExchange:
        if obj.tg & 0xBC:
            raise refuse(f"Tg {obj.tg:02X} sets an RFU bit", path)
        return DataExchange(obj.tg & 0x03, obj.data, bool(obj.tg & 0x40))

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        if not 0 <= obj.target <= 3:
            raise refuse(f"target {obj.target} is outside 0..3", path)
        return {"tg": obj.target | obj.more << 6, "data": obj.data}


PN532_DATA_EXCHANGE: WireFormat[DataExchange] = WireFormat(
    "pn532_data_exchange",
    "UM0701-02 7.3.8",
    _DataExchangeAdapter(),
    [
        Vector("0100A40400", DataExchange(1, b"\x00\xa4\x04\x00")),
        Vector("41AA", DataExchange(1, b"\xaa", more=True), "first part"),
    ],
    open_ended=True,
)


@dataclasses.dataclass(frozen=True)
class StatusAnswer:
    """Status byte (error code, MI: more data follows) and data of most RF commands (7.1)."""

    status: int = 0
    data: bytes = b""
    more: bool = False


class _StatusAdapter(Adapter):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(Struct("status" / Int8ub, "data" / GreedyBytes))

    def _decode(self, obj: Any, context: Any, path: str) -> StatusAnswer:
        if obj.status & 0x80:
            raise refuse("the NAD bit is set, no NAD was agreed on", path)
        return StatusAnswer(obj.status & 0x3F, obj.data, bool(obj.status & 0x40))

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        if not 0 <= obj.status <= 0x3F:
            raise refuse(f"status {obj.status} does not go into six bits", path)
        return {"status": obj.status | obj.more << 6, "data": obj.data}


PN532_STATUS_ANSWER: WireFormat[StatusAnswer] = WireFormat(
    "pn532_status_answer",
    "UM0701-02 7.1",
    _StatusAdapter(),
    [
        Vector("009000", StatusAnswer(0, b"\x90\x00")),
        Vector("4011", StatusAnswer(0, b"\x11", more=True), "more to be fetched"),
        Vector("29", StatusAnswer(0x29), "released"),
    ],
    open_ended=True,
)


# --- target --------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class TargetParameters:
    """TgInitAsTarget. ``sens_res`` is in the order sent on the air; the UID is 08 and
    ``uid_tail`` (3 bytes). ``historical`` follows the chip's own ATS in PICC mode."""

    mode: int
    sens_res: bytes
    uid_tail: bytes
    sel_res: int
    felica: bytes = bytes(18)
    nfcid3: bytes = bytes(10)
    general: bytes = b""
    historical: bytes = b""


PN532_TARGET_PARAMETERS: WireFormat[TargetParameters] = WireFormat(
    "pn532_target_parameters",
    "UM0701-02 7.3.14",
    Record(
        TargetParameters,
        "mode" / Bounded(Int8ub, 0, 7),
        "sens_res" / Bytes(2),
        "uid_tail" / Bytes(3),
        "sel_res" / Int8ub,
        "felica" / Bytes(18),
        "nfcid3" / Bytes(10),
        "general" / Prefixed(Int8ub, GreedyBytes),
        "historical" / Prefixed(Int8ub, GreedyBytes),
    ),
    [
        Vector(
            "050400A1B2C320" + "00" * 18 + "00" * 10 + "000180",
            TargetParameters(
                5, b"\x04\x00", b"\xa1\xb2\xc3", 0x20, general=b"", historical=b"\x80"
            ),
            "passive PICC only, one historical byte",
        )
    ],
)


@dataclasses.dataclass(frozen=True)
class TargetActivated:
    """Response to TgInitAsTarget: how it was activated and the first frame after it."""

    mode: int
    initiator_command: bytes = b""


PN532_TARGET_ACTIVATED: WireFormat[TargetActivated] = WireFormat(
    "pn532_target_activated",
    "UM0701-02 7.3.14",
    Record(TargetActivated, "mode" / Int8ub, "initiator_command" / GreedyBytes),
    [
        Vector("00E080", TargetActivated(0, b"\xe0\x80"), "106 kbit/s type A, RATS"),
        Vector("08E050", TargetActivated(8, b"\xe0\x50"), "ISO-DEP activated by the chip"),
    ],
    open_ended=True,
)
