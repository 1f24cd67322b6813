"""One QR code, every reason, in each of the three forms (profile 9)."""

from __future__ import annotations

from pathlib import Path

import pytest
from terminal_fakes import (
    CHILD,
    DELEGATOR,
    NOW,
    OWN,
    TODAY,
    new_key,
    rights,
)
from terminal_scan_cases import (
    CASES,
    FORMS,
    ONE_FORM,
    STRANGERS,
    Bench,
    Resolution,
    delegated,
)

from card_formats.profile_ecv_sim_1 import Marker
from card_formats.qr_token import (
    QrForm,
)
from reader_drivers.terminal.errors import ReplayStoreError
from reader_drivers.terminal.replay import ReplayStore
from reader_drivers.terminal.verdict import Reason


@pytest.fixture(params=FORMS, ids=[form.name.lower() for form in FORMS])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(request.param)


def test_a_good_code_is_accepted(bench: Bench) -> None:
    verdict = bench.scan()
    assert verdict.reasons == (), verdict.details
    assert verdict.accepted
    assert verdict.serial == OWN
    assert verdict.credential is not None
    assert verdict.credential.surname == "TESTE"
    assert verdict.acting_for is None
    assert verdict.rights == (rights() if bench.form is QrForm.ONLINE else None)
    assert verdict.marker is Marker.TEST


def test_a_good_delegated_code_is_accepted(bench: Bench) -> None:
    delegated()(bench)
    verdict = bench.scan()
    assert verdict.accepted, verdict.details
    assert (verdict.serial, verdict.acting_for) == (DELEGATOR, DELEGATOR)


@pytest.mark.parametrize("case", CASES)
def test_what_is_bent_is_what_is_found(bench: Bench, case: str) -> None:
    change, expected = CASES[case]
    change(bench)
    verdict = bench.scan()
    assert set(verdict.reasons) == expected, verdict.details
    assert not verdict.accepted
    assert all(verdict.details[reason.value] for reason in expected)


@pytest.mark.parametrize("case", ONE_FORM)
def test_what_only_one_form_can_have(case: str) -> None:
    form, change, expected = ONE_FORM[case]
    bench = Bench(form)
    change(bench)
    verdict = bench.scan()
    assert set(verdict.reasons) == expected, verdict.details


@pytest.mark.parametrize(
    "text",
    ["", "ECV1:", "ECV1:abc", "ECV1:AAAA", "ecv1:00", "https://example.org", "ECV1:\n", "IS01"],
)
def test_what_is_no_token_is_unreadable(text: str) -> None:
    assert Bench(QrForm.CLEAR).scan(text).reasons == (Reason.QR_UNREADABLE,)


def test_every_character_counts(bench: Bench) -> None:
    text = bench.text()
    for place in range(5, len(text), 7):
        other = "A" if text[place] != "A" else "B"
        assert not bench.scan(text[:place] + other + text[place + 1 :]).accepted
    assert bench.scan(text).accepted


def test_a_scanners_end_of_line_is_ignored(bench: Bench) -> None:
    assert bench.scan(bench.text() + "\r\n").accepted


def test_a_credential_of_no_fund_is_not_handed_on(bench: Bench) -> None:
    bench.credential_key = STRANGERS.data.key
    assert bench.scan().credential is None


@pytest.mark.parametrize(
    ("now", "accepted"),
    [(NOW - 30, True), (NOW - 31, False), (NOW + 150, True), (NOW + 151, False)],
)
def test_the_clock_skew_is_thirty_seconds(bench: Bench, now: int, accepted: bool) -> None:
    bench.now = now
    assert bench.scan().accepted is accepted


# --- replay ----------------------------------------------------------------------------------


def test_the_same_code_twice_is_a_replay(bench: Bench) -> None:
    text = bench.text()
    assert bench.scan(text).accepted
    verdict = bench.scan(text)
    assert verdict.reasons == (Reason.REPLAYED,)
    assert "this very token" in verdict.details["replayed"]


def test_an_older_code_after_a_newer_one_is_a_replay(bench: Bench) -> None:
    older, newer = bench.text(), bench.text()
    assert bench.scan(newer).accepted
    verdict = bench.scan(older)
    assert verdict.reasons == (Reason.REPLAYED,)
    assert "counter 1" in verdict.details["replayed"]


def test_the_next_code_is_accepted(bench: Bench) -> None:
    assert bench.scan().accepted
    assert bench.scan().accepted


def test_a_refused_code_moves_nothing(bench: Bench) -> None:
    text = bench.text()
    bench.now = NOW + 151
    assert bench.scan(text).reasons == (Reason.QR_EXPIRED,)
    bench.now = NOW + 10
    assert bench.scan(text).accepted


def test_another_phone_has_its_own_counter() -> None:
    bench = Bench(QrForm.CLEAR)
    bench.counter = 40
    assert bench.scan().accepted
    bench.phone = bench.device_key = new_key()
    bench.counter = 2
    assert bench.scan().accepted


def test_the_memory_outlives_the_terminal(tmp_path: Path, bench: Bench) -> None:
    path = tmp_path / "replay.json"
    bench.replay = ReplayStore(path)
    text = bench.text()
    assert bench.scan(text).accepted
    bench.replay = ReplayStore(path)
    assert bench.scan(text).reasons == (Reason.REPLAYED,)


def test_what_cannot_be_remembered_is_not_accepted(tmp_path: Path, bench: Bench) -> None:
    bench.replay = ReplayStore(tmp_path / "gone" / "replay.json")
    with pytest.raises(ReplayStoreError, match="cannot be written"):
        bench.scan()


def test_an_unknown_mode_is_refused() -> None:
    bench = Bench(QrForm.CLEAR)
    bench.mode = "prod"
    with pytest.raises(ValueError, match="neither"):
        bench.scan()


def test_an_unresolved_code_is_no_substitution() -> None:
    bench = Bench(QrForm.ONLINE)
    bench.online, bench.expected_serial = False, CHILD
    assert bench.scan().reasons == (Reason.QR_UNRESOLVED,)


def test_the_last_day_of_a_card_counts(bench: Bench) -> None:
    bench.credential["valid_until"] = TODAY
    assert bench.scan().accepted


@pytest.mark.parametrize(
    ("answer", "reason", "detail"),
    [
        (Resolution(None, ("opposed",), "reported lost"), Reason.OPPOSED, "reported lost"),
        (Resolution(None, ("opposed",)), Reason.OPPOSED, "the fund answers: opposed"),
        (Resolution(None), Reason.QR_UNRESOLVED, "the fund does not know this code"),
        (Resolution(None, (), "never seen"), Reason.QR_UNRESOLVED, "never seen"),
    ],
)
def test_what_the_fund_says_is_told(answer: Resolution, reason: Reason, detail: str) -> None:
    bench = Bench(QrForm.ONLINE)
    bench.answer = answer
    verdict = bench.scan()
    assert verdict.reasons == (reason,)
    assert verdict.details[reason.value] == detail


def test_the_card_that_was_expected_is_accepted(bench: Bench) -> None:
    bench.expected_serial = OWN
    assert bench.scan().accepted
