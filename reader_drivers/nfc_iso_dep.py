"""The reader's half of the contactless block protocol (ISO/IEC 14443-4:2018, 7.5).

Knows no NFC library: frames go through one function. Rule numbers in the comments are those
of clauses 7.5.4 and 7.5.5.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from card_formats.atr import FWT_ACTIVATION, FWT_MAX
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

FWT_MARGIN = 49_152 / 13.56e6 + 0.05
"""Seconds granted beyond FWT: the standard's delta and what a computer's scheduler takes."""

MAX_RESPONSE = 65_536 + 2


class LinkSilent(Exception):
    """No frame came back in time."""


class LinkCorrupt(Exception):
    """A frame came back damaged (CRC, parity, framing)."""


class DepProtocolError(Exception):
    """The card answers, but not by the rules."""


Exchange = Callable[[bytes, float], bytes]
"""(frame without CRC, seconds to wait) -> answer; raises LinkSilent or LinkCorrupt."""


class IsoDepReader:
    """Carries APDUs over an activated card, recovering lost and damaged blocks.

    Args:
        exchange: sends a frame and returns the answer.
        fsc: largest frame the card accepts, CRC included.
        fwt: frame waiting time in seconds.
        retries: how often a lost or damaged answer is asked for again.
        max_extension: seconds a card may extend one answer in all before it counts as mute.
    """

    def __init__(
        self,
        exchange: Exchange,
        fsc: int,
        fwt: float,
        *,
        retries: int = 2,
        max_extension: float = 60.0,
    ) -> None:
        self._exchange = exchange
        self._room = fsc - CRC_SIZE - 1
        self._fwt = fwt
        self._retries = retries
        self._max_extension = max_extension
        self._number = 0  # rule A
        self.recoveries = 0
        """Blocks asked for again since activation."""
        self.extensions = 0
        """S(WTX) granted since activation."""

    def transmit(self, command: bytes) -> bytes:
        """Send a C-APDU, return the R-APDU.

        Raises:
            LinkSilent, LinkCorrupt: recovery was tried and failed.
            DepProtocolError: the card breaks the rules.
        """
        answer: Block = RBlock(self._number)
        for start in range(0, len(command), self._room):
            part = command[start : start + self._room]
            more = start + self._room < len(command)
            answer = self._turn(IBlock(self._number, part, more), recover_with_nak=True)
            if more and not isinstance(answer, RBlock):
                raise DepProtocolError(
                    "I-block received where a chained part should be acknowledged"
                )
            if not more and not isinstance(answer, IBlock):
                raise DepProtocolError("R(ACK) received where a response was due")
            self._number ^= 1  # rule B
        if not isinstance(answer, IBlock):
            raise ValueError("an empty command cannot be sent")
        response = bytearray(answer.data)
        while answer.more:
            if len(response) > MAX_RESPONSE:
                raise DepProtocolError(f"response longer than {MAX_RESPONSE} bytes")
            answer = self._turn(RBlock(self._number), recover_with_nak=False)
            if not isinstance(answer, IBlock):
                raise DepProtocolError("R(ACK) received where a chained part was due")
            response += answer.data
            self._number ^= 1
        return bytes(response)

    def is_present(self) -> bool:
        """Ask the card for a sign of life: R(NAK), answered by R(ACK) (7.5.6.2, method 2)."""
        probe = ISO_DEP_BLOCK.build(RBlock(self._number, nak=True))
        for _ in range(self._retries + 1):
            try:
                answer = ISO_DEP_BLOCK.parse(self._exchange(probe, self._fwt + FWT_MARGIN))
            except LinkSilent:
                continue
            except (LinkCorrupt, FormatError):
                return True
            return isinstance(answer, RBlock | IBlock)
        return False

    def deselect(self) -> bool:
        """Send S(DESELECT), once more if unanswered; return whether the card answered."""
        frame = ISO_DEP_BLOCK.build(DeselectBlock())
        for _ in range(2):
            try:
                if self._exchange(frame, FWT_ACTIVATION + FWT_MARGIN) == frame:
                    return True
            except (LinkSilent, LinkCorrupt):
                continue
        return False

    def _turn(self, block: Block, *, recover_with_nak: bool) -> IBlock | RBlock:
        """Send ``block`` and return the block that answers it, extensions granted.

        What is returned carries the current block number.
        """
        original = ISO_DEP_BLOCK.build(block)
        # Rules 4 and 5: R(NAK) asks again, or R(ACK) while the card is the one that chains.
        plea = ISO_DEP_BLOCK.build(RBlock(self._number, nak=recover_with_nak))
        outgoing, patience = original, self._fwt
        failures = resends = 0  # each valid block is progress, and gives new patience
        extended_since: float | None = None
        while True:
            trouble: Exception
            try:
                answer = ISO_DEP_BLOCK.parse(self._exchange(outgoing, patience + FWT_MARGIN))
            except (LinkSilent, LinkCorrupt) as error:
                trouble = error
            except FormatError as error:
                trouble = DepProtocolError(f"invalid block: {error.reason}")
            else:
                if isinstance(answer, WtxBlock):
                    now = time.monotonic()
                    extended_since = extended_since or now
                    if now - extended_since > self._max_extension:
                        raise DepProtocolError(
                            f"the card keeps asking for time, over {self._max_extension:g} s"
                        )
                    self.extensions += 1
                    failures = 0
                    outgoing = ISO_DEP_BLOCK.build(WtxBlock(answer.wtxm))
                    patience = min(self._fwt * answer.wtxm, FWT_MAX)
                    continue
                if isinstance(answer, RBlock) and not answer.nak and answer.cid is None:
                    if answer.number == self._number:
                        return answer
                    if recover_with_nak and resends < self._retries:
                        # Rule 6: the card never had the I-block.
                        resends += 1
                        failures = 0
                        outgoing, patience = original, self._fwt
                        continue
                if (
                    isinstance(answer, IBlock)
                    and answer.number == self._number
                    and answer.cid is None
                    and answer.nad is None
                ):
                    return answer
                trouble = DepProtocolError(f"unexpected {answer}")
            failures += 1
            if failures > self._retries:
                raise trouble
            self.recoveries += 1
            outgoing, patience = plea, self._fwt
