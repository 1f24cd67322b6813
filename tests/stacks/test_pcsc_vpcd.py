"""Cards under pcscd without a reader, through vsmartcard's vpcd as the system installs it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pcsc_bench import FCI, SELECT, BenchCard, connected, echo, icc, opened, plugged, read

from firmware_sim.link.picc import Picc, PiccConfig
from firmware_sim.reader import pcscd_launcher
from firmware_sim.reader.pcscd_switch import PcscdSwitch
from firmware_sim.reader.private_pcscd import PcscdError, PrivatePcscd
from firmware_sim.reader.serial import SerialReader
from firmware_sim.reader.vpcd import VpcdReader
from reader_drivers.api import CardAbsent, CardRemoved, CommunicationFault
from reader_drivers.pcsc import PcscSession
from reader_drivers.pcsc_features import NoPinPad

pytestmark = pytest.mark.stacks

OK = b"\x90\x00"
UID = bytes.fromhex("04112233445566")


@pytest.fixture
def reader() -> Iterator[VpcdReader]:
    reader = VpcdReader()
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def contactless(pcscd_switch: PcscdSwitch) -> Iterator[PcscSession]:
    reader = VpcdReader()
    reader.insert(Picc(BenchCard(), PiccConfig(uid=UID)))
    with plugged(pcscd_switch, reader), connected(reader.url()) as session:
        yield session
    reader.close()


@pytest.mark.parametrize("size", [1, 255, 256, 5000, 60_000])
def test_commands_of_any_size(contactless: PcscSession, size: int) -> None:
    command, response = echo(size)
    assert contactless.transmit(command) == response


@pytest.mark.parametrize("size", [1, 256, 257, 32_767])
def test_responses_of_any_size(contactless: PcscSession, size: int) -> None:
    command, response = read(size, extended=size > 256)
    assert contactless.transmit(command) == response


def test_uid_and_atr_of_a_contactless_card(contactless: PcscSession) -> None:
    assert contactless.atr.hex().startswith("3b858001")
    assert contactless.transmit(bytes.fromhex("FFCA000000")) == UID + OK


def test_no_pin_pad(contactless: PcscSession) -> None:
    assert not contactless.has_pin_pad
    with pytest.raises(NoPinPad):
        contactless.verify_pin_on_pad(SELECT)
    assert contactless.transmit(SELECT) == FCI + OK


def test_two_slots_with_contacts(pcscd_switch: PcscdSwitch, reader: VpcdReader) -> None:
    line: list[bytes] = []

    def watch(frame: bytes, answer: bytes | None) -> bytes | None:
        line.append((answer or b"")[-2:])
        return answer

    reader.insert(icc(1), 0)
    reader.insert(icc(0, frame_filter=watch), 1)
    with (
        plugged(pcscd_switch, reader),
        connected(reader.url(0)) as first,
        connected(reader.url(1)) as second,
    ):
        assert (first.protocol, second.protocol) == (1, 0)
        for size in (1, 100, 255):
            command, response = echo(size)
            assert first.transmit(command) == response
            line.clear()
            assert second.transmit(command) == response
            assert line == [bytes([0x61, size]), OK]
        line.clear()
        assert second.transmit(bytes.fromhex("00CC000000")) == b"\0\0\0\1" + OK
        assert line == [b"\x6c\x04", OK]


def test_insertion_and_removal(pcscd_switch: PcscdSwitch, reader: VpcdReader) -> None:
    with plugged(pcscd_switch, reader), opened(reader.url()) as driver:
        with pytest.raises(CardAbsent):
            driver.connect(0.1)
        threading.Timer(0.2, reader.insert, (BenchCard(),)).start()
        session = driver.connect(5.0)
        assert session.transmit(SELECT) == FCI + OK
        reader.remove()
        with pytest.raises(CardRemoved):
            session.transmit(SELECT)


def test_a_hundred_movements(pcscd_switch: PcscdSwitch, reader: VpcdReader) -> None:
    with plugged(pcscd_switch, reader), opened(reader.url()) as driver:
        for _ in range(100):
            reader.insert(BenchCard())
            reader.remove()
        reader.insert(BenchCard())
        assert driver.connect(5.0).transmit(SELECT) == FCI + OK


def test_a_torn_card_has_left(pcscd_switch: PcscdSwitch, reader: VpcdReader) -> None:
    card = BenchCard()
    reader.insert(card)
    with plugged(pcscd_switch, reader), connected(reader.url()) as session:
        card.failure = ConnectionError()
        with pytest.raises(CardRemoved):
            session.transmit(SELECT)
        assert not reader.card_present()


def test_a_mute_card_is_a_fault_and_not_gone(pcscd_switch: PcscdSwitch, reader: VpcdReader) -> None:
    card = BenchCard()
    reader.insert(card)
    with plugged(pcscd_switch, reader), opened(reader.url()) as driver:
        session = driver.connect()
        card.failure = TimeoutError()
        started = time.monotonic()
        with pytest.raises(CommunicationFault):
            session.transmit(SELECT)
        assert time.monotonic() - started < 5
        assert reader.card_present()
        assert driver.connect().transmit(SELECT) == FCI + OK


def test_a_card_that_hangs_holds_nobody_beyond_the_limit(
    pcscd_switch: PcscdSwitch, reader: VpcdReader
) -> None:
    class Stuck(BenchCard):
        def transmit(self, command: bytes) -> bytes:
            if command == SELECT:
                released.wait(20)
            return super().transmit(command)

    released = threading.Event()
    reader.insert(Stuck())
    with plugged(pcscd_switch, reader), opened(reader.url(), limit=1.0) as driver:
        session = driver.connect()
        started = time.monotonic()
        with pytest.raises(CommunicationFault, match="hangs"):
            session.transmit(SELECT)
        assert time.monotonic() - started < 2.0
        released.set()
        assert driver.connect().transmit(echo(3)[0]) == echo(3)[1]


def test_serial_and_virtual_readers_under_one_service(
    pcscd_switch: PcscdSwitch, reader: VpcdReader
) -> None:
    serial = SerialReader("GemPCTwin")
    serial.insert(icc(1, BenchCard(b"serial")))
    reader.insert(BenchCard(b"virtual"))
    with (
        plugged(pcscd_switch, reader, serial),
        connected(reader.url()) as one,
        connected(serial.url()) as other,
    ):
        assert b"virtual" in one.atr
        assert b"serial" in other.atr
        assert one.transmit(SELECT) == other.transmit(SELECT) == FCI + OK
    serial.close()


def test_two_services_side_by_side(pcscd_switch: PcscdSwitch) -> None:
    readers, cards = [VpcdReader(), VpcdReader()], [BenchCard(b"first"), BenchCard(b"second")]
    for reader, card in zip(readers, cards, strict=True):
        reader.insert(card)
    with (
        plugged(pcscd_switch, readers[0]),
        connected(readers[0].url()) as first,
        plugged(pcscd_switch, readers[1]),
        connected(readers[1].url()) as second,
    ):
        for n in range(100):
            command = bytes([0, 0xEC, 0, 0, 2, n, 1, 0])
            other = bytes([0, 0xEC, 0, 0, 2, n, 2, 0])
            assert first.transmit(command) == bytes([n, 1]) + OK
            assert second.transmit(other) == bytes([n, 2]) + OK
    for each in readers:
        each.close()
    assert {command[6] for command in cards[0].commands} == {1}
    assert {command[6] for command in cards[1].commands} == {2}


CLIENT = """
import sys
from reader_drivers.urls import open_reader
reader = open_reader(sys.argv[1])
session = reader.connect()
print(session.transmit(bytes.fromhex(sys.argv[2])).hex())
"""


def client(pcscd: PrivatePcscd, url: str, command: bytes) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CLIENT, url, command.hex()],
        env={**os.environ, **pcscd.environment},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_another_process_as_client(reader: VpcdReader) -> None:
    reader.insert(BenchCard())
    with PrivatePcscd([reader]) as pcscd:
        done = client(pcscd, reader.url(), SELECT)
        assert done.stdout.strip() == (FCI + OK).hex(), done.stderr


def test_a_client_killed_in_mid_command_leaves_the_reader_usable(
    pcscd_switch: PcscdSwitch, reader: VpcdReader
) -> None:
    class Slow(BenchCard):
        def transmit(self, command: bytes) -> bytes:
            if command == SELECT:
                begun.set()
                time.sleep(1)
            return super().transmit(command)

    begun = threading.Event()
    reader.insert(Slow())
    with plugged(pcscd_switch, reader) as pcscd:
        process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, reader.url(), SELECT.hex()],
            env={**os.environ, **pcscd.environment},
            cwd=Path(__file__).parents[2],
        )
        assert begun.wait(10)
        process.kill()
        process.wait()
        with opened(reader.url()) as driver:
            assert driver.connect(10.0).transmit(echo(3)[0]) == echo(3)[1]


def test_the_service_ends_with_the_program_that_started_it(tmp_path: Path) -> None:
    program = """
