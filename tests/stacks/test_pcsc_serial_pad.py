"""PIN entry on a simulated GemPC PinPad, under pcscd and libccidtwin."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from pcsc_bench import FCI, SELECT, BenchCard, connected, icc, plugged

from card_formats.ccid_pin import PinEncoding, PinFormat
from firmware_sim.reader.pcscd_switch import PcscdSwitch
from firmware_sim.reader.serial import SerialReader
from reader_drivers.pcsc import PcscSession

pytestmark = pytest.mark.stacks

OK = b"\x90\x00"
VERIFY = bytes.fromhex("0020000008") + b"\xff" * 8
CHANGE = bytes.fromhex("0024000010") + b"\xff" * 16


@pytest.fixture(scope="module", params=[0, 1], ids=["T=0", "T=1"])
def pad(
    request: pytest.FixtureRequest, pcscd_switch: PcscdSwitch
) -> Iterator[tuple[SerialReader, PcscSession, BenchCard]]:
    card = BenchCard()
    reader = SerialReader("GemPCPinPad")
    reader.insert(icc(request.param, card))
    with plugged(pcscd_switch, reader), connected(reader.url()) as session:
        yield reader, session, card
    reader.close()


Pad = tuple[SerialReader, PcscSession, BenchCard]


def test_pin_pad_is_found(pad: Pad) -> None:
    _, session, _ = pad
    assert session.has_pin_pad
    assert session.pin_pad.can_modify
    assert session.pin_pad.properties()


@pytest.mark.parametrize(
    ("act", "status"),
    [
        (lambda keypad: keypad.type("1234"), "9000"),
        (lambda keypad: keypad.type("4321"), "63c2"),
        (lambda keypad: keypad.cancel(), "6401"),
        (lambda keypad: keypad.give_up(), "6400"),
        (lambda keypad: keypad.type("1234", seconds=1.5), "9000"),
    ],
    ids=["right", "wrong", "cancelled", "timed out", "slow"],
)
def test_verification_on_the_pad(pad: Pad, act: Callable[[object], None], status: str) -> None:
    reader, session, card = pad
    crossed: list[bytes] = []
    reader.firmware.trace = lambda way, message: crossed.append(message)
    act(reader.keypad)
    assert session.verify_pin_on_pad(VERIFY, seconds=5).hex() == status
    assert crossed
    for digits in (b"1234", b"4321"):
        assert digits not in b"".join(crossed)
    reader.firmware.trace = None
    # The session goes on as if nothing had been.
    assert session.transmit(SELECT) == FCI + OK
    card.tries = 3


def test_other_placements_of_the_digits(pad: Pad) -> None:
    reader, session, card = pad
    reader.keypad.type("123456")
    layout = PinFormat(PinEncoding.BCD, position=1, length_bits=4, block_size=7, length_position=4)
    template = bytes.fromhex("0020000008 20FFFFFFFFFFFFFF")
    session.verify_pin_on_pad(template, layout, digits=(4, 12))
    assert card.commands[-1][5:13].hex() == "26123456ffffffff"
    card.tries = 3


def test_modification_on_the_pad(pad: Pad) -> None:
    reader, session, card = pad
    for digits in ("1234", "98765", "98765"):
        reader.keypad.type(digits)
    assert session.pin_pad.modify(CHANGE).hex() == "9000"
    assert card.pin == b"98765"
    card.pin = b"1234"
