"""The emulated card over the air: through a dongle, before a reader that knows nothing of it.

Two simulated PN532 face each other, each behind its own serial line; or nfcpy on both ends of
its UDP device. The reader side is nfcpy through our driver in all of them.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from nfc_bench import SIZES, count, echo, pattern

from card_formats.pn532_frame import PN532_FRAME, Ack
from firmware_sim.air import AirCard, DongleUnavailable
from firmware_sim.air.nfcpy import open_dongle
from firmware_sim.link.echo import INS_SLOW_ECHO, EchoCard
from firmware_sim.link.picc import PiccConfig
from firmware_sim.reader.pn532 import Pn532
from firmware_sim.reader.pn532_serial import Pn532Serial
from reader_drivers.api import CardAbsent, CardRemoved, CommunicationFault
from reader_drivers.urls import open_reader

pytestmark = pytest.mark.stacks

WAYS = ("raw", "picc", "udp")
SEEN_WITHIN = 5.0


class Bench:
    """An echo card over the air one ``way``, and a reader before it."""

    def __init__(self, way: str, **config: Any) -> None:
        self.card = EchoCard()
        self.chips: list[Pn532Serial] = []
        if way == "udp":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind(("127.0.0.1", 0))
                path = f"udp:127.0.0.1:{probe.getsockname()[1]}"
            reader_url = f"nfc:{path}"
        else:
            target = Pn532()
            self.chips = [Pn532Serial(chip).start() for chip in (target, Pn532(target.port))]
            path = f"tty:{self.chips[0].path}:pn532"
            reader_url = f"nfc:tty:{self.chips[1].path}:pn532"
        dongle = open_dongle(path, picc_mode=way == "picc")
        seed = random.Random(way)
        self.air = AirCard(self.card, dongle, PiccConfig(**config), seed.randbytes).start()
        self.reader: Any = open_reader(reader_url)

    def close(self) -> None:
        self.reader.close()
        self.air.stop()
        for chip in self.chips:
            chip.stop()
            assert chip.errors == []
        assert self.air.errors == []


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    opened: list[Bench] = []

    def make(way: str, **config: Any) -> Bench:
        opened.append(Bench(way, **config))
        return opened[-1]

    yield make
    for item in opened:
        item.close()


@pytest.mark.parametrize("way", WAYS)
def test_every_size_both_ways(bench: Callable[..., Bench], way: str) -> None:
    item = bench(way)
    session = item.reader.connect(SEEN_WITHIN)
    for size in SIZES:
        assert session.transmit(echo(pattern(size))) == pattern(size) + b"\x90\x00"
        assert session.transmit(count(size)) == bytes(i & 0xFF for i in range(size)) + b"\x90\x00"
    assert len(item.card.commands) == 2 * len(SIZES), "a command ran twice"


@pytest.mark.parametrize("way", WAYS)
def test_slow_commands_ask_for_time(bench: Callable[..., Bench], way: str) -> None:
    item = bench(way)
    session = item.reader.connect(SEEN_WITHIN)
    assert session.transmit(echo(pattern(600), INS_SLOW_ECHO, 100)) == pattern(600) + b"\x90\x00"
    assert session.extensions >= 1
    assert len(item.card.commands) == 1, "a slow command ran twice"


@pytest.mark.parametrize("way", WAYS)
def test_ten_taps(bench: Callable[..., Bench], way: str) -> None:
    item = bench(way)
    uids = set()
    powered_before = item.card.power_ons
    for number in range(10):
        session = item.reader.connect(SEEN_WITHIN)
        uids.add(session.uid)
        text = bytes([number]) * 100
        assert session.transmit(echo(text)) == text + b"\x90\x00"
        session.close()
    assert len(uids) >= 9, "the random UID did not change from tap to tap"
    assert all(uid[0] == 0x08 for uid in uids)
    _until(lambda: not item.card.powered)
    # In PICC mode the card is asked once beforehand for its historical bytes.
    assert item.card.power_ons - powered_before in (10, 11)
    assert item.card.power_offs == item.card.power_ons
    assert item.air.stats.activations == 10


@pytest.mark.parametrize("way", WAYS)
def test_field_lost_in_mid_session(bench: Callable[..., Bench], way: str) -> None:
    item = bench(way)
    session = item.reader.connect(SEEN_WITHIN)
    assert session.transmit(echo(b"abc")) == b"abc\x90\x00"
    item.reader.field_off()
    _until(lambda: not item.card.powered)
    assert item.air.stats.field_losses == 1
    assert item.reader.connect(SEEN_WITHIN).transmit(echo(b"abc")) == b"abc\x90\x00"


@pytest.mark.parametrize("way", WAYS)
def test_card_removed_and_brought_back(bench: Callable[..., Bench], way: str) -> None:
    item = bench(way)
    session = item.reader.connect(SEEN_WITHIN)
    item.air.remove()
    _until(lambda: not item.card.powered)
    with pytest.raises((CardRemoved, CommunicationFault)):
        session.transmit(echo(b"abc"))
    with pytest.raises((CardAbsent, CommunicationFault)):
        item.reader.connect(0.5)
    item.air.insert()
    assert item.reader.connect(SEEN_WITHIN).transmit(echo(b"abc")) == b"abc\x90\x00"


@pytest.mark.parametrize("way", WAYS)
def test_card_torn_away_in_mid_command(bench: Callable[..., Bench], way: str) -> None:
    item = bench(way)
    session = item.reader.connect(SEEN_WITHIN)
    item.card.failure = ConnectionError("torn")
    with pytest.raises((CardRemoved, CommunicationFault)):
        session.transmit(echo(b"abc"))
    assert item.air.stats.tears == 1
    assert len(item.card.commands) == 1, "the torn command ran again"
    assert item.reader.connect(SEEN_WITHIN).transmit(echo(b"abc")) == b"abc\x90\x00"


@pytest.mark.parametrize("way", ["raw", "udp"])
def test_the_ats_is_the_configured_one(bench: Callable[..., Bench], way: str) -> None:
    item = bench(way, fwi=11, fsci=7, uid=bytes.fromhex("08112233"))
    session = item.reader.connect(SEEN_WITHIN)
    assert session.atr == bytes.fromhex("067780B00280")
    assert session.uid == bytes.fromhex("08112233")


def test_in_picc_mode_the_ats_is_the_chips(bench: Callable[..., Bench]) -> None:
    session = bench("picc").reader.connect(SEEN_WITHIN)
    assert session.atr == bytes.fromhex("067533920280")


def test_a_small_frame_reader_gets_small_frames(bench: Callable[..., Bench]) -> None:
    """RATS says how long the reader's frames may be; nfcpy keeps it to itself."""
    item = bench("raw")
    item.reader.close()
    chip = item.chips[1].chip
    heard: list[int] = []

    def listen(frame: bytes, answer: bytes | None) -> bytes | None:
        heard.append(len(answer or b""))
        return answer

    chip.radio.faults.answer = listen
    reader: Any = open_reader(item.reader.url)
    chipset = reader._frontend.device.chipset
    chipset.set_parameters(0x14)  # the chip's own block protocol: frames of 64 bytes
    deadline = time.monotonic() + SEEN_WITHIN
    while chipset.in_list_passive_target(1, 0, b"") is None:
        assert time.monotonic() < deadline
    data, more = chipset.in_data_exchange(count(200), 2.0)
    assert (bytes(data), more) == (bytes(range(200)) + b"\x90\x00", False)
    assert max(heard) == 62
    reader.close()


