"""Registers of the chip's contactless interface unit, as far as host programs look at them.

Names and addresses: NXP UM0701-02, 7.2.4, and the PN532 data sheet, 8.6.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

_TYPE_A_FRAMING_MASK = 0x03
_CRC_ENABLED = 0x80
_DRIVERS_ON = 0x03


class Register(enum.IntEnum):
    """Registers with a meaning here; every other one keeps what is written to it."""

    MODE = 0x6301
    TX_MODE = 0x6302
    RX_MODE = 0x6303
    TX_CONTROL = 0x6304
    FIFO_DATA = 0x6339
    FIFO_LEVEL = 0x633A
    CONTROL = 0x633C
    BIT_FRAMING = 0x633D


_AT_RESET: dict[int, int] = {
    Register.MODE: 0x3F,
    Register.TX_MODE: 0x80,
    Register.RX_MODE: 0x80,
    Register.TX_CONTROL: 0x80,
    Register.CONTROL: 0x10,
}


class Registers:
    """The register file.

    Args:
        field_on: tells whether the antenna drivers are on, which TxControl shows.
    """

    def __init__(self, field_on: Callable[[], bool]) -> None:
        self._field_on = field_on
        self._values: dict[int, int] = dict(_AT_RESET)

    def read(self, address: int) -> int:
        """Value of one register, 0 if it was never written."""
        value = self._values.get(address, 0)
        if address == Register.TX_CONTROL:
            return value & ~_DRIVERS_ON | (_DRIVERS_ON if self._field_on() else 0)
        return value

    def write(self, address: int, value: int) -> None:
        """Set one register."""
        self._values[address] = value

    @property
    def sends_crc(self) -> bool:
        """The chip adds the CRC to what it sends."""
        return bool(self.read(Register.TX_MODE) & _CRC_ENABLED)

    @property
    def checks_crc(self) -> bool:
        """The chip checks the CRC of what it receives and takes it off."""
        return bool(self.read(Register.RX_MODE) & _CRC_ENABLED)

    @property
    def type_a(self) -> bool:
        """Frames are sent with type A framing."""
        return not self.read(Register.TX_MODE) & _TYPE_A_FRAMING_MASK

    @property
    def last_bits(self) -> int:
        """Bits of the last byte sent, 0 for all eight: 7 makes a short frame."""
        return self.read(Register.BIT_FRAMING) & 0x07

    def use_type_a(self) -> None:
        """What listing a type A card leaves behind: CRC both ways, type A framing."""
        for register in (Register.TX_MODE, Register.RX_MODE):
            self.write(register, _CRC_ENABLED)
        self.write(Register.BIT_FRAMING, 0)
