"""What the fund and a phone hand each other, and the receipts."""

from __future__ import annotations

import dataclasses
import datetime
import enum

from card_formats.profile_ecv_sim_1 import EntryKind, LifeCycle, Marker


@dataclasses.dataclass(frozen=True)
class EnrolmentRequest:
    """A phone's public keys, uncompressed points of 65 bytes. ``valid_until`` may be past, for
    an e-carte that has expired; ``None`` for the usual three years."""

    person_key: str
    marker: Marker
    signing_point: bytes
    agreement_points: tuple[bytes, ...]
    valid_until: datetime.date | None = None


@dataclasses.dataclass(frozen=True)
class IssuedEntry:
    """One wallet entry as the fund has it now.

    ``files`` maps FID to content, ``credential`` is an encoded QR credential, ``pseudonyms``
    are new ones to add. ``grant`` and ``revoked`` are of a delegated entry.
    """

    kind: EntryKind
    serial: bytes
    valid_until: datetime.date
    status_index: int
    files: dict[int, bytes]
    credential: bytes
    pseudonyms: tuple[bytes, ...]
    grant: bytes | None = None
    revoked: bool = False


@dataclasses.dataclass(frozen=True)
class FundAnchors:
    """What a phone needs to know of the fund; group key and data key may change."""

    issuing_ca: bytes
    terminal_ca: bytes
    issuer_key_id: bytes
    group_key: bytes


@dataclasses.dataclass(frozen=True)
class Enrolment:
    """A new e-carte. Certificates are DER; the agreement ones in the order of the points."""

    serial: bytes
    valid_until: datetime.date
    unblocking_code: str
    signing_chain: tuple[bytes, ...]
    agreement_certificates: tuple[bytes, ...]
    entries: tuple[IssuedEntry, ...]
    anchors: FundAnchors


@dataclasses.dataclass(frozen=True)
class RefreshRequest:
    """``pseudonyms_left`` counts what the phone has left, by (entry serial, grant id); the
    grant id is empty for an entry that is not delegated."""

    serial: bytes
    agreement_points: tuple[bytes, ...]
    pseudonyms_left: dict[tuple[bytes, bytes], int]


class ReceiptOutcome(enum.StrEnum):
    """What becomes of the money."""

    NOTHING_TO_PAY = "nothing_to_pay"
    REIMBURSED = "reimbursed"


@dataclasses.dataclass(frozen=True)
class ReceiptLine:
    """One act or medicine of an invoice."""

    label: str
    cents: int


@dataclasses.dataclass(frozen=True)
class Receipt:
    """What the fund tells the holder of an invoice. ``serial`` is the e-carte's that was
    shown, ``time`` epoch seconds. It is never on the card."""

    serial: bytes
    time: int
    professional: str
    outcome: ReceiptOutcome
    lines: tuple[ReceiptLine, ...]


@dataclasses.dataclass(frozen=True)
class GivenGrant:
    """A grant that this phone gave, and whether it was taken back."""

    grant: bytes
    revoked: bool


@dataclasses.dataclass(frozen=True)
class Refresh:
    """The answer to a :class:`RefreshRequest`. A card that is opposed or suspended gets no new
    keys and no pseudonyms."""

    life_cycle: LifeCycle
    agreement_certificates: tuple[bytes, ...]
    entries: tuple[IssuedEntry, ...]
    anchors: FundAnchors
    given: tuple[GivenGrant, ...]
    receipts: tuple[Receipt, ...]
