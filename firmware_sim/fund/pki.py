"""Keys and certificates (profile 3): P-256, raw signatures, X.509 as the profile has it."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from card_formats import ber_tlv
from card_formats.profile_ecv_sim_1 import (
    OID_CARD_SERIAL,
    OID_KEY_PURPOSE,
    OID_TERMINAL_ROLE,
    KeyPurpose,
)
from firmware_sim.seam import RandomBytes

_CURVE = ec.SECP256R1()
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# Deterministic (RFC 6979), so that the same seed makes the same certificates and tokens.
_SIGNING = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
_PSEUDONYM = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ecv-pseudonym")])
AGREEMENT_WEEKS = 208


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Validity of a certificate, both ends in UTC."""

    start: datetime.datetime
    end: datetime.datetime


def new_scalar(random_bytes: RandomBytes) -> bytes:
    """A private key of P-256, 32 bytes; 40 random bytes keep the bias out of sight."""
    return (int.from_bytes(random_bytes(40), "big") % (_ORDER - 1) + 1).to_bytes(32, "big")


def private_key(scalar: bytes) -> ec.EllipticCurvePrivateKey:
    """The key with this scalar."""
    return ec.derive_private_key(int.from_bytes(scalar, "big"), _CURVE)


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """Uncompressed point, 65 bytes."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def compressed(point: bytes) -> bytes:
    """Compressed form, 33 bytes, of an uncompressed point."""
    return bytes([2 + point[-1] % 2]) + point[1:33]


def public_key(point: bytes) -> ec.EllipticCurvePublicKey:
    """The key with this point, in either form.

    Raises:
        ValueError: not a point of P-256.
    """
    return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, point)


def key_id(material: bytes) -> bytes:
    """Key id of profile 3: of an uncompressed point, or of an X25519 key's 32 bytes."""
    return hashlib.sha256(material).digest()[:8]


def sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """ECDSA with SHA-256, raw r || s."""
    r, s = decode_dss_signature(key.sign(data, _SIGNING))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def is_signed(point: bytes, data: bytes, signature: bytes) -> bool:
    """Whether the raw ``signature`` over ``data`` was made with the key of ``point``."""
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    try:
        public_key(point).verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def common_name(text: str) -> x509.Name:
    """A subject with nothing but a name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def terminal_name(professional: str) -> x509.Name:
    """Subject of a terminal certificate (profile 3.3)."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, f"TEST terminal of {professional}"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, professional),
        ]
    )


def _extension(oid: str, tag: int, value: bytes) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), ber_tlv.encode(tag, value))


def purpose_extension(purpose: KeyPurpose) -> x509.UnrecognizedExtension:
    """Key purpose (profile 3.2)."""
    return _extension(OID_KEY_PURPOSE, 0x02, bytes([purpose]))


def role_extension(role: int) -> x509.UnrecognizedExtension:
    """Terminal role; any number up to 127, for roles that do not exist as well."""
    return _extension(OID_TERMINAL_ROLE, 0x02, bytes([role]))


def serial_extension(serial: bytes) -> x509.UnrecognizedExtension:
    """Card serial."""
    return _extension(OID_CARD_SERIAL, 0x04, serial)


def week_bounds(now: float) -> Bounds:
    """Validity of agreement certificates: the same for all phones of one ISO week, and longer
    than a card is valid, so that an expired card still authenticates."""
    today = datetime.datetime.fromtimestamp(now, datetime.UTC).date()
    monday = datetime.datetime.combine(
        today - datetime.timedelta(days=today.weekday()), datetime.time(), datetime.UTC
    )
    return Bounds(monday, monday + datetime.timedelta(weeks=AGREEMENT_WEEKS))


def _usage(*names: str) -> x509.KeyUsage:
    every = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: name in names for name in every})


_LEAF = x509.BasicConstraints(ca=False, path_length=None)
_AUTHORITY = x509.BasicConstraints(ca=True, path_length=None)
_CERTIFIES = _usage("key_cert_sign", "crl_sign")
_AGREES = _usage("key_agreement")
_SIGNS = _usage("digital_signature")
_AGREEMENT_PURPOSES = {KeyPurpose.TERMINAL_AGREEMENT, KeyPurpose.CARD_AGREEMENT}


class Issuer:
    """A certification authority: its name, its key, and certificates it issues."""

    def __init__(
        self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, random: RandomBytes
    ) -> None:
        self.certificate = certificate
        self.key = key
        self._random_bytes = random
        self._key_identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())

    @property
    def der(self) -> bytes:
        """The authority's own certificate."""
        return der(self.certificate)

    @classmethod
    def self_signed(
        cls,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        bounds: Bounds,
        random: RandomBytes,
    ) -> Issuer:
        """A new root."""
        public = key.public_key()
        builder = (
            _builder(subject, subject, public, bounds, _serial_number(random))
            .add_extension(_AUTHORITY, critical=True)
            .add_extension(_CERTIFIES, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )
        return cls(_signed(builder, key), key, random)

    def authority(self, name: str, key: ec.EllipticCurvePrivateKey, bounds: Bounds) -> Issuer:
        """A new authority below this one."""
        public = key.public_key()
        builder = (
            self._start(common_name(name), public, bounds)
            .add_extension(_AUTHORITY, critical=True)
            .add_extension(_CERTIFIES, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )
        return Issuer(_signed(builder, self.key), key, self._random_bytes)

    def leaf(
        self,
        subject: x509.Name,
        public: ec.EllipticCurvePublicKey,
        bounds: Bounds,
        purpose: KeyPurpose,
        extensions: Sequence[x509.UnrecognizedExtension] = (),
    ) -> x509.Certificate:
        """A certificate for one purpose."""
        usage = _AGREES if purpose in _AGREEMENT_PURPOSES else _SIGNS
        builder = (
            self._start(subject, public, bounds)
            .add_extension(_LEAF, critical=True)
            .add_extension(usage, critical=True)
            .add_extension(purpose_extension(purpose), critical=False)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return _signed(builder, self.key)

    def pseudonymous(self, public: ec.EllipticCurvePublicKey, bounds: Bounds) -> bytes:
        """A card agreement certificate (profile 3.2), DER: it tells nobody's from another's."""
        return der(self.leaf(_PSEUDONYM, public, bounds, KeyPurpose.CARD_AGREEMENT))

    def _start(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey, bounds: Bounds
    ) -> x509.CertificateBuilder:
        issuer = self.certificate.subject
        number = _serial_number(self._random_bytes)
        return _builder(subject, issuer, public, bounds, number).add_extension(
            self._key_identifier, critical=False
        )


def der(certificate: x509.Certificate) -> bytes:
    """The certificate in DER."""
    return certificate.public_bytes(Encoding.DER)


def pem(certificate: x509.Certificate) -> str:
    """The certificate in PEM."""
    return certificate.public_bytes(Encoding.PEM).decode()


def _serial_number(random_bytes: RandomBytes) -> int:
    # 16 bytes whose first is neither 00 nor above 7F: always 16 bytes in DER.
    return int.from_bytes(random_bytes(16), "big") & (1 << 126) - 1 | 1 << 126


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    bounds: Bounds,
    number: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(number)
        .not_valid_before(bounds.start)
        .not_valid_after(bounds.end)
    )


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    return builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)
