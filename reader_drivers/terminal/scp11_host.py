"""The SCP11 handshakes, the terminal's side, step by step (profile 3.4, 4.4, 4.6, 4.7)."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives import constant_time, hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.serialization import Encoding

from card_formats.apdu import EXTENDED_MAX_LE, SHORT_MAX_LE, CommandApdu, ResponseApdu
from card_formats.ber_tlv import encode
from card_formats.core import FormatError
from card_formats.key_agreement import (
    CERTIFICATE_STORE_REQUEST,
    KEY_AGREEMENT_REQUEST,
    KEY_AGREEMENT_RESPONSE,
    KEY_TYPE_AES,
    KEY_USAGE_FULL,
    PARAMETERS_SCP11A,
    PARAMETERS_SCP11B,
    ControlReference,
    KeyAgreementRequest,
    KeyReference,
    ScpIdentifier,
)
from card_formats.profile_ecv_sim_1 import ECV_SIM_1
from card_formats.status_words import SW, meaning
from reader_drivers.terminal.apdu_channel import ApduChannel
from reader_drivers.terminal.errors import SecureSessionError
from reader_drivers.terminal.seam import RandomBytes
from reader_drivers.terminal.secure_messaging_host import SessionKeys, cmac
from reader_drivers.terminal.trust import encoded_point, split_certificates
from reader_drivers.terminal.verdict import Reason

KEY_LENGTH = 16
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_MORE_FOLLOW = 0x80


class Variant(enum.Enum):
    """Which handshake: ``kid`` of the card's key, instruction, parameters byte."""

    SCP11A = (ECV_SIM_1.kid_scp11a, 0x82, PARAMETERS_SCP11A)
    SCP11B = (ECV_SIM_1.kid_scp11b, 0x88, PARAMETERS_SCP11B)

    def __init__(self, kid: int, ins: int, parameters: int) -> None:
        self.kid = kid
        self.ins = ins
        self.parameters = parameters


@dataclasses.dataclass(frozen=True)
class Agreed:
    """Outcome of a handshake; the receipt is the first MAC chaining value."""

    keys: SessionKeys
    receipt: bytes


def fetch_certificates(channel: ApduChannel, variant: Variant) -> tuple[x509.Certificate, ...]:
    """GET DATA BF21: the card's issuing CA first, its agreement certificate last.

    Raises:
        SecureSessionError: the card refuses, or has none left.
        TrustError: what it sends are no certificates.
    """
    tag = ECV_SIM_1.certificate_store_tag
    reference = KeyReference(variant.kid, ECV_SIM_1.key_version)
    response = channel.transmit(
        CommandApdu(
            0x80,
            0xCA,
            tag >> 8,
            tag & 0xFF,
            CERTIFICATE_STORE_REQUEST.build(reference),
            EXTENDED_MAX_LE,
        )
    )
    if response.sw == SW.REFERENCE_DATA_NOT_FOUND:
        raise SecureSessionError(
            "the card has no key left for a session: the phone must be refreshed by the fund",
            Reason.REFUSED_BY_CARD,
            response.sw,
        )
    _expect_ok(response, "refuses its certificates")
    certificates = split_certificates(response.data)
    if not certificates:
        raise SecureSessionError("the card sent no certificate", Reason.UNKNOWN_ISSUER)
    return certificates


def present_certificates(channel: ApduChannel, chain: Iterable[x509.Certificate]) -> None:
    """PSO VERIFY CERTIFICATE with each certificate below the terminal CA, leaf last.

    Raises:
        SecureSessionError: the card refuses one.
    """
    encoded = [certificate.public_bytes(Encoding.DER) for certificate in chain]
    for left, certificate in zip(range(len(encoded) - 1, -1, -1), encoded, strict=True):
        p2 = ECV_SIM_1.kid_ca | (_MORE_FOLLOW if left else 0)
        response = channel.transmit(CommandApdu(0x80, 0x2A, ECV_SIM_1.key_version, p2, certificate))
        _expect_ok(response, "refuses the terminal's certificate")


def agree(
    channel: ApduChannel,
    variant: Variant,
    card_key: ec.EllipticCurvePublicKey,
    terminal_key: ec.EllipticCurvePrivateKey | None,
    random_bytes: RandomBytes,
) -> Agreed:
    """MUTUAL or INTERNAL AUTHENTICATE; session keys when the card's receipt is right.

    Args:
        card_key: from the card's agreement certificate, already verified.
        terminal_key: the terminal's own key for SCP11a, ``None`` for SCP11b.

    Raises:
        SecureSessionError: refused, malformed answer, point not on the curve, wrong receipt.
    """
    ephemeral = _ephemeral_key(random_bytes)
    control = ControlReference(
        ScpIdentifier(0x11, variant.parameters), KEY_USAGE_FULL, KEY_TYPE_AES, KEY_LENGTH
    )
    request = KEY_AGREEMENT_REQUEST.build(
        KeyAgreementRequest(control, encoded_point(ephemeral.public_key()))
    )
    response = channel.transmit(
        CommandApdu(0x80, variant.ins, ECV_SIM_1.key_version, variant.kid, request, SHORT_MAX_LE)
    )
    _expect_ok(response, "refuses the authentication")
    try:
        answer = KEY_AGREEMENT_RESPONSE.parse(response.data)
        card_ephemeral = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), answer.key)
    except (FormatError, ValueError) as error:
        raise SecureSessionError(f"malformed answer to the authentication: {error}") from None
    shared = ephemeral.exchange(ec.ECDH(), card_ephemeral)
    shared += (terminal_key or ephemeral).exchange(ec.ECDH(), card_key)
    receipt_key, keys = _derive(shared)
    expected = cmac(receipt_key, request + encode(0x5F49, answer.key))
    if not constant_time.bytes_eq(expected, answer.receipt):
        raise SecureSessionError(
            "wrong receipt: the card does not hold the key of its certificate",
            Reason.BAD_PHONE_SIGNATURE,
        )
    return Agreed(keys, answer.receipt)


def _derive(shared: bytes) -> tuple[bytes, SessionKeys]:
    info = bytes([KEY_USAGE_FULL, KEY_TYPE_AES, KEY_LENGTH])
    # Receipt key, S-ENC, S-MAC, S-RMAC and a DEK that nothing here uses.
    material = X963KDF(hashes.SHA256(), 5 * KEY_LENGTH, info).derive(shared)
    receipt, s_enc, s_mac, s_rmac = (
        material[n * KEY_LENGTH : (n + 1) * KEY_LENGTH] for n in range(4)
    )
    return receipt, SessionKeys(s_enc, s_mac, s_rmac)


def _ephemeral_key(random_bytes: RandomBytes) -> ec.EllipticCurvePrivateKey:
    # 128 bits more than the order: the bias of the remainder is negligible (FIPS 186-5 A.2.1).
    scalar = int.from_bytes(random_bytes(48), "big") % (_P256_ORDER - 1) + 1
    return ec.derive_private_key(scalar, ec.SECP256R1())


def _expect_ok(response: ResponseApdu, what: str) -> None:
    if response.sw != SW.OK:
        raise SecureSessionError(
            f"the card {what}: {response.sw:04X}, {meaning(response.sw)}",
            Reason.REFUSED_BY_CARD,
            response.sw,
        )
