"""The PN532's serial line: splitting, acknowledging, aborting, surviving noise."""

from __future__ import annotations

import os
import select
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_formats.core import FormatError
from card_formats.pn532_frame import (
    PN532_FRAME,
    Ack,
    Frame,
    FrameSplitter,
    InformationFrame,
    Nack,
    information_frame,
)
from firmware_sim.link.echo import EchoCard
from firmware_sim.link.picc import Picc, PiccConfig
from firmware_sim.reader.pn532 import Pn532
from firmware_sim.reader.pn532_serial import Pn532Serial
from firmware_sim.reader.pty_port import PtyPort, Unplugged

ACK = "0000ff00ff00"
VERSION = "0000ff02fed4022a00"
VERSION_ANSWER = "0000ff06fad50332010607e800"
frames = st.one_of(
    st.just(Ack()),
    st.just(Nack()),
    st.binary(min_size=1, max_size=265).map(information_frame),
)


@given(st.lists(frames, max_size=5), st.data())
def test_frames_come_out_however_the_stream_is_cut(sent: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(b"\x55\x55\x00" + PN532_FRAME.build(frame) for frame in sent)
    splitter = FrameSplitter()
    received: list[Frame | FormatError] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        received += splitter.feed(stream[:size])
        stream = stream[size:]
    assert received == sent


@given(st.binary(max_size=600))
def test_noise_never_stops_the_splitter(noise: bytes) -> None:
    splitter = FrameSplitter()
    splitter.feed(noise)
    # A frame in the noise may swallow at most one chip frame of what follows.
    after = splitter.feed(bytes(300) + bytes.fromhex(VERSION) * 40)
    assert InformationFrame(b"\xd4\x02") in after


class Line:
    """A host without any driver."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.fd)

    def ask(self, text: str) -> None:
        os.write(self.fd, bytes.fromhex(text))

    def hear(self, seconds: float = 0.15) -> str:
        heard = b""
        while select.select([self.fd], [], [], seconds)[0]:
            heard += os.read(self.fd, 4096)
        return heard.hex()

    def close(self) -> None:
        os.close(self.fd)


@pytest.fixture
def serial() -> Iterator[Pn532Serial]:
    with Pn532Serial(Pn532(Picc(EchoCard(), PiccConfig(uid=bytes.fromhex("08A1B2C3"))))) as item:
        yield item


@pytest.fixture
def line(serial: Pn532Serial) -> Iterator[Line]:
    item = Line(serial.path)
    yield item
    item.close()


def test_command_is_acknowledged_and_answered(line: Line) -> None:
    line.ask("55550000000000" + VERSION)
    assert line.hear() == ACK + VERSION_ANSWER


def test_nack_repeats_the_answer(line: Line) -> None:
    line.ask(VERSION)
    line.hear()
    line.ask("0000ffff0000")
    assert line.hear() == VERSION_ANSWER


def test_damaged_commands_are_not_acknowledged(line: Line, serial: Pn532Serial) -> None:
    line.ask("0000ff02fed4022b00")
    line.ask("0000ff02fdd4022a00")
    assert line.hear() == ""
    assert serial.damaged >= 2
    line.ask(VERSION)
    assert line.hear() == ACK + VERSION_ANSWER


def test_unknown_commands_get_the_error_frame(line: Line) -> None:
    for payload in (b"\xd4\x7e", b"\xd5\x02", b"\xd4"):
        line.ask(PN532_FRAME.build(information_frame(payload)).hex())
        assert line.hear() == ACK + "0000ff01ff7f8100"


def test_extended_frames_both_ways(line: Line) -> None:
    payload = b"\xd4\x00\x00" + bytes(range(256))
    line.ask(PN532_FRAME.build(InformationFrame(payload, extended=True)).hex())
    answer = PN532_FRAME.build(InformationFrame(b"\xd5\x01\x00" + bytes(range(256)), extended=True))
    assert line.hear() == ACK + answer.hex()


def test_ack_aborts_a_waiting_command(line: Line, serial: Pn532Serial) -> None:
    serial.chip.radio.peer = None
    line.ask("0000ff04fcd44a0100e100")
    assert line.hear() == ACK
    line.ask(ACK)
    assert line.hear() == ""
    line.ask(VERSION)
    assert line.hear() == ACK + VERSION_ANSWER


def test_another_command_aborts_a_waiting_one(line: Line, serial: Pn532Serial) -> None:
    serial.chip.radio.peer = None
    line.ask("0000ff04fcd44a0100e100")
    assert line.hear() == ACK
    line.ask(VERSION)
    assert line.hear() == ACK + VERSION_ANSWER


def test_card_that_comes_ends_the_wait(line: Line, serial: Pn532Serial) -> None:
    peer, serial.chip.radio.peer = serial.chip.radio.peer, None
    line.ask("0000ff04fcd44a0100e100")
    assert line.hear() == ACK
    serial.chip.radio.peer = peer
    assert "08a1b2c3" in line.hear()


def test_faults_of_the_line_are_data(line: Line, serial: Pn532Serial) -> None:
    serial.faults.sent = lambda frame: frame * 2
    line.ask(VERSION)
    assert line.hear() == ACK * 2 + VERSION_ANSWER * 2
    serial.faults.sent = lambda frame: b""
    line.ask(VERSION)
    assert line.hear() == ""
    serial.faults.sent = None
    serial.faults.received = lambda frame: None
    line.ask(VERSION)
    assert line.hear() == ""


def test_defect_of_the_card_is_kept_and_the_chip_goes_on(line: Line, serial: Pn532Serial) -> None:
    class Broken:
        def field(self, on: bool) -> None:
            pass

        def transceive(self, frame: bytes) -> bytes | None:
            raise ZeroDivisionError

    serial.chip.radio.peer = Broken()
    line.ask("0000ff04fcd44a0100e100")
    assert line.hear() == ACK
    assert isinstance(serial.errors[0], ZeroDivisionError)
    line.ask(VERSION)
    assert line.hear() == ACK + VERSION_ANSWER


def test_port_has_a_name_of_ones_own_and_dies_cleanly(tmp_path: Path) -> None:
    link = tmp_path / "reader"
    port = PtyPort(link)
    assert os.readlink(link) == port.path
    line = Line(str(link))
    port.close()
    port.close()
    assert not link.exists()
    with pytest.raises(Unplugged):
        port.read(0.1)
    with pytest.raises(OSError, match=r"."):
        os.write(line.fd, b"x")
    line.close()


def test_port_paces_what_it_sends() -> None:
    port = PtyPort(baud=9600)
    line = Line(port.path)
    started = time.monotonic()
    port.write(bytes(96))
    assert 0.1 <= time.monotonic() - started < 1.0
    line.close()
    port.close()


def test_port_drops_what_nobody_reads() -> None:
    port = PtyPort(patience=0.05)
    port.write(bytes(1_000_000))
    assert port.overruns > 0
    port.close()
