"""PIN verification and modification inside the reader: PC_to_RDR_Secure (CCID 1.1, 6.1.11).

The digits go from the keypad into the command for the card and nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Generator

from card_formats.ccid import SlotError
from card_formats.ccid_descriptor import PinSupport
from card_formats.ccid_pin import (
    CCID_PIN_MODIFY,
    CCID_PIN_VERIFY,
    GEMPC_PIN_MODIFY,
    PinModify,
    PinVerify,
)
from card_formats.core import FormatError
from card_formats.t1_block import information_after, t1_format
from firmware_sim.link.iso_dep import Mute
from firmware_sim.reader.ccid_config import CcidConfig, Level
from firmware_sim.reader.contact import ContactSlotCard
from firmware_sim.reader.exchange import Exchange, SlotCard
from firmware_sim.reader.keypad import Entry, Key, Keypad, fill
from firmware_sim.reader.slot import Slot

_VERIFY, _MODIFY = 0, 1
_SLICE = 0.05
_EXTENSION_EVERY = 0.5


class PinRefused(Exception):
    """No command went to the card; ``error`` is the bError to report."""

    def __init__(self, error: int) -> None:
        self.error = error
        super().__init__(f"bError {error:02X}")


def secure(config: CcidConfig, keypad: Keypad, slot: Slot, data: bytes) -> Exchange:
    """Carry out one Secure message.

    Raises:
        PinRefused: not supported, malformed, cancelled, timed out.
        Mute: the card does not answer or left.
    """
    operation = data[0] if data else -1
    supported = {_VERIFY: PinSupport.VERIFY, _MODIFY: PinSupport.MODIFY}.get(operation)
    if not config.pin:
        raise PinRefused(SlotError.NOT_SUPPORTED)
    if supported is None or not config.pin & supported:
        raise PinRefused(SlotError.BAD_PIN_OPERATION)
    modify_format = GEMPC_PIN_MODIFY if config.three_messages else CCID_PIN_MODIFY
    try:
        request = (CCID_PIN_VERIFY if operation == _VERIFY else modify_format).parse(data)
    except FormatError:
        raise PinRefused(SlotError.BAD_LENGTH) from None
    entries = _Entries(keypad, slot, request.timeout or config.pin_seconds)
    try:
        if isinstance(request, PinVerify):
            apdu = yield from _verified(request, entries)
        else:
            apdu = yield from _modified(request, entries)
    except FormatError:
        raise PinRefused(SlotError.BAD_LENGTH) from None
    return (yield from _to_card(config, slot, request, apdu))


def _verified(request: PinVerify, entries: _Entries) -> Exchange:
    digits = yield from entries.take(request)
    return fill(request.apdu, request.format, digits)


def _modified(request: PinModify, entries: _Entries) -> Exchange:
    apdu = request.apdu
    if request.confirm & 2:
        old = yield from entries.take(request)
        apdu = fill(apdu, request.format, old, request.offset_old)
    new = yield from entries.take(request)
    if request.confirm & 1:
        again = yield from entries.take(request)
        if again != new:
            # The standard has no error of its own for this.
            raise PinRefused(SlotError.PIN_CANCELLED)
    return fill(apdu, request.format, new, request.offset_new)


class _Entries:
    """What the holder types, entry after entry."""

    def __init__(self, keypad: Keypad, slot: Slot, seconds: float) -> None:
        self._keypad = keypad
        self._slot = slot
        self._card = slot.card
        self._seconds = seconds

    def take(self, request: PinVerify | PinModify) -> Generator[int, None, str]:
        """The digits of the next entry; what is typed beyond the longest PIN is ignored."""
        self._keypad.prompts += 1
        began = time.monotonic()
        entry = yield from self._typed(began)
        yield from self._pass(entry.seconds - (time.monotonic() - began))
        if entry.end is Key.CANCELLED:
            raise PinRefused(SlotError.PIN_CANCELLED)
        # A PIN that is too short is not taken; the holder then runs out of time.
        if entry.end is Key.GAVE_UP or len(entry.digits) < request.min_digits:
            raise PinRefused(SlotError.PIN_TIMEOUT)
        return entry.digits[: request.max_digits]

    def _typed(self, began: float) -> Generator[int, None, Entry]:
        extended = began
        while (entry := self._keypad.wait(_SLICE)) is None:
            self._check_card()
            now = time.monotonic()
            if now - began > self._seconds:
                raise PinRefused(SlotError.PIN_TIMEOUT)
            if now - extended > _EXTENSION_EVERY:
                extended = now
                yield 1
        return entry

    def _pass(self, seconds: float) -> Generator[int, None, None]:
        end = time.monotonic() + min(seconds, self._seconds)
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _EXTENSION_EVERY))
            self._check_card()
            if left > _EXTENSION_EVERY:
                yield 1
        if seconds > self._seconds:
            raise PinRefused(SlotError.PIN_TIMEOUT)

    def _check_card(self) -> None:
        if self._slot.card is not self._card:
            raise Mute


def _to_card(
    config: CcidConfig, slot: Slot, request: PinVerify | PinModify, apdu: bytes
) -> Exchange:
    card = slot.card
    if card is None:
        raise Mute
    if config.level is not Level.TPDU:
        return (yield from card.apdu(apdu))
    return (yield from card.tpdu(_frame(card, request, apdu)))


def _frame(card: SlotCard, request: PinVerify | PinModify, apdu: bytes) -> bytes:
    """The block around the command; under T=0 the command is its own TPDU."""
    if card.protocol == 0:
        return apdu
    crc = isinstance(card, ContactSlotCard) and card.atr.uses_crc
    return t1_format(crc).build(information_after(request.prologue, apdu))
