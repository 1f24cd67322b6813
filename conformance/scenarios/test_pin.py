"""PIN: the secret code."""

from __future__ import annotations

import dataclasses

from card_formats.pin_block import PIN_BLOCK
from card_formats.status_words import SW
from conformance import commands
from conformance.bench import CODE, WRONG_CODE, Bench, Secure
from conformance.purposes import purpose
from conformance.verdicts import Inconclusive
from reader_drivers.api import CardRemoved, CommunicationFault

NEW_CODE = "24681357"


def tries(left: int) -> int:
    """63Cx."""
    return SW.VERIFY_FAILED | left


def _block(bench: Bench, secure: Secure) -> None:
    for left in (2, 1, 0):
        if secure.send(commands.verify(WRONG_CODE)).sw != tries(left):
            raise Inconclusive("the code could not be blocked")


@purpose(
    "TP-PIN-001",
    version=1,
    title="VERIFY without data tells the tries left and spends none",
    requirements=["REQ-PIN-01"],
)
def test_pin_001(bench: Bench) -> None:
    secure = bench.tap(bench.phone()).secure()
    for turn in ("first", "second"):
        bench.expect_sw(secure.send(commands.verify()), tries(3), f"{turn} VERIFY without data")
    bench.expect_sw(secure.send(commands.verify(CODE)), SW.OK, "VERIFY, right code")
    bench.expect_sw(secure.send(commands.verify()), SW.OK, "VERIFY without data, verified")


@purpose(
    "TP-PIN-002",
    version=1,
    title="Three wrong codes count down and block; then the right one is refused too",
    requirements=["REQ-PIN-02"],
)
def test_pin_002(bench: Bench) -> None:
    secure = bench.tap(bench.phone()).secure()
    for left in (2, 1, 0):
        bench.expect_sw(secure.send(commands.verify(WRONG_CODE)), tries(left), "wrong code")
    for code in (WRONG_CODE, CODE):
        response = secure.send(commands.verify(code))
        bench.expect_sw(response, SW.AUTHENTICATION_BLOCKED, "VERIFY once blocked")


@purpose(
    "TP-PIN-003",
    version=1,
    title="A right code gives the tries back",
    requirements=["REQ-PIN-02"],
)
def test_pin_003(bench: Bench) -> None:
    secure = bench.tap(bench.phone()).secure()
    for wrong in (WRONG_CODE, WRONG_CODE):
        secure.send(commands.verify(wrong))
    bench.expect_sw(secure.send(commands.verify(CODE)), SW.OK, "right code at the last try")
    bench.expect_sw(secure.send(commands.verify(WRONG_CODE)), tries(2), "wrong code afterwards")


@purpose(
    "TP-PIN-004",
    version=1,
    title="The tries survive loss of the field",
    requirements=["REQ-PIN-03"],
)
def test_pin_004(bench: Bench) -> None:
    phone = bench.phone()
    bench.tap(phone).secure().send(commands.verify(WRONG_CODE))
    secure = bench.tap(phone).secure()
    bench.expect_sw(secure.send(commands.verify()), tries(2), "tries after a new tap")


@purpose(
    "TP-PIN-005",
    version=1,
    title="A blocked code is still blocked after the application was killed",
    requirements=["REQ-PIN-03"],
)
def test_pin_005(bench: Bench) -> None:
    phone = bench.phone()
    _block(bench, bench.tap(phone).secure())
    bench.remove()
    secure = bench.tap(bench.restarted(phone)).secure()
    response = secure.send(commands.verify(CODE))
    bench.expect_sw(response, SW.AUTHENTICATION_BLOCKED, "VERIFY after the restart")


@purpose(
    "TP-PIN-006",
    version=1,
    title="A malformed block is refused with 6A80 and spends no try",
    requirements=["REQ-PIN-04"],
)
def test_pin_006(bench: Bench) -> None:
    secure = bench.tap(bench.phone()).secure()
    for block in ("16135790FFFFFFFF", "2613579AFFFFFFFF", "26135790FFFFFF00"):
        command = dataclasses.replace(commands.verify(CODE), data=bytes.fromhex(block))
        bench.expect_sw(secure.send(command), SW.WRONG_DATA, f"VERIFY with {block[:2]}…")
    bench.expect_sw(secure.send(commands.verify()), tries(3), "tries afterwards")


@purpose(
    "TP-PIN-007",
    version=1,
    title="Codes of more than eight digits are refused without spending a try",
    requirements=["REQ-PIN-04"],
)
def test_pin_007(bench: Bench) -> None:
    secure = bench.tap(bench.phone()).secure()
    for code in ("123456789", "123456789012"):
        command = dataclasses.replace(commands.verify(CODE), data=PIN_BLOCK.build(code))
        bench.expect_sw(secure.send(command), SW.WRONG_DATA, f"VERIFY with {len(code)} digits")
    bench.expect_sw(secure.send(commands.verify()), tries(3), "tries afterwards")


