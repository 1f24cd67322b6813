"""APDU forms and status words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_formats.apdu import COMMAND_APDU, RESPONSE_APDU, CommandApdu, ResponseApdu
from card_formats.core import FormatError
from card_formats.status_words import SW, meaning

BYTE = st.integers(0, 255)


@st.composite
def commands(draw: st.DrawFn) -> CommandApdu:
    extended = draw(st.booleans())
    data = draw(st.binary(max_size=300 if extended else 255))
    le = draw(st.none() | st.integers(1, 65_536 if extended else 256))
    extended = extended and bool(data or le)
    return CommandApdu(draw(BYTE), draw(BYTE), draw(BYTE), draw(BYTE), data, le, extended)


@given(commands())
def test_round_trip_keeps_value_and_form(command: CommandApdu) -> None:
    assert COMMAND_APDU.parse(COMMAND_APDU.build(command)) == command


@given(st.binary(max_size=30))
def test_any_bytes_are_refused_or_come_back_the_same(data: bytes) -> None:
    try:
        command = COMMAND_APDU.parse(data)
    except FormatError:
        return
    assert COMMAND_APDU.build(command) == data


@pytest.mark.parametrize(
    "command",
    [
        CommandApdu(0, 0xB0, 0, 0, bytes(256)),
        CommandApdu(0, 0xB0, 0, 0, le=257),
        CommandApdu(0, 0xB0, 0, 0, le=0),
        CommandApdu(0, 0xB0, 0, 0, b"x", le=0),
        CommandApdu(0, 0xB0, 0, 0, le=65_537, extended=True),
        CommandApdu(0, 0xB0, 0, 0, bytes(65_536), extended=True),
        CommandApdu(0, 0xB0, 0, 0, extended=True),
        CommandApdu(256, 0xB0, 0, 0),
        CommandApdu(0, -1, 0, 0),
    ],
    ids=str,
)
def test_what_a_command_cannot_carry_is_refused(command: CommandApdu) -> None:
    with pytest.raises(FormatError):
        COMMAND_APDU.build(command)


@pytest.mark.parametrize(
    "command",
    [
        *("", "00", "00A404"),  # no header
        *("00A4040002A0", "00A4040002A00000FF"),  # short: data missing, a byte too many
        *("00B000000000", "00B0000000000000"),  # extended: Le cut, a byte too many
        *("00A40400000002AA", "00A404000000010A00", "00A404000000010A000000"),
        "00A4040000000000FF",  # extended Lc of zero
    ],
)
def test_malformed_commands_are_refused(command: str) -> None:
    with pytest.raises(FormatError):
        COMMAND_APDU.parse(bytes.fromhex(command))


def test_largest_command_and_response() -> None:
    command = CommandApdu(0, 0xDA, 0, 0, bytes(65_535), 65_536, extended=True)
    assert len(COMMAND_APDU.build(command)) == 65_544
    response = ResponseApdu(bytes(65_536), 0x9000)
    assert RESPONSE_APDU.parse(RESPONSE_APDU.build(response)) == response


def test_response_shorter_than_a_status_word_is_refused() -> None:
    for data in (b"", b"\x90"):
        with pytest.raises(FormatError):
            RESPONSE_APDU.parse(data)


def test_status_bytes() -> None:
    assert (ResponseApdu(b"", 0x63C2).sw1, ResponseApdu(b"", 0x63C2).sw2) == (0x63, 0xC2)


@pytest.mark.parametrize(
    ("sw", "words"),
    [
        (0x9000, "normal end"),
        (0x6982, "security status"),
        (0x63C0, "0 tries left"),
        (0x63C1, "1 try left"),
        (0x63C3, "3 tries left"),
        (0x6110, "16 more"),
        (0x6100, "256 or more"),
        (0x6C00, "exactly 256"),
        (0x6C20, "exactly 32"),
        (0x6A99, "wrong parameters (no meaning"),
        (0x9123, "proprietary"),
        (0x1234, "not a valid"),
    ],
)
def test_meanings(sw: int, words: str) -> None:
    assert words in meaning(sw)


def test_every_named_word_has_its_own_meaning() -> None:
    meanings = {sw: meaning(sw) for sw in SW}
    assert not [hex(sw) for sw, text in meanings.items() if "no meaning" in text]
    assert len(set(meanings.values())) == len(meanings)


def test_more_than_16_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="16 bits"):
        meaning(0x19000)
