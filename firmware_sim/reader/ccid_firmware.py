"""The firmware of a CCID reader, the same whatever carries its messages (CCID 1.1, 6)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator

from card_formats.ccid import (
    ANSWER_TO,
    CCID_ANSWER,
    CCID_COMMAND,
    CCID_SLOT_CHANGE,
    HEADER_SIZE,
    AnswerType,
    CcidAnswer,
    CcidCommand,
    Chain,
    CommandStatus,
    CommandType,
    IccStatus,
    SlotError,
    SlotState,
    slot_change,
)
from card_formats.ccid_parameters import CCID_PARAMETERS, ParametersT0, ParametersT1
from card_formats.core import FormatError
from firmware_sim.link.icc import Icc
from firmware_sim.link.iso_dep import Mute
from firmware_sim.link.picc import Picc
from firmware_sim.reader.ccid_config import CcidConfig, Level
from firmware_sim.reader.contact import ContactSlotCard
from firmware_sim.reader.contactless import BareSlotCard, PiccSlotCard
from firmware_sim.reader.exchange import Exchange, ProtocolFault, SlotCard
from firmware_sim.reader.keypad import Keypad
from firmware_sim.reader.pin_pad import PinRefused, secure
from firmware_sim.reader.pseudo_apdu import pseudo_apdu
from firmware_sim.reader.slot import Slot
from firmware_sim.seam import Card

BARE_UID = bytes.fromhex("08E0CA27")
"""UID reported for a bare card in a contactless reader."""

MessageFilter = Callable[[bytes], bytes | None]
"""message from the host -> what the firmware receives of it; ``None`` if it is lost."""

AnswerFilter = Callable[[bytes, bytes], Iterable[bytes]]
"""(message, true answer) -> answers sent. Called for time extensions too."""


class CcidFirmware:
    """Takes PC_to_RDR messages, gives RDR_to_PC messages.

    Attributes:
        config: see :class:`CcidConfig`.
        slots: the slots.
        keypad: types what a test scripts.
        message_filter, answer_filter: where faults of the reader are planted.
        on_slot_change: called with (slot, present) when a card came or left, from the thread
            that moved it.
        trace: called with ("in" or "out", message) for all that crosses; never sees a PIN.
    """

    def __init__(self, config: CcidConfig | None = None) -> None:
        self.config = config or CcidConfig()
        self.slots = tuple(Slot() for _ in range(self.config.slots))
        self.keypad = Keypad()
        self.message_filter: MessageFilter | None = None
        self.answer_filter: AnswerFilter | None = None
        self.on_slot_change: list[Callable[[int, bool], None]] = []
        self.trace: Callable[[str, bytes], None] | None = None
        self._handlers: dict[int, Callable[[CcidCommand, Slot], Iterator[CcidAnswer]]] = {
            CommandType.ICC_POWER_ON: self._power_on,
            CommandType.ICC_POWER_OFF: self._power_off,
            CommandType.GET_SLOT_STATUS: self._plain,
            CommandType.XFR_BLOCK: self._xfr_block,
            CommandType.GET_PARAMETERS: self._get_parameters,
            CommandType.RESET_PARAMETERS: self._reset_parameters,
            CommandType.SET_PARAMETERS: self._set_parameters,
            CommandType.ESCAPE: self._escape,
            CommandType.SECURE: self._secure,
            CommandType.ICC_CLOCK: self._plain,
            CommandType.T0_APDU: self._plain,
            CommandType.ABORT: self._abort,
        }

    # --- cards ------------------------------------------------------------------------------

    def insert(self, card: Card | Icc | Picc, slot: int = 0) -> None:
        """Put a card into a slot, after taking out the one that is there.

        An :class:`Icc` has contacts, a :class:`Picc` an antenna; a bare card gets, as the
        reader is contactless or not, a UID or the contacts of ``IccConfig()``.

        Raises:
            ValueError: a contactless card for a reader at TPDU level.
        """
        device = self._device(card)
        self.remove(slot)
        device.insert()
        self.slots[slot].put(device)
        self._moved(slot, True)

    def remove(self, slot: int = 0) -> None:
        """Take the card out, also in mid-command. Harmless when there is none."""
        card = self.slots[slot].take()
        if card is not None:
            card.remove()
            self._moved(slot, False)

    def card_present(self, slot: int = 0) -> bool:
        """Whether there is a card in the slot."""
        return self.slots[slot].card is not None

    def notification(self) -> bytes:
        """RDR_to_PC_NotifySlotChange for all slots; what changed since the last call is marked."""
        states = [SlotState(slot.card is not None, slot.take_changed()) for slot in self.slots]
        return CCID_SLOT_CHANGE.build(slot_change(states))

    def reset(self) -> None:
        """Power of the reader lost: all cards are off, all parameters as at the start."""
        for slot in self.slots:
            slot.power_off()

    def _device(self, card: Card | Icc | Picc) -> SlotCard:
        if isinstance(card, Icc):
            return ContactSlotCard(card)
        if isinstance(card, Picc) or self.config.contactless:
            if self.config.level is Level.TPDU:
                raise ValueError("a reader at TPDU level has no contactless cards")
            return PiccSlotCard(card) if isinstance(card, Picc) else BareSlotCard(card, BARE_UID)
        return ContactSlotCard(Icc(card))

    def _moved(self, slot: int, present: bool) -> None:
        for listener in tuple(self.on_slot_change):
            listener(slot, present)

    def escape_answer(self, data: bytes) -> bytes | None:
        """The answer to a vendor's Escape, ``None`` to refuse it."""
        return self.config.escapes.get(data)

    # --- messages ---------------------------------------------------------------------------

    def handle(self, message: bytes) -> Iterator[bytes]:
        """Take one message, give its answers: any number of time extensions, then the answer.

        A message that is no message at all gets none.
        """
        if self.message_filter is not None:
            received = self.message_filter(message)
            if received is None:
                return
            message = received
        if self.trace is not None:
            self.trace("in", message)
        for answer in self._answers(message):
            raw = CCID_ANSWER.build(answer)
            sent = (raw,) if self.answer_filter is None else self.answer_filter(message, raw)
            for out in sent:
                if self.trace is not None:
                    self.trace("out", out)
                yield out

    def _answers(self, message: bytes) -> Iterator[CcidAnswer]:
        try:
            command = CCID_COMMAND.parse(message)
        except FormatError:
            yield from self._bad_length(message)
            return
        if command.slot >= len(self.slots):
            yield _failure(command, IccStatus.ABSENT, SlotError.BAD_SLOT)
            return
        slot = self.slots[command.slot]
        handler = self._handlers.get(command.kind)
        if handler is None:
            yield _failure(command, slot.status, SlotError.NOT_SUPPORTED)
        elif not slot.busy.acquire(blocking=False):
            yield _failure(command, slot.status, SlotError.SLOT_BUSY)
        else:
            try:
                yield from handler(command, slot)
            finally:
                slot.busy.release()
                self._look_for_gone(command.slot)

    def _bad_length(self, message: bytes) -> Iterator[CcidAnswer]:
        with contextlib.suppress(FormatError):
            header = CCID_COMMAND.parse(message[:1] + bytes(4) + message[5:HEADER_SIZE])
            slot = header.slot
            status = self.slots[slot].status if slot < len(self.slots) else IccStatus.ABSENT
            yield _failure(header, status, SlotError.BAD_LENGTH)

    def _look_for_gone(self, number: int) -> None:
        card = self.slots[number].card
        if card is not None and card.gone:
            self.remove(number)

    def _plain(self, command: CcidCommand, slot: Slot) -> Iterator[CcidAnswer]:
        yield _success(command, slot)

    def _power_on(self, command: CcidCommand, slot: Slot) -> Iterator[CcidAnswer]:
        try:
            atr = slot.power_on()
        except Mute:
            yield _failure(command, slot.status, SlotError.ICC_MUTE)
            return
        yield _success(command, slot, data=atr)

    def _power_off(self, command: CcidCommand, slot: Slot) -> Iterator[CcidAnswer]:
        slot.power_off()
        yield _success(command, slot)

    def _abort(self, command: CcidCommand, slot: Slot) -> Iterator[CcidAnswer]:
        slot.forget_chains()
        yield _success(command, slot)

    # --- parameters -------------------------------------------------------------------------

    def _get_parameters(self, command: CcidCommand, slot: Slot) -> Iterator[CcidAnswer]:
        if slot.card is None:
            yield _failure(command, slot.status, SlotError.ICC_MUTE)
            return
        protocol = 1 if isinstance(slot.parameters, ParametersT1) else 0
        data = CCID_PARAMETERS.build(slot.parameters)
        yield _success(command, slot, specific=protocol, data=data)

    def _reset_parameters(self, command: CcidCommand, slot: Slot) -> Iterator[CcidAnswer]:
        slot.reset_parameters()
        yield from self._get_parameters(command, slot)

    def _set_parameters(self, command: CcidCommand, slot: Slot) -> Iterator[CcidAnswer]:
        try:
            parameters = CCID_PARAMETERS.parse(command.data)
        except FormatError:
            yield _failure(command, slot.status, SlotError.BAD_LENGTH)
            return
        kind = {0: ParametersT0, 1: ParametersT1}.get(command.parameter)
        if kind is None or not isinstance(parameters, kind):
            yield _failure(command, slot.status, SlotError.BAD_PROTOCOL)
            return
        card = slot.card
        if card is None:
            yield _failure(command, slot.status, SlotError.ICC_MUTE)
            return
        if self.config.level is not Level.TPDU:
            try:
                card.set_protocol(command.parameter)
            except Mute:
                yield _failure(command, slot.status, SlotError.ICC_PROTOCOL_NOT_SUPPORTED)
                return
        slot.parameters = parameters
        yield from self._get_parameters(command, slot)

    # --- exchanges --------------------------------------------------------------------------

    def _xfr_block(self, command: CcidCommand, slot: Slot) -> Iterator[CcidAnswer]:
        if slot.card is None or not slot.powered:
            yield _failure(command, slot.status, SlotError.ICC_MUTE)
            return
        if HEADER_SIZE + len(command.data) > self.config.message_size:
            yield _failure(command, slot.status, SlotError.BAD_LENGTH)
            return
        if self.config.level is Level.EXTENDED_APDU:
            yield from self._chained(command, slot)
            return
        exchange = self._exchange(slot.card, command.data)
        answer = yield from self._run(command, slot, exchange)
        if answer is not None:
            yield _success(command, slot, data=answer)

    def _exchange(self, card: SlotCard, data: bytes) -> Exchange:
        if self.config.level is Level.TPDU:
            return (yield from card.tpdu(data))
        pseudo = pseudo_apdu(card, data)
        if pseudo is not None:
            return pseudo
        return (yield from card.apdu(data))

    def _chained(self, command: CcidCommand, slot: Slot) -> Iterator[CcidAnswer]:
        """One message of an exchange at extended APDU level (CCID 1.1 6.1.4 and 6.2.1)."""
        level = command.level
        if level in (Chain.BEGINS, Chain.CONTINUES):
            slot.chain_in = (b"" if level == Chain.BEGINS else slot.chain_in) + command.data
            yield _success(command, slot, specific=Chain.EMPTY)
            return
        if level == Chain.EMPTY:
            yield self._part(command, slot, first=False)
            return
        if level not in (Chain.WHOLE, Chain.ENDS):
            yield _failure(command, slot.status, SlotError.BAD_LEVEL)
            return
        whole = (slot.chain_in if level == Chain.ENDS else b"") + command.data
        slot.forget_chains()
        card = slot.card
        if card is None:
            yield _failure(command, slot.status, SlotError.ICC_MUTE)
            return
        answer = yield from self._run(command, slot, self._exchange(card, whole))
        if answer is not None:
            slot.chain_out = answer
            yield self._part(command, slot, first=True)

    def _part(self, command: CcidCommand, slot: Slot, first: bool) -> CcidAnswer:
        room = self.config.message_size - HEADER_SIZE
        part, slot.chain_out = slot.chain_out[:room], slot.chain_out[room:]
        if slot.chain_out:
            chain = Chain.BEGINS if first else Chain.CONTINUES
        else:
            chain = Chain.WHOLE if first else Chain.ENDS
        return _success(command, slot, specific=chain, data=part)

    def _run(
        self, command: CcidCommand, slot: Slot, exchange: Exchange
    ) -> Generator[CcidAnswer, None, bytes | None]:
        """Let an exchange go on to its end; ``None`` after a failure, which is then answered."""
        while True:
            try:
                factor = next(exchange)
            except StopIteration as end:
                answer: bytes = end.value
                return answer
            except ProtocolFault:
                yield _failure(command, slot.status, SlotError.PARITY)
                return None
            except Mute:
                yield _failure(command, slot.status, SlotError.ICC_MUTE)
                return None
            except PinRefused as refusal:
                yield _failure(command, slot.status, refusal.error)
                return None
            yield CcidAnswer(
                AnswerType.DATA_BLOCK,
                command.slot,
                command.seq,
                slot.status,
                CommandStatus.TIME_EXTENSION,
                min(factor, 0xFF),
            )

    def _escape(self, command: CcidCommand, slot: Slot) -> Iterator[CcidAnswer]:
        answer = self.escape_answer(command.data)
        if answer is None:
            yield _failure(command, slot.status, SlotError.NOT_SUPPORTED)
        else:
            yield _success(command, slot, data=answer)

    def _secure(self, command: CcidCommand, slot: Slot) -> Iterator[CcidAnswer]:
        if slot.card is None or not slot.powered:
            yield _failure(command, slot.status, SlotError.ICC_MUTE)
            return
        exchange = secure(self.config, self.keypad, slot, command.data)
        answer = yield from self._run(command, slot, exchange)
        if answer is not None:
            yield _success(command, slot, data=answer)


def _success(command: CcidCommand, slot: Slot, specific: int = 0, data: bytes = b"") -> CcidAnswer:
    kind = ANSWER_TO[command.kind]
    return CcidAnswer(kind, command.slot, command.seq, slot.status, specific=specific, data=data)


def _failure(command: CcidCommand, status: int, error: int) -> CcidAnswer:
    kind = ANSWER_TO.get(command.kind, AnswerType.SLOT_STATUS)
    return CcidAnswer(kind, command.slot, command.seq, status, CommandStatus.FAILED, error)
