"""PIN block format 2 (ISO 9564-1:2017 9.3.2): control nibble, length, digits, F filler."""

from __future__ import annotations

from typing import Any

import construct
from construct import Bytes

from card_formats.core import Vector, WireFormat


class _Format2(construct.Adapter):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(Bytes(8))

    def _decode(self, obj: bytes, context: Any, path: str) -> str:
        text = obj.hex()
        size = int(text[1], 16)
        digits, filler = text[2 : 2 + size], text[2 + size :]
        if text[0] != "2" or not 4 <= size <= 12 or not digits.isdecimal() or filler.strip("f"):
            raise construct.MappingError("not a PIN block of format 2", path=path)
        return digits

    def _encode(self, obj: str, context: Any, path: str) -> bytes:
        if not 4 <= len(obj) <= 12 or not obj.isascii() or not obj.isdecimal():
            raise construct.MappingError("a code has 4 to 12 digits", path=path)
        return bytes.fromhex(f"2{len(obj):x}{obj:f<14}")


pin_block = _Format2()

PIN_BLOCK: WireFormat[str] = WireFormat(
    "pin-block",
    "ISO 9564-1:2017 9.3.2",
    pin_block,
    [
        Vector("241234FFFFFFFFFF", "1234"),
        Vector("26135790FFFFFFFF", "135790"),
        Vector("2812345678FFFFFF", "12345678"),
        Vector("2C123456789012FF", "123456789012"),
    ],
)


class _TwoBlocks(construct.Adapter):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(construct.Sequence(pin_block, pin_block))

    def _decode(self, obj: Any, context: Any, path: str) -> tuple[str, str]:
        return obj[0], obj[1]

    def _encode(self, obj: tuple[str, str], context: Any, path: str) -> list[str]:
        return list(obj)


PIN_BLOCK_PAIR: WireFormat[tuple[str, str]] = WireFormat(
    "pin-block-pair",
    "ecv-sim/1 4.8",
    _TwoBlocks(),
    [Vector("26135790FFFFFFFF 26246801FFFFFFFF", ("135790", "246801"), "old code, new code")],
)
"""Data of CHANGE REFERENCE DATA (old, new) and RESET RETRY COUNTER (unblocking code, new)."""
