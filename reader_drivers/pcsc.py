"""Readers known to the PC/SC service, through pyscard: the only module that imports it.

Which service is asked is the client library's affair: pcsc-lite reads ``PCSCLITE_CSOCK_NAME``
once, when the first reader of a program is opened.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from card_formats.ccid_pin import PinFormat
from reader_drivers.api import (
    CardAbsent,
    CardRemoved,
    CommunicationFault,
    ReaderError,
    ReaderUnavailable,
    ReaderUrlError,
)
from reader_drivers.pcsc_calls import Overdue, PcscCalls, PcscFailure
from reader_drivers.pcsc_features import FEATURE_REQUEST, PinPad
from reader_drivers.pcsc_t0 import t0_transmit

LIMIT = 30.0
"""Seconds after which a command that the reader still has not answered is given up."""

_INSTALL = (
    "pip install pyscard (which needs gcc and, on Debian or Ubuntu, apt install libpcsclite-dev), "
    "and apt install pcscd libccid"
)
_START = "start it (systemctl start pcscd.socket) or install it (apt install pcscd libccid)"
_REMOVAL_PATIENCE = 1.0
_RETRY_PAUSE = 0.1
_STATUS_PREFIXES = (0x6, 0x9)


@dataclasses.dataclass(frozen=True)
class ReaderEvent:
    """A card came (``present``) or left; or, with ``lost``, the reader did."""

    present: bool
    atr: bytes = b""
    lost: bool = False


class PcscReader:
    """A PC/SC reader, used by this program alone while a card is connected.

    Args:
        name: exact name of the reader.
        scard: pyscard's module ``smartcard.scard``.
        limit: seconds any command may take. A mute card holds nobody longer.
    """

    def __init__(self, name: str, scard: Any, limit: float = LIMIT) -> None:
        self._name = name
        self._scard = scard
        self._limit = limit
        self._calls: PcscCalls | None = None
        self._session: PcscSession | None = None
        self._suspect = False
        self._closed = False

    @property
    def url(self) -> str:
        """URL of exactly this reader."""
        return f"pcsc:{self._name}"

    @property
    def description(self) -> str:
        """Name and service."""
        return f"{self._name} (PC/SC)"

    def connect(self, timeout: float = 5.0) -> PcscSession:
        """Wait up to ``timeout`` seconds for a card and power it on; ends an open session.

        Raises:
            CardAbsent, CommunicationFault, ReaderUnavailable: as the protocol says.
        """
        if self._closed:
            raise ReaderUnavailable(f"{self.url} is closed: open it again")
        if self._session is not None:
            self._session.close()
            self._session = None
        deadline = time.monotonic() + timeout
        calls = self._fresh_calls()
        with self._translated(calls):
            while True:
                self._wait_for_card(calls, deadline)
                if self._activate(calls, deadline):
                    break
                time.sleep(_RETRY_PAUSE)
        assert self._session is not None
        return self._session

    def events(self, timeout: float) -> Iterator[ReaderEvent]:
        """Card movements during ``timeout`` seconds, beginning with the present state.

        Raises:
            ReaderUnavailable: the service is gone. A reader that is unplugged is an event.
        """
        deadline = time.monotonic() + timeout
        calls = _established(self._scard, self._limit)
        known = self._scard.SCARD_STATE_UNAWARE
        before: bool | None = None
        with contextlib.closing(calls), self._translated(calls):
            while (left := deadline - time.monotonic()) > 0:
                state, atr = calls.wait(self._name, known, left)
                known = state & ~self._scard.SCARD_STATE_CHANGED
                if state & (self._scard.SCARD_STATE_UNKNOWN | self._scard.SCARD_STATE_UNAVAILABLE):
                    yield ReaderEvent(False, lost=True)
                    return
                present = bool(state & self._scard.SCARD_STATE_PRESENT)
                if present is not before:
                    before = present
                    yield ReaderEvent(present, atr)

    def close(self) -> None:
        """End the session and leave the service. Harmless when called twice."""
        if self._closed:
            return
        self._closed = True
        if self._session is not None:
            self._session.close()
        if self._calls is not None:
            with contextlib.suppress(Overdue):
                self._calls.close()

    def _fresh_calls(self) -> PcscCalls:
        """The context, or a new one if the service was restarted or a call never came back."""
        calls = self._calls
        if calls is not None:
            try:
                calls.readers()
                return calls
            except (PcscFailure, Overdue):
                with contextlib.suppress(Overdue):
                    calls.close()
        self._calls = calls = _established(self._scard, self._limit)
        return calls

    def _wait_for_card(self, calls: PcscCalls, deadline: float) -> None:
        scard = self._scard
        known = scard.SCARD_STATE_UNAWARE
        while True:
            left = deadline - time.monotonic()
            seconds = 0.0 if known == scard.SCARD_STATE_UNAWARE else max(0.0, left)
            state, _ = calls.wait(self._name, known, seconds)
            if state & (scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE):
                raise ReaderUnavailable(f"{self.url} was unplugged: plug it in and connect anew")
            if state & scard.SCARD_STATE_PRESENT:
                return
            if known != scard.SCARD_STATE_UNAWARE and left <= 0:
                raise CardAbsent(f"no card in {self._name}: insert one")
            known = state & ~scard.SCARD_STATE_CHANGED

    def _activate(self, calls: PcscCalls, deadline: float) -> bool:
        """Connect to the card; false if it is worth another try."""
        try:
            handle, protocol = calls.connect(self._name)
        except PcscFailure as failure:
            if time.monotonic() < deadline and failure.code in _codes(
                self._scard, "E_NO_SMARTCARD W_REMOVED_CARD E_SHARING_VIOLATION W_UNPOWERED_CARD"
            ):
                return False
            raise
        try:
            if self._suspect:
                # After a fault the driver's own protocol state may be wrong: one reset heals it.
                protocol = calls.reconnect(handle)
                self._suspect = False
            atr = calls.atr(handle)
        except (PcscFailure, Overdue):
            with contextlib.suppress(Overdue):
                calls.disconnect(handle)
            raise
        self._session = PcscSession(self, calls, handle, protocol, atr)
        return True

    def failed(self, calls: PcscCalls, failure: PcscFailure | Overdue) -> ReaderError:
        """What a failed call means to whoever uses the reader."""
        self._suspect = True
        if isinstance(failure, Overdue):
            return CommunicationFault(
                f"{self._name}: {failure}; the reader or card hangs: take the card out and "
                "connect anew, and if that fails unplug the reader"
            )
        scard = self._scard
        if failure.code in _codes(scard, "W_REMOVED_CARD E_NO_SMARTCARD"):
            return CardRemoved("the card left the reader during the session: insert it again")
        if failure.code in _codes(scard, "E_SHARING_VIOLATION"):
            return ReaderUnavailable(f"{self._name} is used by another program: close it")
        if failure.code in _codes(scard, "E_NO_SERVICE E_SERVICE_STOPPED"):
            return ReaderUnavailable(f"{failure}; the PC/SC service is gone: {_START}")
        if failure.code in _codes(
            scard, "E_READER_UNAVAILABLE E_UNKNOWN_READER E_NO_READERS_AVAILABLE"
        ):
            return ReaderUnavailable(f"{self.url} was unplugged: plug it in and connect anew")
        return self._presence(calls) or CommunicationFault(f"{failure}; connect anew")

    def no_response(self, calls: PcscCalls, size: int) -> ReaderError:
        """What it means that the service reports success and hands over no response."""
        self._suspect = True
        return self._presence(calls) or CommunicationFault(
            f"response of {size} byte(s), no status word: connect anew"
        )

    def _presence(self, calls: PcscCalls) -> ReaderError | None:
        """Why an exchange failed, if not because of the exchange; a removal takes the service
        up to half a second to notice."""
        scard = self._scard
        deadline = time.monotonic() + _REMOVAL_PATIENCE
        known = scard.SCARD_STATE_UNAWARE
        try:
            while True:
                left = max(0.0, deadline - time.monotonic())
                state, _ = calls.wait(self._name, known, left)
                if state & (scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE):
                    return ReaderUnavailable(f"{self.url} was unplugged: plug it in again")
                if state & scard.SCARD_STATE_EMPTY:
                    return CardRemoved("the card left the reader during the session: insert it")
                if left <= 0:
                    return None
                known = state & ~scard.SCARD_STATE_CHANGED
        except PcscFailure as failure:
            return ReaderUnavailable(f"the reader or the PC/SC service is gone: {failure}")
        except Overdue:
            return None

    @contextlib.contextmanager
    def _translated(self, calls: PcscCalls) -> Iterator[None]:
        try:
            yield
        except (PcscFailure, Overdue) as failure:
            raise self.failed(calls, failure) from None


class PcscSession:
    """A connected card.

    Attributes:
        protocol: T in use, 0 or 1.
    """

    def __init__(
        self, reader: PcscReader, calls: PcscCalls, handle: Any, protocol: int, atr: bytes
    ) -> None:
        self._reader = reader
        self._calls = calls
        self._handle = handle
        self._pci = protocol
        self._atr = atr
        self._ended: ReaderError | None = None
        self._connected = True
        self.protocol = 0 if protocol == calls.scard.SCARD_PROTOCOL_T0 else 1
        self.pin_pad = PinPad(self._control, calls.scard.SCARD_CTL_CODE(FEATURE_REQUEST))
        """The reader's keypad and other features."""

    @property
    def atr(self) -> bytes:
        """ATR; that of PC/SC part 3 for a contactless card."""
        return self._atr

    @property
    def has_pin_pad(self) -> bool:
        """The holder can enter a PIN on the reader itself."""
        return self.pin_pad.can_verify

    def transmit(self, command: bytes) -> bytes:
        """Send one C-APDU, return the R-APDU. Over T=0, 61xx and 6Cxx are dealt with here.

        Raises:
            CardRemoved, CommunicationFault, ReaderUnavailable: the session is over.
        """
        if self.protocol == 0:
            return t0_transmit(self._exchange, command)
        return self._exchange(command)

    def verify_pin_on_pad(
        self,
        command: bytes,
        layout: PinFormat | None = None,
        digits: tuple[int, int] = (4, 8),
        seconds: int = 30,
    ) -> bytes:
        """VERIFY with the PIN typed on the reader; see :meth:`PinPad.verify`."""
        return self.pin_pad.verify(command, layout, digits, seconds)

    def close(self) -> None:
        """Power the card off. Harmless when called twice."""
        if self._ended is None:
            self._ended = CommunicationFault("the session is closed: connect anew")
        if self._connected:
            self._connected = False
            with contextlib.suppress(Overdue):
                self._calls.disconnect(self._handle)

    def _exchange(self, command: bytes) -> bytes:
        return self._answered(lambda: self._calls.transmit(self._handle, self._pci, command))

    def _control(self, code: int, data: bytes, limit: float) -> bytes:
        if self._ended is not None:
            raise self._ended
        try:
            return self._calls.control(self._handle, code, data, limit)
        except (PcscFailure, Overdue) as failure:
            if isinstance(failure, PcscFailure) and failure.code in _codes(
                self._calls.scard, "E_UNSUPPORTED_FEATURE E_NOT_TRANSACTED E_INVALID_PARAMETER"
            ):
                raise CommunicationFault(str(failure)) from None
            self._fail(self._reader.failed(self._calls, failure))

    def _answered(self, call: Callable[[], bytes]) -> bytes:
        if self._ended is not None:
            raise self._ended
        try:
            response = call()
        except (PcscFailure, Overdue) as failure:
            self._fail(self._reader.failed(self._calls, failure))
        if len(response) < 2:
            self._fail(self._reader.no_response(self._calls, len(response)))
        if response[-2] >> 4 not in _STATUS_PREFIXES:
            self._fail(
                CommunicationFault(f"a response that ends in {response[-2:].hex()}: no status word")
            )
        return response

    def _fail(self, error: ReaderError) -> NoReturn:
        self._ended = error
        if self._connected:
            self._connected = False
            with contextlib.suppress(Overdue):
                self._calls.disconnect(self._handle)
        raise error from None


