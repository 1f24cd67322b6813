"""NFC readers and dongles through nfcpy: the only module that imports it.

nfcpy finds the card and carries frames. Its tag layer is left aside: it reads the ATS at fixed
offsets, forgets S(WTX) in chained responses, stops retrying for long frame waiting times, never
deselects, and does not see phones that also offer NFC-DEP.
"""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from card_formats.atr import ATS, FWT_ACTIVATION, Ats
from card_formats.core import FormatError
from card_formats.iso14443 import TYPE_A_COMMAND, Rats, Sak
from reader_drivers.api import (
    CardAbsent,
    CardRemoved,
    CardSession,
    CommunicationFault,
    ReaderError,
    ReaderUnavailable,
)
from reader_drivers.nfc_iso_dep import (
    FWT_MARGIN,
    DepProtocolError,
    IsoDepReader,
    LinkCorrupt,
    LinkSilent,
)

FSDI = 8
"""Frames of up to 256 bytes: the largest that every device nfcpy drives can receive."""

_POLL_PAUSE = 0.02
_LAST_LOOK = 0.25
_DRAIN = 1e-4

_SERIAL_DRIVERS = ("pn532", "arygon")

_GONE: tuple[type[Exception], ...] = (OSError,)
with contextlib.suppress(ImportError):  # Windows has none
    import termios

    # What pyserial lets through when a line dies; it is no OSError.
    _GONE = (OSError, termios.error)

# What nfcpy raises when an answer is empty or is not the hexadecimal, length or type it assumes.
_NFCPY_SLIPS = (ValueError, IndexError, TypeError)


