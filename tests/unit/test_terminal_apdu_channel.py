"""Whole commands and answers over short and extended APDUs, and cards that never end."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from card_formats.apdu import CommandApdu, ResponseApdu
from card_formats.atr import ATR, ATS, Ats, contactless_atr
from reader_drivers.api import CommunicationFault
from reader_drivers.terminal.apdu_channel import (
    MAX_ROUNDS,
    ApduChannel,
    announces_extended_length,
)


class Script:
    """A session that must be sent exactly these commands and gives these answers."""

    atr = bytes.fromhex("3B00")

    def __init__(self, *exchanges: tuple[str, str]) -> None:
        self.exchanges = list(exchanges)

    def transmit(self, command: bytes) -> bytes:
        assert self.exchanges, f"unexpected {command.hex()}"
        expected, answer = self.exchanges.pop(0)
        assert command == bytes.fromhex(expected)
        return bytes.fromhex(answer)

    def close(self) -> None:
        """Nothing to close."""


class Endless:
    """A session that answers the same for ever."""

    atr = b""

    def __init__(self, answers: Sequence[bytes]) -> None:
        self.answers = answers
        self.count = 0

    def transmit(self, command: bytes) -> bytes:
        self.count += 1
        return self.answers[min(self.count, len(self.answers)) - 1]

    def close(self) -> None:
        """Nothing to close."""


READ = CommandApdu(0x00, 0xB0, 0x00, 0x00, le=256)


def run(script: Script, command: CommandApdu, extended: bool = True) -> ResponseApdu:
    response = ApduChannel(script, extended).transmit(command)
    assert script.exchanges == []
    return response


def test_short_command() -> None:
    assert run(Script(("00B0000000", "01029000")), READ) == ResponseApdu(b"\x01\x02", 0x9000)


def test_a_small_command_stays_short_on_an_extended_channel() -> None:
    command = CommandApdu(0x00, 0xA4, 0x04, 0x0C, b"\xf0" * 5)
    run(Script(("00A4040C05F0F0F0F0F0", "9000")), command)


def test_extended_where_it_is_needed() -> None:
    run(Script(("00B00000000000", "9000")), CommandApdu(0x00, 0xB0, 0x00, 0x00, le=65536))
    long = CommandApdu(0x80, 0x2A, 0x01, 0x10, b"\xaa" * 300)
    run(Script(("802A0110" + "00012C" + "AA" * 300, "9000")), long)


def test_extended_where_it_is_asked_for() -> None:
    command = CommandApdu(0x00, 0xB0, 0x00, 0x00, le=16, extended=True)
    run(Script(("00B00000000010", "9000")), command)
    run(Script(("00B0000010", "9000")), command, extended=False)


def test_case_1_has_no_extended_form() -> None:
    run(Script(("00200081", "63C3")), CommandApdu(0x00, 0x20, 0x00, 0x81, extended=True))


def test_chaining_on_a_short_channel() -> None:
    script = Script(
        ("902A0110FF" + "AA" * 255, "9000"),
        ("902A0110FF" + "AA" * 255, "9000"),
        ("802A01100A" + "AA" * 10, "9000"),
    )
    run(script, CommandApdu(0x80, 0x2A, 0x01, 0x10, b"\xaa" * 520), extended=False)


def test_the_last_link_carries_le() -> None:
    script = Script(("90CA0000FF" + "AA" * 255, "9000"), ("80CA000001AA00", "019000"))
    command = CommandApdu(0x80, 0xCA, 0x00, 0x00, b"\xaa" * 256, 65536)
    assert run(script, command, extended=False).data == b"\x01"


def test_a_link_that_is_refused_ends_the_chain() -> None:
    script = Script(("902A0110FF" + "AA" * 255, "6884"))
    command = CommandApdu(0x80, 0x2A, 0x01, 0x10, b"\xaa" * 520)
    assert run(script, command, extended=False) == ResponseApdu(b"", 0x6884)


def test_get_response_until_all_is_there() -> None:
    script = Script(
        ("00B0000000", "01" * 256 + "6100"),
        ("00C0000000", "02" * 256 + "6103"),
        ("00C0000003", "0303039000"),
    )
    response = run(script, READ)
    assert response == ResponseApdu(b"\x01" * 256 + b"\x02" * 256 + b"\x03" * 3, 0x9000)


def test_get_response_after_a_bare_61() -> None:
    script = Script(("00A4040C0101", "6102"), ("00C0000002", "ABCD9000"))
    command = CommandApdu(0x00, 0xA4, 0x04, 0x0C, b"\x01")
    assert run(script, command).data == b"\xab\xcd"


def test_get_response_keeps_the_warning_and_drops_data_on_an_error() -> None:
    script = Script(("00B0000000", "016101"), ("00C0000001", "026282"))
    assert run(script, READ) == ResponseApdu(b"\x01\x02", 0x6282)
    script = Script(("00B0000000", "016101"), ("00C0000001", "6985"))
    assert run(script, READ) == ResponseApdu(b"", 0x6985)


def test_get_response_with_wrong_le() -> None:
    script = Script(("00B0000000", "6105"), ("00C0000005", "6C02"), ("00C0000002", "01029000"))
    assert run(script, READ).data == b"\x01\x02"


def test_wrong_le_is_repeated_once_with_the_right_one() -> None:
    script = Script(("00B0000000", "6C02"), ("00B0000002", "01029000"))
    assert run(script, READ) == ResponseApdu(b"\x01\x02", 0x9000)


@pytest.mark.parametrize(
    "exchanges",
    [
        [("00B0000000", "6C02"), ("00B0000002", "6C02")],
        [("00B0000000", "6102"), ("00C0000002", "6C01"), ("00C0000001", "6C01")],
    ],
)
def test_wrong_le_twice_is_a_fault(exchanges: list[tuple[str, str]]) -> None:
    with pytest.raises(CommunicationFault, match="6Cxx twice"):
        run(Script(*exchanges), READ)


def test_wrong_le_with_data_is_a_fault() -> None:
    with pytest.raises(CommunicationFault, match="data all the same"):
        run(Script(("00B0000000", "016C02")), READ)


def test_a_card_that_announces_for_ever_without_data() -> None:
    session = Endless([bytes.fromhex("6110")])
    with pytest.raises(CommunicationFault, match="hands out none"):
        ApduChannel(session).transmit(READ)
    assert session.count == 2


def test_a_card_that_drips_for_ever() -> None:
    session = Endless([bytes.fromhex("006110")])
    with pytest.raises(CommunicationFault, match="still announces"):
        ApduChannel(session).transmit(READ)
    assert session.count == MAX_ROUNDS + 1


def test_a_card_that_pours_for_ever() -> None:
    session = Endless([bytes(256) + bytes.fromhex("6100")])
    with pytest.raises(CommunicationFault, match="more than 65536"):
        ApduChannel(session).transmit(READ)


@pytest.mark.parametrize("answer", ["", "90", "0000", "8000", "5000", "6000", "FFFF", "1F90"])
def test_malformed_answers(answer: str) -> None:
    with pytest.raises(CommunicationFault):
        run(Script(("00B0000000", answer)), READ)


@pytest.mark.parametrize(
    ("command", "wire", "answer"),
    [
        (CommandApdu(0x00, 0xB0, 0x00, 0x00, le=1), "00B0000001", "01029000"),
        (CommandApdu(0x00, 0x20, 0x00, 0x81), "00200081", "019000"),
    ],
)
def test_more_data_than_asked_for(command: CommandApdu, wire: str, answer: str) -> None:
    with pytest.raises(CommunicationFault, match="asked for at most"):
        run(Script((wire, answer)), command)


@pytest.mark.parametrize(
    ("historical", "expected"), [("8073C001C0", True), ("8073C00180", False), ("80", False)]
)
def test_what_the_historical_bytes_announce(historical: str, expected: bool) -> None:
    raw = bytes.fromhex(historical)
    atr, ats = ATR.build(contactless_atr(raw)), ATS.build(Ats(8, historical=raw))
    assert announces_extended_length(atr) is expected
    assert announces_extended_length(ats) is expected
    session = Script()
    session.atr = ats
    assert ApduChannel(session, None).extended is expected


@pytest.mark.parametrize("atr", ["", "00", "FF", "3B", "3B0012"])
def test_an_unreadable_atr_announces_nothing(atr: str) -> None:
    assert not announces_extended_length(bytes.fromhex(atr))


def test_255_bytes_are_still_one_short_command() -> None:
    command = CommandApdu(0x80, 0x2A, 0x01, 0x10, b"\xaa" * 255)
    for extended in (True, False):
        run(Script(("802A0110FF" + "AA" * 255, "9000")), command, extended)


def test_a_zero_in_6c_means_256() -> None:
    command = CommandApdu(0x00, 0xB0, 0x00, 0x00, le=1)
    run(Script(("00B0000001", "6C00"), ("00B0000000", "9000")), command)
    script = Script(("00B0000001", "6105"), ("00C0000005", "6C00"), ("00C0000000", "9000"))
    run(script, command)


def test_exactly_65536_bytes_are_no_fault() -> None:
    pieces = [("00C0000000", "01" * 256 + "6100")] * 255 + [("00C0000000", "01" * 256 + "9000")]
    response = run(Script(("00B0000000", "6100"), *pieces), READ)
    assert response.data == b"\x01" * 65536
