"""The scanner driver, through pyserial, on simulated scanners behind serial lines."""

from __future__ import annotations

import os
import threading
import time
import tty
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from card_formats.scanner_frames import SSI_PACKET, Ssi, SsiPacket
from firmware_sim.reader.pty_port import PtyPort
from firmware_sim.reader.scanner import Scanner, ScannerSettings, Trigger
from firmware_sim.reader.scanner_models import SCANNERS, HoneywellScanner, ZebraScanner
from reader_drivers.api import CodeUnreadable, ReaderUnavailable
from reader_drivers.keyboard_wedge import BASE45
from reader_drivers.urls import open_code_reader

pytestmark = pytest.mark.stacks

TOKEN = "ECV1:" + (BASE45 * 9)[:404]
MAKES = tuple(SCANNERS)
SUFFIXES = {"none": b"", "cr": b"\r", "lf": b"\n", "crlf": b"\r\n"}


@pytest.fixture
def scan() -> Iterator[Callable[..., tuple[Any, Any]]]:
    """Makes a scanner and the reader on it."""
    opened: list[tuple[Any, Scanner]] = []

    def make(
        make: str, query: str = "", port: PtyPort | None = None, **settings: Any
    ) -> tuple[Any, Scanner]:
        scanner = SCANNERS[make](port, ScannerSettings(**settings)).start()
        separator = "&" if query else ""
        url = f"scanner:{scanner.path}?model={make}{separator}{query}"
        opened.append((open_code_reader(url), scanner))
        return opened[-1]

    yield make
    for reader, scanner in opened:
        reader.close()
        scanner.stop()


@pytest.mark.parametrize("symbology", [None, "Q1"])
@pytest.mark.parametrize("told", [True, False], ids=["suffix told", "suffix guessed"])
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("make", MAKES)
def test_tokens_of_409_bytes_arrive_whole(
    scan: Any, make: str, suffix: str, told: bool, symbology: str | None
) -> None:
    query = f"suffix={suffix}" if told else ""
    reader, scanner = scan(make, query, suffix=SUFFIXES[suffix], symbology=symbology)
    assert len(TOKEN) == 409
    scanner.show(TOKEN)
    for _ in range(3):
        assert reader.read(2.0) == TOKEN
    assert scanner.sent == 3


@pytest.mark.parametrize("size", [1, 250, 251, 252, 500, 501, 502, 2953])
def test_codes_of_every_size_span_ssi_packets(scan: Any, size: int) -> None:
    reader, scanner = scan("zebra")
    text = (BASE45 * 66)[:size].replace(" ", "_")
    scanner.show(text)
    assert reader.read(2.0) == text
    scanner.type_in_every_packet = True
    assert reader.read(2.0) == text


@pytest.mark.parametrize("make", MAKES)
def test_no_code_is_unreadable_in_time_and_the_next_is_read(scan: Any, make: str) -> None:
    reader, scanner = scan(make)
    started = time.monotonic()
    with pytest.raises(CodeUnreadable, match="no code"):
        reader.read(0.4)
    assert 0.4 <= time.monotonic() - started < 1.5
    scanner.show(TOKEN)
    assert reader.read(2.0) == TOKEN


@pytest.mark.parametrize("make", MAKES)
def test_code_shown_while_the_trigger_is_held(scan: Any, make: str) -> None:
    reader, scanner = scan(make)
    timer = threading.Timer(0.3, scanner.show, [TOKEN])
    timer.start()
    assert reader.read(5.0) == TOKEN
    timer.join()


@pytest.mark.parametrize("make", MAKES)
def test_presentation_mode_with_any_host(scan: Any, make: str) -> None:
    """A scanner that triggers itself; a code shown before the call is not lost."""
    reader, scanner = scan(make, "trigger=no", trigger=Trigger.PRESENTATION)
    scanner.show("FIRST")
    time.sleep(0.1)
    assert reader.read(2.0) == "FIRST"
    timer = threading.Timer(0.2, scanner.show, ["SECOND"])
    timer.start()
    assert reader.read(2.0) == "SECOND"
    timer.join()
    with pytest.raises(CodeUnreadable):
        reader.read(0.2)
    assert scanner.sent == 2


