"""Finding and selecting a type A card, as the chip does on its own (ISO/IEC 14443-3:2018, 6)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from card_formats.atr import ATS, FWT_ACTIVATION, Ats
from card_formats.core import FormatError
from card_formats.iso14443 import (
    ATQA,
    CASCADE_UID,
    SAK,
    TYPE_A_COMMAND,
    Anticollision,
    Rats,
    Request,
    Sak,
    Select,
    TypeACommand,
)
from firmware_sim.reader.pn532_pcd import FSDI

_ANSWER_TIME = 0.005
_CASCADE_LEVELS = 3

Exchange = Callable[[bytes, float], bytes | None]


@dataclasses.dataclass(frozen=True)
class FoundCard:
    """A card selected: its ATQA as sent, SAK, UID, and the ATS if RATS was sent."""

    atqa: bytes
    sak: Sak
    uid: bytes
    raw_ats: bytes = b""
    ats: Ats | None = None


class TypeAActivation:
    """Looks once for a card.

    Args:
        exchange: sends one frame.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def find(self, wanted: bytes, with_rats: bool) -> FoundCard | None:
        """Return the card in the field, ``None`` if there is none or it breaks off.

        Args:
            wanted: UID levels with their cascade tags (4, 8 or 12 bytes) of the one card
                wanted; ``b""`` takes any.
            with_rats: send RATS to a card that speaks ISO-DEP.
        """
        # WUPA reaches a card that was halted, or that the REQA threw back to idle.
        atqa = self._ask(Request()) or self._ask(Request(wake_up=True))
        if not atqa:
            return None
        try:
            ATQA.parse(atqa)
            selected = self._select(wanted)
            if selected is None:
                return None
            sak, uid = selected
            card = FoundCard(atqa, sak, uid)
            return self._rats(card) if with_rats and sak.iso_dep else card
        except FormatError:
            return None

    def _select(self, wanted: bytes) -> tuple[Sak, bytes] | None:
        uid = b""
        for level in range(1, _CASCADE_LEVELS + 1):
            part = wanted[4 * level - 4 : 4 * level]
            if not part:
                answer = self._ask(Anticollision(level))
                if not answer:
                    return None
                part = CASCADE_UID.parse(answer).uid
            answer = self._ask(Select(level, part))
            if not answer:
                return None
            sak = SAK.parse(answer)
            uid += part[1:] if sak.uid_incomplete else part
            if not sak.uid_incomplete:
                return sak, uid
        return None

    def _rats(self, card: FoundCard) -> FoundCard | None:
        answer = self._ask(Rats(FSDI), FWT_ACTIVATION)
        if not answer:
            return None
        return dataclasses.replace(card, raw_ats=answer, ats=ATS.parse(answer))

    def _ask(self, command: TypeACommand, seconds: float = _ANSWER_TIME) -> bytes | None:
        return self._exchange(TYPE_A_COMMAND.build(command), seconds)