def find_reader(wanted: str, names: list[str]) -> str:
    """The one reader called ``wanted``, or whose name contains it, whatever the case.

    Raises:
        ReaderUrlError: several.
        ReaderUnavailable: none.
    """
    if wanted in names:
        return wanted
    matching = [name for name in names if wanted.lower() in name.lower()]
    listed = "; ".join(f"pcsc:{name}" for name in matching or names)
    if len(matching) > 1:
        raise ReaderUrlError(f"pcsc:{wanted} names several readers, say which: {listed}")
    if matching:
        return matching[0]
    if names:
        raise ReaderUnavailable(f"no PC/SC reader is called {wanted!r}; there are: {listed}")
    raise ReaderUnavailable("the PC/SC service knows no reader: plug one in (pcsc_scan lists them)")


def open_url(path: str, limit: float = LIMIT) -> PcscReader:
    """Open ``pcsc:NAME``; ``path`` is the name, a part of it, or empty for the only reader.

    Raises:
        ReaderUnavailable: pyscard or the service is missing, or no reader has that name.
        ReaderUrlError: several have.
    """
    try:
        from smartcard import scard
    except ImportError as error:
        raise ReaderUnavailable(f"PC/SC needs pyscard ({error}): {_INSTALL}") from None
    calls = _established(scard, limit)
    try:
        names = calls.readers()
    except (PcscFailure, Overdue) as failure:
        raise ReaderUnavailable(f"{failure}: {_START}") from None
    finally:
        with contextlib.suppress(Overdue):
            calls.close()
    return PcscReader(find_reader(path, names), scard, limit)


def _established(scard: Any, limit: float) -> PcscCalls:
    try:
        return PcscCalls(scard, limit)
    except (PcscFailure, Overdue) as failure:
        name = os.environ.get("PCSCLITE_CSOCK_NAME")
        where = f" (PCSCLITE_CSOCK_NAME is {name})" if name else ""
        raise ReaderUnavailable(f"{failure}{where}: {_START}") from None


def _codes(scard: Any, names: str) -> set[int]:
    return {getattr(scard, f"SCARD_{name}") & 0xFFFF_FFFF for name in names.split()}
