"""Showing a wallet entry as a QR token (profile 9)."""

from __future__ import annotations

import dataclasses

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from card_formats.data_objects import USAGE, Usage, UsageKind, Use
from card_formats.grant import GRANT
from card_formats.profile_ecv_sim_1 import ECV_SIM_1, LifeCycle
from card_formats.qr_token import (
    QR_CREDENTIAL,
    QrFlags,
    QrForm,
    QrHeader,
    QrToken,
    SealedCredential,
    device_input,
    sealing_info,
    to_text,
)
from firmware_sim.card.delegation import end_of_day
from firmware_sim.card.state import EntryState
from firmware_sim.fund import pki
from firmware_sim.phone.errors import PhoneRefusal
from firmware_sim.phone.state import PhoneState
from firmware_sim.seam import Clock, RandomBytes

_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_128_GCM)
NO_PROFESSIONAL = "0" * 11


class QrDisplay:
    """Makes tokens. Each step is a small method, so that a fault can replace one."""

    def __init__(self, state: PhoneState, clock: Clock, random_bytes: RandomBytes) -> None:
        self._state = state
        self._clock = clock
        self._random_bytes = random_bytes

    def check(self, entry: EntryState) -> None:
        """Refuse what must not be shown.

        Raises:
            PhoneRefusal: opposed, suspended, expired, or a grant that does not serve now.
        """
        card = self._state.card
        if card.life_cycle is not LifeCycle.OPERATIONAL:
            raise PhoneRefusal("opposed", f"this card is {card.life_cycle.name.lower()}")
        now = self._clock()
        if now >= end_of_day(card.valid_until) or now >= end_of_day(entry.valid_until):
            raise PhoneRefusal("expired", "this card has expired: renew it with the fund")
        if entry.grant is not None:
            self.check_grant(entry, now)

    def check_grant(self, entry: EntryState, now: float) -> None:
        """Refuse a grant that does not serve now."""
        grant = GRANT.parse(entry.grant or b"")
        if entry.grant_revoked:
            raise PhoneRefusal("delegation_revoked", "this delegation was taken back")
        if now < grant.valid_from:
            raise PhoneRefusal("delegation_not_yet_valid", "this delegation has not begun")
        if now >= grant.valid_until:
            raise PhoneRefusal("delegation_expired", "this delegation has ended")

    def token(self, entry: EntryState, form: QrForm) -> QrToken:
        """A signed token; spends what serves once."""
        header = self.header(entry, form)
        credential = QR_CREDENTIAL.parse(self._state.extras[entry.index].credential)
        sealed = self.seal(header, entry) if form is QrForm.SEALED else None
        unsigned = QrToken(header, credential if form is QrForm.CLEAR else None, sealed, bytes(64))
        return dataclasses.replace(unsigned, device_signature=self.sign(unsigned))

    def header(self, entry: EntryState, form: QrForm) -> QrHeader:
        """The header of a new token."""
        return QrHeader(
            QrFlags(form, entry.grant is not None, True, self._state.card.marker),
            self._state.issuer_key_id,
            entry.serial if form is QrForm.CLEAR else self.pseudonym(entry),
            int(self._clock()),
            self.lifetime(),
            self.next_counter(),
            self.nonce(),
        )

    def pseudonym(self, entry: EntryState) -> bytes:
        """The next one-time pseudonym."""
        pool = self._state.extras[entry.index].pseudonyms
        if not pool:
            raise PhoneRefusal("no_pseudonym", "no one-time number is left: update the phone")
        return pool.pop(0)

    def lifetime(self) -> int:
        """Seconds."""
        return ECV_SIM_1.qr_lifetime

    def next_counter(self) -> int:
        """The counter, raised."""
        self._state.qr_counter += 1
        return self._state.qr_counter

    def nonce(self) -> bytes:
        """Eight random bytes."""
        return self._random_bytes(8)

    def seal(self, header: QrHeader, entry: EntryState) -> SealedCredential:
        """The credential, sealed to the terminals' group key."""
        key_id = pki.key_id(self._state.group_key)
        ciphertext = _SUITE.encrypt(
            self._state.extras[entry.index].credential,
            X25519PublicKey.from_public_bytes(self._state.group_key),
            info=sealing_info(header, key_id),
        )
        return SealedCredential(key_id, ciphertext)

    def sign(self, token: QrToken) -> bytes:
        """The phone's signature."""
        return pki.sign(pki.private_key(self._state.card.signing_scalar), device_input(token))

    def record(self, entry: EntryState) -> None:
        """A line in the usage log."""
        uses = USAGE.parse(entry.usage_log).uses if entry.usage_log else ()
        entry.usage_counter += 1
        use = Use(entry.usage_counter, int(self._clock()), UsageKind.QR, NO_PROFESSIONAL, None)
        kept = (use, *uses)[: ECV_SIM_1.usage_log_entries]
        entry.usage_log = USAGE.build(Usage(entry.usage_counter, kept))


__all__ = ["QrDisplay", "to_text"]
