"""Parameters of the PN532's commands that concern the chip itself.

Clauses are those of NXP's UM0701-02 rev. 02. Frames and codes are in
:mod:`card_formats.pn532_frame`, cards and card mode in :mod:`card_formats.pn532_rf`.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

from construct import (
    Adapter,
    Array,
    GreedyBytes,
    GreedyRange,
    Int8ub,
    Int16ub,
    PrefixedArray,
    Struct,
)

from card_formats.core import Record, Vector, WireFormat


class RfItem(enum.IntEnum):
    """CfgItem of RFConfiguration (7.3.1)."""

    FIELD = 0x01
    TIMINGS = 0x02
    COMMUNICATION_RETRIES = 0x04
    ACTIVATION_RETRIES = 0x05


class ParameterFlag(enum.IntFlag):
    """Flags of SetParameters (7.2.9)."""

    NAD_USED = 0x01
    DID_USED = 0x02
    AUTOMATIC_ATR_RES = 0x04
    AUTOMATIC_RATS = 0x10
    PICC = 0x20
    NO_PREAMBLE = 0x40


class Diagnosis(enum.IntEnum):
    """NumTst of Diagnose (7.2.1)."""

    COMMUNICATION_LINE = 0x00
    ROM = 0x01
    RAM = 0x02
    POLLING = 0x04
    ECHO_BACK = 0x05
    ATTENTION_REQUEST = 0x06
    SELF_ANTENNA = 0x07


# --- the chip itself -----------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class FirmwareVersion:
    """Response to GetFirmwareVersion. ``ic`` is 32 (hex) for a PN532."""

    ic: int = 0x32
    version: int = 1
    revision: int = 6
    support: int = 0x07


PN532_FIRMWARE_VERSION: WireFormat[FirmwareVersion] = WireFormat(
    "pn532_firmware_version",
    "UM0701-02 7.2.2",
    Record(
        FirmwareVersion,
        "ic" / Int8ub,
        "version" / Int8ub,
        "revision" / Int8ub,
        "support" / Int8ub,
    ),
    [Vector("32010607", FirmwareVersion(), "PN532 1.6: ISO/IEC 18092, 14443 A and B")],
)


@dataclasses.dataclass(frozen=True)
class GeneralStatus:
    """Response to GetGeneralStatus.

    ``targets`` are (number, receive rate, send rate, modulation) of each target held.
    """

    error: int = 0
    external_field: int = 0
    targets: tuple[tuple[int, int, int, int], ...] = ()
    sam_status: int = 0


class _Tuples(Adapter):  # type: ignore[misc]
    """A list of lists of integers as a tuple of tuples."""

    def _decode(self, obj: Any, context: Any, path: str) -> Any:
        return tuple(tuple(item) if isinstance(item, list) else item for item in obj)

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        return [list(item) if isinstance(item, tuple) else item for item in obj]


PN532_GENERAL_STATUS: WireFormat[GeneralStatus] = WireFormat(
    "pn532_general_status",
    "UM0701-02 7.2.3",
    Record(
        GeneralStatus,
        "error" / Int8ub,
        "external_field" / Int8ub,
        "targets" / _Tuples(PrefixedArray(Int8ub, Array(4, Int8ub))),
        "sam_status" / Int8ub,
    ),
    [
        Vector("00000000", GeneralStatus(), "idle"),
        Vector("0000010100001000", GeneralStatus(targets=((1, 0, 0, 0x10),)), "one target"),
    ],
)


PN532_REGISTER_ADDRESSES: WireFormat[tuple[int, ...]] = WireFormat(
    "pn532_register_addresses",
    "UM0701-02 7.2.4 (ReadRegister)",
    _Tuples(GreedyRange(Int16ub)),
    [Vector("63026303", (0x6302, 0x6303), "TxMode and RxMode", frozenset({0, 2}))],
    open_ended=True,
)


class _Pairs(Adapter):  # type: ignore[misc]
    """(address, value) pairs."""

    def __init__(self) -> None:
        super().__init__(GreedyRange(Struct("address" / Int16ub, "value" / Int8ub)))

    def _decode(self, obj: Any, context: Any, path: str) -> Any:
        return tuple((item.address, item.value) for item in obj)

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        return [{"address": address, "value": value} for address, value in obj]


PN532_REGISTER_WRITES: WireFormat[tuple[tuple[int, int], ...]] = WireFormat(
    "pn532_register_writes",
    "UM0701-02 7.2.5 (WriteRegister)",
    _Pairs(),
    [
        Vector(
            "630280630380",
            ((0x6302, 0x80), (0x6303, 0x80)),
            "CRC on both ways",
            frozenset({0, 3}),
        )
    ],
    open_ended=True,
)


@dataclasses.dataclass(frozen=True)
class RfConfiguration:
    """RFConfiguration: which item, and its data."""

    item: int
    data: bytes


PN532_RF_CONFIGURATION: WireFormat[RfConfiguration] = WireFormat(
    "pn532_rf_configuration",
    "UM0701-02 7.3.1",
    Record(RfConfiguration, "item" / Int8ub, "data" / GreedyBytes),
    [
        Vector("0101", RfConfiguration(RfItem.FIELD, b"\x01"), "field on"),
        Vector(
            "05FF01FF",
            RfConfiguration(RfItem.ACTIVATION_RETRIES, b"\xff\x01\xff"),
            "look for a card for ever",
        ),
    ],
    open_ended=True,
)
