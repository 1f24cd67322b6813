"""PSO VERIFY CERTIFICATE: who the terminal is (profile 3.3, 4.6)."""

from __future__ import annotations

import dataclasses
import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from card_formats.ber_tlv import BER_TLV
from card_formats.core import FormatError
from card_formats.profile_ecv_sim_1 import OID_KEY_PURPOSE, OID_TERMINAL_ROLE, KeyPurpose, Role
from card_formats.status_words import SW
from firmware_sim.card.reply import StatusError
from firmware_sim.card.state import CardState
from firmware_sim.seam import Clock

MAX_CERTIFICATES = 3
_INTEGER = 0x02
_PROFESSIONAL_DIGITS = 11
_UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


@dataclasses.dataclass(frozen=True)
class Terminal:
    """A terminal whose certificates were verified."""

    professional: str
    role: Role
    public_key: ec.EllipticCurvePublicKey


class TerminalChain:
    """The certificates received so far, each verified with the one before."""

    def __init__(self, state: CardState, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._verified: list[x509.Certificate] = []
        self.most_certificates = MAX_CERTIFICATES
        self.terminal: Terminal | None = None
        """Set by a verified leaf, for the MUTUAL AUTHENTICATE that follows."""

    def forget(self) -> None:
        """Forget the chain and the terminal."""
        self._verified = []
        self.terminal = None

    def verify(self, der: bytes, *, last: bool) -> None:
        """Take one certificate; ``last`` for the terminal's own.

        Raises:
            StatusError: 6A80, 6982 or 6985 (profile 4.6); the chain is then forgotten.
        """
        self.terminal = None
        try:
            certificate = self._accept(der, last=last)
            if last:
                self.terminal = self.read_terminal(certificate)
                self._verified = []
            else:
                self._verified.append(certificate)
        except StatusError:
            self.forget()
            raise

    def _accept(self, der: bytes, *, last: bool) -> x509.Certificate:
        if len(self._verified) >= self.most_certificates:
            raise StatusError(SW.WRONG_DATA)
        certificate = _readable(der)
        self.check_signature(certificate, self.issuer())
        self.check_validity(certificate)
        self.check_ca_flag(certificate, last=last)
        return certificate

    def issuer(self) -> x509.Certificate:
        """The certificate that must have signed the next one."""
        if self._verified:
            return self._verified[-1]
        return x509.load_der_x509_certificate(self._state.terminal_ca)

    def check_signature(self, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
        """Issuer's name and signature, ECDSA with SHA-256; else 6982."""
        try:
            certificate.verify_directly_issued_by(issuer)
            sha256 = isinstance(certificate.signature_hash_algorithm, hashes.SHA256)
        except (InvalidSignature, TypeError, ValueError, UnsupportedAlgorithm) as error:
            raise StatusError(SW.SECURITY_NOT_SATISFIED) from error
        if not sha256:
            raise StatusError(SW.SECURITY_NOT_SATISFIED)

    def check_validity(self, certificate: x509.Certificate) -> None:
        """Valid at the phone's time; else 6985."""
        now = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC)
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise StatusError(SW.CONDITIONS_NOT_SATISFIED)

    def check_ca_flag(self, certificate: x509.Certificate, *, last: bool) -> None:
        """The leaf is no CA, everything above it is; else 6982."""
        constraints = _extension(certificate, x509.BasicConstraints)
        is_ca = constraints is not None and constraints.ca
        if is_ca == last:
            raise StatusError(SW.SECURITY_NOT_SATISFIED)

    def read_terminal(self, certificate: x509.Certificate) -> Terminal:
        """Return who a verified leaf is for; 6A80 if it is for no terminal."""
        self.check_purpose(certificate)
        role = self.read_role(certificate)
        names = certificate.subject.get_attributes_for_oid(x509.NameOID.SERIAL_NUMBER)
        professional = str(names[0].value) if len(names) == 1 else ""
        digits = professional.isascii() and professional.isdecimal()
        if not digits or len(professional) != _PROFESSIONAL_DIGITS:
            raise StatusError(SW.WRONG_DATA)
        return Terminal(professional, role, _p256_key(certificate))

    def check_purpose(self, certificate: x509.Certificate) -> None:
        """Certified for terminal agreement, not for something else."""
        if _number(certificate, OID_KEY_PURPOSE) != KeyPurpose.TERMINAL_AGREEMENT:
            raise StatusError(SW.WRONG_DATA)

    def read_role(self, certificate: x509.Certificate) -> Role:
        """The role, one of those the profile knows."""
        try:
            return Role(_number(certificate, OID_TERMINAL_ROLE) or 0)
        except ValueError as error:
            raise StatusError(SW.WRONG_DATA) from error


def _readable(der: bytes) -> x509.Certificate:
    """X.509 v3 on P-256 without a critical extension that we would ignore; else 6A80."""
    known = (x509.BasicConstraints.oid, x509.KeyUsage.oid, x509.ExtendedKeyUsage.oid)
    try:
        certificate = x509.load_der_x509_certificate(der)
        foreign = [e for e in certificate.extensions if e.critical and e.oid not in known]
        readable = certificate.version is x509.Version.v3 and certificate.serial_number > 0
        # Parsed only when asked for: ask now, while an error still is one of the coding.
        _ = certificate.subject, certificate.issuer, certificate.not_valid_before_utc
        _ = certificate.not_valid_after_utc
    except _UNREADABLE as error:
        raise StatusError(SW.WRONG_DATA) from error
    if foreign or not readable:
        raise StatusError(SW.WRONG_DATA)
    _p256_key(certificate)
    return certificate


def _p256_key(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    try:
        key = certificate.public_key()
    except _UNREADABLE as error:
        raise StatusError(SW.WRONG_DATA) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise StatusError(SW.WRONG_DATA)
    return key


def _extension(
    certificate: x509.Certificate, kind: type[x509.BasicConstraints]
) -> x509.BasicConstraints | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _number(certificate: x509.Certificate, oid: str) -> int | None:
    """The DER INTEGER in one of our extensions; 6A80 if it is none."""
    try:
        value = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier(oid)).value
    except x509.ExtensionNotFound:
        return None
    if not isinstance(value, x509.UnrecognizedExtension):
        raise StatusError(SW.WRONG_DATA)
    try:
        item = BER_TLV.parse(value.value)
    except FormatError as error:
        raise StatusError(SW.WRONG_DATA) from error
    if item.tag != _INTEGER or len(item.value) != 1:
        raise StatusError(SW.WRONG_DATA)
    return item.value[0]
