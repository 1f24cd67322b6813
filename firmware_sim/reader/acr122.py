"""The ACS ACR122U: a PN532 behind a CCID interface that hands its commands through.

The controller answers pseudo-APDUs itself and keeps one slot for the card its chip finds
(ACR122U API V2.04; CCID 1.1).
"""

from __future__ import annotations

import dataclasses
import errno
import os
import time
from collections import deque
from collections.abc import Callable

from card_formats.acr122 import (
    ACR122_PSEUDO_APDU,
    FIRMWARE_VERSION,
    DirectTransmit,
    GetData,
    GetDataOf,
    GetFirmwareVersion,
    GetPiccParameters,
    PseudoApdu,
    Result,
    SetLedAndBuzzer,
    SetPiccParameters,
    SetTimeout,
)
from card_formats.atr import ATR, contactless_atr
from card_formats.ccid import (
    ANSWER_TO,
    CCID_ANSWER,
    CCID_COMMAND,
    CcidAnswer,
    CcidCommand,
    CommandStatus,
    CommandType,
    IccStatus,
    SlotError,
)
from card_formats.core import FormatError
from card_formats.pn532_frame import (
    PN532_COMMAND,
    PN532_RESPONSE,
    ChipResponse,
    Command,
    HostCommand,
)
from card_formats.pn532_rf import (
    PN532_DATA_EXCHANGE,
    PN532_LIST_PASSIVE_TARGET,
    PN532_STATUS_ANSWER,
    DataExchange,
    ListPassiveTarget,
    Modulation,
)
from firmware_sim.reader.pn532 import Pn532
from firmware_sim.reader.pn532_host import SyntaxRefused

_TIMEOUT_UNIT = 5.0
_DEFAULT_PICC_PARAMETERS = 0xFF
_MAX_HISTORICAL = 15
_NOT_SUPPORTED = b"\x6a\x81"
_NO_CARD = b"\x63\x00"


class _Controller:
    """The controller as the chip's host: it never interrupts, and loses patience at last."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def interrupted(self, seconds: float) -> bool:
        left = self._deadline - time.monotonic()
        if left > 0:
            time.sleep(min(seconds, left))
        return time.monotonic() >= self._deadline

    def poke(self) -> None:
        pass


class Acr122:
    """The firmware: CCID messages in, CCID messages out.

    Args:
        chip: its PN532, with the card before it.
        version: text of its firmware version; nfcpy wants 2 or more after ``ACR122U``.

    Attributes:
        leds: state bits of the last LED command.
        timeout: seconds the chip is waited for.
    """

    def __init__(self, chip: Pn532, version: bytes = FIRMWARE_VERSION) -> None:
        self.chip = chip
        self.version = version
        self.leds = 0x02
        self.timeout = _TIMEOUT_UNIT
        self._picc_parameters = _DEFAULT_PICC_PARAMETERS

    def message(self, raw: bytes) -> bytes:
        """Answer one message of the bulk pipe.

        Raises:
            FormatError: it is no CCID message (a USB reader stalls then).
        """
        command = CCID_COMMAND.parse(raw)
        return CCID_ANSWER.build(self._answer(command))

    def _answer(self, command: CcidCommand) -> CcidAnswer:
        kind = ANSWER_TO.get(command.kind)
        if kind is None or command.slot:
            return _failed(command, SlotError.BAD_SLOT if command.slot else 0)
        answer = CcidAnswer(kind, command.slot, command.seq, icc=self._icc())
        if command.kind == CommandType.ICC_POWER_ON:
            atr = self._power_on()
            if atr is None:
                return _failed(command, SlotError.ICC_MUTE)
            return dataclasses.replace(answer, icc=IccStatus.ACTIVE, data=atr)
        if command.kind == CommandType.ICC_POWER_OFF:
            self.chip.initiator.field_off()
            return dataclasses.replace(answer, icc=self._icc())
        if command.kind in (CommandType.XFR_BLOCK, CommandType.ESCAPE):
            return dataclasses.replace(answer, data=self._apdu(command.data))
        if command.kind == CommandType.GET_SLOT_STATUS:
            return answer
        return _failed(command, SlotError.NOT_SUPPORTED)

    def _icc(self) -> IccStatus:
        return IccStatus.ABSENT if self.chip.initiator.card is None else IccStatus.ACTIVE

    def _power_on(self) -> bytes | None:
        """Look for a card; its ATR as PC/SC part 3 makes it up."""
        self.chip.initiator.field_off()
        request = PN532_LIST_PASSIVE_TARGET.build(ListPassiveTarget(1, Modulation.TYPE_A_106))
        command = HostCommand(Command.IN_LIST_PASSIVE_TARGET, request)
        if not self.chip.execute(command, _Controller(0.0)):
            return None
        card = self.chip.initiator.card
        if card is None:
            return None
        historical = card.ats.historical if card.ats else b""
        return ATR.build(contactless_atr(historical[:_MAX_HISTORICAL]))

    def _apdu(self, apdu: bytes) -> bytes:
        try:
            command = ACR122_PSEUDO_APDU.parse(apdu)
        except FormatError:
            return _NOT_SUPPORTED if apdu[:1] == b"\xff" else self._card_apdu(apdu)
        if isinstance(command, DirectTransmit):
            return self._transmit(command)
        return self._own_command(command)

    def _own_command(self, command: PseudoApdu) -> bytes:
        if isinstance(command, GetFirmwareVersion):
            return self.version
        if isinstance(command, GetPiccParameters):
            return bytes([0x90, self._picc_parameters])
        if isinstance(command, SetPiccParameters):
            self._picc_parameters = command.value
            return bytes([0x90, self._picc_parameters])
        if isinstance(command, SetLedAndBuzzer):
            self.leds = command.state & 0x03
            return bytes([0x90, self.leds])
        if isinstance(command, SetTimeout):
            self.timeout = command.value * _TIMEOUT_UNIT
            return _word(Result.OK)
        if isinstance(command, GetData):
            return self._get_data(command)
        return _word(Result.OK)

    def _get_data(self, command: GetData) -> bytes:
        card = self.chip.initiator.card
        if card is None:
            return _NO_CARD
        value = card.uid if command.what == GetDataOf.UID else card.raw_ats
        if not value:
            return _NOT_SUPPORTED
        if command.le and command.le < len(value):
            return bytes([0x6C, len(value)])
        return value + _word(Result.OK)

    def _transmit(self, command: DirectTransmit) -> bytes:
        try:
            chip_command = PN532_COMMAND.parse(command.payload)
            data = self.chip.execute(chip_command, _Controller(self.timeout))
        except FormatError:
            return _word(Result.CHIP_CHECKSUM)
        except SyntaxRefused:
            return _word(Result.CHIP_REFUSED)
        if data is None:
            return _word(Result.CHIP_SILENT)
        response = PN532_RESPONSE.build(ChipResponse(chip_command.code, data))
        return response + _word(Result.OK)

    def _card_apdu(self, apdu: bytes) -> bytes:
        """An APDU for the card in the slot, through the chip's own block protocol."""
        response = b""
        request = DataExchange(1, apdu)
        while True:
            command = HostCommand(Command.IN_DATA_EXCHANGE, PN532_DATA_EXCHANGE.build(request))
            try:
                data = self.chip.execute(command, _Controller(self.timeout))
            except SyntaxRefused:
                return _word(Result.CHIP_REFUSED)
            answer = PN532_STATUS_ANSWER.parse(data or b"\x01")
            if answer.status:
                return _word(Result.FAILED)
            response += answer.data
            if not answer.more:
                return response
            request = DataExchange(1)


