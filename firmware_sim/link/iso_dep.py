"""The card's half of the contactless block protocol (ISO/IEC 14443-4:2018, 7.5).

Rule letters and numbers in the comments are those of clauses 7.5.4 and 7.5.5.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol

from card_formats.atr import FWT_MAX
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

MAX_COMMAND = 7 + 65_535 + 2
"""Bytes of the longest C-APDU; a reader that chains on beyond it is ignored."""


class Mute(Exception):
    """The card will not answer this command."""


class Job(Protocol):
    """An APDU under way."""

    def result(self, timeout: float | None) -> bytes | None:
        """Return the R-APDU, or ``None`` if it is not there after ``timeout`` seconds.

        Raises:
            Mute: it will never be there.
        """
        ...


@dataclasses.dataclass(frozen=True)
class DepParameters:
    """What reader and card agreed on at activation.

    Attributes:
        fsd, fsc: largest frames of reader and card in bytes, CRC included.
        fwt: frame waiting time in seconds.
        cid: number the reader gave the card; ``cid_supported`` says whether blocks may carry it.
        wtxm: multiplier asked for when the card needs more time, 1..59.
        wtx_after: seconds after which it asks; ``None`` never asks.
    """

    fsd: int
    fsc: int
    fwt: float
    cid: int = 0
    cid_supported: bool = True
    wtxm: int = 10
    wtx_after: float | None = None


class IsoDepCard:
    """Blocks in, blocks out; ``None`` is silence.

    Args:
        parameters: see :class:`DepParameters`.
        start: starts the card on one C-APDU.
    """

    def __init__(self, parameters: DepParameters, start: Callable[[bytes], Job]) -> None:
        self._parameters = parameters
        self._start = start
        self._number = 1  # rule C
        self._last: bytes | None = None
        self._command = bytearray()
        self._response = b""
        self._job: Job | None = None
        self._wtx_pending = False
        self._mute = False
        self._prologue = 1
        self.deselected = False
        self.started = False
        """A valid block has been received: PPS is no longer allowed."""

    def feed(self, frame: bytes) -> bytes | None:
        """Take one frame without CRC, return the answer. Anything invalid is left unanswered."""
        if len(frame) > self._parameters.fsc - CRC_SIZE:
            return None
        try:
            block = ISO_DEP_BLOCK.parse(frame)
        except FormatError:
            return None
        if not self._addressed(block) or getattr(block, "nad", None) is not None:
            return None
        self.started = True
        self._prologue = 1 if block.cid is None else 2
        try:
            answer = self._answer(block)
        except Mute:
            self._mute = True
            return None
        if answer is None:
            return None
        if isinstance(answer, bytes):
            return answer
        self._last = ISO_DEP_BLOCK.build(dataclasses.replace(answer, cid=block.cid))
        return self._last

    def _addressed(self, block: Block) -> bool:
        if block.cid is None:
            return self._parameters.cid == 0 or not self._parameters.cid_supported
        return self._parameters.cid_supported and block.cid == self._parameters.cid

    def _answer(self, block: Block) -> Block | bytes | None:
        if isinstance(block, DeselectBlock):
            self.deselected = True
            return DeselectBlock()
        if self._mute:
            return None
        if isinstance(block, IBlock):
            return self._take(block)
        if isinstance(block, RBlock):
            return self._acknowledged(block)
        if isinstance(block, WtxBlock):
            if not self._wtx_pending or block.wtxm != self._parameters.wtxm:
                return None
            self._wtx_pending = False
            return self._wait(extended=True)
        return None  # S(PARAMETERS): not supported, hence not answered

    def _take(self, block: IBlock) -> Block | None:
        if self._job is not None or len(self._command) + len(block.data) > MAX_COMMAND:
            return None
        self._number ^= 1  # rule D, whatever the number of the block
        self._response = b""
        self._command += block.data
        if block.more:
            return RBlock(self._number)  # rule 2
        command = bytes(self._command)
        self._command.clear()
        if not command:
            return IBlock(self._number)  # rule 10: an empty I-block asks for presence
        self._job = self._start(command)
        return self._wait(extended=False)

    def _acknowledged(self, block: RBlock) -> Block | bytes | None:
        if block.number == self._number:
            # Rule 11. While the card works without asking for time there is nothing to repeat.
            return self._last if self._job is None or self._wtx_pending else None
        if block.nak:
            return RBlock(self._number)  # rule 12
        if not self._response:
            return None
        self._number ^= 1  # rules E and 13
        return self._next_part()

    def _wait(self, *, extended: bool) -> Block:
        assert self._job is not None
        patience = self._parameters.wtx_after
        if patience is not None and extended:
            patience = min(patience * self._parameters.wtxm, FWT_MAX / 2)
        try:
            response = self._job.result(patience)
        except BaseException:
            self._job = None
            raise
        if response is None:
            self._wtx_pending = True
            return WtxBlock(self._parameters.wtxm)  # rule 9
        self._job = None
        self._response = response
        return self._next_part()

    def _next_part(self) -> Block:
        room = self._parameters.fsd - CRC_SIZE - self._prologue
        part, self._response = self._response[:room], self._response[room:]
        return IBlock(self._number, part, more=bool(self._response))
