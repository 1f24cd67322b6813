"""APDU exchanges a second over the contactless link: ``python benchmarks/nfc_link.py``.

The card answers at once, so that only reader driver, link engine and transport are measured.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from firmware_sim.link.picc import Picc, PiccConfig
from firmware_sim.link.udp import UdpPicc
from reader_drivers.nfc_iso_dep import IsoDepReader
from reader_drivers.urls import open_reader
from reader_drivers.virtual import VirtualReader

SHORT = bytes.fromhex("80EC000001AA")
LONG = bytes.fromhex("80EC000000FFF0") + bytes(0xFFF0)
REPEATS = 3000


class InstantCard:
    """Answers 9000 to everything."""

    def power_on(self) -> bytes:
        return b"\x80"

    def reset(self) -> bytes:
        return b"\x80"

    def transmit(self, command: bytes) -> bytes:
        return b"\x90\x00"

    def power_off(self) -> None:
        """Nothing to forget."""


def report(name: str, transmit: Callable[[bytes], bytes]) -> None:
    """Time short and long commands and print one line."""
    transmit(SHORT)
    started = time.perf_counter()
    for _ in range(REPEATS):
        transmit(SHORT)
    rate = REPEATS / (time.perf_counter() - started)
    started = time.perf_counter()
    transmit(LONG)
    long_ms = (time.perf_counter() - started) * 1e3
    print(f"{name:42} {rate:9.0f} exchanges/s   65,520 bytes out {long_ms:7.1f} ms")


def in_process(picc: Picc) -> Callable[[bytes, float], bytes]:
    """The card engine as the exchange function of a reader."""
    return lambda frame, timeout: picc.transceive(frame) or b""


def main() -> None:
    """Measure each way to the card, with and without waiting time extension."""
    virtual = VirtualReader()
    virtual.insert(InstantCard())
    report("virtual reader", virtual.connect().transmit)
    for wtx in (False, True):
        config = PiccConfig(wtx=wtx, uid=bytes.fromhex("08A1B2C3"))
        picc = Picc(InstantCard(), config)
        picc.field(True)
        for frame in ("26", "937008A1B2C3D8", "E080"):
            picc.transceive(bytes.fromhex(frame))
        reader = IsoDepReader(in_process(picc), 256, 0.077)
        report(f"ISO-DEP in process, card thread {wtx}", reader.transmit)
        picc.field(False)
        with UdpPicc(Picc(InstantCard(), config)) as udp:
            over_udp = open_reader(udp.url)
            report(f"nfcpy over UDP, card thread {wtx}", over_udp.connect(2.0).transmit)
            over_udp.close()


if __name__ == "__main__":
    main()
