"""What the fund says when it will not, or cannot."""

from __future__ import annotations


class FundError(Exception):
    """Base of every error of the fund."""


class FundRefusal(FundError):
    """The fund refuses an act. ``reason`` is for machines, the message for people."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class FundFileError(FundError):
    """The fund's file cannot be used. The message says which, why, and what to do."""
