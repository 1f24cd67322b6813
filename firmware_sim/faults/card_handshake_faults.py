"""Faults of the card about keys, certificates and handshakes (profile 3.1 to 3.4, 4.4 to 4.7)."""

from __future__ import annotations

import dataclasses
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from card_formats.core import FormatError
from card_formats.key_agreement import KEY_AGREEMENT_REQUEST, KEY_AGREEMENT_RESPONSE
from card_formats.profile_ecv_sim_1 import Role
from firmware_sim.card.e_carte import ECarte
from firmware_sim.card.key_pool import KeyPoolEmpty
from firmware_sim.card.reply import Reply, StatusError
from firmware_sim.card.scp11 import Request
from firmware_sim.card.state import AgreementKey
from firmware_sim.faults.catalogue import fault
from firmware_sim.faults.patching import around, nothing, replace


def _flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


# --- the key pool and the certificate store (profile 3.4, 4.4) ---


@fault(
    "agreement-key-always-same",
    "card",
    "Profile 3.4: every field-on uses the same agreement key, so that taps can be linked.",
)
def _(card: ECarte) -> None:
    replace(card.key_pool, "mark_used", lambda _: nothing)


@fault(
    "agreement-key-changes-in-field",
    "card",
    "Profile 3.4: the agreement key is not kept until power-off.",
)
def _(card: ECarte) -> None:
    def call(current: Any) -> Any:
        card.key_pool.release()
        return current()

    around(card.key_pool, "current", call)


@fault(
    "empty-key-pool-reused",
    "card",
    "Profile 3.4: a card whose key pool is empty uses an old key again.",
)
def _(card: ECarte) -> None:
    def call(choose: Any) -> AgreementKey:
        try:
            key: AgreementKey = choose()
        except KeyPoolEmpty:
            return card.state.agreement_keys[-1]
        return key

    around(card.key_pool, "choose", call)


@fault(
    "certificate-store-any-key",
    "card",
    "Profile 4.4: GET DATA BF21 answers for a key the card does not have.",
)
def _(card: ECarte) -> None:
    around(card.authentication, "certificates", lambda method, request: method(b""))


@fault(
    "certificate-store-leaf-first",
    "card",
    "Profile 4.4: GET DATA BF21 gives the agreement certificate before the issuing CA.",
)
def _(card: ECarte) -> None:
    def call(method: Any, request: bytes) -> Reply:
        method(request)
        leaf = card.authentication.agreement_key().certificate
        return Reply(leaf + card.state.issuing_ca)

    around(card.authentication, "certificates", call)


# --- the terminal's certificates (profile 3.3, 4.6) ---


@fault(
    "terminal-chain-not-verified",
    "card",
    "Profile 4.6: the signature of a terminal's certificate is not verified: self-signed will do.",
)
def _(card: ECarte) -> None:
    replace(card.terminal_chain, "check_signature", lambda _: nothing)


@fault("expired-terminal-accepted", "card", "Profile 4.6: a terminal's validity is not checked.")
def _(card: ECarte) -> None:
    replace(card.terminal_chain, "check_validity", lambda _: nothing)


@fault("terminal-role-not-checked", "card", "Profile 3.3: an unknown role, or none, is accepted.")
def _(card: ECarte) -> None:
    def call(read: Any, certificate: Any) -> Role:
        try:
            role: Role = read(certificate)
        except StatusError:
            return Role.PHARMACIST
        return role

    around(card.terminal_chain, "read_role", call)


@fault(
    "terminal-role-always-pharmacist",
    "card",
    "Profile 3.3, 5.1: every terminal has the rights of a pharmacist.",
)
def _(card: ECarte) -> None:
    replace(card.terminal_chain, "read_role", lambda _: lambda certificate: Role.PHARMACIST)


@fault(
    "key-purpose-not-checked",
    "card",
    "Profile 3.2: a certificate for another purpose opens a session.",
)
def _(card: ECarte) -> None:
    replace(card.terminal_chain, "check_purpose", lambda _: nothing)


