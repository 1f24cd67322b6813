"""The card's half of the protocol T=1 (ISO/IEC 7816-3:2006, 11.6).

Rule numbers in the comments are those of clause 11.6.3.2.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from card_formats.core import FormatError
from card_formats.t1_block import (
    DEFAULT_IFS,
    Supervisory,
    T1Block,
    T1Error,
    T1Information,
    T1Receive,
    T1Supervisory,
    lrc,
    t1_format,
)
from firmware_sim.link.iso_dep import MAX_COMMAND, Job, Mute


@dataclasses.dataclass(frozen=True)
class T1Parameters:
    """What the card announced.

    Attributes:
        ifsc: most bytes of an information field the card accepts, 1..254.
        crc: blocks end in a CRC and not in an LRC.
        wtx_after: seconds after which more time is asked for; ``None`` never asks.
        wtxm: multiplier of BWT asked for, 1..255.
    """

    ifsc: int = 254
    crc: bool = False
    wtx_after: float | None = None
    wtxm: int = 1


class T1Card:
    """Blocks in, blocks out; ``None`` is silence.

    Args:
        parameters: see :class:`T1Parameters`.
        start: starts the card on one C-APDU.
    """

    def __init__(self, parameters: T1Parameters, start: Callable[[bytes], Job]) -> None:
        self._parameters = parameters
        self._format = t1_format(parameters.crc)
        self._start = start
        self._mute = False
        self._job: Job | None = None
        self._last = b""
        self._resynchronise()

    def _resynchronise(self) -> None:
        self.ifsd = DEFAULT_IFS
        self._send_number = 0
        self._awaited = 0
        self._command = bytearray()
        self._response = b""
        self._wtx_pending = False
        # The answer of a command under way belongs to nobody any more.
        self._job = None

    def feed(self, block: bytes) -> bytes | None:
        """Take one block, return the answer."""
        if self._mute:
            return None
        try:
            received = self._format.parse(block)
        except FormatError:
            return self._send(self._refuse(self._cause(block)), 0)
        nad = received.nad >> 4 | (received.nad & 0x0F) << 4
        try:
            answer = self._answer(received)
        except Mute:
            self._mute = True
            return None
        return self._last if answer is None else self._send(answer, nad)

    def _send(self, block: T1Block, nad: int) -> bytes:
        self._last = self._format.build(dataclasses.replace(block, nad=nad))
        return self._last

    def _cause(self, block: bytes) -> T1Error:
        if self._parameters.crc:
            return T1Error.REDUNDANCY
        return T1Error.REDUNDANCY if lrc(block) else T1Error.OTHER

    def _refuse(self, cause: T1Error) -> T1Receive:
        return T1Receive(self._awaited, cause)  # rule 7.1

    def _answer(self, block: T1Block) -> T1Block | None:
        """The block to send; ``None`` repeats the last one."""
        if isinstance(block, T1Information):
            return self._information(block)
        if isinstance(block, T1Receive):
            return self._receive_ready(block)
        return self._supervisory(block)

    def _information(self, block: T1Information) -> T1Block | None:
        if (
            block.number != self._awaited
            or len(block.data) > self._parameters.ifsc
            or self._job is not None
            or len(self._command) + len(block.data) > MAX_COMMAND
        ):
            return self._refuse(T1Error.OTHER)
        self._awaited ^= 1
        self._response = b""
        self._command += block.data
        if block.more:
            return T1Receive(self._awaited)  # rule 5
        command = bytes(self._command)
        self._command.clear()
        if not command:
            return self._next_part()  # nothing was asked, nothing is said
        self._job = self._start(command)
        return self._wait(self._parameters.wtx_after)

    def _receive_ready(self, block: T1Receive) -> T1Block | None:
        if not self._last:
            return self._refuse(T1Error.OTHER)
        if self._response and block.number == self._send_number:
            return self._next_part()  # rule 5: the last part arrived
        return None  # rule 7.1

    def _supervisory(self, block: T1Supervisory) -> T1Block | None:
        if block.response:
            if block.kind == Supervisory.WTX and self._wtx_pending:
                self._wtx_pending = False
                after = self._parameters.wtx_after
                return self._wait(None if after is None else after * self._parameters.wtxm)
            return self._refuse(T1Error.OTHER)
        if block.kind == Supervisory.RESYNCH:
            self._resynchronise()  # rule 6.3
        elif block.kind == Supervisory.IFS:
            self.ifsd = block.value or DEFAULT_IFS
        elif block.kind == Supervisory.ABORT:
            self._command.clear()  # rule 9
            self._response = b""
        else:
            return self._refuse(T1Error.OTHER)  # only the card asks for time
        return T1Supervisory(block.kind, True, block.value)

    def _wait(self, patience: float | None) -> T1Block:
        assert self._job is not None
        response = self._job.result(patience)
        if response is None:
            self._wtx_pending = True
            return T1Supervisory(Supervisory.WTX, value=self._parameters.wtxm)  # rule 3
        self._job = None
        self._response = response
        return self._next_part()

    def _next_part(self) -> T1Information:
        part, self._response = self._response[: self.ifsd], self._response[self.ifsd :]
        block = T1Information(self._send_number, part, more=bool(self._response))
        self._send_number ^= 1
        return block
