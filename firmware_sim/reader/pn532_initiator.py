"""The chip as a reader of cards: listing, exchanging, letting go (UM0701-02, 7.3)."""

from __future__ import annotations

import dataclasses
import time

from card_formats.iso14443 import TYPE_A_COMMAND, Halt, crc_a
from card_formats.pn532_commands import (
    PN532_RF_CONFIGURATION,
    ParameterFlag,
    RfItem,
)
from card_formats.pn532_frame import MAX_TRANSFER, Command, Status
from card_formats.pn532_rf import (
    PN532_AUTO_POLL,
    PN532_AUTO_POLL_RESULT,
    PN532_DATA_EXCHANGE,
    PN532_LIST_PASSIVE_TARGET,
    PN532_STATUS_ANSWER,
    PN532_TYPE_A_TARGET,
    AutoPollResult,
    Modulation,
    StatusAnswer,
    TargetType,
    TypeATarget,
)
from firmware_sim.reader.pn532_activation import FoundCard, TypeAActivation
from firmware_sim.reader.pn532_host import ChipError, Handler, HostWatch, SyntaxRefused
from firmware_sim.reader.pn532_pcd import CardBroke, CardSilent, IsoDepPcd
from firmware_sim.reader.pn532_radio import Radio
from firmware_sim.reader.pn532_registers import Register, Registers

_FOR_EVER = 0xFF
_POLL_PAUSE = 0.01
_POLL_UNIT = 0.15
_ANTICOLLISION_CODES = (0x93, 0x95, 0x97)
_SHORT_FRAME_BITS = 7
_REQA = 0x26
_LONGEST_WAIT = 5.0


@dataclasses.dataclass
class RfSettings:
    """What RFConfiguration and SetParameters set.

    Attributes:
        flags: SetParameters.
        activation_retries: MxRtyPassiveActivation, FF for ever.
        timeout_code: fRetryTimeout: 100 µs * 2^(code-1), 0 for none.
    """

    flags: ParameterFlag = ParameterFlag.AUTOMATIC_ATR_RES | ParameterFlag.AUTOMATIC_RATS
    activation_retries: int = _FOR_EVER
    timeout_code: int = 0x0A

    @property
    def timeout(self) -> float:
        """Seconds an answer is waited for outside the block protocol."""
        if not self.timeout_code:
            return _LONGEST_WAIT
        return min(_LONGEST_WAIT, 1e-4 * float(2 ** (self.timeout_code - 1)))


