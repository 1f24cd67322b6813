"""nfcpy, an independent reader stack, against the contactless card engine over UDP."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from card_formats.apdu import COMMAND_APDU, CommandApdu
from firmware_sim.link.echo import INS_COUNT, INS_ECHO, INS_SLOW_ECHO, EchoCard
from firmware_sim.link.picc import Picc, PiccConfig
from firmware_sim.link.udp import UdpPicc
from reader_drivers.api import CardAbsent, CardRemoved, CommunicationFault
from reader_drivers.urls import open_reader

pytest.importorskip("nfc.clf", reason="nfcpy is not installed")

SIZES = (1, 2, 61, 253, 254, 255, 256, 257, 4096, 65_535)


def echo(data: bytes, ins: int = INS_ECHO, p1: int = 0) -> bytes:
    return COMMAND_APDU.build(CommandApdu(0x80, ins, p1, 0, data, 65_536, extended=True))


def count(size: int) -> bytes:
    return COMMAND_APDU.build(
        CommandApdu(0x80, INS_COUNT, size >> 8, size & 0xFF, le=65_536, extended=True)
    )


class Bench:
    def __init__(self, config: PiccConfig) -> None:
        self.card = EchoCard()
        self.picc = Picc(self.card, config)
        self.udp = UdpPicc(self.picc).start()
        self.reader: Any = open_reader(self.udp.url)

    def close(self) -> None:
        self.reader.close()
        self.udp.stop()


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    opened: list[Bench] = []

    def make(**config: Any) -> Bench:
        opened.append(Bench(PiccConfig(**config)))
        return opened[-1]

    yield make
    for item in opened:
        item.close()
        assert item.udp.errors == []


@pytest.mark.parametrize("fsci", [2, 8])
@pytest.mark.parametrize("size", SIZES)
def test_every_size_both_ways(bench: Callable[..., Bench], size: int, fsci: int) -> None:
    item = bench(fsci=fsci)
    session = item.reader.connect(2.0)
    data = bytes(index * 7 & 0xFF for index in range(size))
    assert session.transmit(echo(data)) == data + b"\x90\x00"
    assert item.card.commands == [echo(data)]
    assert session.transmit(count(size)) == bytes(i & 0xFF for i in range(size)) + b"\x90\x00"


@pytest.mark.parametrize("size", [1, 257, 65_535])
def test_time_extension_before_a_chained_answer(bench: Callable[..., Bench], size: int) -> None:
    item = bench(fwi=5, wtxm=2)
    session = item.reader.connect(2.0)
    data = bytes(size)
    assert session.transmit(echo(data, INS_SLOW_ECHO, 20)) == data + b"\x90\x00"
    assert session.extensions >= 2
    assert session.recoveries == 0


def test_one_second_of_work_does_not_time_out(bench: Callable[..., Bench]) -> None:
    session = bench().reader.connect(2.0)
    assert session.transmit(echo(b"x", INS_SLOW_ECHO, 100)) == b"x\x90\x00"


class LoseEvery:
    """Frame filter that loses every nth block after activation."""

    def __init__(self, nth: int) -> None:
        self.nth = nth
        self.seen = 0
        self.lost = 0

    def answer(self, request: bytes, answer: bytes | None) -> bytes | None:
        return None if self._loses(request) else answer

    def request(self, request: bytes) -> bytes | None:
        return None if self._loses(request) else request

    def _loses(self, request: bytes) -> bool:
        if request[0] & 0xE2 not in (0x02, 0xA2):
            return False
        self.seen += 1
        self.lost += self.seen % self.nth == 0
        return self.seen % self.nth == 0


@pytest.mark.parametrize("nth", [3, 5])
@pytest.mark.parametrize("where", ["frame_filter", "request_filter"])
def test_lost_frames_are_recovered(bench: Callable[..., Bench], where: str, nth: int) -> None:
    loss = LoseEvery(nth)
    method = loss.answer if where == "frame_filter" else loss.request
    item = bench(fwi=2, fsci=5, **{where: method})
    session = item.reader.connect(2.0)
    data = bytes(range(250)) * 2
    for _ in range(2):
        assert session.transmit(echo(data)) == data + b"\x90\x00"
    assert loss.lost > 2
    assert session.recoveries >= loss.lost
    assert item.card.commands == [echo(data)] * 2, "a recovered command ran twice"


def test_lost_time_extension_is_recovered(bench: Callable[..., Bench]) -> None:
    lost: list[bytes] = []

    def lose_first(request: bytes, answer: bytes | None) -> bytes | None:
        if answer and answer[0] == 0xF2 and not lost:
            lost.append(answer)
            return None
        return answer

    item = bench(fwi=5, wtxm=3, frame_filter=lose_first)
    session = item.reader.connect(2.0)
    assert session.transmit(echo(b"abc", INS_SLOW_ECHO, 15)) == b"abc\x90\x00"
    assert len(lost) == 1
    assert len(item.card.commands) == 1


def test_corrupt_answer_is_recovered(bench: Callable[..., Bench]) -> None:
    spoiled: list[bytes] = []

    def spoil_first(request: bytes, answer: bytes | None) -> bytes | None:
        if request[0] & 0xE2 == 0x02 and answer and not spoiled:
            spoiled.append(answer)
            return b""  # sent as a bare "106A": received with errors
        return answer

    session = bench(frame_filter=spoil_first).reader.connect(2.0)
    assert session.transmit(echo(b"abc")) == b"abc\x90\x00"
    assert spoiled and session.recoveries == 1


def test_late_answer_is_not_taken_for_the_next_one(bench: Callable[..., Bench]) -> None:
    late: list[bytes] = []

    def delay_first(request: bytes, answer: bytes | None) -> bytes | None:
        if request[0] & 0xE2 == 0x02 and not late:
            late.append(request)
            time.sleep(0.09)  # beyond the reader's patience for FWI 2
        return answer

    item = bench(fwi=2, wtx=False, frame_filter=delay_first)
    session = item.reader.connect(2.0)
    for data in (b"one", b"two", b"three", b"four"):
        assert session.transmit(echo(data)) == data + b"\x90\x00"
        time.sleep(0.02)
    assert session.recoveries == 1, "a stale answer was read in place of a new one"
    assert len(item.card.commands) == 4


def test_start_up_guard_time_is_kept(bench: Callable[..., Bench]) -> None:
    item = bench(sfgi=10)
    started = time.monotonic()
    assert item.reader.connect(2.0).ats.sfgt == pytest.approx(0.309, abs=0.001)
    assert time.monotonic() - started >= 0.309


def test_nonsense_is_a_communication_fault(bench: Callable[..., Bench]) -> None:
    def nonsense(request: bytes, answer: bytes | None) -> bytes | None:
        return b"\xff\xff" if request[0] & 0xE2 in (0x02, 0xA2) else answer

    session = bench(frame_filter=nonsense).reader.connect(2.0)
    with pytest.raises(CommunicationFault, match="invalid block"):
        session.transmit(echo(b"abc"))


def test_close_deselects_and_the_next_session_starts_anew(bench: Callable[..., Bench]) -> None:
    heard: list[bytes] = []

    def listen(request: bytes) -> bytes:
        heard.append(request)
        return request

    item = bench(request_filter=listen)
    first = item.reader.connect(2.0)
    first_uid = first.uid
    first.close()
    first.close()
    assert heard[-1] == b"\xc2"
    assert (item.card.power_ons, item.card.power_offs) == (1, 1)
    with pytest.raises(CommunicationFault):
        first.transmit(echo(b"abc"))
    second = item.reader.connect(2.0)
    assert (item.card.power_ons, item.card.power_offs) == (2, 1)
    assert second.transmit(echo(b"abc")) == b"abc\x90\x00"
    assert first_uid[0] == second.uid[0] == 0x08
    assert first_uid != second.uid, "the random UID did not change with the field"


@pytest.mark.parametrize("uid", ["08A1B2C3", "04112233445566", "04112233445566778899"])
def test_uid_of_every_size_is_seen(bench: Callable[..., Bench], uid: str) -> None:
    session = bench(uid=bytes.fromhex(uid)).reader.connect(2.0)
    assert session.uid == bytes.fromhex(uid)


def test_phone_that_offers_nfc_dep_too_is_seen(bench: Callable[..., Bench]) -> None:
    session = bench(sak=0x60).reader.connect(2.0)
    assert session.transmit(echo(b"abc")) == b"abc\x90\x00"


def test_atr_is_the_ats(bench: Callable[..., Bench]) -> None:
    session = bench(fwi=14).reader.connect(2.0)
    assert session.atr == bytes.fromhex("0678 80E0 02 80")
    assert session.ats.fwt == pytest.approx(4.949, abs=0.001)


@pytest.mark.parametrize("ats", ["01", "0208", "037877"])
def test_short_ats_nfcpy_would_stumble_over(bench: Callable[..., Bench], ats: str) -> None:
    def replace(request: bytes, answer: bytes | None) -> bytes | None:
        return bytes.fromhex(ats) if request[0] == 0xE0 else answer

    item = bench(frame_filter=replace)
    if ats == "037877":  # announces TB and TC and does not have them
        with pytest.raises(CommunicationFault, match="ATS 037877"):
            item.reader.connect(0.3)
    else:
        session = item.reader.connect(2.0)
        assert session.atr.hex() == ats
        assert session.transmit(echo(bytes(100))) == bytes(100) + b"\x90\x00"


def test_card_that_is_no_iso_dep_card(bench: Callable[..., Bench]) -> None:
    with pytest.raises(CommunicationFault, match="SAK"):
        bench(sak=0x00).reader.connect(0.3)


def test_card_taken_away_between_commands(bench: Callable[..., Bench]) -> None:
    item = bench()
    session = item.reader.connect(2.0)
    assert session.is_present()
    item.picc.remove()
    assert item.card.power_offs == 1
    assert not session.is_present()
    with pytest.raises(CardRemoved):
        session.transmit(echo(b"abc"))
    with pytest.raises(CardRemoved):
        session.transmit(echo(b"abc"))
    with pytest.raises(CardAbsent):
        item.reader.connect(0.2)
    item.picc.insert()
    assert item.reader.connect(2.0).transmit(echo(b"abc")) == b"abc\x90\x00"
    assert item.card.power_offs == 1


def test_card_torn_away_in_mid_command(bench: Callable[..., Bench]) -> None:
    item = bench()
    session = item.reader.connect(2.0)
    item.card.failure = ConnectionError("torn")
    with pytest.raises(CardRemoved):
        session.transmit(echo(b"abc"))
    assert len(item.card.commands) == 1
    assert item.card.power_offs == 1
    assert item.reader.connect(2.0).transmit(echo(b"abc")) == b"abc\x90\x00"


def test_mute_card_is_no_removed_card(bench: Callable[..., Bench]) -> None:
    item = bench(fwi=4)
    session = item.reader.connect(2.0)
    item.card.failure = TimeoutError("mute")
    with pytest.raises(CommunicationFault, match="stopped answering"):
        session.transmit(echo(b"abc"))
    assert item.card.power_offs == 1


def test_card_that_asks_for_time_for_ever(bench: Callable[..., Bench]) -> None:
    item = bench(fwi=3, wtxm=1)
    item.reader._max_extension = 0.2
    session = item.reader.connect(2.0)
    started = time.monotonic()
    with pytest.raises(CommunicationFault, match="keeps asking"):
        session.transmit(echo(b"abc", INS_SLOW_ECHO, 150))
    assert time.monotonic() - started < 1.4


@pytest.mark.parametrize("timeout", [0.1, 0.6])
def test_no_card_takes_the_time_given(timeout: float) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        reader = open_reader(f"nfc:udp:127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(CardAbsent):
            reader.connect(timeout)
        assert timeout <= time.monotonic() - started < timeout + 0.3
        reader.close()


def test_reader_that_died_without_rfoff_blocks_nobody(bench: Callable[..., Bench]) -> None:
    item = bench()
    dead = item.reader.connect(2.0)
    dead._reader._frontend.device.socket.close()
    other: Any = open_reader(item.udp.url)
    assert other.connect(1.0).transmit(echo(b"abc")) == b"abc\x90\x00"
    assert item.card.power_offs == 1
    other.close()


def test_malformed_datagrams_are_survived(bench: Callable[..., Bench]) -> None:
    item = bench()
    junk = [b"", b"106A", b"106A ", b"106A zz", b"106A 2", b"\xff\xfe", b"QUIT"]
    other_technologies = [b"212F 0600FFFF0100", b"106B 050010", b"RFOFF"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for datagram in junk + other_technologies:
            peer.sendto(datagram, ("127.0.0.1", item.udp.port))
        peer.sendto(b"106A 26", ("127.0.0.1", item.udp.port))
        peer.settimeout(2.0)
        assert peer.recv(100) == b"106A 0400"
    assert item.udp.malformed == len(junk)


def test_nfcpys_own_initiator_agrees() -> None:
    """The oracle: nfcpy's tag layer, not our adapter, on a plain exchange."""
    import nfc

    card = EchoCard()
    with UdpPicc(Picc(card, PiccConfig(wtx=False, fwi=9, ta=0x77))) as udp:
        frontend = nfc.ContactlessFrontend(f"udp:127.0.0.1:{udp.port}")
        tag = frontend.connect(rdwr={"on-connect": lambda tag: False})
        assert tag.type == "Type4Tag"
        for size in (1, 100, 250):
            data = bytes(range(size))
            assert tag.send_apdu(0x80, INS_ECHO, 0, 0, data, mrl=256) == data
        assert tag.is_present
        frontend.close()
