"""Small field types shared by the formats of the e-carte."""

from __future__ import annotations

import datetime
import enum
from typing import Any

import construct
from construct import Bytes, GreedyBytes, Int8ub

UTC = datetime.UTC


class EnumByte(construct.Adapter):  # type: ignore[misc]
    """One byte that must be a member of an IntEnum."""

    def __init__(self, cls: type[enum.IntEnum]) -> None:
        super().__init__(Int8ub)
        self.cls = cls

    def _decode(self, obj: int, context: Any, path: str) -> enum.IntEnum:
        try:
            return self.cls(obj)
        except ValueError:
            raise construct.MappingError(
                f"{obj:#04x} is no {self.cls.__name__}", path=path
            ) from None

    def _encode(self, obj: int, context: Any, path: str) -> int:
        return int(self.cls(obj))


class FlagByte(construct.Adapter):  # type: ignore[misc]
    """One byte, 00 or 01, as a bool."""

    def __init__(self) -> None:
        super().__init__(Int8ub)

    def _decode(self, obj: int, context: Any, path: str) -> bool:
        if obj > 1:
            raise construct.MappingError(f"{obj:#04x} is neither 00 nor 01", path=path)
        return bool(obj)

    def _encode(self, obj: bool, context: Any, path: str) -> int:
        return int(obj)


class Nibbles(construct.Adapter):  # type: ignore[misc]
    """``count`` characters, one a nibble, high nibble first, padded with F to a whole byte."""

    def __init__(self, count: int, alphabet: str = "0123456789") -> None:
        super().__init__(Bytes((count + 1) // 2))
        self.count = count
        self.alphabet = alphabet

    def _decode(self, obj: bytes, context: Any, path: str) -> str:
        text = obj.hex().upper()
        digits, pad = text[: self.count], text[self.count :]
        if pad.strip("F") or any(digit not in self.alphabet for digit in digits):
            raise construct.MappingError(f"{text} is not {self.count} digits", path=path)
        return digits

    def _encode(self, obj: str, context: Any, path: str) -> bytes:
        if len(obj) != self.count or any(digit not in self.alphabet for digit in obj):
            raise construct.MappingError(f"{obj!r} is not {self.count} digits", path=path)
        return bytes.fromhex(obj + "F" * (len(obj) % 2))


class DateBcd(construct.Adapter):  # type: ignore[misc]
    """A day as four BCD bytes YYYYMMDD."""

    def __init__(self) -> None:
        super().__init__(Bytes(4))

    def _decode(self, obj: bytes, context: Any, path: str) -> datetime.date:
        text = obj.hex()
        if not text.isdecimal():
            raise construct.MappingError(f"{text} is not a date", path=path)
        try:
            return datetime.date(int(text[:4]), int(text[4:6]), int(text[6:]))
        except ValueError as error:
            raise construct.MappingError(f"{text}: {error}", path=path) from None

    def _encode(self, obj: datetime.date, context: Any, path: str) -> bytes:
        return bytes.fromhex(f"{obj.year:04d}{obj.month:02d}{obj.day:02d}")


class Utf8(construct.Adapter):  # type: ignore[misc]
    """UTF-8 text of 0 to ``most`` bytes; control characters are refused."""

    def __init__(self, subcon: Any, most: int, least: int = 0) -> None:
        super().__init__(subcon)
        self.most = most
        self.least = least

    def _decode(self, obj: bytes, context: Any, path: str) -> str:
        self._check(obj, path)
        try:
            text = obj.decode()
        except UnicodeDecodeError as error:
            raise construct.StringError(f"not UTF-8: {error.reason}", path=path) from None
        self._check_characters(text, path)
        return text

    def _encode(self, obj: str, context: Any, path: str) -> bytes:
        self._check_characters(obj, path)
        raw = obj.encode()
        self._check(raw, path)
        return raw

    def _check(self, raw: bytes, path: str) -> None:
        if not self.least <= len(raw) <= self.most:
            raise construct.StringError(
                f"{len(raw)} bytes, allowed are {self.least} to {self.most}", path=path
            )

    def _check_characters(self, text: str, path: str) -> None:
        if any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):
            raise construct.StringError("control character in text", path=path)


class OidBody(construct.Adapter):  # type: ignore[misc]
    """The content bytes of an OBJECT IDENTIFIER (ISO/IEC 8825-1 8.19) as dotted text."""

    def __init__(self) -> None:
        super().__init__(GreedyBytes)

    def _decode(self, obj: bytes, context: Any, path: str) -> str:
        if not 1 <= len(obj) <= 32 or obj[-1] & 0x80:
            raise construct.MappingError("object identifier cut short or too long", path=path)
        arcs: list[int] = []
        value = 0
        fresh = True
        for byte in obj:
            if fresh and byte == 0x80:
                raise construct.MappingError("arc is not in its shortest form", path=path)
            value = value << 7 | byte & 0x7F
            fresh = not byte & 0x80
            if fresh:
                arcs.append(value)
                value = 0
        first = min(arcs[0] // 40, 2)
        return ".".join(str(arc) for arc in [first, arcs[0] - 40 * first, *arcs[1:]])

    def _encode(self, obj: str, context: Any, path: str) -> bytes:
        arcs = [int(part) for part in obj.split(".")]
        if len(arcs) < 2 or arcs[0] > 2 or (arcs[0] < 2 and arcs[1] > 39):
            raise construct.MappingError(f"{obj!r} is no object identifier", path=path)
        return b"".join(_arc(arc) for arc in [40 * arcs[0] + arcs[1], *arcs[2:]])


def _arc(value: int) -> bytes:
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(value & 0x7F | 0x80)
    return bytes(reversed(out))


def serial_text(serial: bytes) -> str:
    """A card serial as people see it: 16 hexadecimal digits in groups of four."""
    return " ".join(serial.hex().upper()[i : i + 4] for i in range(0, len(serial) * 2, 4))


class CountedTuple(construct.Adapter):  # type: ignore[misc]
    """A count byte and that many items, as a tuple of ``least`` to ``most``."""

    def __init__(self, subcon: Any, least: int, most: int) -> None:
        super().__init__(construct.PrefixedArray(Int8ub, subcon))
        self.least = least
        self.most = most

    def _decode(self, obj: Any, context: Any, path: str) -> tuple[Any, ...]:
        return self._check(tuple(obj), path)

    def _encode(self, obj: tuple[Any, ...], context: Any, path: str) -> list[Any]:
        return list(self._check(obj, path))

    def _check(self, items: tuple[Any, ...], path: str) -> tuple[Any, ...]:
        if not self.least <= len(items) <= self.most:
            raise construct.RangeError(
                f"{len(items)} items, allowed are {self.least} to {self.most}", path=path
            )
        return items
