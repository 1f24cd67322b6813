"""Keys, certificates and what the fund vouches for (profile 3)."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Mapping, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtensionOID

from card_formats import ber_tlv
from card_formats.core import FormatError
from card_formats.profile_ecv_sim_1 import OID_CARD_SERIAL, OID_KEY_PURPOSE, KeyPurpose
from reader_drivers.terminal.errors import TrustError
from reader_drivers.terminal.verdict import Reason

MAX_PATH = 4
"""Certificates between a leaf and the root, both counted."""

_DER_INTEGER = 0x02
_DER_OCTET_STRING = 0x04
_DER_SEQUENCE = 0x30
_UNDERSTOOD = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
}


def encoded_point(key: ec.EllipticCurvePublicKey) -> bytes:
    """The uncompressed point, 65 bytes."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def key_id(key: ec.EllipticCurvePublicKey) -> bytes:
    """Key id of profile 3: 8 bytes."""
    return hashlib.sha256(encoded_point(key)).digest()[:8]


def verify_raw(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    """Whether ``signature``, raw r || s of 64 bytes, is that of ``message`` (profile 3)."""
    if len(signature) != 64:
        return False
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    try:
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def split_certificates(data: bytes) -> tuple[x509.Certificate, ...]:
    """The DER certificates that follow one another in ``data`` (BF21, EF.CERTIFICATES).

    Raises:
        TrustError: it holds something else.
    """
    try:
        return tuple(
            x509.load_der_x509_certificate(ber_tlv.encode(item.tag, item.value))
            for item in ber_tlv.decode(data)
        )
    except (FormatError, ValueError) as error:
        raise TrustError(
            Reason.UNKNOWN_ISSUER, f"the card's certificates cannot be read: {error}"
        ) from None


def public_key(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    """The P-256 key of a certificate.

    Raises:
        TrustError: a key of another kind, or none that can be read.
    """
    try:
        key = certificate.public_key()
    except Exception as error:  # the library raises its own, and ValueError, for odd keys
        raise _distrust(certificate, f"its key cannot be read: {error}") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _distrust(certificate, "its key is not on P-256")
    return key


def purpose_of(certificate: x509.Certificate) -> KeyPurpose | None:
    """Key purpose (profile 3.2); ``None`` when absent or unknown."""
    value = _extension(certificate, OID_KEY_PURPOSE, _DER_INTEGER)
    if value is None:
        return None
    try:
        return KeyPurpose(int.from_bytes(value, "big", signed=True))
    except ValueError:
        return None


def card_serial_of(certificate: x509.Certificate) -> bytes | None:
    """Card serial of a card-signature certificate (profile 3.2); ``None`` when absent."""
    return _extension(certificate, OID_CARD_SERIAL, _DER_OCTET_STRING)


def _extension(certificate: x509.Certificate, oid: str, tag: int) -> bytes | None:
    for extension in _extensions(certificate):
        if extension.oid.dotted_string == oid:
            raw = extension.value
            if not isinstance(raw, x509.UnrecognizedExtension):
                return None
            try:
                item = ber_tlv.BER_TLV.parse(raw.value)
            except FormatError as error:
                raise _distrust(certificate, f"extension {oid}: {error}") from None
            return item.value if item.tag == tag else None
    return None


def _extensions(certificate: x509.Certificate) -> x509.Extensions:
    try:
        return certificate.extensions
    except (ValueError, x509.DuplicateExtension) as error:
        raise _distrust(certificate, f"its extensions cannot be read: {error}") from None


def _distrust(
    certificate: x509.Certificate, why: str, reason: Reason = Reason.UNKNOWN_ISSUER
) -> TrustError:
    return TrustError(reason, f"certificate {certificate.subject.rfc4514_string()!r}: {why}")


@dataclasses.dataclass(frozen=True)
class FundTrust:
    """What a terminal knows of the fund, from its kit.

    ``data_keys`` maps key ids to certificates of purpose 4; ``opposition_signer`` has purpose 5.
    """

    root: x509.Certificate
    issuing: tuple[x509.Certificate, ...]
    data_keys: Mapping[bytes, x509.Certificate]
    opposition_signer: x509.Certificate

    def data_key(self, wanted: bytes, now: float) -> ec.EllipticCurvePublicKey:
        """The fund's data key of that id.

        Raises:
            TrustError: unknown, or its certificate is not valid now.
        """
        certificate = self.data_keys.get(wanted)
        if certificate is None:
            raise TrustError(
                Reason.UNKNOWN_ISSUER,
                f"the fund's key {wanted.hex()} is not in this terminal's kit",
            )
        return self.check(certificate, KeyPurpose.FUND_DATA, now)

    def check(
        self,
        leaf: x509.Certificate,
        purpose: KeyPurpose,
        now: float,
        presented: Sequence[x509.Certificate] = (),
    ) -> ec.EllipticCurvePublicKey:
        """Verify ``leaf`` up to the fund root and return its key.

        ``presented`` are further issuing CAs, from whoever presents the leaf.

        Raises:
            TrustError: unknown issuer, wrong purpose, bad signature, not in its validity.
        """
        if _is_ca(leaf):
            raise _distrust(leaf, "a CA certificate is used as a leaf")
        if purpose_of(leaf) is not purpose:
            raise _distrust(leaf, f"it is not for the purpose {purpose.name.lower()}")
        path = self._path(leaf, (*presented, *self.issuing))
        for certificate in path:
            _check_one(certificate, now)
        for depth, authority in enumerate(path[1:]):
            _check_authority(authority, depth)
        return public_key(leaf)

    def _path(
        self, leaf: x509.Certificate, authorities: Sequence[x509.Certificate]
    ) -> list[x509.Certificate]:
        path = [leaf]
        while path[-1] != self.root:
            current = path[-1]
            if len(path) == MAX_PATH:
                raise _distrust(leaf, f"its path is longer than {MAX_PATH} certificates")
            named = [c for c in (self.root, *authorities) if c.subject == current.issuer]
            if not named:
                issuer = current.issuer.rfc4514_string()
                raise _distrust(current, f"its issuer {issuer!r} is not known")
            signer = next((c for c in named if _signed_by(current, c)), None)
            if signer is None:
                raise _distrust(
                    current,
                    "its signature is not that of the issuer it names",
                    Reason.BAD_ISSUER_SIGNATURE,
                )
            path.append(signer)
        return path


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if not isinstance(certificate.signature_hash_algorithm, hashes.SHA256):
        return False
    try:
        public_key(issuer).verify(
            certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256())
        )
    except InvalidSignature:
        return False
    return True


def _is_ca(certificate: x509.Certificate) -> bool:
    constraints = _basic_constraints(certificate)
    return constraints is not None and constraints.ca


def _basic_constraints(certificate: x509.Certificate) -> x509.BasicConstraints | None:
    for extension in _extensions(certificate):
        if isinstance(extension.value, x509.BasicConstraints):
            return extension.value
    return None


def _check_authority(certificate: x509.Certificate, below: int) -> None:
    """``below``: CA certificates between this one and the leaf."""
    constraints = _basic_constraints(certificate)
    if constraints is None or not constraints.ca:
        raise _distrust(certificate, "it issued another and is no CA")
    if constraints.path_length is not None and below > constraints.path_length:
        raise _distrust(certificate, "its path length does not allow this path")
    for extension in _extensions(certificate):
        usage = extension.value
        if isinstance(usage, x509.KeyUsage) and not usage.key_cert_sign:
            raise _distrust(certificate, "its key usage does not allow to sign certificates")


def _check_one(certificate: x509.Certificate, now: float) -> None:
    for extension in _extensions(certificate):
        if extension.critical and extension.oid not in _UNDERSTOOD:
            raise _distrust(
                certificate, f"critical extension {extension.oid.dotted_string} is not understood"
            )
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    if moment < certificate.not_valid_before_utc:
        begins = certificate.not_valid_before_utc
        raise _distrust(certificate, f"not valid before {begins:%Y-%m-%d %H:%M} UTC",
                        Reason.NOT_YET_VALID)  # fmt: skip
    if moment > certificate.not_valid_after_utc:
        ended = certificate.not_valid_after_utc
        raise _distrust(certificate, f"expired {ended:%Y-%m-%d %H:%M} UTC", Reason.EXPIRED)
