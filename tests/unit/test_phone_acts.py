"""What a holder does with a phone, and what the phone remembers of it."""

from __future__ import annotations

import datetime
import threading
from pathlib import Path
from typing import Any

import pytest
from phone_world import CODE, DAY, START, WRONG, World

from card_formats.profile_ecv_sim_1 import ECV_SIM_1, EntryKind, LifeCycle, RefusalReason, Role
from firmware_sim.card.delegation import Delegation
from firmware_sim.fund.records import GivenGrant
from firmware_sim.json_codec import CodecError, from_json, to_json
from firmware_sim.phone.errors import PhoneRefusal
from firmware_sim.phone.phone import Phone
from firmware_sim.phone.state import PhoneState
from firmware_sim.phone.store import FileStore, MemoryStore

SELECT = b"\x00\xa4\x04\x00\x08" + ECV_SIM_1.aid + b"\x00"


def refusal(act: Any, *args: Any, **options: Any) -> str:
    with pytest.raises(PhoneRefusal) as refused:
        act(*args, **options)
    assert str(refused.value)
    return refused.value.reason


def select(phone: Phone) -> int:
    phone.card.power_on()
    answer = phone.card.transmit(SELECT)
    phone.card.power_off()
    return int.from_bytes(answer[-2:], "big")


# --- enrolment ---


def test_enrolled_phone_holds_family_keys_and_pools() -> None:
    phone = World().enrol()
    card = phone.state.card
    assert [entry.kind for entry in card.entries.values()] == [EntryKind.OWN] + [
        EntryKind.DEPENDANT
    ] * 3
    assert card.entries[1].serial == phone.serial == card.serial
    assert len(card.agreement_keys) == ECV_SIM_1.key_pool_size
    assert (card.tries_left, card.unblocks_left) == (3, 10)
    assert card.valid_until == datetime.date(2029, 11, 22)
    assert select(phone) == 0x9000


@pytest.mark.parametrize("code", ["", "123", "123456789", "12345a", "１２３４"])
def test_code_must_be_a_code(code: str) -> None:
    world = World()
    assert refusal(world.enrol, code=code) == "code_format"
    assert world.fund.store.execute("SELECT count(*) FROM phones") == [(0,)]


@pytest.mark.parametrize("code", ["1234", "12345678"])
def test_code_has_four_to_eight_digits(code: str) -> None:
    assert World().enrol(code=code).enter_code(code).ok


def test_a_store_holds_one_phone() -> None:
    world = World()
    store = MemoryStore()
    world.enrol(store=store)
    with pytest.raises(Exception, match="holds a phone already"):
        world.enrol("karim", store=store)


# --- lock and code ---


def test_locked_phone_answers_as_locked() -> None:
    world = World()
    phone = world.enrol()
    phone.lock()
    assert select(phone) == 0x6985
    assert "locked" in phone.screen
    assert refusal(phone.enter_code, CODE) == "locked"
    assert refusal(phone.delegate, bytes(8), 0, 1) == "locked"
    assert world.reload(phone).screen_locked
    phone.unlock()
    assert select(phone) == 0x9000


def test_typed_code_serves_once_within_a_minute() -> None:
    world = World()
    phone = world.enrol()
    assert not phone.take_typed_code()
    for wait, serves in ((59.9, True), (60, False), (-1, False)):
        assert phone.enter_code(CODE).ok
        world.now += wait
        assert phone.take_typed_code() is serves
        assert not phone.take_typed_code()


def test_typed_code_is_forgotten_by_lock_wrong_code_and_restart() -> None:
    world = World()
    phone = world.enrol()
    phone.enter_code(CODE)
    assert not world.reload(phone).take_typed_code()
    phone.lock()
    phone.unlock()
    assert not phone.take_typed_code()
    phone.enter_code(CODE)
    phone.enter_code(WRONG)
    assert not phone.take_typed_code()


def test_typed_tries_are_the_cards_and_on_disk() -> None:
    world = World()
    phone = world.enrol()
    assert phone.enter_code(WRONG).tries_left == 2
    assert world.reload(phone).state.card.tries_left == 2
    assert phone.card.code.tries_left == 2
    phone.enter_code(WRONG)
    assert phone.enter_code(WRONG).blocked
    assert phone.enter_code(CODE) == phone.enter_code(WRONG)
    assert not phone.enter_code(CODE).ok
    assert refusal(phone.enter_code, "1") == "code_format"


def test_try_is_spent_before_the_comparison() -> None:
    world = World()
    phone = world.enrol()

    def tear(given: str, expected: str) -> bool:
        raise RuntimeError("the power failed")

    phone.code.matches = tear  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="power"):
        phone.enter_code(CODE)
    assert world.reload(phone).state.card.tries_left == 2


