"""PIN verification and modification on a reader's own keypad (CCID 1.1, 6.1.11 and 6.1.12)."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

from construct import (
    BitsInteger,
    BitStruct,
    Bytes,
    Const,
    Flag,
    GreedyBytes,
    If,
    Int8ub,
    Int16ul,
)

from card_formats.core import Record, Vector, WireFormat
from card_formats.pieces import Bounded

NO_PROLOGUE = bytes(3)
MAX_MESSAGES = 3
DEFAULT_MESSAGE = 0xFF
"""bNumberMessage: the reader shows messages of its own."""


class PinEncoding(enum.IntEnum):
    """How digits are written into the command."""

    BINARY = 0
    BCD = 1
    ASCII = 2


class Validation(enum.IntFlag):
    """bEntryValidationCondition: what ends the entry."""

    MAX_SIZE = 1
    KEY = 2
    TIMEOUT = 4


@dataclasses.dataclass(frozen=True)
class PinFormat:
    """bmFormatString, bmPINBlockString and bmPINLengthFormat: where and how digits go.

    Positions count from the first byte of the command data, in bytes or in bits.

    Attributes:
        encoding: :class:`PinEncoding`.
        right_justified: digits end, rather than begin, the block.
        position: of the digits, 0..15; ``position_in_bytes`` says in which unit.
        length_bits: size of a field with the number of digits, 0 for none.
        block_size: bytes of the block the digits are put into, 0..15.
        length_position: of that field, 0..15; ``length_in_bytes`` says in which unit.
    """

    encoding: int = PinEncoding.ASCII
    right_justified: bool = False
    position: int = 0
    position_in_bytes: bool = True
    length_bits: int = 0
    block_size: int = 8
    length_position: int = 0
    length_in_bytes: bool = False


class _BitRecord(Record):
    """A Record whose fields are the bits of one BitStruct."""

    def __init__(self, cls: type[Any], *bits: Any) -> None:
        super().__init__(cls)
        self.subcon = BitStruct(*bits)


PIN_FORMAT = _BitRecord(
    PinFormat,
    "position_in_bytes" / Flag,
    "position" / BitsInteger(4),
    "right_justified" / Flag,
    "encoding" / Bounded(BitsInteger(2), 0, 2),
    "length_bits" / BitsInteger(4),
    "block_size" / BitsInteger(4),
    "rfu" / Const(0, BitsInteger(3)),
    "length_in_bytes" / Flag,
    "length_position" / BitsInteger(4),
)
"""The three bytes, as a Construct definition: part of several structures."""


@dataclasses.dataclass(frozen=True)
class PinVerify:
    """Let the holder enter a PIN and put it into ``apdu``.

    Attributes:
        timeout: seconds for the entry, 0 for the reader's own.
        format: see :class:`PinFormat`.
        max_digits, min_digits: lengths accepted.
        validation: :class:`Validation` flags.
        messages: how many messages are shown, FF for the reader's own.
        language: Windows language identifier (0x040C: French, France).
        message: index of the message shown.
        prologue: NAD, PCB, LEN of the block for a T=1 card behind a TPDU reader.
        apdu: the command, with filler where the digits go.
    """

    timeout: int
    format: PinFormat
    max_digits: int
    min_digits: int
    apdu: bytes
    validation: int = Validation.KEY
    messages: int = 1
    language: int = 0x040C
    message: int = 0
    prologue: bytes = NO_PROLOGUE


@dataclasses.dataclass(frozen=True)
class PinModify:
    """Let the holder replace a PIN; see :class:`PinVerify` for the common attributes.

    Attributes:
        offset_old, offset_new: where each PIN block begins, in bytes of command data.
        confirm: bit 0: the new PIN is entered twice; bit 1: the old PIN is asked for.
        message_1, message_2, message_3: indices of the messages for the up to three entries;
            ``None`` where the structure leaves the field out.
    """

    timeout: int
    format: PinFormat
    offset_old: int
    offset_new: int
    max_digits: int
    min_digits: int
    apdu: bytes
    confirm: int = 3
    validation: int = Validation.KEY
    messages: int = 3
    language: int = 0x040C
    message_1: int = 0
    message_2: int | None = 1
    message_3: int | None = 2
    prologue: bytes = NO_PROLOGUE


def _verify(operation: bytes) -> Record:
    return Record(
        PinVerify,
        "operation" / Const(operation),
        "timeout" / Int8ub,
        "format" / PIN_FORMAT,
        "max_digits" / Int8ub,
        "min_digits" / Int8ub,
        "validation" / Int8ub,
        "messages" / Int8ub,
        "language" / Int16ul,
        "message" / Int8ub,
        "prologue" / Bytes(3),
        "apdu" / GreedyBytes,
    )


def _modify(has_second: Any, has_third: Any) -> Record:
    return Record(
        PinModify,
        "operation" / Const(b"\x01"),
        "timeout" / Int8ub,
        "format" / PIN_FORMAT,
        "offset_old" / Int8ub,
        "offset_new" / Int8ub,
        "max_digits" / Int8ub,
        "min_digits" / Int8ub,
        "confirm" / Bounded(Int8ub, 0, 3),
        "validation" / Int8ub,
        "messages" / Int8ub,
        "language" / Int16ul,
        "message_1" / Int8ub,
        "message_2" / If(has_second, Int8ub),
        "message_3" / If(has_third, Int8ub),
        "prologue" / Bytes(3),
        "apdu" / GreedyBytes,
    )


_VERIFY_APDU = bytes.fromhex("0020000008FFFFFFFFFFFFFFFF")
_MODIFY_APDU = bytes.fromhex("0024000010") + b"\xff" * 16
_FORMAT_2 = PinFormat(PinEncoding.BCD, position=1, length_bits=4, block_size=7, length_position=4)

CCID_PIN_VERIFY: WireFormat[PinVerify] = WireFormat(
    "ccid_pin_verify",
    "CCID 1.1 6.1.11",
    _verify(b"\x00"),
    [
        Vector(
            "001E82080008040201 0C0400000000" + "0020000008FFFFFFFFFFFFFFFF",
            PinVerify(30, PinFormat(), 8, 4, _VERIFY_APDU),
            "four to eight ASCII digits, FF filler",
        ),
        Vector(
            "001E8947040C040201 0C0400006011" + "00200001082CFFFFFFFFFFFFFF",
            PinVerify(
                30,
                _FORMAT_2,
                12,
                4,
                bytes.fromhex("00200001082CFFFFFFFFFFFFFF"),
                prologue=bytes.fromhex("006011"),
            ),
            "ISO 9564 format 2: four bits of length, then BCD; T=1 prologue",
        ),
    ],
    open_ended=True,
)

CCID_PIN_MODIFY: WireFormat[PinModify] = WireFormat(
    "ccid_pin_modify",
    "CCID 1.1 6.1.12",
    _modify(lambda ctx: ctx.messages != 0, lambda ctx: ctx.messages >= MAX_MESSAGES),
    [
        Vector(
            "011E8208000008080403 0203 0C04 000102 000000" + _MODIFY_APDU.hex(),
            PinModify(30, PinFormat(), 0, 8, 8, 4, _MODIFY_APDU),
            "old, new and confirmation, with three messages",
        ),
        Vector(
            "011E8208000008080401 0200 0C04 00 000000" + _MODIFY_APDU.hex(),
            PinModify(
                30,
                PinFormat(),
                0,
                8,
                8,
                4,
                _MODIFY_APDU,
                confirm=1,
                messages=0,
                message_2=None,
                message_3=None,
            ),
            "no message: two index bytes are left out",
        ),
    ],
    open_ended=True,
)

GEMPC_PIN_MODIFY: WireFormat[PinModify] = WireFormat(
    "gempc_pin_modify",
    "CCID 1.1 6.1.12, as a GemPC PinPad reads it: three index bytes whatever bNumberMessage says",
    _modify(True, True),
    [
        Vector(
            "011E8208000008080401 0200 0C04 000102 000000" + _MODIFY_APDU.hex(),
            PinModify(30, PinFormat(), 0, 8, 8, 4, _MODIFY_APDU, confirm=1, messages=0),
            "no message, three indices",
        ),
    ],
    open_ended=True,
)
