"""BER-TLV data objects (ISO/IEC 7816-4:2020 6.3, ISO/IEC 8825-1 8.1).

Tags of one to three bytes, definite lengths in their shortest form, values up to 65,535
bytes. Anything else (indefinite length, padded length, tag 00 or FF) is refused: the
formats of this package have one encoding each.
"""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import construct

from card_formats.core import FormatError, Record, Vector, WireFormat

MAX_LENGTH = 0xFFFF
MAX_DEPTH = 16


@dataclasses.dataclass(frozen=True)
class Tlv:
    """One data object: tag as written (``0x7F66``), value as bytes."""

    tag: int
    value: bytes

    @property
    def is_constructed(self) -> bool:
        """Bit 6 of the first tag byte."""
        return bool(_tag_bytes(self.tag)[0] & 0x20)


def _tag_bytes(tag: int) -> bytes:
    return tag.to_bytes(max(1, (tag.bit_length() + 7) // 8), "big")


def encode(tag: int, value: bytes) -> bytes:
    """Return the data object ``tag`` with this value."""
    size = len(value)
    if size > MAX_LENGTH:
        raise FormatError("ber-tlv", f"{tag:X}", None, f"{size} bytes exceed {MAX_LENGTH}")
    if size < 0x80:
        length = bytes([size])
    elif size < 0x100:
        length = bytes([0x81, size])
    else:
        length = b"\x82" + size.to_bytes(2, "big")
    return _tag_bytes(tag) + length + value


def _take(stream: io.BytesIO, count: int, what: str) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise FormatError("ber-tlv", what, stream.tell(), f"{count - len(data)} byte(s) missing")
    return data


def _read_tag(stream: io.BytesIO) -> int:
    raw = _take(stream, 1, "tag")
    if raw in (b"\x00", b"\xff"):
        raise FormatError("ber-tlv", "tag", stream.tell(), f"{raw.hex()} is not a tag")
    if raw[0] & 0x1F == 0x1F:
        raw += _take(stream, 1, "tag")
        if raw[1] & 0x7F < 0x1F and not raw[1] & 0x80:
            raise FormatError("ber-tlv", "tag", stream.tell(), "tag is not in its shortest form")
        if raw[1] == 0x80:
            raise FormatError("ber-tlv", "tag", stream.tell(), "tag is not in its shortest form")
        if raw[1] & 0x80:
            raw += _take(stream, 1, "tag")
            if raw[2] & 0x80:
                raise FormatError("ber-tlv", "tag", stream.tell(), "tag is longer than 3 bytes")
    return int.from_bytes(raw, "big")


def _read_length(stream: io.BytesIO) -> int:
    first = _take(stream, 1, "length")[0]
    if first < 0x80:
        return first
    if first not in (0x81, 0x82):
        raise FormatError("ber-tlv", "length", stream.tell(), f"length form {first:02X} refused")
    size = int.from_bytes(_take(stream, first & 0x0F, "length"), "big")
    if size < (0x80 if first == 0x81 else 0x100):
        raise FormatError("ber-tlv", "length", stream.tell(), "length is not in its shortest form")
    return size


def read(stream: io.BytesIO) -> Tlv:
    """Read one data object from the stream."""
    tag = _read_tag(stream)
    return Tlv(tag, _take(stream, _read_length(stream), f"{tag:X}"))


def decode(data: bytes) -> tuple[Tlv, ...]:
    """Return the sequence of data objects that fills ``data`` exactly (one level)."""
    stream = io.BytesIO(data)
    objects = []
    while stream.tell() < len(data):
        objects.append(read(stream))
    return tuple(objects)


def find(data: bytes, *path: int) -> bytes | None:
    """Return the value found by following ``path`` through constructed objects, or None."""
    value = data
    for tag in path[:MAX_DEPTH]:
        found = next((item for item in decode(value) if item.tag == tag), None)
        if found is None:
            return None
        value = found.value
    return value


class _TlvLeaf(construct.Construct):  # type: ignore[misc]
    """Any one data object, as a leaf of Construct."""

    def _parse(self, stream: Any, context: Any, path: str) -> Tlv:
        return read(stream)

    def _build(self, obj: Tlv, stream: Any, context: Any, path: str) -> Tlv:
        stream.write(encode(obj.tag, obj.value))
        return obj


class DataObject(construct.Subconstruct):  # type: ignore[misc]
    """The data object with exactly this tag, whose whole value is ``subcon``."""

    def __init__(self, tag: int, subcon: Any) -> None:
        super().__init__(subcon)
        self.tag = tag

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        item = read(stream)
        if item.tag != self.tag:
            raise FormatError(
                "ber-tlv", path_tail(path), stream.tell(), f"tag {item.tag:X}, not {self.tag:X}"
            )
        inner = io.BytesIO(item.value)
        value = self.subcon._parsereport(inner, context, path)
        if inner.tell() != len(item.value):
            raise FormatError(
                "ber-tlv", path_tail(path), stream.tell(), f"surplus bytes inside {self.tag:X}"
            )
        return value

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        inner = io.BytesIO()
        self.subcon._build(obj, inner, context, path)
        stream.write(encode(self.tag, inner.getvalue()))
        return obj

    def comes_next(self, stream: Any) -> bool:
        """Whether the next tag in the stream is this object's; the stream is not moved."""
        position = stream.tell()
        wanted = _tag_bytes(self.tag)
        found = stream.read(len(wanted))
        stream.seek(position)
        return bool(found == wanted)


class OptionalObject(DataObject):
    """A data object that may be absent (``None``)."""

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        return super()._parse(stream, context, path) if self.comes_next(stream) else None

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        return None if obj is None else super()._build(obj, stream, context, path)


class RepeatedObject(DataObject):
    """Zero to ``most`` data objects of one tag, as a tuple."""

    def __init__(self, tag: int, subcon: Any, most: int) -> None:
        super().__init__(tag, subcon)
        self.most = most

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        items: list[Any] = []
        while self.comes_next(stream):
            if len(items) == self.most:
                raise FormatError("ber-tlv", path_tail(path), None, f"more than {self.most} items")
            items.append(super()._parse(stream, context, path))
        return tuple(items)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        if len(obj) > self.most:
            raise FormatError("ber-tlv", path_tail(path), None, f"more than {self.most} items")
        for item in obj:
            super()._build(item, stream, context, path)
        return obj


def path_tail(path: str) -> str:
    """Field path of a Construct path such as ``(parsing) -> identity -> sex``."""
    return ".".join(part.strip() for part in path.split("->")[1:])


def template(tag: int, cls: type[Any], *fields: Any) -> DataObject:
    """A constructed data object whose objects, in this order, are the fields of ``cls``."""
    return DataObject(tag, Record(cls, *fields))


BER_TLV: WireFormat[Tlv] = WireFormat(
    "ber-tlv",
    "ISO/IEC 7816-4:2020 6.3",
    _TlvLeaf(),
    [
        Vector("840101", Tlv(0x84, b"\x01")),
        Vector("5F4900", Tlv(0x5F49, b""), "two-byte tag, empty value"),
        Vector("7F6604 02020100", Tlv(0x7F66, bytes.fromhex("02020100")), "constructed"),
        Vector("538180" + "AA" * 128, Tlv(0x53, b"\xaa" * 128), "length on two bytes"),
        Vector("53820100" + "AA" * 256, Tlv(0x53, b"\xaa" * 256), "length on three bytes"),
    ],
)
