"""DELEGATION: acting for another person, for a set time, within a scope, revocably."""

from __future__ import annotations

import copy
import dataclasses

from card_formats.data_objects import IDENTITY
from card_formats.grant import GRANT
from card_formats.presence_token import PRESENCE_TOKEN
from card_formats.profile_ecv_sim_1 import EntryKind, RefusalReason, Role
from card_formats.selection import CARD_STATUS
from card_formats.status_words import SW
from conformance import commands
from conformance.bench import CODE, DAY, Bench, Secure
from conformance.purposes import purpose
from firmware_sim.fund.errors import FundRefusal
from firmware_sim.phone.errors import PhoneRefusal
from firmware_sim.phone.phone import Phone
from reader_drivers.terminal.verdict import Reason

WEEK = "a card delegated for a week"


def _refused_by_card(bench: Bench, phone: Phone, entry: int, reason: RefusalReason) -> None:
    secure = bench.tap(phone).secure().enter_code(CODE).select_entry(entry)
    response = secure.send(commands.read_sfi(0x01))
    bench.expect_sw(response, SW.CONDITIONS_NOT_SATISFIED, "READ BINARY of EF.IDENTITY")
    _expect_reason(bench, secure, reason)
    secure = bench.tap(phone).secure().enter_code(CODE)
    response = secure.send(commands.presence(entry=entry))
    bench.expect_sw(response, SW.CONDITIONS_NOT_SATISFIED, "PSO COMPUTE DIGITAL SIGNATURE")
    _expect_reason(bench, secure, reason)


def _expect_reason(bench: Bench, secure: Secure, reason: RefusalReason) -> None:
    data = secure.send(commands.get_status()).data
    status = bench.expect_format(CARD_STATUS, data, "status object")
    bench.expect_equal(status.last_refusal.name, reason.name, "reason in the status object")


def _fund_refuses(bench: Bench, reason: str, phone: Phone, delegate: bytes, days: float) -> None:
    begin = bench.now
    error = bench.expect_raises(
        (FundRefusal, PhoneRefusal),
        lambda: phone.delegate(delegate, begin, begin + int(days * DAY)),
        "delegation",
    )
    bench.expect_equal(getattr(error, "reason", None), reason, "reason of the fund")


@purpose(
    "TP-DELEGATION-001",
    version=1,
    title="The delegate acts for the delegator, on their own phone with their own code",
    requirements=["REQ-DELEGATION-01"],
    preconditions=WEEK,
)
def test_delegation_001(bench: Bench) -> None:
    delegator, delegate, _ = bench.delegated()
    entry = bench.delegated_entry(delegate)
    verdict = bench.acquire(delegate, bench.terminal(), entry=entry)
    bench.expect_accepted(verdict)
    bench.expect_equal(verdict.acting_for, delegator.serial, "card acted for")
    own = IDENTITY.parse(delegator.state.card.entries[1].files[0xEF01])
    got = verdict.identity.ins if verdict.identity else None
    bench.expect_equal(got, own.ins, "INS of the delegator")


@purpose(
    "TP-DELEGATION-002",
    version=1,
    title="A grant of 31 days is refused; one of 30 is given",
    requirements=["REQ-DELEGATION-02"],
)
def test_delegation_002(bench: Bench) -> None:
    phone, other = bench.phone(), bench.phone("karim")
    _fund_refuses(bench, "too_long", phone, other.serial, 31)
    grant = phone.delegate(other.serial, bench.now, bench.now + 30 * DAY)
    bench.expect_equal(grant.valid_until - grant.valid_from, 30 * DAY, "span of the grant")


@purpose(
    "TP-DELEGATION-003",
    version=1,
    title="A delegate cannot delegate further",
    requirements=["REQ-DELEGATION-03"],
    preconditions=WEEK,
)
def test_delegation_003(bench: Bench) -> None:
    _, delegate, _ = bench.delegated()
    third = bench.phone("simone")
    entry = bench.delegated_entry(delegate)
    error = bench.expect_raises(
        (FundRefusal, PhoneRefusal),
        lambda: delegate.delegate(third.serial, bench.now, bench.now + DAY, entries=(entry,)),
        "delegation by the delegate",
    )
    bench.expect_equal(getattr(error, "reason", None), "not_transitive", "reason")


