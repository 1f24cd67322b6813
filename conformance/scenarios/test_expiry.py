"""EXPIRY: the end of validity."""

from __future__ import annotations

from card_formats.profile_ecv_sim_1 import RefusalReason
from card_formats.selection import CARD_STATUS, CardStatus
from card_formats.status_words import SW
from conformance import commands
from conformance.bench import CODE, DAY, Bench, Secure
from conformance.purposes import purpose
from firmware_sim.phone.errors import PhoneRefusal
from reader_drivers.terminal.verdict import Reason

EXPIRED = "card expired yesterday"


def _status(bench: Bench, secure: Secure) -> CardStatus:
    response = secure.send(commands.get_status())
    bench.expect_sw(response, SW.OK, "GET DATA DF20")
    return bench.expect_format(CARD_STATUS, response.data, "status object")


@purpose(
    "TP-EXPIRY-001",
    version=1,
    title="An expired card selects with 9000: expiry is no life-cycle state",
    requirements=["REQ-EXPIRY-01"],
    preconditions=EXPIRED,
)
def test_expiry_001(bench: Bench) -> None:
    bench.present(bench.phone(valid_days=-1))
    bench.expect_sw(bench.connect().send(commands.select_aid()), SW.OK, "SELECT, expired card")


@purpose(
    "TP-EXPIRY-002",
    version=1,
    title="An expired card authenticates, takes the code and can be read",
    requirements=["REQ-EXPIRY-01"],
    preconditions=EXPIRED,
)
def test_expiry_002(bench: Bench) -> None:
    secure = bench.tap(bench.phone(valid_days=-1)).secure().enter_code(CODE).select_entry(1)
    bench.expect_sw(secure.send(commands.read_sfi(0x01)), SW.OK, "READ BINARY of EF.IDENTITY")


@purpose(
    "TP-EXPIRY-003",
    version=1,
    title="An expired card refuses to sign and says why",
    requirements=["REQ-EXPIRY-02"],
    preconditions=EXPIRED,
)
def test_expiry_003(bench: Bench) -> None:
    secure = bench.tap(bench.phone(valid_days=-1)).secure().enter_code(CODE)
    response = secure.send(commands.presence())
    bench.expect_sw(response, SW.CONDITIONS_NOT_SATISFIED, "PSO COMPUTE DIGITAL SIGNATURE")
    status = _status(bench, secure)
    bench.expect_equal(status.expired, True, "expired, in the status object")
    bench.expect_equal(status.last_refusal, RefusalReason.EXPIRED, "last refusal")


@purpose(
    "TP-EXPIRY-004",
    version=1,
    title="On its last day a card still signs; the day after it does not",
    requirements=["REQ-EXPIRY-02"],
    preconditions="last day of validity",
)
def test_expiry_004(bench: Bench) -> None:
    phone = bench.phone(valid_days=0)
    secure = bench.tap(phone).secure().enter_code(CODE)
    bench.expect_sw(secure.send(commands.presence()), SW.OK, "signature on the last day")
    bench.advance(DAY)
    secure = bench.tap(phone).secure().enter_code(CODE)
    response = secure.send(commands.presence())
    bench.expect_sw(response, SW.CONDITIONS_NOT_SATISFIED, "signature the day after")


@purpose(
    "TP-EXPIRY-005",
    version=1,
    title="The terminal refuses an expired card for that reason",
    requirements=["REQ-EXPIRY-03"],
    preconditions=EXPIRED,
)
def test_expiry_005(bench: Bench) -> None:
    verdict = bench.acquire(bench.phone(valid_days=-1), bench.terminal())
    bench.expect_refused(verdict, Reason.EXPIRED)


@purpose(
    "TP-EXPIRY-006",
    version=1,
    title="The phone shows no QR code of an expired card",
    requirements=["REQ-EXPIRY-04"],
    preconditions=EXPIRED,
)
def test_expiry_006(bench: Bench) -> None:
    phone = bench.phone(valid_days=-1)
    bench.expect_raises(PhoneRefusal, lambda: phone.show_qr(CODE), "QR code of an expired card")


@purpose(
    "TP-EXPIRY-007",
    version=1,
    title="The status object of a valid card says that it has not expired",
    requirements=["REQ-EXPIRY-02"],
)
def test_expiry_007(bench: Bench) -> None:
    status = _status(bench, bench.tap(bench.phone()).secure())
    bench.expect_equal(status.expired, False, "expired, in the status object")
    bench.expect_equal(status.last_refusal, RefusalReason.NONE, "last refusal")
