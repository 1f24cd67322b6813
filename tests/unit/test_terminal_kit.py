"""The terminal's kit: a good one is read, each bad one is one clear line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from terminal_fakes import DAY, NOW, PROFESSIONAL, FakeFund, key_id, pem

from card_formats.profile_ecv_sim_1 import Role
from reader_drivers.terminal.errors import KitError, TerminalError
from reader_drivers.terminal.kit import TerminalKit

FUND = FakeFund()
KIT = FUND.kit()
OTHER = FUND.kit()
RSA_PEM = (
    rsa.generate_private_key(65537, 2048)
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)


def test_a_kit_from_its_object() -> None:
    kit = TerminalKit.from_json(KIT, now=NOW)
    assert (kit.professional, kit.role) == (PROFESSIONAL, Role.PHARMACIST)
    assert [pem(c) for c in kit.certificates] == KIT["certificates_pem"]
    assert kit.certificate is kit.certificates[-1]
    assert list(kit.trust.data_keys) == [key_id(FUND.data.key)]
    assert kit.group_keys[FUND.group_key_id].public_key() == FUND.group_key.public_key()


@pytest.mark.parametrize("kind", [str, Path])
def test_a_kit_from_its_file(tmp_path: Path, kind: type[Any]) -> None:
    path = tmp_path / "kit.json"
    path.write_text(json.dumps(KIT))
    assert TerminalKit.from_json(kind(path)).professional == PROFESSIONAL


def test_a_kit_does_not_show_its_keys() -> None:
    shown = repr(TerminalKit.from_json(KIT))
    assert KIT["group_keys"][FUND.group_key_id.hex()] not in shown
    assert "private_key" not in shown
    assert "group_keys" not in shown


@pytest.mark.parametrize("field", sorted(KIT))
def test_every_field_is_needed(field: str) -> None:
    kit = {name: value for name, value in KIT.items() if name != field}
    with pytest.raises(KitError, match=f"'{field}' is missing"):
        TerminalKit.from_json(kit)


@pytest.mark.parametrize("field", sorted(KIT))
@pytest.mark.parametrize("value", [None, True, 3.5])
def test_every_field_has_its_type(field: str, value: object) -> None:
    with pytest.raises(KitError, match=f"'{field}' has the wrong type"):
        TerminalKit.from_json({**KIT, field: value})


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "another format": ({"format": "ecv-terminal-kit/2"}, "format is"),
    "another profile": ({"profile": "ecv-sim/9"}, "profile is"),
    "short professional": ({"professional": "123"}, "not 11 digits"),
    "letters in professional": ({"professional": "1000123456x"}, "not 11 digits"),
    "role 9": ({"role": 9}, "role 9"),
    "no certificate": ({"certificates_pem": []}, "no certificate"),
    "not a certificate": ({"certificates_pem": ["x"]}, "'certificates_pem' holds no PEM"),
    "numbers for certificates": ({"certificates_pem": [1]}, "list of texts"),
    "root not PEM": ({"fund_root_pem": "x"}, "'fund_root_pem' holds no PEM"),
    "key not PEM": ({"private_key_pem": "x"}, "no PEM private key"),
    "key of another": ({"private_key_pem": OTHER["private_key_pem"]}, "is not that of"),
    "RSA key": ({"private_key_pem": RSA_PEM}, "is not that of"),
    "certificate of another": (
        {"certificates_pem": OTHER["certificates_pem"]},
        "is not that of",
    ),
    "wrong key id": (
        {"fund_data_keys": {"00" * 8: pem(FUND.data.certificate)}},
        "is not the id of its key",
    ),
    "key id not hexadecimal": ({"fund_data_keys": {"zz": ""}}, "not hexadecimal"),
    "key id too short": ({"group_keys": {"00": "00"}}, "not a key id of 8 bytes"),
    "group key too short": ({"group_keys": {"00" * 8: "00"}}, "1 bytes, not 32"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_kit_is_one_clear_line(case: str) -> None:
    changes, message = BAD[case]
    with pytest.raises(KitError, match=message) as caught:
        TerminalKit.from_json({**KIT, **changes})
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, TerminalError)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"{", "not JSON"), (b"\xff\xfe\x00", "not JSON"), (b"[]", "not a JSON object")],
)
def test_a_file_that_is_no_kit(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "kit.json"
    path.write_bytes(content)
    with pytest.raises(KitError, match=message) as caught:
        TerminalKit.from_json(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KitError, match="No such file"):
        TerminalKit.from_json(tmp_path / "none.json")


def test_an_expired_kit() -> None:
    kit = FUND.kit(begins=NOW - 9 * DAY, ends=NOW - DAY)
    assert TerminalKit.from_json(kit).professional == PROFESSIONAL
    with pytest.raises(KitError, match=r"expired .* new kit"):
        TerminalKit.from_json(kit, now=NOW)


def test_a_kit_to_come() -> None:
    kit = FUND.kit(begins=NOW + DAY, ends=NOW + 2 * DAY)
    with pytest.raises(KitError, match="not valid before"):
        TerminalKit.from_json(kit, now=NOW)


def test_the_first_and_last_second_of_a_kit_count() -> None:
    kit = TerminalKit.from_json(FUND.kit(begins=NOW, ends=NOW + DAY))
    kit.check_validity(NOW)
    kit.check_validity(NOW + DAY)
    for moment in (NOW - 1, NOW + DAY + 1):
        with pytest.raises(KitError):
            kit.check_validity(moment)


def test_a_key_id_with_a_number_for_its_text() -> None:
    with pytest.raises(KitError, match="with a text"):
        TerminalKit.from_json({**KIT, "group_keys": {"00" * 8: 5}})