@purpose(
    "TP-DELEGATION-004",
    version=1,
    title="A grant serves until its last second and not one later",
    requirements=["REQ-DELEGATION-04"],
    preconditions=WEEK,
)
def test_delegation_004(bench: Bench) -> None:
    _, delegate, grant = bench.delegated()
    entry = bench.delegated_entry(delegate)
    bench.advance(grant.valid_until - 1 - bench.now)
    bench.expect_accepted(bench.acquire(delegate, bench.terminal(), entry=entry))
    bench.advance(1)
    _refused_by_card(bench, delegate, entry, RefusalReason.DELEGATION_EXPIRED)


@purpose(
    "TP-DELEGATION-005",
    version=1,
    title="The terminal refuses a grant used a second late, for that reason",
    requirements=["REQ-DELEGATION-04"],
    preconditions=WEEK,
)
def test_delegation_005(bench: Bench) -> None:
    _, delegate, grant = bench.delegated()
    bench.advance(grant.valid_until - bench.now)
    verdict = bench.acquire(delegate, bench.terminal(), entry=bench.delegated_entry(delegate))
    bench.expect_refused(verdict, Reason.DELEGATION_EXPIRED)


@purpose(
    "TP-DELEGATION-006",
    version=1,
    title="A grant does not serve before it begins",
    requirements=["REQ-DELEGATION-04"],
    preconditions="a card delegated from tomorrow on",
)
def test_delegation_006(bench: Bench) -> None:
    _, delegate, _ = bench.delegated(starts_in=DAY)
    entry = bench.delegated_entry(delegate)
    _refused_by_card(bench, delegate, entry, RefusalReason.DELEGATION_NOT_YET_VALID)
    verdict = bench.acquire(delegate, bench.terminal(), entry=entry)
    bench.expect_refused(verdict, Reason.DELEGATION_NOT_YET_VALID)


@purpose(
    "TP-DELEGATION-007",
    version=1,
    title="A grant taken back is refused by the delegate's phone as soon as it knows",
    requirements=["REQ-DELEGATION-05"],
    preconditions=WEEK,
)
def test_delegation_007(bench: Bench) -> None:
    delegator, delegate, grant = bench.delegated()
    entry = bench.delegated_entry(delegate)
    delegator.take_back(grant.grant_id)
    delegate.state.card.entries[entry].grant_revoked = True
    _refused_by_card(bench, delegate, entry, RefusalReason.DELEGATION_REVOKED)


@purpose(
    "TP-DELEGATION-008",
    version=1,
    title="A grant taken back is refused by the terminal even before the phone knows",
    requirements=["REQ-DELEGATION-05"],
    preconditions=WEEK,
)
def test_delegation_008(bench: Bench) -> None:
    delegator, delegate, grant = bench.delegated()
    delegator.take_back(grant.grant_id)
    verdict = bench.acquire(delegate, bench.terminal(), entry=bench.delegated_entry(delegate))
    bench.expect_refused(verdict, Reason.DELEGATION_REVOKED)


@purpose(
    "TP-DELEGATION-009",
    version=1,
    title="After an update the delegate's wallet no longer holds a card taken back",
    requirements=["REQ-DELEGATION-05"],
    preconditions=WEEK,
)
def test_delegation_009(bench: Bench) -> None:
    delegator, delegate, grant = bench.delegated()
    delegator.take_back(grant.grant_id)
    delegate.update()
    usable = [
        entry.index
        for entry in delegate.state.card.entries.values()
        if entry.kind is EntryKind.DELEGATED and not entry.grant_revoked
    ]
    bench.expect_equal(usable, [], "delegated cards still usable")


@purpose(
    "TP-DELEGATION-010",
    version=1,
    title="A profession outside the scope is refused",
    requirements=["REQ-DELEGATION-06"],
    preconditions="a card delegated for pharmacists only",
)
def test_delegation_010(bench: Bench) -> None:
    _, delegate, _ = bench.delegated(roles=[Role.PHARMACIST])
    entry = bench.delegated_entry(delegate)
    bench.expect_accepted(bench.acquire(delegate, bench.terminal(), entry=entry))
    link = bench.tap(delegate)
    secure = link.secure(Role.PHYSICIAN).enter_code(CODE).select_entry(entry)
    response = secure.send(commands.read_sfi(0x01))
    bench.expect_sw(response, SW.CONDITIONS_NOT_SATISFIED, "READ BINARY by a physician")
    verdict = bench.acquire(delegate, bench.terminal(Role.PHYSICIAN), entry=entry)
    bench.expect_refused(verdict, Reason.DELEGATION_OUT_OF_SCOPE)


