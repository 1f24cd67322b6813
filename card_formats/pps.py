"""Protocol and parameters selection of contact cards (ISO/IEC 7816-3:2006, 9)."""

from __future__ import annotations

import dataclasses
import functools
import operator
from typing import Any

from construct import Adapter, Const, If, Int8ub, Struct

from card_formats.core import Vector, WireFormat
from card_formats.pieces import refuse


@dataclasses.dataclass(frozen=True)
class ContactPps:
    """A PPS request or answer; ``None`` leaves a byte out.

    Attributes:
        protocol: T selected, 0..14.
        rates: PPS1, coding F and D like TA1.
        spu: PPS2, use of SPU.
        rfu: PPS3.
    """

    protocol: int
    rates: int | None = None
    spu: int | None = None
    rfu: int | None = None


_PPS = Struct(
    "ppss" / Const(b"\xff"),
    "pps0" / Int8ub,
    "rates" / If(lambda ctx: ctx.pps0 & 0x10, Int8ub),
    "spu" / If(lambda ctx: ctx.pps0 & 0x20, Int8ub),
    "rfu" / If(lambda ctx: ctx.pps0 & 0x40, Int8ub),
    "pck" / Int8ub,
)


class _PpsAdapter(Adapter):  # type: ignore[misc]
    def _decode(self, obj: Any, context: Any, path: str) -> ContactPps:
        if obj.pps0 & 0x80:
            raise refuse(f"PPS0 is {obj.pps0:02X}: bit 8 is RFU", path)
        pps = ContactPps(obj.pps0 & 0x0F, obj.rates, obj.spu, obj.rfu)
        expected = self._encode(pps, context, path)["pck"]
        if obj.pck != expected:
            raise refuse(f"PCK is {obj.pck:02X}, should be {expected:02X}", path)
        return pps

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        if not 0 <= obj.protocol <= 14:
            raise refuse(f"protocol T={obj.protocol} is outside 0..14", path)
        optional = (obj.rates, obj.spu, obj.rfu)
        pps0 = obj.protocol | sum(
            0x10 << n for n, value in enumerate(optional) if value is not None
        )
        present = [value for value in optional if value is not None]
        return {
            "pps0": pps0,
            "rates": obj.rates,
            "spu": obj.spu,
            "rfu": obj.rfu,
            "pck": functools.reduce(operator.xor, [0xFF, pps0, *present]),
        }


CONTACT_PPS: WireFormat[ContactPps] = WireFormat(
    "contact_pps",
    "ISO/IEC 7816-3:2006 9.2",
    _PpsAdapter(_PPS),
    [
        Vector("FF00FF", ContactPps(0), "T=0, default rates"),
        Vector("FF01FE", ContactPps(1), "T=1, default rates"),
        Vector("FF119678", ContactPps(1, 0x96), "T=1, F=512 and D=32, as libccid sends it"),
        Vector("FF301100DE", ContactPps(0, 0x11, 0x00), "with PPS2"),
    ],
)
