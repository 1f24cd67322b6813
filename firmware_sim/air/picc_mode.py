"""A PN53x in its own PICC mode: the chip is the ISO-DEP card, the computer answers APDUs.

The safest way before a real reader: RATS, block timing and S(WTX) are the chip's (UM0701-02,
7.3.14). Its ATS is fixed: frames of 64 bytes, FWI 9 (155 ms), only the historical bytes are ours.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import time
from collections.abc import Callable
from typing import Any

from card_formats.iso14443 import ATQA, Atqa
from card_formats.pn532_commands import ParameterFlag
from card_formats.pn532_frame import MAX_TRANSFER, Status
from card_formats.pn532_rf import TargetMode
from firmware_sim.air.dongle import DEVICE_ERRORS, Appearance, DongleLost
from firmware_sim.link.picc import PiccConfig
from firmware_sim.seam import Card

_MODE = int(TargetMode.PASSIVE_ONLY | TargetMode.PICC_ONLY)
_SAK = 0x20
_UID_TAIL = 3
_LISTEN = 0.5
_NEXT_COMMAND = 0.5
_SET = 1.0
_ABSENCE = 0.5
_PATIENCE_WITH_DEVICE = 3
_ABORT_AT_ONCE = 0.001
_SELECTION_OF_NOBODY = bytearray(bytes.fromhex("040000000040"))
_FELICA = bytearray(18)
_NFCID3 = bytearray(10)


class _Released(Exception):
    """The reader let go."""


class _CardGone(Exception):
    """The card was torn away or fell mute."""


class PiccModeDongle:
    """A PN531, PN532 or PN533 in PICC mode.

    A card that falls mute cannot keep silent here, the chip would go on asking for time: it
    leaves the field, as one torn away does.

    Args:
        frontend: an open ``nfc.clf.ContactlessFrontend`` with such a chip.
    """

    def __init__(self, frontend: Any) -> None:
        self._frontend = frontend
        self._chipset = frontend.device.chipset
        self._historical: bytes | None = None
        self._failures = 0

    @property
    def description(self) -> str:
        """Device and driver."""
        return f"{self._frontend.device} (nfcpy, PICC mode)"

    def check(self, config: PiccConfig) -> None:
        """Raise ``ValueError`` for a UID or SAK the chip cannot present."""
        uid = config.uid
        if uid is not None and (len(uid) != 1 + _UID_TAIL or uid[0] != 0x08):
            raise ValueError("over the air a UID has 4 bytes, the first 08")
        if config.sak != _SAK:
            raise ValueError(f"in PICC mode the chip's SAK is {_SAK:02X}, not {config.sak:02X}")

    def close(self) -> None:
        """Stop being seen, release the device. Harmless when called twice."""
        with contextlib.suppress(*DEVICE_ERRORS, AttributeError, self._chipset.Error):
            self._frontend.close()

    def present(self, appearance: Appearance) -> None:
        """Wait a moment for a reader, serve the one that comes.

        Raises:
            DongleLost: the device stopped answering.
        """
        stats = appearance.stats
        try:
            if self._activated(appearance):
                stats.activations += 1
                self._serve(appearance)
            self._failures = 0
        except _Released:
            stats.field_losses += 1
        except _CardGone:
            stats.tears += 1
            self._disappear()
        except self._chipset.Error as error:
            raise DongleLost(f"the chip refuses to be a card: {error}") from None
        except DEVICE_ERRORS as error:
            self._failures += 1
            if self._failures >= _PATIENCE_WITH_DEVICE or self._frontend.device is None:
                raise DongleLost(f"{error}: plug it in again") from error

    def _activated(self, appearance: Appearance) -> bool:
        """Listen; whether a reader has sent RATS."""
        if self._historical is None:
            self._historical = _historical_bytes(appearance.card)
        uid = appearance.config.uid
        tail = uid[1:] if uid is not None else appearance.random_bytes(_UID_TAIL)
        selection = bytearray(ATQA.build(Atqa(1 + _UID_TAIL)) + tail + bytes([_SAK]))
        chipset = self._chipset
        chipset.set_parameters(int(ParameterFlag.AUTOMATIC_ATR_RES | ParameterFlag.PICC))
        # The chip would otherwise also answer readers of other technologies.
        chipset.write_register("CIU_Mode", 0x3F)
        try:
            self._init(_MODE, selection, _LISTEN)
        except OSError as error:
            if error.errno != errno.ETIMEDOUT:
                raise
            return False
        return True

    def _init(self, mode: int, selection: bytearray, timeout: float) -> None:
        self._chipset.tg_init_as_target(
            mode, selection, _FELICA, _NFCID3, b"", self._historical, timeout
        )

    def _serve(self, appearance: Appearance) -> None:
        card = appearance.card
        _answered(card.power_on)
        try:
            while appearance.wanted.is_set():
                command = self._next_command(appearance)
                if command is None:
                    self._disappear()
                    return
                appearance.stats.frames += 1
                self._send(_answered(functools.partial(card.transmit, command)))
        finally:
            card.power_off()

    def _next_command(self, appearance: Appearance) -> bytes | None:
        """The next C-APDU; ``None`` if the card is unwanted by now."""
        command = b""
        while appearance.wanted.is_set():
            try:
                part, more = self._chipset.tg_get_data(_NEXT_COMMAND)
            except self._chipset.Error as error:
                raise _translated(error) from None
            except OSError as error:
                if error.errno != errno.ETIMEDOUT:
                    raise
                continue
            command += bytes(part)
            if not more:
                return command
        return None

    def _send(self, response: bytes) -> None:
        try:
            while len(response) > MAX_TRANSFER:
                part, response = response[:MAX_TRANSFER], response[MAX_TRANSFER:]
                self._chipset.tg_set_meta_data(bytearray(part), _SET)
            self._chipset.tg_set_data(bytearray(response), _SET)
        except self._chipset.Error as error:
            raise _translated(error) from None

    def _disappear(self) -> None:
        """Leave the field: the chip forgets one session when it starts to wait for another, and
        is not seen once that is aborted."""
        with contextlib.suppress(*DEVICE_ERRORS):
            # As a peer of NFC-DEP only, so that no reader of cards slips in meanwhile.
            self._init(int(TargetMode.DEP_ONLY), _SELECTION_OF_NOBODY, _ABORT_AT_ONCE)
        time.sleep(_ABSENCE)


def _translated(error: Any) -> Exception:
    if error.errno in (Status.RELEASED, Status.DEP_STATE, 0x0A):
        return _Released()
    return OSError(errno.EIO, str(error))


def _answered(call: Callable[[], bytes]) -> bytes:
    # A dongle that times out raises the same exceptions as a card that is gone.
    try:
        return call()
    except (ConnectionError, TimeoutError):
        raise _CardGone from None


def _historical_bytes(card: Card) -> bytes:
    """What the card announces: asked before the first reader comes, which needs it at once."""
    historical = card.power_on()
    card.power_off()
    return historical
