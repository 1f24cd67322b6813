"""Pieces of an SCP11 handshake that scenarios send right, or deliberately wrong."""

from __future__ import annotations

import functools

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
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
from reader_drivers.terminal.errors import SecureSessionError, TrustError
from reader_drivers.terminal.kit import TerminalKit
from reader_drivers.terminal.scp11_host import (
    Agreed,
    Variant,
    fetch_certificates,
    present_certificates,
)
from reader_drivers.terminal.scp11_host import agree as scp11_agree
from reader_drivers.terminal.secure_messaging_host import BLOCK, MAC, cmac
from reader_drivers.terminal.trust import public_key, split_certificates

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


def agree(link: Link) -> Agreed:
    """A whole SCP11a handshake, with the keys in the open; not succeeding is inconclusive."""
    bench = link.bench
    kit = bench.kit()
    channel = ApduChannel(link.session, extended=None)
    try:
        card_key = public_key(fetch_certificates(channel, Variant.SCP11A)[-1])
        present_certificates(channel, kit.certificates)
        return scp11_agree(channel, Variant.SCP11A, card_key, kit.private_key, bench.random_bytes)
    except (SecureSessionError, TrustError) as error:
        raise Inconclusive(f"no secure session: {error}") from error


def badly_padded(agreed: Agreed) -> CommandApdu:
    """The first command of a session, VERIFY, with a right C-MAC over data without padding."""
    key = algorithms.AES(agreed.keys.s_enc)
    counter = Cipher(key, modes.ECB()).encryptor()  # noqa: S305 - one block, as specified
    vector = counter.update((1).to_bytes(BLOCK, "big"))
    encrypted = Cipher(key, modes.CBC(vector)).encryptor().update(bytes(BLOCK))
    header = bytes([0x04, 0x20, 0x00, 0x81, len(encrypted) + MAC])
    mac = cmac(agreed.keys.s_mac, agreed.receipt + header + encrypted)[:MAC]
    return CommandApdu(0x04, 0x20, 0x00, 0x81, encrypted + mac, ALL)
