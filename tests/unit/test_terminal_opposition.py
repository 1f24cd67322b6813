"""The opposition list: what is taken, what stays, and how old it may be (profile 10)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from terminal_fakes import DAY, NOW, FakeFund, key_id

from card_formats.opposition_list import Status
from reader_drivers.terminal.errors import OppositionError
from reader_drivers.terminal.kit import TerminalKit
from reader_drivers.terminal.opposition import ListState, OppositionStore
from reader_drivers.terminal.trust import FundTrust

FUND = FakeFund()
STRANGERS = FakeFund()
TRUST = TerminalKit.from_json(FUND.kit()).trust


class Clock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def store(clock: Clock, path: Path | None = None, trust: FundTrust = TRUST) -> OppositionStore:
    return OppositionStore(trust, clock, path)


def test_nothing_yet(clock: Clock) -> None:
    empty = store(clock)
    assert empty.state() is ListState.MISSING
    assert empty.status(0) is None
    assert empty.issued_at is None


def test_statuses(clock: Clock) -> None:
    held = store(clock)
    held.load(FUND.opposition_list({3: Status.OPPOSED, 4: Status.SUSPENDED, 5: Status.RESERVED}))
    assert held.state() is ListState.FRESH
    found = [held.status(index) for index in (2, 3, 4, 5, 10_000)]
    assert found == [
        Status.VALID,
        Status.OPPOSED,
        Status.SUSPENDED,
        Status.OPPOSED,
        Status.VALID,
    ]


@pytest.mark.parametrize(
    ("age", "state"),
    [
        (-30, ListState.FRESH),
        (DAY, ListState.FRESH),
        (DAY + 1, ListState.STALE_WITHIN_GRACE),
        (2 * DAY, ListState.STALE_WITHIN_GRACE),
        (2 * DAY + 1, ListState.STALE),
    ],
)
def test_ages(clock: Clock, age: int, state: ListState) -> None:
    held = store(clock)
    held.load(FUND.opposition_list(issued_at=NOW - age))
    assert held.state() is state


def test_age_goes_on(clock: Clock) -> None:
    held = store(clock)
    held.load(FUND.opposition_list(issued_at=NOW))
    clock.now += DAY + 1
    assert held.state() is ListState.STALE_WITHIN_GRACE


def test_past_exp_there_is_no_grace(clock: Clock) -> None:
    held = store(clock)
    held.load(FUND.opposition_list(issued_at=NOW - 10, expires_at=NOW + 5))
    assert held.state() is ListState.FRESH
    clock.now = NOW + 5
    assert held.state() is ListState.STALE


BAD: dict[str, tuple[Any, str]] = {
    "no JWT": (lambda: b"hello", "malformed"),
    "empty": (lambda: b"", "malformed"),
    "wrong signature": (
        lambda: FUND.opposition_list(key=STRANGERS.opposition.key),
        "wrong signature",
    ),
    "another signer": (
        lambda: STRANGERS.opposition_list(),
        "not the fund's",
    ),
    "from the future": (lambda: FUND.opposition_list(issued_at=NOW + 31), "in the future"),
    "signed with the data key": (
        lambda: FUND.opposition_list(key=FUND.data.key, key_name=key_id(FUND.data.key).hex()),
        "not the fund's",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_list_is_untrusted_and_replaces_nothing(clock: Clock, case: str) -> None:
    make, message = BAD[case]
    empty = store(clock)
    with pytest.raises(OppositionError, match=message) as caught:
        empty.load(make())
    assert caught.value.untrusted
    assert empty.state() is ListState.UNTRUSTED
    held = store(clock)
    held.load(FUND.opposition_list({1: Status.OPPOSED}))
    with pytest.raises(OppositionError):
        held.load(make())
    assert held.state() is ListState.FRESH
    assert held.status(1) is Status.OPPOSED
    assert message in held.problem


def test_a_flipped_bit(clock: Clock) -> None:
    good = FUND.opposition_list({1: Status.OPPOSED})
    header, payload, signature = good.split(b".")
    other = FUND.opposition_list().split(b".")[1]
    assert other != payload
    with pytest.raises(OppositionError):
        store(clock).load(b".".join([header, other, signature]))


def test_a_signer_of_another_purpose(clock: Clock) -> None:
    trust = FundTrust(TRUST.root, TRUST.issuing, TRUST.data_keys, FUND.data.certificate)
    with pytest.raises(OppositionError, match="purpose"):
        store(clock, trust=trust).load(FUND.opposition_list())


def test_a_signer_of_another_fund(clock: Clock) -> None:
    trust = FundTrust(TRUST.root, TRUST.issuing, {}, STRANGERS.opposition.certificate)
    with pytest.raises(OppositionError, match="signature"):
        store(clock, trust=trust).load(STRANGERS.opposition_list())


def test_an_older_list_never_replaces_a_newer(clock: Clock) -> None:
    held = store(clock)
    held.load(FUND.opposition_list({1: Status.OPPOSED}, issued_at=NOW - 100))
    with pytest.raises(OppositionError, match="before the one in hand") as caught:
        held.load(FUND.opposition_list(issued_at=NOW - 101))
    assert not caught.value.untrusted
    assert held.status(1) is Status.OPPOSED
    held.load(FUND.opposition_list(issued_at=NOW - 99))
    assert held.status(1) is Status.VALID
    assert held.problem == ""


def test_the_file_outlives_the_terminal(clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "opposition.jwt"
    store(clock, path).load(FUND.opposition_list({1: Status.OPPOSED}, issued_at=NOW - 100))
    again = store(clock, path)
    assert again.status(1) is Status.OPPOSED
    with pytest.raises(OppositionError):
        again.load(FUND.opposition_list(issued_at=NOW - 101))
    assert store(clock, path).issued_at == NOW - 100
    assert [entry.name for entry in tmp_path.iterdir()] == ["opposition.jwt"]


def test_a_damaged_file_is_untrusted_and_kept(clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "opposition.jwt"
    path.write_bytes(b"damaged")
    held = store(clock, path)
    assert held.state() is ListState.UNTRUSTED
    assert str(path) in held.problem
    assert path.read_bytes() == b"damaged"
    held.load(FUND.opposition_list())
    assert held.state() is ListState.FRESH
    assert (tmp_path / "opposition.jwt.rejected").read_bytes() == b"damaged"
    assert store(clock, path).state() is ListState.FRESH


def test_a_file_that_cannot_be_written(clock: Clock, tmp_path: Path) -> None:
    held = store(clock, tmp_path / "none" / "opposition.jwt")
    with pytest.raises(OppositionError, match="cannot be written"):
        held.load(FUND.opposition_list())


def test_from_a_file(clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "list"
    held = store(clock)
    with pytest.raises(OppositionError, match="No such file"):
        held.load(path)
    path.write_bytes(FUND.opposition_list())
    held.load(path)
    assert held.state() is ListState.FRESH


def test_a_file_not_there_yet_is_a_missing_list(clock: Clock, tmp_path: Path) -> None:
    assert store(clock, tmp_path / "opposition.jwt").state() is ListState.MISSING


def test_a_list_of_the_same_second_is_taken(clock: Clock) -> None:
    held = store(clock)
    held.load(FUND.opposition_list({1: Status.OPPOSED}))
    held.load(FUND.opposition_list({2: Status.OPPOSED}))
    assert held.status(2) is Status.OPPOSED
