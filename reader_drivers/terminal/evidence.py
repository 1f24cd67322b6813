"""What the terminal makes of signed evidence: files, grants, presence tokens, the list."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Mapping, Sequence

from cryptography import x509

from card_formats.core import FormatError
from card_formats.data_objects import FILE_SIGNATURE, FileSignature, Rights, file_signature_input
from card_formats.fields import serial_text
from card_formats.grant import GRANT, DelegationGrant, fund_input
from card_formats.opposition_list import Status
from card_formats.presence_token import PRESENCE_TOKEN, PresenceToken, presence_input
from card_formats.profile_ecv_sim_1 import Fid, KeyPurpose, Marker, Role
from reader_drivers.terminal.context import Context
from reader_drivers.terminal.errors import TrustError
from reader_drivers.terminal.opposition import ListState
from reader_drivers.terminal.trust import card_serial_of, verify_raw
from reader_drivers.terminal.verdict import Findings, Reason

SIGNED_FILES = (Fid.IDENTITY, Fid.RIGHTS, Fid.COVER)
"""Files that EF.SIGNATURE covers (profile 6.5)."""

_DAY = 86_400


def check_marker(context: Context, findings: Findings, marker: Marker) -> None:
    """A production terminal refuses test and demonstration cards (profile 9.5)."""
    findings.marker = marker
    if context.mode == "production":
        findings.refuse(
            Reason.TEST_CARD, f"a {marker.name.lower()} card in a production terminal (F026)"
        )


def check_expected_serial(findings: Findings, expected: bytes | None) -> None:
    """The card presented must be the one expected, when one is (a tap after a tap)."""
    found = findings.serial
    if expected is not None and found is not None and expected != found:
        findings.refuse(
            Reason.CARD_SUBSTITUTED,
            f"{serial_text(expected)} was expected, {serial_text(found)} was presented",
        )


def check_files(
    context: Context, findings: Findings, encoded: bytes, files: Mapping[Fid, bytes]
) -> FileSignature | None:
    """Verify EF.SIGNATURE and the files read against it (profile 6.5).

    Returns:
        The signature when the fund vouches for every one of ``files``, else ``None``.
    """
    try:
        value = FILE_SIGNATURE.parse(encoded)
    except FormatError as error:
        findings.refuse(Reason.TAMPERED_DATA, f"EF.SIGNATURE: {error}")
        return None
    good = True
    try:
        key = context.kit.trust.data_key(value.signer, context.clock())
    except TrustError as error:
        findings.refuse(error.reason, f"EF.SIGNATURE: {error}")
        good = False
    else:
        if not verify_raw(key, value.signature, file_signature_input(value)):
            findings.refuse(Reason.BAD_FUND_SIGNATURE, "EF.SIGNATURE: not the fund's signature")
            good = False
    digests = {item.fid: item.sha256 for item in value.digests}
    if tuple(item.fid for item in value.digests) != SIGNED_FILES:
        findings.refuse(Reason.TAMPERED_DATA, "EF.SIGNATURE does not cover the files it should")
        good = False
    for fid, content in files.items():
        if digests.get(fid) != hashlib.sha256(content).digest():
            findings.refuse(
                Reason.TAMPERED_DATA, f"EF.{fid.name} is not the file that the fund signed"
            )
            good = False
    return value if good else None


def check_rights(context: Context, findings: Findings, rights: Rights) -> None:
    """A period of rights must cover today (profile 6.2)."""
    today = context.today
    if any(period.valid_from <= today <= period.valid_until for period in rights.periods):
        return
    last = max((period.valid_until for period in rights.periods), default=None)
    findings.refuse(Reason.RIGHTS_ENDED, _rights_text(last, today))


def _rights_text(last: datetime.date | None, today: datetime.date) -> str:
    if last is None:
        return "the card holds no period of rights"
    if last < today:
        return f"the rights ended on {last:%Y-%m-%d}"
    return "no period of rights covers today"


@dataclasses.dataclass(frozen=True)
class GrantTerms:
    """When and for whom a delegation holds, from a grant or a QR credential."""

    valid_from: int
    valid_until: int
    roles: int


def check_terms(context: Context, findings: Findings, terms: GrantTerms) -> None:
    """Window, length and scope of a delegation (profile 7.1)."""
    now = context.clock()
    if now < terms.valid_from:
        findings.refuse(
            Reason.DELEGATION_NOT_YET_VALID, f"begins in {terms.valid_from - now:.0f} s"
        )
    if now >= terms.valid_until:
        findings.refuse(Reason.DELEGATION_EXPIRED, f"ended {now - terms.valid_until:.0f} s ago")
    most = context.profile.grant_max_days
    if terms.valid_until - terms.valid_from > most * _DAY:
        days = (terms.valid_until - terms.valid_from) / _DAY
        findings.refuse(Reason.DELEGATION_TOO_LONG, f"{days:.1f} days, at most {most}")
    role = context.kit.role
    if not terms.roles >> role & 1:
        findings.refuse(
            Reason.DELEGATION_OUT_OF_SCOPE, f"not for the profession {role.name.lower()}"
        )


def check_grant(
    context: Context, findings: Findings, encoded: bytes, *, own: bytes, entry: bytes
) -> DelegationGrant | None:
    """Verify EF.GRANT (profile 7).

    The fund's countersignature covers the delegator's, whose certificate an offline terminal
    does not have.

    Args:
        own: serial of the phone's own card, which must be the delegate's.
        entry: serial of the card presented, which the grant must cover.

    Returns:
        The grant, when its signature is the fund's; its terms may still refuse it.
    """
    try:
        grant = GRANT.parse(encoded)
    except FormatError as error:
        findings.refuse(Reason.TAMPERED_DATA, f"EF.GRANT: {error}")
        return None
    if grant.delegate != own:
        findings.refuse(
            Reason.DELEGATION_WRONG_DELEGATE,
            f"the grant is for {serial_text(grant.delegate)}, this phone is {serial_text(own)}",
        )
    if entry not in grant.entries:
        findings.refuse(
            Reason.DELEGATION_OUT_OF_SCOPE, f"the grant does not cover {serial_text(entry)}"
        )
    check_terms(context, findings, GrantTerms(grant.valid_from, grant.valid_until, grant.roles))
    check_status(context, findings, grant.status_index, "the grant", Reason.DELEGATION_REVOKED)
    try:
        key = context.kit.trust.data_key(grant.fund_key_id, context.clock())
    except TrustError as error:
        findings.refuse(error.reason, f"EF.GRANT: {error}")
        return None
    if not verify_raw(key, grant.fund_signature, fund_input(grant)):
        findings.refuse(Reason.BAD_FUND_SIGNATURE, "EF.GRANT: not the fund's signature")
        return None
    return grant


def check_list(context: Context, findings: Findings) -> None:
    """State of the opposition list (profile 10)."""
    store = context.opposition
    state = ListState.MISSING if store is None else store.state()
    if state is ListState.MISSING:
        findings.refuse(Reason.LIST_MISSING, "no opposition list: fetch one from the fund")
    elif state is ListState.UNTRUSTED:
        findings.refuse(Reason.LIST_UNTRUSTED, store.problem if store else "")
    elif state is ListState.STALE:
        findings.refuse(
            Reason.LIST_STALE, "the opposition list is too old: fetch one from the fund"
        )
    elif state is ListState.STALE_WITHIN_GRACE:
        findings.warn(Reason.LIST_STALE, "the opposition list is old: fetch one from the fund")


def check_status(
    context: Context,
    findings: Findings,
    index: int,
    what: str,
    opposed_as: Reason = Reason.OPPOSED,
) -> None:
    """Look ``index`` up in the list in hand, if any."""
    status = None if context.opposition is None else context.opposition.status(index)
    if status is Status.OPPOSED:
        findings.refuse(opposed_as, f"{what} is opposed in the opposition list")
    elif status is Status.SUSPENDED:
        reason = Reason.SUSPENDED if opposed_as is Reason.OPPOSED else opposed_as
        findings.refuse(reason, f"{what} is suspended in the opposition list")


@dataclasses.dataclass(frozen=True)
class Presence:
    """What a presence token must say to be the answer to this terminal.

    ``None`` leaves a field unchecked, for a token looked at apart from its tap.
    """

    challenge: bytes
    signer: bytes | None = None
    entry: bytes | None = None
    marker: Marker | None = None
    delegated: bool | None = None
    grant_id: bytes | None = None


def check_presence(
    context: Context,
    findings: Findings,
    encoded: bytes,
    certificates: Sequence[x509.Certificate],
    expected: Presence,
) -> PresenceToken | None:
    """Verify a presence token with the phone's certificates, leaf last (profile 8.2).

    Returns:
        The token, when the phone's signature is right.
    """
    try:
        token = PRESENCE_TOKEN.parse(encoded)
    except FormatError as error:
        findings.refuse(Reason.TAMPERED_DATA, f"presence token: {error}")
        return None
    _check_content(context, findings, token, expected)
    _check_age(context, findings, token)
    return token if _check_signer(context, findings, token, certificates) else None


def _check_signer(
    context: Context,
    findings: Findings,
    token: PresenceToken,
    certificates: Sequence[x509.Certificate],
) -> bool:
    if not certificates:
        findings.refuse(Reason.UNKNOWN_ISSUER, "presence token: no certificate came with it")
        return False
    leaf = certificates[-1]
    try:
        key = context.kit.trust.check(
            leaf, KeyPurpose.CARD_SIGNATURE, context.clock(), certificates[:-1]
        )
        serial = card_serial_of(leaf)
    except TrustError as error:
        findings.refuse(error.reason, f"presence token: {error}")
        return False
    if serial != token.signer:
        findings.refuse(
            Reason.CARD_SUBSTITUTED, "the presence token names another card than its certificate"
        )
    if not verify_raw(key, token.signature, presence_input(token)):
        findings.refuse(Reason.BAD_PHONE_SIGNATURE, "presence token: not the phone's signature")
        return False
    return True


def _check_content(
    context: Context, findings: Findings, token: PresenceToken, expected: Presence
) -> None:
    if token.challenge != expected.challenge:
        findings.refuse(Reason.REPLAYED, "the presence token answers another challenge")
    if (token.professional, token.role) != (context.kit.professional, context.kit.role):
        who = f"{token.professional}, {Role(token.role).name.lower()}"
        findings.refuse(
            Reason.REPLAYED, f"the presence token was made for another terminal ({who})"
        )
    for name, found, wanted in (
        ("signer", token.signer, expected.signer),
        ("card", token.entry_serial, expected.entry),
    ):
        if wanted is not None and found != wanted:
            findings.refuse(
                Reason.CARD_SUBSTITUTED,
                f"the presence token has {name} {serial_text(found)}, not {serial_text(wanted)}",
            )
    for name, value, required in (
        ("marker", token.marker, expected.marker),
        ("delegation", token.delegated, expected.delegated),
        ("grant", token.grant_id, expected.grant_id),
    ):
        if required is not None and value != required:
            findings.refuse(
                Reason.TAMPERED_DATA, f"the presence token contradicts the card on its {name}"
            )


def _check_age(context: Context, findings: Findings, token: PresenceToken) -> None:
    age = context.clock() - token.time
    if age > context.profile.presence_token_max_age:
        findings.refuse(Reason.OBSOLETE, f"the presence token is {age:.0f} s old")
    if age < -context.profile.clock_skew:
        findings.refuse(
            Reason.NOT_YET_VALID, f"the presence token is from {-age:.0f} s in the future"
        )
