"""Showing a QR code (profile 9): the code each time, one token, counted before it is seen."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from card_formats.profile_ecv_sim_1 import ECV_SIM_1, EntryKind, LifeCycle
from card_formats.qr_token import (
    QR_CREDENTIAL,
    QrCredential,
    QrFlags,
    QrForm,
    QrHeader,
    QrToken,
    SealedCredential,
    device_input,
    sealing_info,
    to_text,
)
from firmware_sim.card.delegation import Delegation, end_of_day
from firmware_sim.card.state import EntryState
from firmware_sim.fund import pki
from firmware_sim.phone.errors import PhoneRefusal
from firmware_sim.phone.usage import log_qr

if TYPE_CHECKING:
    from firmware_sim.phone.phone import Phone

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_128_GCM)


class QrDisplay:
    """Makes the tokens of one phone."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._delegation = Delegation(phone.clock)

    def show(self, code: str, index: int, asked: QrForm) -> str:
        """See :meth:`Phone.show_qr`."""
        entry = self._phone.entry(index)
        self.check_card()
        self.check_entry(entry)
        self.check_code(code)
        form = self.form_shown(asked)
        credential = self.credential(entry)
        unsigned = self.assemble(self.header(entry, credential, form), credential)
        signature = self.sign(device_input(unsigned))
        self.log(entry)
        self._phone.commit()
        return to_text(dataclasses.replace(unsigned, device_signature=signature))

    # --- conditions ---

    def check_card(self) -> None:
        """The phone's own card is operational and has not expired."""
        card = self._phone.state.card
        if card.life_cycle is not LifeCycle.OPERATIONAL:
            state = card.life_cycle.name.lower()
            raise PhoneRefusal(state, f"this e-carte is {state}: ask your fund")
        if self._phone.clock() >= end_of_day(card.valid_until):
            raise PhoneRefusal("expired", f"this e-carte expired on {card.valid_until}")

    def check_entry(self, entry: EntryState) -> None:
        """A delegated entry is within its window; a dependant's has not expired."""
        if entry.kind is not EntryKind.DELEGATED:
            if self._phone.clock() >= end_of_day(entry.valid_until):
                raise PhoneRefusal("expired", f"this entry expired on {entry.valid_until}")
            return
        grant = self._delegation.grant_of(entry)
        if grant is None or self._delegation.is_revoked(entry):
            raise PhoneRefusal("delegation_revoked", "this delegation was taken back")
        if self._delegation.is_early(grant):
            raise PhoneRefusal("delegation_not_yet_valid", "this delegation has not begun")
        if self._delegation.is_over(grant, entry):
            raise PhoneRefusal("delegation_expired", "this delegation has ended")

    def check_code(self, code: str) -> None:
        """The holder's code, each time."""
        self._phone.require_code(code)

    # --- the parts of a token ---

    def form_shown(self, asked: QrForm) -> QrForm:
        """The form that is shown: the one asked for."""
        return asked

    def credential(self, entry: EntryState) -> QrCredential:
        """What the fund certified for the entry, ahead of time."""
        return QR_CREDENTIAL.parse(self._phone.state.extras[entry.index].credential)

    def header(self, entry: EntryState, credential: QrCredential, form: QrForm) -> QrHeader:
        """The common part."""
        return QrHeader(
            QrFlags(form, credential.delegation is not None, True, credential.marker),
            self._phone.state.issuer_key_id,
            self.subject(entry, form),
            int(self._phone.clock()),
            self.lifetime(),
            self.next_counter(),
            self.nonce(),
        )

    def subject(self, entry: EntryState, form: QrForm) -> bytes:
        """Pseudonym or serial. A sealed token is opened without the fund, so that any random
        pseudonym does, and none of the pool is needed: it works when there is no network."""
        if form is QrForm.CLEAR:
            return entry.serial
        return self.take_pseudonym(entry) if form is QrForm.ONLINE else self._phone.random_bytes(8)

    def take_pseudonym(self, entry: EntryState) -> bytes:
        """The next pseudonym of the entry, once."""
        pool = self._phone.state.extras[entry.index].pseudonyms
        if not pool:
            raise PhoneRefusal(
                "pseudonyms_empty", "no one-time pseudonym is left: update the phone"
            )
        return pool.pop(0)

    def lifetime(self) -> int:
        """Seconds."""
        return ECV_SIM_1.qr_lifetime

    def next_counter(self) -> int:
        """Rises with every token of the phone."""
        self._phone.state.qr_counter += 1
        return self._phone.state.qr_counter

    def nonce(self) -> bytes:
        """8 random bytes."""
        return self._phone.random_bytes(8)

    def assemble(self, header: QrHeader, credential: QrCredential) -> QrToken:
        """The token with a zero signature."""
        form = header.flags.form
        return QrToken(
            header,
            credential if form is QrForm.CLEAR else None,
            self.seal(header, credential) if form is QrForm.SEALED else None,
            bytes(64),
        )

    def seal(self, header: QrHeader, credential: QrCredential) -> SealedCredential:
        """Encrypt the credential for the terminals. The library takes its randomness from the
        system, so that this form is never the same twice."""
        group_key = self._phone.state.group_key
        group_key_id = pki.key_id(group_key)
        ciphertext = _SUITE.encrypt(
            QR_CREDENTIAL.build(credential),
            X25519PublicKey.from_public_bytes(group_key),
            sealing_info(header, group_key_id),
        )
        return SealedCredential(group_key_id, ciphertext)

    def sign(self, data: bytes) -> bytes:
        """The phone's signature."""
        return pki.sign(pki.private_key(self._phone.state.card.signing_scalar), data)

    def log(self, entry: EntryState) -> None:
        """Count the token in the entry's usage log."""
        log_qr(entry, int(self._phone.clock()))
