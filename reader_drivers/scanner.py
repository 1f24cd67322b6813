"""2D scanners on a serial line: ``scanner:/dev/ttyACM0?model=honeywell``, through pyserial."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

from card_formats.core import FormatError
from card_formats.scanner_frames import SCANNED_CODE, Suffix
from reader_drivers.api import CodeReader, CodeUnreadable, ReaderUnavailable, ReaderUrlError
from reader_drivers.scanner_protocols import PROTOCOLS, Protocol

MAX_CODE = 8_192
"""Bytes after which a code without end is given up: the largest QR code holds 2,953."""

_DEFAULT_BAUD = 115_200
_POLL = 0.02
_SUFFIX_NAMES = {
    "auto": None,
    "none": Suffix.NONE,
    "cr": Suffix.CR,
    "lf": Suffix.LF,
    "crlf": Suffix.CRLF,
}
_SILENT_FOR = 0.2
_LONGEST_CODE = 5.0
_ADVICE = "hold the code flat before the scanner's window, sharp and without glare"


@dataclasses.dataclass(frozen=True)
class ScannerOptions:
    """What a scanner's URL says.

    Attributes:
        device: serial device (``/dev/ttyACM0``, a name under ``/dev/serial/by-id``, ``COM3``).
        model: ``honeywell``, ``zebra`` (SSI), ``datalogic``, or ``generic``, which is never
            triggered by command: its button or presentation mode is.
        baud: bits per second, 115,200 by default; of no effect on USB.
        suffix: what ends a code; ``None`` takes CR, LF, CRLF or silence.
        silence: seconds of silence that end a code without suffix.
        trigger: send trigger commands; else wait for the scanner to read by itself.
    """

    device: str
    model: str = "generic"
    baud: int = _DEFAULT_BAUD
    suffix: Suffix | None = None
    silence: float = _SILENT_FOR
    trigger: bool = True


class SerialScanner:
    """A :class:`reader_drivers.api.CodeReader` on a serial line.

    Args:
        url: as opened.
        options: see :class:`ScannerOptions`.
        serial: the module ``serial``.
        line: an open ``serial.Serial``.
    """

    def __init__(self, url: str, options: ScannerOptions, serial: Any, line: Any) -> None:
        self._url = url
        self._options = options
        self._losses = _losses(serial)
        self._line = line
        self._protocol: Protocol = PROTOCOLS[options.model](self._write)
        self._pending = bytearray()
        self._closed = False

    @property
    def url(self) -> str:
        """The URL the reader was opened with."""
        return self._url

    @property
    def description(self) -> str:
        """Make and line."""
        return f"{self._options.model} scanner on {self._options.device} (serial)"

    def read(self, timeout: float = 5.0) -> str:
        """Trigger the scanner and return the text of the code it reads.

        A scanner that is not triggered by command may have read a code before the call: that
        one is returned.

        Raises:
            CodeUnreadable: no code, or none that is whole, within ``timeout`` seconds.
            ReaderUnavailable: the scanner was unplugged.
        """
        if self._closed:
            raise ReaderUnavailable(f"{self._url} is closed: open it again")
        deadline = time.monotonic() + timeout
        with self._translated():
            triggered = self._options.trigger and self._protocol.can_trigger
            if triggered:
                # Whatever came before the trigger answers another question.
                self._forget()
                self._protocol.trigger(True)
            try:
                return self._text(self._message(deadline, timeout))
            except CodeUnreadable:
                if triggered:
                    self._protocol.trigger(False)
                self._forget()
                raise

    def close(self) -> None:
        """Release the line. Harmless when called twice."""
        if not self._closed:
            self._closed = True
            with contextlib.suppress(OSError):
                self._line.close()

    def _message(self, deadline: float, timeout: float) -> bytes:
        """The bytes of the next code, suffix off."""
        last_heard = time.monotonic()
        while True:
            data = self._line.read(max(1, self._line.in_waiting))
            now = time.monotonic()
            if data:
                last_heard = now
                self._pending += self._protocol.received(data)
            message = self._complete(now - last_heard)
            if message:
                return message
            if len(self._pending) > MAX_CODE:
                raise CodeUnreadable(
                    f"{self._url} sends without end, more than {MAX_CODE} bytes: check its "
                    "suffix and baud rate against the URL"
                )
            quiet = now - last_heard >= self._options.silence
            if quiet:
                self._protocol.silent()
            # A code that has begun may end; a line that never falls silent may not hold us up.
            if now >= deadline and (quiet or now >= deadline + _LONGEST_CODE):
                raise self._nothing(timeout)

    def _nothing(self, timeout: float) -> CodeUnreadable:
        if not self._pending:
            detail = self._protocol.complaint
            said = f"; it answered: {detail}" if detail else ""
            return CodeUnreadable(f"no code on {self._url} within {timeout:g} s{said}: {_ADVICE}")
        return CodeUnreadable(
            f"{self._url} sent {len(self._pending)} bytes and not the end of a code within "
            f"{timeout:g} s: check its suffix and baud rate against the URL"
        )

    def _complete(self, silent_for: float) -> bytes | None:
        """Take a whole message off what was received."""
        if self._protocol.frames_messages:
            message = self._protocol.take_message()
            if message is None:
                return None
            suffix = self._options.suffix
            return message.rstrip(b"\r\n") if suffix is None else message.removesuffix(suffix.value)
        if self._options.suffix in (None, Suffix.NONE):
            return self._take_until_silence(silent_for)
        assert self._options.suffix is not None
        message, found, rest = bytes(self._pending).partition(self._options.suffix.value)
        if not found:
            return None
        self._pending[:] = rest
        return message

    def _take_until_silence(self, silent_for: float) -> bytes | None:
        if self._options.suffix is None:
            # The second half of a CRLF may come after the code was returned.
            stripped = bytes(self._pending).lstrip(b"\r\n")
            for index, value in enumerate(stripped):
                if value in b"\r\n":
                    self._pending[:] = stripped[index:].lstrip(b"\r\n")
                    return stripped[:index]
            self._pending[:] = stripped
        if not self._pending or silent_for < self._options.silence:
            return None
        message = bytes(self._pending)
        self._pending.clear()
        return message

    def _text(self, message: bytes) -> str:
        try:
            code = SCANNED_CODE.parse(message)
        except FormatError as error:
            raise CodeUnreadable(f"{self._url}: {error.reason}") from None
        if not code.data:
            raise CodeUnreadable(f"{self._url} sent a code without data: {_ADVICE}")
        try:
            return code.data.decode("utf-8")
        except UnicodeDecodeError:
            return code.data.decode("latin-1")

    def _forget(self) -> None:
        self._pending.clear()
        self._protocol.reset()
        self._line.reset_input_buffer()

    def _write(self, data: bytes) -> None:
        self._line.write(data)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._losses as error:
            raise ReaderUnavailable(
                f"{self._url} is gone ({error}): plug the scanner in again and reopen it"
            ) from None


def _losses(serial: Any) -> tuple[type[Exception], ...]:
    """What pyserial raises when a line is gone; termios.error, which is no OSError, slips through
    it where there is termios."""
    try:
        import termios
    except ImportError:  # Windows
        return (serial.SerialException, OSError, TypeError)
    # TypeError: the descriptor vanished under a read.
    return (serial.SerialException, OSError, TypeError, termios.error)


def parse_path(path: str) -> ScannerOptions:
    """Take the part of the URL after ``scanner:`` apart.

    Raises:
        ReaderUrlError: no device, an unknown parameter or value.
    """
    device, _, query = path.partition("?")
    if not device:
        raise ReaderUrlError("'scanner:' names no device: write scanner:/dev/ttyACM0")
    try:
        parameters = dict(urllib.parse.parse_qsl(query, strict_parsing=True) if query else ())
    except ValueError:
        raise ReaderUrlError(f"'scanner:{path}': write ?name=value&name=value") from None
    values: dict[str, Any] = {"device": device}
    for name, value in parameters.items():
        if name not in _PARAMETERS:
            raise ReaderUrlError(
                f"'scanner:{path}': no parameter {name!r}; known are {', '.join(_PARAMETERS)}"
            )
        try:
            values[name] = _PARAMETERS[name](value)
        except (ValueError, KeyError):
            raise ReaderUrlError(
                f"'scanner:{path}': {name} cannot be {value!r}{_CHOICES.get(name, '')}"
            ) from None
    return ScannerOptions(**values)


def _model(value: str) -> str:
    return {name: name for name in PROTOCOLS}[value]


def _positive(value: str) -> int:
    if int(value) <= 0:
        raise ValueError(value)
    return int(value)


def _seconds(value: str) -> float:
    if not 0.005 <= float(value) <= 10:
        raise ValueError(value)
    return float(value)


_PARAMETERS: dict[str, Callable[[str], Any]] = {
    "model": _model,
    "baud": _positive,
    "suffix": _SUFFIX_NAMES.__getitem__,
    "silence": _seconds,
    "trigger": {"yes": True, "no": False}.__getitem__,
}
_CHOICES = {
    "model": f": choose one of {', '.join(PROTOCOLS)}",
    "suffix": f": choose one of {', '.join(_SUFFIX_NAMES)}",
    "trigger": ": yes or no",
    "silence": ": seconds, 0.005 to 10",
}


def open_url(path: str) -> CodeReader:
    """Open ``scanner:PATH``.

    Raises:
        ReaderUrlError: the path makes no sense.
        ReaderUnavailable: pyserial is not installed, or there is no such device.
    """
    options = parse_path(path)
    try:
        import serial
    except ImportError as error:
        raise ReaderUnavailable(
            f"the scanner driver needs pyserial ({error}): pip install pyserial"
        ) from None
    url = f"scanner:{path}"
    failures: tuple[type[Exception], ...] = (*_losses(serial), ValueError)
    try:
        line = serial.Serial(options.device, options.baud, timeout=_POLL, exclusive=True)
    except failures as error:
        raise ReaderUnavailable(
            f"no scanner on {options.device} ({error}): check that it is plugged in and set to "
            "a serial interface (USB COM port), that no other program holds it, and that you "
            "may access the device (group dialout)"
        ) from None
    return SerialScanner(url, options, serial, line)
