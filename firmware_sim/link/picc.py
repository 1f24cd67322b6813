"""A contactless card of type A as its antenna sees it (ISO/IEC 14443-3:2018, 6).

Every transport (UDP, a PN532 in card mode, a simulated reader) uses the same two calls:
:meth:`Picc.field` and :meth:`Picc.transceive`, with frames that carry no CRC.
"""

from __future__ import annotations

import dataclasses
import enum
import os
import threading
from collections.abc import Callable

from card_formats.atr import ATS, Ats, frame_size, frame_waiting_time
from card_formats.core import FormatError
from card_formats.iso14443 import (
    ATQA,
    CASCADE_UID,
    PPS_ANSWER,
    SAK,
    TYPE_A_COMMAND,
    Anticollision,
    Atqa,
    CascadeUid,
    Halt,
    Pps,
    Rats,
    Request,
    Sak,
    Select,
    TypeACommand,
    cascade_levels,
)
from card_formats.iso_dep import CRC_SIZE, WTXM_MAX
from firmware_sim.link.iso_dep import DepParameters, IsoDepCard, Mute
from firmware_sim.link.runner import CardRunner
from firmware_sim.seam import Card, RandomBytes

RANDOM_UID_FIRST_BYTE = 0x08
_SAK_UID_INCOMPLETE = 0x04

FrameFilter = Callable[[bytes, bytes | None], bytes | None]
"""(request, true answer) -> answer sent; ``None`` is silence. How link faults are planted."""

RequestFilter = Callable[[bytes], bytes | None]
"""request -> what the card receives of it; ``None`` if the frame never reaches the card."""


@dataclasses.dataclass(frozen=True)
class PiccConfig:
    """How the card shows itself.

    Attributes:
        uid: fixed UID of 4, 7 or 10 bytes; ``None`` draws 4 bytes, the first 08, at each field-on.
        sak: SAK of the complete UID (0x20 ISO-DEP, 0x60 as many phones).
        fsci: largest frame accepted, as a code 0..12 (8 is 256 bytes).
        fwi: frame waiting time code 0..14 (8 is 77 ms, 14 is 4.9 s).
        sfgi: start-up guard time code 0..14.
        ta: bit rates offered (0x80: 106 kbit/s only).
        cid: blocks may carry a CID.
        wtx: run the card in its own thread and ask for more time before FWT ends. Without it
            the card runs in the caller's thread: fastest, and only for cards that are quick.
        wtxm: multiplier asked for, 1..59.
        wtx_after: seconds before more time is asked for; ``None`` means half of FWT.
        missed_polls_after_tear: REQA or WUPA a card torn away leaves unanswered after the field
            was off, so that a reader that looks again at once finds nobody.
        frame_filter, request_filter: where link faults are planted.
    """

    uid: bytes | None = None
    sak: int = 0x20
    fsci: int = 8
    fwi: int = 8
    sfgi: int = 0
    ta: int = 0x80
    cid: bool = True
    wtx: bool = True
    wtxm: int = 10
    wtx_after: float | None = None
    missed_polls_after_tear: int = 1
    frame_filter: FrameFilter | None = None
    request_filter: RequestFilter | None = None

    def __post_init__(self) -> None:
        if self.uid is not None:
            cascade_levels(self.uid)
        for name, low, high in (
            ("fsci", 0, 12),
            ("fwi", 0, 14),
            ("sfgi", 0, 14),
            ("ta", 0, 0xFF),
            ("sak", 0, 0xFF),
            ("wtxm", 1, WTXM_MAX),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} {getattr(self, name)} is outside {low}..{high}")


class State(enum.Enum):
    """States of ISO/IEC 14443-3 figure 7; the star states are these plus ``Picc.starred``."""

    POWER_OFF = "power off"
    IDLE = "idle"
    READY = "ready"
    ACTIVE = "active"
    HALT = "halt"
    PROTOCOL = "protocol"


