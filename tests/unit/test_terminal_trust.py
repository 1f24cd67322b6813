"""Certificate paths and raw signatures: each rule of profile 3, broken once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from terminal_fakes import (
    DAY,
    NOW,
    OWN,
    FakeFund,
    certify,
    chain_bytes,
    name,
    new_key,
    sign,
)
from terminal_fakes import (
    key_id as independent_key_id,
)

from card_formats.profile_ecv_sim_1 import KeyPurpose
from reader_drivers.terminal.errors import TrustError
from reader_drivers.terminal.trust import (
    FundTrust,
    card_serial_of,
    key_id,
    public_key,
    purpose_of,
    split_certificates,
    verify_raw,
)
from reader_drivers.terminal.verdict import Reason

FUND = FakeFund()
SIGNATURE = KeyPurpose.CARD_SIGNATURE
TRUST = FundTrust(
    FUND.root.certificate,
    (FUND.issuing.certificate,),
    {independent_key_id(FUND.data.key): FUND.data.certificate},
    FUND.opposition.certificate,
)


def leaf(issuer: Any = FUND.issuing, purpose: int | None = SIGNATURE, **bent: Any) -> Any:
    return FUND.leaf("leaf", issuer, purpose, **bent).certificate


def under(depth: int, **bent: Any) -> tuple[x509.Certificate, list[x509.Certificate]]:
    """A leaf under ``depth`` CAs below the root, the first bent."""
    authorities = [FUND.authority("ca 0", FUND.root, **bent)]
    for number in range(1, depth):
        authorities.append(FUND.authority(f"ca {number}", authorities[-1]))
    return leaf(authorities[-1]), [a.certificate for a in authorities]


def usage(*, sign_certificates: bool) -> x509.KeyUsage:
    others = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=sign_certificates, crl_sign=True, **others
    )


def check(certificate: x509.Certificate, presented: Any = (), now: float = NOW) -> object:
    return TRUST.check(certificate, SIGNATURE, now, presented)


def test_a_good_path() -> None:
    key = new_key()
    certificate = leaf(key=key, serial=OWN)
    assert check(certificate) == key.public_key()
    assert purpose_of(certificate) is SIGNATURE
    assert card_serial_of(certificate) == OWN


def test_the_issuing_ca_may_come_from_the_card() -> None:
    certificate, chain = under(2)
    assert check(certificate, chain)
    assert check(certificate, chain[::-1])


def test_constraints_that_allow_the_path() -> None:
    assert check(*under(1, path_length=0))
    assert check(*under(2, path_length=1))
    assert check(leaf(ca=None))
    assert check(*under(1, usage=usage(sign_certificates=True)))


def test_a_wrong_ca_of_the_same_name_does_not_hide_the_right_one() -> None:
    twin = FakeFund().issuing.certificate
    assert check(leaf(), [twin])


def rsa_leaf() -> x509.Certificate:
    key = rsa.generate_private_key(65537, 2048)
    return certify(name("rsa"), key, FUND.issuing.name, FUND.issuing.key, purpose=SIGNATURE)


def p384_leaf() -> x509.Certificate:
    return leaf(key=ec.generate_private_key(ec.SECP384R1()))


R = Reason
BAD: dict[str, tuple[Callable[[], tuple[x509.Certificate, Any]], Reason, str]] = {
    "unknown issuer": (lambda: (leaf(FUND.terminal_ca), ()), R.UNKNOWN_ISSUER, "is not known"),
    "another root": (
        lambda: (leaf(FakeFund().issuing), ()),
        R.BAD_ISSUER_SIGNATURE,
        "signature",
    ),
    "self-signed": (
        lambda: (certify(name("me"), k := new_key(), name("me"), k, purpose=SIGNATURE), ()),
        R.UNKNOWN_ISSUER,
        "is not known",
    ),
    "another purpose": (lambda: (leaf(purpose=2), ()), R.UNKNOWN_ISSUER, "purpose"),
    "no purpose": (lambda: (leaf(purpose=None), ()), R.UNKNOWN_ISSUER, "purpose"),
    "unknown purpose": (lambda: (leaf(purpose=99), ()), R.UNKNOWN_ISSUER, "purpose"),
    "a CA as a leaf": (lambda: (leaf(ca=True), ()), R.UNKNOWN_ISSUER, "CA certificate"),
    "a leaf as a CA": (lambda: under(1, ca=False), R.UNKNOWN_ISSUER, "is no CA"),
    "no basic constraints": (lambda: under(1, ca=None), R.UNKNOWN_ISSUER, "is no CA"),
    "path length": (lambda: under(2, path_length=0), R.UNKNOWN_ISSUER, "path length"),
    "key usage": (
        lambda: under(1, usage=usage(sign_certificates=False)),
        R.UNKNOWN_ISSUER,
        "key usage",
    ),
    "too long a path": (lambda: under(4), R.UNKNOWN_ISSUER, "longer than 4"),
    "critical extension": (
        lambda: (leaf(critical="2.999.1"), ()),
        R.UNKNOWN_ISSUER,
        "not understood",
    ),
    "expired": (lambda: (leaf(ends=NOW - 1), ()), R.EXPIRED, "expired"),
    "not yet valid": (lambda: (leaf(begins=NOW + 1), ()), R.NOT_YET_VALID, "not valid before"),
    "CA expired": (lambda: under(1, ends=NOW - 1), R.EXPIRED, "expired"),
    "RSA": (lambda: (rsa_leaf(), ()), R.UNKNOWN_ISSUER, "P-256"),
    "P-384": (lambda: (p384_leaf(), ()), R.UNKNOWN_ISSUER, "P-256"),
    "another hash": (
        lambda: (leaf(digest=hashes.SHA384()), ()),
        R.BAD_ISSUER_SIGNATURE,
        "signature",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_path(case: str) -> None:
    make, reason, message = BAD[case]
    certificate, presented = make()
    with pytest.raises(TrustError, match=message) as caught:
        check(certificate, presented)
    assert caught.value.reason is reason


def test_validity_bounds_are_inside() -> None:
    certificate = leaf(begins=NOW, ends=NOW + DAY)
    assert check(certificate, now=NOW)
    assert check(certificate, now=NOW + DAY)
    with pytest.raises(TrustError):
        check(certificate, now=NOW + DAY + 1)


def test_an_expired_root() -> None:
    with pytest.raises(TrustError, match="expired"):
        check(leaf(ends=NOW + 900 * DAY), now=NOW + 800 * DAY)


def test_data_keys() -> None:
    identifier = independent_key_id(FUND.data.key)
    assert TRUST.data_key(identifier, NOW) == FUND.data.key.public_key()
    with pytest.raises(TrustError, match="not in this terminal's kit") as caught:
        TRUST.data_key(bytes(8), NOW)
    assert caught.value.reason is Reason.UNKNOWN_ISSUER
    wrong = FundTrust(TRUST.root, TRUST.issuing, {identifier: leaf()}, TRUST.opposition_signer)
    with pytest.raises(TrustError, match="purpose"):
        wrong.data_key(identifier, NOW)


def test_key_ids() -> None:
    assert key_id(FUND.data.key.public_key()) == independent_key_id(FUND.data.key)


def test_raw_signatures() -> None:
    key = new_key()
    signature = sign(key, b"message")
    assert verify_raw(key.public_key(), signature, b"message")
    assert not verify_raw(key.public_key(), signature, b"massage")
    assert not verify_raw(new_key().public_key(), signature, b"message")
    for place in (0, 31, 32, 63):
        bent = bytearray(signature)
        bent[place] ^= 1
        assert not verify_raw(key.public_key(), bytes(bent), b"message")


@pytest.mark.parametrize("size", [0, 63, 65, 64])
def test_signatures_of_odd_sizes_and_zeros(size: int) -> None:
    assert not verify_raw(new_key().public_key(), bytes(size), b"message")
    assert not verify_raw(new_key().public_key(), b"\xff" * size, b"message")


def test_certificates_one_after_another() -> None:
    chain = [FUND.issuing.certificate, leaf()]
    assert list(split_certificates(chain_bytes(chain))) == chain
    assert split_certificates(b"") == ()


@pytest.mark.parametrize(
    "change", [lambda b: b[:-1], lambda b: b + b"\x30", lambda b: b"\x04\x01\x00"]
)
def test_what_is_no_certificate(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(TrustError, match="cannot be read"):
        split_certificates(change(chain_bytes([leaf()])))


def test_extensions_that_are_not_what_they_should_be() -> None:
    assert purpose_of(FUND.issuing.certificate) is None
    assert card_serial_of(leaf()) is None
    assert public_key(leaf())
