"""SCP11 key agreement, card side (profile 3.4, 4.7; GPC Amendment F v1.4 7.6.2)."""

from __future__ import annotations

import dataclasses

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from card_formats import ber_tlv
from card_formats.key_agreement import (
    KEY_AGREEMENT_REQUEST,
    KEY_AGREEMENT_RESPONSE,
    KEY_TYPE_AES,
    KEY_USAGE_FULL,
    PARAMETERS_SCP11A,
    PARAMETERS_SCP11B,
    ControlReference,
    KeyAgreementResponse,
    ScpIdentifier,
)
from card_formats.status_words import SW
from firmware_sim.card.reply import StatusError, parsed
from firmware_sim.card.secure_messaging import Protocol, SecureSession, SessionKeys, cmac
from firmware_sim.card.terminal_chain import Terminal
from firmware_sim.seam import RandomBytes

KEY_LENGTH = 16
_SCP = 0x11
_KEYS_DERIVED = 5
_POINT = 0x5F49
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_PARAMETERS = {Protocol.SCP11A: PARAMETERS_SCP11A, Protocol.SCP11B: PARAMETERS_SCP11B}


@dataclasses.dataclass(frozen=True)
class Request:
    """A handshake that may go on: the command data and the host's ephemeral key in it."""

    data: bytes
    public_key: ec.EllipticCurvePublicKey


@dataclasses.dataclass(frozen=True)
class DerivedKeys:
    """What the key derivation yields."""

    receipt: bytes
    session: SessionKeys


class KeyAgreement:
    """Turns a handshake request into a session."""

    def __init__(self, random_bytes: RandomBytes) -> None:
        self._random_bytes = random_bytes

    def read(self, data: bytes, protocol: Protocol) -> Request:
        """Check the command data.

        Raises:
            StatusError: 6A80, not the profile's choices for this instruction, or no point.
        """
        request = parsed(KEY_AGREEMENT_REQUEST, data)
        expected = ControlReference(
            ScpIdentifier(_SCP, _PARAMETERS[protocol]), KEY_USAGE_FULL, KEY_TYPE_AES, KEY_LENGTH
        )
        if request.control != expected:
            raise StatusError(SW.WRONG_DATA)
        try:
            key = ec.EllipticCurvePublicKey.from_encoded_point(
                ec.SECP256R1(), request.ephemeral_key
            )
        except ValueError as error:
            raise StatusError(SW.WRONG_DATA) from error
        return Request(data, key)

    def agree(
        self,
        request: Request,
        protocol: Protocol,
        agreement_key: ec.EllipticCurvePrivateKey,
        terminal: Terminal | None,
    ) -> tuple[bytes, SecureSession]:
        """Return the response data and the session it opens.

        ``terminal`` is the verified one in SCP11a, ``None`` in SCP11b.
        """
        ephemeral = self.ephemeral_key()
        host_key = terminal.public_key if terminal else request.public_key
        secret = ephemeral.exchange(ec.ECDH(), request.public_key)
        keys = self.derive(secret + agreement_key.exchange(ec.ECDH(), host_key))
        point = ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        receipt = self.receipt(keys.receipt, request.data, point)
        response = KEY_AGREEMENT_RESPONSE.build(KeyAgreementResponse(point, receipt))
        return response, SecureSession(protocol, keys.session, receipt, terminal)

    def ephemeral_key(self) -> ec.EllipticCurvePrivateKey:
        """A fresh key pair from the injected randomness."""
        # 64 bits more than the order: the bias of the remainder is negligible (FIPS 186-5 A.2.1)
        scalar = int.from_bytes(self._random_bytes(40), "big") % (_P256_ORDER - 1) + 1
        return ec.derive_private_key(scalar, ec.SECP256R1())

    def derive(self, secret: bytes) -> DerivedKeys:
        """X9.63 key derivation of the receipt key and the session keys."""
        shared_info = bytes([KEY_USAGE_FULL, KEY_TYPE_AES, KEY_LENGTH])
        stream = X963KDF(hashes.SHA256(), _KEYS_DERIVED * KEY_LENGTH, shared_info).derive(secret)
        receipt, s_enc, s_mac, s_rmac, _dek = (
            stream[start : start + KEY_LENGTH] for start in range(0, len(stream), KEY_LENGTH)
        )
        return DerivedKeys(receipt, SessionKeys(s_enc, s_mac, s_rmac))

    def receipt(self, key: bytes, request: bytes, point: bytes) -> bytes:
        """Proof that the card derived the same keys."""
        return cmac(key, request + ber_tlv.encode(_POINT, point))
