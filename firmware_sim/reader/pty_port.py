"""The device end of a serial line: a pseudo-terminal whose other end any driver may open."""

from __future__ import annotations

import contextlib
import os
import select
import termios
import threading
import time
import tty
from pathlib import Path

_BITS_PER_CHARACTER = 10
_LIBNFC_CLAIM = 0x8000_0000


class Unplugged(Exception):
    """The line was closed by :meth:`PtyPort.close`."""


class PtyPort:
    """A serial port of its own. Linux; needs no privilege.

    Args:
        link: symbolic link to make to the port, so that its name is known beforehand.
        baud: bits per second the device keeps to when it sends; ``None`` sends at once.
        patience: seconds a full line is waited for before what is left is dropped, as on a line
            without flow control.
    """

    def __init__(
        self, link: Path | None = None, baud: int | None = None, patience: float = 1.0
    ) -> None:
        self.baud = baud
        self.overruns = 0
        """Bytes dropped because nobody read them."""
        self._patience = patience
        self._closing = threading.Lock()
        self._closed = False
        self._device, self._host = os.openpty()
        # A slave end kept open here keeps the line up while no program has it open.
        tty.setraw(self._host)
        os.set_blocking(self._device, False)
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self.path = os.ttyname(self._host)
        """What a driver opens."""
        self._link = link
        if link is not None:
            link.unlink(missing_ok=True)
            link.symlink_to(self.path)

    def read(self, timeout: float | None) -> bytes:
        """Return what the host has sent, ``b""`` after ``timeout`` seconds or a :meth:`poke`.

        Raises:
            Unplugged: the port was closed.
        """
        if self._closed:
            raise Unplugged
        try:
            ready, _, _ = select.select([self._device, self._woken], [], [], timeout)
            if self._closed:
                raise Unplugged
            if self._woken in ready:
                os.read(self._woken, 4096)
            return os.read(self._device, 65_536) if self._device in ready else b""
        except BlockingIOError:
            return b""
        except (OSError, ValueError):
            raise Unplugged from None

    def write(self, data: bytes) -> None:
        """Send to the host.

        Raises:
            Unplugged: the port was closed.
        """
        deadline = time.monotonic() + self._patience
        while data:
            if self._closed:
                raise Unplugged
            part = data[:1] if self.baud else data
            try:
                sent = os.write(self._device, part)
            except BlockingIOError:
                left = deadline - time.monotonic()
                if left <= 0:
                    self.overruns += len(data)
                    return
                select.select([], [self._device], [], left)
                continue
            except OSError:
                raise Unplugged from None
            if self.baud:
                time.sleep(sent * _BITS_PER_CHARACTER / self.baud)
                deadline = time.monotonic() + self._patience
            data = data[sent:]

    def poke(self) -> None:
        """Wake a :meth:`read` in another thread."""
        with self._closing, contextlib.suppress(BlockingIOError):
            if not self._closed:
                os.write(self._wake, b"\x00")

    def release_claim(self) -> None:
        """Forget that libnfc holds the port: it marks that in an unused bit of the line's flags,
        and a libnfc program that was killed leaves the mark behind."""
        attributes = termios.tcgetattr(self._host)
        attributes[0] &= ~_LIBNFC_CLAIM & 0xFFFF_FFFF
        termios.tcsetattr(self._host, termios.TCSANOW, attributes)

    def close(self) -> None:
        """Pull the plug: programs that hold the port see it die. Harmless when called twice.

        Where another thread reads, call :meth:`shut_down` and join it first: the file descriptors
        given back here may at once be somebody else's.
        """
        self.shut_down()
        with self._closing:
            if self._device < 0:
                return
            for descriptor in (self._device, self._host, self._woken, self._wake):
                os.close(descriptor)
            self._device = -1
        if self._link is not None:
            self._link.unlink(missing_ok=True)

    def shut_down(self) -> None:
        """Make every :meth:`read` and :meth:`write` raise :class:`Unplugged` from now on."""
        self._closed = True
        with self._closing, contextlib.suppress(BlockingIOError):
            if self._device >= 0:
                os.write(self._wake, b"\x00")
