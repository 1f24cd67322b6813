"""The CCID reader, message by message, at its three exchange levels."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

import pytest
from ccid_host import T1, Host, extended, short

from card_formats.atr import ATR
from card_formats.ccid import (
    CCID_ANSWER,
    CCID_COMMAND,
    AnswerType,
    CcidCommand,
    CommandStatus,
    CommandType,
    IccStatus,
    SlotError,
)
from firmware_sim.link.echo import EchoCard
from firmware_sim.link.icc import Icc, IccConfig
from firmware_sim.link.picc import Picc
from firmware_sim.reader.ccid_config import CcidConfig, Level
from firmware_sim.reader.ccid_firmware import CcidFirmware

# --- slots and power ------------------------------------------------------------------------


def test_an_empty_slot() -> None:
    host = Host()
    assert host.send(CommandType.GET_SLOT_STATUS).icc == IccStatus.ABSENT
    for kind in (CommandType.ICC_POWER_ON, CommandType.XFR_BLOCK, CommandType.GET_PARAMETERS):
        answer = host.send(kind)
        assert (answer.icc, answer.command) == (IccStatus.ABSENT, CommandStatus.FAILED)
        assert answer.error == SlotError.ICC_MUTE


def test_power_and_its_status() -> None:
    card = EchoCard(b"AB")
    host = Host(card=card)
    assert host.send(CommandType.GET_SLOT_STATUS).icc == IccStatus.INACTIVE
    assert host.send(CommandType.XFR_BLOCK, b"\0").command == CommandStatus.FAILED
    assert ATR.parse(host.on()).historical == b"AB"
    assert host.send(CommandType.GET_SLOT_STATUS).icc == IccStatus.ACTIVE
    host.on()
    assert card.power_ons == 1  # the second one is a warm reset
    assert host.send(CommandType.ICC_POWER_OFF).icc == IccStatus.INACTIVE
    assert card.powered is False


def test_a_slot_that_is_not_there() -> None:
    answer = Host().send(CommandType.GET_SLOT_STATUS, slot=1)
    assert (answer.command, answer.error) == (CommandStatus.FAILED, SlotError.BAD_SLOT)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (CommandType.MECHANICAL, AnswerType.SLOT_STATUS),
        (CommandType.SET_DATA_RATE_AND_CLOCK, AnswerType.DATA_RATE_AND_CLOCK),
        (CommandType.SECURE, AnswerType.DATA_BLOCK),
        (0x7F, AnswerType.SLOT_STATUS),
        (CommandType.ESCAPE, AnswerType.ESCAPE),
    ],
)
def test_what_it_cannot_do_is_refused(kind: int, answer: AnswerType) -> None:
    host = Host(card=EchoCard())
    host.on()
    got = host.send(kind, b"\x77")
    assert (got.kind, got.command, got.error) == (answer, CommandStatus.FAILED, 0)


def test_a_message_shorter_or_longer_than_it_says() -> None:
    firmware = CcidFirmware()
    message = CCID_COMMAND.build(CcidCommand(CommandType.XFR_BLOCK, 0, 9, b"abc"))
    for wrong in (message[:-1], message + b"\0"):
        (raw,) = firmware.handle(wrong)
        answer = CCID_ANSWER.parse(raw)
        assert (answer.seq, answer.error) == (9, SlotError.BAD_LENGTH)
    assert list(firmware.handle(message[:5])) == []


def test_two_slots_do_not_mix() -> None:
    host = Host(CcidConfig(slots=2))
    host.firmware.insert(EchoCard(b"one"), 0)
    host.firmware.insert(EchoCard(b"two"), 1)
    assert ATR.parse(host.on(0)).historical == b"one"
    assert host.send(CommandType.GET_SLOT_STATUS, slot=1).icc == IccStatus.INACTIVE
    assert ATR.parse(host.on(1)).historical == b"two"


def test_card_movements_are_told() -> None:
    told: list[tuple[int, bool]] = []
    firmware = CcidFirmware(CcidConfig(slots=2))
    firmware.on_slot_change.append(lambda slot, present: told.append((slot, present)))
    assert firmware.notification() == bytes.fromhex("500A")
    firmware.insert(EchoCard(), 1)
    assert firmware.notification() == bytes.fromhex("500C")
    assert firmware.notification() == bytes.fromhex("5004")
    firmware.insert(EchoCard(), 1)
    firmware.remove(1)
    firmware.remove(1)
    assert firmware.notification() == bytes.fromhex("5008")
    assert told == [(1, True), (1, False), (1, True), (1, False)]


# --- TPDU level ------------------------------------------------------------------------------


def test_parameters() -> None:
    host = Host(card=EchoCard())
    host.on()
    assert host.send(CommandType.GET_PARAMETERS).data.hex() == "1110004d002000"
    answer = host.send(CommandType.SET_PARAMETERS, T1, parameter=1)
    assert (answer.kind, answer.specific, answer.data) == (AnswerType.PARAMETERS, 1, T1)
    assert host.send(CommandType.GET_PARAMETERS).data == T1
    assert host.send(CommandType.RESET_PARAMETERS).data.hex() == "1110004d002000"


@pytest.mark.parametrize(
    ("data", "protocol", "error"),
    [
        (T1[:-1], 1, SlotError.BAD_LENGTH),
        (T1, 0, SlotError.BAD_PROTOCOL),
        (T1, 7, SlotError.BAD_PROTOCOL),
    ],
)
def test_impossible_parameters(data: bytes, protocol: int, error: SlotError) -> None:
    host = Host(card=EchoCard())
    host.on()
    answer = host.send(CommandType.SET_PARAMETERS, data, parameter=protocol)
    assert (answer.command, answer.error) == (CommandStatus.FAILED, error)


def test_blocks_pass_untouched() -> None:
    host = Host(card=EchoCard())
    host.on()
    assert host.apdu(bytes.fromhex("00C101FE3E")).hex() == "00e101fe1e"
    assert host.apdu(bytes.fromhex("000005 00EE000200 E9")).hex() == "0000040001900095"


def test_pps_passes_then_t0_commands() -> None:
    host = Host(card=Icc(EchoCard(), IccConfig((0, 1))))
    host.on()
    assert host.apdu(bytes.fromhex("FF00FF")).hex() == "ff00ff"
    assert host.apdu(bytes.fromhex("00EE000300")).hex() == "6c03"


def test_a_working_card_makes_the_reader_ask_for_time() -> None:
    host = Host(card=Icc(EchoCard(), IccConfig((0,), more_time_after=0.02)))
    host.on()
    answers = host.all(CommandType.XFR_BLOCK, bytes.fromhex("00EA0A0001AA"))
    assert [a.command for a in answers[:-1]] == [CommandStatus.TIME_EXTENSION] * (len(answers) - 1)
    assert len(answers) >= 3
    assert answers[-1].data.hex() == "6101"


def test_a_block_too_long_for_the_reader() -> None:
    host = Host(card=EchoCard())
    host.on()
    answer = host.send(CommandType.XFR_BLOCK, bytes(262))
    assert (answer.command, answer.error) == (CommandStatus.FAILED, SlotError.BAD_LENGTH)


def test_mute_card() -> None:
    card = EchoCard()
    host = Host(card=card)
    host.on()
    card.failure = TimeoutError()
    answer = host.send(CommandType.XFR_BLOCK, bytes.fromhex("000005 00EE000200 E9"))
    assert (answer.icc, answer.error) == (IccStatus.ACTIVE, SlotError.ICC_MUTE)


@pytest.mark.parametrize("level", [Level.TPDU, Level.SHORT_APDU])
def test_a_card_that_tears_itself_off_leaves_the_slot(level: Level) -> None:
    card = EchoCard()
    host = Host(CcidConfig(level=level), card)
    host.on()
    card.failure = ConnectionError()
    block = "000005 00EE000200 E9" if level is Level.TPDU else "00EE000200"
    assert host.send(CommandType.XFR_BLOCK, bytes.fromhex(block)).command == CommandStatus.FAILED
    assert host.firmware.card_present() is False
    assert host.send(CommandType.GET_SLOT_STATUS).icc == IccStatus.ABSENT


# --- in mid-command, and faults --------------------------------------------------------------


@pytest.mark.parametrize("kind", ["contact", "antenna", "bare"])
def test_removal_in_mid_command(kind: str) -> None:
    card = EchoCard()
    host = short() if kind == "contact" else extended()
    host.firmware.insert(Picc(card) if kind == "antenna" else card)
    host.on()
    threading.Timer(0.1, host.firmware.remove).start()
    started = time.monotonic()
    answer = host.send(CommandType.XFR_BLOCK, bytes.fromhex("00EA6400 00"))
    assert time.monotonic() - started < 0.7
    assert (answer.icc, answer.error) == (IccStatus.ABSENT, SlotError.ICC_MUTE)


def test_a_slot_does_one_thing_at_a_time() -> None:
    host = short()
    host.on()
    slow = host.firmware.handle(
        CCID_COMMAND.build(CcidCommand(CommandType.XFR_BLOCK, 0, 1, bytes.fromhex("00EA320000")))
    )
    thread = threading.Thread(target=list, args=(slow,))
    thread.start()
    time.sleep(0.1)
    assert host.send(CommandType.GET_SLOT_STATUS).error == SlotError.SLOT_BUSY
    thread.join()
    assert host.send(CommandType.GET_SLOT_STATUS).command == CommandStatus.OK


def test_faults_come_from_outside() -> None:
    host = short()
    host.on()

    def twice(message: bytes, answer: bytes) -> Iterable[bytes]:
        return [answer, answer]

    host.firmware.answer_filter = twice
    assert len(host.all(CommandType.GET_SLOT_STATUS)) == 2
    host.firmware.answer_filter = None
    host.firmware.message_filter = lambda message: None
    message = CCID_COMMAND.build(CcidCommand(CommandType.GET_SLOT_STATUS, 0, 1))
    assert list(host.firmware.handle(message)) == []


def test_trace_sees_both_directions() -> None:
    host = Host()
    seen: list[str] = []
    host.firmware.trace = lambda way, message: seen.append(f"{way} {message[0]:02X}")
    host.send(CommandType.GET_SLOT_STATUS)
    assert seen == ["in 65", "out 81"]


def test_a_card_can_come_and_go_a_hundred_times_while_it_works() -> None:
    host = short()
    stop = threading.Event()

    def move() -> None:
        while not stop.is_set():
            host.firmware.remove()
            host.firmware.insert(EchoCard())
            time.sleep(0.001)

    thread = threading.Thread(target=move)
    thread.start()
    try:
        for _ in range(200):
            host.send(CommandType.ICC_POWER_ON)
            answer = host.send(CommandType.XFR_BLOCK, bytes.fromhex("00EE000300"))
            assert answer.data in (b"", bytes.fromhex("0001029000"))
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("config", "features", "size"),
    [
        (CcidConfig(), 0x00010230, 271),
        (CcidConfig(level=Level.SHORT_APDU), 0x000204BA, 271),
        (CcidConfig(level=Level.EXTENDED_APDU), 0x000404BA, 65_554),
    ],
)
def test_descriptor(config: CcidConfig, features: int, size: int) -> None:
    assert (config.descriptor.features, config.descriptor.max_message) == (features, size)