import sys, time
from firmware_sim.reader.private_pcscd import PrivatePcscd
pcscd = PrivatePcscd()
pcscd.start()
print(pcscd.process_id, pcscd.folder, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(_short(tmp_path))},
    )
    assert parent.stdout is not None
    number, folder = parent.stdout.readline().decode().split()
    assert Path(f"/proc/{number}").exists()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{number}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{number}").exists()
    for name in sorted(Path(folder).rglob("*"), reverse=True):
        name.rmdir() if name.is_dir() else name.unlink()
    Path(folder).rmdir()


def _short(path: Path) -> Path:
    return path if len(str(path)) < 60 else Path("/tmp")


def test_without_namespaces_it_works_too(
    monkeypatch: pytest.MonkeyPatch, pcscd_switch: PcscdSwitch, reader: VpcdReader, tmp_path: Path
) -> None:
    crippled = tmp_path / "launcher.py"
    source = Path(pcscd_launcher.__file__).read_text("utf8")
    crippled.write_text(source.replace("        isolate()\n", '        raise OSError("none")\n'))
    monkeypatch.setattr(pcscd_launcher, "__file__", str(crippled))
    reader.insert(BenchCard())
    if os.geteuid() == 0 and Path(pcscd_launcher.SYSTEM_SOCKET).exists():
        with pytest.raises(PcscdError, match="run as an unprivileged user"):
            PrivatePcscd([reader]).start()
        return
    with plugged(pcscd_switch, reader) as pcscd:
        assert not pcscd.isolated
        with connected(reader.url()) as session:
            assert session.transmit(SELECT) == FCI + OK


