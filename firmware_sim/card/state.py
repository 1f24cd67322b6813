"""What a card remembers. Plain data, saved as a whole by whoever owns it (the phone).

The card never writes a disk itself: it changes its state and calls ``commit``, and goes on
only when that has returned. A commit that raises is a power cut.
"""

from __future__ import annotations

import dataclasses
import datetime

from card_formats.profile_ecv_sim_1 import EntryKind, LifeCycle, Marker


@dataclasses.dataclass
class AgreementKey:
    """One key of the pool: 32-byte P-256 scalar, DER certificate, whether it has served."""

    scalar: bytes
    certificate: bytes
    used: bool = False


@dataclasses.dataclass
class EntryState:
    """One wallet entry. ``files`` maps FID to content; EF.USAGE is kept in ``usage_log``.

    For a delegated entry ``grant`` is the encoded grant and ``grant_revoked`` what the fund
    last said of it; for the others they are ``None`` and False.
    """

    index: int
    kind: EntryKind
    serial: bytes
    valid_until: datetime.date
    status_index: int
    files: dict[int, bytes]
    grant: bytes | None = None
    grant_revoked: bool = False
    usage_counter: int = 0
    usage_log: bytes = b""
    """EF.USAGE as stored (format ``usage``); empty before the first use."""


@dataclasses.dataclass
class CardState:
    """Everything that must survive a restart. Keys are in the clear: nothing here is real."""

    marker: Marker
    serial: bytes
    valid_until: datetime.date
    code: str
    tries_left: int
    unblocking_code: str
    unblocks_left: int
    signing_scalar: bytes
    signing_chain: tuple[bytes, ...]
    """DER: fund issuing CA, card-signature certificate."""
    issuing_ca: bytes
    terminal_ca: bytes
    life_cycle: LifeCycle = LifeCycle.OPERATIONAL
    agreement_keys: list[AgreementKey] = dataclasses.field(default_factory=list)
    entries: dict[int, EntryState] = dataclasses.field(default_factory=dict)
