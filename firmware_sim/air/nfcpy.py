"""Dongles through nfcpy: the only module of the firmware side that imports it.

Two ways: *raw*, where the computer is the whole ISO-DEP card (any device nfcpy can listen with:
PN531, PN532, PN533, RC-S380, UDP), and a PN532's own *PICC mode*, where the chip keeps the block
protocol and its timing and the computer only answers APDUs.
"""

from __future__ import annotations

import contextlib
from typing import Any

from firmware_sim.air.dongle import Dongle, DongleUnavailable
from firmware_sim.air.picc_mode import PiccModeDongle
from firmware_sim.air.raw import RawDongle


def open_dongle(path: str, *, picc_mode: bool = False) -> Dongle:
    """Open a dongle that can stand in for a card.

    Args:
        path: as nfcpy names it (``usb``, ``usb:054c:06c3``, ``tty:USB0:pn532``,
            ``udp:127.0.0.1:54321``), or ``tty:/any/device:pn532``.
        picc_mode: use the chip's own PICC mode (PN531, PN532, PN533).

    Raises:
        DongleUnavailable: nfcpy is not installed, no such device, or it cannot do that.
    """
    try:
        import nfc.clf
        import nfc.clf.pn532
        import nfc.clf.transport
    except (ImportError, OSError) as error:
        raise DongleUnavailable(
            f"a dongle needs nfcpy and libusb ({error}): "
            "pip install nfcpy, and on Debian or Ubuntu apt install libusb-1.0-0"
        ) from None
    try:
        frontend = _open_frontend(nfc.clf, path)
    except (OSError, ImportError, ValueError, IndexError, TypeError) as error:
        raise DongleUnavailable(
            f"no NFC dongle on {path} ({error}): check that it is plugged in, that no other "
            "program or kernel module (pn533, nfc) holds it, and that you may access the device"
        ) from None
    chipset = getattr(frontend.device, "chipset", None)
    if not picc_mode:
        return RawDongle(frontend, nfc.clf)
    if not hasattr(chipset, "tg_get_data"):
        frontend.close()
        raise DongleUnavailable(f"{path} has no PICC mode: leave it out, or use a PN532")
    return PiccModeDongle(frontend)


def _open_frontend(nfc_clf: Any, path: str) -> Any:
    kind, _, rest = path.partition(":")
    if kind == "tty" and rest.startswith("/"):
        # nfcpy itself only looks for /dev/ttyS…, ttyACM… and ttyUSB….
        device_path, _, driver = rest.rpartition(":")
        if driver != "pn532":
            raise ValueError(f"write tty:{device_path or rest}:pn532")
        frontend = nfc_clf.ContactlessFrontend()
        transport = nfc_clf.transport.TTY(device_path)
        try:
            frontend.device = nfc_clf.pn532.init(transport)
        except BaseException:
            with contextlib.suppress(OSError):
                transport.close()
            raise
        frontend.device._path = device_path
        return frontend
    frontend = nfc_clf.ContactlessFrontend(path)
    if kind == "udp":
        _stay_on_address(frontend.device)
    return frontend


def _stay_on_address(device: Any) -> None:
    """nfcpy's UDP device listens on every interface; let it keep to the address it was given."""

    def bind(time_to_return: float) -> bool:
        try:
            device.socket.bind(device.addr)
        except OSError:
            return False
        return True

    device._bind_socket = bind
