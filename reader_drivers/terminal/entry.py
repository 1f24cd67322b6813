"""The files of one wallet entry: read what is needed, judge it (profile 5, 6, 7)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TypeVar

from card_formats.core import FormatError, WireFormat
from card_formats.data_objects import COVER, IDENTITY, RIGHTS, FileSignature, Identity
from card_formats.grant import DelegationGrant
from card_formats.profile_ecv_sim_1 import EntryKind, Fid, Role
from card_formats.wallet import WalletEntry
from reader_drivers.terminal.card_files import read_file
from reader_drivers.terminal.context import Context
from reader_drivers.terminal.evidence import check_files, check_grant, check_rights
from reader_drivers.terminal.secure_session import SecureSession
from reader_drivers.terminal.verdict import Findings, Reason

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class EntryFiles:
    """Files of one entry as read. ``signed`` are those that the fund's signature covers."""

    signed: Mapping[Fid, bytes]
    signature: bytes
    grant: bytes | None

    @classmethod
    def read(cls, session: SecureSession, entry: WalletEntry, role: Role) -> EntryFiles:
        """Read what this role may and must: never EF.USAGE, EF.COVER only for care.

        Raises:
            CardRefusal: the card refuses one of them.
        """
        delegated = entry.kind is EntryKind.DELEGATED
        grant = read_file(session, Fid.GRANT) if delegated else None
        wanted = [Fid.IDENTITY, Fid.RIGHTS]
        if role is not Role.FUND_AGENT:
            wanted.append(Fid.COVER)
        signed = {fid: read_file(session, fid) for fid in wanted}
        return cls(signed, read_file(session, Fid.SIGNATURE), grant)


def check_entry(
    context: Context,
    findings: Findings,
    files: EntryFiles,
    *,
    own: WalletEntry,
    entry: WalletEntry,
) -> DelegationGrant | None:
    """Judge the files of the entry presented, and keep what the fund vouches for.

    Args:
        own: the wallet entry of the phone's own card.

    Returns:
        The grant of a delegated entry, when the fund signed it.
    """
    signature = check_files(context, findings, files.signature, files.signed)
    identity = _parsed(findings, files, Fid.IDENTITY, IDENTITY)
    rights = _parsed(findings, files, Fid.RIGHTS, RIGHTS)
    cover = _parsed(findings, files, Fid.COVER, COVER) if Fid.COVER in files.signed else None
    if identity is not None:
        _check_identity(context, findings, identity, entry)
    if rights is not None:
        check_rights(context, findings, rights)
    if signature is not None:
        _check_same_card(findings, signature, entry)
        findings.identity, findings.rights, findings.cover = identity, rights, cover
    if files.grant is None:
        return None
    grant = check_grant(context, findings, files.grant, own=own.serial, entry=entry.serial)
    if grant is not None:
        findings.acting_for = grant.delegator
        if grant.status_index != entry.grant_index:
            findings.refuse(
                Reason.TAMPERED_DATA, "EF.WALLET and EF.GRANT disagree on the index of the grant"
            )
    return grant


def _parsed(findings: Findings, files: EntryFiles, fid: Fid, definition: WireFormat[T]) -> T | None:
    try:
        return definition.parse(files.signed[fid])
    except FormatError as error:
        findings.refuse(Reason.TAMPERED_DATA, f"EF.{fid.name}: {error}")
        return None


def _check_identity(
    context: Context, findings: Findings, identity: Identity, entry: WalletEntry
) -> None:
    if identity.serial != entry.serial:
        findings.refuse(
            Reason.CARD_SUBSTITUTED, "EF.IDENTITY is of another card than the wallet says"
        )
    today = context.today
    if today > identity.valid_until:
        findings.refuse(Reason.EXPIRED, f"the card expired on {identity.valid_until:%Y-%m-%d}")
    if today < identity.valid_from:
        findings.refuse(
            Reason.NOT_YET_VALID, f"the card is valid from {identity.valid_from:%Y-%m-%d}"
        )
    # A delegated entry ends with its grant, which the wallet may give as the earlier end.
    if entry.kind is not EntryKind.DELEGATED and entry.valid_until != identity.valid_until:
        findings.refuse(
            Reason.TAMPERED_DATA, "EF.WALLET and EF.IDENTITY disagree on the end of validity"
        )


def _check_same_card(findings: Findings, signature: FileSignature, entry: WalletEntry) -> None:
    if signature.serial != entry.serial:
        findings.refuse(
            Reason.CARD_SUBSTITUTED, "EF.SIGNATURE is of another card than the wallet says"
        )
