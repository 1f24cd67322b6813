"""OPPOSITION: lost, stolen, suspended; what the card says and what the list says."""

from __future__ import annotations

import itertools

from card_formats.profile_ecv_sim_1 import SFI, Fid, LifeCycle
from card_formats.qr_token import QrForm
from card_formats.selection import CARD_STATUS
from card_formats.status_words import SW
from card_formats.wallet import WALLET
from conformance import commands
from conformance.bench import CODE, DAY, Bench
from conformance.purposes import purpose
from conformance.verdicts import Inconclusive
from firmware_sim.phone.errors import PhoneRefusal
from firmware_sim.phone.phone import Phone
from reader_drivers.terminal.verdict import Reason

OPPOSED = "card reported lost; the phone knows"
SUSPENDED = "card suspended; the phone knows"


def opposed(bench: Bench) -> Phone:
    """A phone whose holder reported it lost."""
    phone = bench.phone()
    phone.report_lost()
    phone.update()
    if phone.state.card.life_cycle is not LifeCycle.OPPOSED:
        raise Inconclusive("the card did not become opposed")
    return phone


def suspended(bench: Bench) -> Phone:
    """A phone whose card the fund suspended."""
    phone = bench.phone()
    bench.fund.suspend(phone.serial)
    phone.update()
    if phone.state.card.life_cycle is not LifeCycle.SUSPENDED:
        raise Inconclusive("the card did not become suspended")
    return phone


@purpose(
    "TP-OPPOSITION-001",
    version=1,
    title="An opposed card answers SELECT with 6285 and its FCI",
    requirements=["REQ-OPPOSITION-01"],
    preconditions=OPPOSED,
)
def test_opposition_001(bench: Bench) -> None:
    bench.present(opposed(bench))
    response = bench.connect().send(commands.select_aid())
    bench.expect_sw(response, SW.FILE_TERMINATED, "SELECT, opposed card")
    bench.expect_true(bool(response.data), "data of SELECT", "the FCI", "none")


@purpose(
    "TP-OPPOSITION-002",
    version=1,
    title="A suspended card answers SELECT with 6283",
    requirements=["REQ-OPPOSITION-01"],
    preconditions=SUSPENDED,
)
def test_opposition_002(bench: Bench) -> None:
    bench.present(suspended(bench))
    response = bench.connect().send(commands.select_aid())
    bench.expect_sw(response, SW.FILE_DEACTIVATED, "SELECT, suspended card")


@purpose(
    "TP-OPPOSITION-003",
    version=1,
    title="An opposed card takes no code: 6984",
    requirements=["REQ-OPPOSITION-02"],
    preconditions=OPPOSED,
)
def test_opposition_003(bench: Bench) -> None:
    secure = bench.tap(opposed(bench)).secure()
    response = secure.send(commands.verify(CODE))
    bench.expect_sw(response, SW.REFERENCE_DATA_NOT_USABLE, "VERIFY, opposed card")


@purpose(
    "TP-OPPOSITION-004",
    version=1,
    title="An opposed card opens no file: 6982",
    requirements=["REQ-OPPOSITION-02"],
    preconditions=OPPOSED,
)
def test_opposition_004(bench: Bench) -> None:
    secure = bench.tap(opposed(bench)).secure()
    for command in (commands.select_file(Fid.WALLET), commands.read_sfi(0x10)):
        response = secure.send(command)
        bench.expect_sw(response, SW.SECURITY_NOT_SATISFIED, f"INS {command.ins:02X}")


@purpose(
    "TP-OPPOSITION-005",
    version=1,
    title="An opposed card refuses to sign and its status object says why",
    requirements=["REQ-OPPOSITION-02"],
    preconditions=OPPOSED,
)
def test_opposition_005(bench: Bench) -> None:
    secure = bench.tap(opposed(bench)).secure()
    response = secure.send(commands.presence())
    bench.expect_sw(response, SW.CONDITIONS_NOT_SATISFIED, "PSO COMPUTE DIGITAL SIGNATURE")
    data = secure.send(commands.get_status()).data
    status = bench.expect_format(CARD_STATUS, data, "status object")
    bench.expect_equal(
        (status.state.name, status.last_refusal.name), ("OPPOSED", "OPPOSED"), "status object"
    )


