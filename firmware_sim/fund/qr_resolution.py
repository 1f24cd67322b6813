"""What a pseudonymous QR token stands for (profile 9.1, 9.5)."""

from __future__ import annotations

import dataclasses

from card_formats.core import FormatError
from card_formats.data_objects import Cover, Rights
from card_formats.opposition_list import Status
from card_formats.profile_ecv_sim_1 import ECV_SIM_1, Role
from card_formats.qr_token import QrCredential, QrForm, QrHeader, QrToken, device_input, from_text
from firmware_sim.fund import pki
from firmware_sim.fund.authority import FundKeys
from firmware_sim.fund.cards import CardRecord, Cards
from firmware_sim.fund.grants import Grants
from firmware_sim.fund.issuing import GrantRecord, Issuing
from firmware_sim.fund.store import FundStore
from firmware_sim.seam import Clock


@dataclasses.dataclass(frozen=True)
class QrResolution:
    """The fund's answer.

    Attributes:
        reasons: identifiers of profile 11 for which it refuses; empty when it accepts.
        detail: the reasons in words.
        credential: what the token stands for, signed by the fund; ``None`` when refused, as
            are all fields below: a refused token discloses nothing.
        serial: the card shown; phone: the phone's own card, another one under a delegation.
        rights, cover: as of now.
    """

    reasons: tuple[str, ...]
    detail: str
    credential: QrCredential | None = None
    serial: bytes | None = None
    phone: bytes | None = None
    rights: Rights | None = None
    cover: Cover | None = None

    @property
    def accepted(self) -> bool:
        """Whether the fund accepts the token."""
        return not self.reasons


@dataclasses.dataclass(frozen=True)
class _Case:
    """What a pseudonym was handed out for."""

    card: CardRecord
    phone: CardRecord
    held: GrantRecord | None
    spent: bool


class QrResolutions:
    """Each check is a method of its own that returns its reasons, each with a sentence."""

    def __init__(
        self,
        store: FundStore,
        keys: FundKeys,
        cards: Cards,
        issuing: Issuing,
        grants: Grants,
        clock: Clock,
    ) -> None:
        self._store = store
        self._keys = keys
        self._cards = cards
        self._issuing = issuing
        self._grants = grants
        self._clock = clock

    def resolve(self, text: str, role: Role | None) -> QrResolution:
        """See :meth:`Fund.resolve_qr`."""
        try:
            token = from_text(text)
        except FormatError as error:
            return QrResolution(("qr_unreadable",), str(error))
        if token.header.flags.form is not QrForm.ONLINE:
            return QrResolution(("qr_form_refused",), "only the online form is resolved here")
        if token.header.issuer_key_id != self._keys.data.id:
            return QrResolution(("unknown_issuer",), "the token names another fund's key")
        with self._store.transaction():
            case = self._case(token.header.subject)
            if case is None:
                return QrResolution(("qr_unresolved",), "the pseudonym was never handed out")
            findings = {
                **self.check_device(token, case),
                **self.check_time(token.header),
                **self.check_replay(case),
                **self.check_card(case),
                **self.check_delegation(case, role),
                **self.check_flags(token.header, case),
            }
            if findings:
                return QrResolution(tuple(findings), "; ".join(findings.values()))
            self.spend(token.header.subject)
            return self._answer(case)

    def check_device(self, token: QrToken, case: _Case) -> dict[str, str]:
        """The phone that the pseudonym was handed to signed the token."""
        point = self._cards.signing_point(case.phone.serial)
        signature = token.device_signature
        if signature is not None and pki.is_signed(point, device_input(token), signature):
            return {}
        return {"bad_phone_signature": "the token is not signed by its phone"}

    def check_time(self, header: QrHeader) -> dict[str, str]:
        """Issued, and not over."""
        now, skew = self._clock(), ECV_SIM_1.clock_skew
        if header.issued > now + skew:
            return {"qr_not_yet_valid": "the token was issued in the future"}
        if header.lifetime > ECV_SIM_1.qr_lifetime:
            return {"qr_expired": f"a lifetime of {header.lifetime} s is not allowed"}
        if now > header.issued + header.lifetime + skew:
            return {"qr_expired": "the token's lifetime is over"}
        return {}

    def check_replay(self, case: _Case) -> dict[str, str]:
        """The pseudonym was not resolved before."""
        return {"replayed": "this code was used already"} if case.spent else {}

    def check_card(self, case: _Case) -> dict[str, str]:
        """Neither the card shown nor the phone that shows it is reported or expired."""
        findings = {}
        statuses = {self._cards.status(card) for card in (case.card, case.phone)}
        if Status.OPPOSED in statuses:
            findings["opposed"] = "the e-carte is opposed"
        if Status.SUSPENDED in statuses:
            findings["suspended"] = "the e-carte is suspended"
        if any(self._cards.is_expired(card) for card in (case.card, case.phone)):
            findings["expired"] = "the e-carte has expired"
        return findings

    def check_delegation(self, case: _Case, role: Role | None) -> dict[str, str]:
        """The grant, if there is one, serves now and here."""
        if case.held is None:
            return {}
        grant, now, findings = case.held.grant, self._clock(), {}
        if case.held.revoked:
            findings["delegation_revoked"] = "the delegation was taken back"
        if now < grant.valid_from:
            findings["delegation_not_yet_valid"] = "the delegation has not begun"
        if now >= grant.valid_until:
            findings["delegation_expired"] = "the delegation has ended"
        if role is not None and not grant.covers_role(role):
            findings["delegation_out_of_scope"] = "not for this profession"
        return findings

    def check_flags(self, header: QrHeader, case: _Case) -> dict[str, str]:
        """Marker and delegated flag are those of the card."""
        said = (header.flags.marker, header.flags.delegated)
        if said == (case.phone.marker, case.held is not None):
            return {}
        return {"tampered_data": "the token's flags are not those of the e-carte"}

    def spend(self, subject: bytes) -> None:
        """The pseudonym has served."""
        self._store.execute(
            "UPDATE pseudonyms SET spent_at = ? WHERE subject = ?", int(self._clock()), subject
        )

    def _case(self, subject: bytes) -> _Case | None:
        row = self._store.one(
            "SELECT phone, serial, grant_id, spent_at FROM pseudonyms WHERE subject = ?", subject
        )
        if row is None:
            return None
        phone, serial, grant_id, spent_at = row
        return _Case(
            self._cards.get(serial),
            self._cards.get(phone),
            self._grants.find(grant_id) if grant_id else None,
            spent_at is not None,
        )

    def _answer(self, case: _Case) -> QrResolution:
        person = self._cards.person(case.card.person)
        today = self._cards.today()
        grant = case.held.grant if case.held else None
        return QrResolution(
            (),
            "",
            self._issuing.credential(case.card, case.phone, grant),
            case.card.serial,
            case.phone.serial,
            Rights(today, person.rights),
            Cover(today, person.mutuals),
        )
