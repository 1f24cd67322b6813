"""When the fund countersigns a delegation, and when not (profile 7.1)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from phone_world import DAY, World

from card_formats.grant import ALL_ROLES, GRANT, DelegationGrant, delegator_input, fund_input
from card_formats.opposition_list import OPPOSITION_LIST, Status
from card_formats.profile_ecv_sim_1 import Marker
from firmware_sim.fund import pki
from firmware_sim.fund.errors import FundRefusal
from firmware_sim.phone.phone import Phone


class Case(World):
    """Amélie, who gives, and Karim, who takes."""

    def __init__(self) -> None:
        super().__init__()
        self.giver = self.enrol("amelie")
        self.taker = self.enrol("karim")

    def grant(self, signer: Phone | None = None, **changes: Any) -> bytes:
        now = int(self.now)
        unsigned = DelegationGrant(
            grant_id=self.random_bytes(8),
            delegator=self.giver.serial,
            delegate=self.taker.serial,
            valid_from=now,
            valid_until=now + 7 * DAY,
            issued_at=now,
            entries=(self.giver.serial,),
            roles=ALL_ROLES,
            status_index=0,
            delegator_signature=bytes(64),
            fund_key_id=bytes(8),
            fund_signature=bytes(64),
        )
        unsigned = dataclasses.replace(unsigned, **changes)
        scalar = (signer or self.giver).state.card.signing_scalar
        signature = pki.sign(pki.private_key(scalar), delegator_input(unsigned))
        return GRANT.build(dataclasses.replace(unsigned, delegator_signature=signature))

    def refusal(self, grant: bytes) -> str:
        with pytest.raises(FundRefusal) as refused:
            self.fund.countersign(grant)
        assert str(refused.value)
        return refused.value.reason


def test_good_grant_is_placed_and_signed() -> None:
    case = Case()
    asked = case.grant()
    signed = GRANT.parse(case.fund.countersign(asked))
    key = case.fund.keys.data
    assert signed.fund_key_id == key.id
    assert pki.is_signed(key.point, fund_input(signed), signed.fund_signature)
    assert pki.is_signed(
        case.fund.cards.signing_point(case.giver.serial),
        delegator_input(signed),
        signed.delegator_signature,
    )
    assert case.fund.opposition.status(signed.status_index) is Status.VALID
    assert signed.grant_id == GRANT.parse(asked).grant_id


def test_thirty_days_to_the_second_are_allowed() -> None:
    case = Case()
    case.fund.countersign(case.grant(valid_until=int(case.now) + 30 * DAY))


def test_dependants_may_be_covered() -> None:
    case = Case()
    serials = tuple(entry.serial for entry in case.giver.state.card.entries.values())
    assert len(serials) == 4
    case.fund.countersign(case.grant(entries=serials))


def test_start_may_be_as_early_as_the_skew() -> None:
    case = Case()
    case.fund.countersign(case.grant(valid_from=int(case.now) - 30))


REFUSED: dict[str, tuple[str, Callable[[Case], bytes]]] = {
    "31 days": ("too_long", lambda c: c.grant(valid_until=int(c.now) + 31 * DAY)),
    "one second more": ("too_long", lambda c: c.grant(valid_until=int(c.now) + 30 * DAY + 1)),
    "no time": ("no_span", lambda c: c.grant(valid_until=int(c.now))),
    "backwards": ("no_span", lambda c: c.grant(valid_until=int(c.now) - DAY)),
    "early": ("starts_before_issue", lambda c: c.grant(valid_from=int(c.now) - 31)),
    "issued later": (
        "issued_in_future",
        lambda c: c.grant(issued_at=int(c.now) + 60, valid_from=int(c.now) + 60),
    ),
    "over": (
        "already_over",
        lambda c: c.grant(
            issued_at=int(c.now) - DAY, valid_from=int(c.now) - DAY, valid_until=int(c.now) - 1
        ),
    ),
    "other signer": ("bad_signature", lambda c: c.grant(signer=c.taker)),
    "unknown delegator": ("delegator_not_enrolled", lambda c: c.grant(delegator=bytes(8))),
    "dependant as delegator": (
        "delegator_not_enrolled",
        lambda c: c.grant(delegator=c.giver.entry(2).serial),
    ),
    "unknown delegate": ("delegate_not_enrolled", lambda c: c.grant(delegate=bytes(8))),
    "a child's card as delegate": (
        "delegate_not_enrolled",
        lambda c: c.grant(delegate=c.enrol("bastien").entry(2).serial),
    ),
    "oneself": ("same_person", lambda c: c.grant(delegate=c.giver.serial)),
    "somebody else's card": (
        "not_own_entry",
        lambda c: c.grant(entries=(c.enrol("irene").serial,)),
    ),
    "no card": ("not_own_entry", lambda c: c.grant(entries=(bytes(8),))),
    "twice the same": (
        "not_own_entry",
        lambda c: c.grant(entries=(c.giver.serial, c.giver.serial)),
    ),
    "not a grant": ("bad_format", lambda c: c.grant()[:-1]),
    "trailing": ("bad_format", lambda c: c.grant() + b"\0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    reason, make = REFUSED[name]
    case = Case()
    assert case.refusal(make(case)) == reason
    assert case.fund.store.execute("SELECT count(*) FROM grants") == [(0,)]


def test_child_of_both_parents_cannot_be_given_by_the_other_card() -> None:
    case = Case()
    bastien = case.enrol("bastien")
    chloe = next(e for e in bastien.state.card.entries.values() if e.index == 2)
    assert case.refusal(case.grant(entries=(chloe.serial,))) == "not_own_entry"


def test_not_transitive() -> None:
    case = Case()
    case.delegate(case.giver, case.taker)
    irene = case.enrol("irene")
    onward = case.grant(signer=case.taker, delegator=case.taker.serial, delegate=irene.serial)
    assert case.refusal(onward) == "not_transitive"


def test_same_grant_twice() -> None:
    case = Case()
    grant = case.grant()
    case.fund.countersign(grant)
    assert case.refusal(grant) == "grant_id_used"


@pytest.mark.parametrize("act", ["report_lost", "suspend"])
def test_delegate_must_be_operational(act: str) -> None:
    case = Case()
    getattr(case.fund, act)(case.taker.serial)
    assert case.refusal(case.grant()) == "delegate_not_operational"


def test_delegate_must_not_have_expired() -> None:
    case = Case()
    case.now += 2 * 365 * DAY
    giver = case.enrol("amelie")
    case.now += 366 * DAY
    grant = case.grant(signer=giver, delegator=giver.serial, entries=(giver.serial,))
    assert case.refusal(grant) == "delegate_not_operational"


@pytest.mark.parametrize("act", ["report_lost", "suspend"])
def test_covered_card_must_not_be_opposed(act: str) -> None:
    case = Case()
    child = case.giver.entry(2).serial
    getattr(case.fund, act)(child)
    assert case.refusal(case.grant(entries=(child,))) == "covered_card_opposed"
    case.fund.countersign(case.grant())


def test_covered_card_must_not_have_expired() -> None:
    case = Case()
    case.now += 2 * 365 * DAY
    taker = case.enrol("karim")
    case.now += 366 * DAY
    assert case.refusal(case.grant(delegate=taker.serial)) == "covered_card_expired"


def test_test_and_demonstration_do_not_mix() -> None:
    case = Case()
    demo = case.enrol("irene", marker=Marker.DEMONSTRATION)
    assert case.refusal(case.grant(delegate=demo.serial)) == "marker_mismatch"


def test_wallet_has_room_for_nineteen() -> None:
    case = Case()
    every = tuple(entry.serial for entry in case.giver.state.card.entries.values())
    for _ in range(4):
        case.fund.countersign(case.grant(entries=every))
    assert case.refusal(case.grant(entries=every)) == "wallet_full"
    last = GRANT.parse(case.fund.countersign(case.grant(entries=every[:2])))
    case.taker.update()
    assert sorted(case.taker.state.card.entries) == list(range(1, 20))
    case.fund.revoke_grant(last.grant_id)
    case.taker.update()
    assert len(case.taker.state.card.entries) == 19, "one that has ended explains itself"
    again = GRANT.parse(case.fund.countersign(case.grant(entries=every[:2])))
    case.taker.update()
    held = [
        GRANT.parse(e.grant).grant_id for e in case.taker.state.card.entries.values() if e.grant
    ]
    assert len(held) == 18
    assert again.grant_id in held
    assert last.grant_id not in held


def reported(case: Case, grant: DelegationGrant) -> Status:
    claims = OPPOSITION_LIST.parse(case.fund.opposition_list()).claims
    return claims.status(grant.status_index)


def test_revoked_by_either_but_nobody_else() -> None:
    case = Case()
    for by in (case.giver, case.taker):
        grant = GRANT.parse(case.fund.countersign(case.grant()))
        with pytest.raises(FundRefusal) as refused:
            case.fund.revoke_grant(grant.grant_id, by=case.enrol("irene").serial)
        assert refused.value.reason == "not_party"
        assert reported(case, grant) is Status.VALID
        case.fund.revoke_grant(grant.grant_id, by=by.serial)
        assert reported(case, grant) is Status.OPPOSED


def test_unknown_grant_cannot_be_revoked() -> None:
    with pytest.raises(FundRefusal) as refused:
        Case().fund.revoke_grant(bytes(8))
    assert refused.value.reason == "unknown_grant"


@pytest.mark.parametrize("who", ["giver", "taker"])
def test_lost_phone_ends_its_grants(who: str) -> None:
    case = Case()
    grant = GRANT.parse(case.fund.countersign(case.grant()))
    case.fund.report_lost(getattr(case, who).serial)
    assert reported(case, grant) is Status.OPPOSED


def test_suspension_does_not_end_grants_and_is_undone() -> None:
    case = Case()
    grant = case.delegate(case.giver, case.taker)
    case.fund.suspend(case.giver.serial)
    case.taker.update()
    assert case.taker.entry(2).grant_revoked
    assert reported(case, grant) is Status.VALID
    case.fund.reinstate(case.giver.serial)
    case.taker.update()
    assert not case.taker.entry(2).grant_revoked
