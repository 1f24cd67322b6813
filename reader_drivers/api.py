"""The two seams of the reader side: a card reader and a code reader.

A driver presents one of them and hides its library. Whoever uses a driver sees these
Protocols and these errors, and never learns whether the device is real or simulated.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable


class ReaderError(Exception):
    """Base of every error of a reader. The message says what failed and what to do."""


class ReaderUrlError(ReaderError):
    """The URL names no known driver, or its parameters make no sense."""


class ReaderUnavailable(ReaderError):
    """The reader or the software it needs is not there (unplugged, driver not installed)."""


class CardAbsent(ReaderError):
    """No card answered within the time allowed (French software: F011)."""


class CardRemoved(ReaderError):
    """The card left during the session (French software: F015)."""


class CommunicationFault(ReaderError):
    """The card or reader answered nonsense, or stopped answering (French software: F014)."""


class CardSession(Protocol):
    """One activated card, from power-on to :meth:`close`."""

    @property
    def atr(self) -> bytes:
        """ATR of a contact card, ATS (from TL on) of a contactless one."""
        ...

    def transmit(self, command: bytes) -> bytes:
        """Send one C-APDU, return the R-APDU (at least SW1 SW2).

        Raises:
            CardRemoved, CommunicationFault: the session is over; connect anew.
        """
        ...

    def close(self) -> None:
        """Deselect and power off. Harmless when called twice."""
        ...


@runtime_checkable
class CardReader(Protocol):
    """A reader of one card at a time."""

    @property
    def url(self) -> str:
        """The URL the reader was opened with."""
        ...

    @property
    def description(self) -> str:
        """Product and driver, for reports."""
        ...

    def connect(self, timeout: float = 5.0) -> CardSession:
        """Wait up to ``timeout`` seconds for a card and activate it.

        Raises:
            CardAbsent: none came.
            CommunicationFault: one came and could not be activated.
            ReaderUnavailable: the reader is gone.
        """
        ...

    def close(self) -> None:
        """Release the device. Harmless when called twice."""
        ...


@runtime_checkable
class CodeReader(Protocol):
    """A reader of QR codes and other 2D codes."""

    @property
    def url(self) -> str: ...

    @property
    def description(self) -> str: ...

    def read(self, timeout: float = 5.0) -> str:
        """Return the text of the next code seen within ``timeout`` seconds.

        Raises:
            CodeUnreadable: nothing that can be decoded was seen.
        """
        ...

    def close(self) -> None: ...


class CodeUnreadable(ReaderError):
    """No 2D code could be read in the time allowed or from the given picture."""