@pytest.mark.parametrize("make", MAKES)
def test_disabled_scanner_reads_nothing(scan: Any, make: str) -> None:
    reader, scanner = scan(make, qr_enabled=False)
    scanner.show(TOKEN)
    with pytest.raises(CodeUnreadable):
        reader.read(0.3)


def test_ssi_refusal_is_quoted(scan: Any) -> None:
    reader, scanner = scan("zebra", enabled=False)
    scanner.show(TOKEN)
    with pytest.raises(CodeUnreadable, match="refused"):
        reader.read(0.3)


@pytest.mark.parametrize("make", MAKES)
@pytest.mark.parametrize("when", ["before", "during"])
def test_unplugged_scanner_is_unavailable(scan: Any, make: str, when: str) -> None:
    reader, scanner = scan(make)
    timer = threading.Timer(0.0 if when == "before" else 0.3, scanner.unplug)
    timer.start()
    if when == "before":
        timer.join()
    with pytest.raises(ReaderUnavailable, match="plug the scanner in again"):
        reader.read(5.0)
    timer.join()


def test_closed_reader_says_so(scan: Any) -> None:
    reader, _ = scan("honeywell")
    reader.close()
    reader.close()
    with pytest.raises(ReaderUnavailable, match="closed"):
        reader.read(0.1)


@pytest.mark.parametrize("make", MAKES)
def test_garbage_before_the_trigger_is_not_a_code(scan: Any, make: str) -> None:
    reader, scanner = scan(make)
    scanner.port.write(b"\x00\xff\x16 left over from before")
    time.sleep(0.05)
    scanner.show(TOKEN)
    assert reader.read(2.0) == TOKEN


def test_endless_garbage_does_not_hold_us_up(scan: Any) -> None:
    reader, scanner = scan("honeywell", suffix=b"")
    scanner.show(b"x" * 20_000)
    with pytest.raises(CodeUnreadable, match="without end"):
        reader.read(2.0)


