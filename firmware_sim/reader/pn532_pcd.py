"""The chip's own half of the contactless block protocol, used by InDataExchange.

Its frames are 64 bytes, as on the real chip. Rule numbers are those of ISO/IEC 14443-4:2018, 7.5.
"""

from __future__ import annotations

from collections.abc import Callable

from card_formats.atr import FWT_ACTIVATION, FWT_MAX, Ats
from card_formats.core import FormatError
from card_formats.iso_dep import (
    CRC_SIZE,
    ISO_DEP_BLOCK,
    Block,
    DeselectBlock,
    IBlock,
    RBlock,
    WtxBlock,
)

FSDI = 5
"""The chip's largest frame, 64 bytes, as RATS announces it."""

_FSD = 64
_RETRIES = 2

Exchange = Callable[[bytes, float], bytes | None]
"""(frame, seconds) -> answer, ``None`` for silence, ``b""`` for a damaged frame."""


class CardSilent(Exception):
    """The card did not answer, asked again or not."""


class CardBroke(Exception):
    """The card answered against the rules."""


class IsoDepPcd:
    """Blocks for an activated card.

    Args:
        exchange: sends one frame.
        ats: what the card said of itself.
    """

    def __init__(self, exchange: Exchange, ats: Ats) -> None:
        self._exchange = exchange
        self._room = min(_FSD, ats.fsc) - CRC_SIZE - 1
        self._fwt = ats.fwt
        self._number = 0  # rule A
        self._surplus = b""
        self._chained = False

    @property
    def has_more(self) -> bool:
        """Part of the last response is still to be fetched with :meth:`receive`."""
        return self._chained or bool(self._surplus)

    def send(self, data: bytes, more: bool) -> None:
        """Send a part of a command, the last unless ``more``.

        Raises:
            CardSilent, CardBroke
        """
        self._surplus, self._chained = b"", False
        parts = [data[i : i + self._room] for i in range(0, len(data), self._room)] or [b""]
        for index, part in enumerate(parts):
            chained = more or index < len(parts) - 1
            answer = self._turn(IBlock(self._number, part, chained))
            self._number ^= 1  # rule B
            if chained and not isinstance(answer, RBlock):
                raise CardBroke("a chained part was not acknowledged")
            if not chained:
                self._keep(answer)

    def receive(self, limit: int) -> bytes:
        """Return at most ``limit`` bytes of the response; :attr:`has_more` says if some are left.

        Raises:
            CardSilent, CardBroke
        """
        while self._chained and len(self._surplus) < limit:
            answer = self._turn(RBlock(self._number))
            self._number ^= 1
            self._keep(answer)
        data, self._surplus = self._surplus[:limit], self._surplus[limit:]
        return data

    def is_present(self) -> bool:
        """Ask for a sign of life (7.5.6.2, method 2)."""
        return bool(self._exchange(ISO_DEP_BLOCK.build(RBlock(self._number, nak=True)), self._fwt))

    def deselect(self) -> None:
        """Send S(DESELECT); whether it is answered changes nothing."""
        self._exchange(ISO_DEP_BLOCK.build(DeselectBlock()), FWT_ACTIVATION)

    def _keep(self, answer: Block) -> None:
        if not isinstance(answer, IBlock):
            raise CardBroke("an I-block was due")
        self._surplus += answer.data
        self._chained = answer.more

    def _turn(self, block: Block) -> Block:
        """Send ``block``, grant extensions, ask again for what was lost."""
        original = outgoing = ISO_DEP_BLOCK.build(block)
        sends_data = isinstance(block, IBlock)
        plea = ISO_DEP_BLOCK.build(RBlock(self._number, nak=sends_data))  # rules 4 and 5
        patience, failures = self._fwt, 0
        while True:
            raw = self._exchange(outgoing, patience)
            answer = _parsed(raw)
            if isinstance(answer, WtxBlock):
                outgoing = ISO_DEP_BLOCK.build(WtxBlock(answer.wtxm))
                patience = min(self._fwt * answer.wtxm, FWT_MAX)
                continue
            if isinstance(answer, IBlock | RBlock) and answer.number == self._number:
                return answer
            failures += 1
            if failures > _RETRIES:
                raise CardSilent if raw is None else CardBroke("no usable block")
            unheard = sends_data and isinstance(answer, RBlock) and not answer.nak  # rule 6
            outgoing, patience = (original if unheard else plea), self._fwt


def _parsed(raw: bytes | None) -> Block | None:
    if not raw:
        return None
    try:
        return ISO_DEP_BLOCK.parse(raw)
    except FormatError:
        return None
