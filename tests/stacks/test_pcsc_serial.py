"""Simulated serial readers under pcscd and libccidtwin as the system installs them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from pcsc_bench import FCI, SELECT, BenchCard, connected, echo, icc, opened, plugged, read

from firmware_sim.reader.pcscd_switch import PcscdSwitch
from firmware_sim.reader.private_pcscd import PcscdError, PrivatePcscd
from firmware_sim.reader.serial import SerialReader
from reader_drivers.api import (
    CardAbsent,
    CardRemoved,
    CommunicationFault,
    ReaderUnavailable,
    ReaderUrlError,
)
from reader_drivers.pcsc import PcscSession
from reader_drivers.pcsc_features import NoPinPad
from reader_drivers.urls import open_reader

pytestmark = pytest.mark.stacks

OK = b"\x90\x00"
VERIFY = bytes.fromhex("0020000008") + b"\xff" * 8


@pytest.fixture(scope="module")
def twin() -> Iterator[SerialReader]:
    reader = SerialReader("GemPCTwin")
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def t1(pcscd_switch: PcscdSwitch) -> Iterator[PcscSession]:
    reader = SerialReader("GemPCTwin")
    reader.insert(icc(1))
    with plugged(pcscd_switch, reader), connected(reader.url()) as session:
        yield session
    reader.close()


@pytest.fixture(scope="module")
def t0(pcscd_switch: PcscdSwitch) -> Iterator[tuple[PcscSession, list[bytes], BenchCard]]:
    """A session, the status words on the line, and the card."""
    line: list[bytes] = []

    def watch(frame: bytes, answer: bytes | None) -> bytes | None:
        line.append((answer or b"")[-2:])
        return answer

    card = BenchCard()
    reader = SerialReader("GemPCTwin")
    reader.insert(icc(0, card, frame_filter=watch))
    with plugged(pcscd_switch, reader), connected(reader.url()) as session:
        yield session, line, card
    reader.close()


# --- sizes -----------------------------------------------------------------------------------


def test_t1_is_chosen_and_the_card_is_selected(t1: PcscSession) -> None:
    assert t1.protocol == 1
    assert b"bench" in t1.atr
    assert t1.transmit(SELECT) == FCI + OK


@pytest.mark.parametrize("size", [1, 31, 32, 253, 254, 255, 256, 1000, 5000])
def test_t1_takes_commands_of_any_size(t1: PcscSession, size: int) -> None:
    command, response = echo(size)
    assert t1.transmit(command) == response


@pytest.mark.parametrize("size", [1, 252, 253, 254, 256])
def test_t1_gives_short_responses(t1: PcscSession, size: int) -> None:
    command, response = read(size)
    assert t1.transmit(command) == response


@pytest.mark.parametrize("size", [257, 4096, 32_767])
def test_t1_gives_long_responses(t1: PcscSession, size: int) -> None:
    command, response = read(size, extended=True)
    assert t1.transmit(command) == response


Line = tuple[PcscSession, list[bytes], BenchCard]


@pytest.mark.parametrize("size", [1, 2, 127, 128, 254, 255])
def test_t0_echo_takes_61xx_on_the_line(t0: Line, size: int) -> None:
    session, line, _ = t0
    line.clear()
    command, response = echo(size)
    assert session.transmit(command) == response
    assert line == [bytes([0x61, size]), OK]


@pytest.mark.parametrize("size", [1, 100, 255, 256])
def test_t0_read_of_the_right_size(t0: Line, size: int) -> None:
    session, line, _ = t0
    line.clear()
    command, response = read(size)
    assert session.transmit(command) == response
    assert line == [OK]


def test_t0_wrong_length_is_6cxx_on_the_line_and_runs_once(t0: Line) -> None:
    session, line, card = t0
    line.clear()
    before = card.count
    assert session.transmit(bytes.fromhex("00CC000000")) == (before + 1).to_bytes(4, "big") + OK
    assert line == [b"\x6c\x04", OK]
    assert card.count == before + 1


def test_t0_select_and_long_read_in_short_form(t0: Line) -> None:
    session, _, _ = t0
    assert session.transmit(SELECT) == FCI + OK
    command, response = read(200, extended=True)
    assert session.transmit(command) == response


def test_t0_cannot_take_a_long_command(t0: Line) -> None:
    session, _, _ = t0
    with pytest.raises(CommunicationFault, match="T=0"):
        session.transmit(echo(256)[0])
    assert session.transmit(SELECT) == FCI + OK


def test_both_protocols_and_faster_rates(pcscd_switch: PcscdSwitch, twin: SerialReader) -> None:
    card = icc(0)
    card.config = type(card.config)((0, 1), ta1=0x95)
    twin.insert(card)
    with plugged(pcscd_switch, twin), connected(twin.url()) as session:
        assert session.transmit(SELECT) == FCI + OK
        assert session.protocol == card.protocol


# --- cards that come, go, and stay silent ----------------------------------------------------


def test_insertion_and_removal(pcscd_switch: PcscdSwitch, twin: SerialReader) -> None:
    twin.remove()
    with plugged(pcscd_switch, twin), opened(twin.url()) as reader:
        with pytest.raises(CardAbsent, match="insert one"):
            reader.connect(0.1)
        threading.Timer(0.3, twin.insert, (icc(1),)).start()
        session = reader.connect(5.0)
        assert session.transmit(SELECT) == FCI + OK
        twin.remove()
        with pytest.raises(CardRemoved):
            session.transmit(SELECT)
        with pytest.raises(CardRemoved):
            session.transmit(SELECT)
        twin.insert(icc(0))
        assert reader.connect(5.0).transmit(SELECT) == FCI + OK


def test_events(pcscd_switch: PcscdSwitch, twin: SerialReader) -> None:
    twin.remove()
    with plugged(pcscd_switch, twin), opened(twin.url()) as reader:
        threading.Timer(0.5, twin.insert, (icc(1),)).start()
        threading.Timer(1.5, twin.remove).start()
        assert [event.present for event in reader.events(3.0)] == [False, True, False]


def test_removal_in_mid_command(pcscd_switch: PcscdSwitch, twin: SerialReader) -> None:
    class Slow(BenchCard):
        def transmit(self, command: bytes) -> bytes:
            if command[1] == 0xB0:
                time.sleep(2)
            return super().transmit(command)

    twin.insert(icc(1, Slow()))
    with plugged(pcscd_switch, twin), connected(twin.url()) as session:
        threading.Timer(0.5, twin.remove).start()
        started = time.monotonic()
        with pytest.raises(CardRemoved):
            session.transmit(read(10)[0])
        assert time.monotonic() - started < 10


def test_a_torn_card_has_left(pcscd_switch: PcscdSwitch, twin: SerialReader) -> None:
    card = BenchCard()
    twin.insert(icc(1, card))
    with plugged(pcscd_switch, twin), connected(twin.url()) as session:
        card.failure = ConnectionError()
        with pytest.raises(CardRemoved):
            session.transmit(SELECT)


@pytest.mark.parametrize(("protocol", "most"), [(1, 10.0), (0, 30.0)], ids=["T=1", "T=0"])
def test_a_mute_card_is_a_fault_and_a_reset_heals_it(
    pcscd_switch: PcscdSwitch, twin: SerialReader, protocol: int, most: float
) -> None:
    card = BenchCard()
    twin.insert(icc(protocol, card))
    with plugged(pcscd_switch, twin), opened(twin.url()) as reader:
        session = reader.connect()
        card.failure = TimeoutError()
        started = time.monotonic()
        with pytest.raises(CommunicationFault):
            session.transmit(SELECT)
        assert time.monotonic() - started < most
        with pytest.raises(CommunicationFault):
            session.transmit(SELECT)
        assert reader.connect().transmit(SELECT) == FCI + OK


def test_a_reader_that_never_answers_holds_nobody_beyond_the_limit(
    pcscd_switch: PcscdSwitch, twin: SerialReader
) -> None:
    twin.insert(icc(1))
    with plugged(pcscd_switch, twin), opened(twin.url(), limit=2.0) as reader:
        session = reader.connect()
        twin.firmware.answer_filter = lambda message, answer: []
        started = time.monotonic()
        with pytest.raises(CommunicationFault, match="hangs"):
            session.transmit(SELECT)
        assert time.monotonic() - started < 3.0
        twin.firmware.answer_filter = None


def test_a_slow_card_gets_its_time(pcscd_switch: PcscdSwitch, twin: SerialReader) -> None:
    class Slow(BenchCard):
        def transmit(self, command: bytes) -> bytes:
            time.sleep(1.5)
            return super().transmit(command)

    for protocol in (0, 1):
        twin.insert(icc(protocol, Slow(), more_time_after=0.2))
        with plugged(pcscd_switch, twin), connected(twin.url()) as session:
            assert session.transmit(SELECT) == FCI + OK


def test_a_damaged_block_is_asked_for_again(pcscd_switch: PcscdSwitch, twin: SerialReader) -> None:
    faults = [False]

    def damage(frame: bytes, answer: bytes | None) -> bytes | None:
        if faults[0] and answer:
            faults[0] = False
            return answer[:-1] + bytes([answer[-1] ^ 0xFF])
        return answer

    card = BenchCard()
    twin.insert(icc(1, card, frame_filter=damage))
    with plugged(pcscd_switch, twin), connected(twin.url()) as session:
        faults[0] = True
        assert session.transmit(SELECT) == FCI + OK
        assert card.commands == [SELECT]
        assert faults == [False]


def test_the_service_dies_and_comes_back(pcscd_switch: PcscdSwitch, twin: SerialReader) -> None:
    twin.insert(icc(1))
    with plugged(pcscd_switch, twin) as pcscd, opened(twin.url()) as reader:
        session = reader.connect()
        pcscd.restart()
        with pytest.raises(ReaderUnavailable):
            session.transmit(SELECT)
        assert reader.connect().transmit(SELECT) == FCI + OK


def test_a_reader_without_a_pad_says_so(t1: PcscSession) -> None:
    assert not t1.has_pin_pad
    with pytest.raises(NoPinPad):
        t1.verify_pin_on_pad(VERIFY)


# --- two slots, two services -----------------------------------------------------------------


@pytest.mark.parametrize("model", ["GemCoreSIMPro2", "SEC1210"])
def test_two_slots(pcscd_switch: PcscdSwitch, model: str) -> None:
    reader = SerialReader(model)
    reader.insert(icc(1, BenchCard(b"left")), 0)
    reader.insert(icc(0, BenchCard(b"right")), 1)
    with (
        plugged(pcscd_switch, reader),
        connected(reader.url(0)) as left,
        connected(reader.url(1)) as right,
    ):
        assert (b"left" in left.atr, b"right" in right.atr) == (True, True)
        for size in (1, 100, 255):
            command, response = echo(size)
            assert left.transmit(command) == response
            assert right.transmit(command) == response
        reader.remove(1)
        with pytest.raises(CardRemoved):
            right.transmit(SELECT)
        assert left.transmit(SELECT) == FCI + OK
    reader.close()


def test_two_services_side_by_side(pcscd_switch: PcscdSwitch) -> None:
    readers = [SerialReader("GemPCTwin"), SerialReader("GemPCTwin")]
    cards = [BenchCard(b"first"), BenchCard(b"second")]
    for reader, card in zip(readers, cards, strict=True):
        reader.insert(icc(1, card))
    with (
        plugged(pcscd_switch, readers[0]),
        connected(readers[0].url()) as first,
        plugged(pcscd_switch, readers[1]),
        connected(readers[1].url()) as second,
    ):
        assert b"first" in first.atr
        assert b"second" in second.atr
        for n in range(50):
            command = bytes([0, 0xEC, 0, 0, 2, n, 1, 0])
            other = bytes([0, 0xEC, 0, 0, 2, n, 2, 0])
            assert first.transmit(command) == bytes([n, 1]) + OK
            assert second.transmit(other) == bytes([n, 2]) + OK
    for reader in readers:
        reader.close()
    assert {command[6] for command in cards[0].commands} == {1}
    assert {command[6] for command in cards[1].commands} == {2}


# --- names and lacks -------------------------------------------------------------------------


def test_names(pcscd_switch: PcscdSwitch) -> None:
    readers = [SerialReader("GemPCTwin", "Left"), SerialReader("GemPCTwin", "Right")]
    with plugged(pcscd_switch, *readers):
        reader = open_reader("pcsc:righ")
        assert reader.url == readers[1].url()
        reader.close()
        with pytest.raises(ReaderUrlError, match=r"Left.*Right"):
            open_reader("pcsc:t 0")
        with pytest.raises(ReaderUnavailable, match="Left 00 00"):
            open_reader("pcsc:Middle")
    for each in readers:
        each.close()


def test_no_service(pcscd_switch: PcscdSwitch) -> None:
    with PrivatePcscd() as pcscd:
        pcscd_switch.point_to(pcscd)
        with pytest.raises(ReaderUnavailable, match="plug one in"):
            open_reader("pcsc:x")
    with pytest.raises(ReaderUnavailable, match="PCSCLITE_CSOCK_NAME"):
        open_reader("pcsc:x")


def test_missing_driver_names_its_package() -> None:
    reader = SerialReader("GemPCTwin")
    reader.library = reader.library.with_name("nowhere.so")
    with pytest.raises(PcscdError, match="apt install libccid"):
        PrivatePcscd([reader]).start()
    reader.close()


def test_missing_pcscd_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware_sim.reader.private_pcscd.shutil.which", lambda *a, **k: None)
    with pytest.raises(PcscdError, match="apt install pcscd"):
        PrivatePcscd().start()


def test_stopping_leaves_nothing_behind(pcscd_switch: PcscdSwitch, twin: SerialReader) -> None:
    with plugged(pcscd_switch, twin) as pcscd:
        folder = pcscd.folder
        assert folder.exists()
    assert not folder.exists()
    assert not pcscd.running
