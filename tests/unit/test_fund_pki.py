"""Keys and certificates of the fund (profile 3)."""

from __future__ import annotations

import datetime
import random

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store
from phone_world import START, World

from card_formats.profile_ecv_sim_1 import (
    OID_CARD_SERIAL,
    OID_KEY_PURPOSE,
    OID_TERMINAL_ROLE,
    KeyPurpose,
    Role,
)
from firmware_sim.fund import pki
from firmware_sim.fund.kits import KitFlaw
from firmware_sim.fund.service import Fund


def extensions(certificate: x509.Certificate) -> dict[str, bytes]:
    return {
        e.oid.dotted_string: e.value.value
        for e in certificate.extensions
        if isinstance(e.value, x509.UnrecognizedExtension)
    }


def certificate(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


def test_hierarchy_is_that_of_the_profile() -> None:
    fund = World().fund
    keys = fund.keys
    keys.root.certificate.verify_directly_issued_by(keys.root.certificate)
    keys.issuing.certificate.verify_directly_issued_by(keys.root.certificate)
    keys.data.certificate.verify_directly_issued_by(keys.issuing.certificate)
    keys.opposition.certificate.verify_directly_issued_by(keys.root.certificate)
    keys.terminal_ca.certificate.verify_directly_issued_by(keys.terminal_ca.certificate)
    assert keys.terminal_ca.certificate.subject != keys.root.certificate.subject
    for authority in (keys.root, keys.issuing, keys.terminal_ca):
        basic = authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        assert basic.value.ca
    assert extensions(keys.data.certificate)[OID_KEY_PURPOSE] == b"\x02\x01\x04"
    assert extensions(keys.opposition.certificate)[OID_KEY_PURPOSE] == b"\x02\x01\x05"


def test_card_certificates() -> None:
    world = World()
    phone = world.enrol()
    signing = certificate(phone.state.card.signing_chain[-1])
    found = extensions(signing)
    assert found[OID_CARD_SERIAL] == b"\x04\x08" + phone.serial
    assert found[OID_KEY_PURPOSE] == bytes([2, 1, KeyPurpose.CARD_SIGNATURE])
    scalar = phone.state.card.signing_scalar
    assert signing.public_key() == pki.private_key(scalar).public_key()
    for key in phone.state.card.agreement_keys:
        agreement = certificate(key.certificate)
        assert agreement.public_key() == pki.private_key(key.scalar).public_key()
        agreement.verify_directly_issued_by(world.fund.keys.issuing.certificate)


def test_agreement_certificates_tell_no_phone_from_another() -> None:
    world = World()
    first = world.enrol("amelie")
    world.now += 3 * 86400 + 12345  # Thursday of the same ISO week
    second = world.enrol("bastien")
    shapes = set()
    serials = set()
    for phone in (first, second):
        for key in phone.state.card.agreement_keys:
            one = certificate(key.certificate)
            assert one.subject.rfc4514_string() == "CN=ecv-pseudonym"
            assert list(extensions(one)) == [OID_KEY_PURPOSE]
            shapes.add(
                (
                    one.not_valid_before_utc,
                    one.not_valid_after_utc,
                    one.issuer,
                    tuple(e.oid for e in one.extensions),
                )
            )
            serials.add(one.serial_number)
    assert len(shapes) == 1
    assert len(serials) == 32
    assert all(number.bit_length() == 127 for number in serials)


def test_next_week_has_other_bounds() -> None:
    assert pki.week_bounds(START).start.weekday() == 0
    assert pki.week_bounds(START) == pki.week_bounds(START + 6 * 86400)
    assert pki.week_bounds(START) != pki.week_bounds(START + 7 * 86400)


def test_card_certificate_verifies_for_an_independent_verifier() -> None:
    world = World()
    phone = world.enrol()
    leaf = certificate(phone.state.card.signing_chain[-1])
    verifier = (
        PolicyBuilder()
        .store(Store([world.fund.keys.root.certificate]))
        .time(datetime.datetime.fromtimestamp(world.now, datetime.UTC))
        .extension_policies(
            ca_policy=ExtensionPolicy.webpki_defaults_ca(),
            ee_policy=ExtensionPolicy.permit_all(),
        )
        .build_client_verifier()
    )
    chain = verifier.verify(leaf, [world.fund.keys.issuing.certificate]).chain
    assert len(chain) == 3


def test_same_seed_same_bytes() -> None:
    first, second = World(5), World(5)
    states = [world.enrol("bastien").state.to_json() for world in (first, second)]
    assert states[0] == states[1]
    assert first.fund.opposition_list() == second.fund.opposition_list()
    kits = [world.fund.terminal_kit("10001234567", Role.PHYSICIAN) for world in (first, second)]
    assert kits[0] == kits[1]
    assert World(6).enrol("bastien").state.to_json() != states[0]


def test_raw_signatures() -> None:
    key = pki.private_key(pki.new_scalar(random.Random(3).randbytes))
    point = pki.point_of(key.public_key())
    signature = pki.sign(key, b"data")
    assert len(signature) == 64
    assert pki.is_signed(point, b"data", signature)
    assert pki.is_signed(pki.compressed(point), b"data", signature)
    assert not pki.is_signed(point, b"date", signature)
    assert not pki.is_signed(point, b"data", bytes(64))


def leaf_of(kit: dict[str, object]) -> x509.Certificate:
    chain = kit["certificates_pem"]
    assert isinstance(chain, list)
    return x509.load_pem_x509_certificate(chain[-1].encode())


def test_kit() -> None:
    fund = World().fund
    kit = fund.terminal_kit("10001234567", Role.AUXILIARY)
    leaf = leaf_of(kit)
    leaf.verify_directly_issued_by(fund.keys.terminal_ca.certificate)
    assert extensions(leaf) == {
        OID_TERMINAL_ROLE: b"\x02\x01\x04",
        OID_KEY_PURPOSE: b"\x02\x01\x01",
    }
    (number,) = leaf.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    assert number.value == "10001234567"
    assert kit["role"] == 4
    assert kit["fund_data_keys"].keys() == {fund.keys.data.id.hex()}


def test_kit_with_intermediates() -> None:
    fund = World().fund
    kit = fund.terminal_kit("10001234567", Role.HOSPITAL, intermediates=2)
    chain = [x509.load_pem_x509_certificate(text.encode()) for text in kit["certificates_pem"]]
    assert len(chain) == 3
    above = fund.keys.terminal_ca.certificate
    for one in chain:
        one.verify_directly_issued_by(above)
        above = one


def test_kit_refuses_a_number_that_is_none() -> None:
    with pytest.raises(ValueError, match="11 digits"):
        World().fund.terminal_kit("1234", Role.HOSPITAL)


@pytest.mark.parametrize("flaw", KitFlaw)
def test_flawed_kit_differs_in_its_flaw_only(flaw: KitFlaw) -> None:
    fund = World().fund
    kit = fund.terminal_kit("10001234567", Role.HOSPITAL, intermediates=1, flaw=flaw)
    assert flaws_of(fund, kit) == {flaw}


def flaws_of(fund: Fund, kit: dict[str, object]) -> set[KitFlaw]:
    """What an examiner finds wrong, from the certificates alone."""
    texts = kit["certificates_pem"]
    assert isinstance(texts, list)
    chain = [x509.load_pem_x509_certificate(text.encode()) for text in texts]
    leaf, found = chain[-1], set()
    ca = fund.keys.terminal_ca.certificate
    top = chain[0]
    if top.issuer == leaf.subject:
        found.add(KitFlaw.SELF_SIGNED)
    elif top.issuer != ca.subject:
        found.add(KitFlaw.FOREIGN_CA)
    else:
        try:
            top.verify_directly_issued_by(ca)
        except Exception:
            found.add(KitFlaw.BAD_SIGNATURE)
    now = datetime.datetime.fromtimestamp(START, datetime.UTC)
    if leaf.not_valid_after_utc < now:
        found.add(KitFlaw.EXPIRED)
    if leaf.not_valid_before_utc > now:
        found.add(KitFlaw.NOT_YET_VALID)
    flags = [
        one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca for one in chain
    ]
    if flags[-1]:
        return found | {KitFlaw.LEAF_IS_CA}
    if not all(flags[:-1]):
        found.add(KitFlaw.INTERMEDIATE_NOT_CA)
    extra = extensions(leaf)
    if extra[OID_KEY_PURPOSE] != b"\x02\x01\x01":
        found.add(KitFlaw.WRONG_PURPOSE)
    if OID_TERMINAL_ROLE not in extra:
        found.add(KitFlaw.NO_ROLE)
    elif extra[OID_TERMINAL_ROLE][-1] > 5:
        found.add(KitFlaw.UNKNOWN_ROLE)
    (number,) = leaf.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    if not str(number.value).isdecimal():
        found.add(KitFlaw.BAD_PROFESSIONAL)
    return found


def test_rotated_group_keys_are_all_in_new_kits() -> None:
    world = World()
    before = world.fund.terminal_kit("10001234567", Role.HOSPITAL)["group_keys"]
    old = world.fund.keys.current_group_key()
    world.fund.rotate_group_key()
    after = world.fund.terminal_kit("10001234567", Role.HOSPITAL)["group_keys"]
    assert before.items() < after.items()
    assert world.fund.keys.current_group_key() != old
