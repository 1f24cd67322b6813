"""What a campaign found, as plain data; everything reported is made from it."""

from __future__ import annotations

import dataclasses
import enum
from collections import Counter
from collections.abc import Iterable

from conformance.exit_codes import ExitCode
from conformance.purposes import Purpose
from conformance.trace import Exchange
from conformance.verdicts import Judgement, Verdict


class Status(enum.StrEnum):
    """Overall status. Never conformant while a selected purpose has not passed."""

    CONFORMANT = "conformant"
    NOT_CONFORMANT = "not conformant"
    INCOMPLETE = "incomplete"


@dataclasses.dataclass(frozen=True)
class PurposeResult:
    """One purpose executed on one reader. ``duration`` in seconds."""

    purpose: Purpose
    reader: str
    judgement: Judgement
    duration: float
    trace: tuple[Exchange, ...]

    @property
    def verdict(self) -> Verdict:
        """Its verdict."""
        return self.judgement.verdict


@dataclasses.dataclass(frozen=True)
class NotApplicable:
    """A purpose that was not selected for a reader, with the reason."""

    purpose: Purpose
    reader: str
    reason: str


@dataclasses.dataclass(frozen=True)
class ReaderInfo:
    """A reader as it presented itself. ``atr``: ATR or ATS last seen, hexadecimal."""

    url: str
    description: str
    features: tuple[str, ...]
    atr: str


@dataclasses.dataclass
class CampaignResult:
    """Everything a campaign found.

    ``whole``: every purpose of the catalogue was asked for. ``mutants``: faults planted on
    purpose; with one, nothing found says anything of the product.
    """

    whole: bool
    expected: int = 0
    readers: dict[str, ReaderInfo] = dataclasses.field(default_factory=dict)
    results: list[PurposeResult] = dataclasses.field(default_factory=list)
    not_applicable: list[NotApplicable] = dataclasses.field(default_factory=list)
    bench_errors: list[str] = dataclasses.field(default_factory=list)
    started_at: float = 0.0
    duration: float = 0.0
    mutants: tuple[str, ...] = ()

    def count(self, verdict: Verdict, reader: str | None = None) -> int:
        """How many results have this verdict, on this reader or on all."""
        return sum(
            1
            for result in self.results
            if result.verdict is verdict and reader in (None, result.reader)
        )

    @property
    def status(self) -> Status:
        """Conformant only if all was asked for, all that applies was run, and all of it passed."""
        if self.count(Verdict.FAIL):
            return Status.NOT_CONFORMANT
        sound = self.whole and not self.mutants and not self.bench_errors
        complete = sound and len(self.results) == self.expected
        if complete and self.results and self.count(Verdict.PASS) == len(self.results):
            return Status.CONFORMANT
        return Status.INCOMPLETE

    @property
    def exit_code(self) -> ExitCode:
        """The worst of what happened."""
        if self.count(Verdict.FAIL):
            return ExitCode.FAILED
        passed = self.count(Verdict.PASS)
        if not self.results or self.bench_errors or passed != self.expected:
            return ExitCode.BENCH
        return ExitCode.PASSED


def matrix(results: Iterable[PurposeResult]) -> dict[str, dict[str, Counter[Verdict]]]:
    """Counts of verdicts by family, then reader."""
    table: dict[str, dict[str, Counter[Verdict]]] = {}
    for result in results:
        row = table.setdefault(result.purpose.family, {})
        row.setdefault(result.reader, Counter())[result.verdict] += 1
    return table
