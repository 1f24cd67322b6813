"""The files of a wallet entry: identity, rights, cover, usage, signature (profile 6)."""

from __future__ import annotations

import dataclasses
import datetime
import enum

from construct import Bytes, GreedyBytes, Int8ub, Int16ub, Int32ub

from card_formats.ber_tlv import DataObject, OptionalObject, RepeatedObject, template
from card_formats.core import Vector, WireFormat
from card_formats.fields import DateBcd, EnumByte, Nibbles, OidBody, Utf8
from card_formats.nir import OID_NIR_TEST
from card_formats.organisation import Organisation, organisation_bcd
from card_formats.profile_ecv_sim_1 import Role

MAX_NAME_BYTES = 126
"""63 characters; French names need two bytes a character at most."""


class Sex(enum.IntEnum):
    MALE = 1
    FEMALE = 2


class Quality(enum.IntEnum):
    """Qualité: what a beneficiary is to the insured person (GIE data group 104)."""

    INSURED = 0
    RELATIVE = 1
    SPOUSE = 2
    DIVORCED = 3
    COHABITING = 4
    SEPARATED = 5
    CHILD = 6
    WIDOWED = 8
    OTHER = 9


@dataclasses.dataclass(frozen=True)
class Identity:
    """Who the entry is about: what the explainer allows, and no more.

    ``ins`` is the 15-character matricule with its key; ``rank`` the rang gémellaire (1 but
    for twins); ``serial`` the 8-byte serial of the e-carte.
    """

    surname: str
    first_names: str
    sex: Sex
    quality: Quality
    rank: int
    organisation: Organisation
    ins: str
    ins_oid: str
    serial: bytes
    valid_from: datetime.date
    valid_until: datetime.date


def _name() -> Utf8:
    return Utf8(GreedyBytes, MAX_NAME_BYTES, least=1)


IDENTITY: WireFormat[Identity] = WireFormat(
    "identity",
    "ecv-sim/1 6.1",
    template(
        0x65,
        Identity,
        "surname" / DataObject(0x80, _name()),
        "first_names" / DataObject(0x81, _name()),
        "sex" / DataObject(0x82, EnumByte(Sex)),
        "quality" / DataObject(0x83, EnumByte(Quality)),
        "rank" / DataObject(0x84, Int8ub),
        "organisation" / DataObject(0x85, organisation_bcd),
        "ins" / DataObject(0x93, Nibbles(15, "0123456789AB")),
        "ins_oid" / DataObject(0x94, OidBody()),
        "serial" / DataObject(0x95, Bytes(8)),
        "valid_from" / DataObject(0x96, DateBcd()),
        "valid_until" / DataObject(0x97, DateBcd()),
    ),
    [
        Vector(
            "655B8012434153414E4F56412DC3894CC38947414E54810A5A6FC3A9204D6172"
            "69658201028301008401018505019990001F9308255052A00400159F94092A81"
            "7A01815501040A95080102030405060708960420260101970420281231",
            Identity(
                "CASANOVA-ÉLÉGANT",
                "Zoé Marie",
                Sex.FEMALE,
                Quality.INSURED,
                1,
                Organisation("01", "999", "0001"),
                "255052A00400159",
                OID_NIR_TEST,
                bytes.fromhex("0102030405060708"),
                datetime.date(2026, 1, 1),
                datetime.date(2028, 12, 31),
            ),
        )
    ],
)


@dataclasses.dataclass(frozen=True)
class AmoPeriod:
    """A period of rights under the compulsory insurance (AMO). ``until`` is its last day;
    ``cover_code`` the code couverture, 5 digits."""

    valid_from: datetime.date
    valid_until: datetime.date
    cover_code: str


@dataclasses.dataclass(frozen=True)
class Rights:
    """The read-only copy of the rights, with the day it was made (profile 6.2)."""

    as_of: datetime.date
    periods: tuple[AmoPeriod, ...]


RIGHTS: WireFormat[Rights] = WireFormat(
    "rights",
    "ecv-sim/1 6.2",
    template(
        0xE1,
        Rights,
        "as_of" / DataObject(0x80, DateBcd()),
        "periods"
        / RepeatedObject(
            0xA1,
            template(
                0x30,
                AmoPeriod,
                "valid_from" / DataObject(0x80, DateBcd()),
                "valid_until" / DataObject(0x81, DateBcd()),
                "cover_code" / DataObject(0x82, Nibbles(5)),
            ).subcon,
            most=3,
        ),
    ),
    [
        Vector("E106800420261101", Rights(datetime.date(2026, 11, 1), ()), "no rights left"),
        Vector(
            "E119800420261101A111800420260101810420271231820300100F",
            Rights(
                datetime.date(2026, 11, 1),
                (AmoPeriod(datetime.date(2026, 1, 1), datetime.date(2027, 12, 31), "00100"),),
            ),
        ),
    ],
)


@dataclasses.dataclass(frozen=True)
class Mutual:
    """A complementary cover (AMC). ``number`` is the organisme's 8 digits."""

    number: str
    name: str
    contract: str
    valid_from: datetime.date
    valid_until: datetime.date


@dataclasses.dataclass(frozen=True)
class Cover:
    """Complementary covers held, with the day the copy was made (profile 6.3)."""

    as_of: datetime.date
    mutuals: tuple[Mutual, ...]


