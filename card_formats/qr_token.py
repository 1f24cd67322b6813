"""The QR token ``ECV1:`` (profile 9): header, credential in the clear or sealed, signature."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from typing import Any

import base45
import construct
from construct import (
    BitsInteger,
    BitStruct,
    Bytes,
    Const,
    GreedyBytes,
    If,
    Int8ub,
    Int16ub,
    Int32ub,
    Prefixed,
)

from card_formats.core import FormatError, Record, Vector, WireFormat
from card_formats.data_objects import Quality, Sex
from card_formats.fields import DateBcd, EnumByte, Nibbles, Utf8
from card_formats.organisation import Organisation, organisation_bcd
from card_formats.profile_ecv_sim_1 import Marker

TEXT_PREFIX = "ECV1:"
MAX_SURNAME_BYTES = 17
MAX_FIRST_NAMES_BYTES = 10
"""Names are cut to fit QR version 17 with the worst form; the INS identifies, not the name."""


class QrForm(enum.IntEnum):
    """What the token discloses (profile 9.1)."""

    ONLINE = 0
    SEALED = 1
    CLEAR = 2


@dataclasses.dataclass(frozen=True)
class QrFlags:
    form: QrForm
    delegated: bool
    device_signed: bool
    marker: Marker


@dataclasses.dataclass(frozen=True)
class QrHeader:
    """Common part. ``issuer_key_id`` names the fund's data key; ``subject`` is a one-time
    pseudonym (online, sealed) or the card serial (clear); ``issued`` epoch seconds,
    ``lifetime`` seconds; ``counter`` rises with every token of a phone."""

    flags: QrFlags
    issuer_key_id: bytes
    subject: bytes
    issued: int
    lifetime: int
    counter: int
    nonce: bytes


class _Flags(construct.Adapter):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(
            BitStruct(
                "reserved" / BitsInteger(2),
                "marker" / BitsInteger(2),
                "device_signed" / BitsInteger(1),
                "delegated" / BitsInteger(1),
                "form" / BitsInteger(2),
            )
        )

    def _decode(self, obj: Any, context: Any, path: str) -> QrFlags:
        if obj.reserved:
            raise construct.MappingError("reserved flag bits are set", path=path)
        return QrFlags(
            QrForm(obj.form), bool(obj.delegated), bool(obj.device_signed), Marker(obj.marker)
        )

    def _encode(self, obj: QrFlags, context: Any, path: str) -> dict[str, int]:
        return {
            "reserved": 0,
            "marker": obj.marker,
            "device_signed": obj.device_signed,
            "delegated": obj.delegated,
            "form": obj.form,
        }


_header = Record(
    QrHeader,
    "version" / Const(b"\x01"),
    "algorithm" / Const(b"\x01"),
    "flags" / _Flags(),
    "issuer_key_id" / Bytes(8),
    "subject" / Bytes(8),
    "issued" / Int32ub,
    "lifetime" / Int16ub,
    "counter" / Int32ub,
    "nonce" / Bytes(8),
)


@dataclasses.dataclass(frozen=True)
class QrDelegation:
    """The grant as far as an offline verifier needs it (profile 9.4)."""

    grant_id: bytes
    delegator: bytes
    valid_from: int
    valid_until: int
    roles: int
    status_index: int


@dataclasses.dataclass(frozen=True)
class QrCredential:
    """What the fund certifies, ahead of time, for one wallet entry of one phone.

    ``phone_key`` is the compressed P-256 point whose private key signs the token;
    ``fund_signature`` raw r || s over :func:`credential_input`.
    """

    marker: Marker
    serial: bytes
    status_index: int
    valid_until: datetime.date
    ins: str
    organisation: Organisation
    sex: Sex
    quality: Quality
    rank: int
    surname: str
    first_names: str
    delegation: QrDelegation | None
    extension: bytes
    phone_key: bytes
    fund_signature: bytes


class _OptionalDelegation(construct.Construct):  # type: ignore[misc]
    """A byte 00 or 01, then the delegation block when it is 01."""

    _block = Record(
        QrDelegation,
        "grant_id" / Bytes(8),
        "delegator" / Bytes(8),
        "valid_from" / Int32ub,
        "valid_until" / Int32ub,
        "roles" / Int16ub,
        "status_index" / Int32ub,
    )

    def _parse(self, stream: Any, context: Any, path: str) -> QrDelegation | None:
        present = Int8ub._parsereport(stream, context, path)
        if present > 1:
            raise construct.MappingError(f"{present:02X} is neither 00 nor 01", path=path)
        return self._block._parsereport(stream, context, path) if present else None

    def _build(self, obj: QrDelegation | None, stream: Any, context: Any, path: str) -> Any:
        Int8ub._build(obj is not None, stream, context, path)
        if obj is not None:
            self._block._build(obj, stream, context, path)
        return obj


_credential = Record(
    QrCredential,
    "marker" / EnumByte(Marker),
    "serial" / Bytes(8),
    "status_index" / Int32ub,
    "valid_until" / DateBcd(),
    "ins" / Nibbles(15, "0123456789AB"),
    "organisation" / organisation_bcd,
    "sex" / EnumByte(Sex),
    "quality" / EnumByte(Quality),
    "rank" / Int8ub,
    "surname" / Utf8(Prefixed(Int8ub, GreedyBytes), MAX_SURNAME_BYTES, least=1),
    "first_names" / Utf8(Prefixed(Int8ub, GreedyBytes), MAX_FIRST_NAMES_BYTES, least=1),
    "delegation" / _OptionalDelegation(),
    "extension" / Prefixed(Int8ub, GreedyBytes),
    "phone_key" / Bytes(33),
    "fund_signature" / Bytes(64),
)


@dataclasses.dataclass(frozen=True)
class SealedCredential:
    """A credential sealed with HPKE to the terminals' group key; ``ciphertext`` is enc || ct."""

    group_key_id: bytes
    ciphertext: bytes