@purpose(
    "TP-DELEGATION-011",
    version=1,
    title="The presence token says who acts, for which card, by which grant",
    requirements=["REQ-DELEGATION-07"],
    preconditions=WEEK,
)
def test_delegation_011(bench: Bench) -> None:
    delegator, delegate, grant = bench.delegated()
    secure = bench.tap(delegate).secure().enter_code(CODE)
    response = secure.send(commands.presence(entry=bench.delegated_entry(delegate)))
    bench.expect_sw(response, SW.OK, "PSO COMPUTE DIGITAL SIGNATURE")
    token = bench.expect_format(PRESENCE_TOKEN, response.data, "presence token")
    bench.expect_equal(
        (token.delegated, token.signer, token.entry_serial, token.grant_id),
        (True, delegate.serial, delegator.serial, grant.grant_id),
        "delegated, signer, card and grant of the token",
    )


@purpose(
    "TP-DELEGATION-012",
    version=1,
    title="The delegator's code does not open the delegate's phone",
    requirements=["REQ-DELEGATION-01"],
    preconditions=WEEK,
)
def test_delegation_012(bench: Bench) -> None:
    delegator = bench.phone(code="97531864")
    delegate = bench.phone("karim")
    delegator.delegate(delegate.serial, bench.now, bench.now + DAY)
    delegate.update()
    verdict = bench.acquire(
        delegate, bench.terminal(), "97531864", entry=bench.delegated_entry(delegate)
    )
    bench.expect_refused(verdict, Reason.CODE_WRONG)


@purpose(
    "TP-DELEGATION-013",
    version=1,
    title="A grant carried to another phone is refused there",
    requirements=["REQ-DELEGATION-08"],
    preconditions="the delegate's entry copied to a third phone",
)
def test_delegation_013(bench: Bench) -> None:
    _, delegate, _ = bench.delegated()
    stolen = copy.deepcopy(delegate.state.card.entries[bench.delegated_entry(delegate)])
    thief = bench.phone("simone")
    index = max(thief.state.card.entries) + 1
    thief.state.card.entries[index] = dataclasses.replace(stolen, index=index)
    verdict = bench.acquire(thief, bench.terminal(), entry=index)
    bench.expect_refused(verdict, Reason.DELEGATION_WRONG_DELEGATE)


@purpose(
    "TP-DELEGATION-014",
    version=1,
    title="One cannot delegate to somebody without an e-carte",
    requirements=["REQ-DELEGATION-09"],
)
def test_delegation_014(bench: Bench) -> None:
    _fund_refuses(bench, "delegate_not_enrolled", bench.phone(), b"\xee" * 8, 7)


@purpose(
    "TP-DELEGATION-015",
    version=1,
    title="One cannot delegate to oneself",
    requirements=["REQ-DELEGATION-09"],
)
def test_delegation_015(bench: Bench) -> None:
    phone = bench.phone()
    _fund_refuses(bench, "same_person", phone, phone.serial, 7)


@purpose(
    "TP-DELEGATION-016",
    version=1,
    title="An opposed delegator's card cannot be delegated",
    requirements=["REQ-DELEGATION-09"],
)
def test_delegation_016(bench: Bench) -> None:
    phone, other = bench.phone(), bench.phone("karim")
    bench.fund.suspend(phone.serial)
    _fund_refuses(bench, "covered_card_opposed", phone, other.serial, 7)


@purpose(
    "TP-DELEGATION-022",
    version=1,
    title="The fund countersigns only what the delegator's phone signed",
    requirements=["REQ-DELEGATION-11"],
    preconditions=WEEK,
)
def test_delegation_022(bench: Bench) -> None:
    _, _, grant = bench.delegated()
    another = GRANT.build(dataclasses.replace(grant, grant_id=b"\xa5" * 8))
    error = bench.expect_raises(
        FundRefusal, lambda: bench.fund.countersign(another), "grant changed after signature"
    )
    bench.expect_equal(getattr(error, "reason", None), "bad_signature", "reason of the fund")


@purpose(
    "TP-DELEGATION-023",
    version=1,
    title="A grant does not begin before it was issued",
    requirements=["REQ-DELEGATION-11"],
)
def test_delegation_023(bench: Bench) -> None:
    phone, other = bench.phone(), bench.phone("karim")
    begin = bench.now - 3600
    error = bench.expect_raises(
        PhoneRefusal,
        lambda: phone.delegate(other.serial, begin, begin + DAY),
        "grant that begins an hour ago",
    )
    bench.expect_equal(getattr(error, "reason", None), "starts_before_issue", "reason of the fund")
