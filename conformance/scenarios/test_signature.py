"""SIGNATURE: the presence token, and the acquisition that ends in it."""

from __future__ import annotations

from card_formats.presence_token import PRESENCE_TOKEN, PresenceToken
from card_formats.profile_ecv_sim_1 import SFI, Fid, Role
from card_formats.status_words import SW
from conformance import commands
from conformance.bench import CODE, PROFESSIONAL, Bench, Secure
from conformance.purposes import purpose
from conformance.verdicts import Inconclusive
from firmware_sim.phone.phone import Phone
from reader_drivers.terminal.verdict import Reason

CHALLENGE = bytes.fromhex("00112233445566778899AABBCCDDEEFF")


def _secure(bench: Bench, phone: Phone, role: Role = Role.PHARMACIST) -> Secure:
    return bench.tap(phone).secure(role).enter_code(CODE)


def _token(bench: Bench, secure: Secure, entry: int = 1) -> PresenceToken:
    response = secure.send(commands.presence(CHALLENGE, entry))
    bench.expect_sw(response, SW.OK, "PSO COMPUTE DIGITAL SIGNATURE")
    return bench.expect_format(PRESENCE_TOKEN, response.data, "presence token")


@purpose(
    "TP-SIGNATURE-001",
    version=1,
    title="The presence token carries a good signature of the phone",
    requirements=["REQ-SIGNATURE-01"],
)
def test_signature_001(bench: Bench) -> None:
    phone = bench.phone()
    secure = _secure(bench, phone)
    certificates = secure.send(commands.read_sfi(SFI[Fid.CERTIFICATES], le=256))
    data = certificates.data
    while certificates.sw == SW.OK and len(certificates.data) == 256:
        secure.send(commands.select_file(Fid.CERTIFICATES))
        certificates = secure.send(commands.read_binary(len(data)))
        data += certificates.data
    token = PRESENCE_TOKEN.build(_token(bench, secure))
    verdict = bench.terminal().verify_presence(token, challenge=CHALLENGE, certificates=data)
    bench.expect_accepted(verdict)


@purpose(
    "TP-SIGNATURE-002",
    version=1,
    title="The token holds the terminal's challenge",
    requirements=["REQ-SIGNATURE-02"],
)
def test_signature_002(bench: Bench) -> None:
    token = _token(bench, _secure(bench, bench.phone()))
    bench.expect_equal(token.challenge, CHALLENGE, "challenge")


@purpose(
    "TP-SIGNATURE-003",
    version=1,
    title="The token names the professional and role that the terminal proved",
    requirements=["REQ-SIGNATURE-02"],
)
def test_signature_003(bench: Bench) -> None:
    for role in (Role.PHARMACIST, Role.PHYSICIAN):
        token = _token(bench, _secure(bench, bench.phone(), role))
        bench.expect_equal(
            (token.professional, token.role), (PROFESSIONAL, role), "professional and role"
        )


@purpose(
    "TP-SIGNATURE-004",
    version=1,
    title="The token bears the phone's time",
    requirements=["REQ-SIGNATURE-02"],
)
def test_signature_004(bench: Bench) -> None:
    token = _token(bench, _secure(bench, bench.phone()))
    bench.expect_equal(token.time, bench.now, "time")


@purpose(
    "TP-SIGNATURE-005",
    version=1,
    title="The usage counter rises with every token",
    requirements=["REQ-SIGNATURE-03"],
)
def test_signature_005(bench: Bench) -> None:
    phone = bench.phone()
    counters = [_token(bench, _secure(bench, phone)).counter for _ in range(3)]
    bench.expect_equal(counters, [1, 2, 3], "counters of three tokens")


@purpose(
    "TP-SIGNATURE-006",
    version=1,
    title="Without the code there is no token",
    requirements=["REQ-SIGNATURE-04"],
)
def test_signature_006(bench: Bench) -> None:
    secure = bench.tap(bench.phone()).secure()
    response = secure.send(commands.presence())
    bench.expect_sw(response, SW.SECURITY_NOT_SATISFIED, "PSO without the code")


@purpose(
    "TP-SIGNATURE-007",
    version=1,
    title="An unknown wallet entry answers 6A88",
    requirements=["REQ-SIGNATURE-05"],
)
def test_signature_007(bench: Bench) -> None:
    response = _secure(bench, bench.phone()).send(commands.presence(entry=19))
    bench.expect_sw(response, SW.REFERENCE_DATA_NOT_FOUND, "PSO for entry 19")


