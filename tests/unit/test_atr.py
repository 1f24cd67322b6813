"""ATR, ATS and historical bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_formats.atr import ATR, ATS, Atr, Ats, InterfaceBytes, contactless_atr, frame_size
from card_formats.core import FormatError, WireFormat
from card_formats.historical import HISTORICAL


def atr_of(text: str) -> Atr:
    return ATR.parse(bytes.fromhex(text))


def test_t1_parameters() -> None:
    atr = atr_of("3BFF9600008131FE4380318065B0846566FB12017882900085")
    assert atr.protocols == (1,)
    assert (atr.clock_conversion, atr.baud_adjustment) == (512, 32)
    assert atr.card_information_field_size == 254
    assert (atr.block_waiting_integer, atr.character_waiting_integer) == (4, 3)
    assert not atr.uses_crc
    assert atr.specific_mode is None


def test_t0_defaults() -> None:
    atr = Atr()
    assert atr.protocols == (0,)
    assert (atr.clock_conversion, atr.baud_adjustment, atr.extra_guard_time) == (372, 1, 0)
    assert atr.waiting_integer == 10
    assert atr.card_information_field_size == 32


def test_t0_waiting_integer_and_specific_mode() -> None:
    atr = Atr((InterfaceBytes(protocol=0), InterfaceBytes(ta=0x10, tc=1)))
    parsed = ATR.parse(ATR.build(atr))
    assert parsed.waiting_integer == 1
    assert parsed.specific_mode == 0


def test_check_byte_rules() -> None:
    assert not Atr((InterfaceBytes(protocol=0), InterfaceBytes(tc=1))).has_check_byte
    t0_and_t15 = Atr(
        (InterfaceBytes(protocol=0), InterfaceBytes(protocol=15), InterfaceBytes(ta=1))
    )
    assert t0_and_t15.has_check_byte
    assert t0_and_t15.protocols == (0,)


def test_wrong_check_byte_is_refused() -> None:
    with pytest.raises(FormatError, match="TCK is 81"):
        atr_of("3B8180018081")


@pytest.mark.parametrize("text", ["3C00", "0000", "3B80", "3B80800180", "3B", "3B0000"])
def test_malformed_atr(text: str) -> None:
    with pytest.raises(FormatError):
        atr_of(text)


def test_too_many_historical_bytes() -> None:
    assert ATR.build(contactless_atr(bytes(15)))[:4] == bytes.fromhex("3B8F8001")
    with pytest.raises(FormatError, match="at most 15"):
        ATR.build(contactless_atr(bytes(16)))


OPTIONAL_BYTE = st.none() | st.integers(0, 255)
PROTOCOL = st.integers(0, 15)


@given(
    st.lists(st.tuples(OPTIONAL_BYTE, OPTIONAL_BYTE, OPTIONAL_BYTE, PROTOCOL), max_size=4),
    st.tuples(OPTIONAL_BYTE, OPTIONAL_BYTE, OPTIONAL_BYTE),
    st.binary(max_size=15),
    st.booleans(),
)
def test_atr_round_trip(
    groups: list[tuple[int | None, int | None, int | None, int]],
    last: tuple[int | None, int | None, int | None],
    historical: bytes,
    inverse: bool,
) -> None:
    interface = tuple(InterfaceBytes(*group) for group in groups)
    if groups or any(value is not None for value in last):
        interface += (InterfaceBytes(*last),)
    atr = Atr(interface, historical, inverse)
    assert ATR.parse(ATR.build(atr)) == atr


@given(st.binary(max_size=40))
def test_any_bytes_as_atr_or_ats(data: bytes) -> None:
    formats: tuple[WireFormat[Any], ...] = (ATR, ATS)
    for format in formats:
        for candidate in (data, b"\x3b" + data, bytes([len(data) + 1]) + data):
            try:
                value = format.parse(candidate)
            except FormatError:
                continue
            assert format.build(value) == candidate


def test_ats_defaults_without_t0() -> None:
    ats = ATS.parse(b"\x01")
    assert (ats.fsc, ats.fwi, ats.sfgt) == (32, 4, 0.0)
    assert ats.supports_cid and not ats.supports_nad


def test_ats_derived_values() -> None:
    ats = ATS.parse(bytes.fromhex("067877910280"))
    assert ats.fsc == 256
    assert ats.fwt == pytest.approx(0.1547, abs=1e-4)
    assert ats.sfgt == pytest.approx(604.2e-6, abs=1e-6)
    assert ats.historical == b"\x80"


def test_fwi_8_and_14() -> None:
    assert Ats(8, tb=0x80).fwt == pytest.approx(0.0773, abs=1e-4)
    assert Ats(8, tb=0xE0).fwt == pytest.approx(4.949, abs=1e-3)
    assert Ats(8, tb=0xF0).fwi == 15 and Ats(8, tb=0xF0).fwt == Ats(8).fwt


def test_frame_sizes() -> None:
    assert [frame_size(code) for code in (0, 2, 8, 12, 15)] == [16, 32, 256, 4096, 4096]


@pytest.mark.parametrize("text", ["", "00", "02", "0288", "0378", "037877", "020800"])
def test_malformed_ats(text: str) -> None:
    with pytest.raises(FormatError):
        ATS.parse(bytes.fromhex(text))


def test_capabilities() -> None:
    said = HISTORICAL.parse(bytes.fromhex("8073C821E0"))
    assert said.command_chaining and said.extended_length and said.extended_length_information
    silent = HISTORICAL.parse(b"\x80")
    assert not (silent.command_chaining or silent.extended_length)
    assert HISTORICAL.parse(bytes.fromhex("0031C50590 00")).status == bytes.fromhex("059000")


@pytest.mark.parametrize("text", ["", "10", "8073C821", "000590", "0073C805 9000"])
def test_malformed_historical_bytes(text: str) -> None:
    with pytest.raises(FormatError):
        HISTORICAL.parse(bytes.fromhex(text))
