"""What a card says of itself: ATR (contact), ATS (contactless) and their historical bytes."""

from __future__ import annotations

import dataclasses
import functools
import operator
from typing import Any

from construct import Adapter, Bytes, If, Int8ub, LazyBound, Struct

from card_formats.core import Vector, WireFormat
from card_formats.pieces import refuse

CARRIER_HZ = 13.56e6
FSC_TABLE = (16, 24, 32, 40, 48, 64, 96, 128, 256, 512, 1024, 2048, 4096)
"""Frame sizes in bytes, CRC included, by FSCI or FSDI (ISO/IEC 14443-4:2018 5.2.3)."""

FWT_ACTIVATION = 65_536 / CARRIER_HZ
"""Seconds a card has to answer RATS and S(DESELECT) (ISO/IEC 14443-4:2018 7.2)."""

FWT_MAX = 256 * 16 / CARRIER_HZ * 2**14
"""Longest frame waiting time in seconds, extensions included."""

_F_TABLE = (372, 372, 558, 744, 1116, 1488, 1860, 0, 0, 512, 768, 1024, 1536, 2048, 0, 0)
_D_TABLE = (0, 1, 2, 4, 8, 16, 32, 64, 12, 20, 0, 0, 0, 0, 0, 0)


def frame_size(code: int) -> int:
    """Bytes of a frame for FSCI or FSDI ``code`` (0..15); RFU codes mean the largest."""
    return FSC_TABLE[min(code, len(FSC_TABLE) - 1)]


def frame_waiting_time(fwi: int) -> float:
    """Seconds of FWT for ``fwi``; the RFU value 15 is taken as 4 (ISO/IEC 14443-4 5.2.5)."""
    return 256 * 16 / CARRIER_HZ * float(2 ** (4 if fwi == 15 else fwi))


# --- ATR -----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class InterfaceBytes:
    """One group TAi TBi TCi TDi.

    ``ta``, ``tb`` and ``tc`` are ``None`` when absent. ``protocol`` is the T of TDi, ``None``
    when TDi is absent, which only the last group may have.
    """

    ta: int | None = None
    tb: int | None = None
    tc: int | None = None
    protocol: int | None = None


@dataclasses.dataclass(frozen=True)
class Atr:
    """Answer to reset. TCK is computed when building and checked when parsing.

    Attributes:
        interface: groups of interface bytes; empty when T0 announces none.
        historical: at most 15 bytes.
        inverse: TS is 3F (inverse convention) and not 3B.
    """

    interface: tuple[InterfaceBytes, ...] = ()
    historical: bytes = b""
    inverse: bool = False

    @property
    def protocols(self) -> tuple[int, ...]:
        """T values in the order offered, T=15 left out; ``(0,)`` when none is written."""
        listed = [group.protocol for group in self.interface if group.protocol is not None]
        return tuple(dict.fromkeys(t for t in listed if t != 15)) or (0,)

    @property
    def has_check_byte(self) -> bool:
        """TCK is there unless T=0 is the only protocol indicated."""
        return any(group.protocol for group in self.interface)

    @property
    def clock_conversion(self) -> int:
        """F, from TA1; 372 by default, 0 for an RFU code."""
        return _F_TABLE[self._first("ta", 0x11) >> 4]

    @property
    def baud_adjustment(self) -> int:
        """D, from TA1; 1 by default, 0 for an RFU code."""
        return _D_TABLE[self._first("ta", 0x11) & 0x0F]

    @property
    def extra_guard_time(self) -> int:
        """N in etu, from TC1."""
        return self._first("tc", 0)

    @property
    def specific_mode(self) -> int | None:
        """T to be used at once, when TA2 is there; ``None`` in negotiable mode."""
        if len(self.interface) < 2 or self.interface[1].ta is None:
            return None
        return self.interface[1].ta & 0x0F

    @property
    def waiting_integer(self) -> int:
        """WI of T=0, from TC2; 10 by default. WT = WI * 960 * Fi/f."""
        tc2 = self.interface[1].tc if len(self.interface) > 1 else None
        return 10 if tc2 is None else tc2

    @property
    def card_information_field_size(self) -> int:
        """IFSC of T=1 in bytes, from the first TA for T=1; 32 by default."""
        group = self._first_for_t1()
        return 32 if group is None or group.ta is None else group.ta

    @property
    def block_waiting_integer(self) -> int:
        """BWI of T=1; 4 by default. BWT = 11 etu + 2^BWI * 960 * 372/f."""
        group = self._first_for_t1()
        return 4 if group is None or group.tb is None else group.tb >> 4

    @property
    def character_waiting_integer(self) -> int:
        """CWI of T=1; 13 by default. CWT = (11 + 2^CWI) etu."""
        group = self._first_for_t1()
        return 13 if group is None or group.tb is None else group.tb & 0x0F

    @property
    def uses_crc(self) -> bool:
        """T=1 blocks end in a CRC of two bytes and not in an LRC."""
        group = self._first_for_t1()
        return group is not None and bool((group.tc or 0) & 1)

    def _first(self, name: str, default: int) -> int:
        value = getattr(self.interface[0], name) if self.interface else None
        return default if value is None else int(value)

    def _first_for_t1(self) -> InterfaceBytes | None:
        # Bytes of group i > 2 belong to the protocol that TD(i-1) names.
        for before, group in zip(self.interface[1:], self.interface[2:], strict=False):
            if before.protocol == 1:
                return group
        return None


