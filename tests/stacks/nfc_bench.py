"""What the NFC stack tests share: command builders and a reader on a simulated chip."""

from __future__ import annotations

from typing import Any

from card_formats.apdu import COMMAND_APDU, CommandApdu
from firmware_sim.link.echo import INS_COUNT, INS_ECHO, EchoCard
from firmware_sim.link.picc import Picc, PiccConfig
from firmware_sim.reader.pn532 import Pn532
from firmware_sim.reader.pn532_serial import Pn532Serial
from reader_drivers.urls import open_reader

SIZES = (1, 2, 61, 62, 253, 254, 255, 256, 257, 1000, 4096)

TORN = {"missed_polls_after_tear": 4}
"""One look of nfcpy through a PN532 is four requests: two tries, each REQA and WUPA."""


def echo(data: bytes, ins: int = INS_ECHO, p1: int = 0) -> bytes:
    return COMMAND_APDU.build(CommandApdu(0x80, ins, p1, 0, data, 65_536, extended=True))


def count(size: int) -> bytes:
    return COMMAND_APDU.build(
        CommandApdu(0x80, INS_COUNT, size >> 8, size & 0xFF, le=65_536, extended=True)
    )


def pattern(size: int) -> bytes:
    return bytes(index * 7 & 0xFF for index in range(size))


class Pn532Bench:
    """An echo card before a PN532 on a pty, and nfcpy on it."""

    def __init__(self, **config: Any) -> None:
        self.card = EchoCard()
        self.picc = Picc(self.card, PiccConfig(**config))
        self.serial = Pn532Serial(Pn532(self.picc)).start()
        self.reader: Any = open_reader(f"nfc:tty:{self.serial.path}:pn532")

    def close(self) -> None:
        self.reader.close()
        self.serial.stop()
        assert self.serial.errors == []
