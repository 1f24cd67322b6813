"""An SCP11 host that was not written for this card: yubikit, as it comes from Yubico."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "unit"))

import card_factory as factory
from card_factory import Bench
from card_host import Connection, Host, default_terminal
from yubikit.core.smartcard import ApduError
from yubikit.core.smartcard.scp import KeyRef, Scp11KeyParams, ScpKid
from yubikit.securitydomain import SecurityDomainSession

from card_formats.ber_tlv import encode
from card_formats.profile_ecv_sim_1 import ECV_SIM_1, Fid
from card_formats.selection import CARD_STATUS

LENGTHS = pytest.mark.parametrize("extended", [False, True], ids=["short", "extended"])
SIZES = [1, 2, 7, 8, 15, 16, 17, 100, 231, 232, 239, 240, 241, 247, 248, 255, 256, 257, 1000, 5000]


def with_file_of(size: int) -> Bench:
    bench = Bench()
    bench.state.entries[1].files[Fid.SIGNATURE] = bytes(number % 251 for number in range(size))
    return bench


class EcarteDomain(SecurityDomainSession):
    """yubikit's own session, of our application."""

    def __init__(self, connection: Connection) -> None:
        self.host = Host(connection.card)
        self.host.select()
        self.protocol = self.host.protocol


def test_the_certificate_bundle() -> None:
    domain = EcarteDomain(Connection(Bench().card))
    for kid in (ScpKid.SCP11a, ScpKid.SCP11b):
        issuing, leaf = domain.get_certificate_bundle(KeyRef(kid, 1))
        leaf.verify_directly_issued_by(issuing)
        assert leaf.subject.rfc4514_string() == "CN=ecv-pseudonym"
    assert domain.get_certificate_bundle(KeyRef(ScpKid.SCP11c, 1)) == []
    assert domain.get_certificate_bundle(KeyRef(ScpKid.SCP11a, 2)) == []


@LENGTHS
def test_scp11b(extended: bool) -> None:
    bench = Bench()
    host = Host(bench.card, extended=extended).open_b()
    assert not CARD_STATUS.parse(host.status()).expired
    assert host.verify() == 0x6982
    assert any(raw[4:5] == b"\x00" for raw, _ in host.connection.log) == extended or not extended


@LENGTHS
def test_scp11a_with_an_intermediate(extended: bool) -> None:
    level = factory.issue(factory.pki().terminal_ca, factory.name("intermediate"), ca=True)
    terminal = factory.pki().terminal(issuers=(level,))
    host = Host(Bench().card, extended=extended).open_a(terminal)
    assert host.verify() == 0x9000


@LENGTHS
def test_scp11a_uses_the_lengths_it_was_told(extended: bool) -> None:
    host = Host(Bench().card, extended=extended).open_a()
    log = [raw for raw, _ in host.connection.log]
    pso = [raw for raw in log if raw[1] == 0x2A]
    assert [raw[0] for raw in pso] == ([0x80] if extended else [0x90, 0x80])
    assert (pso[0][4] == 0) == extended


@LENGTHS
def test_the_host_sees_a_card_with_another_key(extended: bool) -> None:
    bench = Bench()
    host = Host(bench.card, extended=extended)
    host.select()
    stranger = factory.new_key().public_key()
    parameters = Scp11KeyParams(KeyRef(ScpKid.SCP11b, 1), stranger)
    with pytest.raises(Exception, match=r"^(Signature did not match digest\.)?$"):
        host.protocol.init_scp(parameters)


@LENGTHS
def test_reading_files_of_many_sizes(extended: bool) -> None:
    for size in SIZES:
        bench = with_file_of(size)
        content = bench.state.entries[1].files[Fid.SIGNATURE]
        host = Host(bench.card, extended=extended).open_a()
        host.verify()
        host.select_fid(0x0101)
        assert whole_file(host, extended) == content
        assert host.send(0, 0xB1, 0, 6, bytes.fromhex("54020000")).data == encode(0x53, content)
        for le in {1, min(size, 255), max(1, size - 1) % 255 + 1}:
            part = host.read(6, 0, le)
            assert part.data == content[:le]
            assert part.sw == (0x9000 if le <= size else 0x6282)


def whole_file(host: Host, extended: bool) -> bytes:
    """Read by chunks until the card says that the offset is past the end."""
    content = b""
    response = host.read(6, 0, 0)
    while response.sw == 0x9000:
        content += response.data
        if extended:
            return content
        response = host.send(0, 0xB0, len(content) >> 8, len(content) & 0xFF)
    assert response.sw == 0x6B00
    return content


def test_reading_5000_bytes_at_once() -> None:
    bench = with_file_of(5000)
    host = Host(bench.card, extended=True).open_a()
    host.verify()
    host.select_fid(0x0101)
    response = host.read(6, 0, 5000)
    assert response.data == bench.state.entries[1].files[Fid.SIGNATURE]
    assert host.read(6, 0, 5001).sw == 0x6282
    assert host.read(6, 100, 4900).sw == 0x9000


@LENGTHS
def test_sending_long_data_in_a_session(extended: bool) -> None:
    host = Host(Bench().card, extended=extended).open_a()
    host.verify()
    tags = encode(0x5C, b"\xe0" * 2000)
    answer = host.send(0, 0xCB, 0x3F, 0xFF, tags)
    assert answer.sw == 0x9000
    assert answer.data == host.read(0x10).data * 2000


@LENGTHS
def test_the_whole_visit(extended: bool) -> None:
    host = Host(Bench().card, extended=extended).open_a(default_terminal())
    assert host.code_state() == 0x63C3
    assert host.verify("000000") == 0x63C2
    assert host.verify() == 0x9000
    assert host.select_fid(0x0101).sw == 0x9000
    assert host.read(1).data[:1] == b"\x65"
    assert host.sign().data[:4] == b"EVPT"
    with pytest.raises(ApduError):
        host.protocol.send_apdu(0, 0x2A, 0x9E, 0x9A, b"\x01" + bytes(16))


def test_an_opposed_card_is_a_warning_that_yubikit_raises() -> None:
    bench = Bench()
    bench.state.life_cycle = type(bench.state.life_cycle)(2)
    with pytest.raises(ApduError) as caught:
        Host(bench.card).select()
    assert caught.value.sw == 0x6285
    assert ECV_SIM_1.aid in caught.value.data