@dataclasses.dataclass(frozen=True)
class QrToken:
    """A whole token. Exactly the parts that ``header.flags`` announces are present."""

    header: QrHeader
    credential: QrCredential | None
    sealed: SealedCredential | None
    device_signature: bytes | None


class _Parts(Record):
    """Checks when building that the parts present are those that the flags announce."""

    def _encode(self, obj: QrToken, context: Any, path: str) -> Any:
        flags = obj.header.flags
        announced = (
            flags.form is QrForm.CLEAR,
            flags.form is QrForm.SEALED,
            flags.device_signed,
        )
        present = tuple(
            part is not None for part in (obj.credential, obj.sealed, obj.device_signature)
        )
        if announced != present:
            raise construct.MappingError("the parts are not those of the flags", path=path)
        return super()._encode(obj, context, path)


_SAMPLE_HEADER = QrHeader(
    QrFlags(QrForm.ONLINE, False, True, Marker.TEST),
    b"\x33" * 8,
    b"\x77" * 8,
    1795000000,
    120,
    1,
    b"\x99" * 8,
)
_SAMPLE_CREDENTIAL = QrCredential(
    Marker.TEST,
    bytes.fromhex("0102030405060708"),
    7,
    datetime.date(2028, 12, 31),
    "255052A00400159",
    Organisation("01", "999", "0001"),
    Sex.FEMALE,
    Quality.INSURED,
    1,
    "EXEMPLE-ÉLÉGANT",
    "Zoé Marie",
    None,
    b"",
    b"\x02" + b"\x55" * 32,
    b"\x66" * 64,
)
_SAMPLE_DELEGATION = QrDelegation(
    b"\xa1" * 8, bytes.fromhex("0102030405060708"), 1795000000, 1795864000, 0x0006, 12
)

QR_CREDENTIAL: WireFormat[QrCredential] = WireFormat(
    "qr-credential",
    "ecv-sim/1 9.3",
    _credential,
    [
        Vector(
            "0101020304050607080000000720281231255052A00400159F019990001F0200"
            "01114558454D504C452DC3894CC38947414E540A5A6FC3A9204D617269650000"
            "0255555555555555555555555555555555555555555555555555555555555555"
            "5566666666666666666666666666666666666666666666666666666666666666"
            "6666666666666666666666666666666666666666666666666666666666666666"
            "66",
            _SAMPLE_CREDENTIAL,
        ),
        Vector(
            "0101020304050607080000000720281231255052A00400159F019990001F0200"
            "01114558454D504C452DC3894CC38947414E540A5A6FC3A9204D6172696501A1"
            "A1A1A1A1A1A1A101020304050607086AFD86C06B0AB5C000060000000C000255"
            "5555555555555555555555555555555555555555555555555555555555555566"
            "6666666666666666666666666666666666666666666666666666666666666666"
            "66666666666666666666666666666666666666666666666666666666666666",
            dataclasses.replace(_SAMPLE_CREDENTIAL, delegation=_SAMPLE_DELEGATION),
            "delegated",
        ),
    ],
)