def test_code_is_changed_and_unblocked() -> None:
    world = World()
    phone = world.enrol()
    assert not phone.change_code(WRONG, "246801").ok
    assert phone.change_code(CODE, "246801").ok
    assert refusal(phone.change_code, "246801", "1") == "code_format"
    for _ in range(3):
        phone.enter_code(CODE)
    letter = world.fund.unblocking_code(phone.serial)
    assert len(letter) == 8
    assert not phone.unblock_code("00000000" if letter != "00000000" else "1" * 8, CODE).ok
    assert phone.unblock_code(letter, CODE).ok
    assert world.reload(phone).enter_code(CODE).ok
    assert phone.state.card.unblocks_left == 8


def test_screen_says_what_is_expected() -> None:
    world = World()
    phone = world.enrol(code_on_phone=True)
    assert phone.screen.startswith("TEST · e-carte of Amélie Zoé")
    phone.ask_for_code()
    assert phone.screen == "TEST · enter your code"
    phone.enter_code(CODE)
    assert "hold the phone to the reader" in phone.screen
    phone.show_qr(CODE)
    world.now += 20
    assert phone.screen == "TEST · QR code, 100 s left"
    world.now += 100
    assert "Amélie" in phone.screen
    world.now += 4 * 365 * DAY
    assert "expired" in phone.screen


def test_code_on_phone_is_a_setting() -> None:
    world = World()
    phone = world.enrol()
    assert not phone.code_on_phone
    phone.set_code_on_phone(True)
    assert world.reload(phone).code_on_phone


# --- opposition ---


def test_lost_phone_learns_of_it_at_its_next_update() -> None:
    world = World()
    phone = world.enrol()
    phone.report_lost()
    assert select(phone) == 0x9000
    phone.update()
    assert phone.state.card.life_cycle is LifeCycle.OPPOSED
    assert select(phone) == 0x6285
    assert world.reload(phone).state.card.life_cycle is LifeCycle.OPPOSED
    assert "opposed" in phone.screen


def test_suspended_phone_gets_no_new_keys() -> None:
    world = World()
    phone = world.enrol()
    for key in phone.state.card.agreement_keys[:5]:
        key.used = True
    phone.show_qr(CODE)
    world.fund.suspend(phone.serial)
    phone.update()
    assert select(phone) == 0x6283
    assert "suspended" in phone.screen
    assert sum(not key.used for key in phone.state.card.agreement_keys) == 11
    assert len(phone.state.extras[1].pseudonyms) == 31
    world.fund.reinstate(phone.serial)
    phone.update()
    assert [key.used for key in phone.state.card.agreement_keys] == [False] * 16
    assert len(phone.state.extras[1].pseudonyms) == 32
    assert select(phone) == 0x9000


def test_without_network_nothing_of_the_fund() -> None:
    world = World()
    phone = world.enrol()
    phone.fund = None
    for act in (phone.update, phone.report_lost):
        assert refusal(act) == "no_network"
    assert refusal(phone.delegate, bytes(8), START, START + 1) == "no_network"
    assert refusal(phone.take_back, bytes(8)) == "no_network"
    phone.show_qr(CODE)


# --- delegation ---


def test_delegated_card_arrives_and_leaves() -> None:
    world = World()
    giver, taker = world.enrol("amelie"), world.enrol("karim")
    grant = giver.delegate(
        taker.serial, world.now, world.now + DAY, entries=(1, 3), roles=[Role.PHARMACIST]
    )
    assert sorted(taker.state.card.entries) == [1]
    taker.update()
    assert sorted(taker.state.card.entries) == [1, 2, 3]
    entry = taker.entry(3)
    assert entry.kind is EntryKind.DELEGATED
    assert entry.serial == giver.entry(3).serial
    assert entry.valid_until == datetime.date(2026, 11, 24)
    assert entry.files == giver.entry(3).files
    assert grant.roles == 1 << Role.PHARMACIST
    taker.show_qr(CODE, entry=3)
    world.now += 6 * DAY
    assert refusal(taker.show_qr, CODE, entry=3) == "delegation_expired"
    taker.update()
    assert 3 in taker.state.card.entries
    world.now += 3 * DAY
    taker.update()
    assert sorted(taker.state.card.entries) == [1]
    assert sorted(taker.state.extras) == [1]


def test_entries_keep_their_numbers_and_logs() -> None:
    world = World()
    taker = world.enrol("karim")
    for person, days in (("amelie", 1), ("irene", 20)):
        world.delegate(world.enrol(person), taker, days)
    taker.show_qr(CODE, entry=3)
    log = taker.entry(3).usage_log
    serial = taker.entry(3).serial
    world.now += 9 * DAY
    taker.update()
    assert sorted(taker.state.card.entries) == [1, 3]
    assert (taker.entry(3).serial, taker.entry(3).usage_log) == (serial, log)
    world.delegate(world.enrol("fatou"), taker)
    assert sorted(taker.state.card.entries) == [1, 2, 3]


