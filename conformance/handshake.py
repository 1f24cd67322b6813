"""Pieces of an SCP11 handshake that scenarios send right, or deliberately wrong."""

from __future__ import annotations

import functools

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from card_formats.apdu import CommandApdu, ResponseApdu
from card_formats.core import FormatError
from card_formats.key_agreement import (
    KEY_AGREEMENT_REQUEST,
    KEY_AGREEMENT_RESPONSE,
    KEY_TYPE_AES,
    KEY_USAGE_FULL,
    PARAMETERS_SCP11A,
    PARAMETERS_SCP11B,
    ControlReference,
    KeyAgreementRequest,
    KeyAgreementResponse,
    ScpIdentifier,
)
from card_formats.profile_ecv_sim_1 import ECV_SIM_1
from conformance.commands import ALL
from conformance.link import Link
from conformance.verdicts import Failure, Inconclusive
from reader_drivers.terminal.apdu_channel import ApduChannel
from reader_drivers.terminal.kit import TerminalKit
from reader_drivers.terminal.trust import split_certificates

MUTUAL = 0x82
INTERNAL = 0x88


@functools.cache
def any_point() -> bytes:
    """Some point of P-256, uncompressed: a fixed multiple of the base point."""
    key = ec.derive_private_key(0x1234567890ABCDEF, ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def authenticate(
    ins: int,
    *,
    point: bytes | None = None,
    parameters: int | None = None,
    usage: int = KEY_USAGE_FULL,
    kid: int | None = None,
    kvn: int = ECV_SIM_1.key_version,
) -> CommandApdu:
    """MUTUAL (82) or INTERNAL (88) AUTHENTICATE, right unless told otherwise."""
    mutual = ins == MUTUAL
    if parameters is None:
        parameters = PARAMETERS_SCP11A if mutual else PARAMETERS_SCP11B
    if kid is None:
        kid = ECV_SIM_1.kid_scp11a if mutual else ECV_SIM_1.kid_scp11b
    control = ControlReference(ScpIdentifier(0x11, parameters), usage, KEY_TYPE_AES, 16)
    data = KEY_AGREEMENT_REQUEST.build(KeyAgreementRequest(control, point or any_point()))
    return CommandApdu(0x80, ins, kvn, kid, data, ALL)


def agreement(response: ResponseApdu) -> KeyAgreementResponse:
    """The answer to an authentication, taken apart."""
    try:
        return KEY_AGREEMENT_RESPONSE.parse(response.data)
    except FormatError as error:
        raise Failure("answer to the authentication", "5F49 and 86", str(error)) from error


def certificates(link: Link, kid: int | None = None) -> tuple[x509.Certificate, ...]:
    """The certificates of the session key; not getting them is inconclusive."""
    from conformance import commands

    response = ApduChannel(link.session, None).transmit(commands.get_certificates(kid))
    chain = split_certificates(response.data) if response.sw == 0x9000 else ()
    if not chain:
        raise Inconclusive(f"the card shows no certificate: {response.sw:04X}")
    return chain


def present_chain(link: Link, kit: TerminalKit) -> list[int]:
    """PSO VERIFY CERTIFICATE with each certificate of the kit; the status words."""
    channel = ApduChannel(link.session, None)
    count = len(kit.certificates)
    words = []
    for number, certificate in enumerate(kit.certificates, start=1):
        p2 = ECV_SIM_1.kid_ca | (0x80 if number < count else 0)
        command = CommandApdu(
            0x80, 0x2A, ECV_SIM_1.key_version, p2, certificate.public_bytes(Encoding.DER)
        )
        words.append(channel.transmit(command).sw)
        if words[-1] != 0x9000:
            break
    return words
