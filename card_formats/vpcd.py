"""Frames between vsmartcard's vpcd driver and a card.

There is no specification: the layout is that of vsmartcard's vpcd.h.
"""

from __future__ import annotations

import enum

from construct import GreedyBytes, Int16ub, Prefixed

from card_formats.core import Vector, WireFormat

LENGTH_SIZE = 2
MAX_FRAME = 65_535


class VpcdControl(enum.IntEnum):
    """A frame of one byte: what the driver does with the card. Only ATR is answered."""

    OFF = 0
    ON = 1
    RESET = 2
    ATR = 4


VPCD_FRAME: WireFormat[bytes] = WireFormat(
    "vpcd_frame",
    "vsmartcard vpcd.h",
    Prefixed(Int16ub, GreedyBytes),
    [
        Vector("000104", b"\x04", "the ATR, please"),
        Vector("000500B0000010", bytes.fromhex("00B0000010"), "a command"),
        Vector("00029000", b"\x90\x00", "a response"),
    ],
)

VPCD_LENGTH: WireFormat[int] = WireFormat(
    "vpcd_length",
    "vsmartcard vpcd.h, the length before each frame",
    Int16ub,
    [Vector("8000", 32_768, "unsigned")],
)