@purpose(
    "TP-OPPOSITION-006",
    version=1,
    title="The terminal refuses an opposed card without asking for the code",
    requirements=["REQ-OPPOSITION-03"],
    preconditions=OPPOSED,
)
def test_opposition_006(bench: Bench) -> None:
    asked: list[str] = []

    def ask() -> str:
        asked.append("asked")
        return CODE

    phone = opposed(bench)
    bench.present(phone)
    bench.reader.close()
    verdict = bench.terminal().tap(bench.reader, ask)
    bench.expect_refused(verdict, Reason.OPPOSED)
    bench.expect_equal(asked, [], "times the code was asked for")


@purpose(
    "TP-OPPOSITION-007",
    version=1,
    title="A lost card whose phone does not know yet is refused by the list",
    requirements=["REQ-OPPOSITION-04"],
    preconditions="card reported lost by another channel; the phone is offline",
)
def test_opposition_007(bench: Bench) -> None:
    phone = bench.phone()
    bench.fund.report_lost(phone.serial)
    bench.expect_refused(bench.acquire(phone, bench.terminal()), Reason.OPPOSED)


@purpose(
    "TP-OPPOSITION-008",
    version=1,
    title="A suspended card whose phone does not know yet is refused by the list",
    requirements=["REQ-OPPOSITION-04"],
)
def test_opposition_008(bench: Bench) -> None:
    phone = bench.phone()
    bench.fund.suspend(phone.serial)
    bench.expect_refused(bench.acquire(phone, bench.terminal()), Reason.SUSPENDED)


@purpose(
    "TP-OPPOSITION-009",
    version=1,
    title="A list past its ttl warns within the grace and refuses beyond",
    requirements=["REQ-OPPOSITION-05"],
)
def test_opposition_009(bench: Bench) -> None:
    phone = bench.phone()
    terminal = bench.terminal()
    ttl = bench.fund.opposition.ttl
    bench.advance(ttl + 60)
    verdict = bench.acquire(phone, terminal)
    bench.expect_accepted(verdict)
    bench.expect_true(
        Reason.LIST_STALE in verdict.warnings, "warnings", "list_stale", verdict.warnings
    )
    bench.advance(ttl)
    bench.expect_refused(bench.acquire(phone, terminal), Reason.LIST_STALE)


@purpose(
    "TP-OPPOSITION-010",
    version=1,
    title="Without an opposition list nothing is accepted",
    requirements=["REQ-OPPOSITION-05"],
)
def test_opposition_010(bench: Bench) -> None:
    verdict = bench.acquire(bench.phone(), bench.terminal(opposition=b""))
    bench.expect_refused(verdict, Reason.LIST_MISSING)


@purpose(
    "TP-OPPOSITION-011",
    version=1,
    title="A reinstated card is accepted again",
    requirements=["REQ-OPPOSITION-06"],
)
def test_opposition_011(bench: Bench) -> None:
    phone = suspended(bench)
    bench.expect_refused(bench.acquire(phone, bench.terminal()), Reason.SUSPENDED)
    bench.fund.reinstate(phone.serial)
    phone.update()
    bench.expect_accepted(bench.acquire(phone, bench.terminal()))


@purpose(
    "TP-OPPOSITION-012",
    version=1,
    title="An opposed card's phone shows no QR code",
    requirements=["REQ-OPPOSITION-07"],
    preconditions=OPPOSED,
)
def test_opposition_012(bench: Bench) -> None:
    phone = opposed(bench)
    bench.expect_raises(PhoneRefusal, lambda: phone.show_qr(CODE), "QR code of an opposed card")


