"""One tap, every reason: a good card is accepted, and one thing bent gives its own reasons."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

import pytest
from card_formats.apdu import CommandApdu, ResponseApdu
from card_formats.data_objects import COVER, IDENTITY, RIGHTS, Cover, Rights
from card_formats.grant import roles_bitmap
from card_formats.opposition_list import Status
from card_formats.profile_ecv_sim_1 import (
    CodeState,
    Fid,
    KeyPurpose,
    LifeCycle,
    Marker,
    RefusalReason,
    Role,
)
from card_formats.selection import ProfileVersion
from reader_drivers.api import CardRemoved, CommunicationFault, ReaderUnavailable
from reader_drivers.terminal.kit import TerminalKit
from reader_drivers.terminal.opposition import OppositionStore
from reader_drivers.terminal.terminal import Terminal
from reader_drivers.terminal.verdict import Reason, Verdict
from terminal_fake_card import FakeCard
from terminal_fakes import (
    CHILD,
    CHILD_INDEX,
    CODE,
    DAY,
    DELEGATED_INDEX,
    DELEGATOR,
    GRANT_INDEX,
    NOW,
    OWN,
    OWN_INDEX,
    TODAY,
    FakeFund,
    chain_bytes,
    entry_files,
    identity,
    key_id,
    new_key,
    rights,
)

FUND = FakeFund()
KIT = FUND.kit()
STRANGERS = FakeFund()


@dataclasses.dataclass
class Bench:
    """A card and all that a case may bend before the tap."""

    card: FakeCard
    kit: dict[str, Any]
    lists: list[bytes]
    now: float = NOW
    mode: Any = "bench"
    tap: dict[str, Any] = dataclasses.field(default_factory=lambda: {"code": CODE})

    def run(self, extended: bool | None = None) -> Verdict:
        kit = TerminalKit.from_json(self.kit)
        store = OppositionStore(kit.trust, lambda: self.now)
        for one in self.lists:
            try:
                store.load(one)
            except Exception as error:
                assert "opposition list" in str(error)
        terminal = Terminal(
            kit, clock=lambda: self.now, opposition=store, mode=self.mode, extended=extended
        )
        return terminal.tap(self.card, **self.tap)


def new_bench() -> Bench:
    return Bench(FakeCard(FUND), dict(KIT), [FUND.opposition_list()])


@pytest.fixture
def bench() -> Bench:
    return new_bench()


def resign(bench: Bench, entry: int = 1, **files: bytes) -> None:
    """Replace files of an entry and sign them anew, as the fund would."""
    held = bench.card.entries[entry]
    held.update({Fid[name.upper()]: content for name, content in files.items()})
    held[Fid.SIGNATURE] = FUND.sign_files(bench.card.wallet[entry - 1].serial, held)


def set_entry(bench: Bench, entry: int) -> None:
    bench.tap["entry"] = entry


def set_status(bench: Bench, **changes: Any) -> None:
    bench.card.status = dataclasses.replace(bench.card.status, **changes)


def set_proprietary(bench: Bench, **changes: Any) -> None:
    changed = dataclasses.replace(bench.card.fci.proprietary, **changes)
    bench.card.fci = dataclasses.replace(bench.card.fci, proprietary=changed)


def set_wallet(bench: Bench, index: int, **changes: Any) -> None:
    bench.card.wallet[index - 1] = dataclasses.replace(bench.card.wallet[index - 1], **changes)


def regrant(bench: Bench, **changes: Any) -> None:
    set_entry(bench, 3)
    bench.card.entries[3][Fid.GRANT] = FUND.grant(**changes)


def oppose(bench: Bench, *indices: int, status: Status = Status.OPPOSED) -> None:
    bench.lists = [FUND.opposition_list(dict.fromkeys(indices, status))]


def agreement(bench: Bench, authority: Any, *chain: Any) -> None:
    bench.card.agreement = authority
    bench.card.agreement_chain = [*chain, authority.certificate]


def signer(bench: Bench, authority: Any, *chain: Any) -> None:
    bench.card.signing_key = authority.key
    bench.card.certificates = chain_bytes([*chain, authority.certificate])


def issue(purpose: int | None, **bent: Any) -> Any:
    return FUND.leaf("leaf", FUND.issuing, purpose, **bent)


AGREEMENT, SIGNATURE = KeyPurpose.CARD_AGREEMENT, KeyPurpose.CARD_SIGNATURE
FUND_CA = FUND.issuing.certificate
FORGED_CA = FUND.authority("Test fund issuing CA", STRANGERS.root)
TWIN_CA = dataclasses.replace(
    FORGED_CA, certificate=STRANGERS.authority("Test fund issuing CA", STRANGERS.root).certificate
)


def raise_on(ins: int, error: Exception) -> Callable[[CommandApdu], None]:
    def check(command: CommandApdu) -> None:
        if command.ins == ins:
            raise error

    return check


def flip_answer(ins: int) -> Callable[[CommandApdu, bytes], bytes]:
    def mutate(command: CommandApdu, raw: bytes) -> bytes:
        return bytes([raw[0] ^ 1]) + raw[1:] if command.ins == ins and len(raw) > 2 else raw

    return mutate


def cut_answer(ins: int) -> Callable[[CommandApdu, bytes], bytes]:
    return lambda command, raw: raw[:1] if command.ins == ins else raw


def bend(**attributes: Any) -> Callable[[Bench], None]:
    """Set attributes of the card."""

    def change(bench: Bench) -> None:
        for name, value in attributes.items():
            assert hasattr(bench.card, name)
            setattr(bench.card, name, value)

    return change


def token(**changes: Any) -> Callable[[Bench], None]:
    return bend(token_changes=changes)


def tampered_file(bench: Bench) -> None:
    bench.card.entries[1][Fid.IDENTITY] = IDENTITY.build(identity(OWN, surname="AUTRE"))


def broken_file(bench: Bench) -> None:
    resign(bench, rights=b"\xe1\x03\x80\x01\x00")


def swapped_entry(bench: Bench) -> None:
    bench.card.entries[1] = entry_files(FUND, CHILD)


def foreign_signature(bench: Bench) -> None:
    held = bench.card.entries[1]
    held[Fid.SIGNATURE] = FUND.sign_files(CHILD, held)


def expired_card(bench: Bench) -> None:
    day = TODAY - datetime.timedelta(days=1)
    resign(bench, identity=IDENTITY.build(identity(OWN, valid_until=day)))
    set_wallet(bench, 1, valid_until=day)


def future_card(bench: Bench) -> None:
    day = TODAY + datetime.timedelta(days=1)
    resign(bench, identity=IDENTITY.build(identity(OWN, valid_from=day)))


def expired_own_card(bench: Bench) -> None:
    set_entry(bench, 2)
    set_wallet(bench, 1, valid_until=TODAY - datetime.timedelta(days=1))


def card_says_delegation(reason: RefusalReason) -> Callable[[Bench], None]:
    def change(bench: Bench) -> None:
        set_entry(bench, 3)
        set_status(bench, last_refusal=reason)
        card = bench.card
        original = card._file
        card._file = lambda fid: original(fid) if fid in (0xEF10, 0xEF11) else 0x6985  # type: ignore[method-assign]

    return change


def unknown_data_key(bench: Bench) -> None:
    held = bench.card.entries[1]
    held[Fid.SIGNATURE] = FUND.sign_files(OWN, held, signer=b"\x99" * 8)


def uncovered_file(bench: Bench) -> None:
    held = bench.card.entries[1]
    good = FUND.sign_files(OWN, held)
    from card_formats.data_objects import FILE_SIGNATURE

    digests = FILE_SIGNATURE.parse(good).digests[:2]
    held[Fid.SIGNATURE] = FUND.sign_files(OWN, held, digests=digests)


def forged_files(bench: Bench) -> None:
    held = bench.card.entries[1]
    held[Fid.SIGNATURE] = FUND.sign_files(OWN, held, STRANGERS.data.key)


def rights_end(until: datetime.date) -> Callable[[Bench], None]:
    return lambda bench: resign(bench, rights=RIGHTS.build(rights(until)))


R = Reason
YESTERDAY = TODAY - datetime.timedelta(days=1)
CASES: dict[str, tuple[Callable[[Bench], object], set[Reason]]] = {
    # reader and link
    "no card": (bend(present=False), {R.CARD_ABSENT}),
    "removed in mid-session": (
        bend(before=raise_on(0xB0, CardRemoved("gone"))),
        {R.CARD_REMOVED},
    ),
    "mute": (bend(before=raise_on(0x82, CommunicationFault("mute"))), {R.COMMUNICATION_FAULT}),
    "half an answer": (bend(mutate_wire=cut_answer(0xA4)), {R.COMMUNICATION_FAULT}),
    "altered in session": (bend(mutate_wire=flip_answer(0xB0)), {R.COMMUNICATION_FAULT}),
    # SELECT
    "locked phone": (bend(select_sw=0x6985), {R.PHONE_LOCKED}),
    "another card": (bend(select_sw=0x6A82), {R.NOT_AN_E_CARTE}),
    "class refused": (bend(select_sw=0x6E00), {R.NOT_AN_E_CARTE}),
    "not our FCI": (bend(mutate_wire=flip_answer(0xA4)), {R.NOT_AN_E_CARTE}),
    "another profile": (
        lambda b: set_proprietary(b, version=ProfileVersion(2, 0)),
        {R.NOT_AN_E_CARTE},
    ),
    "opposed by SELECT": (bend(select_sw=0x6285), {R.OPPOSED}),
    "suspended by SELECT": (bend(select_sw=0x6283), {R.SUSPENDED}),
    "opposed in the FCI alone": (
        lambda b: set_proprietary(b, state=LifeCycle.OPPOSED),
        {R.OPPOSED},
    ),
    "suspended in the status alone": (
        lambda b: set_status(b, state=LifeCycle.SUSPENDED),
        {R.SUSPENDED},
    ),
    "test card in production": (lambda b: setattr(b, "mode", "production"), {R.TEST_CARD}),
    # handshake
    "agreement key of a stranger": (
        lambda b: agreement(
            b, STRANGERS.leaf("x", STRANGERS.issuing, AGREEMENT), STRANGERS.issuing.certificate
        ),
        {R.BAD_ISSUER_SIGNATURE},
    ),
    "agreement key of an unknown name": (
        lambda b: agreement(
            b, FUND.leaf("x", FUND.terminal_ca, AGREEMENT), FUND.terminal_ca.certificate
        ),
        {R.UNKNOWN_ISSUER},
    ),
    "agreement certificate forged": (
        lambda b: agreement(b, STRANGERS.leaf("x", FORGED_CA, AGREEMENT), FUND_CA),
        {R.BAD_ISSUER_SIGNATURE},
    ),
    "agreement certificate for signatures": (
        lambda b: agreement(b, issue(SIGNATURE), FUND_CA),
        {R.UNKNOWN_ISSUER},
    ),
    "agreement certificate expired": (
        lambda b: agreement(b, issue(AGREEMENT, ends=NOW - 1), FUND_CA),
        {R.EXPIRED},
    ),
    "agreement certificate not yet valid": (
        lambda b: agreement(b, issue(AGREEMENT, begins=NOW + 60), FUND_CA),
        {R.NOT_YET_VALID},
    ),
    "no certificate at all": (bend(agreement_chain=[]), {R.UNKNOWN_ISSUER}),
    "no key left": (bend(refuse={0xCA: 0x6A88}), {R.REFUSED_BY_CARD}),
    "terminal refused": (bend(refuse={0x2A: 0x6982}), {R.REFUSED_BY_CARD}),
    "clone without the key": (bend(wrong_receipt=True), {R.BAD_PHONE_SIGNATURE}),
    # code
    "no code": (lambda b: b.tap.update(code=None), {R.CODE_NEEDED}),
    "code withheld": (lambda b: b.tap.update(code=lambda: None), {R.CODE_NEEDED}),
    "code on the phone": (lambda b: set_status(b, code_on_phone=True), {R.CODE_NEEDED}),
    "wrong code": (lambda b: b.tap.update(code="111111"), {R.CODE_WRONG}),
    "code of three digits": (lambda b: b.tap.update(code="123"), {R.CODE_WRONG}),
    "code of nine digits": (lambda b: b.tap.update(code="123456789"), {R.CODE_WRONG}),
    "code with a letter": (lambda b: b.tap.update(code="12345a"), {R.CODE_WRONG}),
    "last try": (
        lambda b: (bend(tries=1)(b), b.tap.update(code="111111")),
        {R.CODE_WRONG, R.CODE_BLOCKED},
    ),
    "blocked": (bend(tries=0), {R.CODE_BLOCKED}),
    "blocked in the status": (
        lambda b: set_status(b, code=CodeState.BLOCKED),
        {R.CODE_BLOCKED},
    ),
    "VERIFY refused": (bend(refuse={0x20: 0x6984}), {R.REFUSED_BY_CARD}),
    # data
    "tampered file": (tampered_file, {R.TAMPERED_DATA}),
    "broken file": (broken_file, {R.TAMPERED_DATA}),
    "file signature forged": (forged_files, {R.BAD_FUND_SIGNATURE}),
    "file signature by an unknown key": (
        unknown_data_key,
        {R.UNKNOWN_ISSUER},
    ),
    "file not covered": (uncovered_file, {R.TAMPERED_DATA}),
    "file missing": (lambda b: b.card.entries[1].pop(Fid.RIGHTS), {R.REFUSED_BY_CARD}),
    "no such entry": (lambda b: set_entry(b, 9), {R.REFUSED_BY_CARD}),
    "wallet without own card": (lambda b: b.card.wallet.pop(0), {R.TAMPERED_DATA}),
    "wallet and identity disagree": (
        lambda b: set_wallet(b, 1, valid_until=TODAY + datetime.timedelta(days=999)),
        {R.TAMPERED_DATA},
    ),
    "another card's files": (swapped_entry, {R.CARD_SUBSTITUTED}),
    "another card's signature": (foreign_signature, {R.CARD_SUBSTITUTED}),
    "another card than before": (
        lambda b: b.tap.update(expected_serial=CHILD),
        {R.CARD_SUBSTITUTED},
    ),
    # validity and rights
    "expired by its data": (expired_card, {R.EXPIRED}),
    "expired by its status": (lambda b: set_status(b, expired=True), {R.EXPIRED}),
    "own card expired": (expired_own_card, {R.EXPIRED}),
    "not yet valid": (future_card, {R.NOT_YET_VALID}),
    "rights ended": (rights_end(YESTERDAY), {R.RIGHTS_ENDED}),
    "no rights": (
        lambda b: resign(b, rights=RIGHTS.build(Rights(TODAY, ()))),
        {R.RIGHTS_ENDED},
    ),
    # opposition list
    "opposed in the list": (lambda b: oppose(b, OWN_INDEX), {R.OPPOSED}),
    "suspended in the list": (
        lambda b: oppose(b, OWN_INDEX, status=Status.SUSPENDED),
        {R.SUSPENDED},
    ),
    "reserved status in the list": (
        lambda b: oppose(b, OWN_INDEX, status=Status.RESERVED),
        {R.OPPOSED},
    ),
    "own card opposed": (lambda b: (set_entry(b, 2), oppose(b, OWN_INDEX)), {R.OPPOSED}),
    "child's card opposed": (lambda b: (set_entry(b, 2), oppose(b, CHILD_INDEX)), {R.OPPOSED}),
    "no list": (lambda b: b.lists.clear(), {R.LIST_MISSING}),
    "forged list": (
        lambda b: setattr(b, "lists", [FUND.opposition_list(key=STRANGERS.opposition.key)]),
        {R.LIST_UNTRUSTED},
    ),
    "stale list": (
        lambda b: setattr(b, "lists", [FUND.opposition_list(issued_at=NOW - 2 * DAY - 1)]),
        {R.LIST_STALE},
    ),
    # delegation
    "delegation expired": (lambda b: regrant(b, valid_until=NOW), {R.DELEGATION_EXPIRED}),
    "delegation to come": (
        lambda b: regrant(b, valid_from=NOW + 1),
        {R.DELEGATION_NOT_YET_VALID},
    ),
    "delegation too long": (
        lambda b: regrant(b, valid_from=NOW - 25 * DAY, valid_until=NOW + 5 * DAY + 1),
        {R.DELEGATION_TOO_LONG},
    ),
    "delegation for others": (
        lambda b: regrant(b, roles=roles_bitmap(Role.PHYSICIAN)),
        {R.DELEGATION_OUT_OF_SCOPE},
    ),
    "delegation of another card": (
        lambda b: regrant(b, entries=(CHILD,)),
        {R.DELEGATION_OUT_OF_SCOPE},
    ),
    "delegation to another": (
        lambda b: regrant(b, delegate=CHILD),
        {R.DELEGATION_WRONG_DELEGATE},
    ),
    "delegation revoked": (
        lambda b: (regrant(b), oppose(b, GRANT_INDEX)),
        {R.DELEGATION_REVOKED},
    ),
    "delegator's card opposed": (
        lambda b: (regrant(b), oppose(b, DELEGATED_INDEX)),
        {R.OPPOSED},
    ),
    "grant forged": (
        lambda b: regrant(b, key=STRANGERS.data.key),
        {R.BAD_FUND_SIGNATURE},
    ),
    "grant by an unknown key": (
        lambda b: regrant(b, fund_key_id=b"\x98" * 8),
        {R.UNKNOWN_ISSUER},
    ),
    "grant cut short": (
        lambda b: (set_entry(b, 3), b.card.entries[3].update({Fid.GRANT: b"\x01\xa1"})),
        {R.TAMPERED_DATA},
    ),
    "grant with another index": (
        lambda b: (set_entry(b, 3), set_wallet(b, 3, grant_index=13)),
        {R.TAMPERED_DATA},
    ),
    "the card says expired grant": (
        card_says_delegation(RefusalReason.DELEGATION_EXPIRED),
        {R.DELEGATION_EXPIRED},
    ),
    "the card says early grant": (
        card_says_delegation(RefusalReason.DELEGATION_NOT_YET_VALID),
        {R.DELEGATION_NOT_YET_VALID},
    ),
    "the card says revoked grant": (
        card_says_delegation(RefusalReason.DELEGATION_REVOKED),
        {R.DELEGATION_REVOKED},
    ),
    "the card says out of scope": (
        card_says_delegation(RefusalReason.OUT_OF_SCOPE),
        {R.DELEGATION_OUT_OF_SCOPE},
    ),
    # presence
    "token by another key": (bend(signing_key=new_key()), {R.BAD_PHONE_SIGNATURE}),
    "token by a stranger": (
        lambda b: signer(
            b,
            STRANGERS.leaf("x", STRANGERS.issuing, SIGNATURE, serial=OWN),
            STRANGERS.issuing.certificate,
        ),
        {R.BAD_ISSUER_SIGNATURE},
    ),
    "token by a key for agreement": (
        lambda b: signer(b, issue(AGREEMENT, serial=OWN), FUND_CA),
        {R.UNKNOWN_ISSUER},
    ),
    "token by another card's key": (
        lambda b: signer(b, issue(SIGNATURE, serial=CHILD), FUND_CA),
        {R.CARD_SUBSTITUTED},
    ),
    "certificate without a serial": (
        lambda b: signer(b, issue(SIGNATURE), FUND_CA),
        {R.CARD_SUBSTITUTED},
    ),
    "certificates unreadable": (bend(certificates=b"\x30\x05abc"), {R.UNKNOWN_ISSUER}),
    "old challenge": (token(challenge=bytes(16)), {R.REPLAYED}),
    "another professional": (token(professional="99999999999"), {R.REPLAYED}),
    "another role": (token(role=Role.PHYSICIAN), {R.REPLAYED}),
    "token of another entry": (token(entry_serial=CHILD), {R.CARD_SUBSTITUTED}),
    "token of another phone": (token(signer=CHILD), {R.CARD_SUBSTITUTED}),
    "token of another marker": (token(marker=Marker.DEMONSTRATION), {R.TAMPERED_DATA}),
    "token says delegated": (token(delegated=True), {R.TAMPERED_DATA}),
    "token names a grant": (token(grant_id=b"\x01" * 8), {R.TAMPERED_DATA}),
    "token of another grant": (
        lambda b: (set_entry(b, 3), token(grant_id=b"\xa2" * 8)(b)),
        {R.TAMPERED_DATA},
    ),
    "token from the future": (token(time=NOW + 31), {R.NOT_YET_VALID}),
    "token obsolete": (token(time=NOW - 1201), {R.OBSOLETE}),
    "token refused": (bend(refuse={0x2A: 0x6985}), {R.REFUSED_BY_CARD}),
    # several at once
    "expired, opposed, without rights": (
        lambda b: (expired_card(b), rights_end(YESTERDAY)(b), oppose(b, OWN_INDEX)),
        {R.EXPIRED, R.RIGHTS_ENDED, R.OPPOSED},
    ),
    "tampered, stale list, old token": (
        lambda b: (
            tampered_file(b),
            setattr(b, "lists", [FUND.opposition_list(expires_at=NOW)]),
            token(time=NOW - 2000)(b),
        ),
        {R.TAMPERED_DATA, R.LIST_STALE, R.OBSOLETE},
    ),
}


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
def test_no_code_is_asked_for_a_card_that_is_certain_to_be_refused(
    bench: Bench, case: str
) -> None:
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


def test_a_malformed_code_costs_no_try(bench: Bench) -> None:
    bench.tap["code"] = "12"
    bench.run()
    assert bench.card.tries == 3


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
    from card_formats.presence_token import PRESENCE_TOKEN

    token = bench.run().presence_token
    assert token is not None
    encoded = PRESENCE_TOKEN.build(token)
    kit = TerminalKit.from_json(KIT)

    def judge(now: float, **changes: Any) -> Verdict:
        wanted = {"challenge": token.challenge, "certificates": bench.card.certificates}
        return Terminal(kit, clock=lambda: now).verify_presence(encoded, **(wanted | changes))

    assert judge(NOW + 1200).accepted
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
