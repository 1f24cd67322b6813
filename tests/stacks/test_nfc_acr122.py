"""nfcpy on the simulated ACR122U: CCID pseudo-APDUs over the PN532's commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from nfc_bench import SIZES, TORN, count, echo, pattern

from card_formats.ccid import CCID_ANSWER, CCID_COMMAND, CcidCommand, CommandType
from card_formats.core import FormatError
from firmware_sim.link.echo import INS_SLOW_ECHO, EchoCard
from firmware_sim.link.picc import Picc, PiccConfig
from firmware_sim.reader.acr122 import Acr122, Acr122UsbLink
from firmware_sim.reader.pn532 import Pn532
from reader_drivers.api import CardAbsent, CardRemoved, CommunicationFault, ReaderUnavailable
from reader_drivers.nfc import open_transport

pytestmark = pytest.mark.stacks


class Bench:
    def __init__(self) -> None:
        self.card = EchoCard()
        self.picc = Picc(self.card, PiccConfig(uid=bytes.fromhex("08A1B2C3"), **TORN))
        self.firmware = Acr122(Pn532(self.picc))
        self.link = Acr122UsbLink(self.firmware)

    def open(self) -> Any:
        return open_transport(self.link, "acr122", "usb:072f:2200")

    def ccid(self, kind: int, data: str = "") -> Any:
        raw = CCID_COMMAND.build(CcidCommand(kind, 0, 7, bytes.fromhex(data)))
        return CCID_ANSWER.parse(self.firmware.message(raw))

    def apdu(self, text: str) -> str:
        answer = self.ccid(CommandType.XFR_BLOCK, text)
        assert answer.seq == 7
        return str(answer.data.hex())


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def reader(bench: Bench) -> Iterator[Any]:
    item = bench.open()
    yield item
    item.close()


def test_nfcpy_knows_the_reader(reader: Any) -> None:
    assert "ACS ACR122U" in reader.description


def test_every_size_both_ways(bench: Bench, reader: Any) -> None:
    session = reader.connect(2.0)
    for size in SIZES:
        assert session.transmit(echo(pattern(size))) == pattern(size) + b"\x90\x00"
        assert session.transmit(count(size)) == bytes(i & 0xFF for i in range(size)) + b"\x90\x00"
    assert len(bench.card.commands) == 2 * len(SIZES), "a command ran twice"


def test_time_extensions(reader: Any) -> None:
    session = reader.connect(2.0)
    assert session.transmit(echo(b"abc", INS_SLOW_ECHO, 40)) == b"abc\x90\x00"
    assert session.extensions >= 1


def test_card_absent_removed_torn_and_mute(bench: Bench, reader: Any) -> None:
    bench.picc.remove()
    with pytest.raises(CardAbsent):
        reader.connect(0.3)
    bench.picc.insert()
    session = reader.connect(2.0)
    bench.picc.remove()
    with pytest.raises(CardRemoved):
        session.transmit(echo(b"abc"))
    bench.picc.insert()
    session = reader.connect(2.0)
    bench.card.failure = ConnectionError("torn")
    with pytest.raises(CardRemoved):
        session.transmit(echo(b"abc"))
    session = reader.connect(2.0)
    bench.card.failure = TimeoutError("mute")
    with pytest.raises(CommunicationFault):
        session.transmit(echo(b"abc"))


def test_unplugged_reader_is_unavailable(bench: Bench, reader: Any) -> None:
    session = reader.connect(2.0)
    bench.link.unplug()
    with pytest.raises(ReaderUnavailable):
        session.transmit(echo(b"abc"))


def test_lost_answers_are_asked_for_again(bench: Bench, reader: Any) -> None:
    session = reader.connect(2.0)
    lost: list[bytes] = []

    def lose(answer: bytes) -> bytes | None:
        if b"\xd5\x43" in answer and not lost:
            lost.append(answer)
            return None
        return answer

    bench.link.faults.sent = lose
    assert session.transmit(echo(b"abc")) == b"abc\x90\x00"
    assert len(lost) == 1
    assert len(bench.card.commands) == 1


def test_old_firmware_is_refused_by_nfcpy(bench: Bench) -> None:
    bench.firmware.version = b"ACR122U103"
    with pytest.raises(OSError, match="No such device"):
        bench.open()


@pytest.mark.parametrize(
    ("apdu", "answer"),
    [
        ("FF00480000", b"ACR122U214".hex()),
        ("FF00500000", "90ff"),
        ("FF00517F00", "907f"),
        ("FF00400E0400000000", "9002"),
        ("FF00410200", "9000"),
        ("FF0052FF00", "9000"),
        ("FF00000002D402", "d503320106079000"),
        ("FF00000002D4FE", "637f"),
        ("FF000000020000", "6327"),
        ("FFCA000000", "6300"),
        ("FF820000", "6a81"),
    ],
)
def test_pseudo_apdus(bench: Bench, apdu: str, answer: str) -> None:
    assert bench.apdu(apdu) == answer


def test_the_slot_serves_plain_apdus(bench: Bench) -> None:
    assert bench.ccid(CommandType.ICC_POWER_ON).data.hex() == "3b8180018080"
    assert bench.apdu("FFCA000000") == "08a1b2c39000"
    assert bench.apdu("FFCA010000") == "0678808002809000"
    assert bench.apdu("FFCA000002") == "6c04"
    assert bench.apdu("80EC000003AABBCC00") == "aabbcc9000"
    assert bench.apdu("80EE00FF00") == bytes(range(255)).hex() + "9000"
    bench.card.failure = TimeoutError("mute")
    assert bench.apdu("80EC000003AABBCC00") == "6300"
    assert bench.ccid(CommandType.ICC_POWER_OFF).icc == 2
    assert bench.card.power_offs == 1


def test_an_empty_slot_is_mute(bench: Bench) -> None:
    bench.picc.remove()
    answer = bench.ccid(CommandType.ICC_POWER_ON)
    assert (answer.icc, answer.command, answer.error) == (2, 1, 0xFE)
    assert bench.ccid(CommandType.GET_SLOT_STATUS).icc == 2


def test_no_ccid_message_is_a_stall(bench: Bench) -> None:
    with pytest.raises(FormatError):
        bench.firmware.message(b"\x6f\x01")
    with pytest.raises(OSError, match="stalled"):
        bench.link.write(b"\x6f\x01")
