"""What a sound card answers to the probes, written out from the profile."""

from __future__ import annotations

from typing import Any

import card_probes_wire  # noqa: F401 - fills PROBES
import pytest
from card_factory import Bench
from card_probes import PROBES

from card_formats.apdu import ResponseApdu
from card_formats.profile_ecv_sim_1 import RefusalReason, Role

OK = 0x9000
R = RefusalReason

EXPECTED: dict[str, Any] = {
    # 4.8
    "writes_of_verify": [1, 2],
    "tries_after_restart": 0x63C2,
    "wrong_codes": ([0x63C2, 0x63C1, 0x63C0, 0x6983, 0x6983], 0x6983, R.CODE_BLOCKED),
    "tries_across_power": 0x63C2,
    "tries_after_right_code": (0x63C2, OK, 0x63C2, 0x63C2),
    "empty_verify": (0x63C3, 0x63C3, OK, OK),
    "malformed_codes": ([0x6A80] * 4, 3),
    "code_after_select": 0x63C3,
    "code_after_power": 0x63C3,
    "code_after_handshake": 0x63C3,
    "code_after_silence": (OK, 0x63C3),
    "change_code": ([0x63C2, 0x6A80, OK], "2468", OK),
    "unblock": ([0x63C9, OK], 0x63C3, 8),
    "code_on_phone": ((0x6985, 0x6985, R.CODE_ON_PHONE, 2), [OK, 0x6985]),
    "code_in_the_clear": 0x6982,
    # 4.3
    "opposed": (0x6285, 0x6984, R.OPPOSED, 0x6982, 0x6982, 0x6985),
    "suspended": (0x6283, 0x6984, R.OPPOSED, 0x6982, 0x6982, 0x6985),
    "expired": (OK, OK, OK, 0x6985, R.EXPIRED),
    "expired_entry": 0x6985,
    "locked": ResponseApdu(b"", 0x6985),
    "locked_in_session": (0x6982, 0x6985),
    # 5.1
    "before_code": (
        ResponseApdu(b"", 0x6982),
        ResponseApdu(b"", 0x6982),
        R.CODE_NEEDED,
        0x6982,
    ),
    "under_scp11b": (0x6982, 0x6982, 0x6982, 0x6982, 15),
    "without_session": (0x6982, 0x6982, ResponseApdu(b"", 0x6982), 0x6982, 0x6882),
    "delegated_files": [
        [OK, OK, OK, 0x6982, OK, OK, 0x6A82, R.NONE],
        [0x6985, 0x6985, 0x6985, 0x6982, 0x6985, 0x6985, 0x6A82, R.OUT_OF_SCOPE],
    ],
    "grant_early": (0x6985, R.DELEGATION_NOT_YET_VALID, 0x6985),
    "grant_late": (0x6985, R.DELEGATION_EXPIRED, 0x6985),
    "grant_revoked": (0x6985, R.DELEGATION_REVOKED, 0x6985),
    # 8.1
    "unknown_entry": 0x6A88,
    # 3.4, 4.4, 4.6, 4.7
    "keys_of_power_cycles": ([True, True, True], 3),
    "empty_pool": (0x6A88, R.KEY_POOL_EMPTY),
    "certificate_store": (
        ["CN=TEST fund issuing CA", "CN=ecv-pseudonym"],
        [0x6A88, 0x6A88, 0x6A80],
    ),
    "bad_terminals": {
        "stranger": [0x6982],
        "stranger of the same name": [0x6982],
        "ended": [0x6985],
        "role 9": [0x6A80],
        "no role": [0x6A80],
        "purpose": [0x6A80],
        "leaf as issuer": [0x6982, 0x6982],
        "three": [OK, OK, OK],
        "four": [OK, OK, OK, 0x6A80],
    },
    "terminal_kept": ([OK], 0x6A80, 0x6985, [OK], [OK, 0x6985]),
    "bad_handshakes": [0x6A80] * 5 + [0x6A88, 0x6A88, OK],
    "ephemeral_keys": 3,
    # 3.5
    "error_without_mac": b"\x6a\x82",
    "broken_macs": [(b"\x69\x82", b"\x69\x82")] * 2,
    "replayed": (b"\x90\x00", b"\x69\x82"),
    "malformed_bodies": [b"\x69\x88"] * 5,
    "plain_in_session": (OK, OK, ResponseApdu(b"", 0x6982), 0x6982),
    "select_in_session": (OK, 0x6982),
    # 2, 4, 4.2
    "power_on": (bytes.fromhex("8073C001C0"), bytes.fromhex("8073C001C0")),
    "chains": [
        [OK, OK, 0x6138],
        [OK, 0x6883],
        [0x6D00, 0x6A82],
        [OK, 0x6883],
        [OK, 0x6883],
        [OK, 0x6883, 0x6138],
    ],
    "classes": [
        (0x00, OK),
        (0x01, 0x6881),
        (0x03, 0x6881),
        (0x08, 0x6882),
        (0x0C, 0x6882),
        (0x20, 0x6E00),
        (0x40, 0x6881),
        (0x80, 0x6E00),
        (0x81, 0x6881),
        (0xA0, 0x6E00),
        (0xA4, 0x6E00),
        (0xC0, 0x6E00),
        (0xFF, 0x6E00),
    ],
    "challenges": (3, {16}, 0x6700),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_sound_card_answers_as_the_profile_says(name: str) -> None:
    bench = Bench()
    assert PROBES[name](bench) == EXPECTED[name]
    assert bench.card.last_error is None


def test_each_role_reads_its_files() -> None:
    answers = PROBES["files_of_all_roles"](Bench())
    words = {role: [r.sw for _, r in files] for role, files in zip(Role, answers, strict=True)}
    care = [OK, OK, OK, 0x6982, 0x6A82, OK, 0x6A82]
    assert [words[role] for role in (1, 2, 3, 4)] == [care] * 4
    assert words[Role.FUND_AGENT] == [OK, OK, 0x6982, OK, 0x6A82, OK, 0x6A82]


def test_every_instruction_has_its_answer_in_the_clear() -> None:
    before, after = PROBES["instructions"](Bench())
    assert before == [0x6985, 0x6985, 0x6985, 0x6D00, 0x6985]
    known = {
        0x20: 0x6982, 0x24: 0x6982, 0x2C: 0x6982, 0x2A: 0x6A86, 0x70: 0x6A81, 0x82: 0x6E00,
        0x84: 0x6700, 0x88: 0x6E00, 0xB0: 0x6982, 0xB1: 0x6982, 0xC0: 0x6985, 0xCA: 0x6A88,
        0xCB: 0x6A86,
    }  # fmt: skip
    assert {ins: sw for ins, sw in after.items() if ins in known} == known
    assert {sw for ins, sw in after.items() if ins not in known} == {0x6D00}


def test_get_response_and_le() -> None:
    answers = PROBES["responses"](Bench())
    fci = answers[9].data
    assert [one if isinstance(one, int) else one.sw for one in answers] == [
        0x612E, 0x6C2E, 0x611A, 0x6A86, OK, 0x6985, 0x6138, OK, 0x6985, OK, 0x6124,
    ]  # fmt: skip
    assert answers[0].data + answers[2].data + answers[4].data == fci
    assert [len(answers[0].data), len(answers[2].data), len(answers[6].data)] == [10, 20, 0]


def test_selects() -> None:
    by_name, by_p2 = PROBES["selects"](Bench())
    assert by_name == [OK, OK, 0x6A82, 0x6A82, 0x6A82, 0x6A82, 0x6A82]
    assert [(one.data[:1].hex(), one.sw) for one in by_p2] == [
        ("6f", OK), ("", 0x6A82), ("62", OK), ("", 0x6A86), ("", OK),
    ]  # fmt: skip
    assert by_p2[0].data[1:] == by_p2[2].data[1:]


def test_selected_files() -> None:
    answers = PROBES["selected_files"](Bench())
    assert [one.sw for one in answers] == [
        OK, OK, OK, 0x6A82, OK, 0x6A82, OK, OK, OK, OK, 0x6A82, 0x6A86, 0x6700, 0x6A86, 0x6A82,
    ]  # fmt: skip
    assert answers[0].data.hex() == "6f078201388302" + "0101"
    assert answers[1].data.hex() == "620e8201018302ef018002004d880108"
    assert answers[2].data[:4].hex() == "6f368408"


def test_reads() -> None:
    answers = PROBES["reads"](Bench())
    words = [one if isinstance(one, int) else one.sw for one in answers]
    assert words == [0x6986, OK, OK, 0x6282, OK, 0x6B00, OK, 0x6A86, 0x6A82, 0x6B00]
    assert [len(one.data) for one in answers[1:5]] == [3, 4, 4, 4]


def test_odd_reads() -> None:
    answers = PROBES["odd_reads"](Bench())
    assert [one.sw for one in answers] == [OK, OK, OK, 0x6282, 0x6A80, 0x6A82]
    assert [one.data[:2].hex() for one in answers[:4]] == ["5304", "5303", "531b", "534d"]


def test_data_objects() -> None:
    answers = PROBES["data_objects"](Bench())
    assert [one.sw for one in answers] == [OK, 0x6A88, OK, OK, 0x6A88, 0x6A80, 0x6A80]
    assert answers[2].data[:1].hex() == "e2"
    assert answers[3].data[:1].hex() == "e4"


def test_tokens_say_who_when_and_for_whom() -> None:
    made = PROBES["tokens"](Bench())
    tokens = [one[0][0] for one in made[::2]]
    assert all(genuine and commits == 1 for (_, genuine), commits in made[::2])
    assert made[1::2] == [(0x6982, 0x63C3)] * 4
    assert [token.counter for token in tokens] == [1, 2, 1, 1]
    assert [token.role for token in tokens] == [1, 1, 2, 1]
    assert [token.delegated for token in tokens] == [False, False, False, True]
    assert [token.grant_id[0] for token in tokens] == [0, 0, 0, 0xA1]
    assert len({token.signer for token in tokens}) == 1
    assert len({token.entry_serial for token in tokens}) == 3
    assert {token.professional for token in tokens} == {"10001234567"}
    assert {token.time for token in tokens} == {1795000000}
    assert {token.challenge for token in tokens} == {b"\x5a" * 16}


def test_the_usage_log_keeps_ten_newest_first() -> None:
    log = PROBES["usage_log"](Bench())
    assert log.counter == 12
    assert [use.counter for use in log.uses] == list(range(12, 2, -1))


def test_secured_answers_carry_a_mac_unless_they_are_errors() -> None:
    answers = PROBES["secured_commands"](Bench())
    assert [(sw, protected) for _, sw, protected in answers] == [
        (OK, True), (OK, True), (OK, True), (0x6A82, False), (OK, True),
    ]  # fmt: skip


def test_long_answers_wait() -> None:
    assert PROBES["long_response"](Bench()) == (0x61, 256, OK, True)


def test_every_probe_is_pinned_here() -> None:
    elsewhere = {
        "files_of_all_roles", "instructions", "responses", "selects", "selected_files", "reads",
        "odd_reads", "data_objects", "tokens", "usage_log", "secured_commands", "long_response",
    }  # fmt: skip
    assert set(EXPECTED) | elsewhere == set(PROBES)
