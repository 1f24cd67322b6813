"""SCP: secure messaging once a session is open (the handshakes are in test_scp.py)."""

from __future__ import annotations

import dataclasses

from card_formats.apdu import COMMAND_APDU, CommandApdu, ResponseApdu
from card_formats.status_words import SW
from conformance import commands, handshake
from conformance.bench import CODE, Bench, Link, Secure
from conformance.purposes import purpose

FIRST_OF_MAC, LAST_OF_MAC = -9, -2
"""Places in a secured command, counted from its end, where Le is."""


def _after_damage(bench: Bench, link: Link, position: int) -> None:
    """Flip one bit of a secured command and check that the session is over."""
    wire = COMMAND_APDU.build(link.secure().session.protect(commands.verify()))
    damaged = bytearray(wire)
    damaged[position] ^= 0x01
    response = link.send_raw(bytes(damaged))
    bench.expect_sw(response, SW.SECURITY_NOT_SATISFIED, f"command damaged at byte {position}")
    response = link.send_raw(wire)
    bench.expect_sw(response, SW.SECURITY_NOT_SATISFIED, "the undamaged command afterwards")


def _secured_raw(secure: Secure, command: CommandApdu) -> ResponseApdu:
    """Send a command through secure messaging; the status word even where the session died."""
    return secure.link.send(secure.session.protect(command))


@purpose(
    "TP-SCP-005",
    version=1,
    title="A flipped bit in the first byte of a C-MAC ends the session",
    requirements=["REQ-SCP-04"],
)
def test_scp_005(bench: Bench) -> None:
    _after_damage(bench, bench.tap(bench.phone()), FIRST_OF_MAC)


@purpose(
    "TP-SCP-006",
    version=1,
    title="A flipped bit in the last byte of a C-MAC ends the session",
    requirements=["REQ-SCP-04"],
)
def test_scp_006(bench: Bench) -> None:
    _after_damage(bench, bench.tap(bench.phone()), LAST_OF_MAC)


@purpose(
    "TP-SCP-007",
    version=1,
    title="A secured command sent again, byte for byte, is refused",
    requirements=["REQ-SCP-05"],
)
def test_scp_007(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    wire = COMMAND_APDU.build(link.secure().session.protect(commands.verify()))
    bench.expect_true(
        link.send_raw(wire).sw != SW.SECURITY_NOT_SATISFIED, "first time", "taken", "refused"
    )
    bench.expect_sw(link.send_raw(wire), SW.SECURITY_NOT_SATISFIED, "the same bytes again")


@purpose(
    "TP-SCP-008",
    version=1,
    title="A plain command in a session is refused and ends it",
    requirements=["REQ-SCP-06"],
)
def test_scp_008(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    secure = link.secure().enter_code(CODE)
    response = link.send(commands.read_sfi(0x10))
    bench.expect_sw(response, SW.SECURITY_NOT_SATISFIED, "READ BINARY in the clear")
    response = _secured_raw(secure, commands.get_status())
    bench.expect_sw(response, SW.SECURITY_NOT_SATISFIED, "secured command afterwards")


@purpose(
    "TP-SCP-009",
    version=1,
    title="A secured command without a session answers 6982",
    requirements=["REQ-SCP-06"],
)
def test_scp_009(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    response = link.send(dataclasses.replace(commands.get_challenge(), cla=0x04))
    bench.expect_sw(response, SW.SECURITY_NOT_SATISFIED, "CLA 04 without a session")


@purpose(
    "TP-SCP-010",
    version=1,
    title="A secured command too short to hold a MAC answers 6988 and ends the session",
    requirements=["REQ-SCP-04"],
)
def test_scp_010(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    link.secure()
    response = link.send(dataclasses.replace(commands.get_status(), cla=0x04, data=b"\x01" * 7))
    bench.expect_sw(response, SW.SM_OBJECTS_INCORRECT, "7 bytes of data")


@purpose(
    "TP-SCP-026",
    version=1,
    title="Every answer with data or success is protected and verifiable",
    requirements=["REQ-SCP-13"],
)
def test_scp_026(bench: Bench) -> None:
    secure = bench.tap(bench.phone()).secure()
    bench.expect_sw(secure.send(commands.get_status()), SW.OK, "GET DATA DF20")
    bench.expect_sw(secure.send(commands.verify(CODE)), SW.OK, "VERIFY, no data in the answer")
    bench.expect_sw(secure.send(commands.read_sfi(0x10)), SW.OK, "READ BINARY of EF.WALLET")


@purpose(
    "TP-SCP-027",
    version=1,
    title="An error status comes without data and without R-MAC",
    requirements=["REQ-SCP-13"],
)
def test_scp_027(bench: Bench) -> None:
    secure = bench.tap(bench.phone()).secure()
    response = _secured_raw(secure, commands.read_sfi(0x1D))
    bench.expect_true(response.sw1 in (0x69, 0x6A), "status", "69xx or 6Axx", f"{response.sw:04X}")
    bench.expect_equal(response.data, b"", "data of an error")


@purpose(
    "TP-SCP-028",
    version=1,
    title="The encryption counter counts every command, with data or without",
    requirements=["REQ-SCP-14"],
)
def test_scp_028(bench: Bench) -> None:
    secure = bench.tap(bench.phone()).secure().enter_code(CODE).select_entry(1)
    first = secure.send(commands.read_sfi(0x01))
    bench.expect_sw(first, SW.OK, "READ BINARY")
    bench.expect_sw(secure.send(commands.verify()), SW.OK, "command without data")
    again = secure.send(commands.read_sfi(0x01))
    bench.expect_equal(again.data, first.data, "the same file read again")


@purpose(
    "TP-SCP-033",
    version=1,
    title="A command with wrong padding and a right C-MAC answers 6988 and ends the session",
    requirements=["REQ-SCP-04"],
)
def test_scp_033(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    agreed = handshake.agree(link)
    response = link.send(handshake.badly_padded(agreed))
    bench.expect_sw(response, SW.SM_OBJECTS_INCORRECT, "command whose padding is 16 zeros")
    response = link.send(dataclasses.replace(commands.get_status(), cla=0x04))
    bench.expect_sw(response, SW.SECURITY_NOT_SATISFIED, "secured command afterwards")
