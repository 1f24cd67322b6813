"""PIN entry on the reader: how digits are placed, and what becomes of an entry."""

from __future__ import annotations

import threading

import pytest

from card_formats.ccid import (
    CCID_ANSWER,
    CCID_COMMAND,
    CcidAnswer,
    CcidCommand,
    CommandStatus,
    CommandType,
    IccStatus,
    SlotError,
)
from card_formats.ccid_descriptor import PinSupport
from card_formats.ccid_pin import (
    CCID_PIN_MODIFY,
    CCID_PIN_VERIFY,
    GEMPC_PIN_MODIFY,
    PinEncoding,
    PinFormat,
    PinModify,
    PinVerify,
)
from firmware_sim.link.echo import EchoCard
from firmware_sim.link.icc import Icc, IccConfig
from firmware_sim.reader.ccid_config import CcidConfig, Level
from firmware_sim.reader.ccid_firmware import CcidFirmware
from firmware_sim.reader.keypad import Entry, Key, fill

TEMPLATE = bytes.fromhex("0020008008") + b"\xff" * 8
FORMAT_2 = PinFormat(PinEncoding.BCD, position=1, length_bits=4, block_size=7, length_position=4)


@pytest.mark.parametrize(
    ("layout", "apdu", "expected"),
    [
        (PinFormat(), TEMPLATE, "002000800831323334FFFFFFFF"),
        (PinFormat(right_justified=True), TEMPLATE, "0020008008FFFFFFFF31323334"),
        (PinFormat(PinEncoding.BCD), TEMPLATE, "00200080081234FFFFFFFFFFFF"),
        (PinFormat(PinEncoding.BINARY), TEMPLATE, "002000800801020304FFFFFFFF"),
        (PinFormat(block_size=0), bytes.fromhex("00200080"), "002000800431323334"),
        (PinFormat(), bytes.fromhex("0020008008"), "002000800831323334FFFFFFFF"),
        (PinFormat(position=2), TEMPLATE, "0020008008FFFF31323334FFFF"),
        (PinFormat(PinEncoding.BCD, position=4, position_in_bytes=False, block_size=4), TEMPLATE,
         "0020008008F1234FFFFFFFFFFF"),
        (FORMAT_2, bytes.fromhex("002000800820FFFFFFFFFFFFFF"), "0020008008241234FFFFFFFFFF"),
        (PinFormat(length_bits=8, length_position=0, length_in_bytes=True, position=1), TEMPLATE,
         "00200080080431323334FFFFFF"),
    ],
)  # fmt: skip
def test_digits_go_where_the_host_wants_them(layout: PinFormat, apdu: bytes, expected: str) -> None:
    assert fill(apdu, layout, "1234").hex().upper() == expected


def test_second_block_of_a_modification() -> None:
    apdu = bytes.fromhex("0024000010") + b"\xff" * 16
    once = fill(apdu, PinFormat(), "1234")
    assert fill(once, PinFormat(), "98765", 8).hex()[10:] == "31323334ffffffff3938373635ffffff"


class PinCard(EchoCard):
    """Knows one PIN; keeps what it was told."""

    def transmit(self, command: bytes) -> bytes:
        self.commands.append(command)
        if command[1] == 0x20:
            return bytes.fromhex("9000" if b"1234" in command else "63C2")
        return bytes.fromhex("9000")


class Bench:
    def __init__(self, config: CcidConfig, icc: IccConfig | None = None) -> None:
        self.card = PinCard()
        self.firmware = CcidFirmware(config)
        self.firmware.insert(Icc(self.card, icc))
        self.crossed = b""
        self.firmware.trace = self._cross
        self.send(CommandType.ICC_POWER_ON)

    def _cross(self, way: str, message: bytes) -> None:
        self.crossed += message

    def send(self, kind: int, data: bytes = b"") -> list[CcidAnswer]:
        message = CCID_COMMAND.build(CcidCommand(kind, 0, 1, data))
        return [CCID_ANSWER.parse(raw) for raw in self.firmware.handle(message)]

    def verify(self, **more: object) -> CcidAnswer:
        request = PinVerify(5, PinFormat(), 8, 4, TEMPLATE, **more)  # type: ignore[arg-type]
        return self.send(CommandType.SECURE, CCID_PIN_VERIFY.build(request))[-1]


PAD = CcidConfig(level=Level.SHORT_APDU, pin=PinSupport.VERIFY | PinSupport.MODIFY)


def test_right_and_wrong_pin_and_the_code_never_crosses() -> None:
    bench = Bench(PAD)
    bench.firmware.keypad.type("1234")
    assert bench.verify().data.hex() == "9000"
    bench.firmware.keypad.type("4321")
    assert bench.verify().data.hex() == "63c2"
    assert len(bench.card.commands) == 2
    for secret in (b"1234", b"4321"):
        assert secret not in bench.crossed
    assert bench.firmware.keypad.prompts == 2


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda keypad: keypad.cancel(), SlotError.PIN_CANCELLED),
        (lambda keypad: keypad.give_up(), SlotError.PIN_TIMEOUT),
        (lambda keypad: keypad.type("123"), SlotError.PIN_TIMEOUT),
    ],
    ids=["cancel", "give up", "too short"],
)
def test_entries_that_never_reach_the_card(act: object, error: SlotError) -> None:
    bench = Bench(PAD)
    act(bench.firmware.keypad)  # type: ignore[operator]
    answer = bench.verify()
    assert (answer.command, answer.error) == (CommandStatus.FAILED, error)
    assert bench.card.commands == []