@purpose(
    "TP-PIN-008",
    version=1,
    title="A wrong code takes a verification away",
    requirements=["REQ-PIN-05"],
)
def test_pin_008(bench: Bench) -> None:
    secure = bench.tap(bench.phone()).secure().enter_code(CODE)
    secure.send(commands.verify(WRONG_CODE))
    bench.expect_sw(secure.send(commands.verify()), tries(2), "VERIFY without data")
    response = secure.send(commands.read_sfi(0x10))
    bench.expect_sw(response, SW.SECURITY_NOT_SATISFIED, "READ BINARY of EF.WALLET")


@purpose(
    "TP-PIN-009",
    version=1,
    title="The verification does not survive SELECT",
    requirements=["REQ-PIN-07"],
)
def test_pin_009(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    link.secure().enter_code(CODE)
    link.select()
    bench.expect_sw(link.secure().send(commands.verify()), tries(3), "VERIFY after SELECT")


@purpose(
    "TP-PIN-010",
    version=1,
    title="The verification does not survive deselection and loss of the field",
    requirements=["REQ-PIN-07"],
)
def test_pin_010(bench: Bench) -> None:
    phone = bench.phone()
    bench.tap(phone).secure().enter_code(CODE)
    link = bench.connect()
    link.select()
    bench.expect_sw(link.secure().send(commands.verify()), tries(3), "VERIFY after deselection")


@purpose(
    "TP-PIN-011",
    version=1,
    title="The verification does not survive a new handshake",
    requirements=["REQ-PIN-07"],
)
def test_pin_011(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    link.secure().enter_code(CODE)
    bench.expect_sw(link.secure().send(commands.verify()), tries(3), "VERIFY after a handshake")


@purpose(
    "TP-PIN-012",
    version=1,
    title="The verification is lost after 30 seconds without a command",
    requirements=["REQ-PIN-07"],
)
def test_pin_012(bench: Bench) -> None:
    secure = bench.tap(bench.phone()).secure().enter_code(CODE)
    bench.advance(29)
    bench.expect_sw(secure.send(commands.verify()), SW.OK, "VERIFY without data after 29 s")
    bench.advance(31)
    bench.expect_sw(secure.send(commands.verify()), tries(3), "VERIFY without data after 31 s")


@purpose(
    "TP-PIN-013",
    version=1,
    title="One entry of the code gives one presence token, never two",
    requirements=["REQ-PIN-06"],
)
def test_pin_013(bench: Bench) -> None:
    secure = bench.tap(bench.phone()).secure().enter_code(CODE)
    bench.expect_sw(secure.send(commands.presence()), SW.OK, "first presence token")
    response = secure.send(commands.presence())
    bench.expect_sw(response, SW.SECURITY_NOT_SATISFIED, "second presence token")
    bench.expect_sw(secure.send(commands.verify()), tries(3), "VERIFY without data")


@purpose(
    "TP-PIN-014",
    version=1,
    title="The code is not taken in the clear",
    requirements=["REQ-PIN-08"],
)
def test_pin_014(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    response = link.send(commands.verify(CODE))
    bench.expect_sw(response, SW.SECURITY_NOT_SATISFIED, "VERIFY in the clear")


@purpose(
    "TP-PIN-015",
    version=1,
    title="SCP11b, which proves no terminal, does not open the code",
    requirements=["REQ-PIN-08"],
)
def test_pin_015(bench: Bench) -> None:
    secure = bench.tap(bench.phone()).secure(variant="b")
    response = secure.send(commands.verify(CODE))
    bench.expect_sw(response, SW.SECURITY_NOT_SATISFIED, "VERIFY under SCP11b")


@purpose(
    "TP-PIN-016",
    version=1,
    title="CHANGE REFERENCE DATA with the old code sets a new one",
    requirements=["REQ-PIN-09"],
)
def test_pin_016(bench: Bench) -> None:
    phone = bench.phone()
    secure = bench.tap(phone).secure()
    bench.expect_sw(secure.send(commands.change_code(CODE, NEW_CODE)), SW.OK, "CHANGE")
    bench.expect_sw(secure.send(commands.verify()), SW.OK, "VERIFY without data after CHANGE")
    secure = bench.tap(phone).secure()
    bench.expect_sw(secure.send(commands.verify(CODE)), tries(2), "the old code")
    bench.expect_sw(secure.send(commands.verify(NEW_CODE)), SW.OK, "the new code")


@purpose(
    "TP-PIN-017",
    version=1,
    title="CHANGE REFERENCE DATA with a wrong old code spends a try and changes nothing",
    requirements=["REQ-PIN-09"],
)
def test_pin_017(bench: Bench) -> None:
    secure = bench.tap(bench.phone()).secure()
    response = secure.send(commands.change_code(WRONG_CODE, NEW_CODE))
    bench.expect_sw(response, tries(2), "CHANGE with a wrong old code")
    bench.expect_sw(secure.send(commands.verify(CODE)), SW.OK, "the old code")


@purpose(
    "TP-PIN-018",
    version=1,
    title="The unblocking code unblocks and sets a new code, which is not verified by that",
    requirements=["REQ-PIN-10"],
)
def test_pin_018(bench: Bench) -> None:
    phone = bench.phone()
    secure = bench.tap(phone).secure()
    _block(bench, secure)
    unblocking = phone.state.card.unblocking_code
    bench.expect_sw(secure.send(commands.reset_code(unblocking, NEW_CODE)), SW.OK, "RESET")
    bench.expect_sw(secure.send(commands.verify()), tries(3), "VERIFY without data")
    bench.expect_sw(secure.send(commands.verify(NEW_CODE)), SW.OK, "the new code")


@purpose(
    "TP-PIN-019",
    version=1,
    title="The unblocking code has ten uses; when they are gone it answers 6983",
    requirements=["REQ-PIN-10"],
)
def test_pin_019(bench: Bench) -> None:
    secure = bench.tap(bench.phone()).secure()
    wrong = commands.reset_code("99999999", NEW_CODE)
    for left in range(9, -1, -1):
        bench.expect_sw(secure.send(wrong), tries(left), f"RESET, {left} uses left")
    bench.expect_sw(secure.send(wrong), SW.AUTHENTICATION_BLOCKED, "RESET without uses")


@purpose(
    "TP-PIN-020",
    version=1,
    title="With the code on the phone, the reader's PIN pad is refused and the phone asks",
    requirements=["REQ-PIN-11"],
    preconditions="phone set to take the code itself",
)
def test_pin_020(bench: Bench) -> None:
    phone = bench.phone(code_on_phone=True)
    secure = bench.tap(phone).secure()
    response = secure.send(commands.verify(CODE))
    bench.expect_sw(response, SW.CONDITIONS_NOT_SATISFIED, "VERIFY with data")
    response = secure.send(commands.read_sfi(0x10))
    bench.expect_sw(response, SW.CONDITIONS_NOT_SATISFIED, "READ BINARY without the code")
    bench.expect_true(
        "enter your code" in phone.screen, "screen of the phone", "asks for the code", phone.screen
    )


@purpose(
    "TP-PIN-021",
    version=1,
    title="A code typed on the phone counts for the next tap, once",
    requirements=["REQ-PIN-11"],
)
def test_pin_021(bench: Bench) -> None:
    phone = bench.phone(code_on_phone=True)
    phone.enter_code(CODE)
    link = bench.tap(phone)
    bench.expect_sw(link.secure().send(commands.verify()), SW.OK, "VERIFY in the next session")
    bench.expect_sw(
        link.secure().send(commands.verify()), tries(3), "VERIFY in the session after that"
    )


@purpose(
    "TP-PIN-022",
    version=1,
    title="A code typed on the phone is forgotten after 60 seconds",
    requirements=["REQ-PIN-11"],
)
def test_pin_022(bench: Bench) -> None:
    phone = bench.phone(code_on_phone=True)
    phone.enter_code(CODE)
    bench.advance(61)
    secure = bench.tap(phone).secure()
    bench.expect_sw(secure.send(commands.verify()), tries(3), "VERIFY 61 s later")


@purpose(
    "TP-PIN-023",
    version=1,
    title="A wrong code typed on the phone spends the same tries",
    requirements=["REQ-PIN-02", "REQ-PIN-11"],
)
def test_pin_023(bench: Bench) -> None:
    phone = bench.phone(code_on_phone=True)
    result = phone.enter_code(WRONG_CODE)
    bench.expect_equal((result.ok, result.tries_left), (False, 2), "answer of the phone")
    secure = bench.tap(phone).secure()
    bench.expect_sw(secure.send(commands.verify()), tries(2), "VERIFY without data")


@purpose(
    "TP-PIN-024",
    version=1,
    title="The try is spent on disk before the comparison: tearing the card away gives none back",
    requirements=["REQ-PIN-03"],
    preconditions="power fails after the first write of VERIFY, right code",
)
def test_pin_024(bench: Bench) -> None:
    phone = bench.phone()
    secure = bench.tap(phone).secure()
    bench.cut_power_after_write(phone)
    bench.expect_raises(
        (CardRemoved, CommunicationFault),
        lambda: secure.send(commands.verify(CODE)),
        "VERIFY, power cut after the first write",
    )
    secure = bench.tap(bench.restarted(phone)).secure()
    bench.expect_sw(secure.send(commands.verify()), tries(2), "VERIFY without data, after the cut")
