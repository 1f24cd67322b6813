"""Blocks of the protocol T=1 (ISO/IEC 7816-3:2006, 11.3)."""

from __future__ import annotations

import dataclasses
import enum
import functools
import operator
from collections.abc import Callable
from typing import Any

from construct import Adapter, Bytes, Int8ub, Int16ub, Rebuild, Struct, this

from card_formats.core import FormatError, Vector, WireFormat
from card_formats.pieces import refuse

MAX_INF = 254
DEFAULT_IFS = 32
"""IFSC and IFSD in bytes until another is agreed (11.4.2)."""


class T1Error(enum.IntEnum):
    """Low bits of an R-block (11.3.2.2)."""

    NONE = 0
    REDUNDANCY = 1
    """Redundancy code or character parity."""
    OTHER = 2


class Supervisory(enum.IntEnum):
    """Low bits of an S-block (11.3.2.2)."""

    RESYNCH = 0
    IFS = 1
    ABORT = 2
    WTX = 3


@dataclasses.dataclass(frozen=True)
class T1Information:
    """I-block: part of an APDU. ``number`` is N(S), ``more`` the M bit."""

    number: int
    data: bytes = b""
    more: bool = False
    nad: int = 0


@dataclasses.dataclass(frozen=True)
class T1Receive:
    """R-block: ``number`` is N(R), the block wanted next."""

    number: int
    error: int = T1Error.NONE
    nad: int = 0


@dataclasses.dataclass(frozen=True)
class T1Supervisory:
    """S-block.

    ``value`` is the size of IFS (1..254) or the multiplier of WTX; ``None`` for the others.
    """

    kind: int
    response: bool = False
    value: int | None = None
    nad: int = 0


T1Block = T1Information | T1Receive | T1Supervisory


def lrc(data: bytes) -> int:
    """Exclusive-or of all bytes."""
    return functools.reduce(operator.xor, data, 0)