# T0 has the shape of a TD: presence bits in its high half. Naming it "td" lets one recursive
# definition read every group from the presence bits of the group around it.
_GROUP: Any = Struct(
    "ta" / If(lambda ctx: ctx._.td & 0x10, Int8ub),
    "tb" / If(lambda ctx: ctx._.td & 0x20, Int8ub),
    "tc" / If(lambda ctx: ctx._.td & 0x40, Int8ub),
    "td" / If(lambda ctx: ctx._.td & 0x80, Int8ub),
    "group" / If(lambda ctx: ctx.td is not None, LazyBound(lambda: _GROUP)),
)

_ATR = Struct(
    "ts" / Int8ub,
    "td" / Int8ub,
    "group" / If(lambda ctx: ctx.td & 0xF0, _GROUP),
    "historical" / Bytes(lambda ctx: ctx.td & 0x0F),
    "tck" / If(lambda ctx: _indicates_other_than_t0(ctx.group), Int8ub),
)


def _indicates_other_than_t0(group: Any) -> bool:
    while group is not None and group["td"] is not None:
        if group["td"] & 0x0F:
            return True
        group = group["group"]
    return False


class _AtrAdapter(Adapter):  # type: ignore[misc]
    def _decode(self, obj: Any, context: Any, path: str) -> Atr:
        if obj.ts not in (0x3B, 0x3F):
            raise refuse(f"TS is {obj.ts:02X}, not 3B or 3F", path)
        groups = []
        group = obj.group
        while group is not None:
            protocol = None if group.td is None else group.td & 0x0F
            groups.append(InterfaceBytes(group.ta, group.tb, group.tc, protocol))
            group = group.group
        atr = Atr(tuple(groups), obj.historical, obj.ts == 0x3F)
        expected = self._encode(atr, context, path)
        if obj.tck != expected["tck"]:
            raise refuse(f"TCK is {obj.tck:02X}, should be {expected['tck']:02X}", path)
        return atr

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        if len(obj.historical) > 15:
            raise refuse(f"{len(obj.historical)} historical bytes, at most 15", path)
        group: Any = None
        for index in range(len(obj.interface) - 1, -1, -1):
            item = obj.interface[index]
            last = index == len(obj.interface) - 1
            if (item.protocol is None) != last:
                raise refuse(f"interface group {index + 1}: TD must lead to a next group", path)
            td = None if last else _presence(obj.interface[index + 1]) | item.protocol
            group = {"ta": item.ta, "tb": item.tb, "tc": item.tc, "td": td, "group": group}
        t0 = len(obj.historical) | (_presence(obj.interface[0]) if obj.interface else 0)
        values = {
            "ts": 0x3F if obj.inverse else 0x3B,
            "td": t0,
            "group": group,
            "historical": obj.historical,
            "tck": None,
        }
        if obj.has_check_byte:
            body = _ATR.build({**values, "tck": 0})
            values["tck"] = functools.reduce(operator.xor, body[1:])
        return values


def _presence(group: InterfaceBytes) -> int:
    values = (group.ta, group.tb, group.tc, group.protocol)
    return sum(0x10 << bit for bit, value in enumerate(values) if value is not None)


def contactless_atr(historical: bytes) -> Atr:
    """The ATR a PC/SC reader reports for a contactless card (PC/SC part 3, 3.1.3.2.3).

    Raises FormatError only when built, if there are more than 15 historical bytes.
    """
    groups = (InterfaceBytes(protocol=0), InterfaceBytes(protocol=1), InterfaceBytes())
    return Atr(groups, historical)


ATR: WireFormat[Atr] = WireFormat(
    "atr",
    "ISO/IEC 7816-3:2006 8.2",
    _AtrAdapter(_ATR),
    [
        Vector("3B00", Atr(), "the shortest: T=0, all defaults"),
        Vector(
            "3B6500002063CB6800",
            Atr((InterfaceBytes(tb=0, tc=0),), bytes.fromhex("2063CB6800")),
            "T=0 only: no TCK",
        ),
        Vector(
            "3B8180018080",
            Atr(
                (InterfaceBytes(protocol=0), InterfaceBytes(protocol=1), InterfaceBytes()),
                b"\x80",
            ),
            "contactless card behind a PC/SC reader",
        ),
        Vector(
            "3BFF9600008131FE4380318065B0846566FB12017882900085",
            Atr(
                (
                    InterfaceBytes(0x96, 0x00, 0x00, 1),
                    InterfaceBytes(protocol=1),
                    InterfaceBytes(0xFE, 0x43),
                ),
                bytes.fromhex("80318065B0846566FB120178829000"),
            ),
            "T=1, IFSC 254, BWI 4, CWI 3, fifteen historical bytes",
        ),
    ],
)


