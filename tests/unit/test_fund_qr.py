"""What the fund answers when a terminal asks for an online QR code (profile 9.1, 9.5)."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

import pytest
from phone_world import CODE, DAY, World

from card_formats.profile_ecv_sim_1 import Marker, Role
from card_formats.qr_token import (
    QrForm,
    QrToken,
    credential_input,
    device_input,
    from_text,
    to_text,
)
from firmware_sim.faults import FAULTS
from firmware_sim.fund import pki
from firmware_sim.phone.phone import Phone


def resigned(phone: Phone, text: str, **changes: Any) -> str:
    """The token with another header, signed anew by the phone."""
    token = from_text(text)
    token = dataclasses.replace(token, header=dataclasses.replace(token.header, **changes))
    unsigned: QrToken = dataclasses.replace(token, device_signature=bytes(64))
    key = pki.private_key(phone.state.card.signing_scalar)
    return to_text(
        dataclasses.replace(unsigned, device_signature=pki.sign(key, device_input(unsigned)))
    )


def test_accepted_token_discloses_the_credential_and_rights() -> None:
    world = World()
    phone = world.enrol("bastien")
    answer = world.fund.resolve_qr(phone.show_qr(CODE))
    assert answer.accepted
    assert answer.serial == answer.phone == phone.serial
    assert answer.credential is not None
    key = world.fund.keys.data
    to_sign = credential_input(key.id, answer.credential)
    assert pki.is_signed(key.point, to_sign, answer.credential.fund_signature)
    assert answer.credential.ins == world.fund.people()["bastien"].ins
    assert answer.rights is not None
    assert len(answer.rights.periods) == 2
    assert answer.cover is not None
    assert len(answer.cover.mutuals) == 2


def test_dependant_and_delegated_entries() -> None:
    world = World()
    giver, taker = world.enrol("amelie"), world.enrol("karim")
    world.delegate(giver, taker)
    child = world.fund.resolve_qr(giver.show_qr(CODE, entry=2))
    assert child.serial == giver.entry(2).serial
    delegated = world.fund.resolve_qr(taker.show_qr(CODE, entry=2))
    assert (delegated.serial, delegated.phone) == (giver.serial, taker.serial)
    assert delegated.credential is not None
    assert delegated.credential.delegation is not None
    assert delegated.credential.delegation.delegator == giver.serial


def test_same_token_again_is_a_replay() -> None:
    world = World()
    phone = world.enrol()
    text = phone.show_qr(CODE)
    assert world.fund.resolve_qr(text).accepted
    again = world.fund.resolve_qr(text)
    assert again.reasons == ("replayed",)
    assert again.credential is None
    assert world.fund.resolve_qr(phone.show_qr(CODE)).accepted


def test_pseudonym_of_another_token_is_a_replay() -> None:
    world = World()
    phone = world.enrol()
    FAULTS["qr-pseudonym-reused"].apply(phone)
    assert world.fund.resolve_qr(phone.show_qr(CODE)).accepted
    assert world.fund.resolve_qr(phone.show_qr(CODE)).reasons == ("replayed",)


def test_refused_token_may_come_again() -> None:
    world = World()
    phone = world.enrol()
    text = phone.show_qr(CODE)
    world.fund.suspend(phone.serial)
    assert world.fund.resolve_qr(text).reasons == ("suspended",)
    world.fund.reinstate(phone.serial)
    assert world.fund.resolve_qr(text).accepted


def in_time(seconds: float) -> tuple[str, ...]:
    world = World()
    text = world.enrol().show_qr(CODE)
    world.now += seconds
    return world.fund.resolve_qr(text).reasons


@pytest.mark.parametrize(
    ("seconds", "reasons"),
    [(150, ()), (151, ("qr_expired",)), (-30, ()), (-31, ("qr_not_yet_valid",))],
)
def test_lifetime_with_skew(seconds: float, reasons: tuple[str, ...]) -> None:
    assert in_time(seconds) == reasons


CASES: dict[str, tuple[str, Callable[[World, Phone], str]]] = {
    "garbage": ("qr_unreadable", lambda w, p: "ECV1:%%%"),
    "another code": ("qr_unreadable", lambda w, p: "https://example.org/"),
    "sealed": ("qr_form_refused", lambda w, p: p.show_qr(CODE, form=QrForm.SEALED)),
    "clear": ("qr_form_refused", lambda w, p: p.show_qr(CODE, form=QrForm.CLEAR)),
    "other fund": ("unknown_issuer", lambda w, p: World(9).enrol().show_qr(CODE)),
    "invented pseudonym": (
        "qr_unresolved",
        lambda w, p: resigned(p, p.show_qr(CODE), subject=bytes(8)),
    ),
    "not signed anew": (
        "bad_phone_signature",
        lambda w, p: to_text(
            dataclasses.replace(from_text(p.show_qr(CODE)), device_signature=bytes(64))
        ),
    ),
    "another phone's signature": (
        "bad_phone_signature",
        lambda w, p: resigned(w.enrol("karim"), p.show_qr(CODE)),
    ),
    "long life": ("qr_expired", lambda w, p: resigned(p, p.show_qr(CODE), lifetime=121)),
    "marker": (
        "tampered_data",
        lambda w, p: resigned(
            p,
            text := p.show_qr(CODE),
            flags=dataclasses.replace(from_text(text).header.flags, marker=Marker.DEMONSTRATION),
        ),
    ),
    "delegated flag": (
        "tampered_data",
        lambda w, p: resigned(
            p,
            text := p.show_qr(CODE),
            flags=dataclasses.replace(from_text(text).header.flags, delegated=True),
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_refused(name: str) -> None:
    reason, make = CASES[name]
    world = World()
    phone = world.enrol()
    answer = world.fund.resolve_qr(make(world, phone))
    assert answer.reasons == (reason,)
    assert answer.detail
    assert (answer.credential, answer.rights, answer.cover, answer.serial) == (None,) * 4


def test_opposed_and_expired() -> None:
    world = World()
    phone = world.enrol(valid_until=datetime.date(2026, 11, 23))
    text = phone.show_qr(CODE)
    world.fund.report_lost(phone.serial)
    assert world.fund.resolve_qr(text).reasons == ("opposed",)
    world.now += DAY
    assert set(world.fund.resolve_qr(text).reasons) == {"qr_expired", "opposed", "expired"}


def test_delegation_reasons() -> None:
    world = World()
    giver, taker = world.enrol("amelie"), world.enrol("karim")
    grant = world.delegate(giver, taker, days=1, roles=[Role.PHARMACIST])
    text = taker.show_qr(CODE, entry=2)
    out_of_scope = world.fund.resolve_qr(text, Role.PHYSICIAN)
    assert out_of_scope.reasons == ("delegation_out_of_scope",)
    world.fund.revoke_grant(grant.grant_id)
    assert world.fund.resolve_qr(text).reasons == ("delegation_revoked",)
    FAULTS["qr-outside-grant"].apply(taker)
    world.now += DAY
    late = world.fund.resolve_qr(taker.show_qr(CODE, entry=2), Role.PHARMACIST)
    assert late.reasons == ("delegation_revoked", "delegation_expired")


def test_delegation_that_has_not_begun() -> None:
    world = World()
    giver, taker = world.enrol("amelie"), world.enrol("karim")
    giver.delegate(taker.serial, world.now + DAY, world.now + 2 * DAY)
    taker.update()
    FAULTS["qr-outside-grant"].apply(taker)
    reasons = world.fund.resolve_qr(taker.show_qr(CODE, entry=2)).reasons
    assert reasons == ("delegation_not_yet_valid",)


def test_lost_delegates_phone_is_refused() -> None:
    world = World()
    giver, taker = world.enrol("amelie"), world.enrol("karim")
    world.delegate(giver, taker)
    text = taker.show_qr(CODE, entry=2)
    world.fund.report_lost(taker.serial)
    assert set(world.fund.resolve_qr(text).reasons) == {"opposed", "delegation_revoked"}
