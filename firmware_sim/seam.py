"""The seam for cards: what any emulated card presents to whatever carries its APDUs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Clock = Callable[[], float]
"""Seconds since the Unix epoch, UTC. Injected everywhere; nothing here reads the wall clock."""

RandomBytes = Callable[[int], bytes]
"""Returns that many random bytes; ``os.urandom`` in earnest, seeded in tests."""


class Card(Protocol):
    """An emulated card seen from its link.

    ``transmit`` may raise the builtin ``ConnectionError`` (the card is gone, its power was
    cut in mid-command) or ``TimeoutError`` (mute): the link turns these into silence.
    """

    def power_on(self) -> bytes:
        """Field on or contact reset. Returns the historical bytes announced in ATR or ATS."""
        ...

    def transmit(self, command: bytes) -> bytes:
        """One C-APDU in, one R-APDU out."""
        ...

    def reset(self) -> bytes:
        """Warm reset; same answer as :meth:`power_on`."""
        ...

    def power_off(self) -> None:
        """Field or contact lost. Everything volatile is forgotten."""
        ...
