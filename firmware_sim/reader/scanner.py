"""A 2D scanner on a serial line: what every make shares.

The simulated scanner is given the text in its sight, or a picture and a function that decodes
it; how a code gets onto paper or a screen is not its concern.
"""

from __future__ import annotations

import dataclasses
import enum
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType

from card_formats.scanner_frames import SCANNED_CODE, ScannedCode, Suffix
from firmware_sim.reader.pty_port import PtyPort, Unplugged

_TICK = 0.02


class Trigger(enum.Enum):
    """What makes the scanner send the code in its sight."""

    HOST = "host"
    """A command of the host, until a code was read or its time is over."""
    PRESENTATION = "presentation"
    """The code coming into sight."""


@dataclasses.dataclass
class ScannerSettings:
    """How the scanner is set up; makes with configuration commands change it.

    Attributes:
        symbology: AIM identifier sent before the data (``Q1``), ``None`` sends none.
        prefix: bytes sent before that.
        suffix: bytes sent after the data.
        trigger: see :class:`Trigger`.
        trigger_time: seconds a host trigger lasts.
        enabled: whether it scans at all.
        qr_enabled: whether it reads QR codes.
        chunk: bytes written at a time, with ``chunk_pause`` seconds between; 0 writes all at once.
    """

    symbology: str | None = None
    prefix: bytes = b""
    suffix: bytes = Suffix.CR.value
    trigger: Trigger = Trigger.HOST
    trigger_time: float = 5.0
    enabled: bool = True
    qr_enabled: bool = True
    chunk: int = 0
    chunk_pause: float = 0.0


class Scanner(ABC):
    """Runs a scanner in a thread behind a port.

    Args:
        port: where its host finds it; a new one by default. Its ``baud`` paces what is sent.
        settings: how it is set up.

    Attributes:
        sent_filter: sees the bytes of each message and returns those really sent: how faults of
            the line are planted.
        sent: codes sent so far.
    """

    def __init__(
        self, port: PtyPort | None = None, settings: ScannerSettings | None = None
    ) -> None:
        self.port = port or PtyPort()
        self.settings = settings or ScannerSettings()
        self.sent_filter: Callable[[bytes], bytes] | None = None
        self.sent = 0
        self._sight: bytes | None = None
        self._fresh = False
        self._triggered_until: float | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name="scanner", daemon=True)

    @property
    def path(self) -> str:
        """The serial device a driver opens."""
        return self.port.path

    # --- the world before its window ---------------------------------------------------------

    def show(self, code: str | bytes | None) -> None:
        """Hold a code before the window; ``None`` takes it away."""
        with self._lock:
            self._sight = code.encode() if isinstance(code, str) else code
            self._fresh = code is not None
        self.port.poke()

    def show_picture(self, picture: bytes, decode: Callable[[bytes], str | None]) -> None:
        """Hold a picture before the window. One that cannot be decoded is not seen."""
        self.show(decode(picture))

    # --- life --------------------------------------------------------------------------------

    def start(self) -> Scanner:
        """Start serving; returns itself."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Pull the plug. Harmless when called twice."""
        self.port.shut_down()
        if self._thread.is_alive():
            self._thread.join(10.0)
        self.port.close()

    unplug = stop

    def __enter__(self) -> Scanner:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # --- for the makes -----------------------------------------------------------------------

    @abstractmethod
    def received(self, data: bytes) -> None:
        """Take bytes of the host."""

    def transmit_code(self, message: bytes) -> None:
        """Send a code, prefix and suffix included."""
        self.write(message)

    def trigger(self, on: bool) -> None:
        """The host pulls or releases the trigger."""
        seconds = self.settings.trigger_time
        self._triggered_until = time.monotonic() + seconds if on else None

    def read(self, timeout: float) -> bytes:
        """Bytes of the host, for a make that waits for an answer."""
        return self.port.read(timeout)

    def write(self, data: bytes) -> None:
        """Send bytes to the host."""
        if self.sent_filter is not None:
            data = self.sent_filter(data)
        size = self.settings.chunk or len(data)
        for start in range(0, len(data), size or 1):
            if start:
                time.sleep(self.settings.chunk_pause)
            self.port.write(data[start : start + size])

    # --- main loop ---------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            while True:
                waiting = self._triggered_until is not None
                data = self.port.read(_TICK if waiting else None)
                if data:
                    self.received(data)
                self._look()
        except Unplugged:
            return

    def _look(self) -> None:
        if self._triggered_until is not None and time.monotonic() > self._triggered_until:
            self._triggered_until = None
        code = self._code_to_send()
        if code is not None:
            settings = self.settings
            body = SCANNED_CODE.build(ScannedCode(code, settings.symbology))
            self.sent += 1
            self.transmit_code(settings.prefix + body + settings.suffix)

    def _code_to_send(self) -> bytes | None:
        settings = self.settings
        if not (settings.enabled and settings.qr_enabled):
            return None
        with self._lock:
            due = (
                self._fresh
                if settings.trigger is Trigger.PRESENTATION
                else self._triggered_until is not None
            )
            if self._sight is None or not due:
                return None
            self._fresh, self._triggered_until = False, None
            return self._sight
