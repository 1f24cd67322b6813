"""A card and a terminal for one tap, and what can be bent of either."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

from terminal_fake_card import FakeCard
from terminal_fakes import (
    CHILD,
    CODE,
    NOW,
    OWN,
    TODAY,
    FakeFund,
    chain_bytes,
    entry_files,
    identity,
    rights,
)

from card_formats.apdu import CommandApdu
from card_formats.data_objects import FILE_SIGNATURE, IDENTITY, RIGHTS, FileDigest
from card_formats.opposition_list import Status
from card_formats.profile_ecv_sim_1 import (
    Fid,
    KeyPurpose,
    LifeCycle,
    RefusalReason,
)
from reader_drivers.terminal.errors import OppositionError
from reader_drivers.terminal.kit import TerminalKit
from reader_drivers.terminal.opposition import OppositionStore
from reader_drivers.terminal.terminal import Terminal
from reader_drivers.terminal.verdict import Verdict

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
            with contextlib.suppress(OppositionError):
                store.load(one)
        terminal = Terminal(
            kit, clock=lambda: self.now, opposition=store, mode=self.mode, extended=extended
        )
        return terminal.tap(self.card, **self.tap)


def new_bench() -> Bench:
    return Bench(FakeCard(FUND), dict(KIT), [FUND.opposition_list()])


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


def set_wallet(bench: Bench, number: int, /, **changes: Any) -> None:
    bench.card.wallet[number - 1] = dataclasses.replace(bench.card.wallet[number - 1], **changes)


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
    digests = FILE_SIGNATURE.parse(good).digests[:2]
    held[Fid.SIGNATURE] = FUND.sign_files(OWN, held, digests=digests)


def overcovered_files(bench: Bench) -> None:
    held = bench.card.entries[1]
    digests = FILE_SIGNATURE.parse(FUND.sign_files(OWN, held)).digests
    more = (*digests, FileDigest(Fid.USAGE, bytes(32)))
    held[Fid.SIGNATURE] = FUND.sign_files(OWN, held, digests=more)


def forged_files(bench: Bench) -> None:
    held = bench.card.entries[1]
    held[Fid.SIGNATURE] = FUND.sign_files(OWN, held, STRANGERS.data.key)


def rights_end(until: datetime.date) -> Callable[[Bench], None]:
    return lambda bench: resign(bench, rights=RIGHTS.build(rights(until)))


def answer_plain(bench: Bench, ins: int, answer: Callable[[], tuple[bytes, int]]) -> None:
    """Answer an instruction otherwise once the session is open."""
    card = bench.card
    original = card._answer

    def bent(command: CommandApdu) -> tuple[bytes, int]:
        if command.ins == ins and card._session is not None:
            return answer()
        return original(command)

    card._answer = bent  # type: ignore[method-assign]


def forget_code(bench: Bench) -> tuple[bytes, int]:
    """The code was lost, by too long a pause for one."""
    bench.card.last_refusal = RefusalReason.CODE_NEEDED
    return b"", 0x6982


def oppose_now(bench: Bench) -> tuple[bytes, int]:
    """The phone learnt in mid-session that its card is opposed."""
    set_status(bench, state=LifeCycle.OPPOSED)
    bench.card.last_refusal = RefusalReason.OPPOSED
    return b"", 0x6982