class Picc:
    """The engine.

    Args:
        card: the card behind it; powered on by RATS, off by S(DESELECT) or loss of field.
        config: see :class:`PiccConfig`.
        random_bytes: source of the random UID.
    """

    def __init__(
        self,
        card: Card,
        config: PiccConfig | None = None,
        random_bytes: RandomBytes = os.urandom,
    ) -> None:
        self.config = config or PiccConfig()
        self._random_bytes = random_bytes
        self._runner = CardRunner(card, self.config.wtx)
        self._lock = threading.RLock()
        self._field = False
        self._present = True
        self._torn = False
        self._polls_to_miss = 0
        self._levels: tuple[bytes, ...] = ()
        self._level = 1
        self._dep: IsoDepCard | None = None
        self._cid = 0
        self._pps_allowed = False
        self.state = State.POWER_OFF
        self.starred = False
        """The card was halted before: an error sends it back to HALT and not to IDLE."""
        self.uid = b""

    def field(self, on: bool) -> None:
        """Switch the reader's field. Losing it powers the card off, once."""
        with self._lock:
            if on == self._field:
                return
            self._field = on
            if not on:
                self._lose_power()
                if self._torn:
                    self._torn = False
                    self._polls_to_miss = self.config.missed_polls_after_tear
            elif self._present:
                self._wake()

    def remove(self) -> None:
        """Take the card out of the field, whatever the reader does. Callable from any thread."""
        self._present = False
        with self._lock:
            self._lose_power()

    def insert(self) -> None:
        """Bring the card back into reach of the field."""
        with self._lock:
            self._present = True
            self._torn = False
            self._polls_to_miss = 0
            if self._field and self.state is State.POWER_OFF:
                self._wake()

    def transceive(self, frame: bytes) -> bytes | None:
        """Return the card's answer to one frame, ``None`` for silence. Blocks at most until
        more time is asked for, or until the card is done when ``wtx`` is off.

        Raises:
            Exception: a defect of the card (links turn ConnectionError and TimeoutError,
                which cards raise on purpose, into silence).
        """
        with self._lock:
            request_filter = self.config.request_filter
            received = frame if request_filter is None else request_filter(frame)
            answer = None if received is None else self._answer(bytes(received))
            if not self._present:
                answer = None
            frame_filter = self.config.frame_filter
            return answer if frame_filter is None else frame_filter(frame, answer)

    # --- activation, ISO/IEC 14443-3 --------------------------------------------------------

    def _wake(self) -> None:
        self.uid = self.config.uid or bytes([RANDOM_UID_FIRST_BYTE]) + self._random_bytes(3)
        self._levels = cascade_levels(self.uid)
        self.state, self.starred = State.IDLE, False

    def _lose_power(self) -> None:
        self.state, self.starred = State.POWER_OFF, False
        self._dep = None
        self._runner.power_off()

    def _answer(self, frame: bytes) -> bytes | None:
        if self.state is State.POWER_OFF or self._torn or not self._present:
            return None
        if self.state is State.PROTOCOL:
            return self._protocol(frame)
        try:
            command = TYPE_A_COMMAND.parse(frame)
        except FormatError:
            return self._fall_back()
        return self._activation(command)

    def _activation(self, command: TypeACommand) -> bytes | None:
        if isinstance(command, Request):
            return self._request(command)
        if self.state is State.READY:
            if isinstance(command, Anticollision) and self._matches(command.level, command.prefix):
                whole = CASCADE_UID.build(CascadeUid(self._levels[self._level - 1]))
                return whole[len(command.prefix) :]
            if isinstance(command, Select) and self._matches(command.level, command.uid):
                return self._selected()
        if self.state is State.ACTIVE:
            if isinstance(command, Rats):
                return self._rats(command)
            if isinstance(command, Halt):
                self.state = State.HALT
                return None
        return self._fall_back()

    def _request(self, command: Request) -> bytes | None:
        if self.state is State.HALT and not command.wake_up:
            return None
        if self.state not in (State.IDLE, State.HALT):
            return self._fall_back()
        if self._polls_to_miss:
            self._polls_to_miss -= 1
            return None
        self.starred = self.state is State.HALT
        self.state, self._level = State.READY, 1
        return ATQA.build(Atqa(len(self.uid)))

    def _matches(self, level: int, known: bytes) -> bool:
        return level == self._level and self._levels[level - 1].startswith(known)

    def _selected(self) -> bytes:
        if self._level < len(self._levels):
            self._level += 1
            return SAK.build(Sak(_SAK_UID_INCOMPLETE))
        self.state = State.ACTIVE
        return SAK.build(Sak(self.config.sak))

    def _fall_back(self) -> bytes | None:
        """Say nothing; from READY or ACTIVE, go back to where the last request found the card."""
        if self.state in (State.READY, State.ACTIVE):
            self.state = State.HALT if self.starred else State.IDLE
        return None

    # --- protocol, ISO/IEC 14443-4 ----------------------------------------------------------

    def _rats(self, rats: Rats) -> bytes | None:
        config = self.config
        if not Sak(config.sak).iso_dep:
            return self._fall_back()
        try:
            historical = self._runner.power_on()
        except Mute:
            self._torn = self._runner.torn
            self._runner.power_off()
            return self._fall_back()
        fsd = frame_size(rats.fsdi)
        ats = Ats(
            config.fsci, config.ta, config.fwi << 4 | config.sfgi, config.cid << 1, historical
        )
        if len(answer := ATS.build(ats)) > fsd - CRC_SIZE:
            # Historical bytes are optional; a frame the reader cannot hold helps nobody.
            answer = ATS.build(dataclasses.replace(ats, historical=b""))
        fwt = frame_waiting_time(config.fwi)
        patience = fwt / 2 if config.wtx_after is None else config.wtx_after
        parameters = DepParameters(
            fsd=fsd,
            fsc=frame_size(config.fsci),
            fwt=fwt,
            cid=rats.cid,
            cid_supported=config.cid,
            wtxm=config.wtxm,
            wtx_after=patience if config.wtx else None,
        )
        self._dep = IsoDepCard(parameters, self._runner.start)
        self._cid = rats.cid
        self._pps_allowed = True
        self.state = State.PROTOCOL
        return answer

    def _protocol(self, frame: bytes) -> bytes | None:
        dep = self._dep
        assert dep is not None
        if self._pps_allowed and not dep.started and (pps := self._pps(frame)) is not None:
            return pps
        answer = dep.feed(frame)
        if self._runner.torn:
            self._torn = True
            return None
        if dep.deselected:
            self._lose_power()
            self.state, self.starred = State.HALT, True
        return answer

    def _pps(self, frame: bytes) -> bytes | None:
        try:
            command = TYPE_A_COMMAND.parse(frame)
        except FormatError:
            return None
        if not isinstance(command, Pps) or command.cid != self._cid:
            return None
        dri, dsi = command.dri or 0, command.dsi or 0
        ta = self.config.ta
        offered = _offers(ta, dri) and _offers(ta >> 4, dsi)
        if not offered or (ta & 0x80 and dri != dsi):
            return None
        self._pps_allowed = False
        return PPS_ANSWER.build(Pps(command.cid))


def _offers(rates: int, code: int) -> bool:
    """Whether TA's three bits ``rates`` offer the divisor ``code``; 106 kbit/s always is."""
    return code == 0 or bool(rates >> (code - 1) & 1)
