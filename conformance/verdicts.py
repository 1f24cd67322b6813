"""Verdicts of ISO/IEC 9646 and the exceptions a scenario reaches them by."""

from __future__ import annotations

import dataclasses
import enum

import pytest


class Verdict(enum.StrEnum):
    """Outcome of one executed purpose. *Not applicable* is no verdict, but a selection result."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONC = "INCONC"
    ERROR = "ERROR"


class Inconclusive(Exception):
    """The purpose was not reached: its preconditions could not be brought about."""


class Failure(AssertionError):
    """The implementation did something else than the requirement says.

    Args:
        what: what was looked at ("SW of VERIFY (…)").
        expected, got: in words a reader of the report understands.
    """

    def __init__(self, what: str, expected: str, got: str) -> None:
        self.what = what
        self.expected = expected
        self.got = got
        super().__init__(f"{what}: expected {expected}, got {got}")


@dataclasses.dataclass(frozen=True)
class Judgement:
    """A verdict with its reason; ``expected`` and ``got`` are empty unless it is a FAIL that
    says them apart."""

    verdict: Verdict
    reason: str = ""
    expected: str = ""
    got: str = ""


def judge(error: BaseException | None) -> Judgement:
    """The verdict for what a scenario raised, ``None`` for nothing."""
    if error is None:
        return Judgement(Verdict.PASS)
    if isinstance(error, Failure):
        return Judgement(Verdict.FAIL, str(error), error.expected, error.got)
    if isinstance(error, AssertionError | pytest.fail.Exception):
        return Judgement(Verdict.FAIL, str(error) or "assertion without a message")
    if isinstance(error, Inconclusive):
        return Judgement(Verdict.INCONC, str(error))
    if isinstance(error, pytest.skip.Exception):
        return Judgement(Verdict.ERROR, f"the scenario skipped itself: {error}")
    return Judgement(Verdict.ERROR, f"{type(error).__name__}: {error}")
