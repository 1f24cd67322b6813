"""nfcpy, unmodified, on the simulated PN532 behind a serial line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import nfc.clf
import nfc.clf.pn532
import nfc.clf.transport
import pytest
from nfc_bench import SIZES, TORN, Pn532Bench, count, echo, pattern

from firmware_sim.link.echo import INS_ECHO, INS_SLOW_ECHO
from reader_drivers.api import CardAbsent, CardRemoved, CommunicationFault, ReaderUnavailable
from reader_drivers.urls import open_reader

pytestmark = pytest.mark.stacks


@pytest.fixture
def bench() -> Iterator[Callable[..., Pn532Bench]]:
    opened: list[Pn532Bench] = []

    def make(**config: Any) -> Pn532Bench:
        opened.append(Pn532Bench(**config))
        return opened[-1]

    yield make
    for item in opened:
        item.close()


def test_nfcpy_knows_the_chip(bench: Callable[..., Pn532Bench]) -> None:
    assert "PN532v1.6" in bench().reader.description


@pytest.mark.parametrize("fsci", [0, 5, 8])
def test_every_size_both_ways(bench: Callable[..., Pn532Bench], fsci: int) -> None:
    item = bench(fsci=fsci)
    session = item.reader.connect(2.0)
    for size in SIZES:
        assert session.transmit(echo(pattern(size))) == pattern(size) + b"\x90\x00"
        assert session.transmit(count(size)) == bytes(i & 0xFF for i in range(size)) + b"\x90\x00"
    assert len(item.card.commands) == 2 * len(SIZES), "a command ran twice"


@pytest.mark.parametrize("uid", ["08A1B2C3", "04112233445566", "04112233445566778899"])
@pytest.mark.parametrize("sak", [0x20, 0x60])
def test_uids_of_every_size(bench: Callable[..., Pn532Bench], uid: str, sak: int) -> None:
    session = bench(uid=bytes.fromhex(uid), sak=sak).reader.connect(2.0)
    assert session.uid == bytes.fromhex(uid)
    assert session.transmit(echo(b"abc")) == b"abc\x90\x00"


def test_time_extensions(bench: Callable[..., Pn532Bench]) -> None:
    session = bench(fwi=8, wtxm=2).reader.connect(2.0)
    assert session.transmit(echo(pattern(600), INS_SLOW_ECHO, 40)) == pattern(600) + b"\x90\x00"
    assert session.extensions >= 2
    assert session.recoveries == 0


def test_lost_blocks_are_recovered(bench: Callable[..., Pn532Bench]) -> None:
    item = bench(fsci=5)
    session = item.reader.connect(2.0)
    blocks = 0

    def lose(frame: bytes, answer: bytes | None) -> bytes | None:
        nonlocal blocks
        blocks += 1
        return None if blocks % 4 == 0 else answer

    item.serial.chip.radio.faults.answer = lose
    assert session.transmit(echo(pattern(500))) == pattern(500) + b"\x90\x00"
    assert session.recoveries >= 2
    assert len(item.card.commands) == 1, "a recovered command ran twice"


def test_damaged_block_is_recovered(bench: Callable[..., Pn532Bench]) -> None:
    item = bench()
    session = item.reader.connect(2.0)
    spoiled: list[bytes] = []

    def spoil(frame: bytes, answer: bytes | None) -> bytes | None:
        if spoiled:
            return answer
        spoiled.append(frame)
        return b""

    item.serial.chip.radio.faults.answer = spoil
    assert session.transmit(echo(b"abc")) == b"abc\x90\x00"
    assert session.recoveries == 1


def test_card_that_comes_later(bench: Callable[..., Pn532Bench]) -> None:
    item = bench()
    item.picc.remove()
    started = time.monotonic()
    with pytest.raises(CardAbsent):
        item.reader.connect(0.4)
    assert time.monotonic() - started < 2.0
    timer = threading.Timer(0.2, item.picc.insert)
    timer.start()
    assert item.reader.connect(5.0).transmit(echo(b"abc")) == b"abc\x90\x00"
    timer.join()


def test_card_taken_away_between_commands(bench: Callable[..., Pn532Bench]) -> None:
    item = bench()
    session = item.reader.connect(2.0)
    assert session.is_present()
    item.picc.remove()
    with pytest.raises(CardRemoved):
        session.transmit(echo(b"abc"))
    assert item.card.power_offs == 1
    item.picc.insert()
    assert item.reader.connect(2.0).transmit(echo(b"abc")) == b"abc\x90\x00"


def test_card_torn_away_in_mid_command(bench: Callable[..., Pn532Bench]) -> None:
    item = bench(**TORN)
    session = item.reader.connect(2.0)
    item.card.failure = ConnectionError("torn")
    with pytest.raises(CardRemoved):
        session.transmit(echo(b"abc"))
    assert item.reader.connect(2.0).transmit(echo(b"abc")) == b"abc\x90\x00"


def test_mute_card_is_no_removed_card(bench: Callable[..., Pn532Bench]) -> None:
    item = bench()
    session = item.reader.connect(2.0)
    item.card.failure = TimeoutError("mute")
    with pytest.raises(CommunicationFault, match="stopped answering"):
        session.transmit(echo(b"abc"))


def test_closing_deselects_and_another_session_starts_anew(
    bench: Callable[..., Pn532Bench],
) -> None:
    item = bench()
    first = item.reader.connect(2.0)
    first.close()
    assert (item.card.power_ons, item.card.power_offs) == (1, 1)
    second = item.reader.connect(2.0)
    assert second.uid != first.uid, "the random UID did not change with the field"
    assert second.transmit(echo(b"abc")) == b"abc\x90\x00"


def test_noise_on_the_serial_line_is_skipped(bench: Callable[..., Pn532Bench]) -> None:
    item = bench()
    session = item.reader.connect(2.0)
    transport = item.reader._frontend.device.chipset.transport
    for noise in (b"\x00\xff", b"\x55" * 20, b"\x00\x00\xff\x05", bytes(range(256))):
        transport.tty.write(noise)
        assert session.transmit(echo(b"abc")) == b"abc\x90\x00"


def test_lost_answer_of_the_chip_is_asked_for_again(bench: Callable[..., Pn532Bench]) -> None:
    item = bench()
    session = item.reader.connect(2.0)
    lost: list[bytes] = []

    def lose(encoded: bytes) -> bytes:
        if b"\xd5\x43" in encoded and not lost:
            lost.append(encoded)
            return b""
        return encoded

    item.serial.faults.sent = lose
    assert session.transmit(echo(b"abc")) == b"abc\x90\x00"
    assert len(lost) == 1
    assert len(item.card.commands) == 1, "a recovered command ran twice"


@pytest.mark.parametrize("when", ["before", "during"])
def test_unplugged_reader_is_unavailable(bench: Callable[..., Pn532Bench], when: str) -> None:
    item = bench()
    session = item.reader.connect(2.0)
    timer = threading.Timer(0.0 if when == "before" else 0.3, item.serial.stop)
    timer.start()
    if when == "before":
        timer.join()
    with pytest.raises(ReaderUnavailable, match="plug it in again"):
        session.transmit(echo(b"abc", INS_SLOW_ECHO, 150))
    timer.join()


def test_reader_can_be_opened_again_and_again(bench: Callable[..., Pn532Bench]) -> None:
    item = bench()
    url = item.reader.url
    for _ in range(3):
        item.reader.close()
        item.reader = open_reader(url)
        assert item.reader.connect(2.0).transmit(echo(b"abc")) == b"abc\x90\x00"


@pytest.mark.parametrize("path", ["tty:/nowhere/at/all:pn532", "tty:/dev/null:pn532", "tty:/dev/x"])
def test_what_is_no_reader_says_so(path: str) -> None:
    with pytest.raises(ReaderUnavailable, match="check that it is plugged in"):
        open_reader(f"nfc:{path}")


def test_nfcpys_own_initiator_agrees(bench: Callable[..., Pn532Bench]) -> None:
    """The oracle: nfcpy's tag layer, not our adapter."""
    item = bench(fwi=9, ta=0x77)
    tag = item.reader._frontend.connect(rdwr={"on-connect": lambda tag: False})
    assert tag.type == "Type4Tag"
    for size in (1, 100, 250):
        assert tag.send_apdu(0x80, INS_ECHO, 0, 0, pattern(size), mrl=256) == pattern(size)
    assert tag.is_present


