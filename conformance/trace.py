"""What was said between reader and card, at the APDU layer.

Codes are masked before they are kept, and nothing here ever sees a key.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

from card_formats.apdu import RESPONSE_APDU
from card_formats.status_words import meaning
from conformance.naming import command_name, mask, tlv_text
from reader_drivers.api import CardReader, CardSession, ReaderError


@dataclasses.dataclass(frozen=True)
class Exchange:
    """One line of a trace.

    ``layer`` is ``apdu`` for what went over the link, ``plain`` for the command inside secure
    messaging, ``event`` for anything else (then ``name`` says what). ``at`` and ``took`` are
    seconds since the purpose began. ``command`` and ``response`` are hexadecimal, ``note`` the
    response decoded.
    """

    layer: str
    at: float
    took: float
    name: str
    command: str = ""
    response: str = ""
    sw: str = ""
    meaning: str = ""
    note: str = ""


class Trace:
    """Collects the exchanges of one purpose."""

    def __init__(self, timer: Callable[[], float] = time.perf_counter) -> None:
        self._timer = timer
        self._start = timer()
        self.exchanges: list[Exchange] = []

    def now(self) -> float:
        """Seconds since the purpose began."""
        return self._timer() - self._start

    def event(self, text: str) -> None:
        """Something that is no APDU: power-on, a phone put down, time that passed."""
        self.exchanges.append(Exchange("event", self.now(), 0.0, text))

    def apdu(self, at: float, command: bytes, response: bytes) -> None:
        """One command over the link and its answer."""
        self._add("apdu", at, command, response)

    def plain(self, command: bytes, response: bytes) -> None:
        """The command inside secure messaging and its answer, after the fact."""
        self._add("plain", self.now(), command, response)

    def lost(self, at: float, command: bytes, error: Exception) -> None:
        """A command that got no answer."""
        self.exchanges.append(
            Exchange(
                "apdu",
                at,
                self.now() - at,
                command_name(command),
                mask(command),
                note=f"no answer: {error}",
            )
        )

    def _add(self, layer: str, at: float, command: bytes, response: bytes) -> None:
        name, data, sw = command_name(command), response, ""
        said = "no status word"
        if len(response) >= 2:
            parsed = RESPONSE_APDU.parse(response)
            data, sw, said = parsed.data, f"{parsed.sw:04X}", meaning(parsed.sw)
        self.exchanges.append(
            Exchange(
                layer,
                at,
                self.now() - at,
                name,
                mask(command),
                data.hex().upper(),
                sw,
                said,
                tlv_text(data) if data else "",
            )
        )


class TracingReader:
    """A card reader whose sessions are traced; otherwise the reader it is given."""

    def __init__(self, reader: CardReader, trace: Trace) -> None:
        self._reader = reader
        self._trace = trace
        self.last_atr = b""
        self.session: TracingSession | None = None

    @property
    def url(self) -> str:
        """URL of the reader behind."""
        return self._reader.url

    @property
    def description(self) -> str:
        """Description of the reader behind."""
        return self._reader.description

    def connect(self, timeout: float = 5.0) -> CardSession:
        """Activate a card, write it down."""
        try:
            session = self._reader.connect(timeout)
        except ReaderError as error:
            self._trace.event(f"connect: {error}")
            raise
        self.last_atr = session.atr
        self._trace.event(f"card activated, {len(session.atr)} bytes: {session.atr.hex().upper()}")
        self.session = TracingSession(session, self._trace)
        return self.session

    def close(self) -> None:
        """End what is open; the reader belongs to the campaign and stays open."""
        if self.session is not None:
            self.session.close()
            self.session = None


class TracingSession:
    """A card session that writes down what passes."""

    def __init__(self, session: CardSession, trace: Trace) -> None:
        self._session = session
        self._trace = trace
        self._closed = False

    @property
    def atr(self) -> bytes:
        """ATR or ATS."""
        return self._session.atr

    def transmit(self, command: bytes) -> bytes:
        """Send one C-APDU, return the R-APDU; raises what the reader raises."""
        at = self._trace.now()
        try:
            response = self._session.transmit(command)
        except ReaderError as error:
            self._trace.lost(at, command, error)
            raise
        self._trace.apdu(at, command, response)
        return response

    def close(self) -> None:
        """Deselect and power off, once."""
        if not self._closed:
            self._closed = True
            self._trace.event("session closed")
            self._session.close()
