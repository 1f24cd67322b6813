"""The contactless interface of a simulated reader chip: a field, and frames that cross it.

Frames carry no CRC. A card (:class:`firmware_sim.link.picc.Picc`) and another chip in card mode
present the same two calls.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

SCHEDULING_SLACK = 0.05
"""Seconds granted beyond a radio timeout: a computer's scheduler takes what a chip does not."""


class RfPeer(Protocol):
    """What a field reaches."""

    def field(self, on: bool) -> None:
        """The field comes or goes."""
        ...

    def transceive(self, frame: bytes) -> bytes | None:
        """One frame in, its answer out; ``None`` is silence."""
        ...


@runtime_checkable
class PatientRfPeer(Protocol):
    """A peer whose answer takes another program's time: told how long it is waited for."""

    def transceive_within(self, frame: bytes, seconds: float) -> bytes | None:
        """As ``transceive``; gives up after ``seconds``."""
        ...


@dataclasses.dataclass
class RadioFaults:
    """Where faults of the air are planted.

    ``request`` sees each frame sent and returns what the card receives of it, ``None`` if
    nothing; ``answer`` sees (request, true answer) and returns what the chip receives, ``b""``
    for a damaged frame.
    """

    request: Callable[[bytes], bytes | None] | None = None
    answer: Callable[[bytes, bytes | None], bytes | None] | None = None


class Radio:
    """The antenna of one chip.

    Attributes:
        field_on: whether the field is on.
        faults: see :class:`RadioFaults`.
    """

    def __init__(self, peer: RfPeer | None = None) -> None:
        self._peer = peer
        self.field_on = False
        self.faults = RadioFaults()

    @property
    def peer(self) -> RfPeer | None:
        """What stands before the antenna; setting it exchanges one card for another."""
        return self._peer

    @peer.setter
    def peer(self, peer: RfPeer | None) -> None:
        before, self._peer = self._peer, peer
        if self.field_on:
            if before is not None:
                before.field(False)
            if peer is not None:
                peer.field(True)

    def field(self, on: bool) -> None:
        """Switch the field."""
        if on == self.field_on:
            return
        self.field_on = on
        if self._peer is not None:
            self._peer.field(on)

    def exchange(self, frame: bytes, timeout: float) -> bytes | None:
        """Send ``frame``, switching the field on if need be. ``None``: no answer in time;
        ``b""``: a damaged one."""
        self.field(True)
        faults = self.faults
        started = time.monotonic()
        received = frame if faults.request is None else faults.request(frame)
        answer = None if received is None else self._ask(received, timeout + SCHEDULING_SLACK)
        if faults.answer is not None:
            answer = faults.answer(frame, answer)
        if time.monotonic() - started > timeout + SCHEDULING_SLACK:
            return None
        return answer

    def _ask(self, frame: bytes, seconds: float) -> bytes | None:
        peer = self._peer
        if peer is None:
            return None
        if isinstance(peer, PatientRfPeer):
            return peer.transceive_within(frame, seconds)
        return peer.transceive(frame)