def _failed(command: CcidCommand, error: int) -> CcidAnswer:
    return CcidAnswer(
        ANSWER_TO.get(command.kind, 0x81),
        command.slot,
        command.seq,
        IccStatus.ABSENT,
        CommandStatus.FAILED,
        error,
    )


def _word(result: int) -> bytes:
    return result.to_bytes(2, "big")


@dataclasses.dataclass
class UsbFaults:
    """Where faults of the USB pipe are planted.

    ``received`` sees each message from the host, ``sent`` each answer; both return what goes on,
    ``None`` if nothing does.
    """

    received: Callable[[bytes], bytes | None] | None = None
    sent: Callable[[bytes], bytes | None] | None = None


class Acr122UsbLink:
    """The reader's USB pipe in this process, shaped as nfcpy's ``nfc.clf.transport.USB``.

    ``reader_drivers.nfc.open_transport(Acr122UsbLink(Acr122(chip)), "acr122", path)`` is a
    reader on it; ``nfc.clf.acr122.init`` alone gives nfcpy's device.

    Args:
        reader: the firmware behind it.
    """

    TYPE = "USB"
    manufacturer_name = "ACS"
    product_name = "ACR122U PICC Interface"

    def __init__(self, reader: Acr122) -> None:
        self.reader = reader
        self.faults = UsbFaults()
        self._answers: deque[bytes] = deque()
        self._plugged = True

    def write(self, frame: bytes, timeout: int = 0) -> None:
        """Send one message to the reader."""
        self._check_plugged()
        received = bytes(frame)
        if self.faults.received is not None:
            filtered = self.faults.received(received)
            if filtered is None:
                return
            received = filtered
        try:
            answer: bytes | None = self.reader.message(received)
        except FormatError as error:
            raise OSError(errno.EPIPE, f"the reader stalled: {error}") from None
        if answer is not None and self.faults.sent is not None:
            answer = self.faults.sent(answer)
        if answer is not None:
            self._answers.append(answer)

    def read(self, timeout: int = 0) -> bytearray:
        """Return the next answer.

        Raises:
            OSError: ETIMEDOUT, none is there; ENODEV, the reader was unplugged.
        """
        self._check_plugged()
        if not self._answers:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        return bytearray(self._answers.popleft())

    def close(self) -> None:
        """Release the reader; it keeps its power."""
        self._answers.clear()

    def unplug(self) -> None:
        """Pull the plug."""
        self._plugged = False
        self.reader.chip.power_off()

    def _check_plugged(self) -> None:
        if not self._plugged:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
