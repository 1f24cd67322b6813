"""Keeps an emulated card before a reader, through a dongle, until told to stop."""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
from types import TracebackType

from firmware_sim.air.dongle import AirStats, Appearance, Dongle, DongleLost
from firmware_sim.link.picc import PiccConfig
from firmware_sim.seam import Card, RandomBytes

_log = logging.getLogger(__name__)
_STOP_PATIENCE = 10.0

MIN_FWI = 8
"""Below it (77 ms) a host on USB or serial cannot ask for more time before time runs out."""

__all__ = ["MIN_FWI", "AirCard", "AirStats"]


class AirCard:
    """Presents a card over the air, in a thread.

    A tap ends when the reader deselects the card or its field goes; the next one finds the card
    again, with another random UID unless ``config`` fixes it.

    Args:
        card: the card.
        dongle: open; closed by :meth:`stop`.
        config: how the card shows itself. ``wtx`` must be on and ``fwi`` 8 or more: the answers
            come from a computer. A dongle in PICC mode has its own ATS and ignores the rest.
        random_bytes: source of random UIDs.

    Attributes:
        stats: counts since :meth:`start`.
        errors: defects of the card met while serving; that session then stayed silent.
        failure: why serving ended by itself, ``None`` while all is well.

    Raises:
        ValueError: the dongle cannot present this configuration.
    """

    def __init__(
        self,
        card: Card,
        dongle: Dongle,
        config: PiccConfig | None = None,
        random_bytes: RandomBytes = os.urandom,
    ) -> None:
        config = config or PiccConfig()
        if config.fwi < MIN_FWI:
            raise ValueError(f"over the air FWI must be {MIN_FWI} or more, not {config.fwi}")
        if not config.wtx:
            raise ValueError("over the air the card must be able to ask for more time (wtx)")
        dongle.check(config)
        self._dongle = dongle
        self._stopping = threading.Event()
        self._wanted = threading.Event()
        self._wanted.set()
        self.stats = AirStats()
        self.errors: list[Exception] = []
        self.failure: DongleLost | None = None
        self._appearance = Appearance(card, config, random_bytes, self._wanted, self.stats)
        self._thread = threading.Thread(target=self._serve, name="air-card", daemon=True)

    @property
    def description(self) -> str:
        """The dongle, for reports."""
        return self._dongle.description

    def start(self) -> AirCard:
        """Start serving; returns itself."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Leave the field and release the dongle. Harmless when called twice."""
        self._stopping.set()
        self._wanted.clear()
        if self._thread.is_alive():
            self._thread.join(_STOP_PATIENCE)
        self._dongle.close()

    def remove(self) -> None:
        """Take the card out of the reader's field, also in the middle of a session."""
        self._wanted.clear()

    def insert(self) -> None:
        """Bring it back."""
        if not self._stopping.is_set():
            self._wanted.set()

    def copy_stats(self) -> AirStats:
        """The counts as they are now."""
        return dataclasses.replace(self.stats)

    def __enter__(self) -> AirCard:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            if not self._wanted.wait(0.1):
                continue
            try:
                self._dongle.present(self._appearance)
            except DongleLost as error:
                _log.warning("the dongle is lost: %s", error)
                self.failure = error
                return
            except Exception as error:
                _log.exception("the card failed over the air")
                self.errors.append(error)