COVER: WireFormat[Cover] = WireFormat(
    "cover",
    "ecv-sim/1 6.3",
    template(
        0xE2,
        Cover,
        "as_of" / DataObject(0x80, DateBcd()),
        "mutuals"
        / RepeatedObject(
            0xA1,
            template(
                0x30,
                Mutual,
                "number" / DataObject(0x80, Nibbles(8)),
                "name" / DataObject(0x81, Utf8(GreedyBytes, 60, least=1)),
                "contract" / DataObject(0x82, Utf8(GreedyBytes, 18, least=1)),
                "valid_from" / DataObject(0x83, DateBcd()),
                "valid_until" / DataObject(0x84, DateBcd()),
            ).subcon,
            most=2,
        ),
    ),
    [
        Vector("E206800420261101", Cover(datetime.date(2026, 11, 1), ()), "none"),
        Vector(
            "E234800420261101A12C80049999999981104D757475656C6C65206465207465"
            "73748206542D30303031830420260101840420261231",
            Cover(
                datetime.date(2026, 11, 1),
                (
                    Mutual(
                        "99999999",
                        "Mutuelle de test",
                        "T-0001",
                        datetime.date(2026, 1, 1),
                        datetime.date(2026, 12, 31),
                    ),
                ),
            ),
        ),
    ],
)


class UsageKind(enum.IntEnum):
    """How the entry was used."""

    TAP = 1
    QR = 2


@dataclasses.dataclass(frozen=True)
class Use:
    """One use: counter value, epoch seconds, 11-digit professional id (zeros for a QR, whose
    reader the phone does not know), role of the terminal (None for a QR)."""

    counter: int
    time: int
    kind: UsageKind
    professional: str
    role: Role | None


@dataclasses.dataclass(frozen=True)
class Usage:
    """The usage log, newest first. It holds no medical act (profile 6.4)."""

    counter: int
    uses: tuple[Use, ...]


USAGE: WireFormat[Usage] = WireFormat(
    "usage",
    "ecv-sim/1 6.4",
    template(
        0xE3,
        Usage,
        "counter" / DataObject(0x80, Int32ub),
        "uses"
        / RepeatedObject(
            0xA1,
            template(
                0x30,
                Use,
                "counter" / DataObject(0x80, Int32ub),
                "time" / DataObject(0x81, Int32ub),
                "kind" / DataObject(0x82, EnumByte(UsageKind)),
                "professional" / DataObject(0x83, Nibbles(11)),
                "role" / OptionalObject(0x84, EnumByte(Role)),
            ).subcon,
            most=10,
        ),
    ),
    [
        Vector("E306800400000000", Usage(0, ()), "never used"),
        Vector(
            "E33B800400000002A11780040000000281046AFD872482010283060000000000"
            "0FA11A80040000000181046AFD86C0820101830610001234567F840101",
            Usage(
                2,
                (
                    Use(2, 1795000100, UsageKind.QR, "00000000000", None),
                    Use(1, 1795000000, UsageKind.TAP, "10001234567", Role.PHARMACIST),
                ),
            ),
        ),
    ],
)


@dataclasses.dataclass(frozen=True)
class FileDigest:
    """SHA-256 of the whole content of one file."""

    fid: int
    sha256: bytes


@dataclasses.dataclass(frozen=True)
class FileSignature:
    """The fund's signature over an entry's files, apart from them (profile 6.5).

    ``signer`` is the key id of the fund's data key, ``signature`` raw r || s.
    """

    serial: bytes
    signed_at: int
    digests: tuple[FileDigest, ...]
    signer: bytes
    signature: bytes


def _digest_field() -> RepeatedObject:
    return RepeatedObject(
        0xA1,
        template(
            0x30,
            FileDigest,
            "fid" / DataObject(0x80, Int16ub),
            "sha256" / DataObject(0x81, Bytes(32)),
        ).subcon,
        most=8,
    )


FILE_SIGNATURE: WireFormat[FileSignature] = WireFormat(
    "file-signature",
    "ecv-sim/1 6.5",
    template(
        0xE5,
        FileSignature,
        "serial" / DataObject(0x80, Bytes(8)),
        "signed_at" / DataObject(0x81, Int32ub),
        "digests" / _digest_field(),
        "signer" / DataObject(0x82, Bytes(8)),
        "signature" / DataObject(0x5F37, Bytes(64)),
    ),
    [
        Vector(
            "E581AD8008010203040506070881046AFD86C0A1268002EF0181201111111111"
            "111111111111111111111111111111111111111111111111111111A1268002EF"
            "0281202222222222222222222222222222222222222222222222222222222222"
            "222222820833333333333333335F374044444444444444444444444444444444"
            "4444444444444444444444444444444444444444444444444444444444444444"
            "44444444444444444444444444444444",
            FileSignature(
                bytes.fromhex("0102030405060708"),
                1795000000,
                (FileDigest(0xEF01, b"\x11" * 32), FileDigest(0xEF02, b"\x22" * 32)),
                b"\x33" * 8,
                b"\x44" * 64,
            ),
        )
    ],
)


def file_signature_input(value: FileSignature) -> bytes:
    """The bytes the fund signs: the domain string and the file without its signature."""
    unsigned = dataclasses.replace(value, signature=bytes(64))
    return b"ECV-FILES-1" + FILE_SIGNATURE.build(unsigned)
