"""Commands of class FF that a contactless reader answers itself (PC/SC part 3, 3.2.2)."""

from __future__ import annotations

from card_formats.apdu import COMMAND_APDU, RESPONSE_APDU, CommandApdu, ResponseApdu
from card_formats.core import FormatError
from card_formats.status_words import SW
from firmware_sim.reader.exchange import SlotCard

_CLASS = 0xFF
_GET_DATA = 0xCA
_UID, _HISTORICAL = 0x00, 0x01


def pseudo_apdu(card: SlotCard, command: bytes) -> bytes | None:
    """The reader's answer, ``None`` if the command is for the card.

    GET DATA with P1 00 gives the UID, with P1 01 the historical bytes; any other of the class
    is refused with 6A81. A card with contacts gets them all itself.
    """
    if card.uid is None:
        return None
    try:
        apdu = COMMAND_APDU.parse(command)
    except FormatError:
        return None
    if apdu.cla != _CLASS:
        return None
    return RESPONSE_APDU.build(_get_data(card, apdu))


def _get_data(card: SlotCard, apdu: CommandApdu) -> ResponseApdu:
    values = {_UID: card.uid, _HISTORICAL: card.historical}
    value = values.get(apdu.p1) if apdu.ins == _GET_DATA and not apdu.p2 else None
    if value is None:
        return ResponseApdu(b"", SW.FUNCTION_NOT_SUPPORTED)
    if apdu.le is None:
        return ResponseApdu(b"", SW.WRONG_LENGTH)
    if apdu.le < len(value):
        return ResponseApdu(b"", SW.WRONG_LE | len(value))
    exact = apdu.le in (len(value), 256, 65_536)
    return ResponseApdu(value, SW.OK if exact else SW.END_OF_FILE)
