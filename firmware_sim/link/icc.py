"""A contact card as its reader's chip sees it (ISO/IEC 7816-3:2006).

Reset gives an ATR; then :meth:`Icc.transceive` takes PPS requests, T=1 blocks or T=0 TPDUs.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable

from card_formats.atr import ATR, Atr, InterfaceBytes
from card_formats.core import FormatError
from card_formats.pps import CONTACT_PPS
from firmware_sim.link.icc_t0 import T0Card
from firmware_sim.link.icc_t1 import T1Card, T1Parameters
from firmware_sim.link.iso_dep import Mute
from firmware_sim.link.runner import CardJob, CardRunner
from firmware_sim.seam import Card

MAX_HISTORICAL = 15
_CLOCK_HZ = 4e6
_DEFAULT_F = 372
_RESET_PATIENCE = 0.5
_LOOK_AGAIN = 0.02

FrameFilter = Callable[[bytes, bytes | None], bytes | None]
"""(request, true answer) -> answer sent; ``None`` is silence. How link faults are planted."""

RequestFilter = Callable[[bytes], bytes | None]
"""request -> what the card receives of it; ``None`` if nothing reaches the card."""


@dataclasses.dataclass(frozen=True)
class IccConfig:
    """How the card shows itself.

    Attributes:
        protocols: T values offered, ascending: ``(0,)``, ``(1,)`` or ``(0, 1)``.
        atr: exact ATR, which must be well formed; ``None`` builds one from what follows and
            from the card's historical bytes (cut at 15).
        ta1: rates offered (0x96: F=512, D=32); ``None`` for the default.
        specific: no PPS: the first protocol is used at once (TA2).
        waiting_integer: WI of T=0. 1 and not the default 10, with which a host waits minutes
            for a mute card.
        ifsc: largest information field accepted under T=1, 1..254.
        bwi, cwi: block and character waiting integers of T=1.
        crc: T=1 blocks end in a CRC.
        more_time: run the card in its own thread and ask for more time (S(WTX), NULL) before
            the waiting time ends. Without it the card runs in the caller's thread.
        more_time_after: seconds before more time is asked for; ``None`` means half of the
            waiting time.
        wtxm: multiplier of BWT asked for, 1..255.
        frame_filter, request_filter: where link faults are planted.
    """

    protocols: tuple[int, ...] = (1,)
    atr: bytes | None = None
    ta1: int | None = None
    specific: bool = False
    waiting_integer: int = 1
    ifsc: int = 254
    bwi: int = 4
    cwi: int = 5
    crc: bool = False
    more_time: bool = True
    more_time_after: float | None = None
    wtxm: int = 1
    frame_filter: FrameFilter | None = None
    request_filter: RequestFilter | None = None

    def __post_init__(self) -> None:
        if self.protocols not in ((0,), (1,), (0, 1)):
            raise ValueError(f"protocols {self.protocols}: give (0,), (1,) or (0, 1)")
        if self.atr is not None:
            ATR.parse(self.atr)
        for name, low, high in (
            ("waiting_integer", 1, 255),
            ("ifsc", 1, 254),
            ("bwi", 0, 9),
            ("cwi", 0, 15),
            ("wtxm", 1, 255),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} {getattr(self, name)} is outside {low}..{high}")

    def answer_to_reset(self, historical: bytes) -> bytes:
        """The ATR of a card with these historical bytes."""
        if self.atr is not None:
            return self.atr
        first, last = self.protocols[0], self.protocols[-1]
        specific = first if self.specific else None
        wi = self.waiting_integer if first == 0 else None
        groups = [InterfaceBytes(ta=self.ta1, protocol=first)]
        if last == 1:
            groups.append(InterfaceBytes(ta=specific, tc=wi, protocol=1))
            groups.append(
                InterfaceBytes(self.ifsc, self.bwi << 4 | self.cwi, 1 if self.crc else None)
            )
        else:
            groups.append(InterfaceBytes(ta=specific, tc=wi))
        return ATR.build(Atr(tuple(groups), historical[:MAX_HISTORICAL]))


def waiting_time(atr: Atr, protocol: int) -> float:
    """Seconds a reader waits: BWT of T=1 (11.4.3), WT of T=0 (10.2), at 4 MHz."""
    if protocol == 1:
        return float(2**atr.block_waiting_integer) * 960 * _DEFAULT_F / _CLOCK_HZ
    return atr.waiting_integer * 960 * (atr.clock_conversion or _DEFAULT_F) / _CLOCK_HZ


class _Runner(CardRunner):
    """Adds the warm reset."""

    def reset(self) -> bytes:
        """Return the historical bytes.

        Raises:
            Mute: no answer, or a command is still under way.
        """
        historical = self._submit(self._card.reset).result(_RESET_PATIENCE)
        if historical is None:
            raise Mute
        return historical


class _Watched:
    """A job that is given up when the card is pulled out."""

    def __init__(self, job: CardJob, icc: Icc) -> None:
        self._job = job
        self._icc = icc

    def result(self, timeout: float | None) -> bytes | None:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _LOOK_AGAIN if deadline is None else deadline - time.monotonic()
            response = self._job.result(max(0.0, min(left, _LOOK_AGAIN)))
            if not self._icc.present:
                raise Mute
            if response is not None or (deadline is not None and left <= _LOOK_AGAIN):
                return response


class Icc:
    """The engine.

    Args:
        card: the card behind it, powered on by a cold reset.
        config: see :class:`IccConfig`.
    """

    def __init__(self, card: Card, config: IccConfig | None = None) -> None:
        self.config = config or IccConfig()
        self._runner = _Runner(card, self.config.more_time)
        self._lock = threading.RLock()
        self._engine: T0Card | T1Card | None = None
        self._pps_allowed = False
        self.present = True
        self.parsed_atr = Atr()
        self.protocol = self.config.protocols[0]
        """T in use: the first one offered until a PPS chooses another."""

    @property
    def torn(self) -> bool:
        """The card left by itself in mid-command (it raised ``ConnectionError``)."""
        return self._runner.torn

    def power_on(self) -> bytes:
        """Cold reset: return the ATR.

        Raises:
            Mute: the card does not answer.
        """
        with self._lock:
            self.power_off()
            if not self.present:
                raise Mute
            return self._answer_to_reset(self._runner.power_on())

    def reset(self) -> bytes:
        """Warm reset: return the ATR.

        Raises:
            Mute: the card does not answer.
        """
        with self._lock:
            if not self._runner.powered:
                return self.power_on()
            if not self.present:
                raise Mute
            return self._answer_to_reset(self._runner.reset())

    def power_off(self) -> None:
        """Deactivate the contacts. Harmless when already off."""
        with self._lock:
            self._engine = None
            self._runner.power_off()

    def remove(self) -> None:
        """Pull the card out, also in the middle of a command. Callable from any thread."""
        self.present = False
        self.power_off()

    def insert(self) -> None:
        """Put it back, unpowered."""
        with self._lock:
            self.power_off()
            self.present = True

    def transceive(self, frame: bytes) -> bytes | None:
        """Return the card's answer to a PPS request, block or TPDU; ``None`` is silence.

        Blocks until the card answers or, with ``more_time``, asks for more time.

        Raises:
            Exception: a defect of the card (its ConnectionError and TimeoutError, raised on
                purpose, become silence).
        """
        with self._lock:
            request_filter = self.config.request_filter
            received = frame if request_filter is None else request_filter(frame)
            answer = None if received is None else self._answer(received)
            if not self.present:
                answer = None
            frame_filter = self.config.frame_filter
            return answer if frame_filter is None else frame_filter(frame, answer)

    def _answer_to_reset(self, historical: bytes) -> bytes:
        atr = self.config.answer_to_reset(historical)
        self.parsed_atr = ATR.parse(atr)
        self.protocol = self.parsed_atr.protocols[0]
        self._pps_allowed = self.parsed_atr.specific_mode is None
        self._use_protocol()
        return atr

    def _use_protocol(self) -> None:
        config = self.config
        after = config.more_time_after
        if after is None:
            after = waiting_time(self.parsed_atr, self.protocol) / 2
        patience = after if config.more_time else None
        if self.protocol == 0:
            self._engine = T0Card(self._start, patience)
            return
        atr = self.parsed_atr
        parameters = T1Parameters(
            atr.card_information_field_size, atr.uses_crc, patience, config.wtxm
        )
        self._engine = T1Card(parameters, self._start)

    def _start(self, command: bytes) -> _Watched:
        return _Watched(self._runner.start(command), self)

    def _answer(self, frame: bytes) -> bytes | None:
        if self._engine is None or self.torn or not self.present:
            return None
        if self._pps_allowed:
            self._pps_allowed = False
            if frame[:1] == b"\xff":
                return self._pps(frame)
        return self._engine.feed(frame)

    def _pps(self, request: bytes) -> bytes | None:
        try:
            pps = CONTACT_PPS.parse(request)
        except FormatError:
            return None  # 9.3: a card stays mute and waits for a reset
        if pps.protocol not in self.parsed_atr.protocols:
            return None
        if pps.rates not in (None, 0x11, self.config.ta1, self._ta1()):
            pps = dataclasses.replace(pps, rates=None)
        self.protocol = pps.protocol
        self._use_protocol()
        return CONTACT_PPS.build(dataclasses.replace(pps, spu=None, rfu=None))

    def _ta1(self) -> int | None:
        interface = self.parsed_atr.interface
        return interface[0].ta if interface else None
