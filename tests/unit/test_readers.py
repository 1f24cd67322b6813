"""The virtual reader, reader URLs, and what the drivers say when something is missing."""

from __future__ import annotations

import builtins
import threading
import time
from typing import Any

import pytest

from firmware_sim.link.echo import EchoCard
from reader_drivers.api import (
    CardAbsent,
    CardReader,
    CardRemoved,
    CommunicationFault,
    ReaderUnavailable,
    ReaderUrlError,
)
from reader_drivers.urls import Driver, available_drivers, open_reader, parse_url, register
from reader_drivers.virtual import VirtualReader

ECHO = bytes.fromhex("80EC000001AA")


@pytest.fixture
def reader() -> VirtualReader:
    opened = open_reader("virtual:")
    assert isinstance(opened, VirtualReader)
    assert isinstance(opened, CardReader)
    return opened


def test_a_session(reader: VirtualReader) -> None:
    card = EchoCard(bytes.fromhex("8073C821E0"))
    reader.insert(card)
    session = reader.connect(0)
    assert session.atr == bytes.fromhex("3B8580018073C821E0FE")
    assert session.transmit(ECHO) == bytes.fromhex("AA9000")
    session.close()
    session.close()
    assert (card.power_ons, card.power_offs) == (1, 1)
    with pytest.raises(CommunicationFault, match="closed"):
        session.transmit(ECHO)


def test_no_card_in_time(reader: VirtualReader) -> None:
    started = time.monotonic()
    with pytest.raises(CardAbsent, match=r"0\.1 s"):
        reader.connect(0.1)
    assert 0.1 <= time.monotonic() - started < 0.5


def test_card_that_comes_while_waiting(reader: VirtualReader) -> None:
    threading.Timer(0.05, reader.insert, [EchoCard()]).start()
    assert reader.connect(2.0).transmit(ECHO) == bytes.fromhex("AA9000")


def test_removal_between_commands(reader: VirtualReader) -> None:
    card = EchoCard()
    reader.insert(card)
    session = reader.connect()
    reader.remove()
    reader.remove()
    assert card.power_offs == 1
    with pytest.raises(CardRemoved):
        session.transmit(ECHO)
    session.close()
    assert card.power_offs == 1
    with pytest.raises(CardAbsent):
        reader.connect(0)


def test_removal_in_mid_command(reader: VirtualReader) -> None:
    card = EchoCard()
    entered, release = threading.Event(), threading.Event()

    def work(command: bytes) -> bytes:
        entered.set()
        release.wait(5)
        assert card.power_offs == 0
        return b"\x90\x00"

    card.transmit = work  # type: ignore[method-assign]
    reader.insert(card)
    session = reader.connect()

    def take_away() -> None:
        entered.wait(5)
        reader.remove()
        release.set()

    threading.Thread(target=take_away).start()
    with pytest.raises(CardRemoved):
        session.transmit(ECHO)
    assert card.power_offs == 1


@pytest.mark.parametrize(
    ("failure", "error"),
    [(ConnectionError("torn"), CardRemoved), (TimeoutError("mute"), CommunicationFault)],
)
def test_failing_card(reader: VirtualReader, failure: OSError, error: type[Exception]) -> None:
    card = EchoCard()
    reader.insert(card)
    session = reader.connect()
    card.failure = failure
    for _ in range(2):
        with pytest.raises(error):
            session.transmit(ECHO)
    assert (len(card.commands), card.power_offs) == (1, 1)


@pytest.mark.parametrize("response", [b"", b"\x90"])
def test_response_without_status(reader: VirtualReader, response: bytes) -> None:
    card = EchoCard()
    card.transmit = lambda command: response  # type: ignore[method-assign]
    reader.insert(card)
    session = reader.connect()
    with pytest.raises(CommunicationFault, match="no status"):
        session.transmit(ECHO)
    assert card.power_offs == 1


def test_mute_at_power_on(reader: VirtualReader) -> None:
    class Dead(EchoCard):
        def power_on(self) -> bytes:
            raise TimeoutError("mute")

    reader.insert(Dead())
    with pytest.raises(CommunicationFault, match="power-on"):
        reader.connect(0)


def test_new_session_ends_the_old_one(reader: VirtualReader) -> None:
    card = EchoCard()
    reader.insert(card)
    old = reader.connect()
    new = reader.connect()
    assert (card.power_ons, card.power_offs) == (2, 1)
    with pytest.raises(CommunicationFault):
        old.transmit(ECHO)
    old.close()
    assert new.transmit(ECHO) == bytes.fromhex("AA9000")
    reader.insert(EchoCard())
    assert card.power_offs == 2


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "virtual:"),
        ("nfc", "nfc:usb"),
        ("bluetooth:1", "nfc:usb"),
        ("virtual:x", "no path"),
        ("nfc:", "which device"),
        ("nfc:udp", "host:port"),
        ("nfc:udp:", "host:port"),
        ("nfc:udp:127.0.0.1", "host:port"),
        ("nfc:udp:127.0.0.1:0", "host:port"),
        ("nfc:udp:127.0.0.1:99999", "host:port"),
        ("nfc:udp:127.0.0.1:x", "host:port"),
    ],
)
def test_wrong_urls_say_what_is_right(url: str, words: str) -> None:
    with pytest.raises(ReaderUrlError, match=words):
        open_reader(url)


def test_parse_url() -> None:
    parsed = parse_url("NFC:tty:USB0:pn532")
    assert (parsed.scheme, parsed.path, str(parsed)) == (
        "nfc",
        "tty:USB0:pn532",
        "nfc:tty:USB0:pn532",
    )
    assert parse_url("nfc:A NAME: 00 00").path == "A NAME: 00 00", "only the first colon parts"


def test_available_drivers() -> None:
    drivers = {driver.scheme: driver for driver in available_drivers()}
    assert drivers["virtual"].available
    assert "nfc" in drivers
    absent = Driver("x-absent", "reader_drivers.virtual:open_url", "", "x-absent:", "no_such_lib")
    assert not absent.available


def test_missing_driver_module_says_what_to_install() -> None:
    from reader_drivers import urls

    register(Driver("x-test", "no_such_module:open_url", "", "x-test:", install="pip install x"))
    try:
        with pytest.raises(ReaderUnavailable, match="pip install x"):
            open_reader("x-test:1")
    finally:
        del urls._DRIVERS["x-test"]


def test_nfcpy_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_nfc(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == "nfc":
            raise ImportError("No module named 'nfc'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_nfc)
    with pytest.raises(ReaderUnavailable, match="pip install nfcpy"):
        open_reader("nfc:usb")


def test_no_such_dongle() -> None:
    pytest.importorskip("nfc.clf", reason="nfcpy is not installed")
    with pytest.raises(ReaderUnavailable, match="plugged in"):
        open_reader("nfc:tty:NOSUCHPORT:pn532")