def test_nfcpys_diagnosis_passes(bench: Callable[..., Pn532Bench]) -> None:
    chipset = bench().reader._frontend.device.chipset
    assert chipset.diagnose("line") is True
    assert chipset.diagnose("rom") is True
    assert chipset.diagnose("ram") is True
    assert chipset.get_firmware_version() == bytearray(b"\x32\x01\x06\x07")
    data = chipset.in_list_passive_target(1, 0, b"")
    assert data is not None


def test_eight_readers_do_not_hear_each_other() -> None:
    benches = [Pn532Bench() for _ in range(8)]
    try:
        sessions = [item.reader.connect(2.0) for item in benches]
        for number, session in enumerate(sessions * 3):
            text = bytes([number]) * 40
            assert session.transmit(echo(text)) == text + b"\x90\x00"
        assert [len(item.card.commands) for item in benches] == [3] * 8
    finally:
        for item in benches:
            item.close()


def test_plain_nfcpy_without_our_driver(bench: Callable[..., Pn532Bench]) -> None:
    item = bench()
    item.reader.close()
    device = nfc.clf.pn532.init(nfc.clf.transport.TTY(item.serial.path))
    assert device.chipset_name == "PN532v1.6"
    target = device.sense_tta(nfc.clf.RemoteTarget("106A"))
    assert target.sel_res == b"\x20"
    device.close()
