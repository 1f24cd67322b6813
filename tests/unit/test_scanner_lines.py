"""Scanner frames cut out of byte streams, and scanner URLs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_formats.core import FormatError
from card_formats.scanner_frames import (
    SSI_MAX_DATA,
    SSI_PACKET,
    SSI_SOURCE_DECODER,
    HoneywellSplitter,
    HoneywellTrigger,
    MenuCommand,
    Ssi,
    SsiPacket,
    SsiSplitter,
    SsiStatus,
    Suffix,
)
from reader_drivers.api import ReaderUnavailable, ReaderUrlError
from reader_drivers.scanner import ScannerOptions, parse_path
from reader_drivers.scanner_protocols import SsiProtocol
from reader_drivers.urls import open_code_reader, open_reader

packets = st.builds(
    SsiPacket,
    opcode=st.sampled_from(Ssi).map(int),
    source=st.sampled_from([0, 4]),
    status=st.integers(0, 255),
    data=st.binary(max_size=SSI_MAX_DATA),
)


@given(st.lists(packets, max_size=4), st.data())
def test_packets_come_out_however_the_stream_is_cut(
    sent: list[SsiPacket], data: st.DataObject
) -> None:
    stream = b"".join(b"\x00\x00" + SSI_PACKET.build(packet) for packet in sent)
    splitter = SsiSplitter()
    received: list[SsiPacket | FormatError] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        received += splitter.feed(stream[:size])
        stream = stream[size:]
    assert received == sent
    assert not splitter.incomplete


@given(st.binary(max_size=300))
def test_noise_never_stops_the_splitter(noise: bytes) -> None:
    splitter = SsiSplitter()
    splitter.feed(noise)
    splitter.reset()
    assert splitter.feed(bytes.fromhex("04D00400FF28")) == [SsiPacket(Ssi.CMD_ACK)]


def test_damaged_packet_is_reported() -> None:
    (found,) = SsiSplitter().feed(bytes.fromhex("04D00400FF29"))
    assert isinstance(found, FormatError)
    assert "checksum" in found.reason


@given(st.data())
def test_honeywell_commands_come_out_of_noise(data: st.DataObject) -> None:
    stream = b"\x00garbage" + b"\x16T\r" + b"xx\x16M\rSUFBK2990D.\x16U\r" + b"\x16M\rQRCENA?!"
    splitter = HoneywellSplitter()
    found = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += splitter.feed(stream[:size])
        stream = stream[size:]
    assert found == [
        HoneywellTrigger.ON,
        MenuCommand("SUFBK2990D", permanent=True),
        HoneywellTrigger.OFF,
        MenuCommand("QRCENA?"),
    ]


class Scanner:
    """Feeds packets to the driver's side of SSI."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.protocol = SsiProtocol(self.answers.append)

    def send(self, data: bytes, status: int = 0) -> None:
        packet = SsiPacket(Ssi.DECODE_DATA, SSI_SOURCE_DECODER, status, data)
        assert self.protocol.received(SSI_PACKET.build(packet)) == b""


@pytest.mark.parametrize("type_again", [b"", b"\x1c"])
def test_continued_packets_make_one_code(type_again: bytes) -> None:
    scanner = Scanner()
    scanner.send(b"\x1cECV1:AB", SsiStatus.CONTINUED)
    scanner.send(type_again + b"CD", SsiStatus.CONTINUED)
    assert scanner.protocol.take_message() is None
    scanner.send(type_again + b"EF")
    assert scanner.protocol.take_message() == b"ECV1:ABCDEF"
    assert scanner.protocol.take_message() is None
    assert scanner.answers == [bytes.fromhex("04D00400FF28")] * 3


def test_packet_sent_twice_counts_once() -> None:
    scanner = Scanner()
    scanner.send(b"\x1cAB", SsiStatus.CONTINUED)
    scanner.send(b"\x1cAB", SsiStatus.CONTINUED | SsiStatus.RETRANSMITTED)
    scanner.send(b"CD")
    assert scanner.protocol.take_message() == b"ABCD"


def test_damaged_and_broken_off_packets_are_asked_for_again() -> None:
    scanner = Scanner()
    packet = SsiPacket(Ssi.DECODE_DATA, SSI_SOURCE_DECODER, 0, b"\x1cAB")
    whole = bytearray(SSI_PACKET.build(packet))
    whole[-1] ^= 1
    scanner.protocol.received(bytes(whole))
    assert scanner.answers[-1] == bytes.fromhex("05D1040001FF25")
    scanner.protocol.received(bytes(whole)[:5])
    scanner.protocol.silent()
    assert len(scanner.answers) == 2
    scanner.protocol.silent()
    assert len(scanner.answers) == 2


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/dev/ttyACM0", ScannerOptions("/dev/ttyACM0")),
        ("COM3?baud=9600", ScannerOptions("COM3", baud=9600)),
        (
            "/dev/ttyS0?model=zebra&suffix=crlf&silence=0.5&trigger=no",
            ScannerOptions("/dev/ttyS0", "zebra", suffix=Suffix.CRLF, silence=0.5, trigger=False),
        ),
        ("/dev/x?suffix=none", ScannerOptions("/dev/x", suffix=Suffix.NONE)),
    ],
)
def test_urls_are_taken_apart(path: str, options: ScannerOptions) -> None:
    assert parse_path(path) == options


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "names no device"),
        ("?model=zebra", "names no device"),
        ("/dev/x?model=acme", "choose one of generic, honeywell, zebra, datalogic"),
        ("/dev/x?baud=0", "baud cannot be '0'"),
        ("/dev/x?baud=fast", "baud cannot be 'fast'"),
        ("/dev/x?suffix=tab", "choose one of auto, none, cr, lf, crlf"),
        ("/dev/x?silence=0", "seconds"),
        ("/dev/x?trigger=maybe", "yes or no"),
        ("/dev/x?colour=red", "known are model, baud, suffix, silence, trigger"),
        ("/dev/x?nonsense", "name=value"),
    ],
)
def test_bad_urls_say_what_to_write(path: str, reason: str) -> None:
    with pytest.raises(ReaderUrlError, match=reason):
        open_code_reader(f"scanner:{path}")


@pytest.mark.parametrize("device", ["/nowhere/tty", "/dev/null", "/etc/hostname"])
def test_what_is_no_scanner_says_so(device: str) -> None:
    with pytest.raises(ReaderUnavailable, match="check that it is plugged in"):
        open_code_reader(f"scanner:{device}")


def test_a_scanner_reads_no_cards() -> None:
    with pytest.raises(ReaderUrlError, match="reads codes, not cards"):
        open_reader("scanner:/dev/ttyACM0")
