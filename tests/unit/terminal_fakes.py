"""A fund and a card written from docs/profile.md for the terminal's tests, apart from both sides.

Nothing here imports ``reader_drivers.terminal`` or ``firmware_sim``: where the terminal and these
fakes agree, the profile says so.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID, ObjectIdentifier

from card_formats.ber_tlv import encode
from card_formats.data_objects import (
    COVER,
    FILE_SIGNATURE,
    IDENTITY,
    RIGHTS,
    AmoPeriod,
    Cover,
    FileDigest,
    FileSignature,
    Identity,
    Quality,
    Rights,
    Sex,
    file_signature_input,
)
from card_formats.grant import GRANT, DelegationGrant, fund_input, roles_bitmap
from card_formats.nir import OID_NIR_TEST
from card_formats.opposition_list import (
    OPPOSITION_LIST,
    OppositionList,
    SignedOppositionList,
    Status,
    pack_statuses,
    signing_input,
)
from card_formats.organisation import Organisation
from card_formats.profile_ecv_sim_1 import Fid, KeyPurpose, Marker, Role
from card_formats.qr_token import QrCredential, credential_input

NOW = 1_795_000_000
DAY = 86_400
TODAY = datetime.datetime.fromtimestamp(NOW, datetime.UTC).date()
PROFESSIONAL = "10001234567"
CODE = "246801"

OWN = bytes.fromhex("0102030405060708")
CHILD = bytes.fromhex("1112131415161718")
DELEGATOR = bytes.fromhex("2122232425262728")
OWN_INDEX, CHILD_INDEX, DELEGATED_INDEX, GRANT_INDEX = 7, 8, 9, 12

Key = ec.EllipticCurvePrivateKey


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def point(key: Key | ec.EllipticCurvePublicKey) -> bytes:
    public = key.public_key() if isinstance(key, ec.EllipticCurvePrivateKey) else key
    return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def key_id(key: Key) -> bytes:
    return hashlib.sha256(point(key)).digest()[:8]


def sign(key: Key, message: bytes) -> bytes:
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def name(text: str, serial_number: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, text)]
    if serial_number:
        parts.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, serial_number))
    return x509.Name(parts)


@dataclasses.dataclass
class Authority:
    key: Key
    certificate: x509.Certificate

    @property
    def name(self) -> x509.Name:
        return self.certificate.subject


def certify(
    subject: x509.Name,
    key: Any,
    issuer: x509.Name,
    issuer_key: Key,
    *,
    ca: bool | None = False,
    purpose: int | None = None,
    serial: bytes | None = None,
    role: int | None = None,
    begins: float = NOW - 30 * DAY,
    ends: float = NOW + 365 * DAY,
    path_length: int | None = None,
    critical: str | None = None,
    usage: x509.KeyUsage | None = None,
    digest: Any = None,
) -> x509.Certificate:
    """An X.509 certificate as in profile 3; every rule of it can be bent by an argument."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime.fromtimestamp(begins, datetime.UTC))
        .not_valid_after(datetime.datetime.fromtimestamp(ends, datetime.UTC))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    values = {
        "2.999.250.1.1": None if role is None else encode(0x02, bytes([role])),
        "2.999.250.1.2": None if serial is None else encode(0x04, serial),
        "2.999.250.1.3": None if purpose is None else encode(0x02, bytes([purpose])),
        critical or "": None if critical is None else b"\x05\x00",
    }
    for oid, value in values.items():
        if value is not None:
            extension = x509.UnrecognizedExtension(ObjectIdentifier(oid), value)
            builder = builder.add_extension(extension, critical=oid == critical)
    return builder.sign(issuer_key, digest or hashes.SHA256())


