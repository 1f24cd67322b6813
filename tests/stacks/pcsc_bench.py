"""A small card, and readers with it in them, for the tests over pcscd."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from card_formats.apdu import COMMAND_APDU, RESPONSE_APDU, CommandApdu, ResponseApdu
from firmware_sim.link.icc import Icc, IccConfig
from firmware_sim.reader.pcscd_switch import PcscdSwitch
from firmware_sim.reader.private_pcscd import PluggedReader, PrivatePcscd
from reader_drivers.pcsc import PcscReader, PcscSession, open_url

PIN = b"1234"
FCI = bytes.fromhex("6F 09 84 07 F0 45 43 52 41 45 01".replace(" ", ""))
SELECT = bytes.fromhex("00A4040007F045435241450100")
FILE = bytes(n * 13 & 0xFF for n in range(40_000))


class BenchCard:
    """SELECT, READ BINARY (P1P2 offset), ECHO (EC), COUNTER (CC), VERIFY and CHANGE.

    Attributes:
        commands: all that arrived.
        failure: raised by the next command.
    """

    def __init__(self, historical: bytes = b"bench") -> None:
        self.historical = historical
        self.commands: list[bytes] = []
        self.failure: OSError | None = None
        self.pin = PIN
        self.tries = 3
        self.count = 0

    def power_on(self) -> bytes:
        return self.historical

    reset = power_on

    def power_off(self) -> None:
        pass

    def transmit(self, command: bytes) -> bytes:
        self.commands.append(command)
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        apdu = COMMAND_APDU.parse(command)
        return RESPONSE_APDU.build(self._run(apdu))

    def _run(self, apdu: CommandApdu) -> ResponseApdu:
        if apdu.ins == 0xA4:
            return ResponseApdu(FCI if apdu.le else b"", 0x9000)
        if apdu.ins == 0xB0:
            offset = apdu.p1 << 8 | apdu.p2
            return ResponseApdu(FILE[offset : offset + (apdu.le or 0)], 0x9000)
        if apdu.ins == 0xEC:
            return ResponseApdu(apdu.data, 0x9000)
        if apdu.ins == 0xCC:
            self.count += 1
            return ResponseApdu(self.count.to_bytes(4, "big"), 0x9000)
        if apdu.ins == 0x20:
            return self._verified(apdu.data)
        if apdu.ins == 0x24:
            if self._verified(apdu.data[:8]).sw == 0x9000:
                self.pin = apdu.data[8:].rstrip(b"\xff")
                return ResponseApdu(b"", 0x9000)
            return ResponseApdu(b"", 0x63C0 | self.tries)
        return ResponseApdu(b"", 0x6D00)

    def _verified(self, block: bytes) -> ResponseApdu:
        right = block.rstrip(b"\xff") == self.pin
        self.tries = 3 if right else self.tries - 1
        return ResponseApdu(b"", 0x9000 if right else 0x63C0 | self.tries)


def icc(protocol: int, card: BenchCard | None = None, **more: object) -> Icc:
    """A card with contacts."""
    return Icc(card or BenchCard(), IccConfig((protocol,), **more))  # type: ignore[arg-type]


@contextlib.contextmanager
def plugged(switch: PcscdSwitch, *readers: PluggedReader) -> Iterator[PrivatePcscd]:
    """A pcscd of its own with these readers, to which this process now talks."""
    with PrivatePcscd(readers) as pcscd:
        switch.point_to(pcscd)
        yield pcscd


@contextlib.contextmanager
def opened(url: str, **more: float) -> Iterator[PcscReader]:
    """The reader of a pcsc: URL."""
    reader = open_url(url.partition(":")[2], **more)
    try:
        yield reader
    finally:
        reader.close()


@contextlib.contextmanager
def connected(url: str) -> Iterator[PcscSession]:
    """A session with the card in a reader."""
    with opened(url) as reader:
        yield reader.connect()


def echo(size: int) -> tuple[bytes, bytes]:
    """An ECHO command of ``size`` bytes with Le, and the response due."""
    data = bytes(n * 7 & 0xFF for n in range(size))
    extended = size > 255
    command = CommandApdu(0, 0xEC, 0, 0, data, 65_536 if extended else 256, extended)
    return COMMAND_APDU.build(command), data + b"\x90\x00"


def read(size: int, extended: bool = False) -> tuple[bytes, bytes]:
    """A READ BINARY command of ``size`` bytes, and the response due."""
    command = CommandApdu(0, 0xB0, 0, 0, le=size, extended=extended)
    return COMMAND_APDU.build(command), FILE[:size] + b"\x90\x00"


def main() -> None:
    """Print the median time of READ BINARY of 10 bytes over each stack."""
    import statistics
    import time

    from firmware_sim.reader.serial import SerialReader
    from firmware_sim.reader.vpcd import VpcdReader

    switch = PcscdSwitch()
    serial, virtual = SerialReader("GemPCTwin"), VpcdReader()
    kinds = {
        "serial T=1": (serial, icc(1)),
        "serial T=0": (serial, icc(0)),
        "vpcd, bare card": (virtual, BenchCard()),
        "vpcd, T=0": (virtual, icc(0)),
    }
    for kind, (reader, card) in kinds.items():
        reader.insert(card)
        with plugged(switch, reader), connected(reader.url()) as session:
            times = []
            for size in [10] * 3000:
                began = time.perf_counter()
                session.transmit(read(size)[0])
                times.append(time.perf_counter() - began)
        print(f"{kind:16} {statistics.median(times) * 1000:.3f} ms")
    serial.close()
    virtual.close()
    switch.close()


if __name__ == "__main__":
    main()
