"""Reader URLs: which driver, and what it should open.

``virtual:``, ``nfc:usb``, ``nfc:udp:127.0.0.1:54321``, ``pcsc:NAME``… A driver is imported when
its URL is opened, never before, so that a missing library is only missed by who asks for it.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import re
from typing import cast

from reader_drivers.api import CardReader, CodeReader, ReaderUnavailable, ReaderUrlError


@dataclasses.dataclass(frozen=True)
class ReaderUrl:
    """A URL taken apart: ``scheme`` and, after the first colon, ``path``."""

    scheme: str
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.path}"


@dataclasses.dataclass(frozen=True)
class Driver:
    """A driver of card readers, or of code readers.

    Attributes:
        reads: ``"cards"`` or ``"codes"``.
        scheme: what its URLs start with.
        factory: ``"module:function"``; the function takes the path and returns a reader.
        summary: what it drives.
        example: a URL to copy.
        needs: top-level module of the third-party library, ``""`` when none is needed.
        install: what to install for it.
    """

    scheme: str
    factory: str
    summary: str
    example: str
    needs: str = ""
    install: str = ""
    reads: str = "cards"

    @property
    def available(self) -> bool:
        """The driver and its library are installed. Says nothing of a device."""
        modules = [self.factory.partition(":")[0], *([self.needs] if self.needs else [])]
        return all(importlib.util.find_spec(module) is not None for module in modules)


_DRIVERS: dict[str, Driver] = {}


def register(driver: Driver) -> None:
    """Make a driver known; one with the same scheme is replaced."""
    _DRIVERS[driver.scheme] = driver


def available_drivers() -> tuple[Driver, ...]:
    """Every registered driver by scheme; ask ``driver.available`` which can be used here."""
    return tuple(_DRIVERS[scheme] for scheme in sorted(_DRIVERS))


def parse_url(url: str) -> ReaderUrl:
    """Take a reader URL apart and check what can be checked without opening it.

    Raises:
        ReaderUrlError: no known scheme, or a path its driver cannot take.
    """
    scheme, colon, path = url.partition(":")
    scheme = scheme.lower()
    if not colon or scheme not in _DRIVERS:
        known = ", ".join(driver.example for driver in available_drivers())
        raise ReaderUrlError(f"{url!r} names no reader driver; known are: {known}")
    parsed = ReaderUrl(scheme, path)
    if scheme == "virtual" and path:
        raise ReaderUrlError(f"{url!r}: a virtual reader takes no path, write virtual:")
    if scheme == "nfc":
        _check_nfc(url, path)
    return parsed


def open_reader(url: str) -> CardReader:
    """Open the card reader a URL names.

    Raises:
        ReaderUrlError: the URL names none.
        ReaderUnavailable: its library is not installed or the device is not there.
    """
    return cast(CardReader, _open(url, "cards"))


def open_code_reader(url: str) -> CodeReader:
    """Open the reader of 2D codes a URL names.

    Raises:
        ReaderUrlError: the URL names none.
        ReaderUnavailable: its library is not installed or the device is not there.
    """
    return cast(CodeReader, _open(url, "codes"))


def _open(url: str, reads: str) -> object:
    parsed = parse_url(url)
    driver = _DRIVERS[parsed.scheme]
    if driver.reads != reads:
        raise ReaderUrlError(f"{url!r} reads {driver.reads}, not {reads}")
    module_name, _, function = driver.factory.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        hint = f": {driver.install}" if driver.install else ""
        raise ReaderUnavailable(f"the {driver.scheme} driver is missing ({error}){hint}") from None
    return getattr(module, function)(parsed.path)


def _check_nfc(url: str, path: str) -> None:
    if not path:
        raise ReaderUrlError(f"{url!r}: say which device: nfc:usb, nfc:tty:USB0:pn532")
    if not path.startswith("udp"):
        return
    match = re.fullmatch(r"udp:([^:]+):(\d+)", path)
    if match is None or not 0 < int(match[2]) < 65_536:
        raise ReaderUrlError(
            f"{url!r}: a card over UDP needs host:port, as in nfc:udp:127.0.0.1:54321"
        )


register(
    Driver("virtual", "reader_drivers.virtual:open_url", "in-process cards, no device", "virtual:")
)
register(
    Driver(
        "nfc",
        "reader_drivers.nfc:open_url",
        "NFC dongles (PN53x, RC-S380, ACR122U) and cards over UDP, through nfcpy",
        "nfc:usb",
        "nfc",
        "pip install nfcpy",
    )
)
register(
    Driver(
        "camera",
        "reader_drivers.camera:open_url",
        "2D codes in a picture, or in the pictures of a directory",
        "camera:IMAGE",
        "zxingcpp",
        "pip install zxing-cpp",
        reads="codes",
    )
)
register(
    Driver(
        "pcsc",
        "reader_drivers.pcsc:open_url",
        "readers known to the PC/SC service, with or without a PIN pad",
        "pcsc:READER NAME",
        "smartcard",
        "pip install pyscard, and on Debian or Ubuntu apt install pcscd libccid",
    )
)
register(
    Driver(
        "scanner",
        "reader_drivers.scanner:open_url",
        "2D scanners on a serial line (Honeywell, Zebra SSI, Datalogic, any other)",
        "scanner:/dev/ttyACM0?model=honeywell",
        "serial",
        "pip install pyserial",
        reads="codes",
    )
)