class FakeFund:
    """Keys and certificates of profile 3.1, and all that the fund signs."""

    def __init__(self) -> None:
        self.root = self._self_signed("Test fund root CA")
        self.issuing = self.authority("Test fund issuing CA", self.root)
        self.terminal_ca = self._self_signed("Test terminal CA")
        self.terminal_sub_ca = self.authority("Test terminal sub-CA", self.terminal_ca)
        self.data = self.leaf("Test fund data key", self.issuing, KeyPurpose.FUND_DATA)
        self.opposition = self.leaf("Test opposition", self.root, KeyPurpose.FUND_OPPOSITION)
        self.group_key = X25519PrivateKey.generate()
        self.group_key_id = b"\x88" * 8

    def _self_signed(self, text: str) -> Authority:
        key = new_key()
        return Authority(key, certify(name(text), key, name(text), key, ca=True))

    def authority(self, text: str, issuer: Authority, **bent: Any) -> Authority:
        key = new_key()
        bent.setdefault("ca", True)
        return Authority(key, certify(name(text), key, issuer.name, issuer.key, **bent))

    def leaf(self, text: str, issuer: Authority, purpose: int | None, **bent: Any) -> Authority:
        key = bent.pop("key", None) or new_key()
        return Authority(
            key, certify(name(text), key, issuer.name, issuer.key, purpose=purpose, **bent)
        )

    def kit(self, role: Role = Role.PHARMACIST, **changes: Any) -> dict[str, Any]:
        key = new_key()
        certificate = certify(
            name("Test pharmacy", PROFESSIONAL),
            key,
            self.terminal_sub_ca.name,
            self.terminal_sub_ca.key,
            purpose=KeyPurpose.TERMINAL_AGREEMENT,
            role=role,
            begins=changes.pop("begins", NOW - DAY),
            ends=changes.pop("ends", NOW + DAY),
        )
        group_private = self.group_key.private_bytes_raw().hex()
        return {
            "format": "ecv-terminal-kit/1",
            "profile": "ecv-sim/1",
            "professional": PROFESSIONAL,
            "role": int(role),
            "private_key_pem": key.private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            ).decode(),
            "certificates_pem": [pem(self.terminal_sub_ca.certificate), pem(certificate)],
            "fund_root_pem": pem(self.root.certificate),
            "fund_issuing_pem": [pem(self.issuing.certificate)],
            "fund_data_keys": {key_id(self.data.key).hex(): pem(self.data.certificate)},
            "opposition_signer_pem": pem(self.opposition.certificate),
            "group_keys": {self.group_key_id.hex(): group_private},
            **changes,
        }

    def opposition_list(
        self,
        statuses: dict[int, Status] | None = None,
        *,
        issued_at: int = NOW - 60,
        ttl: int = DAY,
        expires_at: int = NOW + 30 * DAY,
        key: Key | None = None,
        key_name: str | None = None,
    ) -> bytes:
        signer = key or self.opposition.key
        claims = OppositionList(
            key_name or key_id(self.opposition.key).hex(),
            "urn:ecv-sim:opposition",
            issued_at,
            expires_at,
            ttl,
            pack_statuses(statuses or {}, 64),
        )
        message = signing_input(claims)
        return OPPOSITION_LIST.build(SignedOppositionList(claims, message, sign(signer, message)))

    def sign_files(
        self, serial: bytes, files: dict[int, bytes], key: Key | None = None, **changes: Any
    ) -> bytes:
        signer = key or self.data.key
        digests = tuple(
            FileDigest(fid, hashlib.sha256(files[fid]).digest())
            for fid in (Fid.IDENTITY, Fid.RIGHTS, Fid.COVER)
        )
        value = FileSignature(serial, NOW - DAY, digests, key_id(self.data.key), bytes(64))
        value = dataclasses.replace(value, **changes)
        value = dataclasses.replace(value, signature=sign(signer, file_signature_input(value)))
        return FILE_SIGNATURE.build(value)

    def grant(self, key: Key | None = None, **changes: Any) -> bytes:
        value = DelegationGrant(
            grant_id=b"\xa1" * 8,
            delegator=DELEGATOR,
            delegate=OWN,
            valid_from=NOW - DAY,
            valid_until=NOW + 9 * DAY,
            issued_at=NOW - DAY,
            entries=(DELEGATOR,),
            roles=roles_bitmap(Role.PHARMACIST),
            status_index=GRANT_INDEX,
            delegator_signature=b"\xb2" * 64,
            fund_key_id=key_id(self.data.key),
            fund_signature=bytes(64),
        )
        value = dataclasses.replace(value, **changes)
        signature = sign(key or self.data.key, fund_input(value))
        return GRANT.build(dataclasses.replace(value, fund_signature=signature))

    def credential(self, phone: Key, key: Key | None = None, **changes: Any) -> QrCredential:
        value = QrCredential(
            marker=Marker.TEST,
            serial=OWN,
            status_index=OWN_INDEX,
            valid_until=TODAY + datetime.timedelta(days=300),
            ins="255052A00400159",
            organisation=Organisation("01", "999", "0001"),
            sex=Sex.FEMALE,
            quality=Quality.INSURED,
            rank=1,
            surname="TESTE",
            first_names="Zoé",
            delegation=None,
            extension=b"",
            phone_key=phone.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint),
            fund_signature=bytes(64),
        )
        value = dataclasses.replace(value, **changes)
        message = credential_input(key_id(self.data.key), value)
        return dataclasses.replace(value, fund_signature=sign(key or self.data.key, message))


def identity(serial: bytes, **changes: Any) -> Identity:
    value = Identity(
        surname="TESTÉ",
        first_names="Zoé Marie",
        sex=Sex.FEMALE,
        quality=Quality.INSURED,
        rank=1,
        organisation=Organisation("01", "999", "0001"),
        ins="255052A00400159",
        ins_oid=OID_NIR_TEST,
        serial=serial,
        valid_from=TODAY - datetime.timedelta(days=300),
        valid_until=TODAY + datetime.timedelta(days=300),
    )
    return dataclasses.replace(value, **changes)


def rights(until: datetime.date = TODAY + datetime.timedelta(days=90)) -> Rights:
    return Rights(TODAY, (AmoPeriod(TODAY - datetime.timedelta(days=200), until, "00100"),))


def entry_files(fund: FakeFund, serial: bytes, **changes: Any) -> dict[int, bytes]:
    """The files of one entry, signed; ``changes`` are fields of the identity."""
    files: dict[int, bytes] = {
        Fid.IDENTITY: IDENTITY.build(identity(serial, **changes)),
        Fid.RIGHTS: RIGHTS.build(rights()),
        Fid.COVER: COVER.build(Cover(TODAY, ())),
    }
    files[Fid.SIGNATURE] = fund.sign_files(serial, files)
    return files


def seeded(seed: int = 1) -> Callable[[int], bytes]:
    import random

    return random.Random(seed).randbytes


def chain_bytes(certificates: Sequence[x509.Certificate]) -> bytes:
    return b"".join(der(certificate) for certificate in certificates)
