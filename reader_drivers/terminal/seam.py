"""What is injected into the terminal: time and randomness."""

from __future__ import annotations

from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds since the Unix epoch, UTC."""

RandomBytes = Callable[[int], bytes]
"""Returns that many random bytes; ``os.urandom`` in earnest, seeded in tests."""