def crc(data: bytes) -> int:
    """CRC of ISO/IEC 13239 (reflected 0x8408, initial value FFFF, inverted)."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x8408 if value & 1 else 0)
    return value ^ 0xFFFF


class _BlockAdapter(Adapter):  # type: ignore[misc]
    def __init__(self, edc: Any, compute: Callable[[bytes], int]) -> None:
        super().__init__(
            Struct(
                "nad" / Int8ub,
                "pcb" / Int8ub,
                "length" / Rebuild(Int8ub, lambda ctx: len(ctx.data)),
                "data" / Bytes(this.length),
                "edc" / Rebuild(edc, lambda ctx: compute(_covered(ctx))),
            )
        )
        self.compute = compute

    def _decode(self, obj: Any, context: Any, path: str) -> T1Block:
        if obj.edc != (expected := self.compute(_covered(obj))):
            raise refuse(f"redundancy code is {obj.edc:X}, should be {expected:X}", path)
        if obj.length > MAX_INF:
            raise refuse(f"LEN {obj.length} is RFU", path)
        if obj.nad & 0x88:
            raise refuse(f"NAD {obj.nad:02X} asks for programming voltage", path)
        if not obj.pcb & 0x80:
            if obj.pcb & 0x1F:
                raise refuse(f"PCB {obj.pcb:02X} is RFU", path)
            return T1Information(obj.pcb >> 6 & 1, obj.data, bool(obj.pcb & 0x20), obj.nad)
        if not obj.pcb & 0x40:
            if obj.pcb & 0x2C or obj.pcb & 0x03 == 3 or obj.data:
                raise refuse(f"R-block {obj.pcb:02X} with {obj.length} byte(s) is RFU", path)
            return T1Receive(obj.pcb >> 4 & 1, obj.pcb & 0x03, obj.nad)
        if obj.pcb & 0x1C:
            raise refuse(f"PCB {obj.pcb:02X} is RFU", path)
        value = obj.data[0] if obj.length == 1 else None
        block = T1Supervisory(obj.pcb & 0x03, bool(obj.pcb & 0x20), value, obj.nad)
        _check_supervisory(block, obj.length, path)
        return block

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        data = b""
        if isinstance(obj, T1Information | T1Receive) and obj.number not in (0, 1):
            raise refuse(f"block number {obj.number} is not 0 or 1", path)
        if isinstance(obj, T1Information):
            pcb, data = obj.number << 6 | obj.more << 5, obj.data
            if len(data) > MAX_INF:
                raise refuse(f"{len(data)} bytes do not fit a block", path)
        elif isinstance(obj, T1Receive):
            pcb = 0x80 | obj.number << 4 | obj.error
        elif isinstance(obj, T1Supervisory):
            pcb = 0xC0 | obj.response << 5 | obj.kind
            data = b"" if obj.value is None else bytes([obj.value])
            _check_supervisory(obj, len(data), path)
        else:
            raise refuse(f"{type(obj).__name__} is no block", path)
        return {"nad": obj.nad, "pcb": pcb, "data": data}


def _covered(block: Any) -> bytes:
    return bytes([block.nad, block.pcb, len(block.data), *block.data])


def _check_supervisory(block: T1Supervisory, length: int, path: str) -> None:
    carries = block.kind in (Supervisory.IFS, Supervisory.WTX)
    if length != carries:
        raise refuse(f"S-block {block.kind} with {length} byte(s)", path)
    if block.kind == Supervisory.IFS and not 1 <= (block.value or 0) <= MAX_INF:
        raise refuse(f"IFS {block.value} is outside 1..{MAX_INF}", path)


T1_BLOCK_LRC: WireFormat[T1Block] = WireFormat(
    "t1_block_lrc",
    "ISO/IEC 7816-3:2006 11.3, longitudinal redundancy code",
    _BlockAdapter(Int8ub, lrc),
    [
        Vector("00C101FE3E", T1Supervisory(Supervisory.IFS, value=254), "S(IFS request)"),
        Vector("00E101FE1E", T1Supervisory(Supervisory.IFS, True, 254), "S(IFS response)"),
        Vector(
            "0000050084000008" + "89",
            T1Information(0, bytes.fromhex("0084000008")),
            "I(0,0): GET CHALLENGE",
        ),
        Vector("00600200" + "A4C6", T1Information(1, b"\x00\xa4", more=True), "I(1,1)"),
        Vector("00900090", T1Receive(1), "R(1), no error"),
        Vector("00820082", T1Receive(0, T1Error.OTHER), "R(0), other error"),
        Vector("00C301" + "0AC8", T1Supervisory(Supervisory.WTX, value=10), "S(WTX request)"),
        Vector("00C000C0", T1Supervisory(Supervisory.RESYNCH), "S(RESYNCH request)"),
        Vector("00E200E2", T1Supervisory(Supervisory.ABORT, True), "S(ABORT response)"),
        Vector("21400061", T1Information(1, nad=0x21), "empty block with a node address"),
    ],
)

T1_BLOCK_CRC: WireFormat[T1Block] = WireFormat(
    "t1_block_crc",
    "ISO/IEC 7816-3:2006 11.3, cyclic redundancy code",
    _BlockAdapter(Int16ub, crc),
    [
        Vector("00C0000C66", T1Supervisory(0), "S(RESYNCH)"),
        Vector(
            "00400290007525",
            T1Information(1, b"\x90\x00"),
            "I(1,0)",
        ),
    ],
)


def t1_format(uses_crc: bool) -> WireFormat[T1Block]:
    """The format of blocks for cards that announce, or not, a CRC in TCi."""
    return T1_BLOCK_CRC if uses_crc else T1_BLOCK_LRC


def information_after(prologue: bytes, data: bytes) -> T1Information:
    """The I-block a reader builds around ``data`` when the host gave it NAD, PCB and LEN.

    LEN is not looked at: the reader may have made the data longer than the host knew.

    Raises:
        FormatError: the PCB is not that of an I-block.
    """
    nad, pcb, _ = prologue
    template = T1_BLOCK_LRC.parse(bytes([nad, pcb, 0, nad ^ pcb]))
    if not isinstance(template, T1Information):
        raise FormatError("t1_block_lrc", "pcb", 1, f"PCB {pcb:02X} begins no I-block")
    return dataclasses.replace(template, data=data)
