"""Historical bytes of ATR and ATS in COMPACT-TLV (ISO/IEC 7816-4:2020, 12.1.1)."""

from __future__ import annotations

import dataclasses
from typing import Any

from construct import (
    Adapter,
    BitStruct,
    Bytes,
    Computed,
    Const,
    GreedyRange,
    Nibble,
    Struct,
    this,
)

from card_formats.core import Record, Vector, WireFormat
from card_formats.pieces import AllBut, Dispatch, refuse

TAG_SERVICE_DATA = 0x3
TAG_CAPABILITIES = 0x7
TAG_STATUS = 0x8


@dataclasses.dataclass(frozen=True)
class CompactObject:
    """A COMPACT-TLV object: tag 0..15 (the "x" of 4x) and 0..15 bytes."""

    tag: int
    value: bytes


@dataclasses.dataclass(frozen=True)
class Historical:
    """Historical bytes of category 00 or 80.

    Attributes:
        objects: the COMPACT-TLV objects, in order.
        status: life cycle and status word, 3 bytes, after the objects. They are there in
            category 00 and empty in category 80, whose status is an object like any other.
    """

    objects: tuple[CompactObject, ...] = ()
    status: bytes = b""

    @property
    def category(self) -> int:
        """Category indicator byte, 0x00 or 0x80."""
        return 0x00 if self.status else 0x80

    def find(self, tag: int) -> bytes | None:
        """Value of the first object of that tag, or ``None``."""
        return next((item.value for item in self.objects if item.tag == tag), None)

    @property
    def command_chaining(self) -> bool:
        """Third software function table, bit 8: the card chains commands."""
        return bool(self._third_table() & 0x80)

    @property
    def extended_length(self) -> bool:
        """Third software function table, bit 7: extended Lc and Le are understood."""
        return bool(self._third_table() & 0x40)

    @property
    def extended_length_information(self) -> bool:
        """Third software function table, bit 6: limits are stated in object 7F66."""
        return bool(self._third_table() & 0x20)

    def _third_table(self) -> int:
        capabilities = self.find(TAG_CAPABILITIES) or b""
        return capabilities[2] if len(capabilities) == 3 else 0


class _CompactAdapter(Adapter):  # type: ignore[misc]
    def _decode(self, obj: Any, context: Any, path: str) -> CompactObject:
        return CompactObject(obj.head.tag, obj.value)

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        if len(obj.value) > 15:
            raise refuse(f"{len(obj.value)} bytes in a COMPACT-TLV object, at most 15", path)
        return {"head": {"tag": obj.tag, "length": len(obj.value)}, "value": obj.value}


class _Tuple(Adapter):  # type: ignore[misc]
    def _decode(self, obj: Any, context: Any, path: str) -> tuple[Any, ...]:
        return tuple(obj)

    def _encode(self, obj: Any, context: Any, path: str) -> list[Any]:
        return list(obj)


_COMPACT = _CompactAdapter(
    Struct("head" / BitStruct("tag" / Nibble, "length" / Nibble), "value" / Bytes(this.head.length))
)
_OBJECTS = _Tuple(GreedyRange(_COMPACT))

_CATEGORY_00 = Record(
    Historical, Const(b"\x00"), "objects" / AllBut(3, _OBJECTS), "status" / Bytes(3)
)
_CATEGORY_80 = Record(
    Historical, Const(b"\x80"), "objects" / AllBut(0, _OBJECTS), "status" / Computed(b"")
)


def _of_bytes(data: bytes) -> Any:
    if data[:1] not in (b"\x00", b"\x80"):
        raise refuse(f"category indicator {data[:1].hex() or 'missing'} is not 00 or 80")
    return _CATEGORY_80 if data[0] else _CATEGORY_00


HISTORICAL: WireFormat[Historical] = WireFormat(
    "historical_bytes",
    "ISO/IEC 7816-4:2020 12.1.1",
    Dispatch(_of_bytes, lambda value: _CATEGORY_00 if value.status else _CATEGORY_80),
    [
        Vector("80", Historical(), "nothing to say"),
        Vector(
            "8073C821E0",
            Historical((CompactObject(TAG_CAPABILITIES, bytes.fromhex("C821E0")),)),
            "chaining, extended length and 7F66 stated",
            frozenset({1}),
        ),
        Vector(
            "0031C573C00140059000",
            Historical(
                (CompactObject(3, b"\xc5"), CompactObject(7, bytes.fromhex("C00140"))),
                bytes.fromhex("059000"),
            ),
            "category 00: status in the last three bytes",
            frozenset({4, 6}),
        ),
    ],
    open_ended=True,
)