def test_nobody_types() -> None:
    bench = Bench(PAD)
    request = CCID_PIN_VERIFY.build(PinVerify(1, PinFormat(), 8, 4, TEMPLATE))
    answers = bench.send(CommandType.SECURE, request)
    assert answers[-1].error == SlotError.PIN_TIMEOUT
    assert answers[0].command == CommandStatus.TIME_EXTENSION


def test_a_slow_holder_makes_the_reader_ask_for_time() -> None:
    bench = Bench(PAD)
    bench.firmware.keypad.type("1234", seconds=1.2)
    request = CCID_PIN_VERIFY.build(PinVerify(5, PinFormat(), 8, 4, TEMPLATE))
    answers = bench.send(CommandType.SECURE, request)
    assert [a.command for a in answers] == [CommandStatus.TIME_EXTENSION] * 2 + [CommandStatus.OK]


def test_card_pulled_out_during_the_entry() -> None:
    bench = Bench(PAD)
    threading.Timer(0.1, bench.firmware.remove).start()
    answer = bench.verify()
    assert (answer.icc, answer.error) == (IccStatus.ABSENT, SlotError.ICC_MUTE)


def test_digits_beyond_the_longest_pin_are_ignored() -> None:
    bench = Bench(PAD)
    bench.firmware.keypad.type("123456789")
    bench.verify()
    assert bench.card.commands[0][5:13] == b"12345678"


def modification(**more: object) -> PinModify:
    apdu = bytes.fromhex("0024000010") + b"\xff" * 16
    return PinModify(5, PinFormat(), 0, 8, 8, 4, apdu, **more)  # type: ignore[arg-type]


def test_modification() -> None:
    bench = Bench(PAD)
    for digits in ("1234", "98765", "98765"):
        bench.firmware.keypad.type(digits)
    answer = bench.send(CommandType.SECURE, CCID_PIN_MODIFY.build(modification()))[-1]
    assert answer.data.hex() == "9000"
    assert bench.card.commands[0][5:] == b"1234\xff\xff\xff\xff98765\xff\xff\xff"


def test_modification_with_another_confirmation() -> None:
    bench = Bench(PAD)
    for digits in ("1234", "98765", "98764"):
        bench.firmware.keypad.type(digits)
    answer = bench.send(CommandType.SECURE, CCID_PIN_MODIFY.build(modification()))[-1]
    assert answer.error == SlotError.PIN_CANCELLED
    assert bench.card.commands == []


def test_modification_without_old_pin_nor_confirmation() -> None:
    bench = Bench(CcidConfig(level=Level.SHORT_APDU, pin=PinSupport(3), three_messages=True))
    bench.firmware.keypad.type("98765")
    request = GEMPC_PIN_MODIFY.build(modification(confirm=0, messages=0))
    assert bench.send(CommandType.SECURE, request)[-1].data.hex() == "9000"
    assert bench.card.commands[0][5:] == b"\xff" * 8 + b"98765\xff\xff\xff"


def test_behind_a_block_reader_the_prologue_makes_the_block() -> None:
    bench = Bench(CcidConfig(pin=PinSupport.VERIFY))
    bench.firmware.keypad.type("1234")
    assert bench.verify(prologue=bytes.fromhex("00000D")).data.hex() == "000002900092"
    bench.firmware.keypad.type("1234")
    assert bench.verify(prologue=bytes.fromhex("00400D")).data.hex() == "0040029000d2"
    assert bench.verify(prologue=bytes.fromhex("00C00D")).command == CommandStatus.FAILED


def test_t0_card_behind_a_block_reader() -> None:
    bench = Bench(CcidConfig(pin=PinSupport.VERIFY), IccConfig((0,)))
    bench.firmware.keypad.type("1234")
    assert bench.verify().data.hex() == "9000"


@pytest.mark.parametrize(
    ("config", "data", "error"),
    [
        (CcidConfig(), b"\x00", SlotError.NOT_SUPPORTED),
        (CcidConfig(pin=PinSupport.VERIFY), b"\x01", SlotError.BAD_PIN_OPERATION),
        (PAD, b"\x04", SlotError.BAD_PIN_OPERATION),
        (PAD, b"", SlotError.BAD_PIN_OPERATION),
        (PAD, b"\x00\x01", SlotError.BAD_LENGTH),
    ],
)
def test_requests_that_make_no_sense(config: CcidConfig, data: bytes, error: SlotError) -> None:
    answer = Bench(config).send(CommandType.SECURE, data)[-1]
    assert (answer.command, answer.error) == (CommandStatus.FAILED, error)


def test_digits_are_not_shown() -> None:
    assert "1234" not in repr(Entry("1234", Key.VALIDATED, 0.0))
    with pytest.raises(ValueError, match="digits"):
        CcidFirmware().keypad.type("12a4")
