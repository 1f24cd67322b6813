"""Opposition, suspension, rights, receipts: what the fund says of a card over time."""

from __future__ import annotations

import datetime
import itertools
import json

import pytest
from phone_world import DAY, START, World

from card_formats.data_objects import COVER, FILE_SIGNATURE, IDENTITY, RIGHTS, file_signature_input
from card_formats.opposition_list import OPPOSITION_LIST, Status
from card_formats.profile_ecv_sim_1 import EntryKind, Fid
from firmware_sim.fund import pki
from firmware_sim.fund.errors import FundRefusal
from firmware_sim.fund.opposition import SIZE
from firmware_sim.fund.records import ReceiptOutcome
from firmware_sim.phone.errors import PhoneRefusal
from firmware_sim.phone.phone import Phone


def status(world: World, phone: Phone, entry: int = 1) -> Status:
    claims = OPPOSITION_LIST.parse(world.fund.opposition_list()).claims
    return claims.status(phone.entry(entry).status_index)


def test_list_is_signed_dated_and_of_constant_length() -> None:
    world = World()
    before = OPPOSITION_LIST.parse(world.fund.opposition_list())
    phone = world.enrol()
    world.now += 10
    world.fund.report_lost(phone.serial)
    after = OPPOSITION_LIST.parse(world.fund.opposition_list())
    key = world.fund.keys.opposition
    assert pki.is_signed(key.point, after.signing_input, after.signature)
    assert after.claims.key_id == key.id.hex()
    assert after.claims.issued_at == START + 10
    assert after.claims.expires_at == START + 10 + 7 * DAY
    assert after.claims.ttl == DAY
    assert len(before.claims.statuses) == len(after.claims.statuses) == SIZE // 4


def test_ttl_and_lifetime_can_be_set() -> None:
    world = World()
    world.fund.opposition_ttl = 60
    world.fund.opposition_lifetime = 600
    claims = OPPOSITION_LIST.parse(world.fund.opposition_list()).claims
    assert (claims.ttl, claims.expires_at - claims.issued_at) == (60, 600)


def test_lost_phone_takes_its_dependants_along() -> None:
    world = World()
    phone, other = world.enrol("amelie"), world.enrol("bastien")
    world.fund.report_lost(phone.serial)
    assert {status(world, phone, entry) for entry in (1, 2, 3, 4)} == {Status.OPPOSED}
    assert status(world, other) is Status.VALID
    # Chloé is on both parents' cards: that on the other parent's phone still serves.
    assert {status(world, other, entry) for entry in other.state.card.entries} == {Status.VALID}


def test_one_dependants_card_can_be_opposed_alone() -> None:
    world = World()
    phone = world.enrol()
    world.fund.report_lost(phone.entry(2).serial)
    assert status(world, phone, 2) is Status.OPPOSED
    assert status(world, phone) is Status.VALID


def test_suspension_is_lifted_and_opposition_is_not() -> None:
    world = World()
    phone = world.enrol()
    world.fund.suspend(phone.serial)
    assert status(world, phone) is Status.SUSPENDED
    world.fund.reinstate(phone.serial)
    assert status(world, phone) is Status.VALID
    world.fund.report_lost(phone.serial)
    world.fund.suspend(phone.serial)
    assert status(world, phone) is Status.OPPOSED
    with pytest.raises(FundRefusal) as refused:
        world.fund.reinstate(phone.serial)
    assert refused.value.reason == "opposed_for_good"
    assert status(world, phone) is Status.OPPOSED


def test_a_new_phone_ends_the_old_one() -> None:
    world = World()
    old = world.enrol()
    new = world.enrol()
    assert status(world, old) is Status.OPPOSED
    assert status(world, new) is Status.VALID
    assert old.serial != new.serial


def test_places_are_unique_and_far_apart() -> None:
    world = World()
    places = [
        entry.status_index
        for person in ("amelie", "bastien", "fatou", "karim")
        for entry in world.enrol(person).state.card.entries.values()
    ]
    assert len(set(places)) == len(places) >= 9
    assert min(abs(a - b) for a, b in itertools.pairwise(places)) > 1


@pytest.mark.parametrize("act", ["report_lost", "suspend", "reinstate", "unblocking_code"])
def test_unknown_serial_is_refused(act: str) -> None:
    with pytest.raises(FundRefusal) as refused:
        getattr(World().fund, act)(bytes(8))
    assert refused.value.reason == "unknown_card"


# --- people and what is signed of them ---


