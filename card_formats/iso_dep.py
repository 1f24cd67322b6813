"""Blocks of the half-duplex protocol of contactless cards (ISO/IEC 14443-4:2018, 7.1).

Blocks are given without their CRC. A block is at most FSC or FSD minus the two CRC bytes.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from construct import Adapter, GreedyBytes, If, Int8ub, Struct

from card_formats.core import Vector, WireFormat
from card_formats.pieces import refuse

CRC_SIZE = 2
WTXM_MAX = 59


@dataclasses.dataclass(frozen=True)
class IBlock:
    """Information: part of an APDU. ``more`` is the chaining bit."""

    number: int
    data: bytes = b""
    more: bool = False
    cid: int | None = None
    nad: int | None = None


@dataclasses.dataclass(frozen=True)
class RBlock:
    """Acknowledgement, R(ACK), or with ``nak`` R(NAK)."""

    number: int
    nak: bool = False
    cid: int | None = None


@dataclasses.dataclass(frozen=True)
class DeselectBlock:
    """S(DESELECT), request and answer alike."""

    cid: int | None = None


@dataclasses.dataclass(frozen=True)
class WtxBlock:
    """S(WTX), request and answer alike: multiply FWT by ``wtxm`` (1..59).

    ``power`` is the power level indication of the card, 0..3.
    """

    wtxm: int
    power: int = 0
    cid: int | None = None


@dataclasses.dataclass(frozen=True)
class ParametersBlock:
    """S(PARAMETERS): recognised, so that it can be left unanswered; ``data`` is its TLV."""

    data: bytes = b""
    cid: int | None = None


Block = IBlock | RBlock | DeselectBlock | WtxBlock | ParametersBlock

_CID_BIT = 0x08
_NAD_BIT = 0x04
_DESELECT, _WTX, _PARAMETERS = 0xC2, 0xF2, 0xF0


def _is_i_block(pcb: int) -> bool:
    return pcb & 0xE2 == 0x02


def _carries_nad(pcb: int) -> bool:
    return _is_i_block(pcb) and bool(pcb & _NAD_BIT)


class _BlockAdapter(Adapter):  # type: ignore[misc]
    def _decode(self, obj: Any, context: Any, path: str) -> Block:
        pcb, data = obj.pcb, obj.data
        cid = _decode_cid(obj.cid, path)
        if _is_i_block(pcb):
            return IBlock(pcb & 1, data, bool(pcb & 0x10), cid, obj.nad)
        kind = pcb & ~_CID_BIT
        if pcb & 0xE6 == 0xA2:
            _expect(data, 0, path)
            return RBlock(pcb & 1, bool(pcb & 0x10), cid)
        if kind == _DESELECT:
            _expect(data, 0, path)
            return DeselectBlock(cid)
        if kind == _WTX:
            _expect(data, 1, path)
            _check_wtxm(data[0] & 0x3F, path)
            return WtxBlock(data[0] & 0x3F, data[0] >> 6, cid)
        if kind == _PARAMETERS:
            return ParametersBlock(data, cid)
        raise refuse(f"PCB {pcb:02X} is RFU", path)

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        if isinstance(obj, IBlock):
            pcb, data = 0x02 | obj.more << 4, obj.data
        elif isinstance(obj, RBlock):
            pcb, data = 0xA2 | obj.nak << 4, b""
        elif isinstance(obj, DeselectBlock):
            pcb, data = _DESELECT, b""
        elif isinstance(obj, WtxBlock):
            _check_wtxm(obj.wtxm, path)
            pcb, data = _WTX, bytes([obj.power << 6 | obj.wtxm])
        elif isinstance(obj, ParametersBlock):
            pcb, data = _PARAMETERS, obj.data
        else:
            raise refuse(f"{type(obj).__name__} is no block", path)
        if isinstance(obj, IBlock | RBlock):
            if obj.number not in (0, 1):
                raise refuse(f"block number {obj.number} is not 0 or 1", path)
            pcb |= obj.number
        nad = obj.nad if isinstance(obj, IBlock) else None
        if obj.cid is not None:
            if not 0 <= obj.cid <= 14:
                raise refuse(f"CID {obj.cid} is outside 0..14", path)
            pcb |= _CID_BIT
        if nad is not None:
            pcb |= _NAD_BIT
        return {"pcb": pcb, "cid": obj.cid, "nad": nad, "data": data}


def _decode_cid(value: int | None, path: str) -> int | None:
    if value is None:
        return None
    # The two high bits are a card's power level indication; nothing here depends on it.
    if value & 0x30 or value & 0xC0 or value & 0x0F == 15:
        raise refuse(f"CID byte {value:02X} sets an RFU bit or a power level", path)
    return value & 0x0F


def _check_wtxm(wtxm: int, path: str) -> None:
    if not 1 <= wtxm <= WTXM_MAX:
        raise refuse(f"WTXM {wtxm} is outside 1..{WTXM_MAX}", path)


def _expect(data: bytes, length: int, path: str) -> None:
    if len(data) != length:
        raise refuse(f"{len(data)} byte(s) after the prologue, {length} expected", path)


ISO_DEP_BLOCK: WireFormat[Block] = WireFormat(
    "iso_dep_block",
    "ISO/IEC 14443-4:2018 7.1",
    _BlockAdapter(
        Struct(
            "pcb" / Int8ub,
            "cid" / If(lambda ctx: ctx.pcb & _CID_BIT, Int8ub),
            "nad" / If(lambda ctx: _carries_nad(ctx.pcb), Int8ub),
            "data" / GreedyBytes,
        )
    ),
    [
        Vector("02", IBlock(0), "empty I-block"),
        Vector(
            "1300A4",
            IBlock(1, b"\x00\xa4", more=True),
            "chained I-block: any shorter one is legal too",
            frozenset({1, 2}),
        ),
        Vector(
            "0E03059000",
            IBlock(0, b"\x90\x00", cid=3, nad=5),
            "CID and NAD",
            frozenset({3, 4}),
        ),
        Vector("A3", RBlock(1), "R(ACK)"),
        Vector("B2", RBlock(0, nak=True), "R(NAK)"),
        Vector("BA01", RBlock(0, nak=True, cid=1), "R(NAK) with CID"),
        Vector("C2", DeselectBlock(), "S(DESELECT)"),
        Vector("CA02", DeselectBlock(cid=2), "S(DESELECT) with CID"),
        Vector("F20A", WtxBlock(10), "ten times FWT"),
        Vector("F2CA", WtxBlock(10, power=3), "with full power indicated"),
        Vector(
            "F0A003A20100",
            ParametersBlock(bytes.fromhex("A003A20100")),
            "S(PARAMETERS)",
            frozenset({1, 2, 3, 4, 5}),
        ),
    ],
    open_ended=True,
)
