"""libnfc's programs, unmodified, on the simulated PN532: as readers, and one as a card.

libnfc aborts the process when a command is longer than 262 bytes, hence short APDUs only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import nfc.clf
import nfc.clf.pn532
import nfc.clf.transport
import pytest

from firmware_sim.link.echo import EchoCard
from firmware_sim.link.picc import Picc, PiccConfig
from firmware_sim.reader.pn532 import Pn532
from firmware_sim.reader.pn532_serial import Pn532Serial

pytestmark = pytest.mark.stacks

PACKAGES = {
    "nfc-list": "libnfc-bin",
    "nfc-emulate-forum-tag4": "libnfc-bin",
    "nfc-poll": "libnfc-examples",
    "nfc-anticol": "libnfc-examples",
    "pn53x-diagnose": "libnfc-pn53x-examples",
    "pn53x-tamashell": "libnfc-pn53x-examples",
}
UID = bytes.fromhex("08A1B2C3")


def program(name: str) -> str:
    path = shutil.which(name)
    assert path, f"{name} is missing: apt install {PACKAGES[name]}"
    return path


def start(name: str, serial: Pn532Serial, *arguments: str) -> subprocess.Popen[str]:
    serial.port.release_claim()
    environment = {
        **os.environ,
        "LIBNFC_DEFAULT_DEVICE": f"pn532_uart:{serial.path}",
        "LIBNFC_AUTO_SCAN": "false",
    }
    return subprocess.Popen(
        [program(name), *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(name: str, serial: Pn532Serial, *arguments: str, given: str = "") -> str:
    with start(name, serial, *arguments) as process:
        try:
            output, _ = process.communicate(given, timeout=30.0)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert process.returncode == 0, output
    return output


@pytest.fixture
def card() -> EchoCard:
    return EchoCard()


@pytest.fixture
def picc(card: EchoCard) -> Picc:
    return Picc(card, PiccConfig(uid=UID))


@pytest.fixture
def serial(picc: Picc) -> Iterator[Pn532Serial]:
    with Pn532Serial(Pn532(picc)) as item:
        yield item
        assert item.errors == []


def test_nfc_list_shows_the_card(serial: Pn532Serial) -> None:
    output = run("nfc-list", serial, "-v")
    assert "1 ISO14443A passive target(s) found" in output
    assert "08  a1  b2  c3" in output
    assert "Compliant with ISO/IEC 14443-4" in output
    assert "ATS: 78  80  80  02  80" in output
    assert "Frame Waiting Time: 77.33 ms" in output


def test_nfc_list_shows_an_empty_field(serial: Pn532Serial, picc: Picc) -> None:
    picc.remove()
    output = run("nfc-list", serial, "-v")
    assert "0 ISO14443A passive target(s) found" in output
    assert "08  a1  b2  c3" not in output


@pytest.mark.parametrize("uid", ["04112233445566", "04112233445566778899"])
def test_nfc_list_shows_longer_uids(uid: str) -> None:
    picc = Picc(EchoCard(), PiccConfig(uid=bytes.fromhex(uid)))
    with Pn532Serial(Pn532(picc)) as serial:
        output = run("nfc-list", serial, "-v")
    assert "  ".join(f"{byte:02x}" for byte in bytes.fromhex(uid)) in output


def test_nfc_anticol_walks_the_selection_frame_by_frame(serial: Pn532Serial) -> None:
    output = run("nfc-anticol", serial)
    assert "UID: 08a1b2c3" in output
    assert "SAK: 20" in output
    assert "ATS: 06  78  80  80  02  80" in output


def test_nfc_poll_sees_the_card_come_and_go(serial: Pn532Serial, picc: Picc) -> None:
    picc.remove()
    process = start("nfc-poll", serial)
    assert process.stdout is not None
    time.sleep(0.5)
    picc.insert()
    lines: list[str] = []
    watchdog = threading.Timer(30.0, process.kill)
    watchdog.start()
    try:
        for line in process.stdout:
            lines.append(line)
            if "SAK (SEL_RES): 20" in line:
                picc.remove()
        process.wait()
    finally:
        watchdog.cancel()
        assert process.stdin is not None
        process.stdin.close()
        process.stdout.close()
    output = "".join(lines)
    assert "08  a1  b2  c3" in output
    assert "done." in output, output
    assert process.returncode == 0


def test_pn53x_diagnose_passes(serial: Pn532Serial) -> None:
    output = run("pn53x-diagnose", serial)
    for test in ("Communication line", "ROM", "RAM"):
        assert f"{test} test: OK" in output


def test_tamashell_carries_short_apdus(serial: Pn532Serial, card: EchoCard) -> None:
    data = bytes(range(60))  # the shell reads lines of 255 characters
    apdu = b"\x80\xec\x00\x00" + bytes([len(data)]) + data + b"\x00"
    output = run(
        "pn53x-tamashell",
        serial,
        given=f"4A 01 00;\n40 01 {apdu.hex(' ')};\n40 01 80 EE 00 FF 00;\n52 01;\nq\n",
    )
    answers = [line[3:].replace(" ", "") for line in output.splitlines() if line.startswith("Rx:")]
    assert answers[0] == "010100042004" + UID.hex() + "067880800280"
    assert answers[1] == "00" + data.hex() + "9000"
    assert answers[2] == "00" + bytes(range(255)).hex() + "9000"
    assert answers[3] == "00"
    assert card.commands[0] == apdu


def test_libnfc_is_the_card_and_nfcpy_reads_it() -> None:
    """An oracle for the chip's PICC mode: both hosts are foreign to us."""
    target = Pn532()
    with Pn532Serial(target) as card_side, Pn532Serial(Pn532(target.port)) as reader_side:
        process = start("nfc-emulate-forum-tag4", card_side)
        try:
            device: Any = nfc.clf.pn532.init(nfc.clf.transport.TTY(reader_side.path))
            frontend = nfc.clf.ContactlessFrontend()
            frontend.device = device
            found: list[Any] = []
            started = time.monotonic()
            frontend.connect(
                rdwr={"on-connect": lambda tag: found.append(tag) or False},  # type: ignore[func-returns-value]
                terminate=lambda: time.monotonic() - started > 10.0,
            )
            assert found, "the emulated tag was not seen"
            assert found[0].type == "Type4Tag"
            assert found[0].ndef is not None
            assert "libnfc" in str(found[0].ndef.records[0])
            frontend.close()
        finally:
            process.terminate()
            process.communicate(timeout=10.0)


def test_nfcpy_and_libnfc_take_turns_on_one_chip(serial: Pn532Serial) -> None:
    for _ in range(2):
        device = nfc.clf.pn532.init(nfc.clf.transport.TTY(serial.path))
        assert device.sense_tta(nfc.clf.RemoteTarget("106A")).sdd_res == UID
        device.close()
        assert "08  a1  b2  c3" in run("nfc-list", serial)


def test_killed_libnfc_leaves_a_usable_chip(serial: Pn532Serial, picc: Picc) -> None:
    picc.remove()
    process = start("nfc-poll", serial)
    time.sleep(0.5)
    process.kill()
    process.communicate(timeout=10.0)
    picc.insert()
    assert "08  a1  b2  c3" in run("nfc-list", serial)
