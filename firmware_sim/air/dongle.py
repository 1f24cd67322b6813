"""What a dongle in card mode is to the card behind it."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from typing import Protocol

from firmware_sim.link.picc import PiccConfig
from firmware_sim.seam import Card, RandomBytes

DEVICE_ERRORS: tuple[type[Exception], ...] = (OSError,)
"""What a device that is gone raises."""

with contextlib.suppress(ImportError):  # Windows has none
    import termios

    # What pyserial lets through when a line dies; it is no OSError.
    DEVICE_ERRORS = (OSError, termios.error)


class DongleUnavailable(Exception):
    """The dongle or the software it needs is not there. The message says what to do."""


class DongleLost(Exception):
    """The dongle stopped answering: unplugged, or held by another program."""


@dataclasses.dataclass
class AirStats:
    """What happened on the air so far.

    Attributes:
        activations: times a reader activated the card.
        frames: blocks answered or left unanswered (raw), or APDUs (PICC mode).
        deselections: sessions the reader ended with S(DESELECT).
        field_losses: sessions that ended because the field went off.
        tears: sessions the card itself broke off.
        transmission_errors: frames the dongle received damaged.
    """

    activations: int = 0
    frames: int = 0
    deselections: int = 0
    field_losses: int = 0
    tears: int = 0
    transmission_errors: int = 0


@dataclasses.dataclass
class Appearance:
    """What a dongle presents, and how it is told to stop.

    Attributes:
        card: the card; its ``ConnectionError`` and ``TimeoutError`` are the dongle's to handle.
        config: how it shows itself.
        wanted: cleared when the card is to leave the field.
    """

    card: Card
    config: PiccConfig
    random_bytes: RandomBytes
    wanted: threading.Event
    stats: AirStats


class Dongle(Protocol):
    """A device that can stand in for a card."""

    @property
    def description(self) -> str:
        """Device, driver and mode, for reports."""
        ...

    def check(self, config: PiccConfig) -> None:
        """Raise :class:`ValueError` for a configuration the dongle cannot present."""
        ...

    def present(self, appearance: Appearance) -> None:
        """Wait a moment for a reader; serve it until it lets go or the card is unwanted.

        Raises:
            DongleLost: it stopped answering.
        """
        ...

    def close(self) -> None:
        """Stop being seen, release the device. Harmless when called twice."""
        ...
