"""The operating system around the application: power, defects, coding, chaining, long data."""

from __future__ import annotations

import random

import pytest
from card_factory import Bench
from card_host import Host
from card_probes import opened, verified

from card_formats.apdu import COMMAND_APDU, CommandApdu
from card_formats.data_objects import RIGHTS
from card_formats.historical import HISTORICAL
from card_formats.profile_ecv_sim_1 import Fid, LifeCycle
from firmware_sim.card.reply import Reply
from firmware_sim.card.response_queue import ResponseQueue
from firmware_sim.card.state import CardState
from firmware_sim.seam import Card


def card_of(bench: Bench) -> Card:
    return bench.card


def test_the_historical_bytes_announce_chaining_and_extended_lengths() -> None:
    historical = HISTORICAL.parse(card_of(Bench()).power_on())
    assert historical.command_chaining
    assert historical.extended_length


def test_without_power_there_is_no_card() -> None:
    bench = Bench()
    bench.card.power_off()
    with pytest.raises(ConnectionError):
        bench.card.transmit(b"\x00\xa4\x04\x00")
    bench.card.power_on()
    assert bench.card.transmit(b"\x00\xa4\x04\x00") == b"\x6a\x82"


def test_a_defect_answers_6f00_keeps_its_cause_and_ends_the_session() -> None:
    bench = Bench()
    host = verified(bench)
    bench.state.entries[1].files[Fid.RIGHTS] = None  # type: ignore[assignment]
    bench.card.files.wallet = lambda: 1 // 0  # type: ignore[method-assign, assignment, return-value]
    assert host.read(0x10).sw == 0x6F00
    assert isinstance(bench.card.last_error, ZeroDivisionError)
    assert host.code_state() == 0x6982


def test_a_mute_holder_stays_mute() -> None:
    bench = Bench()
    host = opened(bench)

    def never() -> None:
        raise TimeoutError

    bench.person.ask_for_code = never  # type: ignore[method-assign]
    bench.person.code_on_phone = True
    with pytest.raises(TimeoutError):
        host.read(0x10)


def test_an_empty_card_was_never_enrolled() -> None:
    bench = Bench()
    bench.state.entries.clear()
    assert Host(bench.card).plain(0, 0xA4, 4, 0, b"\xf0ECARTE\x01", 256).sw == 0x6A82


@pytest.mark.parametrize(
    "command",
    ["", "00", "00A404", "00A4040008F0", "00A40400000008F0", "00A404000000", "00C00000000001"],
)
def test_wrong_coding_is_6700(command: str) -> None:
    raw = bytes.fromhex(command)
    expected = b"\x67\x00"
    if command == "00C00000000001":  # a case 2E, but nothing waits
        expected = b"\x69\x85"
    assert Bench().card.transmit(raw) == expected


def test_another_command_discards_what_waits() -> None:
    for other in ("0084000008", "A084000008", "00", "00B0000000", "1084000000"):
        bench = Bench()
        host = Host(bench.card)
        host.plain(0, 0xA4, 4, 0, b"\xf0ECARTE\x01", 10)
        bench.card.transmit(bytes.fromhex(other))
        if other.startswith("10"):
            bench.card.transmit(bytes.fromhex("0084000008"))
        assert host.plain(0, 0xC0, 0, 0, le=256).sw == 0x6985


def test_a_chain_ends_at_65535_bytes() -> None:
    bench = Bench()
    host = Host(bench.card)
    host.select()
    link = CommandApdu(0x90, 0x2A, 1, 0x10, bytes(30_000), extended=True)
    answers = [bench.card.transmit(COMMAND_APDU.build(link)) for _ in range(3)]
    assert answers == [b"\x90\x00", b"\x90\x00", b"\x67\x00"]
    last = CommandApdu(0x80, 0x2A, 1, 0x10, bytes(5_536), extended=True)
    for cla, data, expected in ((0x90, 60_000, b"\x90\x00"), (0x80, 5_535, b"\x6a\x80")):
        command = CommandApdu(cla, 0x2A, 1, 0x10, bytes(data), extended=True)
        assert bench.card.transmit(COMMAND_APDU.build(command)) == expected
    assert bench.card.transmit(COMMAND_APDU.build(last)) == b"\x6a\x80"


def test_short_and_extended_links_may_be_mixed() -> None:
    bench = Bench()
    host = Host(bench.card)
    aid = b"\xf0ECARTE\x01"
    assert host.plain(0x10, 0xA4, 4, 0x0C, aid[:3], extended=True).sw == 0x9000
    assert host.plain(0x00, 0xA4, 4, 0x0C, aid[3:]).sw == 0x9000


