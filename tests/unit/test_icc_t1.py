"""The contact card under T=1, against the reader's half and against blocks written by hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from card_formats.atr import ATR
from firmware_sim.link.echo import EchoCard
from firmware_sim.link.icc import Icc, IccConfig
from firmware_sim.link.iso_dep import Mute
from firmware_sim.reader.exchange import Exchange
from firmware_sim.reader.protocol_hosts import T1Host

OK = b"\x90\x00"


def finished(exchange: Exchange) -> tuple[bytes, int]:
    """Answer and number of time extensions."""
    extensions = 0
    while True:
        try:
            next(exchange)
        except StopIteration as end:
            return end.value, extensions
        extensions += 1


def powered(config: IccConfig | None = None, card: EchoCard | None = None) -> tuple[Icc, T1Host]:
    icc = Icc(card or EchoCard(), config)
    atr = ATR.parse(icc.power_on())
    return icc, T1Host(icc.transceive, atr.card_information_field_size, atr.uses_crc)


def echo(size: int) -> bytes:
    data = bytes(n * 7 & 0xFF for n in range(size))
    return bytes.fromhex("00EC0000") + b"\x00" + size.to_bytes(2, "big") + data + b"\x00\x00"


def exchange(icc: Icc, frame: str) -> str:
    answer = icc.transceive(bytes.fromhex(frame))
    return "" if answer is None else answer.hex().upper()


@pytest.mark.parametrize("size", [1, 31, 32, 253, 254, 255, 500, 5000])
@pytest.mark.parametrize("config", [IccConfig(), IccConfig(ifsc=32, crc=True)], ids=["lrc", "crc"])
def test_commands_of_any_size_are_chained(size: int, config: IccConfig) -> None:
    _, host = powered(config)
    command = echo(size)
    assert finished(host.apdu(command))[0] == command[7:-2] + OK


def test_long_responses_are_chained_in_blocks_the_reader_can_hold() -> None:
    sizes = []

    def watch(frame: bytes, answer: bytes | None) -> bytes | None:
        sizes.append(len(answer or b""))
        return answer

    icc = Icc(EchoCard(), IccConfig(frame_filter=watch))
    icc.power_on()
    host = T1Host(icc.transceive, 254, ifsd=100)
    answer, _ = finished(host.apdu(bytes.fromhex("00EE7FFF000000")))
    assert len(answer) == 32_767 + 2
    assert max(sizes) == 104


def test_until_told_otherwise_the_card_sends_32_bytes_at_most() -> None:
    icc, _ = powered()
    assert exchange(icc, "00000500EE002800C3") == ("002020" + bytes(range(32)).hex().upper() + "00")


def test_a_working_card_asks_for_more_time() -> None:
    _, host = powered(IccConfig(more_time_after=0.02, wtxm=2))
    answer, extensions = finished(host.apdu(bytes.fromhex("00EA0F0001AA00")))
    assert answer == b"\xaa" + OK
    assert extensions >= 2


@pytest.mark.parametrize(
    ("block", "answer"),
    [
        ("0000043000000035", "00810081"),  # LRC wrong: R(0), redundancy
        ("0000053000000035", "00820082"),  # LEN wrong, LRC by chance right: R(0), other
        ("00400040", "00820082"),  # N(S) = 1 where 0 is due
        ("00100010", "00820082"),  # PCB is RFU
        ("00E300E3", "00820082"),  # S(WTX response) nobody asked for
        ("00C30101C3", "00820082"),  # the reader asks for time
        ("00C000C0", "00E000E0"),  # S(RESYNCH)
        ("00C101FE3E", "00E101FE1E"),  # S(IFS)
        ("00C10100C0", "00820082"),  # S(IFS) of nothing
        ("00C200C2", "00E200E2"),  # S(ABORT)
        ("21000021", "12000012"),  # node addresses are swapped
    ],
)
def test_first_block(block: str, answer: str) -> None:
    icc, _ = powered()
    assert exchange(icc, block) == answer


def test_a_block_asked_for_again_is_sent_again_and_the_command_runs_once() -> None:
    card = EchoCard()
    icc, _ = powered(card=card)
    first = exchange(icc, "00000500EE000200E9")
    assert first == "0000040001900095"
    assert exchange(icc, "00800080") == first
    assert exchange(icc, "00810081") == first
    assert len(card.commands) == 1


def test_resynchronisation_forgets_half_a_command_and_the_size_agreed() -> None:
    icc, host = powered()
    finished(host.apdu(echo(300)))
    assert exchange(icc, "00200100ECCD")[2:] != ""  # whatever it makes of this
    assert exchange(icc, "00C000C0") == "00E000E0"
    assert exchange(icc, "00000500EE002800C3").startswith("002020")


def test_abort_of_a_chained_command() -> None:
    card = EchoCard()
    icc, _ = powered(card=card)
    assert exchange(icc, "00200200ECCE") == "00900090"
    assert exchange(icc, "00C200C2") == "00E200E2"
    assert exchange(icc, "00400500EE000100AA") == "00000300900093"
    assert card.commands == [bytes.fromhex("00EE000100")]


Fault = Callable[[bytes], bytes | None]


def _damaged(answer: bytes) -> bytes:
    return answer[:-1] + bytes([answer[-1] ^ 1])


@pytest.mark.parametrize("fault", [lambda _: None, _damaged], ids=["lost", "damaged"])
@pytest.mark.parametrize("where", range(7))
def test_the_reader_recovers_any_one_answer(fault: Fault, where: int) -> None:
    count = iter(range(1000))

    def once(frame: bytes, answer: bytes | None) -> bytes | None:
        return fault(answer or b"") if next(count) == where else answer

    card = EchoCard()
    _, host = powered(IccConfig(ifsc=100, frame_filter=once), card)
    command = echo(450)
    assert finished(host.apdu(command))[0] == command[7:-2] + OK
    assert host.recoveries == 1
    assert card.commands == [command]


@pytest.mark.parametrize("where", range(7))
def test_the_card_recovers_any_one_block(where: int) -> None:
    count = iter(range(1000))

    def once(frame: bytes) -> bytes | None:
        return _damaged(frame) if next(count) == where else frame

    card = EchoCard()
    _, host = powered(IccConfig(ifsc=100, request_filter=once), card)
    command = echo(450)
    assert finished(host.apdu(command))[0] == command[7:-2] + OK
    assert card.commands == [command]


def test_protocol_is_chosen_by_pps() -> None:
    icc = Icc(EchoCard(b"both"), IccConfig((0, 1), ta1=0x96))
    assert ATR.parse(icc.power_on()).protocols == (0, 1)
    assert icc.protocol == 0
    assert exchange(icc, "FF119678") == "FF119678"
    assert icc.protocol == 1
    assert exchange(icc, "00C000C0") == "00E000E0"


@pytest.mark.parametrize(
    ("request_", "answer"),
    [("FF01FE", ""), ("FF00FE", ""), ("FF109678", "")],
    ids=["protocol not offered", "PCK wrong", "PCK of another"],
)
def test_a_pps_that_makes_no_sense_mutes_the_card(request_: str, answer: str) -> None:
    icc = Icc(EchoCard(), IccConfig((0,)))
    icc.power_on()
    assert exchange(icc, request_) == answer


def test_mute_until_reset() -> None:
    card = EchoCard()
    icc, host = powered(card=card)
    card.failure = TimeoutError()
    with pytest.raises(Mute):
        finished(host.apdu(echo(1)))
    assert exchange(icc, "00C000C0") == ""
    assert not icc.torn
    icc.reset()
    assert exchange(icc, "00C000C0") == "00E000E0"


def test_a_torn_card_says_nothing_more() -> None:
    card = EchoCard()
    icc, host = powered(card=card)
    card.failure = ConnectionError()
    with pytest.raises(Mute):
        finished(host.apdu(echo(1)))
    assert icc.torn


def test_removal_ends_a_command_at_once() -> None:
    icc, _ = powered(IccConfig(bwi=9))
    started = time.monotonic()
    threading.Timer(0.1, icc.remove).start()
    assert exchange(icc, "00000500EA6400008B") == ""
    assert time.monotonic() - started < 0.6
    with pytest.raises(Mute):
        icc.power_on()


def test_cold_reset_powers_the_card_off_and_warm_reset_does_not() -> None:
    card = EchoCard()
    icc, _ = powered(card=card)
    icc.reset()
    assert (card.power_ons, card.power_offs) == (1, 0)
    icc.power_on()
    assert (card.power_ons, card.power_offs) == (2, 1)
    icc.power_off()
    icc.power_off()
    assert card.power_offs == 2
    assert exchange(icc, "00C000C0") == ""


@pytest.mark.parametrize(
    ("config", "atr"),
    [
        (IccConfig(), "3B828131FE4541428A"),
        (IccConfig((0,)), "3B8240014142"),
        (IccConfig((0, 1)), "3B82C00131FE454142CA"),
        (IccConfig((0,), ta1=0x96, specific=True), "3B92965000014142"),
        (IccConfig(atr=bytes.fromhex("3B00")), "3B00"),
    ],
)
def test_answer_to_reset(config: IccConfig, atr: str) -> None:
    assert config.answer_to_reset(b"AB").hex().upper() == atr


def test_historical_bytes_beyond_fifteen_are_cut() -> None:
    assert ATR.parse(IccConfig().answer_to_reset(bytes(range(20)))).historical == bytes(range(15))


@pytest.mark.parametrize(
    "wrong", [{"protocols": (1, 0)}, {"ifsc": 255}, {"bwi": 10}, {"wtxm": 0}, {"atr": b"\x3b"}]
)
def test_impossible_cards_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        IccConfig(**wrong)  # type: ignore[arg-type]
