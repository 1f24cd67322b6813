"""A PN532 on a serial line: its high speed UART on a pseudo-terminal (UM0701-02, 6.2.1, 6.2.5)."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType

from card_formats.core import FormatError
from card_formats.pn532_frame import (
    PN532_COMMAND,
    PN532_FRAME,
    PN532_RESPONSE,
    SYNTAX_ERROR,
    Ack,
    ChipResponse,
    Frame,
    FrameSplitter,
    Nack,
    information_frame,
)
from firmware_sim.reader.pn532 import Pn532
from firmware_sim.reader.pn532_host import SyntaxRefused
from firmware_sim.reader.pty_port import PtyPort, Unplugged

_log = logging.getLogger(__name__)


@dataclasses.dataclass
class HostLineFaults:
    """Where faults of the serial line are planted.

    ``received`` sees each frame from the host and returns what the chip takes, ``None`` if
    nothing; ``sent`` sees the bytes of each frame to the host and returns those really sent:
    none, twice as many, or damaged.
    """

    received: Callable[[Frame], Frame | None] | None = None
    sent: Callable[[bytes], bytes] | None = None


class Pn532Serial:
    """Runs a chip in a thread behind a port.

    Args:
        chip: the chip.
        port: where its host finds it; a new one by default.

    Attributes:
        faults: see :class:`HostLineFaults`.
        damaged: frames from the host that failed a check and were ignored.
        errors: defects of the card met during a command, which was then left unanswered.
    """

    def __init__(self, chip: Pn532, port: PtyPort | None = None) -> None:
        self.chip = chip
        self.port = port or PtyPort()
        self.faults = HostLineFaults()
        self.damaged = 0
        self.errors: list[Exception] = []
        self._splitter = FrameSplitter()
        self._frames: deque[Frame] = deque()
        self._last_sent = b""
        self._thread = threading.Thread(target=self._serve, name="pn532", daemon=True)

    @property
    def path(self) -> str:
        """The serial device a driver opens."""
        return self.port.path

    def start(self) -> Pn532Serial:
        """Start serving; returns itself."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Pull the plug. Harmless when called twice."""
        self.port.shut_down()
        if self._thread.is_alive():
            self._thread.join(10.0)
        self.chip.power_off()
        self.port.close()

    def __enter__(self) -> Pn532Serial:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # --- the host as the chip watches it -----------------------------------------------------

    def interrupted(self, seconds: float) -> bool:
        """Wait up to ``seconds``, or until poked; whether the host sent a frame meanwhile."""
        deadline = time.monotonic() + seconds
        if not self._frames:
            self._receive(max(0.0, deadline - time.monotonic()))
        return bool(self._frames)

    def poke(self) -> None:
        """End a wait."""
        self.port.poke()

    # --- the chip's main loop ----------------------------------------------------------------

    def _serve(self) -> None:
        try:
            while True:
                while not self._frames:
                    self._receive(None)
                self._take(self._frames.popleft())
        except Unplugged:
            return

    def _receive(self, timeout: float | None) -> None:
        for frame in self._splitter.feed(self.port.read(timeout)):
            if isinstance(frame, FormatError):
                self.damaged += 1
                continue
            received = self.faults.received(frame) if self.faults.received else frame
            if received is not None:
                self._frames.append(received)

    def _take(self, frame: Frame) -> None:
        if isinstance(frame, Ack):
            return  # the abort of a command that has already ended
        if isinstance(frame, Nack):
            self._write(self._last_sent)
            return
        self._write(PN532_FRAME.build(Ack()))
        try:
            command = PN532_COMMAND.parse(frame.data)
            data = self.chip.execute(command, self)
        except (FormatError, SyntaxRefused):
            self._send(PN532_FRAME.build(SYNTAX_ERROR))
            return
        except Unplugged:
            raise
        except Exception as error:
            _log.exception("the card failed during a command")
            self.errors.append(error)
            return
        if data is not None:
            response = PN532_RESPONSE.build(ChipResponse(command.code, data))
            self._send(PN532_FRAME.build(information_frame(response)))

    def _send(self, encoded: bytes) -> None:
        self._last_sent = encoded
        self._write(encoded)

    def _write(self, encoded: bytes) -> None:
        self.port.write(self.faults.sent(encoded) if self.faults.sent else encoded)
