"""NIR and INS: the French social security number, its key, and its identity OIDs.

15 characters: sex 1, year 2, month 2, département 2 (``2A``/``2B`` for Corsica), commune 3,
order 3, key 2. Provisional numbers (NIA) begin with 7 or 8; births of unknown month carry
the months 20-42 and 50-99, which are valid.
"""

from __future__ import annotations

import dataclasses

from card_formats.core import FormatError, Vector, WireFormat
from card_formats.fields import Nibbles

OID_NIR = "1.2.250.1.213.1.4.8"
OID_NIA = "1.2.250.1.213.1.4.9"
OID_NIR_TEST = "1.2.250.1.213.1.4.10"
OID_NIR_DEMONSTRATION = "1.2.250.1.213.1.4.11"

INS_OIDS = {
    OID_NIR: "NIR",
    OID_NIA: "NIA",
    OID_NIR_TEST: "NIR, test",
    OID_NIR_DEMONSTRATION: "NIR, demonstration",
}

_CORSICA = {"2A": "19", "2B": "18"}


@dataclasses.dataclass(frozen=True)
class Nir:
    """A NIR taken apart. ``key`` is the two-digit control key."""

    sex: str
    year: str
    month: str
    departement: str
    commune: str
    order: str
    key: str

    def __str__(self) -> str:
        return (
            self.sex
            + self.year
            + self.month
            + self.departement
            + self.commune
            + self.order
            + self.key
        )

    @property
    def is_provisional(self) -> bool:
        """A NIA: allotted while the civil status is being certified."""
        return self.sex in "78"


def nir_key(body: str) -> str:
    """Return the key of the 13 characters of a NIR: 97 minus the number modulo 97."""
    digits = body[:5] + _CORSICA.get(body[5:7], body[5:7]) + body[7:]
    if len(body) != 13 or not digits.isascii() or not digits.isdecimal():
        raise FormatError("nir", "", None, f"{body!r} is not 13 characters of a NIR")
    return f"{97 - int(digits) % 97:02d}"


def parse_nir(text: str) -> Nir:
    """Take a 15-character NIR apart; spaces are allowed.

    Raises:
        FormatError: wrong length, character, first digit, month or key.
    """
    compact = text.replace(" ", "").upper()
    if len(compact) != 15:
        raise FormatError("nir", "", None, f"{len(compact)} characters, a NIR has 15")
    body, key = compact[:13], compact[13:]
    expected = nir_key(body)
    if key != expected:
        raise FormatError("nir", "key", 13, f"key {key} is wrong, {expected} is right")
    if body[0] not in "123478":
        raise FormatError("nir", "sex", 0, f"first digit {body[0]} is none of 1 2 3 4 7 8")
    month = int(body[3:5])
    if not (1 <= month <= 13 or 20 <= month <= 42 or 50 <= month <= 99):
        raise FormatError("nir", "month", 3, f"month {body[3:5]} is not allotted")
    return Nir(body[0], body[1:3], body[3:5], body[5:7], body[7:10], body[10:13], key)


INS_MATRICULE: WireFormat[str] = WireFormat(
    "ins-matricule",
    "ecv-sim/1 6.1",
    Nibbles(15, "0123456789AB"),
    [
        Vector("279035121518989F", "279035121518989", "public sample of the ANS"),
        Vector("1550 52A0 0400 174F", "15505 2A004001 74".replace(" ", ""), "Corse-du-Sud"),
    ],
)
"""The 15 characters as nibbles, the letters of Corsica kept, padded with F to 8 bytes."""
