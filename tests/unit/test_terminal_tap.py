"""One tap, every reason: a good card is accepted, and one thing bent gives its own reasons."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from terminal_fake_card import FakeCard
from terminal_fakes import (
    CHILD,
    CODE,
    DAY,
    DELEGATED_INDEX,
    DELEGATOR,
    NOW,
    OWN,
    OWN_INDEX,
    TODAY,
    identity,
    key_id,
    new_key,
    rights,
)
from terminal_tap_bench import (
    FUND,
    KIT,
    Bench,
    new_bench,
    oppose,
    regrant,
    resign,
    set_entry,
    set_status,
    set_wallet,
    tampered_file,
)
from terminal_tap_cases import CASES, YESTERDAY

from card_formats.apdu import CommandApdu, ResponseApdu
from card_formats.data_objects import COVER, IDENTITY, RIGHTS, AmoPeriod, Cover, Rights
from card_formats.presence_token import PRESENCE_TOKEN
from card_formats.profile_ecv_sim_1 import (
    CodeState,
    Fid,
    LifeCycle,
    Marker,
    Role,
)
from reader_drivers.api import CommunicationFault, ReaderUnavailable
from reader_drivers.terminal.kit import TerminalKit
from reader_drivers.terminal.terminal import Terminal
from reader_drivers.terminal.verdict import Reason, Verdict


@pytest.fixture
def bench() -> Bench:
    return new_bench()


@pytest.mark.parametrize("extended", [True, False], ids=["extended", "short"])
@pytest.mark.parametrize("entry", [1, 2, 3])
def test_a_good_card_is_accepted(bench: Bench, entry: int, extended: bool) -> None:
    set_entry(bench, entry)
    verdict = bench.run(extended)
    assert verdict.reasons == ()
    assert verdict.accepted
    assert verdict.warnings == ()
    assert verdict.serial == (OWN, CHILD, DELEGATOR)[entry - 1]
    assert verdict.identity == identity(verdict.serial)
    assert verdict.rights == rights()
    assert verdict.cover == Cover(TODAY, ())
    assert verdict.acting_for == (DELEGATOR if entry == 3 else None)
    assert verdict.presence_token is not None
    assert verdict.presence_token.entry_serial == verdict.serial
    assert verdict.marker is Marker.TEST
    assert bench.card.closed == 1


@pytest.mark.parametrize("case", CASES)
def test_what_is_bent_is_what_is_found(bench: Bench, case: str) -> None:
    change, expected = CASES[case]
    change(bench)
    verdict = bench.run()
    assert set(verdict.reasons) == expected, verdict.details
    assert len(verdict.reasons) == len(expected)
    assert not verdict.accepted
    assert all(verdict.details[reason.value] for reason in expected)
    assert bench.card.closed == bench.card.present


def test_what_the_fund_does_not_vouch_for_is_not_handed_on(bench: Bench) -> None:
    tampered_file(bench)
    verdict = bench.run()
    assert (verdict.identity, verdict.rights, verdict.cover) == (None, None, None)


def test_an_unverified_token_is_not_handed_on(bench: Bench) -> None:
    bench.card.signing_key = new_key()
    assert bench.run().presence_token is None


@pytest.mark.parametrize("case", ["opposed by SELECT", "suspended in the status alone",
                                  "test card in production", "blocked in the status"])  # fmt: skip
def test_no_code_is_asked_for_a_card_that_is_certain_to_be_refused(bench: Bench, case: str) -> None:
    asked: list[int] = []
    CASES[case][0](bench)
    bench.tap["code"] = lambda: asked.append(1)
    bench.run()
    assert asked == []
    assert all(command.ins != 0x20 for command in bench.card.plain)


def test_the_code_is_asked_for_when_needed(bench: Bench) -> None:
    asked: list[int] = []

    def ask() -> str:
        asked.append(1)
        return CODE

    bench.tap["code"] = ask
    assert bench.run().accepted
    assert asked == [1]


def test_a_code_typed_on_the_phone_before_is_not_asked_again(bench: Bench) -> None:
    set_status(bench, code=CodeState.VERIFIED)
    bench.tap["code"] = None
    assert bench.run().accepted


def test_code_on_the_phone_makes_the_phone_ask(bench: Bench) -> None:
    set_status(bench, code_on_phone=True)
    verdict = bench.run()
    assert verdict.details["code_needed"] == "enter the code on the phone and tap again"
    assert [command.ins for command in bench.card.plain] == [0xCA, 0xB0, 0xCA]


def test_a_phone_that_says_so_only_at_verify(bench: Bench) -> None:
    bench.card.refuse = {0x20: 0x6985}
    verdict = bench.run()
    assert verdict.reasons == (Reason.CODE_NEEDED,)
    assert "tap again" in verdict.details["code_needed"]


def test_tries_left_are_told(bench: Bench) -> None:
    bench.tap["code"] = "111111"
    verdict = bench.run()
    assert verdict.details["tries_left"] == "2"
    assert "2 tries left" in verdict.details["code_wrong"]


@pytest.mark.parametrize("code", ["", "12", "123", "123456789", "12345a", "２４６８０１"])
def test_a_malformed_code_is_not_sent(bench: Bench, code: str) -> None:
    bench.tap["code"] = code
    assert "nothing was sent" in bench.run().details["code_wrong"]
    assert bench.card.tries == 3
    assert all(command.ins != 0x20 for command in bench.card.plain)


def test_only_what_is_needed_is_read(bench: Bench) -> None:
    bench.tap["presence"] = False
    verdict = bench.run()
    assert verdict.accepted
    assert verdict.presence_token is None
    read = [0xEF00 | c.p1 & 0x1F for c in bench.card.plain if c.ins == 0xB0]
    assert read == [Fid.WALLET, Fid.IDENTITY, Fid.RIGHTS, Fid.COVER, Fid.SIGNATURE]
    assert all(command.ins != 0x2A for command in bench.card.plain)


def test_a_fund_agent_does_not_read_the_cover(bench: Bench) -> None:
    bench.kit = FUND.kit(Role.FUND_AGENT)
    bench.card.token_changes = {"role": Role.FUND_AGENT}
    verdict = bench.run()
    assert verdict.accepted, verdict.details
    assert verdict.cover is None
    read = [0xEF00 | c.p1 & 0x1F for c in bench.card.plain if c.ins == 0xB0]
    assert Fid.COVER not in read


def test_a_stale_list_within_its_grace_is_a_warning(bench: Bench) -> None:
    bench.lists = [FUND.opposition_list(issued_at=NOW - DAY - 1)]
    verdict = bench.run()
    assert verdict.accepted
    assert verdict.warnings == (Reason.LIST_STALE,)
    assert verdict.details["list_stale"] == "the opposition list is old: fetch one from the fund"


def test_the_last_day_of_validity_and_rights_still_counts(bench: Bench) -> None:
    resign(
        bench,
        identity=IDENTITY.build(identity(OWN, valid_until=TODAY)),
        rights=RIGHTS.build(rights(TODAY)),
        cover=COVER.build(Cover(TODAY, ())),
    )
    set_wallet(bench, 1, valid_until=TODAY)
    assert bench.run().accepted


@pytest.mark.parametrize("change", [{"time": NOW + 30}, {"time": NOW - 1200}])
def test_a_token_within_its_time_is_taken(bench: Bench, change: dict[str, int]) -> None:
    bench.card.token_changes = change
    assert bench.run().accepted


def test_the_observer_sees_plain_commands(bench: Bench) -> None:
    seen: list[tuple[CommandApdu, ResponseApdu]] = []
    bench.tap["observer"] = lambda command, response: seen.append((command, response))
    bench.run()
    assert [c.ins for c, _ in seen][:2] == [0xCA, 0x20]
    verify = seen[1][0]
    assert verify.data.hex() == "26246801ffffffff"
    assert all(response.sw == 0x9000 for _, response in seen)


def test_no_reader_is_no_verdict(bench: Bench) -> None:
    def unavailable(timeout: float = 5.0) -> FakeCard:
        raise ReaderUnavailable("unplugged")

    bench.card.connect = unavailable  # type: ignore[method-assign]
    with pytest.raises(ReaderUnavailable):
        bench.run()


def test_a_reader_that_fails_to_close_changes_no_verdict(bench: Bench) -> None:
    def close() -> None:
        raise CommunicationFault("already gone")

    bench.card.close = close  # type: ignore[method-assign]
    assert bench.run().accepted


def test_two_taps_use_different_challenges(bench: Bench) -> None:
    first, second = bench.run(), bench.run()
    assert first.presence_token is not None
    assert second.presence_token is not None
    assert first.presence_token.challenge != second.presence_token.challenge


def test_french_codes() -> None:
    codes = {reason: reason.french_code for reason in Reason if reason.french_code}
    assert codes == {
        Reason.CODE_WRONG: "F003",
        Reason.CARD_ABSENT: "F011",
        Reason.COMMUNICATION_FAULT: "F014",
        Reason.CARD_REMOVED: "F015",
        Reason.TEST_CARD: "F026",
    }


def test_a_presence_token_apart_from_its_tap(bench: Bench) -> None:
    token = bench.run().presence_token
    assert token is not None
    encoded = PRESENCE_TOKEN.build(token)
    kit = TerminalKit.from_json(KIT)

    def judge(now: float, **changes: Any) -> Verdict:
        wanted = {"challenge": token.challenge, "certificates": bench.card.certificates}
        return Terminal(kit, clock=lambda: now).verify_presence(encoded, **(wanted | changes))

    assert judge(NOW + 1200).accepted
    strict = Terminal(kit, clock=lambda: NOW, mode="production")
    refused = strict.verify_presence(
        encoded, challenge=token.challenge, certificates=bench.card.certificates
    )
    assert refused.reasons == (Reason.TEST_CARD,)
    unreadable = judge(NOW, certificates=b"\x30\x05abc")
    assert "cannot be read" in unreadable.details["unknown_issuer"]
    assert judge(NOW + 1201).reasons == (Reason.OBSOLETE,)
    assert judge(NOW, challenge=bytes(16)).reasons == (Reason.REPLAYED,)
    assert judge(NOW, entry_serial=CHILD).reasons == (Reason.CARD_SUBSTITUTED,)
    assert judge(NOW, entry_serial=OWN).accepted
    assert judge(NOW, certificates=b"").reasons == (Reason.UNKNOWN_ISSUER,)
    altered = encoded[:60] + bytes([encoded[60] ^ 1]) + encoded[61:]
    verdict = Terminal(kit, clock=lambda: NOW).verify_presence(
        altered, challenge=token.challenge, certificates=bench.card.certificates
    )
    assert Reason.BAD_PHONE_SIGNATURE in verdict.reasons
    assert key_id(FUND.data.key) in kit.trust.data_keys


def test_the_first_day_and_second_count(bench: Bench) -> None:
    resign(bench, identity=IDENTITY.build(identity(OWN, valid_from=TODAY)))
    assert bench.run().accepted
    regrant(bench, valid_from=NOW)
    assert bench.run().accepted


def test_thirty_days_of_delegation_are_allowed(bench: Bench) -> None:
    regrant(bench, valid_from=NOW - 10 * DAY, valid_until=NOW + 20 * DAY)
    assert bench.run().accepted


@pytest.mark.parametrize(
    ("periods", "text"),
    [
        ((), "holds no period"),
        ((rights(YESTERDAY).periods[0],), "the rights ended on"),
        (
            (
                AmoPeriod(
                    TODAY + datetime.timedelta(days=1), TODAY + datetime.timedelta(days=9), "00100"
                ),
            ),
            "no period of rights covers today",
        ),
    ],
)
def test_why_there_are_no_rights(bench: Bench, periods: tuple[AmoPeriod, ...], text: str) -> None:
    resign(bench, rights=RIGHTS.build(Rights(TODAY, periods)))
    verdict = bench.run()
    assert verdict.reasons == (Reason.RIGHTS_ENDED,)
    assert text in verdict.details["rights_ended"]


@pytest.mark.parametrize("case", ["token by a stranger", "token by a key for agreement"])
def test_a_token_without_a_trusted_key_is_not_handed_on(bench: Bench, case: str) -> None:
    CASES[case][0](bench)
    assert bench.run().presence_token is None
    kit = TerminalKit.from_json(KIT)
    alone = Terminal(kit, clock=lambda: NOW)
    token = PRESENCE_TOKEN.vectors[0].encoded
    verdict = alone.verify_presence(token, challenge=b"\x5a" * 16, certificates=b"")
    assert verdict.presence_token is None
    assert verdict.serial is None


def test_details_are_sentences(bench: Bench) -> None:
    del bench.card.entries[1][Fid.RIGHTS]
    verdict = bench.run()
    found = verdict.details["refused_by_card"]
    assert found == "READ BINARY of EF.RIGHTS: 6A82, file or application not found"


def test_several_sentences_for_one_reason_are_all_there(bench: Bench) -> None:
    set_entry(bench, 3)
    oppose(bench, DELEGATED_INDEX, OWN_INDEX)
    verdict = bench.run()
    assert verdict.reasons == (Reason.OPPOSED,)
    assert "the card is opposed" in verdict.details["opposed"]
    assert "the phone's own card is opposed" in verdict.details["opposed"]


def test_the_same_sentence_is_told_once(bench: Bench) -> None:
    bench.card.select_sw = 0x6285
    set_status(bench, state=LifeCycle.OPPOSED)
    assert bench.run().details["opposed"] == "the card says that it is opposed"


def test_expired_by_its_status_without_a_token(bench: Bench) -> None:
    set_status(bench, expired=True)
    bench.tap["presence"] = False
    assert bench.run().reasons == (Reason.EXPIRED,)


def test_the_last_day_of_the_phones_own_card_counts(bench: Bench) -> None:
    set_entry(bench, 2)
    set_wallet(bench, 1, valid_until=TODAY)
    assert bench.run().accepted


def test_a_forgotten_code_is_not_for_the_phone_to_ask(bench: Bench) -> None:
    CASES["code forgotten"][0](bench)
    assert "phone" not in bench.run().details["code_needed"]


def test_the_answer_of_another_card_is_told(bench: Bench) -> None:
    bench.card.select_sw = 0x6A82
    assert "6A82" in bench.run().details["not_an_e_carte"]


def test_the_card_that_was_expected_is_accepted(bench: Bench) -> None:
    bench.tap["expected_serial"] = OWN
    assert bench.run().accepted
