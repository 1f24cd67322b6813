"""Organisations of the health insurance: régime 2, caisse 3, centre 4 digits."""

from __future__ import annotations

import dataclasses

from card_formats.core import Vector, WireFormat
from card_formats.fields import Nibbles


@dataclasses.dataclass(frozen=True)
class Organisation:
    """Code of the fund an insured person belongs to."""

    regime: str
    caisse: str
    centre: str

    def __post_init__(self) -> None:
        for value, size in ((self.regime, 2), (self.caisse, 3), (self.centre, 4)):
            if len(value) != size or not value.isascii() or not value.isdecimal():
                raise ValueError(f"organisation {self}: {value!r} is not {size} digits")

    def __str__(self) -> str:
        return f"{self.regime} {self.caisse} {self.centre}"


class _OrganisationBcd(Nibbles):
    def __init__(self) -> None:
        super().__init__(9)

    def _decode(self, obj: bytes, context: object, path: str) -> Organisation:  # type: ignore[override]
        digits = super()._decode(obj, context, path)
        return Organisation(digits[:2], digits[2:5], digits[5:])

    def _encode(self, obj: Organisation, context: object, path: str) -> bytes:  # type: ignore[override]
        return super()._encode(obj.regime + obj.caisse + obj.centre, context, path)


organisation_bcd = _OrganisationBcd()
"""Nine digits as nibbles, padded with F to 5 bytes."""

ORGANISATION: WireFormat[Organisation] = WireFormat(
    "organisation",
    "ecv-sim/1 6.1",
    organisation_bcd,
    [Vector("019990001F", Organisation("01", "999", "0001"), "the GIE's test caisse")],
)
