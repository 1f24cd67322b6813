"""SCP11 and secure messaging: agreement with an independent card, and death after any error."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from terminal_fake_card import FakeCard
from terminal_fakes import CODE, NOW, FakeFund, seeded

from card_formats.apdu import CommandApdu, ResponseApdu
from card_formats.profile_ecv_sim_1 import KeyPurpose
from reader_drivers.api import CommunicationFault
from reader_drivers.terminal.apdu_channel import ApduChannel
from reader_drivers.terminal.errors import SecureSessionError, TrustError
from reader_drivers.terminal.kit import TerminalKit
from reader_drivers.terminal.scp11_host import Variant
from reader_drivers.terminal.secure_messaging_host import SecureMessaging, SessionKeys
from reader_drivers.terminal.secure_session import SecureSession
from reader_drivers.terminal.verdict import Reason

FUND = FakeFund()
KIT = TerminalKit.from_json(FUND.kit())
STATUS = CommandApdu(0x00, 0xCA, 0xDF, 0x20, le=256)
VERIFY = CommandApdu(0x00, 0x20, 0x00, 0x81, bytes.fromhex("26246801FFFFFFFF"))


@pytest.fixture
def card() -> FakeCard:
    return FakeCard(FUND)


def clock() -> float:
    return NOW


def open_a(card: FakeCard, extended: bool = True, **more: Any) -> SecureSession:
    return SecureSession.open_scp11a(ApduChannel(card, extended), KIT, clock, **more)


@pytest.mark.parametrize("extended", [True, False])
@pytest.mark.parametrize("name", ["open_scp11a", "open_scp11b"])
def test_both_variants_agree_with_the_card(card: FakeCard, name: str, extended: bool) -> None:
    opened = getattr(SecureSession, name)(ApduChannel(card, extended), KIT, clock)
    first, second = opened.transmit(STATUS), opened.transmit(STATUS)
    assert first.sw == second.sw == 0x9000
    assert first.data == second.data != b""
    assert [command.cla for command in card.plain] == [0x00, 0x00]


def test_a_bare_session_will_do(card: FakeCard) -> None:
    assert SecureSession.open_scp11a(card, KIT, clock).channel.extended


def test_variants_use_their_own_key_and_instruction(card: FakeCard) -> None:
    SecureSession.open_scp11b(card, KIT, clock)
    sent = [(c.ins, c.p1, c.p2, c.data[:8].hex()) for c in card.commands]
    assert sent[0] == (0xCA, 0xBF, 0x21, "a60483021301")
    assert sent[1][:3] == (0x88, 0x01, 0x13)
    assert [c.ins for c in card.commands] == [0xCA, 0x88]
    assert Variant.SCP11A.kid == 0x11


def test_the_chain_is_presented_leaf_last(card: FakeCard) -> None:
    open_a(card)
    assert [(c.p1, c.p2) for c in card.commands if c.ins == 0x2A] == [(1, 0x90), (1, 0x10)]


def test_nothing_travels_in_the_clear(card: FakeCard) -> None:
    session = open_a(card)
    session.transmit(VERIFY)
    assert card.commands[-1].cla == 0x04
    assert VERIFY.data not in card.commands[-1].data
    assert session.alive


@pytest.mark.parametrize("extended", [True, False])
def test_long_data_both_ways(card: FakeCard, extended: bool) -> None:
    session = open_a(card, extended)
    card._answer = lambda command: (command.data * 2, 0x9000)  # type: ignore[method-assign]
    data = bytes(range(256)) * 3
    response = session.transmit(CommandApdu(0x80, 0xDB, 0x3F, 0xFF, data, 65536))
    assert response == ResponseApdu(data * 2, 0x9000)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 231, 232, 239, 240, 247, 248, 255, 256, 300])
@pytest.mark.parametrize("extended", [True, False])
def test_every_length_around_the_limits(card: FakeCard, size: int, extended: bool) -> None:
    session = open_a(card, extended)
    card._answer = lambda command: (command.data, 0x9000)  # type: ignore[method-assign]
    data = bytes(range(1, 256))[:size] + bytes(max(0, size - 255))
    response = session.transmit(CommandApdu(0x80, 0xDB, 0x00, 0x00, data, 256))
    assert response == ResponseApdu(data, 0x9000)


def test_extended_lengths_are_three_bytes_under_the_mac(card: FakeCard) -> None:
    session = open_a(card)
    card._answer = lambda command: (bytes(1000), 0x9000)  # type: ignore[method-assign]
    assert len(session.transmit(CommandApdu(0x00, 0xB0, 0x81, 0x00, le=65536)).data) == 1000
    assert card.commands[-1].extended
    assert [command.ins for command in card.commands].count(0xC0) == 0


def test_le_is_asked_for_where_the_command_has_none(card: FakeCard) -> None:
    for extended in (True, False):
        card.connect()
        session = open_a(card, extended)
        assert session.transmit(VERIFY) == ResponseApdu(b"", 0x9000)
        assert card.commands[-1].le == 256


def test_a_status_word_that_refuses_does_not_end_the_session(card: FakeCard) -> None:
    session = open_a(card)
    assert session.transmit(CommandApdu(0x00, 0x70, 0x00, 0x00)).sw == 0x6D00
    assert session.transmit(STATUS).sw == 0x9000


def test_warnings_are_protected_too(card: FakeCard) -> None:
    session = open_a(card)
    card._answer = lambda command: (b"part", 0x6282)  # type: ignore[method-assign]
    assert session.transmit(STATUS) == ResponseApdu(b"part", 0x6282)
    card._answer = lambda command: (b"", 0x63C2)  # type: ignore[method-assign]
    assert session.transmit(VERIFY) == ResponseApdu(b"", 0x63C2)


def test_a_seed_makes_a_session_repeatable(card: FakeCard) -> None:
    open_a(card, random_bytes=seeded())
    first = card.commands[-1]
    card.connect()
    open_a(card, random_bytes=seeded())
    assert card.commands[-1] == first
    card.connect()
    open_a(card)
    assert card.commands[-1] != first


def test_the_observer_is_told_each_plain_exchange(card: FakeCard) -> None:
    seen: list[tuple[CommandApdu, ResponseApdu]] = []
    session = open_a(card, observer=lambda command, response: seen.append((command, response)))
    answer = session.transmit(STATUS)
    assert seen == [(STATUS, answer)]


# --- what ends a session -----------------------------------------------------------------------


def alter(change: Callable[[bytes], bytes]) -> Callable[[CommandApdu, bytes], bytes]:
    return lambda command, raw: change(raw) if command.cla & 4 else raw


ALTERED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "data": (lambda raw: bytes([raw[0] ^ 1]) + raw[1:], "R-MAC"),
    "R-MAC": (lambda raw: raw[:-3] + bytes([raw[-3] ^ 1]) + raw[-2:], "R-MAC"),
    "status word": (lambda raw: raw[:-2] + b"\x62\x82", "R-MAC"),
    "data taken away": (lambda raw: raw[16:], "R-MAC"),
    "nothing but 9000": (lambda raw: b"\x90\x00", "no R-MAC"),
    "short": (lambda raw: raw[-9:], "no R-MAC"),
    "data beside an error": (lambda raw: raw[:-2] + b"\x6a\x82", "unprotected data"),
    "SM objects incorrect": (lambda raw: b"\x69\x88", "ended the secure session"),
    "SM objects missing": (lambda raw: b"\x69\x87", "ended the secure session"),
}


@pytest.mark.parametrize("case", ALTERED)
def test_an_altered_answer_kills_the_session(card: FakeCard, case: str) -> None:
    change, message = ALTERED[case]
    session = open_a(card)
    card.mutate_wire = alter(change)
    with pytest.raises(SecureSessionError, match=message):
        session.transmit(STATUS)
    assert not session.alive
    card.mutate_wire = None
    sent = len(card.commands)
    with pytest.raises(SecureSessionError, match="authenticate anew"):
        session.transmit(STATUS)
    assert len(card.commands) == sent


def test_the_answer_to_another_command_is_noticed(card: FakeCard) -> None:
    session = open_a(card)
    kept: list[bytes] = []

    def late(command: CommandApdu, raw: bytes) -> bytes:
        kept.append(raw)
        return kept[-2] if len(kept) > 1 else raw

    card.mutate_wire = late
    session.transmit(STATUS)
    with pytest.raises(SecureSessionError, match="not the answer to this command"):
        session.transmit(STATUS)


def test_a_link_error_kills_the_session(card: FakeCard) -> None:
    session = open_a(card)
    card.mutate_wire = alter(lambda raw: b"")
    with pytest.raises(CommunicationFault):
        session.transmit(STATUS)
    assert not session.alive


def messaging() -> SecureMessaging:
    return SecureMessaging(SessionKeys(b"e" * 16, b"m" * 16, b"r" * 16), b"c" * 16)


@pytest.mark.parametrize(
    ("plain", "length"),
    [
        (bytes(16), 16),
        (b"\x81" * 16, 16),
        (b"\x80" + bytes(31), 32),
        (b"A" * 15 + b"\x80" + bytes(16), 32),
    ],
)
def test_wrong_padding_under_a_right_mac(card: FakeCard, plain: bytes, length: int) -> None:
    from terminal_fake_card import aes, cbc, cmac

    side = messaging()
    wire = side.wrap(STATUS, ApduChannel(card))
    chaining = cmac(b"m" * 16, b"c" * 16 + bytes([wire.cla, 0xCA, 0xDF, 0x20, 8]))
    iv = aes(b"e" * 16, b"\x80" + (1).to_bytes(15, "big"))
    data = cbc(b"e" * 16, iv, plain, True)
    assert len(data) == length
    mac = cmac(b"r" * 16, chaining + data + b"\x90\x00")[:8]
    with pytest.raises(SecureSessionError, match="padding"):
        side.unwrap(ResponseApdu(data + mac, 0x9000))


def test_a_broken_block_under_a_right_mac(card: FakeCard) -> None:
    from terminal_fake_card import cmac

    side = messaging()
    wire = side.wrap(STATUS, ApduChannel(card))
    chaining = cmac(b"m" * 16, b"c" * 16 + bytes([wire.cla, 0xCA, 0xDF, 0x20, 8]))
    mac = cmac(b"r" * 16, chaining + b"x" * 15 + b"\x90\x00")[:8]
    with pytest.raises(SecureSessionError, match="whole number of blocks"):
        side.unwrap(ResponseApdu(b"x" * 15 + mac, 0x9000))


@pytest.mark.parametrize("cla", [0x04, 0x0C, 0x10, 0x01, 0x84])
def test_only_plain_commands_are_wrapped(card: FakeCard, cla: int) -> None:
    with pytest.raises(ValueError, match="plain command"):
        messaging().wrap(dataclasses.replace(STATUS, cla=cla), ApduChannel(card))


# --- handshakes that must fail -------------------------------------------------------------------


def test_a_wrong_receipt_is_a_clone(card: FakeCard) -> None:
    card.wrong_receipt = True
    with pytest.raises(SecureSessionError, match="receipt") as caught:
        open_a(card)
    assert caught.value.reason is Reason.BAD_PHONE_SIGNATURE


def test_a_certified_key_that_the_card_does_not_hold(card: FakeCard) -> None:
    other = FUND.leaf("ecv-pseudonym", FUND.issuing, KeyPurpose.CARD_AGREEMENT)
    card.agreement_chain[-1] = other.certificate
    for opening in (SecureSession.open_scp11a, SecureSession.open_scp11b):
        with pytest.raises(SecureSessionError, match="receipt"):
            opening(card, KIT, clock)


def test_a_card_of_no_fund_is_refused_before_it_learns_who_asks(card: FakeCard) -> None:
    strangers = FakeFund()
    card.agreement_chain = FakeCard(strangers).agreement_chain
    with pytest.raises(TrustError):
        open_a(card)
    assert [command.ins for command in card.commands] == [0xCA]


def test_a_point_off_the_curve(card: FakeCard) -> None:
    def change(command: CommandApdu, raw: bytes) -> bytes:
        return raw[:10] + bytes([raw[10] ^ 1]) + raw[11:] if command.ins == 0x82 else raw

    card.mutate_wire = change
    with pytest.raises(SecureSessionError, match="malformed answer"):
        open_a(card)


def test_a_handshake_answer_cut_short(card: FakeCard) -> None:
    def change(command: CommandApdu, raw: bytes) -> bytes:
        return raw[:-4] + raw[-2:] if command.ins == 0x82 else raw

    card.mutate_wire = change
    with pytest.raises(SecureSessionError, match="malformed answer"):
        open_a(card)


@pytest.mark.parametrize(
    ("ins", "sw", "message"),
    [
        (0xCA, 0x6A88, "refreshed by the fund"),
        (0xCA, 0x6985, "refuses its certificates"),
        (0x2A, 0x6A80, "refuses the terminal's certificate"),
        (0x82, 0x6985, "refuses the authentication"),
    ],
)
def test_refusals_carry_their_status_word(card: FakeCard, ins: int, sw: int, message: str) -> None:
    card.refuse = {ins: sw}
    with pytest.raises(SecureSessionError, match=message) as caught:
        open_a(card)
    assert caught.value.sw == sw
    assert caught.value.reason is Reason.REFUSED_BY_CARD


# --- the fake card itself, against an independent host -----------------------------------------


def test_the_fake_card_agrees_with_an_independent_host(card: FakeCard) -> None:
    scp = pytest.importorskip("yubikit.core.smartcard.scp")

    def send(cla: int, ins: int, p1: int, p2: int, data: bytes) -> bytes:
        return ApduChannel(card).transmit(CommandApdu(cla, ins, p1, p2, data, 256)).data

    parameters = scp.Scp11KeyParams(
        scp.KeyRef(0x11, 0x01),
        card.agreement.key.public_key(),
        scp.KeyRef(0x10, 0x01),
        KIT.private_key,
        list(KIT.certificates),
    )
    state = scp.ScpState.scp11_init(send, parameters)
    encrypted = state.encrypt(VERIFY.data)
    header = bytes([0x04, 0x20, 0x00, 0x81, len(encrypted) + 8])
    data = encrypted + state.mac(header + encrypted)
    response = ApduChannel(card).transmit(CommandApdu(0x04, 0x20, 0x00, 0x81, data, 256))
    assert response.sw == 0x9000
    assert state.unmac(response.data, 0x9000) == b""
    assert card.plain[-1].data == VERIFY.data
    assert len(CODE) == 6