def test_a_code_that_breaks_off_is_unreadable(scan: Any) -> None:
    reader, scanner = scan("honeywell", "suffix=cr")
    scanner.sent_filter = lambda message: message[:200]
    scanner.show(TOKEN)
    with pytest.raises(CodeUnreadable, match="not the end of a code"):
        reader.read(0.5)
    scanner.sent_filter = None
    assert reader.read(2.0) == TOKEN


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("damage", ["flipped", "lost", "cut"])
def test_damaged_ssi_packets_are_sent_again(scan: Any, damage: str, nth: int) -> None:
    reader, scanner = scan("zebra")
    written = 0

    def spoil(message: bytes) -> bytes:
        nonlocal written
        written += 1
        if written != nth:
            return message
        if damage == "flipped":
            return message[:-1] + bytes([message[-1] ^ 0x40])
        return b"" if damage == "lost" else message[: len(message) // 2]

    scanner.sent_filter = spoil
    scanner.show(TOKEN)
    assert reader.read(8.0) == TOKEN


def test_silence_ends_a_code_sent_in_pieces(scan: Any) -> None:
    reader, scanner = scan("datalogic", suffix=b"", chunk=64, chunk_pause=0.05)
    scanner.show(TOKEN)
    assert reader.read(2.0) == TOKEN


def test_9600_baud_takes_its_time(scan: Any) -> None:
    port = PtyPort(baud=9600)
    reader, scanner = scan("honeywell", "baud=9600", port=port)
    scanner.show(TOKEN)
    started = time.monotonic()
    assert reader.read(5.0) == TOKEN
    assert 0.4 < time.monotonic() - started < 3.0


def test_a_code_begun_in_time_is_read_to_its_end(scan: Any) -> None:
    port = PtyPort(baud=4800)
    reader, scanner = scan("honeywell", "suffix=cr", port=port)
    scanner.show(TOKEN)
    assert reader.read(0.3) == TOKEN


def test_text_that_is_no_ascii(scan: Any) -> None:
    reader, scanner = scan("honeywell")
    scanner.show("Éléonore".encode())
    assert reader.read(2.0) == "Éléonore"
    scanner.show("Éléonore".encode("latin-1"))
    assert reader.read(2.0) == "Éléonore"


def test_picture_before_the_window(scan: Any) -> None:
    reader, scanner = scan("honeywell")
    scanner.show_picture(b"picture", {b"picture": TOKEN}.get)
    assert reader.read(2.0) == TOKEN
    scanner.show_picture(b"blurred", {b"picture": TOKEN}.get)
    with pytest.raises(CodeUnreadable):
        reader.read(0.2)


class Host:
    """A host that speaks for itself."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.fd)
        os.set_blocking(self.fd, False)

    def ask(self, data: bytes, seconds: float = 0.15) -> bytes:
        os.write(self.fd, data)
        time.sleep(seconds)
        try:
            return os.read(self.fd, 4096)
        except BlockingIOError:
            return b""


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (b"SUFBK2990D0A.", b"SUFBK2990D0A\x06."),
        (b"SUFCA2!", b"SUFCA2\x06!"),
        (b"SUFBK2XX.", b"SUFBK2XX\x15."),
        (b"PREBK2995C81.", b"PREBK2995C81\x06."),
        (b"NOSUCH1.", b"NOSUCH1\x05."),
        (b"QRCENA?.", b"QRCENA1\x06!"),
        (b"QRCENA7.", b"QRCENA7\x15."),
        (b"TRGSTO1000.", b"TRGSTO1000\x06."),
        (b"DEFALT.", b"DEFALT\x06."),
    ],
)
def test_honeywell_answers_menu_commands(command: bytes, answer: bytes) -> None:
    with HoneywellScanner() as scanner:
        host = Host(scanner.path)
        assert host.ask(b"\x16M\r" + command) == answer
        os.close(host.fd)


def test_honeywell_menu_changes_what_is_sent() -> None:
    with HoneywellScanner() as scanner:
        host = Host(scanner.path)
        host.ask(b"\x16M\rSUFBK2990A.\x16M\rPREBK2995C81.")
        scanner.show("ECV1:")
        assert host.ask(b"\x16T\r") == b"]Q1ECV1:\n"
        host.ask(b"\x16M\rTRGMOD3.")
        scanner.show("ECV2:")
        assert host.ask(b"") == b"]Q1ECV2:\n"
        host.ask(b"\x16M\rTRGMOD0.\x16M\rTRGSTO100.")
        scanner.show(None)
        host.ask(b"\x16T\r", 0.3)
        scanner.show("LATE")
        assert host.ask(b"") == b"", "the trigger outlived its time"
        os.close(host.fd)


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("04A30400FF55", "15A4000053494D554C4154454420535349 20312E30"),
        ("04E90400FF0F", "04D00000FF2C"),
        ("04C70400FF31", "05D1000002FF28"),
    ],
)
def test_zebra_answers_commands(command: str, answer: str) -> None:
    with ZebraScanner() as scanner:
        host = Host(scanner.path)
        heard = host.ask(bytes.fromhex(command))
        assert heard.hex().startswith(bytes.fromhex(answer).hex())
        os.close(host.fd)


def test_zebra_parameters_choose_raw_data_and_presentation() -> None:
    with ZebraScanner() as scanner:
        host = Host(scanner.path)
        parameters = bytes.fromhex("FF 8A07 EE00")
        command = SSI_PACKET.build(SsiPacket(Ssi.PARAM_SEND, data=parameters))
        assert host.ask(command) == bytes.fromhex("04D00000FF2C")
        scanner.show("ECV1:")
        assert host.ask(b"") == b"ECV1:\r"
        os.close(host.fd)