def test_the_dongle_pulled_out_is_told(bench: Callable[..., Bench]) -> None:
    item = bench("raw")
    item.reader.connect(SEEN_WITHIN)
    item.chips[0].stop()
    _until(lambda: item.air.failure is not None)
    assert "plug it in again" in str(item.air.failure)


def test_stopping_is_prompt_and_idempotent(bench: Callable[..., Bench]) -> None:
    item = bench("raw")
    item.reader.connect(SEEN_WITHIN)
    started = time.monotonic()
    item.air.stop()
    item.air.stop()
    assert time.monotonic() - started < 3.0
    assert item.card.power_offs == item.card.power_ons


def test_a_card_that_fails_leaves_the_dongle_alive(bench: Callable[..., Bench]) -> None:
    item = bench("raw")
    session = item.reader.connect(SEEN_WITHIN)
    failure: Any = ZeroDivisionError("a defect")
    item.card.failure = failure
    with pytest.raises((CardRemoved, CommunicationFault)):
        session.transmit(echo(b"abc"))
    assert [type(error) for error in item.air.errors] == [ZeroDivisionError]
    item.air.errors.clear()
    assert item.reader.connect(SEEN_WITHIN).transmit(echo(b"abc")) == b"abc\x90\x00"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (PiccConfig(fwi=7), "FWI must be 8 or more"),
        (PiccConfig(wtx=False), "more time"),
        (PiccConfig(uid=bytes.fromhex("04112233445566")), "4 bytes"),
        (PiccConfig(sak=0x08), "ISO-DEP"),
    ],
)
def test_what_cannot_be_presented_is_refused(config: PiccConfig, reason: str) -> None:
    dongle = open_dongle("udp:127.0.0.1:47115")
    with pytest.raises(ValueError, match=reason):
        AirCard(EchoCard(), dongle, config)
    dongle.close()


@pytest.mark.parametrize("path", ["tty:/nowhere:pn532", "tty:/dev/null:rcs380", "nonsense"])
def test_what_is_no_dongle_says_so(path: str) -> None:
    with pytest.raises(DongleUnavailable, match="check that it is plugged in"):
        open_dongle(path)


def test_picc_mode_needs_a_chip_that_has_it() -> None:
    with pytest.raises(DongleUnavailable, match="use a PN532"):
        open_dongle("udp:127.0.0.1:47115", picc_mode=True)


def test_a_chip_in_between_commands_does_not_lose_the_reader(bench: Callable[..., Bench]) -> None:
    """The host polls again every half second; a reader that pauses must not notice."""
    item = bench("raw")
    session = item.reader.connect(SEEN_WITHIN)
    for pause in (0.45, 0.5, 0.55, 1.2):
        threading.Event().wait(pause)
        assert session.transmit(echo(b"abc")) == b"abc\x90\x00"
    assert item.air.stats.activations == 1


def test_a_chip_late_with_its_acknowledgement_does_not_end_the_session(
    bench: Callable[..., Bench],
) -> None:
    item = bench("raw")
    session = item.reader.connect(SEEN_WITHIN)
    lost: list[bytes] = []

    def lose(encoded: bytes) -> bytes:
        if encoded == PN532_FRAME.build(Ack()) and not lost:
            lost.append(encoded)
            return b""
        return encoded

    item.chips[0].faults.sent = lose
    for _ in range(3):
        assert session.transmit(echo(b"abc")) == b"abc\x90\x00"
    assert len(lost) == 1
    assert item.air.stats.activations == 1
    assert len(item.card.commands) == 3, "a command ran twice"


def _until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)
