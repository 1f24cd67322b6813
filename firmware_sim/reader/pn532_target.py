"""The chip in the place of a card: commands Tg… (UM0701-02, 7.3.14 to 7.3.21)."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from card_formats.pn532_commands import ParameterFlag
from card_formats.pn532_frame import MAX_TRANSFER, Command, Status
from card_formats.pn532_rf import (
    PN532_STATUS_ANSWER,
    PN532_TARGET_ACTIVATED,
    PN532_TARGET_PARAMETERS,
    StatusAnswer,
    TargetActivated,
    TargetMode,
)
from firmware_sim.reader.pn532_host import ChipError, Handler, HostWatch, SyntaxRefused
from firmware_sim.reader.pn532_initiator import RfSettings
from firmware_sim.reader.pn532_personality import (
    Activated,
    Arrived,
    Event,
    Personality,
    PiccPersonality,
    RawPersonality,
    Released,
)

_IDLE_LOOK = 0.5
_LONGEST_PATIENCE = 5.0
_RATE_106 = 0x00


class TargetPort:
    """The chip as the antenna of another reader meets it.

    Another chip's ``radio.peer`` takes it as it takes a card.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._field = False
        self._personality: Personality | None = None

    def field(self, on: bool) -> None:
        """The other reader's field comes or goes."""
        with self._lock:
            self._field = on
            personality = self._personality
        if personality is not None:
            personality.field(on)

    def transceive(self, frame: bytes) -> bytes | None:
        """Answer one frame; waits for the chip's host up to the longest waiting time there is."""
        return self.transceive_within(frame, _LONGEST_PATIENCE)

    def transceive_within(self, frame: bytes, seconds: float) -> bytes | None:
        """As :meth:`transceive`, for a reader that gives up after ``seconds``."""
        with self._lock:
            personality = self._personality
        return None if personality is None else personality.transceive(frame, seconds)

    def become(self, personality: Personality | None) -> None:
        """Answer as this card from now on, or not at all."""
        with self._lock:
            before, self._personality = self._personality, personality
            field = self._field
        if before is not None:
            before.abandon()
        if personality is not None and field:
            personality.field(True)


class Target:
    """Commands Tg…

    Args:
        settings: the chip's, for the PICC flag.
    """

    def __init__(self, settings: RfSettings) -> None:
        self._settings = settings
        self._events: deque[Event] = deque()
        self._personality: Personality | None = None
        self._released = False
        self._meta = b""
        self._rest: bytes | None = None
        self.port = TargetPort()

    def commands(self) -> dict[int, Handler]:
        """The commands answered here."""
        return {
            Command.TG_INIT_AS_TARGET: self._init,
            Command.TG_GET_DATA: self._get_data,
            Command.TG_GET_INITIATOR_COMMAND: self._get_initiator_command,
            Command.TG_SET_DATA: self._set_data,
            Command.TG_SET_META_DATA: self._set_meta_data,
            Command.TG_RESPONSE_TO_INITIATOR: self._respond,
            Command.TG_GET_TARGET_STATUS: self._status,
            Command.TG_SET_GENERAL_BYTES: self._no_dep,
        }

    def leave(self) -> None:
        """Stop being a card."""
        self.port.become(None)
        self._personality = None
        self._events.clear()
        self._released, self._meta, self._rest = False, b"", None

    # --- activation -------------------------------------------------------------------------

    def _init(self, parameters: bytes, host: HostWatch) -> bytes | None:
        request = PN532_TARGET_PARAMETERS.parse(parameters)
        self.leave()
        if request.mode & TargetMode.DEP_ONLY:
            while not host.interrupted(_IDLE_LOOK):
                pass  # nobody here speaks NFC-DEP
            return None
        picc = ParameterFlag.PICC in self._settings.flags and request.sel_res & 0x20
        if request.mode & TargetMode.PICC_ONLY and not picc:
            raise SyntaxRefused
        kind = PiccPersonality if picc else RawPersonality
        # Each activation has its own queue: what an abandoned one still says reaches nobody.
        events: deque[Event] = deque()
        self._events = events
        self._personality = kind(request, _notifier(events, host))
        self.port.become(self._personality)
        while True:
            event = self._next_event(host)
            if event is None:
                self.leave()
                return None
            if isinstance(event, Activated):
                mode = 0x08 if picc else _RATE_106
                return PN532_TARGET_ACTIVATED.build(TargetActivated(mode, event.frame))

    def _next_event(self, host: HostWatch) -> Event | None:
        """The next thing that came over the air; ``None`` when the host aborts."""
        while not self._events:
            if host.interrupted(_IDLE_LOOK):
                return None
        return self._events.popleft()

    # --- receiving --------------------------------------------------------------------------

    def _get_data(self, parameters: bytes, host: HostWatch) -> bytes | None:
        if not isinstance(self._personality, PiccPersonality):
            raise ChipError(Status.DEP_STATE)
        return self._receive(host)

    def _get_initiator_command(self, parameters: bytes, host: HostWatch) -> bytes | None:
        if not isinstance(self._personality, RawPersonality):
            raise ChipError(Status.DEP_STATE)
        # Asking for the next frame is leaving the one before unanswered.
        self._personality.answer(None)
        return self._receive(host)

    def _receive(self, host: HostWatch) -> bytes | None:
        if self._rest is None:
            if self._released:
                raise ChipError(Status.RELEASED)
            event = self._next_event(host)
            if event is None:
                return None
            if isinstance(event, Released):
                self._released = True
                raise ChipError(Status.RELEASED)
            assert self._personality is not None
            if isinstance(event, Arrived):
                self._personality.delivered(event.number)
            self._rest = event.frame
        data, rest = self._rest[:MAX_TRANSFER], self._rest[MAX_TRANSFER:]
        self._rest = rest or None
        return PN532_STATUS_ANSWER.build(StatusAnswer(0, data, bool(rest)))

    # --- answering --------------------------------------------------------------------------

    def _set_meta_data(self, parameters: bytes, host: HostWatch) -> bytes:
        self._check_not_released()
        self._meta += parameters
        return bytes([Status.OK])

    def _set_data(self, parameters: bytes, host: HostWatch) -> bytes:
        response, self._meta = self._meta + parameters, b""
        return self._answer(PiccPersonality, response)

    def _respond(self, parameters: bytes, host: HostWatch) -> bytes:
        return self._answer(RawPersonality, parameters)

    def _answer(self, kind: type[Personality], response: bytes) -> bytes:
        self._check_not_released()
        if not isinstance(self._personality, kind):
            raise ChipError(Status.DEP_STATE)
        self._personality.answer(response)
        return bytes([Status.OK])

    def _check_not_released(self) -> None:
        if self._personality is None:
            raise ChipError(Status.DEP_STATE)
        if any(isinstance(event, Released) for event in tuple(self._events)):
            self._events.clear()
            self._released = True
        if self._released:
            self._meta = b""
            raise ChipError(Status.RELEASED)

    def _status(self, parameters: bytes, host: HostWatch) -> bytes:
        activated = self._personality is not None and self._personality.active
        return bytes([1 if activated else 0, _RATE_106])

    def _no_dep(self, parameters: bytes, host: HostWatch) -> bytes:
        raise ChipError(Status.CONTEXT)


def _notifier(events: deque[Event], host: HostWatch) -> Callable[[Event], None]:
    def notify(event: Event) -> None:
        events.append(event)
        host.poke()

    return notify
