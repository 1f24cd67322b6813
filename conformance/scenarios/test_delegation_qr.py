"""DELEGATION: the QR code of a delegated card (by tap: test_delegation.py)."""

from __future__ import annotations

from card_formats.qr_token import QrForm
from conformance.bench import CODE, Bench
from conformance.purposes import purpose
from firmware_sim.phone.errors import PhoneRefusal
from reader_drivers.terminal.verdict import Reason

WEEK = "a card delegated for a week"


@purpose(
    "TP-DELEGATION-017",
    version=1,
    title="A QR code of a delegated card is accepted and names the delegator's card",
    requirements=["REQ-DELEGATION-10"],
    preconditions=WEEK,
)
def test_delegation_017(bench: Bench) -> None:
    delegator, delegate, _ = bench.delegated()
    text = delegate.show_qr(CODE, entry=bench.delegated_entry(delegate), form=QrForm.SEALED)
    verdict = bench.terminal().scan(text)
    bench.expect_accepted(verdict)
    bench.expect_equal(verdict.acting_for, delegator.serial, "card acted for")


@purpose(
    "TP-DELEGATION-018",
    version=1,
    title="A QR code of a delegated card is refused once the grant has ended",
    requirements=["REQ-DELEGATION-10"],
    preconditions="grant ends within the lifetime of the QR code",
)
def test_delegation_018(bench: Bench) -> None:
    _, delegate, grant = bench.delegated()
    entry = bench.delegated_entry(delegate)
    bench.advance(grant.valid_until - 1 - bench.now)
    text = delegate.show_qr(CODE, entry=entry, form=QrForm.SEALED)
    bench.advance(2)
    bench.expect_refused(bench.terminal().scan(text), Reason.DELEGATION_EXPIRED)


@purpose(
    "TP-DELEGATION-019",
    version=1,
    title="A QR code of a delegated card is refused once the grant was taken back",
    requirements=["REQ-DELEGATION-10"],
    preconditions=WEEK,
)
def test_delegation_019(bench: Bench) -> None:
    delegator, delegate, grant = bench.delegated()
    text = delegate.show_qr(CODE, entry=bench.delegated_entry(delegate), form=QrForm.SEALED)
    delegator.take_back(grant.grant_id)
    bench.expect_refused(bench.terminal().scan(text), Reason.DELEGATION_REVOKED)


@purpose(
    "TP-DELEGATION-020",
    version=1,
    title="The phone shows no QR code of a delegated card outside its window",
    requirements=["REQ-DELEGATION-10"],
    preconditions=WEEK,
)
def test_delegation_020(bench: Bench) -> None:
    _, delegate, grant = bench.delegated()
    entry = bench.delegated_entry(delegate)
    bench.advance(grant.valid_until - bench.now)
    bench.expect_raises(
        PhoneRefusal, lambda: delegate.show_qr(CODE, entry=entry), "QR code after the grant"
    )


@purpose(
    "TP-DELEGATION-021",
    version=1,
    title="The fund resolves no online QR code of a delegation that was taken back",
    requirements=["REQ-DELEGATION-10"],
    preconditions=WEEK,
)
def test_delegation_021(bench: Bench) -> None:
    delegator, delegate, grant = bench.delegated()
    text = delegate.show_qr(CODE, entry=bench.delegated_entry(delegate))
    delegator.take_back(grant.grant_id)
    reasons = bench.fund.resolve_qr(text).reasons
    bench.expect_true(
        "delegation_revoked" in reasons, "answer of the fund", "delegation_revoked", reasons
    )
