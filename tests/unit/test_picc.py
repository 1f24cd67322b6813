"""The contactless card engine, frame by frame."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import pytest

from firmware_sim.link.echo import EchoCard
from firmware_sim.link.picc import Picc, PiccConfig, State

ECHO = "02 80EC0000 01 AA"


def counting() -> Any:
    counter = itertools.count(1)
    return lambda size: next(counter).to_bytes(size, "big")


def picc_of(**config: Any) -> tuple[Picc, EchoCard]:
    card = EchoCard()
    picc = Picc(card, PiccConfig(**{"wtx": False, **config}), counting())
    picc.field(True)
    return picc, card


def send(picc: Picc, *frames: str) -> list[str | None]:
    answers = [picc.transceive(bytes.fromhex(frame)) for frame in frames]
    return [None if answer is None else answer.hex().upper() for answer in answers]


def bcc(text: str) -> str:
    value = 0
    for byte in bytes.fromhex(text):
        value ^= byte
    return f"{text}{value:02X}"


def activate(picc: Picc, rats: str = "E080") -> str | None:
    uid = bcc(picc.uid.hex().upper())
    *_, sak, ats = send(picc, "52", "9320", f"9370{uid}", rats)
    assert sak == f"{picc.config.sak:02X}"
    return ats


def state(picc: Picc) -> State:
    return picc.state


def test_the_whole_dialogue() -> None:
    picc, card = picc_of(fwi=9, ta=0x77, sfgi=1)
    assert send(picc, "26", "9320", "937008000001" + "09", "E080") == [
        "0400",
        "0800000109",
        "20",
        "067877910280",
    ]
    assert send(picc, ECHO, "B3", "C2") == ["02AA9000", "A2", "C2"]
    assert (card.power_ons, card.power_offs) == (1, 1)


def test_random_uid_changes_with_the_field_only() -> None:
    picc, _ = picc_of()
    first = picc.uid
    activate(picc)
    send(picc, "C2")
    assert picc.uid == first
    picc.field(False)
    picc.field(True)
    assert picc.uid == bytes.fromhex("08000002") != first


def test_seven_and_ten_byte_uid() -> None:
    picc, _ = picc_of(uid=bytes.fromhex("04112233445566"))
    level1, level2 = bcc("88041122"), bcc("33445566")
    assert send(picc, "26", "9320", f"9370{level1}") == ["4400", level1, "04"]
    assert send(picc, "9520", f"9570{level2}", "E080")[:2] == [level2, "20"]
    picc, _ = picc_of(uid=bytes.fromhex("04112233445566778899"))
    level2, level3 = bcc("88334455"), bcc("66778899")
    assert send(picc, "26", f"9370{level1}", "9520", f"9570{level2}") == [
        "8400",
        "04",
        level2,
        "04",
    ]
    assert send(picc, "9720", f"9770{level3}") == [level3, "20"]


def test_anticollision_with_a_known_prefix() -> None:
    picc, _ = picc_of()
    assert send(picc, "26", "93400800") == ["0400", "000109"]
    assert send(picc, "93400801", "9320") == [None, None], "another card was meant"


@pytest.mark.parametrize("wrong", ["26", "52", "937008000002" + "0A", "9520", "5000", "E080", "00"])
def test_an_error_in_ready_returns_to_idle(wrong: str) -> None:
    picc, _ = picc_of()
    send(picc, "26")
    assert send(picc, wrong) == [None]
    assert state(picc) is State.IDLE
    assert send(picc, "26") == ["0400"]


def test_halted_card_hears_wupa_only_and_errors_halt_it_again() -> None:
    picc, _ = picc_of()
    uid = bcc(picc.uid.hex().upper())
    send(picc, "26", f"9370{uid}")
    assert state(picc) is State.ACTIVE
    assert send(picc, "5000", "26") == [None, None]
    assert state(picc) is State.HALT
    assert send(picc, "52", "00") == ["0400", None]
    assert state(picc) is State.HALT, "READY* must fall back to HALT"
    assert send(picc, "26") == [None]
    send(picc, "52", f"9370{uid}", "3000")
    assert state(picc) is State.HALT, "ACTIVE* must fall back to HALT"


def test_deselected_card_is_halted_and_starts_anew() -> None:
    picc, card = picc_of()
    activate(picc)
    assert send(picc, "C2", "26", ECHO) == ["C2", None, None]
    assert activate(picc) == "067880800280"
    assert (card.power_ons, card.power_offs) == (2, 1)


def test_field_loss_powers_off_exactly_once() -> None:
    picc, card = picc_of()
    picc.field(False)
    picc.field(True)
    assert card.power_offs == 0, "a card that was never on cannot lose power"
    activate(picc)
    picc.field(False)
    picc.field(False)
    picc.remove()
    assert card.power_offs == 1
    assert send(picc, "26") == [None]


def test_polling_in_protocol_is_not_answered() -> None:
    picc, _ = picc_of()
    activate(picc)
    assert send(picc, "26", "52", "E080", ECHO) == [None, None, None, "02AA9000"]


def test_pps() -> None:
    picc, _ = picc_of(ta=0x11)
    activate(picc)
    assert send(picc, "D01105", "D01105", ECHO) == ["D0", None, "02AA9000"]
    picc, _ = picc_of()
    activate(picc, "E083")
    assert send(picc, "D01100", "D31105", "D31100") == [None, None, "D3"]
    picc, _ = picc_of()
    activate(picc)
    assert send(picc, ECHO, "D01100") == ["02AA9000", None], "PPS only right after the ATS"


def test_same_divisor_both_ways_when_the_card_says_so() -> None:
    picc, _ = picc_of(ta=0xB3)
    activate(picc)
    assert send(picc, "D01104", "D01109", "D01105") == [None, None, "D0"]


def test_ats_that_does_not_fit_goes_without_historical_bytes() -> None:
    card = EchoCard(bytes(range(15)))
    picc = Picc(card, PiccConfig(wtx=False), counting())
    picc.field(True)
    assert activate(picc, "E000") == "0578808002"
    picc.field(False)
    picc.field(True)
    assert activate(picc, "E010") == "1478808002" + bytes(range(15)).hex().upper()


def test_without_cid() -> None:
    picc, _ = picc_of(cid=False)
    assert activate(picc, "E085") == "067880800080"
    assert send(picc, "0A05 80EC0000 01 AA", ECHO) == [None, "02AA9000"]


@pytest.mark.parametrize("wtx", [False, True])
def test_torn_card(wtx: bool) -> None:
    picc, card = picc_of(wtx=wtx)
    activate(picc)
    card.failure = ConnectionError("gone")
    assert send(picc, ECHO, "B2", "C2", "52") == [None] * 4
    picc.field(False)
    assert card.power_offs == 1
    picc.field(True)
    assert send(picc, "26", "26") == [None, "0400"], "one look finds nobody, the next one does"
    picc.field(False)
    picc.field(True)
    assert activate(picc) == "067880800280"


@pytest.mark.parametrize("wtx", [False, True])
def test_mute_card(wtx: bool) -> None:
    picc, card = picc_of(wtx=wtx)
    activate(picc)
    card.failure = TimeoutError("mute")
    assert send(picc, ECHO, "B2", "C2") == [None, None, "C2"]
    assert activate(picc) == "067880800280"
    assert send(picc, ECHO) == ["02AA9000"]


@pytest.mark.parametrize("wtx", [False, True])
def test_a_defect_of_the_card_is_not_hidden(wtx: bool) -> None:
    picc, card = picc_of(wtx=wtx)
    activate(picc)
    card.transmit = lambda command: 1 / 0  # type: ignore[assignment, method-assign, return-value]
    with pytest.raises(ZeroDivisionError):
        send(picc, ECHO)


def test_time_is_asked_for_before_fwt_ends() -> None:
    picc, card = picc_of(wtx=True, fwi=6, wtxm=3)
    fwt = 0.0193
    release = threading.Event()
    card.transmit = lambda command: release.wait(5) and b"\x90\x00"  # type: ignore[assignment, method-assign, return-value]
    activate(picc)
    started = time.monotonic()
    assert send(picc, ECHO) == ["F203"]
    assert time.monotonic() - started < fwt
    started = time.monotonic()
    assert send(picc, "F203") == ["F203"]
    assert time.monotonic() - started < 3 * fwt
    threading.Timer(0.005, release.set).start()
    assert send(picc, "F203") == ["029000"]


def test_field_lost_while_the_card_works() -> None:
    """The card finishes alone, is powered off after it, and is never entered twice at once."""
    picc, card = picc_of(wtx=True, fwi=2)
    inside: list[str] = []
    release = threading.Event()

    def work(command: bytes) -> bytes:
        inside.append("in")
        release.wait(5)
        inside.append("out")
        return b"\x90\x00"

    card.transmit = work  # type: ignore[method-assign]
    activate(picc)
    assert send(picc, ECHO) == ["F20A"]
    picc.field(False)
    assert card.power_offs == 0, "power must not be cut from under a running command"
    release.set()
    deadline = time.monotonic() + 2
    while not card.power_offs and time.monotonic() < deadline:
        time.sleep(0.001)
    assert (inside, card.power_offs) == (["in", "out"], 1)
    picc.field(True)
    assert activate(picc) == "067880200280"


def test_card_that_still_works_is_not_powered_on_again() -> None:
    picc, card = picc_of(wtx=True, fwi=2)
    release = threading.Event()
    card.transmit = lambda command: release.wait(5) and b"\x90\x00"  # type: ignore[assignment, method-assign, return-value]
    activate(picc)
    assert send(picc, ECHO) == ["F20A"]
    picc.field(False)
    picc.field(True)
    assert activate(picc) is None
    assert card.power_ons == 1, "the card was entered while its last command ran"
    release.set()
    time.sleep(0.05)
    assert activate(picc) == "067880200280"
    assert card.powered


def test_no_thread_is_left_behind() -> None:
    picc, _ = picc_of(wtx=True)
    before = threading.active_count()
    for _ in range(5):
        activate(picc)
        assert send(picc, ECHO, "C2") == ["02AA9000", "C2"]
    time.sleep(0.05)
    assert threading.active_count() <= before


def test_filters_see_and_change_what_is_sent() -> None:
    heard: list[tuple[bytes, bytes | None]] = []

    def spy(request: bytes, answer: bytes | None) -> bytes | None:
        heard.append((request, answer))
        return b"\xff" if request == b"\x26" else answer

    picc, _ = picc_of(frame_filter=spy, request_filter=lambda r: None if r == b"\x52" else r)
    assert send(picc, "52", "26") == [None, "FF"]
    assert heard == [(b"\x52", None), (b"\x26", b"\x04\x00")]


def test_removed_card_returns() -> None:
    picc, _ = picc_of()
    activate(picc)
    picc.remove()
    assert send(picc, "26", "52", ECHO) == [None] * 3
    picc.insert()
    assert activate(picc) == "067880800280"


@pytest.mark.parametrize(
    "config",
    [{"fwi": 15}, {"fsci": 13}, {"wtxm": 0}, {"wtxm": 60}, {"uid": bytes(5)}, {"sak": 256}],
)
def test_impossible_configuration(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"outside|UID"):
        PiccConfig(**config)