def test_the_systems_directory_is_not_touched(
    pcscd_switch: PcscdSwitch, reader: VpcdReader
) -> None:
    run = Path(pcscd_launcher.RUN_DIRECTORY)

    def seen() -> list[tuple[str, float]]:
        return [(path.name, path.stat().st_mtime) for path in run.glob("*")]

    before = seen()
    with plugged(pcscd_switch, reader) as pcscd:
        if pcscd.isolated:
            assert seen() == before
    assert not pcscd.isolated or seen() == before


def test_nobody_else_reaches_the_driver(pcscd_switch: PcscdSwitch, reader: VpcdReader) -> None:
    with plugged(pcscd_switch, reader) as pcscd:
        if not pcscd.isolated:
            assert "no namespaces here" in pcscd.log
            return
        ports = Path("/proc/net/tcp").read_text("ascii")
        listening = {line.split()[1][-4:] for line in ports.splitlines()[1:] if " 0A " in line}
        assert f"{reader.port:04X}" not in listening


def test_missing_driver_names_its_package(reader: VpcdReader) -> None:
    reader.library = Path("/nowhere/libifdvpcd.so")
    with pytest.raises(PcscdError, match="apt install vsmartcard-vpcd"):
        PrivatePcscd([reader]).start()


def test_two_readers_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="same name"):
        PrivatePcscd([VpcdReader(), VpcdReader()])


def test_three_virtual_readers_do_not_share_their_cards(pcscd_switch: PcscdSwitch) -> None:
    readers = [VpcdReader(f"Reader {letter}") for letter in "ABC"]
    for reader in readers:
        reader.insert(BenchCard(reader.name.encode()))
    with plugged(pcscd_switch, *readers):
        for reader in readers:
            with connected(reader.url()) as session:
                assert reader.name.encode() in session.atr
    for reader in readers:
        reader.close()
