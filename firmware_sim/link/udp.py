"""The contactless card over UDP, as nfcpy's ``udp`` device speaks it.

A datagram is ``b"106A "`` and the frame in hexadecimal. ``RFOFF`` says that the reader's field
is off; ``106A`` alone stands for a frame received with errors.
"""

from __future__ import annotations

import binascii
import contextlib
import logging
import select
import socket
import threading
from types import TracebackType
from typing import Any

from firmware_sim.link.picc import Picc

_log = logging.getLogger(__name__)
_BRTY = b"106A"
_OTHER_TECHNOLOGIES = (b"106B", b"212A", b"212B", b"212F", b"424A", b"424B", b"424F")


class UdpPicc:
    """Serves one :class:`Picc` on a UDP port, in a thread.

    Another peer address is another reader: the field of the one before counts as off. That is
    how a reader program that died without ``RFOFF`` does not leave the card activated for ever.

    Args:
        picc: the card engine.
        host, port: address to bind; port 0 takes a free one.
    """

    def __init__(self, picc: Picc, host: str = "127.0.0.1", port: int = 0) -> None:
        self.picc = picc
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self.malformed = 0
        """Datagrams that were not understood and left unanswered."""
        self.errors: list[Exception] = []
        """Defects of the card met while answering; the frame was left unanswered."""
        self._peer: Any = None
        self._wake_in, self._wake_out = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="udp-picc", daemon=True)

    @property
    def url(self) -> str:
        """Reader URL under which this card is reached."""
        return f"nfc:udp:{self.host}:{self.port}"

    def start(self) -> UdpPicc:
        """Start serving; returns itself."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Field off, stop serving, free the port. Harmless when called twice."""
        if self._socket.fileno() < 0:
            return
        self._wake_out.send(b"\x00")
        if self._thread.is_alive():
            self._thread.join(10.0)
        self.picc.field(False)
        for item in (self._socket, self._wake_in, self._wake_out):
            item.close()

    def __enter__(self) -> UdpPicc:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _serve(self) -> None:
        sources = [self._socket, self._wake_in]
        while True:
            ready, _, _ = select.select(sources, [], [])
            if self._wake_in in ready:
                return
            try:
                datagram, peer = self._socket.recvfrom(65_535)
            except OSError:
                continue
            try:
                self._take(datagram, peer)
            except Exception as error:
                _log.exception("the card failed on datagram %r", datagram[:64])
                self.errors.append(error)

    def _take(self, datagram: bytes, peer: Any) -> None:
        if datagram.startswith(b"RFOFF"):
            if peer == self._peer:
                self.picc.field(False)
            return
        technology, _, text = datagram.partition(b" ")
        if technology in _OTHER_TECHNOLOGIES:
            return
        try:
            frame = binascii.unhexlify(text.strip())
        except (binascii.Error, ValueError):
            frame = b""
        if technology != _BRTY or not frame:
            self.malformed += 1
            return
        if peer != self._peer:
            self.picc.field(False)
            self._peer = peer
        self.picc.field(True)
        answer = self.picc.transceive(frame)
        if answer is not None:
            text = binascii.hexlify(answer)
            with contextlib.suppress(OSError):
                self._socket.sendto(b"%s %s" % (_BRTY, text) if text else _BRTY, peer)
