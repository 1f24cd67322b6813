"""Every command of the simulated PN532, run without any wire."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from card_formats.apdu import COMMAND_APDU, CommandApdu
from card_formats.iso14443 import crc_a
from card_formats.pn532_frame import HostCommand
from firmware_sim.link.echo import INS_COUNT, INS_ECHO, INS_SLOW_ECHO, EchoCard
from firmware_sim.link.picc import Picc, PiccConfig, State
from firmware_sim.reader.pn532 import Pn532
from firmware_sim.reader.pn532_host import SyntaxRefused

UID = bytes.fromhex("08A1B2C3")


class Host:
    """Lets a command wait ``patience`` seconds, then aborts it."""

    def __init__(self, patience: float = 0.0) -> None:
        self.deadline = time.monotonic() + patience

    def interrupted(self, seconds: float) -> bool:
        time.sleep(min(seconds, 0.005))
        return time.monotonic() >= self.deadline

    def poke(self) -> None:
        pass


class Bench:
    def __init__(self, present: bool = True, **config: Any) -> None:
        self.card = EchoCard()
        self.picc = Picc(self.card, PiccConfig(**{"uid": UID, "wtx": False, **config}))
        self.chip = Pn532(self.picc if present else None)

    def run(self, code: int, parameters: str = "", patience: float = 0.0) -> str | None:
        command = HostCommand(code, bytes.fromhex(parameters))
        answer = self.chip.execute(command, Host(patience))
        return None if answer is None else answer.hex()


@pytest.fixture
def bench() -> Callable[..., Bench]:
    return Bench


@pytest.mark.parametrize(
    ("code", "parameters", "answer"),
    [
        (0x02, "", "32010607"),
        (0x00, "00AABB", "00aabb"),
        (0x00, "01", "00"),
        (0x00, "02", "00"),
        (0x00, "06", "27"),
        (0x04, "", "00000000"),
        (0x06, "63026303", "8080"),
        (0x0C, "", "3f0600"),
        (0x0E, "8080", ""),
        (0x10, "07", ""),
        (0x12, "14", ""),
        (0x14, "0100", ""),
        (0x16, "F0", "00"),
        (0x32, "0101", ""),
        (0x32, "05FF01FF", ""),
    ],
)
def test_commands_of_the_chip_itself(code: int, parameters: str, answer: str) -> None:
    assert Bench(present=False).run(code, parameters) == answer


@pytest.mark.parametrize(
    ("code", "parameters"),
    [
        (0x03, ""),
        (0xFE, "00"),
        (0x00, ""),
        (0x00, "05"),
        (0x06, "6302AA"),
        (0x08, "6302"),
        (0x10, "09"),
        (0x12, ""),
        (0x14, "05"),
        (0x4A, "0300"),
        (0x4A, ""),
        (0x60, "0001"),
        (0x8C, "0004"),
        (0x00, "00" * 264),
    ],
)
def test_what_is_unknown_is_a_syntax_error(code: int, parameters: str) -> None:
    with pytest.raises(SyntaxRefused):
        Bench().run(code, parameters)


def test_registers_keep_what_is_written() -> None:
    item = Bench()
    item.run(0x08, "630D20 633D07")
    assert item.run(0x06, "630D633D") == "2007"
    assert item.run(0x06, "6304") == "80", "drivers off"
    item.run(0x32, "0101")
    assert item.run(0x06, "6304") == "83", "drivers on"


@pytest.mark.parametrize("uid", ["08A1B2C3", "04112233445566", "04112233445566778899"])
def test_listing_finds_uids_of_every_size(uid: str) -> None:
    item = Bench(uid=bytes.fromhex(uid))
    atqa = {4: "0004", 7: "0044", 10: "0084"}[len(uid) // 2]
    expected = f"0101{atqa}20{len(uid) // 2:02x}{uid.lower()}067880800280"
    assert item.run(0x4A, "0100") == expected
    assert item.card.power_ons == 1


def test_listing_a_wanted_uid_finds_no_other() -> None:
    item = Bench()
    item.run(0x32, "05FF0100")
    assert item.run(0x4A, "0100" + UID.hex(), 1.0) is not None
    assert item.run(0x4A, "0100" + "08FFFFFF", 1.0) == "00"


def test_listing_nobody_leaves_the_request_in_the_fifo() -> None:
    item = Bench(present=False)
    item.run(0x32, "05FF0101")
    assert item.run(0x4A, "0100", 1.0) == "00"
    assert item.run(0x06, "6339") == "26"


def test_listing_for_ever_waits_for_the_card_or_the_abort() -> None:
    item = Bench()
    item.picc.remove()
    assert item.run(0x4A, "0100", 0.05) is None
    item.picc.insert()
    assert str(item.run(0x4A, "0100", 1.0)).startswith("0101")


@pytest.mark.parametrize("modulation", ["01", "02", "03", "04"])
def test_other_technologies_find_nobody(modulation: str) -> None:
    item = Bench()
    item.run(0x32, "05FF0101")
    assert item.run(0x4A, f"01{modulation}00FFFF0000", 1.0) == "00"


def test_without_automatic_rats_the_host_sends_it() -> None:
    item = Bench()
    item.run(0x12, "04")
    assert item.run(0x4A, "0100") == "010100042004" + UID.hex()
    assert item.card.power_ons == 0
    assert item.run(0x42, "E080") == "00067880800280"
    assert item.run(0x42, "0280EC000001AA00") == "0002aa9000"


def test_auto_poll_names_the_type() -> None:
    item = Bench()
    expected = "0120"
    answer = item.run(0x60, "0102001020")
    assert answer is not None
    assert answer.startswith(expected)
    assert answer[6:].startswith("01000420")
    assert Bench(sak=0x08).run(0x60, "01021020") == "01100901000408" + "04" + UID.hex()
    assert Bench(present=False).run(0x60, "010120", 1.0) == "00"
    assert Bench(present=False).run(0x60, "FF0120", 0.03) is None


def echo(size: int, ins: int = INS_ECHO, p1: int = 0) -> bytes:
    data = bytes(index * 7 & 0xFF for index in range(size))
    return COMMAND_APDU.build(CommandApdu(0x80, ins, p1, 0, data, 65_536, extended=True))


def exchange(item: Bench, apdu: bytes, step: int = 262) -> bytes:
    """A C-APDU through InDataExchange, with MI both ways."""
    parts = [apdu[i : i + step] for i in range(0, len(apdu), step)]
    for part in parts[:-1]:
        assert item.run(0x40, "41" + part.hex()) == "00"
    answer = str(item.run(0x40, "01" + parts[-1].hex()))
    response = b""
    while answer.startswith("40"):
        response += bytes.fromhex(answer[2:])
        answer = str(item.run(0x40, "01"))
    assert answer[:2] == "00", f"status {answer[:2]}"
    return response + bytes.fromhex(answer[2:])


@pytest.mark.parametrize("fsci", [0, 2, 5, 8])
@pytest.mark.parametrize("size", [1, 61, 255, 262, 263, 4096])
def test_the_chips_own_block_protocol_carries_every_size(size: int, fsci: int) -> None:
    item = Bench(fsci=fsci)
    item.run(0x4A, "0100")
    assert exchange(item, echo(size)) == echo(size)[7:-2] + b"\x90\x00"
    assert item.card.commands == [echo(size)]


def test_the_chip_grants_time_extensions() -> None:
    item = Bench(wtx=True, fwi=4, wtxm=5)
    item.run(0x4A, "0100")
    assert exchange(item, echo(3, INS_SLOW_ECHO, 10)) == b"\x00\x07\x0e\x90\x00"


@pytest.mark.parametrize("nth", [3, 5])
@pytest.mark.parametrize("where", ["request", "answer"])
def test_the_chip_recovers_lost_blocks(where: str, nth: int) -> None:
    item = Bench(fsci=2)
    item.run(0x4A, "0100")
    seen: list[bytes] = []

    def lost(frame: bytes) -> bool:
        seen.append(frame)
        return len(seen) % nth == 0

    faults = item.chip.radio.faults
    if where == "request":
        faults.request = lambda frame: None if lost(frame) else frame
    else:
        faults.answer = lambda frame, answer: None if lost(frame) else answer
    assert exchange(item, echo(200)) == echo(200)[7:-2] + b"\x90\x00"
    assert len(item.card.commands) == 1, "a recovered command ran twice"


def test_silent_and_nonsensical_cards_have_their_status() -> None:
    item = Bench()
    item.run(0x4A, "0100")
    item.chip.radio.faults.answer = lambda frame, answer: b"\xff\xff"
    assert item.run(0x40, "010084000008") == "0b"
    item.chip.radio.faults.answer = lambda frame, answer: None
    assert item.run(0x40, "010084000008") == "01"
    assert item.run(0x00, "06") == "01"


def test_exchange_without_a_card_is_out_of_context() -> None:
    assert Bench().run(0x40, "0100") == "27"
    assert Bench().run(0x54, "01") == "27"
    assert Bench().run(0x50, "0100") == "27"
    assert Bench().run(0x56, "000000") == "01"


def test_deselect_select_release() -> None:
    item = Bench()
    item.run(0x4A, "0100")
    assert item.run(0x00, "06") == "00"
    assert item.run(0x44, "01") == "00"
    assert item.picc.state is State.HALT
    assert item.card.power_offs == 1
    assert item.run(0x54, "01") == "00"
    assert exchange(item, echo(5)) == echo(5)[7:-2] + b"\x90\x00"
    assert item.run(0x52, "01") == "00"
    assert item.run(0x40, "0100") == "27"


def test_power_down_takes_the_field_away() -> None:
    item = Bench()
    item.run(0x4A, "0100")
    item.run(0x16, "F0")
    assert item.picc.state is State.POWER_OFF
    assert item.card.power_offs == 1


def test_host_side_crc_is_checked_and_added() -> None:
    item = Bench()
    item.run(0x32, "0101")
    item.run(0x08, "630200 630300 633D07")
    assert item.run(0x42, "26") == "000400"
    item.run(0x08, "633D00")
    assert item.run(0x42, "9320") == "00" + UID.hex() + "d8"
    select = bytes.fromhex("937008A1B2C3D8")
    assert item.run(0x42, (select + b"\x00\x00").hex()) == "01", "wrong CRC: no answer"
    sak = b"\x20" + crc_a(b"\x20")
    assert item.run(0x42, (select + crc_a(select)).hex()) == "00" + sak.hex()


def test_late_answers_are_no_answers() -> None:
    item = Bench(fwi=0)
    item.run(0x12, "04")
    item.run(0x4A, "0100")
    item.run(0x42, "E080")
    item.run(0x32, "02000B01")
    slow = b"\x02" + echo(1, INS_SLOW_ECHO, 10)
    assert item.run(0x42, slow.hex()) == "01"


def test_another_card_before_the_antenna_is_another_card() -> None:
    item = Bench()
    item.run(0x4A, "0100")
    other = Bench(uid=bytes.fromhex("08DDEEFF"))
    item.chip.radio.peer = other.picc
    assert item.card.power_offs == 1
    assert "08ddeeff" in str(item.run(0x4A, "0100"))


def test_responses_longer_than_a_frame_are_fetched_in_parts() -> None:
    item = Bench()
    item.run(0x4A, "0100")
    count = COMMAND_APDU.build(CommandApdu(0x80, INS_COUNT, 4, 0, le=65_536, extended=True))
    first = str(item.run(0x40, "01" + count.hex()))
    assert first[:2] == "40" and len(first) == 2 * 263