# --- ATS -----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Ats:
    """Answer to select of a type A card.

    Attributes:
        fsci: 0..15, or ``None`` when T0 is absent and the ATS is its length byte alone.
        ta, tb, tc: interface bytes, ``None`` when absent (defaults then apply).
        historical: historical bytes.
    """

    fsci: int | None = 8
    ta: int | None = None
    tb: int | None = None
    tc: int | None = None
    historical: bytes = b""

    @property
    def fsc(self) -> int:
        """Most bytes of a frame the card accepts, CRC included; 32 when T0 is absent."""
        return frame_size(2 if self.fsci is None else self.fsci)

    @property
    def fwi(self) -> int:
        """Frame waiting time integer; 4 when TB is absent."""
        return 4 if self.tb is None else self.tb >> 4

    @property
    def fwt(self) -> float:
        """Frame waiting time in seconds."""
        return frame_waiting_time(self.fwi)

    @property
    def sfgi(self) -> int:
        """Start-up frame guard time integer; 0 when TB is absent or RFU."""
        sfgi = 0 if self.tb is None else self.tb & 0x0F
        return 0 if sfgi == 15 else sfgi

    @property
    def sfgt(self) -> float:
        """Seconds the reader must leave after the ATS; 0.0 when none is needed."""
        return frame_waiting_time(self.sfgi) if self.sfgi else 0.0

    @property
    def supports_cid(self) -> bool:
        """Blocks may carry a CID; true when TC is absent."""
        return self.tc is None or bool(self.tc & 0x02)

    @property
    def supports_nad(self) -> bool:
        """Blocks may carry a NAD."""
        return self.tc is not None and bool(self.tc & 0x01)


_ATS = Struct(
    "tl" / Int8ub,
    "t0" / If(lambda ctx: ctx.tl > 1, Int8ub),
    "ta" / If(lambda ctx: (ctx.t0 or 0) & 0x10, Int8ub),
    "tb" / If(lambda ctx: (ctx.t0 or 0) & 0x20, Int8ub),
    "tc" / If(lambda ctx: (ctx.t0 or 0) & 0x40, Int8ub),
    "historical" / Bytes(lambda ctx: ctx.tl - _fixed_part(ctx)),
)


def _fixed_part(ctx: Any) -> int:
    return 1 + sum(ctx[name] is not None for name in ("t0", "ta", "tb", "tc"))


class _AtsAdapter(Adapter):  # type: ignore[misc]
    def _decode(self, obj: Any, context: Any, path: str) -> Ats:
        if obj.t0 is not None and obj.t0 & 0x80:
            raise refuse(f"T0 is {obj.t0:02X}: bit 8 is RFU", path)
        fsci = None if obj.t0 is None else obj.t0 & 0x0F
        return Ats(fsci, obj.ta, obj.tb, obj.tc, obj.historical)

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        optional = (obj.ta, obj.tb, obj.tc)
        t0 = None
        if obj.fsci is not None:
            if not 0 <= obj.fsci <= 15:
                raise refuse(f"FSCI {obj.fsci} is outside 0..15", path)
            t0 = obj.fsci | sum(0x10 << i for i, v in enumerate(optional) if v is not None)
        elif obj.historical or any(value is not None for value in optional):
            raise refuse("without T0 there is nothing but the length byte", path)
        values = {"t0": t0, "ta": obj.ta, "tb": obj.tb, "tc": obj.tc}
        tl = _fixed_part(values) + len(obj.historical)
        return {"tl": tl, **values, "historical": obj.historical}


ATS: WireFormat[Ats] = WireFormat(
    "ats",
    "ISO/IEC 14443-4:2018 5.2",
    _AtsAdapter(_ATS),
    [
        Vector("01", Ats(None), "no T0: FSC 32, FWI 4, CID allowed"),
        Vector("0208", Ats(8), "no interface byte"),
        Vector("031877", Ats(8, ta=0x77), "TA only: FWI stays 4"),
        Vector("067880800280", Ats(8, 0x80, 0x80, 0x02, b"\x80"), "106 kbit/s only, FWI 8"),
        Vector("067877910280", Ats(8, 0x77, 0x91, 0x02, b"\x80"), "FWI 9, SFGI 1, CID, no NAD"),
    ],
)