class NfcReader:
    """A reader of contactless cards of type A.

    Args:
        path: nfcpy path (``usb``, ``usb:054c:06c3``, ``tty:USB0:pn532``, ``udp:HOST:PORT``).
        nfc_clf: the module ``nfc.clf``.
        frontend: an open ``nfc.clf.ContactlessFrontend``.
        retries: how often a lost or damaged block is asked for again.
        max_extension: seconds a card may extend one answer in all.
    """

    def __init__(
        self,
        path: str,
        nfc_clf: Any,
        frontend: Any,
        *,
        retries: int = 2,
        max_extension: float = 60.0,
    ) -> None:
        self._path = path
        self._nfc_clf = nfc_clf
        self._frontend = frontend
        self._retries = retries
        self._max_extension = max_extension
        self._session: NfcSession | None = None
        self._is_udp = path.startswith("udp")
        self._late_answers = 0
        self._closed = False

    @property
    def url(self) -> str:
        """The URL the reader was opened with."""
        return f"nfc:{self._path}"

    @property
    def description(self) -> str:
        """Device and driver."""
        return f"{self._frontend.device or self._path} (nfcpy)"

    def connect(self, timeout: float = 5.0) -> CardSession:
        """Poll for a type A card up to ``timeout`` seconds and activate it.

        Raises:
            CardAbsent, CommunicationFault, ReaderUnavailable: as the protocol says.
        """
        if self._closed:
            raise ReaderUnavailable(f"{self.url} is closed: open it again")
        if self._session is not None:
            self._session.close()
            self._session = None
        deadline = time.monotonic() + timeout
        trouble = ""
        while True:
            try:
                target = self._sense(max(0.001, deadline - time.monotonic()))
                if target is not None:
                    self._session = self._activate(target)
                    return self._session
            except (LinkSilent, LinkCorrupt, DepProtocolError) as error:
                trouble = str(error)
            if time.monotonic() >= deadline:
                break
            time.sleep(min(_POLL_PAUSE, max(0.0, deadline - time.monotonic())))
        self.field_off()
        if trouble:
            raise CommunicationFault(f"a card was seen but could not be activated: {trouble}")
        raise CardAbsent(f"no card on {self.url} within {timeout:g} s: present one to the antenna")

    def close(self) -> None:
        """End the session, switch the field off and release the device."""
        if self._closed:
            return
        if self._session is not None:
            self._session.close()
        self._closed = True
        with contextlib.suppress(*_GONE):
            self._frontend.close()

    def field_off(self) -> None:
        """Switch the field off. A device that is gone has none."""
        with contextlib.suppress(*_GONE, AttributeError):
            self._frontend.sense()  # sensing for nothing mutes the field and stops there

    def card_in_field(self) -> bool:
        """Look once whether any card answers. Resets the field, hence ends a session."""
        try:
            return self._sense(_LAST_LOOK) is not None
        except (LinkCorrupt, DepProtocolError):
            return True
        except ReaderError:
            return False
        finally:
            self.field_off()

    def exchange(self, frame: bytes, timeout: float) -> bytes:
        """Send a frame without CRC to the activated card, return its answer.

        Raises:
            LinkSilent, LinkCorrupt: nothing, or nothing usable, came back.
            ReaderUnavailable: the device is gone.
        """
        if self._late_answers:
            self._drain()
        try:
            with self._translated():
                answer = self._frontend.exchange(bytearray(frame), float(timeout))
        except (LinkSilent, LinkCorrupt):
            # The answer may still come, and must not be taken for that to a later frame.
            self._late_answers = 3
            raise
        if not answer:
            raise LinkCorrupt("empty answer")
        return bytes(answer)

    def _activate(self, target: Any) -> NfcSession:
        sak = target.sel_res
        if not sak or not Sak(sak[0]).iso_dep:
            raise DepProtocolError("it does not speak ISO/IEC 14443-4 (SAK bit 6 is 0)")
        uid = bytes(target.sdd_res or b"")
        answer = self.exchange(TYPE_A_COMMAND.build(Rats(FSDI)), FWT_ACTIVATION + FWT_MARGIN)
        try:
            ats = ATS.parse(answer)
        except FormatError as error:
            raise DepProtocolError(f"ATS {answer.hex()}: {error.reason}") from error
        time.sleep(ats.sfgt)
        # Two CRC bytes of the frame are the device's, not the host's.
        fsc = min(ats.fsc, self._frontend.max_send_data_size + 2)
        dep = IsoDepReader(
            self.exchange,
            fsc,
            ats.fwt,
            retries=self._retries,
            max_extension=self._max_extension,
        )
        return NfcSession(self, dep, answer, ats, uid)

    def _sense(self, patience: float) -> Any:
        nfc_clf = self._nfc_clf
        self._late_answers = 0
        try:
            with self._translated(), self._udp_patience(patience):
                return self._frontend.sense(nfc_clf.RemoteTarget("106A"), iterations=1)
        except LinkSilent:
            return None

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """nfcpy's exceptions, and its slips on malformed answers, as those of this module."""
        nfc_clf = self._nfc_clf
        try:
            yield
        except nfc_clf.TimeoutError:
            raise LinkSilent("no answer") from None
        except nfc_clf.CommunicationError as error:
            raise LinkCorrupt(str(error) or type(error).__name__) from None
        except nfc_clf.UnsupportedTargetError as error:
            raise ReaderUnavailable(f"{self.url} cannot read type A cards: {error}") from None
        except _GONE as error:
            raise ReaderUnavailable(
                f"{self.url} is gone ({error}): plug it in again and reopen it"
            ) from None
        except _NFCPY_SLIPS as error:
            raise LinkCorrupt(f"answer that nfcpy could not take: {error}") from None

    @contextlib.contextmanager
    def _udp_patience(self, seconds: float) -> Iterator[None]:
        """nfcpy waits a fixed second for a card over UDP; wait no longer than asked."""
        device = self._frontend.device
        receive: Callable[..., Any] | None = getattr(device, "_recv_data", None)
        if not self._is_udp or receive is None:
            yield
            return
        deadline = time.monotonic() + seconds

        def bounded(timeout: float, *technologies: str) -> Any:
            left = max(0.001, deadline - time.monotonic())
            return receive(min(timeout, left), *technologies)

        device._recv_data = bounded
        try:
            yield
        finally:
            del device._recv_data

    def _drain(self) -> None:
        self._late_answers -= 1
        if not self._is_udp:
            return  # a radio keeps nothing
        while True:
            try:
                with self._translated():
                    self._frontend.exchange(None, _DRAIN)
            except LinkSilent:
                return
            except LinkCorrupt as error:
                # select() refuses the negative wait nfcpy computes when its time just ran out.
                if "non-negative" in str(error):
                    return