@purpose(
    "TP-OPPOSITION-013",
    version=1,
    title="A QR code made before the loss was reported is refused afterwards",
    requirements=["REQ-OPPOSITION-04", "REQ-OPPOSITION-07"],
)
def test_opposition_013(bench: Bench) -> None:
    phone = bench.phone()
    text = phone.show_qr(CODE, form=QrForm.SEALED)
    bench.fund.report_lost(phone.serial)
    bench.expect_refused(bench.terminal().scan(text), Reason.OPPOSED)


@purpose(
    "TP-OPPOSITION-014",
    version=1,
    title="The fund's list is signed by its opposition signer",
    requirements=["REQ-OPPOSITION-08"],
)
def test_opposition_014(bench: Bench) -> None:
    verdict = bench.acquire(bench.phone(), bench.terminal())
    bench.expect_accepted(verdict)


@purpose(
    "TP-OPPOSITION-015",
    version=1,
    title="An opposed card stays opposed: a list of next week still says so",
    requirements=["REQ-OPPOSITION-08"],
)
def test_opposition_015(bench: Bench) -> None:
    phone = bench.phone()
    bench.fund.report_lost(phone.serial)
    bench.advance(7 * DAY)
    bench.expect_refused(bench.acquire(phone, bench.terminal()), Reason.OPPOSED)


@purpose(
    "TP-OPPOSITION-016",
    version=1,
    title="A phone reported lost says so at SELECT after its next update, a suspended one too",
    requirements=["REQ-OPPOSITION-01", "REQ-OPPOSITION-04"],
)
def test_opposition_016(bench: Bench) -> None:
    lost, suspended_phone = bench.phone(), bench.phone("karim")
    lost.report_lost()
    bench.fund.suspend(suspended_phone.serial)
    cases = (
        (lost, SW.FILE_TERMINATED, "lost"),
        (suspended_phone, SW.FILE_DEACTIVATED, "suspended"),
    )
    for phone, expected, what in cases:
        phone.update()
        bench.present(phone)
        response = bench.connect().send(commands.select_aid())
        bench.expect_sw(response, expected, f"SELECT of a card {what}")


@purpose(
    "TP-OPPOSITION-017",
    version=1,
    title="Enrolling a new phone opposes the one before: one card of each form",
    requirements=["REQ-OPPOSITION-09"],
)
def test_opposition_017(bench: Bench) -> None:
    former = bench.phone()
    bench.expect_accepted(bench.acquire(former, bench.terminal()))
    bench.phone()
    bench.expect_refused(bench.acquire(former, bench.terminal()), Reason.OPPOSED)


@purpose(
    "TP-OPPOSITION-018",
    version=1,
    title="Places in the list do not tell which cards are of one family",
    requirements=["REQ-OPPOSITION-10"],
    preconditions="holder with children",
)
def test_opposition_018(bench: Bench) -> None:
    secure = bench.tap(bench.phone()).secure().enter_code(CODE)
    data = secure.send(commands.read_sfi(SFI[Fid.WALLET])).data
    places = [entry.status_index for entry in bench.expect_format(WALLET, data, "EF.WALLET")]
    bench.expect_true(len(places) > 2, "places in the list", "three or more", places)
    gaps = [abs(b - a) for a, b in itertools.pairwise(places)]
    bench.expect_true(min(gaps) > 1, "places in the list", "no neighbours", places)


@purpose(
    "TP-OPPOSITION-019",
    version=1,
    title="The fund resolves no online QR code of a card reported lost since it was shown",
    requirements=["REQ-OPPOSITION-07"],
)
def test_opposition_019(bench: Bench) -> None:
    phone = bench.phone()
    text = phone.show_qr(CODE)
    phone.report_lost()
    reasons = bench.fund.resolve_qr(text).reasons
    bench.expect_true("opposed" in reasons, "answer of the fund", "opposed", reasons)
