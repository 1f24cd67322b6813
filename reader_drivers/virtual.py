"""A reader with no device behind it: a bench plugs an in-process card into it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from card_formats.atr import ATR, contactless_atr
from reader_drivers.api import CardAbsent, CardRemoved, CardSession, CommunicationFault

_MAX_HISTORICAL = 15


class PluggableCard(Protocol):
    """What can be plugged into a :class:`VirtualReader`.

    ``transmit`` may raise the builtin ``ConnectionError`` (the card is gone) or ``TimeoutError``
    (the card is mute). ``power_on`` and ``reset`` return the historical bytes.
    """

    def power_on(self) -> bytes: ...

    def transmit(self, command: bytes) -> bytes: ...

    def reset(self) -> bytes: ...

    def power_off(self) -> None: ...


class VirtualReader:
    """``virtual:`` reader. Cards come and go with :meth:`insert` and :meth:`remove`."""

    url = "virtual:"
    description = "virtual reader (in process)"

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._card: PluggableCard | None = None
        self._session: VirtualSession | None = None

    def insert(self, card: PluggableCard) -> None:
        """Present ``card``; one already there is removed first."""
        with self._changed:
            self.remove()
            self._card = card
            self._changed.notify_all()

    def remove(self) -> None:
        """Take the card away, also in the middle of a command. Harmless without a card."""
        with self._changed:
            if self._session is not None:
                self._session.lose_card()
                self._session = None
            self._card = None

    def connect(self, timeout: float = 5.0) -> CardSession:
        """Wait up to ``timeout`` seconds for a card and power it on; ends an open session.

        Raises:
            CardAbsent: none was inserted in time.
            CommunicationFault: it did not answer the power-on.
        """
        with self._changed:
            if self._session is not None:
                self._session.close()
                self._session = None
            if not self._changed.wait_for(lambda: self._card is not None, timeout):
                raise CardAbsent(
                    f"no card in the virtual reader within {timeout:g} s: insert() one"
                )
            card = self._card
            assert card is not None
            try:
                historical = card.power_on()
            except (ConnectionError, TimeoutError) as error:
                raise CommunicationFault(f"the card did not answer the power-on: {error}") from None
            # An ATR has room for 15 historical bytes; PC/SC readers cut there too.
            atr = ATR.build(contactless_atr(historical[:_MAX_HISTORICAL]))
            self._session = VirtualSession(card, atr)
            return self._session

    def close(self) -> None:
        """End the session; the card stays where it is."""
        with self._changed:
            if self._session is not None:
                self._session.close()
                self._session = None


class VirtualSession:
    """A powered card of a :class:`VirtualReader`."""

    def __init__(self, card: PluggableCard, atr: bytes) -> None:
        self._card = card
        self._atr = atr
        self._lock = threading.RLock()
        self._busy = False
        self._powered = True
        self._ended: Callable[[], Exception] | None = None
        self.seconds_on_card = 0.0
        """Time spent inside the card, for benchmarks."""

    @property
    def atr(self) -> bytes:
        """ATR as a PC/SC reader reports it for a contactless card."""
        return self._atr

    def transmit(self, command: bytes) -> bytes:
        """Send one C-APDU, return the R-APDU.

        Raises:
            CardRemoved: the card left, before or during the command.
            CommunicationFault: it stayed mute or answered less than a status word.
        """
        with self._lock:
            if self._ended is not None:
                raise self._ended()
            if self._busy:
                raise CommunicationFault("another command is under way in this session")
            self._busy = True
        response = b""
        started = time.perf_counter()
        try:
            response = bytes(self._card.transmit(command))
        except ConnectionError:
            self._end(_removed)
        except TimeoutError:
            self._end(_mute)
        finally:
            self.seconds_on_card += time.perf_counter() - started
            with self._lock:
                self._busy = False
                if self._ended is not None:
                    self._power_off()
        if self._ended is not None:
            raise self._ended()
        if len(response) < 2:
            self._end(lambda: CommunicationFault(f"response of {len(response)} byte(s), no status"))
            raise CommunicationFault(f"response of {len(response)} byte(s), no status")
        return response

    def close(self) -> None:
        """Power the card off. Harmless when called twice."""
        self._end(lambda: CommunicationFault("the session is closed: connect anew"))

    def lose_card(self) -> None:
        """The card was taken out of the reader."""
        self._end(_removed)

    def _end(self, reason: Callable[[], Exception]) -> None:
        with self._lock:
            if self._ended is None:
                self._ended = reason
            if not self._busy:
                self._power_off()

    def _power_off(self) -> None:
        if self._powered:
            self._powered = False
            self._card.power_off()


def _removed() -> Exception:
    return CardRemoved("the card left the reader during the session: connect anew")


def _mute() -> Exception:
    return CommunicationFault("the card stopped answering: connect anew")


def open_url(path: str) -> VirtualReader:
    """Open ``virtual:``; ``path`` is empty."""
    return VirtualReader()