class NfcSession:
    """An activated contactless card.

    Attributes:
        ats: the parsed ATS.
        uid: UID the card was selected with, 4, 7 or 10 bytes.
    """

    def __init__(
        self, reader: NfcReader, dep: IsoDepReader, raw_ats: bytes, ats: Ats, uid: bytes
    ) -> None:
        self._reader = reader
        self._dep = dep
        self._raw_ats = raw_ats
        self._ended: ReaderError | None = None
        self.ats = ats
        self.uid = uid

    @property
    def atr(self) -> bytes:
        """The ATS, from TL on."""
        return self._raw_ats

    @property
    def recoveries(self) -> int:
        """Blocks that had to be asked for again."""
        return self._dep.recoveries

    @property
    def extensions(self) -> int:
        """Waiting time extensions the card asked for."""
        return self._dep.extensions

    def transmit(self, command: bytes) -> bytes:
        """Send one C-APDU, return the R-APDU.

        Raises:
            CardRemoved: no answer, and no card in the field either.
            CommunicationFault: the card is there and mute, or breaks the protocol.
            ReaderUnavailable: the device is gone.
        """
        if self._ended is not None:
            raise self._ended
        try:
            response = self._dep.transmit(command)
        except LinkSilent as error:
            if self._reader.card_in_field():
                self._fail(CommunicationFault(f"the card stopped answering ({error})"))
            self._fail(CardRemoved("the card left the field during the session: present it again"))
        except (LinkCorrupt, DepProtocolError) as error:
            self._reader.field_off()
            self._fail(CommunicationFault(f"communication with the card failed: {error}"))
        except ReaderUnavailable as error:
            self._fail(error)
        if len(response) < 2:
            self._fail(CommunicationFault(f"response of {len(response)} byte(s), no status word"))
        return response

    def is_present(self) -> bool:
        """Whether the card still answers; keeps the session."""
        try:
            return self._ended is None and self._dep.is_present()
        except ReaderUnavailable:
            return False

    def close(self) -> None:
        """Deselect the card and switch the field off. Harmless when called twice."""
        if self._ended is None:
            self._ended = CommunicationFault("the session is closed: connect anew")
            with contextlib.suppress(ReaderUnavailable):
                self._dep.deselect()
            self._reader.field_off()

    def _fail(self, error: ReaderError) -> None:
        self._ended = error
        raise error from None


def open_transport(transport: Any, driver: str, path: str) -> NfcReader:
    """A reader on an open nfcpy transport, or on anything that has its methods.

    Args:
        transport: as ``nfc.clf.transport.TTY`` or ``USB``.
        driver: nfcpy's driver for what is behind it: ``pn532``, ``acr122``…
        path: what the URL is to show.

    Raises:
        OSError: what is behind it does not answer as that driver expects.
    """
    import nfc.clf as nfc_clf

    frontend = nfc_clf.ContactlessFrontend()
    frontend.device = importlib.import_module(f"nfc.clf.{driver}").init(transport)
    frontend.device._path = path
    return NfcReader(path, nfc_clf, frontend)


def _open_frontend(nfc_clf: Any, path: str) -> Any:
    kind, _, rest = path.partition(":")
    if kind != "tty" or not rest.startswith("/"):
        return nfc_clf.ContactlessFrontend(path)
    # nfcpy itself only looks for /dev/ttyS…, ttyACM… and ttyUSB…
    device, _, driver = rest.rpartition(":")
    if driver not in _SERIAL_DRIVERS:
        raise ValueError(f"write tty:{device or rest}:pn532")
    transport = importlib.import_module("nfc.clf.transport").TTY(device)
    try:
        return open_transport(transport, driver, path)._frontend
    except BaseException:
        with contextlib.suppress(OSError):
            transport.close()
        raise


def open_url(path: str) -> NfcReader:
    """Open ``nfc:PATH``; ``path`` is what follows the scheme. Beside nfcpy's own paths it may be
    ``tty:/any/serial/device:pn532``.

    Raises:
        ReaderUnavailable: nfcpy is not installed, or finds no device there.
    """
    try:
        import nfc.clf as nfc_clf
    except (ImportError, OSError) as error:
        raise ReaderUnavailable(
            f"the NFC driver needs nfcpy and libusb ({error}): "
            "pip install nfcpy, and on Debian or Ubuntu apt install libusb-1.0-0"
        ) from None
    try:
        frontend = _open_frontend(nfc_clf, path)
    except (OSError, ImportError, *_NFCPY_SLIPS) as error:
        raise ReaderUnavailable(
            f"no NFC reader on nfc:{path} ({error}): check that it is plugged in, that no other "
            "program or kernel module (pn533, nfc) holds it, and that you may access the device; "
            "python -m nfc --search-tty lists what nfcpy finds"
        ) from None
    return NfcReader(path, nfc_clf, frontend)
