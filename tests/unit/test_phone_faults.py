"""The faults of phone and fund: each changes what can be seen, and a sound one shows nothing."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from phone_world import CODE, DAY, WRONG, World

from card_formats.data_objects import (
    FILE_SIGNATURE,
    IDENTITY,
    RIGHTS,
    AmoPeriod,
    file_signature_input,
)
from card_formats.grant import ALL_ROLES, GRANT, DelegationGrant, delegator_input
from card_formats.opposition_list import OPPOSITION_LIST
from card_formats.profile_ecv_sim_1 import OID_KEY_PURPOSE, Fid, Role
from card_formats.qr_token import QrForm, QrHeader, device_input, from_text, to_text
from firmware_sim.faults import FAULTS, Fault
from firmware_sim.fund import pki
from firmware_sim.fund.errors import FundRefusal
from firmware_sim.phone.errors import PhoneRefusal
from firmware_sim.phone.phone import Phone

TODAY = datetime.date(2026, 11, 23)


class Faulty(World):
    """A world with one fault in it, wherever it belongs; or with none."""

    def __init__(self, fault: Fault | None) -> None:
        super().__init__()
        self.fault = fault
        if fault and fault.scope == "fund":
            fault.apply(self.fund)

    def enrol(self, person: str = "amelie", code: str = CODE, **options: Any) -> Phone:
        phone = super().enrol(person, code, **options)
        if self.fault and self.fault.scope == "phone":
            self.fault.apply(phone)
        return phone


def outcome(act: Callable[..., Any], *args: Any, **options: Any) -> str:
    """ "done", or the reason of the refusal."""
    try:
        act(*args, **options)
    except (PhoneRefusal, FundRefusal) as refusal:
        return refusal.reason
    return "done"


def headers(world: World, form: QrForm = QrForm.ONLINE) -> list[QrHeader]:
    phone = world.enrol()
    return [from_text(phone.show_qr(CODE, form=form)).header for _ in range(3)]


def grant(world: World, giver: Phone, taker: bytes, **changes: Any) -> bytes:
    now = int(world.now)
    made = DelegationGrant(
        world.random_bytes(8), giver.serial, taker, now, now + DAY, now, (giver.serial,),
        ALL_ROLES, 0, bytes(64), bytes(8), bytes(64),
    )  # fmt: skip
    made = dataclasses.replace(made, **changes)
    key = pki.private_key(giver.state.card.signing_scalar)
    signature = made.delegator_signature
    if signature == bytes(64):
        signature = pki.sign(key, delegator_input(made))
    return GRANT.build(dataclasses.replace(made, delegator_signature=signature))


# --- probes: what an outsider sees; each returns the same in every sound world ---


def qr_headers(w: World) -> Any:
    seen = headers(w)
    return (
        [h.counter for h in seen],
        len({h.nonce for h in seen}),
        len({h.subject for h in seen}),
        {h.lifetime for h in seen},
        {h.issued - w.now for h in seen},
        {h.flags for h in seen},
    )


def qr_forms(w: World) -> Any:
    return [{h.flags.form for h in headers(w, form)} for form in QrForm]


def qr_sealed_subjects(w: World) -> Any:
    return len({h.subject for h in headers(w, QrForm.SEALED)})


def qr_signature(w: World) -> Any:
    phone = w.enrol()
    token = from_text(phone.show_qr(CODE))
    point = w.fund.cards.signing_point(phone.serial)
    return pki.is_signed(point, device_input(token), token.device_signature or b"")


def qr_wrong_code(w: World) -> Any:
    return outcome(w.enrol().show_qr, WRONG)


def qr_resolved(w: World) -> Any:
    phone = w.enrol()
    texts = [phone.show_qr(CODE) for _ in range(2)]
    return [w.fund.resolve_qr(text).reasons for text in (*texts, texts[0])]


def qr_resolved_late(w: World) -> Any:
    text = w.enrol().show_qr(CODE)
    w.now += DAY / 2 - 60
    return w.fund.resolve_qr(text).reasons


def qr_resolved_unsigned(w: World) -> Any:
    token = from_text(w.enrol().show_qr(CODE))
    return w.fund.resolve_qr(
        to_text(dataclasses.replace(token, device_signature=bytes(64)))
    ).reasons


def qr_resolved_opposed(w: World) -> Any:
    phone = w.enrol()
    text = phone.show_qr(CODE)
    phone.report_lost()
    return w.fund.resolve_qr(text).reasons


def qr_resolved_after_revocation(w: World) -> Any:
    giver, taker = w.enrol(), w.enrol("karim")
    held = w.delegate(giver, taker)
    text = taker.show_qr(CODE, entry=2)
    flags = from_text(text).header.flags
    before = outcome(w.fund.revoke_grant, held.grant_id)
    return flags, before, w.fund.resolve_qr(text).reasons


def qr_of_expired(w: World) -> Any:
    return outcome(w.enrol(valid_until=datetime.date(2026, 1, 1)).show_qr, CODE)


def qr_outside_window(w: World) -> Any:
    giver, taker = w.enrol(), w.enrol("karim")
    w.delegate(giver, taker, days=1)
    w.now += DAY
    return outcome(taker.show_qr, CODE, entry=2)


def qr_after_taking_back(w: World) -> Any:
    giver, taker = w.enrol(), w.enrol("karim")
    held = w.delegate(giver, taker)
    giver.take_back(held.grant_id)
    taker.update()
    return outcome(taker.show_qr, CODE, entry=2)


def qr_log(w: World) -> Any:
    phone = w.enrol()
    phone.show_qr(CODE)
    return len(phone.last_seven_days())


def files(w: World) -> Any:
    phone = w.enrol()
    seen = []
    for entry in phone.state.card.entries.values():
        signature = FILE_SIGNATURE.parse(entry.files[Fid.SIGNATURE])
        seen.append(
            (
                [
                    hashlib.sha256(entry.files[d.fid]).digest() == d.sha256
                    for d in signature.digests
                ],
                pki.is_signed(
                    w.fund.keys.data.point, file_signature_input(signature), signature.signature
                ),
                IDENTITY.parse(entry.files[Fid.IDENTITY]).serial == entry.serial,
            )
        )
    return seen


def rights(w: World) -> Any:
    phone = w.enrol()
    w.fund.set_rights(phone.serial, [AmoPeriod(TODAY, TODAY, "00100")])
    w.now += 2 * DAY
    phone.update()
    return RIGHTS.parse(phone.entry(1).files[Fid.RIGHTS])


def life_cycle(w: World) -> Any:
    phone = w.enrol()
    phone.report_lost()
    phone.update()
    return phone.state.card.life_cycle


def used_keys(w: World) -> Any:
    phone = w.enrol()
    phone.state.card.agreement_keys[0].used = True
    phone.update()
    return [key.used for key in phone.state.card.agreement_keys]


def tap(w: World) -> Any:
    phone = w.enrol()
    seen: list[Any] = [phone.take_typed_code()]
    phone.enter_code(CODE)
    seen += [phone.take_typed_code(), phone.take_typed_code()]
    phone.ask_for_code()
    phone.enter_code(WRONG)
    seen += [phone.state.card.tries_left, "enter your code" in phone.screen]
    phone.lock()
    return [*seen, phone.screen_locked]


def restart(w: World) -> Any:
    phone = w.enrol()
    phone.show_qr(CODE)
    return w.reload(phone).state.qr_counter


def given(w: World) -> Any:
    giver, taker, irene = w.enrol(), w.enrol("karim"), w.enrol("irene")
    now = w.now
    give = giver.delegate
    seen = [outcome(give, taker.serial, now, now + days * DAY) for days in (30, 31, 32)]
    seen.append(outcome(w.fund.countersign, grant(w, giver, taker.serial, valid_from=1)))
    taker.update()
    held = grant(w, taker, irene.serial, entries=(giver.serial,))
    seen.append(outcome(w.fund.countersign, held))
    unsigned = grant(w, giver, taker.serial, delegator_signature=b"\1" * 64)
    seen.append(outcome(w.fund.countersign, unsigned))
    early = grant(w, giver, taker.serial, valid_from=int(now) - 3 * DAY)
    seen.append(outcome(w.fund.countersign, early))
    w.fund.suspend(irene.serial)
    seen.append(outcome(w.fund.countersign, grant(w, giver, irene.serial)))
    w.fund.suspend(giver.serial)
    seen.append(outcome(w.fund.countersign, grant(w, giver, taker.serial)))
    return seen


def agreement(w: World) -> Any:
    def shape(phone: Phone) -> Any:
        one = x509.load_der_x509_certificate(phone.state.card.agreement_keys[0].certificate)
        own = {
            e.oid.dotted_string: e.value.value
            for e in one.extensions
            if isinstance(e.value, x509.UnrecognizedExtension)
        }
        return one.not_valid_before_utc.hour, own.keys(), own[OID_KEY_PURPOSE]

    return shape(w.enrol())


def places(w: World) -> Any:
    near = sorted(entry.status_index for entry in w.enrol().state.card.entries.values())
    return near[-1] - near[0] < 10


def pseudonyms(w: World) -> Any:
    first, second, *_ = (int.from_bytes(one, "big") for one in w.enrol().state.extras[1].pseudonyms)
    return abs(first - second) < 10


def opposition_list(w: World) -> Any:
    phone, other = w.enrol(), w.enrol("karim")
    w.fund.report_lost(phone.serial)
    w.fund.suspend(other.serial)
    w.now += 60
    jwt = OPPOSITION_LIST.parse(w.fund.opposition_list())
    key = w.fund.keys.opposition
    return (
        pki.is_signed(key.point, jwt.signing_input, jwt.signature),
        jwt.claims.key_id == key.id.hex(),
        [jwt.claims.status(one.entry(1).status_index) for one in (phone, other)],
        jwt.claims.issued_at - w.now,
        jwt.claims.expires_at > w.now,
    )


def former_phone(w: World) -> Any:
    old = w.enrol()
    w.enrol()
    old.update()
    return old.state.card.life_cycle


PROBES: list[Callable[[World], Any]] = [
    qr_headers, qr_forms, qr_sealed_subjects, qr_signature, qr_wrong_code, qr_resolved,
    qr_resolved_late, qr_resolved_unsigned, qr_resolved_opposed, qr_resolved_after_revocation,
    qr_of_expired, qr_outside_window, qr_after_taking_back, qr_log, files, rights, life_cycle,
    used_keys, tap, restart, given, agreement, places, pseudonyms, opposition_list, former_phone,
]  # fmt: skip
SEEN = [one for one in FAULTS.values() if one.scope in ("phone", "fund")]


def ask(probe: Callable[[World], Any], fault: Fault | None) -> Any:
    try:
        return probe(Faulty(fault))
    except (PhoneRefusal, FundRefusal) as refusal:
        return refusal.reason


@pytest.fixture(scope="module")
def sound() -> dict[str, Any]:
    return {probe.__name__: ask(probe, None) for probe in PROBES}


def test_there_are_enough_faults() -> None:
    assert len([one for one in SEEN if one.scope == "phone"]) >= 20
    assert len([one for one in SEEN if one.scope == "fund"]) >= 20
    assert all("Profile" in one.description for one in SEEN)


def test_a_sound_world_gives_sound_answers(sound: dict[str, Any]) -> None:
    assert {name: said for name, said in sound.items() if isinstance(said, str)} == {
        "qr_wrong_code": "code_wrong",
        "qr_of_expired": "expired",
        "qr_outside_window": "delegation_expired",
        "qr_after_taking_back": "delegation_revoked",
    }
    assert sound["given"] == [
        "done", "too_long", "too_long", "too_long", "not_transitive", "bad_signature",
        "starts_before_issue", "delegate_not_operational", "covered_card_opposed",
    ]  # fmt: skip
    assert {probe.__name__: ask(probe, None) for probe in PROBES} == sound


@pytest.mark.parametrize("fault", SEEN, ids=lambda fault: fault.id)
def test_a_fault_shows(fault: Fault, sound: dict[str, Any]) -> None:
    for probe in PROBES:
        if ask(probe, fault) != sound[probe.__name__]:
            return
    pytest.fail(f"no probe sees {fault.id}")


def test_scope_of_a_grant_is_the_funds_to_check() -> None:
    world = World()
    giver, taker = world.enrol(), world.enrol("karim")
    world.delegate(giver, taker, roles=[Role.PHARMACIST])
    FAULTS["fund-resolves-ended-delegation"].apply(world.fund)
    assert world.fund.resolve_qr(taker.show_qr(CODE, entry=2), Role.PHYSICIAN).accepted
