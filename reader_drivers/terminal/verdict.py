"""The answer of one acquisition: accepted or refused, with all reasons (profile 11)."""

from __future__ import annotations

import dataclasses
import enum

from card_formats.data_objects import Cover, Identity, Rights
from card_formats.presence_token import PresenceToken
from card_formats.profile_ecv_sim_1 import Marker
from card_formats.qr_token import QrCredential


class Reason(enum.StrEnum):
    """Why a card or a token is refused, or what the user is warned of."""

    UNKNOWN_ISSUER = "unknown_issuer"
    BAD_ISSUER_SIGNATURE = "bad_issuer_signature"
    BAD_PHONE_SIGNATURE = "bad_phone_signature"
    BAD_FUND_SIGNATURE = "bad_fund_signature"
    TAMPERED_DATA = "tampered_data"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    OPPOSED = "opposed"
    SUSPENDED = "suspended"
    LIST_MISSING = "list_missing"
    LIST_STALE = "list_stale"
    LIST_UNTRUSTED = "list_untrusted"
    RIGHTS_ENDED = "rights_ended"
    DELEGATION_NOT_YET_VALID = "delegation_not_yet_valid"
    DELEGATION_EXPIRED = "delegation_expired"
    DELEGATION_REVOKED = "delegation_revoked"
    DELEGATION_OUT_OF_SCOPE = "delegation_out_of_scope"
    DELEGATION_TOO_LONG = "delegation_too_long"
    DELEGATION_WRONG_DELEGATE = "delegation_wrong_delegate"
    REPLAYED = "replayed"
    QR_EXPIRED = "qr_expired"
    QR_NOT_YET_VALID = "qr_not_yet_valid"
    QR_UNREADABLE = "qr_unreadable"
    QR_UNRESOLVED = "qr_unresolved"
    QR_FORM_REFUSED = "qr_form_refused"
    TEST_CARD = "test_card"
    CARD_SUBSTITUTED = "card_substituted"
    CARD_ABSENT = "card_absent"
    CARD_REMOVED = "card_removed"
    COMMUNICATION_FAULT = "communication_fault"
    CODE_WRONG = "code_wrong"
    CODE_BLOCKED = "code_blocked"
    CODE_NEEDED = "code_needed"
    PHONE_LOCKED = "phone_locked"
    NOT_AN_E_CARTE = "not_an_e_carte"
    OBSOLETE = "obsolete"
    REFUSED_BY_CARD = "refused_by_card"

    @property
    def french_code(self) -> str | None:
        """Error of the French reader layer that says the same, where there is one."""
        return _FRENCH_CODES.get(self)


_FRENCH_CODES: dict[str, str] = {
    Reason.CODE_WRONG: "F003",
    Reason.CARD_ABSENT: "F011",
    Reason.COMMUNICATION_FAULT: "F014",
    Reason.CARD_REMOVED: "F015",
    Reason.TEST_CARD: "F026",
}


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One verdict per acquisition.

    Attributes:
        accepted: there is no reason against it.
        reasons: all reasons found, in the order found, each once.
        warnings: what does not refuse but should be shown (a stale list within its grace).
        identity, rights, cover: of the entry presented, from a tap, once the fund's signature
            over them has been verified; rights and cover also from an online QR code, as the
            fund told them; ``None`` otherwise.
        credential: from a QR code, once the fund's signature has been verified.
        serial: serial of the card presented, as far as it is known.
        acting_for: serial of the delegator's own card when the entry is delegated.
        presence_token: the token received and verified, whatever else was found.
        marker: test or demonstration, as the card or the token says.
        details: for each reason or warning (its identifier) a sentence; further keys such as
            ``tries_left`` and ``card_status`` as text.
    """

    accepted: bool
    reasons: tuple[Reason, ...] = ()
    warnings: tuple[Reason, ...] = ()
    identity: Identity | None = None
    rights: Rights | None = None
    cover: Cover | None = None
    credential: QrCredential | None = None
    serial: bytes | None = None
    acting_for: bytes | None = None
    presence_token: PresenceToken | None = None
    marker: Marker | None = None
    details: dict[str, str] = dataclasses.field(default_factory=dict)


class Findings:
    """What is known so far of one acquisition; becomes its :class:`Verdict`."""

    def __init__(self) -> None:
        self.reasons: list[Reason] = []
        self.warnings: list[Reason] = []
        self.details: dict[str, str] = {}
        self.identity: Identity | None = None
        self.rights: Rights | None = None
        self.cover: Cover | None = None
        self.credential: QrCredential | None = None
        self.serial: bytes | None = None
        self.acting_for: bytes | None = None
        self.presence_token: PresenceToken | None = None
        self.marker: Marker | None = None

    def refuse(self, reason: Reason, detail: str) -> None:
        """Add a reason; a second sentence for the same reason is appended."""
        if reason not in self.reasons:
            self.reasons.append(reason)
        self._explain(reason, detail)

    def warn(self, warning: Reason, detail: str) -> None:
        """Add a warning, which refuses nothing."""
        if warning not in self.warnings:
            self.warnings.append(warning)
        self._explain(warning, detail)

    def verdict(self) -> Verdict:
        """Everything found, frozen."""
        return Verdict(
            accepted=not self.reasons,
            reasons=tuple(self.reasons),
            warnings=tuple(self.warnings),
            identity=self.identity,
            rights=self.rights,
            cover=self.cover,
            credential=self.credential,
            serial=self.serial,
            acting_for=self.acting_for,
            presence_token=self.presence_token,
            marker=self.marker,
            details=dict(self.details),
        )

    def _explain(self, reason: Reason, detail: str) -> None:
        known = self.details.get(reason.value)
        if known is None:
            self.details[reason.value] = detail
        elif detail not in known.split("; "):
            self.details[reason.value] = f"{known}; {detail}"
