"""Errors of the terminal. Each message is one line that says what failed and what to do."""

from __future__ import annotations

from reader_drivers.terminal.verdict import Reason


class TerminalError(Exception):
    """Base of every error of the terminal that is not one of its reader."""


class KitError(TerminalError):
    """The terminal's kit (its keys and what it trusts) cannot be used."""


class ReplayStoreError(TerminalError):
    """The memory of tokens seen cannot be read or written."""


class OppositionError(TerminalError):
    """An opposition list was not taken; the one there was, if any, stays.

    ``untrusted``: it is malformed, not the fund's, or not in force, rather than only too old.
    """

    def __init__(self, message: str, *, untrusted: bool = True) -> None:
        super().__init__(message)
        self.untrusted = untrusted


class TrustError(TerminalError):
    """A certificate or key is not to be trusted, for this ``reason``."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class SecureSessionError(TerminalError):
    """No secure session, or one that is over; only a new handshake helps.

    ``reason`` is what a verdict says of it, ``sw`` the card's status word when it refused.
    """

    def __init__(
        self, message: str, reason: Reason = Reason.COMMUNICATION_FAULT, sw: int | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.sw = sw
