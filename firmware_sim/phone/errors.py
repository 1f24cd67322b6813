"""Why a phone does not do what its holder asks."""

from __future__ import annotations


class PhoneError(Exception):
    """Base of every error of a phone."""


class PhoneRefusal(PhoneError):
    """An act is refused. ``reason`` is for machines, the message for the holder."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class PhoneFileError(PhoneError):
    """The phone's file cannot be used. The message says which, why, and what to do."""
