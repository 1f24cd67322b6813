"""Runs an emulated card for a link, in the link's thread or in one of its own.

A card in its own thread lets the link ask the reader for more time while the card works.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable

from firmware_sim.link.iso_dep import Mute
from firmware_sim.seam import Card

_ON_PATIENCE = 0.5
_OFF_PATIENCE = 0.1


class CardJob:
    """One call of the card under way."""

    def __init__(self, call: Callable[[], bytes], runner: CardRunner) -> None:
        self._call = call
        self._runner = runner
        self._ready = threading.Event()
        self._answer: bytes | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Make the call and keep what came of it."""
        try:
            self._answer = self._call()
        except BaseException as error:
            self._error = error
        self._ready.set()

    def result(self, timeout: float | None) -> bytes | None:
        """Return the answer, or ``None`` if it is not there after ``timeout`` seconds.

        Raises:
            Mute: the card is gone (then ``runner.torn`` is set) or will not answer.
            Exception: whatever else the card raised: a defect of the card.
        """
        if not self._ready.wait(timeout):
            return None
        if isinstance(self._error, ConnectionError):
            self._runner.torn = True
            raise Mute from self._error
        if isinstance(self._error, TimeoutError):
            raise Mute from self._error
        if self._error is not None:
            raise self._error
        return self._answer


class CardRunner:
    """Powers a card on, runs its commands one at a time, powers it off exactly once.

    Args:
        card: the card.
        threaded: run it in a thread of its own, which lives from power-on to power-off.
    """

    def __init__(self, card: Card, threaded: bool) -> None:
        self._card = card
        self._threaded = threaded
        self._jobs: queue.SimpleQueue[CardJob | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.powered = False
        self.torn = False
        """The card raised ``ConnectionError``: it left in mid-command."""

    def power_on(self) -> bytes:
        """Return the historical bytes.

        Raises:
            Mute: the card does not answer, or still runs a command from before.
        """
        if self._threaded:
            before = self._thread
            self._jobs = queue.SimpleQueue()
            self._thread = threading.Thread(
                target=self._run, args=(self._jobs, before), name="card", daemon=True
            )
            self._thread.start()
        self.powered = True
        self.torn = False
        historical = self._submit(self._card.power_on).result(_ON_PATIENCE)
        if historical is None:
            raise Mute
        return historical

    def start(self, command: bytes) -> CardJob:
        """Start one C-APDU."""
        return self._submit(lambda: self._card.transmit(command))

    def power_off(self) -> None:
        """Power the card off if it is on. A command under way ends first;
        this does not wait for it longer than a moment."""
        if not self.powered:
            return
        self.powered = False
        job = self._submit(self._off)
        if self._threaded:
            self._jobs.put(None)
        with contextlib.suppress(Mute):  # a card already torn away has nothing left to lose
            job.result(_OFF_PATIENCE)

    def _off(self) -> bytes:
        self._card.power_off()
        return b""

    def _submit(self, call: Callable[[], bytes]) -> CardJob:
        job = CardJob(call, self)
        if self._threaded:
            self._jobs.put(job)
        else:
            job.run()
        return job

    @staticmethod
    def _run(jobs: queue.SimpleQueue[CardJob | None], before: threading.Thread | None) -> None:
        if before is not None:
            before.join()  # two threads must never be inside one card
        while (job := jobs.get()) is not None:
            job.run()
