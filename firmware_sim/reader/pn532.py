"""The simulated PN532: every command of the chip, whatever wire its host is on.

Firmware 1.6, NXP UM0701-02. Type A at 106 kbit/s; nobody ever answers in another technology.
"""

from __future__ import annotations

from card_formats.core import FormatError
from card_formats.pn532_commands import (
    PN532_FIRMWARE_VERSION,
    PN532_GENERAL_STATUS,
    PN532_REGISTER_ADDRESSES,
    PN532_REGISTER_WRITES,
    Diagnosis,
    FirmwareVersion,
    GeneralStatus,
    ParameterFlag,
)
from card_formats.pn532_frame import MAX_DATA, BaudRate, Command, HostCommand, Status
from firmware_sim.reader.pn532_host import ChipError, Handler, HostWatch, SyntaxRefused
from firmware_sim.reader.pn532_initiator import Initiator, RfSettings
from firmware_sim.reader.pn532_radio import Radio, RfPeer
from firmware_sim.reader.pn532_registers import Registers
from firmware_sim.reader.pn532_target import Target, TargetPort

_TYPE_A_AT_106 = (1, 0x00, 0x00, 0x10)
_GPIO = bytes([0x3F, 0x06, 0x00])
_TFI_AND_CODE = 2
_INITIATOR_CODES = frozenset(range(Command.IN_DATA_EXCHANGE, Command.IN_AUTO_POLL + 1)) - {
    Command.RF_REGULATION_TEST
}
"""Commands that make the chip a reader again."""


class Pn532:
    """The chip.

    Args:
        peer: the card before its antenna, if any; exchange it with ``chip.radio.peer = …``.

    Attributes:
        radio: field and frames; faults of the air are planted there.
        settings: what RFConfiguration and SetParameters set.
        initiator, target: the chip's two roles.
        baud: rate its host asked for, in bits per second.
    """

    def __init__(self, peer: RfPeer | None = None) -> None:
        self.radio = Radio(peer)
        self.settings = RfSettings()
        self.registers = Registers(lambda: self.radio.field_on)
        self.initiator = Initiator(self.radio, self.registers, self.settings)
        self.target = Target(self.settings)
        self.firmware = FirmwareVersion()
        self.baud = BaudRate.BD_115200.bits_per_second
        self._commands: dict[int, Handler] = {
            **self._own_commands(),
            **self.initiator.commands(),
            **self.target.commands(),
        }

    @property
    def port(self) -> TargetPort:
        """The chip in card mode, as another chip's ``radio.peer``."""
        return self.target.port

    def execute(self, command: HostCommand, host: HostWatch) -> bytes | None:
        """Run one command and return the data of its response.

        Returns:
            ``None`` when the host aborted the command: nothing is answered then.

        Raises:
            SyntaxRefused: the chip answers with an error frame.
        """
        handler = self._commands.get(command.code)
        if handler is None or len(command.parameters) > MAX_DATA - _TFI_AND_CODE:
            raise SyntaxRefused
        if command.code in _INITIATOR_CODES:
            self.target.leave()
        elif command.code == Command.TG_INIT_AS_TARGET:
            self.initiator.field_off()
        try:
            return handler(command.parameters, host)
        except ChipError as error:
            return bytes([error.status])
        except FormatError as error:
            raise SyntaxRefused from error

    def power_off(self) -> None:
        """As when the plug is pulled: no field, no card mode."""
        self.target.leave()
        self.initiator.field_off()

    # --- commands of the chip itself, UM0701-02 7.2 ------------------------------------------

    def _own_commands(self) -> dict[int, Handler]:
        return {
            Command.DIAGNOSE: self._diagnose,
            Command.GET_FIRMWARE_VERSION: self._firmware_version,
            Command.GET_GENERAL_STATUS: self._general_status,
            Command.READ_REGISTER: self._read_registers,
            Command.WRITE_REGISTER: self._write_registers,
            Command.READ_GPIO: lambda parameters, host: _GPIO,
            Command.WRITE_GPIO: lambda parameters, host: b"",
            Command.SET_SERIAL_BAUD_RATE: self._set_baud_rate,
            Command.SET_PARAMETERS: self._set_parameters,
            Command.SAM_CONFIGURATION: self._sam_configuration,
            Command.POWER_DOWN: self._power_down,
        }

    def _diagnose(self, parameters: bytes, host: HostWatch) -> bytes:
        if not parameters:
            raise SyntaxRefused
        test = parameters[0]
        if test == Diagnosis.COMMUNICATION_LINE:
            return parameters
        if test in (Diagnosis.ROM, Diagnosis.RAM, Diagnosis.SELF_ANTENNA):
            return bytes([Status.OK])
        if test == Diagnosis.POLLING:
            return b"\x80"  # 128 polls for a FeliCa target failed
        if test == Diagnosis.ATTENTION_REQUEST:
            return bytes([self.initiator.attention()])
        raise SyntaxRefused

    def _firmware_version(self, parameters: bytes, host: HostWatch) -> bytes:
        return PN532_FIRMWARE_VERSION.build(self.firmware)

    def _general_status(self, parameters: bytes, host: HostWatch) -> bytes:
        targets = (_TYPE_A_AT_106,) if self.initiator.card is not None else ()
        return PN532_GENERAL_STATUS.build(GeneralStatus(targets=targets))

    def _read_registers(self, parameters: bytes, host: HostWatch) -> bytes:
        addresses = PN532_REGISTER_ADDRESSES.parse(parameters)
        return bytes(self.registers.read(address) for address in addresses)

    def _write_registers(self, parameters: bytes, host: HostWatch) -> bytes:
        for address, value in PN532_REGISTER_WRITES.parse(parameters):
            self.registers.write(address, value)
        return b""

    def _set_baud_rate(self, parameters: bytes, host: HostWatch) -> bytes:
        try:
            self.baud = BaudRate(int.from_bytes(parameters, "big")).bits_per_second
        except ValueError:
            raise SyntaxRefused from None
        return b""

    def _set_parameters(self, parameters: bytes, host: HostWatch) -> bytes:
        if len(parameters) != 1:
            raise SyntaxRefused
        self.settings.flags = ParameterFlag(parameters[0])
        return b""

    def _sam_configuration(self, parameters: bytes, host: HostWatch) -> bytes:
        if not parameters or not 1 <= parameters[0] <= 4:
            raise SyntaxRefused
        return b""

    def _power_down(self, parameters: bytes, host: HostWatch) -> bytes:
        self.power_off()
        return bytes([Status.OK])
