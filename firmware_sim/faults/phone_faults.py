"""Faults of the phone around the card: QR codes, wallet, code, updates (profile 4.8, 7, 9)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from card_formats.data_objects import IDENTITY, RIGHTS
from card_formats.grant import delegator_input
from card_formats.profile_ecv_sim_1 import EntryKind, Fid, Marker
from card_formats.qr_token import QrForm
from firmware_sim.faults.catalogue import fault
from firmware_sim.faults.patching import around, nothing, replace
from firmware_sim.fund import pki
from firmware_sim.phone.phone import Phone


def _after(owner: object, name: str, act: Callable[[], None]) -> None:
    """Do ``act`` once now, and after each call of the method."""

    def call(method: Any, *args: Any) -> None:
        method(*args)
        act()

    act()
    around(owner, name, call)


# --- QR tokens ---


@fault("qr-counter-frozen", "phone", "Profile 9.2: the QR counter does not rise.")
def _(phone: Phone) -> None:
    phone.qr.next_counter = lambda: 1  # type: ignore[method-assign]


@fault("qr-nonce-constant", "phone", "Profile 9.2: every QR token has the same nonce.")
def _(phone: Phone) -> None:
    phone.qr.nonce = lambda: bytes(8)  # type: ignore[method-assign]


@fault("qr-lifetime-one-day", "phone", "Profile 9, 9.5: a QR token lives most of a day (18 h).")
def _(phone: Phone) -> None:
    # The most that the two bytes of the field hold.
    phone.qr.lifetime = lambda: 0xFFFF  # type: ignore[method-assign]


@fault("qr-issued-in-future", "phone", "Profile 9.5: a QR token is dated one hour ahead.")
def _(phone: Phone) -> None:
    def call(header: Any, *args: Any) -> Any:
        made = header(*args)
        return dataclasses.replace(made, issued=made.issued + 3600)

    around(phone.qr, "header", call)


@fault("qr-without-code", "phone", "Profile 9: a QR code is shown whatever code is typed.")
def _(phone: Phone) -> None:
    phone.qr.check_code = nothing  # type: ignore[method-assign]


@fault("qr-signed-by-another-key", "phone", "Profile 9.2: another key signs the QR token.")
def _(phone: Phone) -> None:
    other = pki.private_key(pki.new_scalar(phone.random_bytes))
    phone.qr.sign = lambda data: pki.sign(other, data)  # type: ignore[method-assign]


@fault("qr-signature-without-prefix", "phone", "Profile 9.2: the signature leaves ECV1: out.")
def _(phone: Phone) -> None:
    around(phone.qr, "sign", lambda sign, data: sign(data.removeprefix(b"ECV1:")))


@fault("qr-pseudonym-reused", "phone", "Profile 9.1: one pseudonym serves for many QR tokens.")
def _(phone: Phone) -> None:
    def take(entry: Any) -> bytes:
        return phone.state.extras[entry.index].pseudonyms[0]

    phone.qr.take_pseudonym = take  # type: ignore[method-assign]


@fault("qr-pseudonym-invented", "phone", "Profile 9.1: the phone makes its pseudonyms up.")
def _(phone: Phone) -> None:
    phone.qr.take_pseudonym = lambda entry: phone.random_bytes(8)  # type: ignore[method-assign]


@fault(
    "qr-clear-when-sealed",
    "phone",
    "Profile 9.1: where the sealed form was asked for, the identity is in the clear.",
)
def _(phone: Phone) -> None:
    def form(asked: QrForm) -> QrForm:
        return QrForm.CLEAR if asked is QrForm.SEALED else asked

    phone.qr.form_shown = form  # type: ignore[method-assign]


@fault(
    "qr-serial-as-pseudonym",
    "phone",
    "Profile 9.2: the sealed form names the card's serial outside the seal: linkable.",
)
def _(phone: Phone) -> None:
    phone.qr.subject = lambda entry, form: entry.serial  # type: ignore[method-assign]


@fault("qr-marker-wrong", "phone", "Profile 9.2: the marker of a QR token is not its card's.")
def _(phone: Phone) -> None:
    def call(header: Any, *args: Any) -> Any:
        made = header(*args)
        other = next(marker for marker in Marker if marker is not made.flags.marker)
        return dataclasses.replace(made, flags=dataclasses.replace(made.flags, marker=other))

    around(phone.qr, "header", call)


@fault("qr-hides-delegation", "phone", "Profile 9.2: the delegated flag is never set.")
def _(phone: Phone) -> None:
    def call(header: Any, *args: Any) -> Any:
        made = header(*args)
        return dataclasses.replace(made, flags=dataclasses.replace(made.flags, delegated=False))

    around(phone.qr, "header", call)


@fault("qr-of-expired-card", "phone", "Profile 9: an expired, opposed or suspended card shows QR.")
def _(phone: Phone) -> None:
    phone.qr.check_card = nothing  # type: ignore[method-assign]
    around(
        phone.qr,
        "check_entry",
        lambda check, entry: check(entry) if entry.kind is EntryKind.DELEGATED else None,
    )


@fault(
    "qr-outside-grant",
    "phone",
    "Profile 5.1, 9: a delegated entry shows QR before, after and without its grant.",
)
def _(phone: Phone) -> None:
    around(
        phone.qr,
        "check_entry",
        lambda check, entry: None if entry.kind is EntryKind.DELEGATED else check(entry),
    )


@fault("qr-not-logged", "phone", "Profile 6.4: a QR code is missing from the usage log.")
def _(phone: Phone) -> None:
    phone.qr.log = nothing  # type: ignore[method-assign]


# --- data of the wallet ---


@fault(
    "identity-changed-after-signature",
    "phone",
    "Profile 6.5: the identity file is not the one the fund signed.",
)
def _(phone: Phone) -> None:
    def tamper() -> None:
        for entry in phone.state.card.entries.values():
            identity = IDENTITY.parse(entry.files[Fid.IDENTITY])
            changed = dataclasses.replace(identity, surname="USURPATEUR-FICTIF")
            entry.files[Fid.IDENTITY] = IDENTITY.build(changed)

    _after(phone.updates, "take_entries", tamper)


@fault(
    "rights-redated",
    "phone",
    "Profile 6.2, 6.5: the phone dates its copy of the rights anew without asking the fund.",
)
def _(phone: Phone) -> None:
    def redate() -> None:
        for entry in phone.state.card.entries.values():
            rights = RIGHTS.parse(entry.files[Fid.RIGHTS])
            later = rights.as_of.replace(year=rights.as_of.year + 1, day=1)
            entry.files[Fid.RIGHTS] = RIGHTS.build(dataclasses.replace(rights, as_of=later))

    _after(phone.updates, "take_entries", redate)


@fault("rights-never-updated", "phone", "Profile 5.1: an update keeps the old copy of the rights.")
def _(phone: Phone) -> None:
    kept = {entry.serial: dict(entry.files) for entry in phone.state.card.entries.values()}

    def call(take: Any, entries: Any) -> None:
        take(entries)
        for entry in phone.state.card.entries.values():
            entry.files.update(kept.get(entry.serial, {}))

    around(phone.updates, "take_entries", call)


@fault("opposition-not-taken-over", "phone", "Profile 4.3: an update ignores that it is opposed.")
def _(phone: Phone) -> None:
    phone.updates.take_life_cycle = nothing  # type: ignore[method-assign]


@fault(
    "taken-back-grant-kept",
    "phone",
    "Profile 7.1: a delegated entry goes on serving after its grant was taken back.",
)
def _(phone: Phone) -> None:
    def call(take: Any, entries: Any) -> None:
        take(tuple(dataclasses.replace(entry, revoked=False) for entry in entries))

    around(phone.updates, "take_entries", call)


@fault("used-keys-kept", "phone", "Profile 3.4: an update does not replace keys that have served.")
def _(phone: Phone) -> None:
    phone.updates.take_keys = nothing  # type: ignore[method-assign]


@fault("grant-signed-by-another-key", "phone", "Profile 7.1: another key signs the grant.")
def _(phone: Phone) -> None:
    other = pki.private_key(pki.new_scalar(phone.random_bytes))

    def sign(grant: Any) -> bytes:
        return pki.sign(other, delegator_input(grant))

    phone.delegations.sign = sign  # type: ignore[method-assign]


# --- code, lock, disk ---


@fault("code-not-asked", "phone", "Profile 4.8: a tap that lacks the code leaves the screen as is.")
def _(phone: Phone) -> None:
    phone.ask_for_code = nothing  # type: ignore[method-assign]


@fault("typed-code-never-spent", "phone", "Profile 4.8: a code typed once serves every later tap.")
def _(phone: Phone) -> None:
    typed = [False]

    def enter(enter_code: Any, code: str) -> Any:
        result = enter_code(code)
        typed[0] = typed[0] or result.ok
        return result

    around(phone, "enter_code", enter)
    phone.take_typed_code = lambda: typed[0]  # type: ignore[method-assign]


@fault("tap-without-code", "phone", "Profile 4.8: the phone says that a code was typed, always.")
def _(phone: Phone) -> None:
    phone.take_typed_code = lambda: True  # type: ignore[method-assign]


@fault("typed-code-tries-unlimited", "phone", "Profile 4.8: codes typed on the phone cost no try.")
def _(phone: Phone) -> None:
    replace(phone.code, "spend_try", lambda _: nothing)


@fault("lock-ignored", "phone", "Profile 4.3: a locked phone answers as an unlocked one.")
def _(phone: Phone) -> None:
    # A property is of the class: this one instance gets a class of its own.
    phone.__class__ = type("LockIgnored", (type(phone),), {"screen_locked": False})


@fault("phone-forgets", "phone", "Profile 4.8, 8.2: nothing is saved; a restart undoes all.")
def _(phone: Phone) -> None:
    phone.commit = nothing  # type: ignore[method-assign]
