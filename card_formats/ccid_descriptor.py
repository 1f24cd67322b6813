"""The class descriptor by which a CCID reader says what it can do (CCID 1.1, 5.1)."""

from __future__ import annotations

import dataclasses
import enum

from construct import Const, Int8ub, Int16ul, Int32ul

from card_formats.core import Record, Vector, WireFormat
from card_formats.pieces import Bounded


class Feature(enum.IntFlag):
    """Bits of dwFeatures (5.1). The exchange level is one of the last four, or none (character)."""

    AUTO_PARAMETERS_BY_ATR = 0x02
    AUTO_ACTIVATION = 0x04
    AUTO_VOLTAGE = 0x08
    AUTO_CLOCK = 0x10
    AUTO_BAUD = 0x20
    AUTO_NEGOTIATION = 0x40
    AUTO_PPS = 0x80
    CLOCK_STOP = 0x100
    NAD = 0x200
    AUTO_IFSD = 0x400
    TPDU = 0x0001_0000
    SHORT_APDU = 0x0002_0000
    EXTENDED_APDU = 0x0004_0000
    WAKE_UP = 0x0010_0000


class PinSupport(enum.IntFlag):
    """bPINSupport (5.1)."""

    NONE = 0
    VERIFY = 1
    MODIFY = 2


@dataclasses.dataclass(frozen=True)
class ClassDescriptor:
    """The Smart Card Device Class descriptor; frequencies in kHz, rates in bit/s.

    Attributes:
        protocols: bit 0 for T=0, bit 1 for T=1.
        max_message: dwMaxCCIDMessageLength, header included.
        lcd: characters and lines of a display (bytes XXYY), 0 for none.
        class_get_response, class_envelope: CLA to use, FF = that of the command.
    """

    features: int
    max_message: int
    max_slot: int = 0
    max_busy_slots: int = 1
    protocols: int = 3
    voltages: int = 7
    max_ifsd: int = 254
    pin_support: int = 0
    lcd: int = 0
    default_clock: int = 4000
    max_clock: int = 4000
    clock_count: int = 0
    data_rate: int = 10_752
    max_data_rate: int = 344_086
    data_rate_count: int = 0
    synchronous_protocols: int = 0
    mechanical: int = 0
    class_get_response: int = 0xFF
    class_envelope: int = 0xFF
    release: int = 0x0110


CCID_CLASS_DESCRIPTOR: WireFormat[ClassDescriptor] = WireFormat(
    "ccid_class_descriptor",
    "CCID 1.1 5.1",
    Record(
        ClassDescriptor,
        "head" / Const(b"\x36\x21"),
        "release" / Int16ul,
        "max_slot" / Int8ub,
        "voltages" / Bounded(Int8ub, 1, 7),
        "protocols" / Bounded(Int32ul, 1, 3),
        "default_clock" / Int32ul,
        "max_clock" / Int32ul,
        "clock_count" / Int8ub,
        "data_rate" / Int32ul,
        "max_data_rate" / Int32ul,
        "data_rate_count" / Int8ub,
        "max_ifsd" / Int32ul,
        "synchronous_protocols" / Int32ul,
        "mechanical" / Int32ul,
        "features" / Int32ul,
        "max_message" / Int32ul,
        "class_get_response" / Int8ub,
        "class_envelope" / Int8ub,
        "lcd" / Int16ul,
        "pin_support" / Bounded(Int8ub, 0, 3),
        "max_busy_slots" / Int8ub,
    ),
    [
        Vector(
            "3621100100" + "07" + "03000000" + "A00F0000" + "A00F0000" + "00"
            "002A0000" + "16400500" + "00" + "FE000000" + "00000000" + "00000000"
            "30020100" + "0F010000" + "FFFF" + "0000" + "00" + "01",
            ClassDescriptor(Feature(0x00010230), 271),
            "a GemPC reader: TPDU level, 271-byte messages",
        ),
    ],
)
