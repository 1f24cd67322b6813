"""Structures between an application and a PC/SC reader with a PIN pad (PC/SC 2.02.09 part 10)."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

from construct import Bytes, Const, GreedyRange, Int8ub, Int16ul, Int32ub, Int32ul, Rebuild, this

from card_formats.ccid_pin import PIN_FORMAT, PinFormat, PinModify, PinVerify
from card_formats.core import Record, Vector, WireFormat
from card_formats.pieces import Bounded, refuse


class PcscFeature(enum.IntEnum):
    """Tags of the feature list (2.2)."""

    VERIFY_PIN_START = 0x01
    VERIFY_PIN_FINISH = 0x02
    MODIFY_PIN_START = 0x03
    MODIFY_PIN_FINISH = 0x04
    GET_KEY_PRESSED = 0x05
    VERIFY_PIN_DIRECT = 0x06
    MODIFY_PIN_DIRECT = 0x07
    MCT_READER_DIRECT = 0x08
    MCT_UNIVERSAL = 0x09
    IFD_PIN_PROPERTIES = 0x0A
    ABORT = 0x0B
    SET_SPE_MESSAGE = 0x0C
    VERIFY_PIN_DIRECT_APP_ID = 0x0D
    MODIFY_PIN_DIRECT_APP_ID = 0x0E
    WRITE_DISPLAY = 0x0F
    GET_KEY = 0x10
    IFD_DISPLAY_PROPERTIES = 0x11
    GET_TLV_PROPERTIES = 0x12
    CCID_ESC_COMMAND = 0x13


@dataclasses.dataclass(frozen=True)
class FeatureEntry:
    """One feature: :class:`PcscFeature` tag and the control code that reaches it."""

    tag: int
    control_code: int


PCSC_FEATURES: WireFormat[list[FeatureEntry]] = WireFormat(
    "pcsc_features",
    "PC/SC part 10 2.2, answer to CM_IOCTL_GET_FEATURE_REQUEST",
    GreedyRange(
        Record(FeatureEntry, "tag" / Int8ub, "size" / Const(b"\x04"), "control_code" / Int32ub)
    ),
    [
        Vector(
            "060442330006" + "070442330007" + "120442330012",
            [
                FeatureEntry(PcscFeature.VERIFY_PIN_DIRECT, 0x42330006),
                FeatureEntry(PcscFeature.MODIFY_PIN_DIRECT, 0x42330007),
                FeatureEntry(PcscFeature.GET_TLV_PROPERTIES, 0x42330012),
            ],
            "a PIN pad under libccid",
            frozenset({0, 6, 12}),
        ),
        Vector("", [], "no feature"),
    ],
)


class TlvProperty(enum.IntEnum):
    """Tags of the property list (2.6.14); values are little-endian."""

    LCD_LAYOUT = 1
    ENTRY_VALIDATION = 2
    TIMEOUT_2 = 3
    LCD_MAX_CHARACTERS = 4
    LCD_MAX_LINES = 5
    MIN_PIN_SIZE = 6
    MAX_PIN_SIZE = 7
    FIRMWARE_ID = 8
    PPDU_SUPPORT = 9
    MAX_APDU_DATA = 10
    VENDOR_ID = 11
    PRODUCT_ID = 12


@dataclasses.dataclass(frozen=True)
class PropertyEntry:
    """One property."""

    tag: int
    value: bytes

    @property
    def number(self) -> int:
        """The value as a little-endian integer."""
        return int.from_bytes(self.value, "little")


PCSC_TLV_PROPERTIES: WireFormat[list[PropertyEntry]] = WireFormat(
    "pcsc_tlv_properties",
    "PC/SC part 10 2.6.14",
    GreedyRange(
        Record(
            PropertyEntry,
            "tag" / Int8ub,
            "size" / Rebuild(Int8ub, lambda ctx: len(ctx.value)),
            "value" / Bytes(this.size),
        )
    ),
    [
        Vector(
            "01020210" + "0A0400000100",
            [PropertyEntry(1, b"\x02\x10"), PropertyEntry(10, b"\x00\x00\x01\x00")],
            "a display, 65,536 bytes of APDU data",
            frozenset({0, 4}),
        ),
    ],
    open_ended=True,
)


@dataclasses.dataclass(frozen=True)
class PinProperties:
    """IFD_PIN_PROPERTIES: display (XXYY), validation conditions, second timeout handled."""

    lcd: int
    validation: int
    timeout_2: int


PCSC_PIN_PROPERTIES: WireFormat[PinProperties] = WireFormat(
    "pcsc_pin_properties",
    "PC/SC part 10 2.5.5",
    Record(PinProperties, "lcd" / Int16ul, "validation" / Int8ub, "timeout_2" / Int8ub),
    [Vector("10020700", PinProperties(0x0210, 7, 0), "two lines of sixteen characters")],
)


@dataclasses.dataclass(frozen=True)
class PcscPinVerify:
    """PIN_VERIFY structure: a CCID one and ``timeout_2``, seconds after the first key."""

    pin: PinVerify
    timeout_2: int = 0


@dataclasses.dataclass(frozen=True)
class PcscPinModify:
    """PIN_MODIFY structure: a CCID one (with all three messages) and ``timeout_2``."""

    pin: PinModify
    timeout_2: int = 0


_TIMES = ("timeout" / Int8ub, "timeout_2" / Int8ub, "format" / PIN_FORMAT)
_SIZES = ("max_digits" / Int8ub, "min_digits" / Int8ub)
_SHOWN = ("validation" / Int8ub, "messages" / Int8ub, "language" / Int16ul)
_APDU = (
    "prologue" / Bytes(3),
    "length" / Rebuild(Int32ul, lambda ctx: len(ctx.apdu)),
    "apdu" / Bytes(this.length),
)


class _Structure(Record):
    """The fields of a CCID structure with ``timeout_2`` among them."""

    def __init__(self, cls: type[Any], pin: type[Any], *fields: Any) -> None:
        super().__init__(pin, *fields)
        self.outer = cls

    def _decode(self, obj: Any, context: Any, path: str) -> Any:
        return self.outer(super()._decode(obj, context, path), obj.timeout_2)

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        if not isinstance(obj, self.outer):
            raise refuse(f"expected {self.outer.__name__}, got {type(obj).__name__}", path)
        values = super()._encode(obj.pin, context, path)
        return {**values, "timeout_2": obj.timeout_2}


PCSC_PIN_VERIFY: WireFormat[PcscPinVerify] = WireFormat(
    "pcsc_pin_verify",
    "PC/SC part 10 2.5.2",
    _Structure(PcscPinVerify, PinVerify, *_TIMES, *_SIZES, *_SHOWN, "message" / Int8ub, *_APDU),
    [
        Vector(
            "1E00820800080402010C040000000" + "00D000000" + "0020000008FFFFFFFFFFFFFFFF",
            PcscPinVerify(
                PinVerify(30, PinFormat(), 8, 4, bytes.fromhex("0020000008FFFFFFFFFFFFFFFF"))
            ),
            "four to eight ASCII digits",
        ),
    ],
)

PCSC_PIN_MODIFY: WireFormat[PcscPinModify] = WireFormat(
    "pcsc_pin_modify",
    "PC/SC part 10 2.5.3",
    _Structure(
        PcscPinModify,
        PinModify,
        *_TIMES,
        "offset_old" / Int8ub,
        "offset_new" / Int8ub,
        *_SIZES,
        "confirm" / Bounded(Int8ub, 0, 3),
        *_SHOWN,
        "message_1" / Int8ub,
        "message_2" / Int8ub,
        "message_3" / Int8ub,
        *_APDU,
    ),
    [
        Vector(
            "1E00820800" + "0008" + "0804" + "03" + "02030C04" + "000102" + "000000" + "15000000"
            "0024000010" + "FF" * 16,
            PcscPinModify(
                PinModify(
                    30,
                    PinFormat(),
                    0,
                    8,
                    8,
                    4,
                    bytes.fromhex("0024000010") + b"\xff" * 16,
                )
            ),
            "old, new and confirmation",
        ),
    ],
)
