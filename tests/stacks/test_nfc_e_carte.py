"""The whole e-carte, not an echo: a phone tapped through each NFC way, and its code scanned."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from card_formats.profile_ecv_sim_1 import Role
from firmware_sim.air import AirCard
from firmware_sim.air.nfcpy import open_dongle
from firmware_sim.fund.service import Fund
from firmware_sim.link.picc import Picc
from firmware_sim.phone.phone import Phone
from firmware_sim.phone.store import MemoryStore
from firmware_sim.reader.acr122 import Acr122, Acr122UsbLink
from firmware_sim.reader.pn532 import Pn532
from firmware_sim.reader.pn532_serial import Pn532Serial
from firmware_sim.reader.scanner_models import SCANNERS
from reader_drivers.keyboard_wedge import MISHAPS, repair
from reader_drivers.nfc import open_transport
from reader_drivers.terminal import Reason
from reader_drivers.terminal.kit import TerminalKit
from reader_drivers.terminal.opposition import OppositionStore
from reader_drivers.terminal.replay import ReplayStore
from reader_drivers.terminal.terminal import Terminal
from reader_drivers.urls import open_code_reader, open_reader

pytestmark = pytest.mark.stacks

CODE = "135790"
NOW = 1_795_435_200.0


class World:
    """A fund, a phone enrolled with it and a pharmacist's terminal."""

    def __init__(self) -> None:
        seeded = random.Random(3).randbytes
        self.fund = Fund.create(None, lambda: NOW, seeded)
        self.phone = Phone.enrol(
            self.fund,
            "amelie",
            CODE,
            store=MemoryStore(),
            clock=lambda: NOW,
            random_bytes=seeded,
        )
        self.phone.unlock()
        kit = TerminalKit.from_json(self.fund.terminal_kit("10001234567", Role.PHARMACIST), now=NOW)
        oppositions = OppositionStore(kit.trust, lambda: NOW)
        oppositions.load(self.fund.opposition_list())
        self.terminal = Terminal(
            kit,
            clock=lambda: NOW,
            opposition=oppositions,
            replay=ReplayStore(),
            random_bytes=seeded,
            resolver=self,
        )

    def resolve(self, text: str) -> Any:
        return self.fund.resolve_qr(text, Role.PHARMACIST)


@contextlib.contextmanager
def pn532(card: Any) -> Iterator[Any]:
    with Pn532Serial(Pn532(Picc(card))) as serial:
        reader = open_reader(f"nfc:tty:{serial.path}:pn532")
        yield reader
        reader.close()


@contextlib.contextmanager
def acr122(card: Any) -> Iterator[Any]:
    reader = open_transport(Acr122UsbLink(Acr122(Pn532(Picc(card)))), "acr122", "usb:072f:2200")
    yield reader
    reader.close()


@contextlib.contextmanager
def air_udp(card: Any) -> Iterator[Any]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        path = f"udp:127.0.0.1:{probe.getsockname()[1]}"
    with AirCard(card, open_dongle(path)):
        reader = open_reader(f"nfc:{path}")
        yield reader
        reader.close()


@contextlib.contextmanager
def air_pn532(card: Any, picc_mode: bool) -> Iterator[Any]:
    target = Pn532()
    with Pn532Serial(target) as near, Pn532Serial(Pn532(target.port)) as far:
        dongle = open_dongle(f"tty:{near.path}:pn532", picc_mode=picc_mode)
        with AirCard(card, dongle):
            reader = open_reader(f"nfc:tty:{far.path}:pn532")
            yield reader
            reader.close()


WAYS: dict[str, Callable[[Any], Any]] = {
    "pn532": pn532,
    "acr122": acr122,
    "air-udp": air_udp,
    "air-raw": lambda card: air_pn532(card, False),
    "air-picc": lambda card: air_pn532(card, True),
}


@pytest.mark.parametrize("way", WAYS)
def test_acquisition(way: str) -> None:
    world = World()
    with WAYS[way](world.phone.card) as reader:
        verdict = world.terminal.tap(reader, CODE)
        assert verdict.accepted, verdict.reasons
        assert verdict.identity is not None
        assert not world.terminal.tap(reader, "000000").accepted
        assert world.terminal.tap(reader, CODE).accepted


@pytest.mark.parametrize("make", SCANNERS)
def test_scan(make: str) -> None:
    world = World()
    with SCANNERS[make]() as scanner:
        reader = open_code_reader(f"scanner:{scanner.path}?model={make}")
        scanner.show(world.phone.show_qr(CODE))
        text = reader.read(2.0)
        reader.close()
    assert world.terminal.scan(text).accepted
    again = world.terminal.scan(text)
    assert not again.accepted, "a code shown once was taken twice"
    assert Reason.REPLAYED in again.reasons


def test_scan_through_the_wrong_keyboard() -> None:
    world = World()
    typed = MISHAPS[0].apply(world.phone.show_qr(CODE))
    assert not world.terminal.scan(typed).accepted
    repaired = repair(typed)
    assert repaired.was_damaged
    assert world.terminal.scan(repaired.text).accepted