def test_files_are_signed_and_say_what_the_register_says() -> None:
    world = World()
    phone = world.enrol("bastien")
    people = world.fund.people()
    for entry, key in zip(
        phone.state.card.entries.values(), ("bastien", "chloe", "odette"), strict=True
    ):
        person = people[key]
        identity = IDENTITY.parse(entry.files[Fid.IDENTITY])
        assert (identity.surname, identity.ins) == (person.surname, person.ins)
        assert identity.serial == entry.serial
        assert identity.organisation == people["bastien"].organisation
        signature = FILE_SIGNATURE.parse(entry.files[Fid.SIGNATURE])
        assert signature.serial == entry.serial
        point = world.fund.keys.data.point
        assert pki.is_signed(point, file_signature_input(signature), signature.signature)
        assert RIGHTS.parse(entry.files[Fid.RIGHTS]).periods == person.rights
        assert COVER.parse(entry.files[Fid.COVER]).mutuals == person.mutuals
        assert entry.kind is (EntryKind.OWN if key == "bastien" else EntryKind.DEPENDANT)


def test_files_hold_no_birth_date() -> None:
    world = World()
    phone = world.enrol("noor")
    content = b"".join(phone.entry(1).files.values())
    for part in (b"1956-02-30", b"19560230", bytes.fromhex("19560230")):
        assert part not in content


def test_rights_end_and_come_back_with_updates() -> None:
    world = World()
    phone = world.enrol("bastien")
    world.fund.end_rights(phone.serial, datetime.date(2026, 6, 30))
    assert RIGHTS.parse(phone.entry(1).files[Fid.RIGHTS]).periods[-1].valid_until.year == 2027
    phone.update()
    periods = RIGHTS.parse(phone.entry(1).files[Fid.RIGHTS]).periods
    assert periods[-1].valid_until == datetime.date(2026, 6, 30)
    world.fund.end_rights(phone.serial, datetime.date(2025, 6, 30))
    phone.update()
    assert len(RIGHTS.parse(phone.entry(1).files[Fid.RIGHTS]).periods) == 1
    world.fund.set_rights(phone.serial, periods)
    world.fund.set_mutuals(phone.serial, [])
    phone.update()
    assert RIGHTS.parse(phone.entry(1).files[Fid.RIGHTS]).periods == periods
    assert COVER.parse(phone.entry(1).files[Fid.COVER]).mutuals == ()


@pytest.mark.parametrize(
    ("person", "reason"),
    [("chloe", "no_own_card"), ("nobody", "unknown_person")],
)
def test_not_everyone_can_enrol(person: str, reason: str) -> None:
    with pytest.raises(PhoneRefusal) as refused:
        World().enrol(person)
    assert refused.value.reason == reason


def test_expired_card_was_valid_once() -> None:
    world = World()
    phone = world.enrol(valid_until=datetime.date(2026, 1, 31))
    identity = IDENTITY.parse(phone.entry(1).files[Fid.IDENTITY])
    assert identity.valid_from == datetime.date(2023, 2, 1)
    assert identity.valid_until == datetime.date(2026, 1, 31)


def test_absurd_validity_is_refused() -> None:
    with pytest.raises(PhoneRefusal) as refused:
        World().enrol(valid_until=datetime.date(2126, 1, 1))
    assert refused.value.reason == "validity"


# --- receipts ---


def test_receipts_are_shown_for_seven_days() -> None:
    world = World()
    phone = world.enrol()
    first = world.fund.record_receipt(
        phone.serial, "10001234567", ReceiptOutcome.REIMBURSED, [("Consultation", 3000)]
    )
    world.now += 3 * DAY
    second = world.fund.record_receipt(phone.entry(2).serial, "10001234567")
    assert world.fund.receipts(phone.serial) == [first]
    phone.update()
    assert phone.last_seven_days() == [second, first]
    world.now += 4 * DAY + 1
    assert phone.last_seven_days() == [second]
    assert world.fund.receipts(phone.serial) == []
    assert world.fund.receipts(phone.serial, days=30) == [first]


def test_receipts_never_reach_the_card() -> None:
    world = World()
    phone = world.enrol()
    world.fund.record_receipt(phone.serial, "10001234567", lines=[("Amoxicilline", 420)])
    phone.update()
    assert "Amoxicilline" in json.dumps(phone.state.to_json()["receipts"])
    assert "Amoxicilline" not in json.dumps(phone.state.to_json()["card"])