@fault(
    "ca-flag-not-checked",
    "card",
    "Profile 3.2, 4.6: a terminal's certificate may sign another terminal's.",
)
def _(card: ECarte) -> None:
    replace(card.terminal_chain, "check_ca_flag", lambda _: nothing)


@fault("certificate-chain-of-four", "card", "Profile 4.6: more than three certificates are taken.")
def _(card: ECarte) -> None:
    replace(card.terminal_chain, "most_certificates", lambda most: 100)


@fault(
    "terminal-kept-after-failure",
    "card",
    "Profile 4.6: a certificate that fails leaves the terminal verified before.",
)
def _(card: ECarte) -> None:
    def call(verify: Any, der: bytes, *, last: bool) -> None:
        before = card.terminal_chain.terminal
        try:
            verify(der, last=last)
        except StatusError:
            card.terminal_chain.terminal = before
            raise

    around(card.terminal_chain, "verify", call)


@fault(
    "terminal-kept-after-handshake",
    "card",
    "Profile 4.6: one verified chain serves several MUTUAL AUTHENTICATE.",
)
def _(card: ECarte) -> None:
    def call(mutual: Any, command: Any) -> Any:
        terminal = card.terminal_chain.terminal
        reply = mutual(command)
        card.terminal_chain.terminal = terminal
        return reply

    around(card.authentication, "mutual_authenticate", call)


# --- the handshake (profile 3.4, 4.7) ---


@fault("receipt-wrong", "card", "Profile 3.4: the receipt is not the MAC it should be.")
def _(card: ECarte) -> None:
    def call(agree: Any, *args: Any) -> Any:
        data, session = agree(*args)
        response = KEY_AGREEMENT_RESPONSE.parse(data)
        wrong = dataclasses.replace(response, receipt=_flip(response.receipt))
        return KEY_AGREEMENT_RESPONSE.build(wrong), session

    around(card.key_agreement, "agree", call)


@fault(
    "ephemeral-key-reused",
    "card",
    "Profile 3.4: the card's ephemeral key is the same in every handshake.",
)
def _(card: ECarte) -> None:
    key = card.key_agreement.ephemeral_key()
    replace(card.key_agreement, "ephemeral_key", lambda _: lambda: key)


@fault(
    "handshake-parameters-not-checked",
    "card",
    "Profile 4.7: another key usage, type or length, or the other protocol, is accepted.",
)
def _(card: ECarte) -> None:
    def read(data: bytes, protocol: Any) -> Request:
        point = KEY_AGREEMENT_REQUEST.parse(data).ephemeral_key
        return Request(data, ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point))

    replace(card.key_agreement, "read", lambda _: read)


@fault(
    "handshake-point-error-6f00",
    "card",
    "Profile 4.7: a point off the curve is an internal error, not wrong data.",
)
def _(card: ECarte) -> None:
    def call(read: Any, data: bytes, protocol: Any) -> Any:
        try:
            return read(data, protocol)
        except StatusError as error:
            if isinstance(error.__cause__, ValueError) and _is_of_format(data):
                raise RuntimeError("point not on the curve") from error
            raise

    around(card.key_agreement, "read", call)


def _is_of_format(data: bytes) -> bool:
    try:
        KEY_AGREEMENT_REQUEST.parse(data)
    except FormatError:
        return False
    return True


@fault("handshake-any-key-reference", "card", "Profile 4.7: KID and KVN are not checked.")
def _(card: ECarte) -> None:
    profile = card.profile
    for name, kid in (
        ("mutual_authenticate", profile.kid_scp11a),
        ("internal_authenticate", profile.kid_scp11b),
    ):

        def call(method: Any, command: Any, kid: int = kid) -> Any:
            return method(dataclasses.replace(command, p1=profile.key_version, p2=kid))

        around(card.authentication, name, call)