class Initiator:
    """Commands In…, and RFConfiguration.

    Args:
        radio: the antenna.
        registers: the contactless interface unit.
        settings: shared with the rest of the chip.
    """

    def __init__(self, radio: Radio, registers: Registers, settings: RfSettings) -> None:
        self._radio = radio
        self._registers = registers
        self._settings = settings
        self._activation = TypeAActivation(radio.exchange)
        self.card: FoundCard | None = None
        self.dep: IsoDepPcd | None = None

    def commands(self) -> dict[int, Handler]:
        """The commands answered here."""
        return {
            Command.RF_CONFIGURATION: self._configure,
            Command.IN_LIST_PASSIVE_TARGET: self._list,
            Command.IN_AUTO_POLL: self._auto_poll,
            Command.IN_DATA_EXCHANGE: self._exchange,
            Command.IN_COMMUNICATE_THRU: self._communicate_thru,
            Command.IN_SELECT: self._select,
            Command.IN_DESELECT: self._deselect,
            Command.IN_RELEASE: self._release,
            # No peer speaks NFC-DEP here: nobody answers.
            Command.IN_JUMP_FOR_DEP: self._nobody,
            Command.IN_JUMP_FOR_PSL: self._nobody,
            Command.IN_ATR: self._out_of_context,
            Command.IN_PSL: self._out_of_context,
        }

    def field_off(self) -> None:
        """Switch the field off; whatever card was held is lost."""
        self._radio.field(False)
        self.card = self.dep = None

    def attention(self) -> Status:
        """Diagnose's attention request: is the card held still there?"""
        if self.dep is None:
            return Status.CONTEXT
        return Status.OK if self.dep.is_present() else Status.TIME_OUT

    # --- settings ---------------------------------------------------------------------------

    def _configure(self, parameters: bytes, host: HostWatch) -> bytes:
        request = PN532_RF_CONFIGURATION.parse(parameters)
        if request.item == RfItem.FIELD and request.data:
            if request.data[0] & 1:
                self._radio.field(True)
            else:
                self.field_off()
        elif request.item == RfItem.TIMINGS and len(request.data) == 3:
            self._settings.timeout_code = min(request.data[2], 16)
        elif request.item == RfItem.ACTIVATION_RETRIES and len(request.data) == 3:
            self._settings.activation_retries = request.data[2]
        elif not request.data:
            raise SyntaxRefused
        return b""

    # --- finding ----------------------------------------------------------------------------

    def _list(self, parameters: bytes, host: HostWatch) -> bytes | None:
        request = PN532_LIST_PASSIVE_TARGET.parse(parameters)
        self._radio.field(True)
        tries = 0
        while True:
            if request.modulation == Modulation.TYPE_A_106:
                self._registers.use_type_a()
                if self._find(request.initiator_data):
                    return b"\x01" + self._describe()
            tries += 1
            for_ever = self._settings.activation_retries == _FOR_EVER
            if not for_ever and tries > self._settings.activation_retries:
                # The request that nobody answered is what is left to be seen.
                self._registers.write(Register.FIFO_DATA, _REQA)
                return b"\x00"
            if host.interrupted(_POLL_PAUSE):
                return None

    def _find(self, wanted: bytes = b"") -> bool:
        with_rats = ParameterFlag.AUTOMATIC_RATS in self._settings.flags
        self.card, self.dep = self._activation.find(wanted, with_rats), None
        if self.card is not None and self.card.ats is not None:
            time.sleep(self.card.ats.sfgt)
            self.dep = IsoDepPcd(self._radio.exchange, self.card.ats)
        return self.card is not None

    def _describe(self) -> bytes:
        card = self.card
        assert card is not None
        return PN532_TYPE_A_TARGET.build(
            TypeATarget(1, card.atqa[::-1], card.sak.value, card.uid, card.raw_ats)
        )

    def _auto_poll(self, parameters: bytes, host: HostWatch) -> bytes | None:
        request = PN532_AUTO_POLL.parse(parameters)
        polls = 0
        while True:
            kind = self._polled_type(request.types)
            if kind is not None:
                return PN532_AUTO_POLL_RESULT.build(AutoPollResult(((kind, self._describe()),)))
            polls += 1
            if request.polls != _FOR_EVER and polls >= request.polls:
                return PN532_AUTO_POLL_RESULT.build(AutoPollResult())
            if host.interrupted(request.period * _POLL_UNIT):
                return None

    def _polled_type(self, types: bytes) -> int | None:
        if not {*TargetType} & {*types} or not self._find():
            return None
        assert self.card is not None
        kind = TargetType.ISO_DEP_A if self.card.sak.iso_dep else TargetType.MIFARE
        return next((item for item in (kind, TargetType.GENERIC_106A) if item in types), None)

    # --- exchanging -------------------------------------------------------------------------

    def _exchange(self, parameters: bytes, host: HostWatch) -> bytes:
        request = PN532_DATA_EXCHANGE.parse(parameters)
        if self.card is None or request.target != 1:
            raise ChipError(Status.CONTEXT)
        if self.dep is None:
            return self._answer(self._radio.exchange(request.data, self._settings.timeout))
        try:
            if request.data or not self.dep.has_more:
                self.dep.send(request.data, request.more)
                if request.more:
                    return PN532_STATUS_ANSWER.build(StatusAnswer())
            data = self.dep.receive(MAX_TRANSFER)
        except CardSilent:
            raise ChipError(Status.TIME_OUT) from None
        except CardBroke:
            raise ChipError(Status.RF_PROTOCOL) from None
        return PN532_STATUS_ANSWER.build(StatusAnswer(0, data, self.dep.has_more))

    def _communicate_thru(self, parameters: bytes, host: HostWatch) -> bytes:
        registers, frame = self._registers, parameters
        if not frame or not registers.type_a:
            raise ChipError(Status.TIME_OUT)
        has_crc = registers.last_bits != _SHORT_FRAME_BITS and not (
            len(frame) == 2 and frame[0] in _ANTICOLLISION_CODES
        )
        if has_crc and not registers.sends_crc:
            # The host computed it. A card does not answer a frame whose CRC is wrong.
            frame, crc = frame[:-2], frame[-2:]
            if not frame or crc_a(frame) != crc:
                raise ChipError(Status.TIME_OUT)
        answer = self._radio.exchange(frame, self._settings.timeout)
        if answer and has_crc and not registers.checks_crc:
            answer += crc_a(answer)
        return self._answer(answer)

    def _answer(self, answer: bytes | None) -> bytes:
        if answer is None:
            raise ChipError(Status.TIME_OUT)
        if not answer:
            raise ChipError(Status.CRC)
        self._registers.write(Register.CONTROL, 0x10)
        return PN532_STATUS_ANSWER.build(StatusAnswer(0, answer[:MAX_TRANSFER]))

    # --- letting go -------------------------------------------------------------------------

    def _deselect(self, parameters: bytes, host: HostWatch) -> bytes:
        if self.dep is not None:
            self.dep.deselect()
        elif self.card is not None:
            self._radio.exchange(TYPE_A_COMMAND.build(Halt()), 0.001)
        self.dep = None
        return bytes([Status.OK])

    def _release(self, parameters: bytes, host: HostWatch) -> bytes:
        self._deselect(parameters, host)
        self.card = None
        return bytes([Status.OK])

    def _select(self, parameters: bytes, host: HostWatch) -> bytes:
        if self.card is None:
            raise ChipError(Status.CONTEXT)
        if self.dep is None and not self._find():
            raise ChipError(Status.TIME_OUT)
        return bytes([Status.OK])

    def _nobody(self, parameters: bytes, host: HostWatch) -> bytes:
        self._radio.field(True)
        raise ChipError(Status.TIME_OUT)

    def _out_of_context(self, parameters: bytes, host: HostWatch) -> bytes:
        raise ChipError(Status.CONTEXT)
