"""One proof for every declared format: round trip, truncation, trailing bytes, random bytes."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import card_formats
from card_formats.core import FORMATS, FormatError, Vector, WireFormat

for module in pkgutil.iter_modules(card_formats.__path__):
    importlib.import_module(f"card_formats.{module.name}")

VECTORS = [
    pytest.param(fmt, vector, id=f"{fmt.name}-{n}")
    for fmt in FORMATS.values()
    for n, vector in enumerate(fmt.vectors)
]


def test_every_format_has_a_clause_and_vectors() -> None:
    assert len(FORMATS) >= 25
    assert [f.name for f in FORMATS.values() if not f.vectors or not f.clause] == []


@pytest.mark.parametrize(("fmt", "vector"), VECTORS)
def test_vector_round_trips(fmt: WireFormat[Any], vector: Vector[Any]) -> None:
    assert fmt.parse(vector.encoded) == vector.value
    assert fmt.build(vector.value) == vector.encoded


@pytest.mark.parametrize(("fmt", "vector"), VECTORS)
def test_every_truncation_is_refused(fmt: WireFormat[Any], vector: Vector[Any]) -> None:
    data = vector.encoded
    for size in range(len(data)):
        if size in vector.legal_prefixes or (fmt.open_ended and _parses(fmt, data[:size])):
            assert fmt.build(fmt.parse(data[:size])) == data[:size]
            assert fmt.parse(data[:size]) != vector.value
        else:
            with pytest.raises(FormatError):
                fmt.parse(data[:size])


@pytest.mark.parametrize(("fmt", "vector"), VECTORS)
def test_every_trailing_byte_is_refused(fmt: WireFormat[Any], vector: Vector[Any]) -> None:
    for extra in (b"\x00", b"\x90", b"\xff", b"\x00\x00", b"A"):
        longer = vector.encoded + extra
        if fmt.open_ended and _parses(fmt, longer):
            assert fmt.build(fmt.parse(longer)) == longer
            assert fmt.parse(longer) != vector.value
        else:
            with pytest.raises(FormatError):
                fmt.parse(longer)


def _parses(fmt: WireFormat[Any], data: bytes) -> bool:
    try:
        fmt.parse(data)
    except FormatError:
        return False
    return True


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=lambda fmt: fmt.name)
@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=400))
def test_random_bytes_raise_only_the_format_error(fmt: WireFormat[Any], data: bytes) -> None:
    _assert_parses_canonically_or_refuses(fmt, data)


@pytest.mark.parametrize(("fmt", "vector"), VECTORS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_vectors_raise_only_the_format_error(
    fmt: WireFormat[Any], vector: Vector[Any], data: st.DataObject
) -> None:
    raw = bytearray(vector.encoded)
    if not raw:
        return
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    _assert_parses_canonically_or_refuses(fmt, bytes(raw))


def _assert_parses_canonically_or_refuses(fmt: WireFormat[Any], data: bytes) -> None:
    """One encoding each: whatever parses builds back to the same bytes."""
    refusal = None
    try:
        value = fmt.parse(data)
    except FormatError as error:
        refusal = error
    if refusal is None:
        assert fmt.build(value) == data
    else:
        assert refusal.format == fmt.name
        assert refusal.reason


def test_error_names_format_field_and_offset() -> None:
    from card_formats.presence_token import PRESENCE_TOKEN

    data = PRESENCE_TOKEN.vectors[0].encoded
    with pytest.raises(FormatError) as caught:
        PRESENCE_TOKEN.parse(data[:30])
    assert caught.value.field == "role" or caught.value.field == "challenge"
    assert caught.value.offset is not None
    assert 28 <= caught.value.offset <= 30
    assert "presence-token" in str(caught.value)