@purpose(
    "TP-SIGNATURE-008",
    version=1,
    title="The token of a child's card names the child's card and the parent's phone",
    requirements=["REQ-SIGNATURE-05"],
    preconditions="holder with children",
)
def test_signature_008(bench: Bench) -> None:
    phone = bench.phone("amelie")
    child = phone.state.card.entries.get(2)
    if child is None:
        raise Inconclusive("the wallet holds no child's card")
    token = _token(bench, _secure(bench, phone), entry=2)
    bench.expect_equal(
        (token.signer, token.entry_serial), (phone.serial, child.serial), "signer and card"
    )


@purpose(
    "TP-SIGNATURE-009",
    version=1,
    title="Counter and log are on disk before the token leaves the card",
    requirements=["REQ-SIGNATURE-03"],
)
def test_signature_009(bench: Bench) -> None:
    phone = bench.phone()
    first = _token(bench, _secure(bench, phone)).counter
    bench.remove()
    second = _token(bench, _secure(bench, bench.restarted(phone))).counter
    bench.expect_equal(second, first + 1, "counter after the application was killed")


@purpose(
    "TP-SIGNATURE-010",
    version=1,
    title="A presence token is obsolete after 20 minutes",
    requirements=["REQ-SIGNATURE-06"],
)
def test_signature_010(bench: Bench) -> None:
    phone = bench.phone()
    certificates = b"".join(phone.state.card.signing_chain)
    token = PRESENCE_TOKEN.build(_token(bench, _secure(bench, phone)))
    terminal = bench.terminal()
    bench.advance(19 * 60)
    verdict = terminal.verify_presence(token, challenge=CHALLENGE, certificates=certificates)
    bench.expect_accepted(verdict)
    bench.advance(2 * 60)
    verdict = terminal.verify_presence(token, challenge=CHALLENGE, certificates=certificates)
    bench.expect_refused(verdict, Reason.OBSOLETE)


@purpose(
    "TP-SIGNATURE-011",
    version=1,
    title="A whole acquisition by tap is accepted",
    requirements=["REQ-SIGNATURE-01", "REQ-SIGNATURE-07"],
)
def test_signature_011(bench: Bench) -> None:
    phone = bench.phone()
    verdict = bench.acquire(phone, bench.terminal())
    bench.expect_accepted(verdict)
    bench.expect_equal(verdict.serial, phone.serial, "serial of the card")
    bench.expect_true(verdict.presence_token is not None, "presence token", "verified", "none")


@purpose(
    "TP-SIGNATURE-012",
    version=1,
    title="A production terminal refuses a test card (F026)",
    requirements=["REQ-SIGNATURE-08"],
)
def test_signature_012(bench: Bench) -> None:
    verdict = bench.acquire(bench.phone(), bench.terminal(mode="production"))
    bench.expect_refused(verdict, Reason.TEST_CARD)
    bench.expect_equal(Reason.TEST_CARD.french_code, "F026", "code of the French reader layer")


@purpose(
    "TP-SIGNATURE-013",
    version=1,
    title="Another card than the one read before is a substitution",
    requirements=["REQ-SIGNATURE-09"],
)
def test_signature_013(bench: Bench) -> None:
    first, second = bench.phone(), bench.phone("bastien")
    verdict = bench.acquire(second, bench.terminal(), expected_serial=first.serial)
    bench.expect_refused(verdict, Reason.CARD_SUBSTITUTED)


@purpose(
    "TP-SIGNATURE-014",
    version=1,
    title="A wrong code is reported as F003 with the tries left",
    requirements=["REQ-SIGNATURE-07"],
)
def test_signature_014(bench: Bench) -> None:
    verdict = bench.acquire(bench.phone(), bench.terminal(), "000000")
    bench.expect_refused(verdict, Reason.CODE_WRONG)
    bench.expect_equal(verdict.details.get("tries_left"), "2", "tries left")
    bench.expect_equal(Reason.CODE_WRONG.french_code, "F003", "code of the French reader layer")


@purpose(
    "TP-SIGNATURE-015",
    version=1,
    title="No card before the reader is reported as F011, in time",
    requirements=["REQ-SIGNATURE-07"],
)
def test_signature_015(bench: Bench) -> None:
    bench.remove()
    verdict = bench.terminal().tap(bench.reader, CODE, timeout=0.2)
    bench.expect_refused(verdict, Reason.CARD_ABSENT)
    bench.expect_equal(Reason.CARD_ABSENT.french_code, "F011", "code of the French reader layer")


@purpose(
    "TP-SIGNATURE-016",
    version=1,
    title="Rights that have ended refuse the acquisition for that reason",
    requirements=["REQ-SIGNATURE-07", "REQ-DATA-09"],
)
def test_signature_016(bench: Bench) -> None:
    phone = bench.phone()
    bench.fund.end_rights(phone.serial, bench.today)
    bench.advance(2 * 86_400)
    phone.update()
    verdict = bench.acquire(phone, bench.terminal())
    bench.expect_refused(verdict, Reason.RIGHTS_ENDED)