@pytest.mark.parametrize("who", ["giver", "taker"])
def test_taken_back_by_either(who: str) -> None:
    world = World()
    giver, taker = world.enrol("amelie"), world.enrol("karim")
    grant = world.delegate(giver, taker)
    taker.show_qr(CODE, entry=2)
    (giver if who == "giver" else taker).take_back(grant.grant_id)
    taker.update()
    giver.update()
    assert refusal(taker.show_qr, CODE, entry=2) == "delegation_revoked"
    reason = Delegation(world.clock).refusal(taker.entry(2), Role.PHARMACIST)
    assert reason is RefusalReason.DELEGATION_REVOKED
    assert [given.revoked for given in giver.state.given] == [True]
    assert [given.revoked for given in world.reload(giver).state.given] == [True]


def test_taken_back_by_the_delegate_ends_at_once() -> None:
    world = World()
    giver, taker = world.enrol("amelie"), world.enrol("karim")
    grant = world.delegate(giver, taker)
    taker.take_back(grant.grant_id)
    assert refusal(taker.show_qr, CODE, entry=2) == "delegation_revoked"


def test_refusals_of_the_fund_reach_the_holder() -> None:
    world = World()
    giver, taker = world.enrol("amelie"), world.enrol("karim")
    give = giver.delegate
    until = world.now + DAY
    assert refusal(give, taker.serial, world.now, world.now + 31 * DAY) == "too_long"
    assert refusal(give, bytes(8), world.now, until) == "delegate_not_enrolled"
    assert refusal(give, giver.serial, world.now, until) == "same_person"
    assert refusal(give, taker.serial, world.now, until, entries=(7,)) == "unknown_entry"
    assert refusal(taker.take_back, bytes(8)) == "unknown_grant"
    world.delegate(giver, taker)
    irene = world.enrol("irene")
    onward = refusal(taker.delegate, irene.serial, world.now, until, entries=(2,))
    assert onward == "not_transitive"
    assert len(giver.state.given) == 1


def test_grant_given_before_a_crash_comes_back_with_an_update() -> None:
    world = World()
    giver, taker = world.enrol("amelie"), world.enrol("karim")

    def tear(point: str) -> None:
        raise RuntimeError("the power failed")

    assert isinstance(giver.store, MemoryStore)
    giver.store.step = tear
    with pytest.raises(RuntimeError, match="power"):
        world.delegate(giver, taker)
    giver.store.step = lambda point: None
    again = world.reload(giver)
    assert again.state.given == []
    again.update()
    assert [given.revoked for given in again.state.given] == [False]


def test_lost_delegator_ends_the_delegates_entry() -> None:
    world = World()
    giver, taker = world.enrol("amelie"), world.enrol("karim")
    world.delegate(giver, taker)
    giver.report_lost()
    taker.update()
    assert refusal(taker.show_qr, CODE, entry=2) == "delegation_revoked"


def test_delegation_ends_with_the_delegators_card() -> None:
    world = World()
    giver = world.enrol("amelie", valid_until=datetime.date(2026, 11, 25))
    taker = world.enrol("karim")
    world.delegate(giver, taker, days=10)
    assert taker.entry(2).valid_until == datetime.date(2026, 11, 25)
    world.now += 2 * DAY
    taker.show_qr(CODE, entry=2)
    world.now += DAY / 2
    assert refusal(taker.show_qr, CODE, entry=2) == "delegation_expired"


# --- state ---


def test_state_survives_json() -> None:
    world = World()
    giver, taker = world.enrol("amelie"), world.enrol("karim")
    world.delegate(giver, taker)
    taker.show_qr(CODE, entry=2)
    world.fund.record_receipt(giver.serial, "10001234567", lines=[("Consultation", 3000)])
    giver.update()
    for phone in (giver, taker):
        assert PhoneState.from_json(phone.state.to_json()) == phone.state
        assert world.reload(phone).state == phone.state


def test_codec_names_what_is_wrong() -> None:
    good = to_json(GivenGrant(b"\x01\x02", False))
    assert good == {"grant": "0102", "revoked": False}
    for bad, field in (
        ({**good, "revoked": 0}, "revoked"),
        ({**good, "grant": "0g"}, "grant"),
        ({**good, "more": 1}, "more"),
        ({"grant": ""}, "revoked"),
        ([], "dict"),
    ):
        with pytest.raises(CodecError, match=field):
            from_json(GivenGrant, bad)


def test_link_and_holder_may_act_at_once(tmp_path: Path) -> None:
    world = World()
    phone = world.enrol(store=FileStore(tmp_path / "phone.json"))
    failures = []

    def taps() -> None:
        try:
            for _ in range(30):
                phone.card.power_on()
                phone.card.transmit(SELECT)
                phone.card.transmit(bytes.fromhex("80CABF2100"))
                phone.card.power_off()
        except Exception as error:
            failures.append(error)

    link = threading.Thread(target=taps)
    link.start()
    for _ in range(30):
        phone.update()
        phone.lock()
        phone.unlock()
    link.join()
    assert failures == []
    assert world.reload(phone).state == phone.state
    phone.close()
