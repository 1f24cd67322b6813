"""What a chip in card mode is to the reader before it: raw frames, or an ISO-DEP card."""

from __future__ import annotations

import dataclasses
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from card_formats.pn532_rf import TargetParameters
from firmware_sim.link.picc import Picc, PiccConfig, State

_FSCI = 5
_TA = 0x33
_FWI = 9
_SFGI = 2
_LONGEST_ANSWER = 60.0


@dataclasses.dataclass(frozen=True)
class Activated:
    """A reader selected the card and sent the first frame after that."""

    frame: bytes


@dataclasses.dataclass(frozen=True)
class Arrived:
    """A frame (raw) or C-APDU (PICC) for the host. ``number`` counts them."""

    frame: bytes
    number: int


@dataclasses.dataclass(frozen=True)
class Released:
    """The reader deselected the card or switched its field off."""


Event = Activated | Arrived | Released
Notify = Callable[[Event], None]


class _Answers:
    """Hands the host's answer to the thread of the reader that waits for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._asked = 0
        self._delivered = 0
        self._answered = 0
        self._answer: bytes | None = None
        self._gone = False

    def ask(self) -> int:
        """Count one more question."""
        with self._changed:
            self._asked += 1
            return self._asked

    def delivered(self, number: int) -> None:
        """The host has read question ``number``; its next answer is meant for it."""
        with self._changed:
            self._delivered = number

    def answer(self, data: bytes | None) -> None:
        """The host's answer. To a question that another has followed, it comes too late."""
        with self._changed:
            if self._delivered == self._asked > self._answered:
                self._answered, self._answer = self._asked, data
                self._changed.notify_all()

    def wait(self, number: int, seconds: float) -> bytes | None:
        """The answer to question ``number``; ``None`` if there is none in time."""
        deadline = time.monotonic() + seconds
        with self._changed:
            self._changed.wait_for(
                lambda: self._gone or self._answered >= number, deadline - time.monotonic()
            )
            return self._answer if self._answered == number and not self._gone else None

    def abandon(self) -> None:
        """No answer will come any more."""
        with self._changed:
            self._gone = True
            self._changed.notify_all()

    def renew(self) -> None:
        """Answers may come again."""
        with self._changed:
            self._gone = False


class Personality(ABC):
    """Common part of the two. Methods are called by the reader's thread and by the host's."""

    def __init__(self, notify: Notify) -> None:
        self._notify = notify
        self._answers = _Answers()
        self.active = False
        """A reader has activated it and not let go."""

    @abstractmethod
    def field(self, on: bool) -> None:
        """The reader's field comes or goes."""

    @abstractmethod
    def transceive(self, frame: bytes, seconds: float) -> bytes | None:
        """Answer one frame of the reader."""

    def delivered(self, number: int) -> None:
        """The host has taken event ``number``."""
        self._answers.delivered(number)

    def answer(self, data: bytes | None) -> None:
        """The host's answer to what was delivered last; ``None`` is silence."""
        self._answers.answer(data)

    def abandon(self) -> None:
        """Say nothing any more."""
        self.active = False
        self._answers.abandon()

    def _release(self) -> None:
        if self.active:
            self.active = False
            self._notify(Released())


class RawPersonality(Personality):
    """The chip selects itself (ISO/IEC 14443-3) and hands every frame after that to its host."""

    def __init__(self, parameters: TargetParameters, notify: Notify) -> None:
        super().__init__(notify)
        self._selection = Picc(_NoCard(), _config(parameters, wtx=False))

    def field(self, on: bool) -> None:
        """The reader's field comes or goes."""
        self._selection.field(on)
        if not on:
            self._release()

    def transceive(self, frame: bytes, seconds: float) -> bytes | None:
        """Answer one frame of the reader."""
        if self._selection.state is not State.ACTIVE:
            return self._selection.transceive(frame)
        number = self._answers.ask()
        if self.active:
            self._notify(Arrived(frame, number))
        else:
            self.active = True
            self._answers.delivered(number)
            self._notify(Activated(frame))
        return self._answers.wait(number, seconds)


class PiccPersonality(Personality):
    """The chip is the whole ISO-DEP card; its host sees APDUs only.

    Its ATS is the chip's own: frames of 64 bytes, FWI 9, and the host's historical bytes.
    """

    def __init__(self, parameters: TargetParameters, notify: Notify) -> None:
        super().__init__(notify)
        self._rats = b""
        card = _HostCard(parameters.historical, self._activated, self._ask)
        self._picc = Picc(card, _config(parameters, wtx=True, overhear=self._overhear))

    def field(self, on: bool) -> None:
        """The reader's field comes or goes."""
        if not on:
            self._let_go()
        self._picc.field(on)

    def transceive(self, frame: bytes, seconds: float) -> bytes | None:
        """Answer one frame of the reader."""
        answer = self._picc.transceive(frame)
        if self.active and self._picc.state is not State.PROTOCOL:
            self._let_go()
        return answer

    def abandon(self) -> None:
        """Say nothing any more."""
        super().abandon()
        self._picc.remove()

    def _let_go(self) -> None:
        self._answers.abandon()
        self._release()

    def _overhear(self, frame: bytes) -> bytes:
        if self._picc.state is State.ACTIVE:
            self._rats = frame
        return frame

    def _activated(self) -> None:
        self._answers.renew()
        self.active = True
        self._notify(Activated(self._rats))

    def _ask(self, command: bytes) -> bytes:
        number = self._answers.ask()
        self._notify(Arrived(command, number))
        response = self._answers.wait(number, _LONGEST_ANSWER)
        if response is None:
            raise TimeoutError("the host gave no answer")
        return response


class _HostCard:
    """The card inside the chip: its commands are run by the chip's host."""

    def __init__(
        self, historical: bytes, activated: Callable[[], None], ask: Callable[[bytes], bytes]
    ) -> None:
        self._historical = historical
        self._activated = activated
        self._ask = ask

    def power_on(self) -> bytes:
        self._activated()
        return self._historical

    def reset(self) -> bytes:
        return self._historical

    def power_off(self) -> None:
        pass  # the personality tells the host

    def transmit(self, command: bytes) -> bytes:
        return self._ask(command)


class _NoCard(_HostCard):
    """Stands behind the selection of the raw mode, which never reaches it."""

    def __init__(self) -> None:
        super().__init__(b"", lambda: None, lambda command: b"")


def _config(
    parameters: TargetParameters,
    *,
    wtx: bool,
    overhear: Callable[[bytes], bytes | None] | None = None,
) -> PiccConfig:
    return PiccConfig(
        uid=b"\x08" + parameters.uid_tail,
        sak=parameters.sel_res,
        fsci=_FSCI,
        fwi=_FWI,
        sfgi=_SFGI,
        ta=_TA,
        wtx=wtx,
        request_filter=overhear,
    )
