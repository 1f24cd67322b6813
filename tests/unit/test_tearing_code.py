"""The card torn away at every write: no try comes back, no second token is made."""

from __future__ import annotations

import itertools

import pytest
from card_factory import CODE, OWN, UNBLOCKING_CODE, Bench, make_state
from card_host import Host
from card_probes import opened, verified

from card_formats.data_objects import USAGE
from card_formats.pin_block import PIN_BLOCK_PAIR
from firmware_sim.card.secret_code import SecretCode

WRONG = "000000"


def torn(bench: Bench, nth: int, act: object, *arguments: object) -> bool:
    """Do it with the power failing at the ``nth`` write from now; whether it failed."""
    bench.fail_at = bench.commits + nth
    try:
        act(*arguments)  # type: ignore[operator]
    except ConnectionError:
        return True
    return False


def test_a_power_cut_is_a_connection_error_and_kills_the_card() -> None:
    bench = Bench()
    host = opened(bench)
    bench.fail_at = bench.commits + 1
    with pytest.raises(ConnectionError):
        host.verify(WRONG)
    with pytest.raises(ConnectionError):
        host.code_state()
    bench.fail_at = None
    bench.card.power_on()
    assert opened(bench).code_state() in (0x63C2, 0x63C3)


def test_nothing_is_compared_before_the_try_is_on_disk() -> None:
    bench = Bench()
    host = opened(bench)
    compared: list[int] = []
    matches = bench.card.code.matches

    def watch(given: str, expected: str) -> bool:
        compared.append(bench.disk.tries_left)
        return matches(given, expected)

    bench.card.code.matches = watch  # type: ignore[method-assign]
    for code in (WRONG, WRONG, CODE, WRONG):
        host.verify(code)
    assert compared == [2, 1, 0, 2]
    assert torn(bench, 1, host.verify, CODE)
    assert len(compared) == 4


@pytest.mark.parametrize("cuts", list(itertools.product((0, 1, 2), repeat=3)))
def test_no_wrong_guess_is_ever_free(cuts: tuple[int, ...]) -> None:
    """Guesses that were compared never outnumber the tries that disappeared from disk."""
    bench = Bench()
    compared = 0
    for cut in cuts:
        host = opened(bench)
        matches = bench.card.code.matches

        def count(given: str, expected: str, matches: object = matches) -> bool:
            nonlocal compared
            compared += 1
            return bool(matches(given, expected))  # type: ignore[operator]

        bench.card.code.matches = count  # type: ignore[method-assign]
        if cut:
            torn(bench, cut, host.verify, WRONG)
        else:
            host.verify(WRONG)
        bench = bench.restarted()
        assert bench.state.tries_left == 3 - compared
    assert compared <= 3


def test_three_wrong_codes_block_whatever_is_torn_after_them() -> None:
    bench = Bench()
    for tries in (2, 1, 0):
        assert opened(bench).verify(WRONG) == 0x63C0 | tries
        bench = bench.restarted()
    host = opened(bench)
    assert host.verify(CODE) == 0x6983
    assert bench.commits == 1  # the agreement key's: nothing was spent


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_right_code_torn_gives_no_try_back_and_no_verification(nth: int) -> None:
    bench = Bench()
    host = opened(bench)
    host.verify(WRONG)
    failed = torn(bench, nth, host.verify, CODE)
    assert failed == (nth < 3)
    after = bench.restarted()
    assert after.state.tries_left == {1: 2, 2: 1, 3: 3}[nth]
    assert opened(after).code_state() == 0x63C0 | after.state.tries_left


@pytest.mark.parametrize("nth", [1, 2])
def test_a_change_torn_leaves_one_whole_code(nth: int) -> None:
    bench = Bench()
    host = opened(bench)
    pair = PIN_BLOCK_PAIR.build((CODE, "2468"))
    assert torn(bench, nth, host.send, 0, 0x24, 0, 0x81, pair)
    after = bench.restarted()
    assert after.state.code == CODE
    assert after.state.tries_left == {1: 3, 2: 2}[nth]


