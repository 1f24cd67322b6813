"""The reader under test and, where the bench can do it, the hand that puts a phone on it.

``virtual:`` and ``nfc:udp`` are expanded to devices that live inside this process. Any other
URL is a reader of its own, to which a phone must be carried.
"""

from __future__ import annotations

from typing import Protocol

from firmware_sim.link.picc import Picc
from firmware_sim.link.udp import UdpPicc
from firmware_sim.seam import Card, RandomBytes
from reader_drivers.api import CardReader, ReaderError, ReaderUrlError
from reader_drivers.urls import open_reader, parse_url
from reader_drivers.virtual import VirtualReader

ATS = "ats"
"""Feature: the session shows the ATS as the card sent it."""
RADIO = "radio"
"""Feature: frames of ISO/IEC 14443 travel between reader and card."""

EMBEDDED = ("virtual:", "nfc:udp")


class Device(Protocol):
    """A reader under test with the place where a card is put.

    ``features`` decides which purposes apply. ``picc`` is the contactless engine that carries
    the card now, for faults of the link; ``None`` where there is none.
    """

    url: str
    reader: CardReader
    features: frozenset[str]
    picc: Picc | None

    def present(self, card: Card, random_bytes: RandomBytes) -> None:
        """Put this card on the reader; one already there is taken away."""
        ...

    def remove(self) -> None:
        """Take the card away. Harmless without one."""
        ...

    def close(self) -> None:
        """Release reader and threads. Harmless when called twice."""
        ...


class VirtualDevice:
    """``virtual:``: the card is plugged straight into the driver."""

    url = "virtual:"
    features = frozenset[str]()
    picc: Picc | None = None

    def __init__(self) -> None:
        self._virtual = VirtualReader()
        self.reader: CardReader = self._virtual

    def present(self, card: Card, random_bytes: RandomBytes) -> None:
        """Insert the card."""
        self._virtual.insert(card)

    def remove(self) -> None:
        """Take it out."""
        self._virtual.remove()

    def close(self) -> None:
        """End the session and take the card out."""
        self._virtual.remove()
        self._virtual.close()


class UdpDevice:
    """``nfc:udp``: a card engine on a free loopback port, read by nfcpy."""

    url = "nfc:udp"
    features = frozenset({ATS, RADIO})

    def __init__(self) -> None:
        self.picc: Picc | None = Picc(_NoCard())
        self.picc.remove()
        self._server = UdpPicc(self.picc).start()
        try:
            self.reader = open_reader(self._server.url)
        except ReaderError:
            self._server.stop()
            raise

    def present(self, card: Card, random_bytes: RandomBytes) -> None:
        """Put a fresh engine with this card into the field."""
        self.remove()
        self.picc = self._server.picc = Picc(card, random_bytes=random_bytes)

    def remove(self) -> None:
        """Take it out of the field."""
        if self.picc is not None:
            self.picc.remove()

    def close(self) -> None:
        """Close the reader, then the port."""
        self.reader.close()
        self._server.stop()


class _NoCard:
    """What the engine carries before the first phone: never reached, since it is not there."""

    def power_on(self) -> bytes:
        raise ConnectionError

    def transmit(self, command: bytes) -> bytes:
        raise ConnectionError

    def reset(self) -> bytes:
        raise ConnectionError

    def power_off(self) -> None:
        return None


def check_reader_url(url: str) -> None:
    """Refuse what no campaign can run on.

    Raises:
        ReaderUrlError: unknown driver, malformed URL, or a reader that needs somebody to carry
            the phone to it.
    """
    if url in EMBEDDED:
        return
    parse_url(url)
    raise ReaderUrlError(
        f"{url!r}: the bench cannot put its phone on this reader by itself;"
        f" readers it can use alone: {', '.join(EMBEDDED)}"
    )


def open_device(url: str) -> Device:
    """Open the reader a campaign was given.

    Raises:
        ReaderUrlError: see :func:`check_reader_url`.
        ReaderUnavailable: a library is missing or no port is free.
    """
    check_reader_url(url)
    return VirtualDevice() if url == "virtual:" else UdpDevice()


def features_of(url: str) -> frozenset[str]:
    """What the device behind a reader URL offers, without opening it.

    Raises:
        ReaderUrlError: see :func:`check_reader_url`.
    """
    check_reader_url(url)
    return VirtualDevice.features if url == "virtual:" else UdpDevice.features
