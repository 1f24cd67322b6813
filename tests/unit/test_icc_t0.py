"""The contact card under T=0, TPDU by TPDU, and the reader's half of it."""

from __future__ import annotations

import pytest

from card_formats.t0_tpdu import Procedure, procedure
from firmware_sim.link.echo import EchoCard
from firmware_sim.link.icc import Icc, IccConfig
from firmware_sim.reader.exchange import Exchange
from firmware_sim.reader.protocol_hosts import t0_apdu, t0_exchange, t0_frame

T0 = IccConfig((0,))


def powered(card: EchoCard | None = None, config: IccConfig = T0) -> Icc:
    icc = Icc(card or EchoCard(), config)
    icc.power_on()
    return icc


def exchange(icc: Icc, frame: str) -> str:
    answer = icc.transceive(bytes.fromhex(frame))
    return "" if answer is None else answer.hex().upper()


def finished(exchange: Exchange) -> bytes:
    while True:
        try:
            next(exchange)
        except StopIteration as end:
            return bytes(end.value)


def test_response_of_the_size_asked_for() -> None:
    assert exchange(powered(), "00EE000303") == "0001029000"


def test_shorter_response_is_announced_and_the_command_runs_once() -> None:
    card = EchoCard()
    icc = powered(card)
    assert exchange(icc, "00EE000300") == "6C03"
    assert exchange(icc, "00EE000303") == "0001029000"
    assert len(card.commands) == 1
    assert exchange(icc, "00EE000303") == "0001029000"
    assert len(card.commands) == 2


def test_another_command_drops_what_was_kept() -> None:
    card = EchoCard()
    icc = powered(card)
    exchange(icc, "00EE000300")
    exchange(icc, "0070000000")
    exchange(icc, "00EE000303")
    assert len(card.commands) == 3


def test_256_bytes_need_no_announcement() -> None:
    assert exchange(powered(), "00EE010000") == (bytes(range(256)).hex() + "9000").upper()


def test_data_in_both_directions_take_get_response() -> None:
    icc = powered()
    assert exchange(icc, "00EC000003AABBCC") == "6103"
    assert exchange(icc, "00C0000002") == "AABB6101"
    assert exchange(icc, "00C0000000") == "6C01"
    assert exchange(icc, "00C0000001") == "CC9000"
    assert exchange(icc, "00C0000001") == "6D00"


def test_get_response_after_another_command_finds_nothing() -> None:
    icc = powered()
    exchange(icc, "00EC000003AABBCC")
    exchange(icc, "0070000000")
    assert exchange(icc, "00C0000003") == "6D00"


@pytest.mark.parametrize(
    ("tpdu", "apdu"),
    [
        ("0020000000", "00200000"),
        ("0020000002 1234", "0020000002 1234"),
        ("0C20000002 1234", "0C20000002 1234 00"),
        ("00A4000002 3F00", "00A4000002 3F00 00"),
        ("00B0000000", "00B0000000"),
        ("00B0000010", "00B0000010"),
    ],
    ids=["empty VERIFY", "VERIFY", "VERIFY in secure messaging", "SELECT", "READ", "READ 16"],
)
def test_what_the_card_is_told(tpdu: str, apdu: str) -> None:
    card = EchoCard()
    exchange(powered(card), tpdu)
    assert card.commands == [bytes.fromhex(apdu)]


def test_a_working_card_sends_null() -> None:
    icc = powered(config=IccConfig((0,), more_time_after=0.02))
    assert exchange(icc, "00EA0F0001AA") == "60"
    nulls = 0
    while (answer := exchange(icc, "")) == "60":
        nulls += 1
    assert answer == "6101"
    assert nulls >= 2


@pytest.mark.parametrize("tpdu", ["00A404", "00A4040005AABB", ""])
def test_a_card_that_gets_too_little_waits_for_ever(tpdu: str) -> None:
    icc = powered()
    assert exchange(icc, tpdu) == ""
    assert exchange(icc, "00EE000303") == ""
    icc.reset()
    assert exchange(icc, "00EE000303") == "0001029000"


def test_mute_until_reset() -> None:
    card = EchoCard()
    icc = powered(card)
    card.failure = TimeoutError()
    assert exchange(icc, "00EE000303") == ""
    assert exchange(icc, "00EE000303") == ""
    icc.reset()
    assert exchange(icc, "00EE000303") == "0001029000"


@pytest.mark.parametrize(
    ("host", "tpdu"),
    [
        ("00440000", "0044000000"),
        ("00B0000000", "00B0000000"),
        ("00A40000023F00", "00A40000023F00"),
        ("00A40000023F0000", "00A40000023F00"),
        ("00A400000000023F00", "00A400000000023F00"),
    ],
    ids=["case 1", "case 2", "case 3", "case 4", "extended"],
)
def test_what_the_reader_puts_on_the_line(host: str, tpdu: str) -> None:
    assert t0_frame(bytes.fromhex(host)) == bytes.fromhex(tpdu)


@pytest.mark.parametrize("size", [1, 2, 127, 254, 255])
def test_reader_at_apdu_level_hides_it_all(size: int) -> None:
    icc = powered()
    data = bytes(size)
    command = bytes.fromhex("00EC0000") + bytes([size]) + data + b"\x00"
    assert finished(t0_apdu(icc.transceive, command)) == data + b"\x90\x00"
    command = bytes.fromhex("00EE00") + bytes([size, 0])
    assert len(finished(t0_apdu(icc.transceive, command))) == size + 2


def test_reader_at_apdu_level_refuses_extended_commands() -> None:
    command = bytes.fromhex("00EC0000000001AA0000")
    assert finished(t0_apdu(powered().transceive, command)) == bytes.fromhex("6700")


def test_reader_waits_out_null() -> None:
    icc = powered(config=IccConfig((0,), more_time_after=0.01))
    waiting = t0_exchange(icc.transceive, bytes.fromhex("00EA050001AA"))
    assert next(waiting) == 1
    assert finished(waiting) == bytes.fromhex("6101")


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        (0x60, Procedure.WAIT),
        (0xB0, Procedure.REST),
        (0x4F, Procedure.ONE),
        (0x61, Procedure.STATUS),
        (0x90, Procedure.STATUS),
        (0x12, Procedure.INVALID),
    ],
)
def test_procedure_bytes(value: int, meaning: Procedure) -> None:
    assert procedure(value, 0xB0) is meaning
