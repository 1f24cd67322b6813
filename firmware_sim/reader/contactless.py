"""A contactless card in a CCID slot: the reader reports it as if it had contacts.

PC/SC part 3 gives it an ATR; the reader's antenna chip speaks ISO/IEC 14443-4 with it.
"""

from __future__ import annotations

from collections.abc import Generator

from card_formats.atr import ATR, ATS, Ats, contactless_atr, frame_size
from card_formats.core import FormatError
from card_formats.iso14443 import (
    ATQA,
    CASCADE_UID,
    SAK,
    TYPE_A_COMMAND,
    Anticollision,
    Rats,
    Request,
    Select,
)
from card_formats.iso_dep import (
    CRC_SIZE,
    ISO_DEP_BLOCK,
    Block,
    DeselectBlock,
    IBlock,
    RBlock,
    WtxBlock,
)
from firmware_sim.link.icc import MAX_HISTORICAL
from firmware_sim.link.iso_dep import Mute
from firmware_sim.link.picc import Picc
from firmware_sim.link.runner import CardRunner
from firmware_sim.reader.exchange import Exchange, ProtocolFault
from firmware_sim.seam import Card

_FSDI = 8
_RETRIES = 2
_LOOK_AGAIN = 0.02
_EXTENSION_EVERY = 0.5
_UID_INCOMPLETE = 0x04


class PiccSlotCard:
    """Drives a :class:`Picc` in the reader's field."""

    protocol = 1

    def __init__(self, picc: Picc) -> None:
        self.picc = picc
        self.uid: bytes | None = None
        self.historical = b""
        self.gone = False
        self._ats = Ats()
        self._number = 0

    def power_on(self, warm: bool) -> bytes:
        """Activate the card from a fresh field, return the ATR made for it. Raises Mute."""
        self.gone = False
        self.picc.field(False)
        self.picc.field(True)
        try:
            self.uid = self._anticollision()
            self._ats = ATS.parse(self._ask(TYPE_A_COMMAND.build(Rats(_FSDI))))
        except FormatError:
            raise ProtocolFault from None
        self.historical = self._ats.historical
        self._number = 0
        return ATR.build(contactless_atr(self.historical[:MAX_HISTORICAL]))

    def power_off(self) -> None:
        """Deselect the card and switch the field off."""
        self.picc.field(False)

    def remove(self) -> None:
        """Take the card out of the field."""
        self.picc.remove()

    def insert(self) -> None:
        """Bring it back."""
        self.picc.insert()

    def set_protocol(self, protocol: int) -> None:
        """Nothing to choose: the reader presents T=1 whatever the host asks."""

    def tpdu(self, frame: bytes) -> Exchange:
        """Contactless readers work at APDU level only."""
        raise ProtocolFault
        yield 0

    def apdu(self, command: bytes) -> Exchange:
        """Exchange one APDU in chained blocks."""
        room = min(frame_size(_FSDI), self._ats.fsc) - CRC_SIZE - 1
        parts = [command[n : n + room] for n in range(0, len(command), room)] or [b""]
        answer: Block = RBlock(0)
        for n, part in enumerate(parts):
            more = n + 1 < len(parts)
            answer = yield from self._turn(IBlock(self._number, part, more))
            self._number ^= 1
            if isinstance(answer, RBlock) is not more:
                raise ProtocolFault
        response = b""
        while isinstance(answer, IBlock):
            response += answer.data
            if not answer.more:
                return response
            answer = yield from self._turn(RBlock(self._number))
            self._number ^= 1
        raise ProtocolFault

    def _anticollision(self) -> bytes:
        ATQA.parse(self._ask(TYPE_A_COMMAND.build(Request(wake_up=True))))
        uid = b""
        for level in (1, 2, 3):
            answer = self._ask(TYPE_A_COMMAND.build(Anticollision(level)))
            part = CASCADE_UID.parse(answer).uid
            sak = SAK.parse(self._ask(TYPE_A_COMMAND.build(Select(level, part))))
            if not sak.value & _UID_INCOMPLETE:
                return uid + part
            uid += part[1:]  # the cascade tag is no part of the UID
        raise ProtocolFault

    def _ask(self, frame: bytes) -> bytes:
        answer = self.picc.transceive(frame)
        if answer is None:
            raise Mute
        return answer

    def _turn(self, block: Block) -> Generator[int, None, Block]:
        """Send a block until the next one comes (ISO/IEC 14443-4:2018 7.5.4, rules 3 to 7)."""
        sent = block
        trouble = 0
        while True:
            raw = self.picc.transceive(ISO_DEP_BLOCK.build(sent))
            answer = _parsed(raw)
            if isinstance(answer, WtxBlock):
                yield 1
                sent = WtxBlock(answer.wtxm)
                continue
            if isinstance(answer, IBlock) and answer.number == self._number:
                return answer
            if isinstance(answer, RBlock) and isinstance(block, IBlock):
                if answer.number == self._number and block.more:
                    return answer
                sent = block  # the card asks for it again
            else:
                sent = RBlock(self._number, nak=isinstance(block, IBlock))
            trouble += 1
            if trouble > _RETRIES:
                self._give_up(raw)

    def _give_up(self, raw: bytes | None) -> None:
        """Find out whether the card left or only fell silent."""
        self.picc.transceive(ISO_DEP_BLOCK.build(DeselectBlock()))
        self.picc.field(False)
        self.picc.field(True)
        look = self.picc.transceive(TYPE_A_COMMAND.build(Request(wake_up=True)))
        self.gone = raw is None and look is None
        raise Mute if raw is None else ProtocolFault


def _parsed(raw: bytes | None) -> Block | None:
    if raw is None:
        return None
    try:
        return ISO_DEP_BLOCK.parse(raw)
    except FormatError:
        return None


class BareSlotCard:
    """A card without a link: a contactless one whose blocks nobody looks at.

    Args:
        card: the card.
        uid: what the reader reports as its UID.
        threaded: let the reader ask the host for more time while the card works.
    """

    protocol = 1

    def __init__(self, card: Card, uid: bytes, threaded: bool = True) -> None:
        self.uid = uid
        self.historical = b""
        self._runner = CardRunner(card, threaded)
        self._present = True

    @property
    def gone(self) -> bool:
        """The card left by itself in mid-command."""
        return self._runner.torn

    def power_on(self, warm: bool) -> bytes:
        """Power the card on, return the ATR made for it. Raises Mute."""
        self._runner.power_off()
        if not self._present:
            raise Mute
        self.historical = self._runner.power_on()
        return ATR.build(contactless_atr(self.historical[:MAX_HISTORICAL]))

    def power_off(self) -> None:
        """Power it off."""
        self._runner.power_off()

    def remove(self) -> None:
        """Take the card away."""
        self._present = False
        self._runner.power_off()

    def insert(self) -> None:
        """Bring it back."""
        self._present = True

    def set_protocol(self, protocol: int) -> None:
        """Nothing to choose."""

    def tpdu(self, frame: bytes) -> Exchange:
        """Contactless readers work at APDU level only."""
        raise ProtocolFault
        yield 0

    def apdu(self, command: bytes) -> Exchange:
        """Exchange one APDU, with a time extension every half second."""
        job = self._runner.start(command)
        waited = 0.0
        while self._present:
            response = job.result(_LOOK_AGAIN)
            if not self._present:
                break
            if response is not None:
                return response
            waited += _LOOK_AGAIN
            if waited >= _EXTENSION_EVERY:
                waited = 0.0
                yield 1
        raise Mute