@pytest.mark.parametrize("nth", [1, 2])
def test_an_unblocking_torn_spends_its_use(nth: int) -> None:
    bench = Bench()
    bench.state.tries_left = 0
    host = opened(bench)
    pair = PIN_BLOCK_PAIR.build((UNBLOCKING_CODE, "2468"))
    assert torn(bench, nth, host.send, 0, 0x2C, 0, 0x81, pair)
    after = bench.restarted()
    assert (after.state.tries_left, after.state.code) == (0, CODE)
    assert after.state.unblocks_left == {1: 10, 2: 9}[nth]


def test_ten_uses_of_the_unblocking_code() -> None:
    bench = Bench()
    host = opened(bench)
    wrong = PIN_BLOCK_PAIR.build(("00000000", "2468"))
    right = PIN_BLOCK_PAIR.build((UNBLOCKING_CODE, "2468"))
    answers = [host.send(0, 0x2C, 0, 0x81, wrong).sw for _ in range(10)]
    assert answers == [0x63C0 | left for left in range(9, -1, -1)]
    assert host.send(0, 0x2C, 0, 0x81, right).sw == 0x6983


def test_a_presence_torn_makes_no_token_and_needs_the_code_again() -> None:
    bench = Bench()
    host = verified(bench)
    assert torn(bench, 1, host.sign)
    after = bench.restarted()
    bench.fail_at = None
    bench.card.power_on()
    assert opened(bench).sign().sw == 0x6982
    assert after.state.entries[OWN].usage_counter == 0
    assert opened(after).sign().sw == 0x6982


def test_a_token_is_on_disk_before_it_is_answered() -> None:
    bench = Bench()
    host = verified(bench)
    assert host.sign().sw == 0x9000
    entry = bench.disk.entries[OWN]
    assert entry.usage_counter == 1
    assert [use.counter for use in USAGE.parse(entry.usage_log).uses] == [1]


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("nth", range(1, 6))
def test_one_code_gives_one_token_wherever_it_is_torn(nth: int, typed: bool) -> None:
    bench = Bench()
    bench.person.typed = typed
    tokens = []

    def session(host: Host) -> None:
        host.open_a()
        if not typed:
            host.verify()
        for _ in range(2):
            tokens.append(host.sign())

    torn(bench, nth, session, Host(bench.card))
    bench.fail_at = None
    bench.card.power_on()
    again = opened(bench)
    tokens.append(again.sign())
    made = [one for one in tokens if one.sw == 0x9000]
    before_the_token = nth == 1 and typed
    assert len(made) <= 1
    assert tokens[-1].sw == (0x9000 if before_the_token else 0x6982)


def test_an_agreement_key_is_spent_on_disk_before_it_is_shown() -> None:
    bench = Bench()
    host = Host(bench.card)
    host.select()
    assert torn(bench, 1, host.certificates)
    bench.fail_at = None
    bench.card.power_on()
    host.select()
    shown = host.certificates()[-1]
    assert [key.used for key in bench.disk.agreement_keys[:3]] == [True, True, False]
    after = bench.restarted()
    host = Host(after.card)
    host.select()
    assert host.certificates()[-1] != shown


def test_the_phone_shares_the_counter() -> None:
    bench = Bench()
    host = opened(bench)
    phone = SecretCode(bench.state, lambda: None)
    assert phone.verify(WRONG).tries_left == 2
    assert host.verify(WRONG) == 0x63C1
    result = phone.verify(WRONG)
    assert (result.ok, result.tries_left, result.blocked) == (False, 0, True)
    assert host.verify() == 0x6983
    assert not phone.verify(CODE).ok
    with pytest.raises(ValueError, match="4 to 8"):
        phone.change(CODE, "12")
    assert make_state().tries_left == 3