def test_secured_chains_may_mix_short_and_extended_links() -> None:
    bench = Bench()
    host = opened(bench, extended=True)
    state = host.protocol._processor.state
    body = state.encrypt(bytes.fromhex("26135790FFFFFFFF"))
    header = bytes.fromhex("04200081") + b"\x00" + (len(body) + 8).to_bytes(2, "big")
    body += state.mac(header + body)
    assert host.plain(0x14, 0x20, 0, 0x81, body[:5], extended=True).sw == 0x9000
    assert host.plain(0x04, 0x20, 0, 0x81, body[5:]).sw == 0x6108
    assert bench.card.access.code_verified


def test_one_response_never_exceeds_what_the_card_announces() -> None:
    queue = ResponseQueue(65_535)
    first = queue.answer(Reply(bytes(70_000)), 65_536)
    assert (len(first.data), first.sw) == (65_535, 0x6100)
    rest = queue.get_response(CommandApdu(0, 0xC0, 0, 0, le=65_536, extended=True))
    assert (len(rest.data), rest.sw) == (70_000 - 65_535, 0x9000)


def test_a_warning_comes_with_the_last_piece() -> None:
    bench = Bench()
    bench.state.life_cycle = LifeCycle.SUSPENDED
    host = Host(bench.card)
    first = host.plain(0, 0xA4, 4, 0, b"\xf0ECARTE\x01", 30)
    rest = host.plain(0, 0xC0, 0, 0, le=256)
    assert (first.sw, rest.sw) == (0x611A, 0x6283)
    assert len(first.data + rest.data) == 56


def test_locking_in_mid_session_ends_it_at_once() -> None:
    bench = Bench()
    host = verified(bench)
    bench.person.screen_locked = True
    assert host.plain(0, 0x84, 0, 0, le=8).sw == 0x6985
    assert host.plain(0, 0x70, 0, 0).sw == 0x6985
    assert host.plain(0, 0x00, 0, 0).sw == 0x6D00
    assert host.plain(0, 0xA4, 4, 0, b"\xf0ECARTE\x01").sw == 0x6985
    assert not bench.card.secure_channel.is_open


def test_a_select_that_finds_nothing_ends_the_session_only() -> None:
    bench = Bench()
    host = verified(bench)
    assert host.plain(0, 0xA4, 4, 0, bytes.fromhex("A000000003")).sw == 0x6A82
    assert not bench.card.secure_channel.is_open
    assert host.plain(0, 0x84, 0, 0, le=8).sw == 0x9000


def test_the_clock_set_back_takes_the_code_away() -> None:
    bench = Bench()
    host = verified(bench)
    bench.now -= 1
    assert host.code_state() == 0x63C3


def test_the_card_reads_files_as_they_are_now() -> None:
    bench = Bench()
    host = verified(bench)
    host.select_fid(0x0101)
    before = RIGHTS.parse(host.read(2).data)
    bench.state.entries[1].files[Fid.RIGHTS] = bench.state.entries[1].files[Fid.COVER]
    assert host.read(2).data != RIGHTS.build(before)
    del bench.state.entries[1]
    assert host.read(2).sw == 0x6A82
    assert host.send(0, 0xB0, 0, 0).sw == 0x6986


def test_nothing_that_is_sent_makes_the_card_fail() -> None:
    source = random.Random(7)
    bench = Bench()
    state: CardState = bench.state
    bench.card.transmit(bytes.fromhex("00A4040C08F045434152544501"))
    instructions = sorted({ins for _, ins in bench.card.commands})
    for _ in range(20_000):
        body = source.randbytes(source.choice((0, 0, 1, 2, 8, 16, 17, 24)))
        head = bytes(
            [
                source.choice((0x00, 0x00, 0x80, 0x04, 0x10, 0x90, 0x0C)),
                source.choice(instructions),
                source.choice((0x00, 0x01, 0x04, 0x9E, 0x80, 0xBF, 0x3F, source.randrange(256))),
                source.choice((0x00, 0x10, 0x81, 0x9A, 0x21, 0xFF, source.randrange(256))),
            ]
        )
        lc = bytes([len(body)]) if body else b""
        tail = source.choice((b"", b"\x00", b"\x10"))
        assert len(bench.card.transmit(head + lc + body + tail)) >= 2
    assert bench.card.last_error is None
    assert state.tries_left == 3


def test_no_secured_command_makes_the_card_fail() -> None:
    source = random.Random(8)
    bench = Bench()
    host = verified(bench)
    instructions = sorted({ins for prop, ins in bench.card.commands if not prop} - {0xA4, 0x2C})
    for _ in range(3_000):
        data = source.randbytes(source.choice((0, 1, 2, 4, 8, 17)))
        p1, p2 = (source.choice((0, 0, 0x81, 0x9E, 0x9A, 0x3F, 0xFF, 0x90)) for _ in range(2))
        host.send(0, source.choice(instructions), p1, p2, data)
        assert bench.card.secure_channel.is_open
    assert bench.card.last_error is None