QR_TOKEN: WireFormat[QrToken] = WireFormat(
    "qr-token",
    "ecv-sim/1 9.2",
    _Parts(
        QrToken,
        "header" / _header,
        "credential" / If(lambda c: c.header.flags.form is QrForm.CLEAR, _credential),
        "sealed"
        / If(
            lambda c: c.header.flags.form is QrForm.SEALED,
            Record(
                SealedCredential,
                "group_key_id" / Bytes(8),
                "ciphertext" / Prefixed(Int16ub, GreedyBytes),
            ),
        ),
        "device_signature" / If(lambda c: c.header.flags.device_signed, Bytes(64)),
    ),
    [
        Vector(
            "010118333333333333333377777777777777776AFD86C0007800000001999999"
            "9999999999444444444444444444444444444444444444444444444444444444"
            "4444444444444444444444444444444444444444444444444444444444444444"
            "4444444444",
            QrToken(_SAMPLE_HEADER, None, None, b"\x44" * 64),
            "online",
        ),
        Vector(
            "010119333333333333333377777777777777776AFD86C0007800000001999999"
            "999999999988888888888888880050EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE"
            "EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE"
            "EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE44"
            "4444444444444444444444444444444444444444444444444444444444444444"
            "44444444444444444444444444444444444444444444444444444444444444",
            QrToken(
                dataclasses.replace(
                    _SAMPLE_HEADER, flags=QrFlags(QrForm.SEALED, False, True, Marker.TEST)
                ),
                None,
                SealedCredential(b"\x88" * 8, b"\xee" * 80),
                b"\x44" * 64,
            ),
            "sealed",
        ),
        Vector(
            "010122333333333333333377777777777777776AFD86C0007800000001999999"
            "99999999990201020304050607080000000720281231255052A00400159F0199"
            "90001F020001114558454D504C452DC3894CC38947414E540A5A6FC3A9204D61"
            "7269650000025555555555555555555555555555555555555555555555555555"
            "5555555555556666666666666666666666666666666666666666666666666666"
            "6666666666666666666666666666666666666666666666666666666666666666"
            "666666666666",
            QrToken(
                dataclasses.replace(
                    _SAMPLE_HEADER, flags=QrFlags(QrForm.CLEAR, False, False, Marker.DEMONSTRATION)
                ),
                dataclasses.replace(_SAMPLE_CREDENTIAL, marker=Marker.DEMONSTRATION),
                None,
                None,
            ),
            "clear, not signed by the phone",
        ),
    ],
)

QR_HEADER: WireFormat[QrHeader] = WireFormat(
    "qr-header",
    "ecv-sim/1 9.2",
    _header,
    [
        Vector(
            "010118333333333333333377777777777777776AFD86C00078000000019999999999999999",
            _SAMPLE_HEADER,
        )
    ],
)


def credential_input(issuer_key_id: bytes, credential: QrCredential) -> bytes:
    """The bytes the fund signs: domain string, its key id, credential with a zero signature."""
    unsigned = dataclasses.replace(credential, fund_signature=bytes(64))
    return b"ECV-CRED-1" + issuer_key_id + QR_CREDENTIAL.build(unsigned)


def device_input(token: QrToken) -> bytes:
    """The bytes the phone signs: the text prefix and the token with a zero signature."""
    return TEXT_PREFIX.encode() + QR_TOKEN.build(
        dataclasses.replace(token, device_signature=bytes(64))
    )


def sealing_info(header: QrHeader, group_key_id: bytes) -> bytes:
    """HPKE ``info``: binds the sealed credential to its header and group."""
    return b"ECV-SEAL-1" + QR_HEADER.build(header) + group_key_id


def to_text(token: QrToken) -> str:
    """The text of the QR code: prefix and base45 (RFC 9285), alphanumeric mode throughout."""
    return TEXT_PREFIX + str(base45.b45encode(QR_TOKEN.build(token)), "ascii")


def from_text(text: str) -> QrToken:
    """Parse the text of a QR code.

    Raises:
        FormatError: another kind of code, damaged base45, or a damaged token.
    """
    if not text.startswith(TEXT_PREFIX):
        raise FormatError("qr-text", "prefix", 0, f"a token begins with {TEXT_PREFIX}")
    body = text[len(TEXT_PREFIX) :]
    try:
        raw = base45.b45decode(body)
    except ValueError as error:
        raise FormatError("qr-text", "base45", None, str(error)) from error
    if base45.b45encode(raw).decode() != body:
        raise FormatError("qr-text", "base45", None, "not in its one encoding")
    return QR_TOKEN.parse(raw)


def cut_name(name: str, most: int) -> str:
    """The longest prefix of ``name`` that takes at most ``most`` bytes of UTF-8."""
    return name.encode()[:most].decode(errors="ignore").rstrip()
