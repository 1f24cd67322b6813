"""Every byte on the way matters: one bit changed anywhere opens no session, or ends it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from card_factory import Bench
from card_host import Host, answer, default_terminal, secured
from card_probes import opened, verified
from card_probes_wire import request
from cryptography.hazmat.primitives.serialization import Encoding
from yubikit.core import BadResponseError
from yubikit.core.smartcard.scp import KeyRef, Scp11KeyParams, ScpKid, ScpState

from card_formats.key_agreement import KEY_AGREEMENT_RESPONSE
from card_formats.profile_ecv_sim_1 import ECV_SIM_1

LEAF = default_terminal().certificates[-1].public_bytes(Encoding.DER)
CHAINING_BIT = 0x10


def is_open(bench: Bench) -> bool:
    return bench.card.secure_channel.is_open


def flipped(data: bytes, position: int, bit: int = 0) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1 << bit
    return bytes(changed)


@pytest.fixture(scope="module")
def selected() -> Host:
    host = Host(Bench().card)
    host.select()
    return host


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_a_certificate_changed_in_any_byte_is_refused(selected: Host) -> None:
    for position in range(len(LEAF)):
        answered = selected.send(0x80, 0x2A, 1, 0x10, flipped(LEAF, position, position % 8)).sw
        assert answered in (0x6A80, 0x6982, 0x6985), position
    assert selected.send(0x80, 0x2A, 1, 0x10, LEAF).sw == 0x9000


def test_a_certificate_cut_short_or_too_long_is_wrong_data(selected: Host) -> None:
    for size in range(0, len(LEAF), 7):
        assert selected.send(0x80, 0x2A, 1, 0x10, LEAF[:size]).sw == 0x6A80
    assert selected.send(0x80, 0x2A, 1, 0x10, LEAF + b"\x00").sw == 0x6A80


@pytest.mark.parametrize("kid", [ScpKid.SCP11a, ScpKid.SCP11b])
def test_a_handshake_request_changed_in_any_byte_opens_no_session(kid: int) -> None:
    """Either the card refuses, or the receipt shows the host that they disagree."""
    size = len(request(0))
    for position in range(size):
        host = Host(Bench().card)
        assert not _handshake(host, kid, position)
    assert _handshake(Host(Bench().card), kid, None)


def _handshake(host: Host, kid: int, position: int | None) -> bool:
    host.select()
    terminal = default_terminal()

    def send(cla: int, ins: int, p1: int, p2: int, data: bytes) -> bytes:
        if ins in (0x82, 0x88) and position is not None:
            data = flipped(data, position, position % 8)
        sent: bytes = host.protocol.send_apdu(cla, ins, p1, p2, data)
        return sent

    public_key: Any = host.certificates()[-1].public_key()
    parameters = Scp11KeyParams(
        KeyRef(kid, 1),
        public_key,
        KeyRef(0x10, 1),
        terminal.key if kid == ScpKid.SCP11a else None,
        terminal.certificates,
    )
    try:
        ScpState.scp11_init(send, parameters)
    except Exception:
        return False
    return True


def test_a_handshake_request_of_another_size_is_wrong_data(selected: Host) -> None:
    data = request(0)
    for size in range(len(data)):
        assert selected.plain(0x80, 0x88, 1, 0x13, data[:size], 256).sw == 0x6A80
    assert selected.plain(0x80, 0x88, 1, 0x13, data + b"\x00", 256).sw == 0x6A80


@pytest.mark.parametrize("bit", range(8))
def test_a_command_changed_in_any_byte_ends_the_session(bit: int) -> None:
    length = len(secured(opened(Bench()), 0xCA, 0xDF, 0x20, b""))
    for position in range(length - 1):  # Le, the last byte, is outside the MAC
        bench = Bench()
        host = opened(bench)
        sound = bytes(secured(host, 0xCA, 0xDF, 0x20, b""))
        changed = flipped(sound, position, bit)
        response = bench.card.transmit(changed)
        if changed[0] == sound[0] | CHAINING_BIT:
            assert response == b"\x90\x00"  # a link of a chain: nothing is run yet
        else:
            assert len(response) == 2
            assert response != b"\x90\x00"
            assert not is_open(bench), position
        # 6988: what was taken for a link made the whole a wrong number of blocks
        assert bench.card.transmit(sound)[-2:] in (b"\x69\x82", b"\x69\x88")
        assert not is_open(bench)


def test_le_is_outside_the_mac() -> None:
    bench = Bench()
    sound = bytes(secured(opened(bench), 0xCA, 0xDF, 0x20, b""))
    assert bench.card.transmit(flipped(sound, -1, 3)) != b"\x69\x82"
    assert is_open(bench)


def test_a_response_changed_in_any_byte_is_seen_by_the_host() -> None:
    bench = Bench()
    host = verified(bench)
    raw = bench.card.transmit(bytes(secured(host, 0xB0, 0x90, 0x00, b"")))
    state = host.protocol._processor.state
    assert state.decrypt(state.unmac(raw[:-2], 0x9000))
    for position in range(len(raw) - 2):
        with pytest.raises(BadResponseError):
            state.unmac(flipped(raw[:-2], position, position % 8), 0x9000)
    with pytest.raises(BadResponseError):
        state.unmac(raw[:-2], 0x6282)


def test_a_receipt_changed_in_any_byte_is_seen_by_the_host() -> None:
    bench = Bench()
    host = Host(bench.card)
    host.select()
    data = host.plain(0x80, 0x88, 1, 0x13, request(0), 256).data
    response = KEY_AGREEMENT_RESPONSE.parse(data)
    assert response.receipt == bench.card.secure_channel.session.mac_chain  # type: ignore[union-attr]
    wrong = dataclasses.replace(response, receipt=bytes(16))
    assert KEY_AGREEMENT_RESPONSE.build(wrong) != data


def test_after_an_error_only_a_new_handshake_helps() -> None:
    bench = Bench()
    host = verified(bench)
    bench.card.transmit(flipped(bytes(secured(host, 0xCA, 0xDF, 0x20, b"")), -2))
    for _ in range(3):
        assert host.send(0, 0xCA, 0xDF, 0x20).sw == 0x6982
    assert opened(bench).code_state() == 0x63C3


@pytest.mark.parametrize(
    "command",
    ["00", "00B0", "00B00000FF01", "00B0000000000501", "A0B0000000", "01B0000000", "0CB0000000",
     "60B0000000"],
)  # fmt: skip
def test_a_command_without_sense_ends_the_session(command: str) -> None:
    bench = Bench()
    host = verified(bench)
    assert bench.card.transmit(bytes.fromhex(command))[:1] in (b"\x67", b"\x68", b"\x6e")
    assert host.code_state() == 0x6982


def test_a_broken_chain_ends_the_session() -> None:
    bench = Bench()
    host = verified(bench)
    assert bench.card.transmit(bytes.fromhex("14B0900008") + bytes(8)) == b"\x90\x00"
    assert bench.card.transmit(bytes.fromhex("04B1900008") + bytes(8)) == b"\x68\x83"
    assert host.code_state() == 0x6982


@pytest.mark.parametrize("ins", [0x20, 0x24, 0x2A, 0x2C, 0x70, 0xB0, 0xB1, 0xCA, 0xCB])
def test_every_plain_command_but_three_ends_the_session(ins: int) -> None:
    bench = Bench()
    host = verified(bench)
    host.plain(0, ins, 0, 0, le=256)
    assert not is_open(bench)
    assert host.code_state() == 0x6982


def test_get_response_and_get_challenge_leave_the_session_open() -> None:
    bench = Bench()
    host = verified(bench)
    assert host.plain(0, 0xC0, 0, 0, le=256).sw == 0x6985
    assert host.plain(0, 0x84, 0, 0, le=16).sw == 0x9000
    assert host.code_state() == 0x9000


def test_a_secured_command_that_ends_its_session_is_still_answered_in_it() -> None:
    bench = Bench()
    host = verified(bench)
    data, sw, protected = answer(host, secured(host, 0xA4, 0x04, 0x00, ECV_SIM_1.aid))
    assert (sw, protected) == (0x9000, True)
    assert ECV_SIM_1.aid in data
    assert not is_open(bench)


def test_errors_keep_the_session_and_its_counters() -> None:
    bench = Bench()
    host = verified(bench)
    assert host.send(0, 0xEE, 0, 0).sw == 0x6D00
    assert host.read(5).sw == 0x6A82
    assert host.send(0, 0xB0, 0, 0).sw == 0x6986
    assert host.code_state() == 0x9000


def test_a_command_without_data_may_leave_the_encrypted_field_out() -> None:
    bench = Bench()
    host = verified(bench)
    for data in (None, b"", None, None, b""):
        assert answer(host, secured(host, 0x20, 0, 0x81, data)) == (b"", 0x9000, True)


def test_the_counter_and_the_chaining_value_move_with_every_command() -> None:
    bench = Bench()
    host = verified(bench)
    session = bench.card.secure_channel.session
    assert session is not None
    seen = set()
    for number in range(2, 6):
        host.code_state()
        assert session.counter == number
        seen.add(session.mac_chain)
    assert len(seen) == 4
