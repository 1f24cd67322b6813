"""SCP: SCP11a, SCP11b, secure messaging, and what an unauthenticated reader can learn."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from card_formats.profile_ecv_sim_1 import ECV_SIM_1, Fid, KeyPurpose
from card_formats.selection import CARD_STATUS
from card_formats.status_words import SW
from conformance import commands, handshake
from conformance.bench import Bench, Link, Secure
from conformance.purposes import purpose
from conformance.verdicts import Failure, Inconclusive
from firmware_sim.fund.kits import KitFlaw
from firmware_sim.phone.phone import Phone
from reader_drivers.terminal.errors import SecureSessionError, TrustError


def _opened(link: Link, **how: Any) -> Secure:
    """A secure session; not getting one is what the purpose is about, hence a failure."""
    try:
        return link.open_secure(**how)
    except (SecureSessionError, TrustError) as error:
        raise Failure("handshake", "an authenticated session", str(error)) from error


@purpose(
    "TP-SCP-001",
    version=1,
    title="SCP11a authenticates both sides; the session answers the status object",
    requirements=["REQ-SCP-01"],
)
def test_scp_001(bench: Bench) -> None:
    secure = _opened(bench.tap(bench.phone()))
    response = secure.send(commands.get_status())
    bench.expect_sw(response, SW.OK, "GET DATA DF20")
    bench.expect_format(CARD_STATUS, response.data, "status object")


@purpose(
    "TP-SCP-002",
    version=1,
    title="SCP11b proves the card and opens its status",
    requirements=["REQ-SCP-02"],
)
def test_scp_002(bench: Bench) -> None:
    secure = _opened(bench.tap(bench.phone()), variant="b")
    bench.expect_sw(secure.send(commands.get_status()), SW.OK, "GET DATA DF20")


@purpose(
    "TP-SCP-003",
    version=1,
    title="SCP11b opens nothing of the holder's",
    requirements=["REQ-SCP-02", "REQ-DATA-02"],
)
def test_scp_003(bench: Bench) -> None:
    secure = bench.tap(bench.phone()).secure(variant="b")
    for command in (
        commands.select_file(Fid.WALLET),
        commands.select_entry(1),
        commands.read_sfi(0x10),
        commands.presence(),
    ):
        response = secure.send(command)
        bench.expect_sw(response, SW.SECURITY_NOT_SATISFIED, f"INS {command.ins:02X} under SCP11b")


@purpose(
    "TP-SCP-004",
    version=1,
    title="The status object is not readable in the clear",
    requirements=["REQ-SCP-03"],
)
def test_scp_004(bench: Bench) -> None:
    response = bench.tap(bench.phone()).send(commands.get_status())
    bench.expect_sw(response, SW.SECURITY_NOT_SATISFIED, "GET DATA DF20 in the clear")


def _terminal_refused(bench: Bench, flaw: KitFlaw | None, expected: int, **kit: Any) -> None:
    link = bench.tap(bench.phone())
    words = handshake.present_chain(link, bench.kit(flaw=flaw, **kit))
    if words[-1] != expected:
        raise Failure("PSO VERIFY CERTIFICATE", f"{expected:04X}", f"{words[-1]:04X}")
    response = link.send(handshake.authenticate(handshake.MUTUAL))
    bench.expect_sw(response, SW.CONDITIONS_NOT_SATISFIED, "MUTUAL AUTHENTICATE afterwards")


@purpose(
    "TP-SCP-011",
    version=1,
    title="A terminal certificate that the terminal CA did not sign is refused",
    requirements=["REQ-SCP-07"],
)
def test_scp_011(bench: Bench) -> None:
    _terminal_refused(bench, KitFlaw.BAD_SIGNATURE, SW.SECURITY_NOT_SATISFIED)


@purpose(
    "TP-SCP-012",
    version=1,
    title="An expired terminal certificate is refused",
    requirements=["REQ-SCP-07"],
)
def test_scp_012(bench: Bench) -> None:
    _terminal_refused(bench, KitFlaw.EXPIRED, SW.CONDITIONS_NOT_SATISFIED)


@purpose(
    "TP-SCP-013",
    version=1,
    title="A terminal without a known role is refused",
    requirements=["REQ-SCP-08"],
)
def test_scp_013(bench: Bench) -> None:
    _terminal_refused(bench, KitFlaw.UNKNOWN_ROLE, SW.WRONG_DATA)


@purpose(
    "TP-SCP-014",
    version=1,
    title="A certificate made for another purpose is refused",
    requirements=["REQ-SCP-08"],
)
def test_scp_014(bench: Bench) -> None:
    _terminal_refused(bench, KitFlaw.WRONG_PURPOSE, SW.WRONG_DATA)


@purpose(
    "TP-SCP-015",
    version=1,
    title="A certificate below one that is no CA is refused; below a true intermediate it is taken",
    requirements=["REQ-SCP-07"],
)
def test_scp_015(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    bench.expect_equal(
        handshake.present_chain(link, bench.kit(intermediates=1)),
        [SW.OK, SW.OK],
        "status words of a chain of two",
    )
    words = handshake.present_chain(
        link, bench.kit(intermediates=1, flaw=KitFlaw.INTERMEDIATE_NOT_CA)
    )
    bench.expect_equal(words[-1], SW.SECURITY_NOT_SATISFIED, "certificate below one that is no CA")


@purpose(
    "TP-SCP-016",
    version=1,
    title="A chain of four certificates is refused",
    requirements=["REQ-SCP-07"],
)
def test_scp_016(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    words = handshake.present_chain(link, bench.kit(intermediates=3))
    bench.expect_equal(words[-1], SW.WRONG_DATA, "last status word of a chain of four")


@purpose(
    "TP-SCP-017",
    version=1,
    title="MUTUAL AUTHENTICATE without a verified terminal answers 6985",
    requirements=["REQ-SCP-01"],
)
def test_scp_017(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    response = link.send(handshake.authenticate(handshake.MUTUAL))
    bench.expect_sw(response, SW.CONDITIONS_NOT_SATISFIED, "MUTUAL AUTHENTICATE")


@purpose(
    "TP-SCP-018",
    version=1,
    title="A refused certificate makes the card forget a terminal it had verified",
    requirements=["REQ-SCP-07"],
)
def test_scp_018(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    bench.expect_equal(handshake.present_chain(link, bench.kit()), [SW.OK], "good certificate")
    handshake.present_chain(link, bench.kit(flaw=KitFlaw.BAD_SIGNATURE))
    response = link.send(handshake.authenticate(handshake.MUTUAL))
    bench.expect_sw(response, SW.CONDITIONS_NOT_SATISFIED, "MUTUAL AUTHENTICATE afterwards")


@purpose(
    "TP-SCP-019",
    version=1,
    title="Two taps show different session keys",
    requirements=["REQ-SCP-09"],
)
def test_scp_019(bench: Bench) -> None:
    phone = bench.phone()
    first = handshake.certificates(bench.tap(phone))[-1]
    second = handshake.certificates(bench.tap(phone))[-1]
    bench.expect_true(
        first.public_key() != second.public_key() and first.serial_number != second.serial_number,
        "certificates of two taps",
        "different keys and serial numbers",
        "the same",
    )


@purpose(
    "TP-SCP-020",
    version=1,
    title="Within one presence of the field the session key stays",
    requirements=["REQ-SCP-09"],
)
def test_scp_020(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    first, second = handshake.certificates(link)[-1], handshake.certificates(link)[-1]
    bench.expect_equal(first, second, "certificate read twice")


@purpose(
    "TP-SCP-021",
    version=1,
    title="Every handshake has a fresh ephemeral key",
    requirements=["REQ-SCP-10"],
)
def test_scp_021(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    keys = set()
    for _ in range(3):
        response = link.send(handshake.authenticate(handshake.INTERNAL))
        bench.expect_sw(response, SW.OK, "INTERNAL AUTHENTICATE")
        keys.add(handshake.agreement(response).key)
    bench.expect_equal(len(keys), 3, "different ephemeral keys out of three")


@purpose(
    "TP-SCP-022",
    version=1,
    title="Handshake parameters of the other variant or usage are refused",
    requirements=["REQ-SCP-11"],
)
def test_scp_022(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    for wrong in (
        handshake.authenticate(handshake.INTERNAL, parameters=0x01),
        handshake.authenticate(handshake.INTERNAL, usage=0x34),
    ):
        bench.expect_sw(link.send(wrong), SW.WRONG_DATA, "INTERNAL AUTHENTICATE")


@purpose(
    "TP-SCP-023",
    version=1,
    title="A point that is not on the curve is refused",
    requirements=["REQ-SCP-11"],
)
def test_scp_023(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    command = handshake.authenticate(handshake.INTERNAL, point=b"\x04" + b"\x11" * 64)
    bench.expect_sw(link.send(command), SW.WRONG_DATA, "INTERNAL AUTHENTICATE")


@purpose(
    "TP-SCP-024",
    version=1,
    title="Unknown key references are refused",
    requirements=["REQ-SCP-11"],
)
def test_scp_024(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    for wrong in (
        handshake.authenticate(handshake.INTERNAL, kid=0x15),
        handshake.authenticate(handshake.INTERNAL, kvn=0x02),
    ):
        response = link.send(wrong)
        bench.expect_sw(response, SW.REFERENCE_DATA_NOT_FOUND, "INTERNAL AUTHENTICATE")


@purpose(
    "TP-SCP-025",
    version=1,
    title="GET DATA BF21 gives the issuing CA first, the agreement certificate last",
    requirements=["REQ-SCP-12"],
)
def test_scp_025(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    chain = handshake.certificates(link)
    try:
        bench.kit().trust.check(chain[-1], KeyPurpose.CARD_AGREEMENT, bench.clock(), chain[:-1])
    except TrustError as error:
        raise Failure("chain in BF21", "a path to the fund's root", str(error)) from error
    for kid, kvn in ((0x12, 0x01), (0x11, 0x02)):
        response = link.send(commands.get_certificates(kid, kvn))
        bench.expect_sw(response, SW.REFERENCE_DATA_NOT_FOUND, f"BF21 of key {kid:02X} {kvn:02X}")


@purpose(
    "TP-SCP-029",
    version=1,
    title="An exhausted pool of session keys is refused, never reused",
    requirements=["REQ-SCP-09"],
)
def test_scp_029(bench: Bench) -> None:
    phone = bench.phone()
    for _ in range(ECV_SIM_1.key_pool_size):
        handshake.certificates(bench.tap(phone))
    response = bench.tap(phone).send(commands.get_certificates())
    bench.expect_sw(response, SW.REFERENCE_DATA_NOT_FOUND, "GET DATA BF21, pool empty")


def _seen_in_a_tap(bench: Bench, phone: Phone) -> list[bytes]:
    """All that a reader which proves nothing can get out of a card."""
    link = bench.tap(phone)
    certificates = [c.public_bytes(Encoding.DER) for c in handshake.certificates(link)]
    answers = [link.select().data, link.send(handshake.authenticate(handshake.INTERNAL)).data]
    secure = link.secure(variant="b")
    answers.append(secure.send(commands.get_status()).data)
    return [*certificates, *answers]


def _windows(blocks: list[bytes], size: int) -> set[bytes]:
    return {block[i : i + size] for block in blocks for i in range(len(block) - size + 1)}


@purpose(
    "TP-SCP-030",
    version=1,
    title="Two taps by a reader that does not authenticate have nothing in common",
    requirements=["REQ-SCP-09", "REQ-DATA-01"],
)
def test_scp_030(bench: Bench) -> None:
    phone = bench.phone()
    first = _windows(_seen_in_a_tap(bench, phone), 6)
    second = _windows(_seen_in_a_tap(bench, phone), 6)
    if not first or not second:
        raise Inconclusive("nothing was seen")
    # What another person's card shows too (the issuing CA, names of fields) links nobody.
    of_anyone = _windows(_seen_in_a_tap(bench, bench.phone("bastien")), 6)
    shared = (first & second) - of_anyone
    bench.expect_equal(
        sorted(shared)[:3], [], "six bytes found in both taps and on nobody else's card"
    )


@purpose(
    "TP-SCP-031",
    version=1,
    title="A verified terminal serves one handshake",
    requirements=["REQ-SCP-07"],
)
def test_scp_031(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    link.secure()
    response = link.send(handshake.authenticate(handshake.MUTUAL))
    bench.expect_sw(response, SW.CONDITIONS_NOT_SATISFIED, "second MUTUAL AUTHENTICATE")


@purpose(
    "TP-SCP-032",
    version=1,
    title="An update replaces the session keys that have served",
    requirements=["REQ-SCP-09"],
    preconditions="pool of session keys exhausted",
)
def test_scp_032(bench: Bench) -> None:
    phone = bench.phone()
    served = {handshake.certificates(bench.tap(phone))[-1] for _ in range(ECV_SIM_1.key_pool_size)}
    bench.remove()
    phone.update()
    _opened(bench.tap(phone))
    fresh = handshake.certificates(bench.tap(phone))[-1]
    bench.expect_true(fresh not in served, "agreement certificate", "one not seen before", fresh)
