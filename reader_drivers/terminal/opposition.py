"""The terminal's copy of the opposition list, and how far it may be relied on (profile 10)."""

from __future__ import annotations

import enum
from pathlib import Path

from card_formats.core import FormatError
from card_formats.opposition_list import (
    OPPOSITION_LIST,
    OppositionList,
    SignedOppositionList,
    Status,
)
from card_formats.profile_ecv_sim_1 import ECV_SIM_1, KeyPurpose
from reader_drivers.terminal.atomic_file import write_atomically
from reader_drivers.terminal.errors import OppositionError, TrustError
from reader_drivers.terminal.seam import Clock
from reader_drivers.terminal.trust import FundTrust, key_id, verify_raw


class ListState(enum.Enum):
    """How far the list in hand may be relied on."""

    MISSING = "missing"
    UNTRUSTED = "untrusted"
    FRESH = "fresh"
    STALE_WITHIN_GRACE = "stale_within_grace"
    STALE = "stale"


class OppositionStore:
    """The newest genuine list seen. An older one never replaces it, nor does a bad one.

    Args:
        trust: the fund's certificates, from the kit.
        clock: time.
        path: file that keeps the list between runs; ``None`` keeps it in memory. A file that
            is there and cannot be trusted makes the state UNTRUSTED, and stays until a good
            list is loaded; it is then kept beside the new one with the suffix ``.rejected``.
    """

    def __init__(self, trust: FundTrust, clock: Clock, path: Path | None = None) -> None:
        self._trust = trust
        self._clock = clock
        self._path = path
        self._current: OppositionList | None = None
        self._file_is_bad = False
        self.problem = ""
        """Why the last list offered was not taken; empty when it was."""
        if path is not None and path.exists():
            self._restore(path)

    def load(self, source: bytes | Path) -> None:
        """Take a list, from the wire (JWT bytes) or from a file.

        Raises:
            OppositionError: it is not taken, with why; the list there was stays in force.
        """
        try:
            raw = source.read_bytes() if isinstance(source, Path) else source
        except OSError as error:
            self.problem = f"opposition list {source!s}: {error.strerror or error}"
            raise OppositionError(self.problem, untrusted=False) from None
        try:
            claims = self._verified(raw)
            self._check_newer(claims)
        except OppositionError as error:
            self.problem = str(error)
            raise
        self._save(raw)
        self._current = claims
        self.problem = ""

    def state(self) -> ListState:
        """State of the list now."""
        if self._current is None:
            return ListState.UNTRUSTED if self.problem else ListState.MISSING
        now = self._clock()
        age = now - self._current.issued_at
        if now >= self._current.expires_at or age > 2 * self._current.ttl:
            return ListState.STALE
        return ListState.FRESH if age <= self._current.ttl else ListState.STALE_WITHIN_GRACE

    def status(self, index: int) -> Status | None:
        """Status of an entry; ``None`` without a list. Ask :meth:`state` too.

        The reserved value counts as opposed: it is no licence to accept.
        """
        if self._current is None:
            return None
        status = self._current.status(index)
        return Status.OPPOSED if status is Status.RESERVED else status

    @property
    def issued_at(self) -> int | None:
        """When the list in hand was issued; ``None`` without one."""
        return None if self._current is None else self._current.issued_at

    def _verified(self, raw: bytes) -> OppositionList:
        try:
            signed = OPPOSITION_LIST.parse(raw)
        except FormatError as error:
            raise OppositionError(f"opposition list malformed: {error}") from None
        self._check_signature(signed)
        ahead = signed.claims.issued_at - self._clock()
        if ahead > ECV_SIM_1.clock_skew:
            raise OppositionError(
                f"opposition list issued {ahead:.0f} s in the future: check this machine's clock"
            )
        return signed.claims

    def _check_signature(self, signed: SignedOppositionList) -> None:
        try:
            key = self._trust.check(
                self._trust.opposition_signer, KeyPurpose.FUND_OPPOSITION, self._clock()
            )
        except TrustError as error:
            raise OppositionError(f"opposition list: {error}") from None
        if signed.claims.key_id != key_id(key).hex():
            raise OppositionError(
                f"opposition list signed with key {signed.claims.key_id}, not the fund's"
            )
        if not verify_raw(key, signed.signature, signed.signing_input):
            raise OppositionError("opposition list: wrong signature")

    def _check_newer(self, claims: OppositionList) -> None:
        if self._current is not None and claims.issued_at < self._current.issued_at:
            raise OppositionError(
                f"opposition list issued {self._current.issued_at - claims.issued_at} s before "
                "the one in hand: not taken",
                untrusted=False,
            )

    def _restore(self, path: Path) -> None:
        try:
            self._current = self._verified(path.read_bytes())
        except OppositionError as error:
            self.problem = f"{path}: {error}"
            self._file_is_bad = True
        except OSError as error:
            self.problem = f"{path}: {error.strerror or error}"

    def _save(self, raw: bytes) -> None:
        if self._path is None:
            return
        try:
            if self._file_is_bad:
                self._path.replace(self._path.with_name(f"{self._path.name}.rejected"))
                self._file_is_bad = False
            write_atomically(self._path, raw)
        except OSError as error:
            self.problem = f"{self._path}: cannot be written: {error.strerror or error}"
            raise OppositionError(self.problem, untrusted=False) from None
