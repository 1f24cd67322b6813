"""Activation of a type A card: frames before the block protocol (ISO/IEC 14443-3 and -4).

Frames are given without their CRC_A; short frames (REQA, WUPA) are one byte. Anticollision
frames split in the middle of a byte do not exist here: one card never collides with itself.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from typing import Any

from construct import Adapter, Bytes, Const, Int8ub, Struct

from card_formats.core import Record, Vector, WireFormat
from card_formats.pieces import Bounded, Dispatch, refuse

CASCADE_TAG = 0x88
UID_SIZES = (4, 7, 10)
_SELECT_CODES = (0x93, 0x95, 0x97)


def crc_a(data: bytes) -> bytes:
    """CRC_A of ``data``, 2 bytes in the order sent (ISO/IEC 14443-3:2018 6.2.4)."""
    crc = 0x6363
    for byte in data:
        byte ^= crc & 0xFF
        byte = (byte ^ byte << 4) & 0xFF
        crc = crc >> 8 ^ byte << 8 ^ byte << 3 ^ byte >> 4
    return crc.to_bytes(2, "little")


def cascade_levels(uid: bytes) -> tuple[bytes, ...]:
    """The four bytes of each cascade level for a UID of 4, 7 or 10 bytes (6.5.4).

    Raises:
        ValueError: another size, or a last level that would read as a cascade tag.
    """
    if len(uid) not in UID_SIZES:
        raise ValueError(f"a UID has 4, 7 or 10 bytes, not {len(uid)}")
    levels = []
    while len(uid) > 4:
        levels.append(bytes([CASCADE_TAG]) + uid[:3])
        uid = uid[3:]
    levels.append(uid)
    if uid[0] == CASCADE_TAG:
        raise ValueError("the last cascade level of a UID may not start with 88")
    return tuple(levels)


@dataclasses.dataclass(frozen=True)
class Request:
    """REQA (26), or WUPA (52) which halted cards hear too."""

    wake_up: bool = False


@dataclasses.dataclass(frozen=True)
class Anticollision:
    """Ask for the UID bytes of a cascade level (1..3) that follow ``prefix`` (0..3 bytes)."""

    level: int
    prefix: bytes = b""


@dataclasses.dataclass(frozen=True)
class Select:
    """Select the card whose four bytes at this cascade level are ``uid``. BCC is implied."""

    level: int
    uid: bytes


@dataclasses.dataclass(frozen=True)
class Halt:
    """HLTA; it is never answered."""


@dataclasses.dataclass(frozen=True)
class Rats:
    """Request for answer to select: FSDI 0..15 of the reader and the CID given, 0..14."""

    fsdi: int = 8
    cid: int = 0


@dataclasses.dataclass(frozen=True)
class Pps:
    """Protocol and parameter selection: bit rate divisors as powers of two (0 = 106 kbit/s).

    ``dri`` is reader to card, ``dsi`` card to reader; both ``None`` when PPS1 is absent.
    """

    cid: int = 0
    dri: int | None = None
    dsi: int | None = None


TypeACommand = Request | Anticollision | Select | Halt | Rats | Pps


class _Requests(Adapter):  # type: ignore[misc]
    def _decode(self, obj: Any, context: Any, path: str) -> Request:
        return Request(wake_up=obj == 0x52)

    def _encode(self, obj: Any, context: Any, path: str) -> int:
        return 0x52 if obj.wake_up else 0x26


class _Level(Adapter):  # type: ignore[misc]
    """SEL byte as the number of its cascade level."""

    def _decode(self, obj: Any, context: Any, path: str) -> int:
        return _SELECT_CODES.index(obj) + 1

    def _encode(self, obj: Any, context: Any, path: str) -> int:
        if not 1 <= obj <= 3:
            raise refuse(f"cascade level {obj} is outside 1..3", path)
        return _SELECT_CODES[obj - 1]


class _Checked(Adapter):  # type: ignore[misc]
    """Four UID bytes followed by their exclusive or, BCC."""

    def __init__(self) -> None:
        super().__init__(Bytes(5))

    def _decode(self, obj: Any, context: Any, path: str) -> bytes:
        if functools.reduce(operator.xor, obj):
            raise refuse(f"BCC of {obj.hex()} is wrong", path)
        return bytes(obj[:4])

    def _encode(self, obj: Any, context: Any, path: str) -> bytes:
        return bytes(obj) + bytes([functools.reduce(operator.xor, obj, 0)])


class _AnticollisionAdapter(Adapter):  # type: ignore[misc]
    def _decode(self, obj: Any, context: Any, path: str) -> Anticollision:
        return Anticollision(obj.level, obj.prefix)

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        return {
            "level": obj.level,
            "nvb": 0x20 + 0x10 * len(obj.prefix),
            "prefix": obj.prefix,
        }


class _RatsAdapter(Adapter):  # type: ignore[misc]
    def _decode(self, obj: Any, context: Any, path: str) -> Rats:
        if obj.parameter & 0x0F == 15:
            raise refuse("CID 15 is RFU", path)
        return Rats(obj.parameter >> 4, obj.parameter & 0x0F)

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        if not 0 <= obj.fsdi <= 15 or not 0 <= obj.cid <= 14:
            raise refuse(f"FSDI {obj.fsdi} or CID {obj.cid} out of range", path)
        return {"parameter": obj.fsdi << 4 | obj.cid}


class _PpsAdapter(Adapter):  # type: ignore[misc]
    def _decode(self, obj: Any, context: Any, path: str) -> Pps:
        cid = obj.start & 0x0F
        if cid == 15:
            raise refuse("CID 15 is RFU", path)
        if "pps1" not in obj:
            return Pps(cid)
        if obj.pps1 & 0xF0:
            raise refuse(f"PPS1 is {obj.pps1:02X}: its high half is RFU", path)
        return Pps(cid, obj.pps1 & 0x03, obj.pps1 >> 2)

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        if not 0 <= obj.cid <= 14:
            raise refuse(f"CID {obj.cid} is outside 0..14", path)
        values = {"start": 0xD0 | obj.cid}
        if obj.dri is not None:
            if not 0 <= obj.dri <= 3 or not 0 <= obj.dsi <= 3:
                raise refuse("DRI and DSI are 0..3", path)
            values["pps1"] = obj.dsi << 2 | obj.dri
        return values


_REQUEST = _Requests(Int8ub)
_LEVEL = "level" / _Level(Int8ub)
_ANTICOLLISION = _AnticollisionAdapter(
    Struct(
        _LEVEL,
        "nvb" / Bounded(Int8ub, 0x20, 0x50),
        "prefix" / Bytes(lambda ctx: (ctx.nvb >> 4) - 2),
    )
)
_SELECT = Record(Select, _LEVEL, "nvb" / Const(b"\x70"), "uid" / _Checked())
_HALT = Record(Halt, Const(b"\x50\x00"))
_RATS = _RatsAdapter(Struct("code" / Const(b"\xe0"), "parameter" / Int8ub))
_PPS_SHORT = _PpsAdapter(Struct("start" / Int8ub, "pps0" / Const(b"\x01")))
_PPS_FULL = _PpsAdapter(Struct("start" / Int8ub, "pps0" / Const(b"\x11"), "pps1" / Int8ub))


def _command_of_bytes(frame: bytes) -> Any:
    code = frame[0] if frame else -1
    if code in (0x26, 0x52):
        return _REQUEST
    if code in _SELECT_CODES:
        if len(frame) > 1 and frame[1] != 0x70 and frame[1] & 0x0F:
            raise refuse(f"NVB {frame[1]:02X} splits a byte")
        return _SELECT if frame[1:2] == b"\x70" else _ANTICOLLISION
    if code == 0x50:
        return _HALT
    if code == 0xE0:
        return _RATS
    if code & 0xF0 == 0xD0 and code > 0:
        return _PPS_SHORT if frame[1:2] == b"\x01" else _PPS_FULL
    raise refuse(f"no type A command starts with {frame[:1].hex() or 'nothing'}")


def _command_of_value(command: Any) -> Any:
    if isinstance(command, Pps):
        return _PPS_SHORT if command.dri is None else _PPS_FULL
    definitions: dict[type[Any], Any] = {
        Request: _REQUEST,
        Anticollision: _ANTICOLLISION,
        Select: _SELECT,
        Halt: _HALT,
        Rats: _RATS,
    }
    if type(command) not in definitions:
        raise refuse(f"{type(command).__name__} is no type A command")
    return definitions[type(command)]


TYPE_A_COMMAND: WireFormat[TypeACommand] = WireFormat(
    "type_a_command",
    "ISO/IEC 14443-3:2018 6.4 and 6.5, ISO/IEC 14443-4:2018 5.1 and 5.3",
    Dispatch(_command_of_bytes, _command_of_value),
    [
        Vector("26", Request(), "REQA"),
        Vector("52", Request(wake_up=True), "WUPA"),
        Vector("9320", Anticollision(1), "whole UID of level 1 wanted"),
        Vector("954088A1", Anticollision(2, b"\x88\xa1"), "two bytes already known"),
        Vector("937008A1B2C3D8", Select(1, bytes.fromhex("08A1B2C3")), "SELECT with BCC"),
        Vector("5000", Halt(), "HLTA"),
        Vector("E080", Rats(8, 0), "FSD 256, CID 0"),
        Vector("D01105", Pps(0, 1, 1), "212 kbit/s both ways"),
        Vector("D301", Pps(3), "PPS1 absent: defaults"),
    ],
)


@dataclasses.dataclass(frozen=True)
class Atqa:
    """Answer to request: UID size in bytes (4, 7 or 10) and the bits left to the maker.

    ``frame_bits`` is the bit frame anticollision field (b5..b1), ``maker`` b12..b9.
    """

    uid_size: int = 4
    frame_bits: int = 0x04
    maker: int = 0


class _AtqaAdapter(Adapter):  # type: ignore[misc]
    def _decode(self, obj: Any, context: Any, path: str) -> Atqa:
        low, high = obj
        if low >> 6 == 3 or low & 0x20 or high & 0xF0:
            raise refuse(f"ATQA {obj.hex()} sets an RFU bit", path)
        return Atqa(UID_SIZES[low >> 6], low & 0x1F, high)

    def _encode(self, obj: Any, context: Any, path: str) -> bytes:
        if obj.uid_size not in UID_SIZES:
            raise refuse(f"a UID has 4, 7 or 10 bytes, not {obj.uid_size}", path)
        if obj.frame_bits & ~0x1F or obj.maker & ~0x0F:
            raise refuse("frame_bits has 5 bits, maker 4", path)
        return bytes([UID_SIZES.index(obj.uid_size) << 6 | obj.frame_bits, obj.maker])


@dataclasses.dataclass(frozen=True)
class CascadeUid:
    """Answer to anticollision: the four bytes of a level. BCC is implied."""

    uid: bytes

    @property
    def is_partial(self) -> bool:
        """The first byte is the cascade tag: another level follows."""
        return self.uid[0] == CASCADE_TAG


@dataclasses.dataclass(frozen=True)
class Sak:
    """Select acknowledge."""

    value: int

    @property
    def uid_incomplete(self) -> bool:
        """Bit 3: another cascade level follows."""
        return bool(self.value & 0x04)

    @property
    def iso_dep(self) -> bool:
        """Bit 6: the card speaks ISO/IEC 14443-4. Phones often set bit 7 (NFC-DEP) too."""
        return not self.uid_incomplete and bool(self.value & 0x20)


ATQA: WireFormat[Atqa] = WireFormat(
    "atqa",
    "ISO/IEC 14443-3:2018 6.5.2",
    _AtqaAdapter(Bytes(2)),
    [
        Vector("0400", Atqa(), "4-byte UID"),
        Vector("4403", Atqa(7, 4, 3), "7-byte UID, as many cards answer"),
        Vector("8400", Atqa(10), "10-byte UID"),
    ],
)

CASCADE_UID: WireFormat[CascadeUid] = WireFormat(
    "cascade_uid",
    "ISO/IEC 14443-3:2018 6.5.3.2",
    Record(CascadeUid, "uid" / _Checked()),
    [
        Vector("08A1B2C3D8", CascadeUid(bytes.fromhex("08A1B2C3")), "random UID"),
        Vector("8804112AB7", CascadeUid(bytes.fromhex("8804112A")), "cascade tag"),
    ],
)

SAK: WireFormat[Sak] = WireFormat(
    "sak",
    "ISO/IEC 14443-3:2018 6.5.3.4",
    Record(Sak, "value" / Int8ub),
    [Vector("20", Sak(0x20), "ISO-DEP"), Vector("60", Sak(0x60), "phone"), Vector("04", Sak(4))],
)

PPS_ANSWER: WireFormat[Pps] = WireFormat(
    "pps_answer",
    "ISO/IEC 14443-4:2018 5.4",
    _PpsAdapter(Struct("start" / Bounded(Int8ub, 0xD0, 0xDE))),
    [Vector("D0", Pps(0)), Vector("D3", Pps(3))],
)
