"""APDU: classes, lengths, chaining, GET RESPONSE."""

from __future__ import annotations

import dataclasses

from cryptography.hazmat.primitives.serialization import Encoding

from card_formats.apdu import CommandApdu
from card_formats.profile_ecv_sim_1 import ECV_SIM_1
from card_formats.status_words import SW
from conformance import commands
from conformance.bench import Bench, Link
from conformance.purposes import purpose
from conformance.verdicts import Inconclusive


def _long_answer(bench: Bench, link: Link) -> bytes:
    """The certificates of the session key in one extended answer: what short ones are held to."""
    response = link.send(dataclasses.replace(commands.get_certificates(), le=65536, extended=True))
    if response.sw != SW.OK or len(response.data) <= 300:
        raise Inconclusive(f"no long answer to cut: {response.sw:04X}, {len(response.data)} bytes")
    return response.data


@purpose(
    "TP-APDU-001",
    version=1,
    title="Unknown instructions answer 6D00",
    requirements=["REQ-APDU-01"],
)
def test_apdu_001(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    for ins in (0x02, 0xE2, 0xF0, 0xD6):
        response = link.send(CommandApdu(0x00, ins, 0x00, 0x00))
        bench.expect_sw(response, SW.INS_NOT_SUPPORTED, f"INS {ins:02X}")


@purpose(
    "TP-APDU-002",
    version=1,
    title="Foreign classes answer 6E00",
    requirements=["REQ-APDU-01"],
)
def test_apdu_002(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    for cla in (0xA0, 0xB0, 0xC1, 0xFE):
        response = link.send(CommandApdu(cla, 0xA4, 0x04, 0x00, ECV_SIM_1.aid, 256))
        bench.expect_sw(response, SW.CLA_NOT_SUPPORTED, f"CLA {cla:02X}")


@purpose(
    "TP-APDU-003",
    version=1,
    title="Logical channels other than 0 answer 6881",
    requirements=["REQ-APDU-02"],
)
def test_apdu_003(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    for cla in (0x01, 0x02, 0x03):
        response = link.send(dataclasses.replace(commands.get_challenge(), cla=cla))
        bench.expect_sw(response, SW.CHANNEL_NOT_SUPPORTED, f"CLA {cla:02X}")


@purpose(
    "TP-APDU-004",
    version=1,
    title="MANAGE CHANNEL is refused",
    requirements=["REQ-APDU-02"],
)
def test_apdu_004(bench: Bench) -> None:
    response = bench.tap(bench.phone()).send(CommandApdu(0x00, 0x70, 0x00, 0x00, le=1))
    bench.expect_sw(response, SW.FUNCTION_NOT_SUPPORTED, "MANAGE CHANNEL, open")


@purpose(
    "TP-APDU-005",
    version=1,
    title="Secure messaging of ISO/IEC 7816-4 (CLA 08, 0C) is refused with 6882",
    requirements=["REQ-APDU-03"],
)
def test_apdu_005(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    for cla in (0x08, 0x0C):
        response = link.send(dataclasses.replace(commands.get_challenge(), cla=cla))
        bench.expect_sw(response, SW.SECURE_MESSAGING_NOT_SUPPORTED, f"CLA {cla:02X}")


@purpose(
    "TP-APDU-006",
    version=1,
    title="61xx and GET RESPONSE deliver a long answer whole and in order",
    requirements=["REQ-APDU-04"],
)
def test_apdu_006(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    whole = _long_answer(bench, link)
    response = link.send(commands.get_certificates())
    data = response.data
    while response.sw1 == 0x61 and len(data) < len(whole) + 256:
        response = link.send(commands.get_response(response.sw2 or 256))
        data += response.data
    bench.expect_sw(response, SW.OK, "last GET RESPONSE")
    bench.expect_equal(data, whole, "answer put together")


@purpose(
    "TP-APDU-007",
    version=1,
    title="GET RESPONSE for more than there is answers 6Cxx and loses nothing",
    requirements=["REQ-APDU-04"],
)
def test_apdu_007(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    whole = _long_answer(bench, link)
    response = link.send(commands.get_certificates())
    data = response.data
    while response.sw == SW.BYTES_AVAILABLE:
        response = link.send(commands.get_response())
        data += response.data
    left = len(whole) - len(data)
    bench.expect_sw(response, SW.BYTES_AVAILABLE | left, "answer before the last part")
    refused = link.send(commands.get_response(min(255, left + 10)))
    bench.expect_sw(refused, SW.WRONG_LE | left, f"GET RESPONSE for more than {left} bytes")
    last = link.send(commands.get_response(left))
    bench.expect_sw(last, SW.OK, "GET RESPONSE with the Le asked for")
    bench.expect_equal(data + last.data, whole, "answer put together")


@purpose(
    "TP-APDU-008",
    version=1,
    title="GET RESPONSE with nothing waiting answers 6985",
    requirements=["REQ-APDU-04"],
)
def test_apdu_008(bench: Bench) -> None:
    response = bench.tap(bench.phone()).send(commands.get_response())
    bench.expect_sw(response, SW.CONDITIONS_NOT_SATISFIED, "GET RESPONSE")


@purpose(
    "TP-APDU-009",
    version=1,
    title="Any other command discards a waiting answer",
    requirements=["REQ-APDU-04"],
)
def test_apdu_009(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    if link.send(commands.get_certificates()).sw1 != 0x61:
        raise Inconclusive("the answer was not cut")
    for between in (CommandApdu(0x00, 0x02, 0x00, 0x00), commands.get_challenge()):
        link.send(commands.get_certificates())
        link.send(between)
        response = link.send(commands.get_response())
        bench.expect_sw(
            response, SW.CONDITIONS_NOT_SATISFIED, f"GET RESPONSE after INS {between.ins:02X}"
        )


@purpose(
    "TP-APDU-010",
    version=1,
    title="An extended Le brings the whole answer at once",
    requirements=["REQ-APDU-05"],
)
def test_apdu_010(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    response = link.send(dataclasses.replace(commands.get_certificates(), le=65536, extended=True))
    bench.expect_sw(response, SW.OK, "GET DATA BF21, extended Le")
    bench.expect_true(
        len(response.data) > 256, "length of the answer", "more than 256", len(response.data)
    )


@purpose(
    "TP-APDU-011",
    version=1,
    title="Without Le, response data is announced by 61xx and not sent",
    requirements=["REQ-APDU-04"],
)
def test_apdu_011(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    response = link.send(commands.select_aid(le=None))
    bench.expect_true(response.sw1 == 0x61, "status word", "61xx", f"{response.sw:04X}")
    bench.expect_equal(response.data, b"", "data")
    rest = link.send(commands.get_response(response.sw2 or 256))
    bench.expect_sw(rest, SW.OK, "GET RESPONSE")


def _certificate_links(bench: Bench) -> tuple[bytes, bytes]:
    leaf = bench.kit().certificates[-1].public_bytes(Encoding.DER)
    return leaf[:255], leaf[255:]


def _link_of_chain(data: bytes, *, last: bool) -> CommandApdu:
    return CommandApdu(0x80 if last else 0x90, 0x2A, ECV_SIM_1.key_version, ECV_SIM_1.kid_ca, data)


@purpose(
    "TP-APDU-012",
    version=1,
    title="A command sent as a chain of short commands is taken as a whole",
    requirements=["REQ-APDU-06"],
)
def test_apdu_012(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    first, rest = _certificate_links(bench)
    bench.expect_sw(link.send(_link_of_chain(first, last=False)), SW.OK, "first link")
    bench.expect_sw(link.send(_link_of_chain(rest, last=True)), SW.OK, "last link")


@purpose(
    "TP-APDU-013",
    version=1,
    title="A chain that changes its instruction ends with 6883",
    requirements=["REQ-APDU-06"],
)
def test_apdu_013(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    first, _ = _certificate_links(bench)
    bench.expect_sw(link.send(_link_of_chain(first, last=False)), SW.OK, "first link")
    response = link.send(dataclasses.replace(_link_of_chain(first, last=True), ins=0x88))
    bench.expect_sw(response, SW.LAST_CHAIN_COMMAND_EXPECTED, "another instruction")


@purpose(
    "TP-APDU-014",
    version=1,
    title="A chain that changes P1-P2 ends with 6883",
    requirements=["REQ-APDU-06"],
)
def test_apdu_014(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    first, rest = _certificate_links(bench)
    bench.expect_sw(link.send(_link_of_chain(first, last=False)), SW.OK, "first link")
    response = link.send(dataclasses.replace(_link_of_chain(rest, last=True), p2=0x90))
    bench.expect_sw(response, SW.LAST_CHAIN_COMMAND_EXPECTED, "another P2")


@purpose(
    "TP-APDU-015",
    version=1,
    title="GET CHALLENGE gives as many bytes as asked for, different each time",
    requirements=["REQ-APDU-07"],
)
def test_apdu_015(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    seen = set()
    for size in (8, 8, 16, 32):
        response = link.send(commands.get_challenge(size))
        bench.expect_sw(response, SW.OK, f"GET CHALLENGE of {size}")
        bench.expect_equal(len(response.data), size, "length of the challenge")
        seen.add(response.data[:8])
    bench.expect_equal(len(seen), 4, "different challenges out of four")


@purpose(
    "TP-APDU-016",
    version=1,
    title="Malformed commands answer 6700 and leave the card in order",
    requirements=["REQ-APDU-08"],
)
def test_apdu_016(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    for raw in ("00A404", "00A4040008F045", "00A40400000008F0", "00A4040000"):
        response = link.send_raw(bytes.fromhex(raw))
        bench.expect_sw(response, (SW.WRONG_LENGTH, SW.FILE_NOT_FOUND), f"command {raw}")
    bench.expect_sw(link.send(commands.select_aid()), SW.OK, "SELECT afterwards")


@purpose(
    "TP-APDU-017",
    version=1,
    title="A short Le cuts the answer there and 61xx says what is left",
    requirements=["REQ-APDU-04"],
)
def test_apdu_017(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    whole = link.send(commands.select_aid()).data
    response = link.send(commands.select_aid(le=16))
    bench.expect_equal(response.data, whole[:16], "data with Le 16")
    bench.expect_sw(response, SW.BYTES_AVAILABLE | (len(whole) - 16), "SELECT with Le 16")


@purpose(
    "TP-APDU-018",
    version=1,
    title="An extended command of several thousand bytes is taken and judged by its content",
    requirements=["REQ-APDU-05"],
)
def test_apdu_018(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    command = dataclasses.replace(_link_of_chain(b"\x30" * 5000, last=True), extended=True)
    bench.expect_sw(link.send(command), SW.WRONG_DATA, "PSO with 5,000 bytes that are no DER")
