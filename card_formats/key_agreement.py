"""SCP11 key agreement and certificate store (GPC Amendment F v1.4 7.1, 7.6.2; profile 3)."""

from __future__ import annotations

import dataclasses

from construct import Bytes, Int8ub

from card_formats.ber_tlv import DataObject, template
from card_formats.core import Record, Vector, WireFormat

KEY_USAGE_FULL = 0x3C
"""Authenticated, C-MAC, C-DECRYPTION, R-MAC, R-ENCRYPTION: the only usage of the profile."""
KEY_TYPE_AES = 0x88
PARAMETERS_SCP11A = 0x01
PARAMETERS_SCP11B = 0x00


@dataclasses.dataclass(frozen=True)
class ScpIdentifier:
    """Secure channel protocol (11) and its parameters byte (01 for SCP11a, 00 for SCP11b)."""

    scp: int
    parameters: int


@dataclasses.dataclass(frozen=True)
class ControlReference:
    """Control reference template A6."""

    identifier: ScpIdentifier
    key_usage: int
    key_type: int
    key_length: int


@dataclasses.dataclass(frozen=True)
class KeyAgreementRequest:
    """Data of MUTUAL and INTERNAL AUTHENTICATE. The key is an uncompressed P-256 point."""

    control: ControlReference
    ephemeral_key: bytes


KEY_AGREEMENT_REQUEST: WireFormat[KeyAgreementRequest] = WireFormat(
    "key-agreement-request",
    "GPC Amendment F v1.4 7.6.2.3",
    Record(
        KeyAgreementRequest,
        "control"
        / template(
            0xA6,
            ControlReference,
            "identifier"
            / DataObject(0x90, Record(ScpIdentifier, "scp" / Int8ub, "parameters" / Int8ub)),
            "key_usage" / DataObject(0x95, Int8ub),
            "key_type" / DataObject(0x80, Int8ub),
            "key_length" / DataObject(0x81, Int8ub),
        ),
        "ephemeral_key" / DataObject(0x5F49, Bytes(65)),
    ),
    [
        Vector(
            "A60D 90021101 95013C 800188 810110 5F4941 04" + "AB" * 64,
            KeyAgreementRequest(
                ControlReference(
                    ScpIdentifier(0x11, PARAMETERS_SCP11A), KEY_USAGE_FULL, KEY_TYPE_AES, 16
                ),
                b"\x04" + b"\xab" * 64,
            ),
            "SCP11a",
        ),
    ],
)


@dataclasses.dataclass(frozen=True)
class KeyAgreementResponse:
    """Answer: the card's ephemeral key (SCP11a) or static key (SCP11b), and the receipt."""

    key: bytes
    receipt: bytes


KEY_AGREEMENT_RESPONSE: WireFormat[KeyAgreementResponse] = WireFormat(
    "key-agreement-response",
    "GPC Amendment F v1.4 7.6.2.4",
    Record(
        KeyAgreementResponse,
        "key" / DataObject(0x5F49, Bytes(65)),
        "receipt" / DataObject(0x86, Bytes(16)),
    ),
    [
        Vector(
            "5F4941 04" + "CD" * 64 + "8610" + "EF" * 16,
            KeyAgreementResponse(b"\x04" + b"\xcd" * 64, b"\xef" * 16),
        )
    ],
)


@dataclasses.dataclass(frozen=True)
class KeyReference:
    """Key identifier and key version."""

    kid: int
    kvn: int


CERTIFICATE_STORE_REQUEST: WireFormat[KeyReference] = WireFormat(
    "certificate-store-request",
    "GPC Amendment F v1.4 7.3",
    DataObject(
        0xA6,
        DataObject(0x83, Record(KeyReference, "kid" / Int8ub, "kvn" / Int8ub)),
    ),
    [Vector("A60483021101", KeyReference(0x11, 0x01))],
)
