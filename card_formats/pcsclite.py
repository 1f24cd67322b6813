"""What a client says to pcscd over its socket, as far as listing readers needs it.

There is no specification: the layout is that of pcsc-lite's winscard_msg.h, protocol version 4.
Integers have the byte order, and ``long`` the size, of the machine.
"""

from __future__ import annotations

import dataclasses
import enum
import struct
import sys

from construct import Array, Bytes, BytesInteger, Int32sb, Int32sl, Int32ub, Int32ul

from card_formats.core import Record, Vector, WireFormat

_LITTLE = sys.byteorder == "little"
_UINT, _INT = (Int32ul, Int32sl) if _LITTLE else (Int32ub, Int32sb)
_LONG_SIZE = struct.calcsize("l")
_LONG = BytesInteger(_LONG_SIZE, swapped=_LITTLE)

MAX_READERS = 16
_MAX_NAME = 128
_MAX_ATR = 33
_ALIGNMENT = 3


def _native(*numbers: int) -> str:
    return b"".join(n.to_bytes(4, sys.byteorder, signed=n < 0) for n in numbers).hex()


class PcscdCommand(enum.IntEnum):
    """Commands of pcscd that need no context."""

    VERSION = 0x11
    GET_READERS_STATE = 0x12


@dataclasses.dataclass(frozen=True)
class PcscdHeader:
    """What precedes a request: the size of its body in bytes, and the command."""

    size: int
    command: int


PCSCD_HEADER: WireFormat[PcscdHeader] = WireFormat(
    "pcscd_header",
    "pcsc-lite winscard_msg.h, struct rxHeader",
    Record(PcscdHeader, "size" / _UINT, "command" / _UINT),
    [Vector(_native(12, 0x11), PcscdHeader(12, PcscdCommand.VERSION), "before a version")],
)


@dataclasses.dataclass(frozen=True)
class PcscdVersion:
    """Version of the protocol; ``result`` is 0 in a request and when it suits pcscd."""

    major: int
    minor: int
    result: int = 0


PCSCD_VERSION: WireFormat[PcscdVersion] = WireFormat(
    "pcscd_version",
    "pcsc-lite winscard_msg.h, struct version_struct",
    Record(PcscdVersion, "major" / _INT, "minor" / _INT, "result" / _UINT),
    [Vector(_native(4, 4, 0), PcscdVersion(4, 4), "pcsc-lite 1.9")],
)


class ReaderFlag(enum.IntFlag):
    """Bits of a reader's state."""

    UNKNOWN = 0x0001
    ABSENT = 0x0002
    PRESENT = 0x0004
    SWALLOWED = 0x0008
    POWERED = 0x0010
    NEGOTIABLE = 0x0020
    SPECIFIC = 0x0040


@dataclasses.dataclass(frozen=True)
class PcscdReader:
    """One reader, or an empty place in the list.

    Attributes:
        name_field: the name, then zeros; what follows the first zero means nothing.
        events: how often a card came or left.
        state: :class:`ReaderFlag`.
        sharing: how many programs use the card, -1 when one has it for itself.
        atr_field: room for an ATR, of which ``atr_size`` bytes count.
    """

    name_field: bytes
    events: int
    state: int
    sharing: int
    atr_field: bytes
    atr_size: int

    @property
    def name(self) -> str:
        """Name of the slot, ``""`` for an empty place."""
        return self.name_field.split(b"\0")[0].decode("utf8", "replace")

    @property
    def card_present(self) -> bool:
        """Whether there is a card in it."""
        return bool(self.state & ReaderFlag.PRESENT)

    @property
    def atr(self) -> bytes:
        """ATR of the card."""
        return self.atr_field[: self.atr_size]


_READER = Record(
    PcscdReader,
    "name_field" / Bytes(_MAX_NAME),
    "events" / _UINT,
    "state" / _UINT,
    "sharing" / _INT,
    "atr_field" / Bytes(_MAX_ATR + _ALIGNMENT),
    "atr_size" / _LONG,
)


READER_SIZE = _MAX_NAME + 3 * 4 + _MAX_ATR + _ALIGNMENT + _LONG_SIZE
READERS_SIZE = MAX_READERS * READER_SIZE
"""Bytes of a list of readers."""


def _reader(name: bytes, events: int, state: int, atr: bytes) -> PcscdReader:
    field = atr.ljust(_MAX_ATR + _ALIGNMENT, b"\0")
    return PcscdReader(name.ljust(_MAX_NAME, b"\0"), events, state, 0, field, len(atr))


_ATR = bytes.fromhex("3B8180018080")

PCSCD_READERS: WireFormat[list[PcscdReader]] = WireFormat(
    "pcscd_readers",
    "pcsc-lite eventhandler.h, READER_STATE, sixteen of them",
    Array(MAX_READERS, _READER),
    [
        Vector(
            b"Reader 00 00".ljust(_MAX_NAME, b"\0").hex()
            + _native(1, 0x34, 0)
            + _ATR.ljust(_MAX_ATR + _ALIGNMENT, b"\0").hex()
            + len(_ATR).to_bytes(_LONG_SIZE, sys.byteorder).hex()
            + bytes(READER_SIZE * 15).hex(),
            [_reader(b"Reader 00 00", 1, 0x34, _ATR)] + [_reader(b"", 0, 0, b"")] * 15,
            "one reader with a card",
        ),
    ],
)
