"""More probes: keys, certificates, secure messaging, APDUs, SELECT and reading."""

from __future__ import annotations

import dataclasses
import datetime
import functools
from typing import Any

import card_factory as factory
from card_factory import Bench, pki
from card_host import Host, answer, default_terminal, secured
from card_probes import AID, opened, probe, verified
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from card_formats.key_agreement import (
    KEY_AGREEMENT_REQUEST,
    ControlReference,
    KeyAgreementRequest,
    ScpIdentifier,
)
from card_formats.profile_ecv_sim_1 import OID_TERMINAL_ROLE, KeyPurpose

# --- keys, certificates, handshake ---


@probe
def keys_of_power_cycles(bench: Bench) -> Any:
    leaves = []
    for _ in range(3):
        host = Host(bench.card)
        host.select()
        pair = [host.certificates()[-1].serial_number for _ in range(2)]
        leaves.append((pair[0] == pair[1], pair[0]))
        bench.card.power_off()
        bench.card.power_on()
    return [same for same, _ in leaves], len({serial for _, serial in leaves})


@probe
def empty_pool(bench: Bench) -> Any:
    for key in bench.state.agreement_keys:
        key.used = True
    host = Host(bench.card)
    host.select()
    return host.plain(0, 0xCA, 0xBF, 0x21, le=256).sw, bench.card.access.last_refusal


@probe
def certificate_store(bench: Bench) -> Any:
    host = Host(bench.card)
    host.select()
    subjects = [one.subject.rfc4514_string() for one in host.certificates()]
    unknown = [
        host.plain(0, 0xCA, 0xBF, 0x21, bytes.fromhex(data), 256).sw
        for data in ("A60483021201", "A60483021102", "A603830211")
    ]
    return subjects, unknown


def ask_session(host: Host, terminal: factory.Terminal) -> Any:
    """The PSO answers for this chain."""
    host.select()
    answers = []
    for number, certificate in enumerate(terminal.certificates, 1):
        p2 = 0x10 if number == len(terminal.certificates) else 0x90
        der = certificate.public_bytes(Encoding.DER)
        answers.append(host.send(0x80, 0x2A, 1, p2, der).sw)
    return answers


@functools.cache
def _terminals() -> dict[str, factory.Terminal]:
    """Terminals by what is the matter with them."""
    ca = pki()
    ended = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
    stranger = factory.issue(None, factory.name("TEST terminal CA"), ca=True)
    wrong_purpose = {
        **factory.purpose(KeyPurpose.FUND_DATA),
        OID_TERMINAL_ROLE: factory.integer(1),
    }
    own = factory.Authority(default_terminal().key, default_terminal().certificates[-1])
    levels = [factory.issue(ca.terminal_ca, factory.name("one"), ca=True)]
    for level in ("two", "three"):
        levels.append(factory.issue(levels[-1], factory.name(level), ca=True))
    return {
        "stranger": factory.Pki().terminal(),
        "stranger of the same name": factory.Pki.terminal(_With(stranger)),  # type: ignore[arg-type]
        "ended": ca.terminal(end=ended),
        "role 9": ca.terminal(9),
        "no role": ca.terminal(None),
        "purpose": ca.terminal(extensions=wrong_purpose),
        "leaf as issuer": ca.terminal(issuers=(own,)),
        "three": ca.terminal(issuers=tuple(levels[:2])),
        "four": ca.terminal(issuers=tuple(levels)),
    }


@probe
def bad_terminals(bench: Bench) -> Any:
    return {kind: ask_session(Host(bench.card), one) for kind, one in _terminals().items()}


@dataclasses.dataclass
class _With:
    terminal_ca: factory.Authority


def request(
    parameters: int, usage: int = 0x3C, size: int = 16, point: bytes | None = None
) -> bytes:
    key = factory.new_key().public_key()
    point = point or key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    control = ControlReference(ScpIdentifier(0x11, parameters), usage, 0x88, size)
    return KEY_AGREEMENT_REQUEST.build(KeyAgreementRequest(control, point))


@probe
def terminal_kept(bench: Bench) -> Any:
    host = Host(bench.card)
    terminal = default_terminal()
    sound = ask_session(host, terminal)
    broken = host.send(0x80, 0x2A, 1, 0x10, b"\x30\x00").sw
    after_failure = host.plain(0x80, 0x82, 1, 0x11, request(1), 256).sw
    again = ask_session(host, terminal)
    handshakes = [host.plain(0x80, 0x82, 1, 0x11, request(1), 256).sw for _ in range(2)]
    return sound, broken, after_failure, again, handshakes


@probe
def bad_handshakes(bench: Bench) -> Any:
    host = Host(bench.card)
    host.select()
    off_curve = b"\x04" + b"\x01" * 64
    return [
        host.plain(0x80, 0x88, p1, p2, data, 256).sw
        for p1, p2, data in (
            (1, 0x13, request(0, point=off_curve)),
            (1, 0x13, request(1)),
            (1, 0x13, request(0, usage=0x34)),
            (1, 0x13, request(0, size=32)),
            (1, 0x13, request(0)[:-1]),
            (2, 0x13, request(0)),
            (1, 0x11, request(0)),
            (1, 0x13, request(0)),
        )
    ]


@probe
def ephemeral_keys(bench: Bench) -> Any:
    host = Host(bench.card)
    host.select()
    answers = [host.plain(0x80, 0x88, 1, 0x13, request(0), 256).data for _ in range(3)]
    return len({answer[:68] for answer in answers})


# --- secure messaging ---


@probe
def secured_commands(bench: Bench) -> Any:
    host = verified(bench)
    return (
        answer(host, secured(host, 0x20, 0x00, 0x81)),
        answer(host, secured(host, 0x20, 0x00, 0x81, b"")),
        answer(host, secured(host, 0xCA, 0xDF, 0x20)),
        answer(host, secured(host, 0xB0, 0x85, 0x00, b"")),
        answer(host, secured(host, 0xCA, 0xDF, 0x20, b"")),
    )


@probe
def error_without_mac(bench: Bench) -> Any:
    host = verified(bench)
    return bench.card.transmit(bytes(secured(host, 0xB0, 0x85, 0x00, b"")))


@probe
def broken_macs(bench: Bench) -> Any:
    answers = []
    for position in (-2, -9):
        host = verified(bench)
        command = secured(host, 0xCA, 0xDF, 0x20, b"")
        sound = bytes(command)
        command[position] ^= 1
        first = bench.card.transmit(bytes(command))[-2:]
        answers.append((first, bench.card.transmit(sound)[-2:]))
    return answers


@probe
def replayed(bench: Bench) -> Any:
    host = verified(bench)
    command = bytes(secured(host, 0xCA, 0xDF, 0x20, b""))
    return bench.card.transmit(command)[-2:], bench.card.transmit(command)[-2:]


@probe
def malformed_bodies(bench: Bench) -> Any:
    answers = []
    for size in (1, 7, 9, 23):
        verified(bench)
        answers.append(bench.card.transmit(bytes([4, 0xB0, 0x90, 0, size]) + bytes(size) + b"\x00"))
    host = verified(bench)
    state = host.protocol._processor.state
    header = bytes([0x04, 0xCA, 0xDF, 0x20, 24])
    body = bytes(16)
    answers.append(bench.card.transmit(header + body + state.mac(header + body) + b"\x00")[-2:])
    return answers


@probe
def plain_in_session(bench: Bench) -> Any:
    host = verified(bench)
    challenge = host.plain(0, 0x84, 0, 0, le=8).sw
    still = host.code_state()
    plain = host.plain(0, 0xB0, 0x90, 0, le=256)
    return challenge, still, plain, host.code_state()


@probe
def select_in_session(bench: Bench) -> Any:
    host = verified(bench)
    return host.plain(0, 0xA4, 4, 0x0C, AID).sw, host.code_state()


# --- APDUs ---


@probe
def responses(bench: Bench) -> Any:
    host = Host(bench.card)
    fci = host.plain(0, 0xA4, 4, 0, AID, 10)
    return (
        fci,
        host.plain(0, 0xC0, 0, 0, le=255),
        host.plain(0, 0xC0, 0, 0, le=20),
        host.plain(0, 0xC0, 0, 1, le=20).sw,
        host.plain(0, 0xC0, 0, 0),
        host.plain(0, 0xC0, 0, 0, le=1),
        host.plain(0, 0xA4, 4, 0, AID),
        host.plain(0, 0xA4, 4, 0x0C, AID),
        host.plain(0, 0xC0, 0, 0, le=256),
        host.plain(0, 0xA4, 4, 0, AID, 65536, extended=True),
        host.plain(0, 0xA4, 4, 0, AID, 20, extended=True).sw,
    )


@probe
def long_response(bench: Bench) -> Any:
    host = Host(bench.card)
    host.select()
    short = host.plain(0, 0xCA, 0xBF, 0x21, le=256)
    long = host.plain(0, 0xCA, 0xBF, 0x21, le=65536, extended=True)
    return short.sw >> 8, len(short.data), long.sw, len(long.data) > 500


@probe
def power_on(bench: Bench) -> Any:
    return bench.card.power_on(), bench.card.reset()


@probe
def chains(bench: Bench) -> Any:
    host = Host(bench.card)
    answers = []
    for links in (
        [(0x10, 0xA4, 4, 0, AID[:3]), (0x10, 0xA4, 4, 0, AID[3:5]), (0, 0xA4, 4, 0, AID[5:])],
        [(0x10, 0xA4, 4, 0, AID[:3]), (0, 0xA5, 4, 0, AID[3:])],
        [(0x10, 0xA5, 4, 0, AID[:3]), (0, 0xA4, 4, 0, AID[3:])],
        [(0x10, 0xA4, 4, 4, AID[:3]), (0, 0xA4, 4, 0, AID[3:])],
        [(0x90, 0x2A, 1, 0x10, b"\x30"), (0, 0x2A, 1, 0x10, b"\x00")],
        [(0x10, 0xA4, 4, 0, AID[:3]), (0, 0xC0, 0, 0, b""), (0, 0xA4, 4, 0, AID)],
    ):
        answers.append([host.plain(*link).sw for link in links])
    return answers


@probe
def classes(bench: Bench) -> Any:
    host = Host(bench.card)
    host.select()
    return [
        (cla, host.plain(cla, 0x84, 0, 0, le=8).sw)
        for cla in (0x00, 0x01, 0x03, 0x08, 0x0C, 0x20, 0x40, 0x80, 0x81, 0xA0, 0xA4, 0xC0, 0xFF)
    ]


@probe
def instructions(bench: Bench) -> Any:
    host = Host(bench.card)
    before = [host.plain(0, ins, 0, 0, le=8).sw for ins in (0x84, 0xCA, 0x70, 0x00, 0xC0)]
    host.select()
    return before, {ins: host.plain(0, ins, 0, 0).sw for ins in range(0x100) if ins != 0xA4}


@probe
def challenges(bench: Bench) -> Any:
    host = Host(bench.card)
    host.select()
    drawn = {host.plain(0, 0x84, 0, 0, le=16).data for _ in range(3)}
    return len(drawn), {len(one) for one in drawn}, host.plain(0, 0x84, 0, 0).sw


@probe
def selects(bench: Bench) -> Any:
    host = Host(bench.card)
    names = [AID, AID[:5], AID[:4], AID[:1], b"", AID + b"\x00", bytes.fromhex("A000000003000000")]
    by_name = [host.plain(0, 0xA4, 4, 0x0C, one).sw for one in names]
    return by_name, [host.plain(0, 0xA4, 4, p2, AID, 256) for p2 in (0, 2, 4, 8, 0x0C)]


@probe
def selected_files(bench: Bench) -> Any:
    host = opened(bench)
    return [
        host.send(0, 0xA4, p1, p2, bytes.fromhex(data))
        for p1, p2, data in (
            (0, 0, "0101"),
            (2, 4, "EF01"),
            (3, 0, ""),
            (3, 0, ""),
            (1, 0, "0102"),
            (1, 0x0C, "0101"),
            (0, 0, "0103"),
            (0, 0, "EF05"),
            (3, 0x0C, ""),
            (9, 0, "0101EF02"),
            (0, 0, "3F00"),
            (2, 2, "EF01"),
            (2, 0, "EF"),
            (5, 0, "EF01"),
            (2, 0, "EF05"),
        )
    ]


# --- reading ---


@probe
def reads(bench: Bench) -> Any:
    host = verified(bench)
    no_current = host.send(0, 0xB0, 0, 0).sw
    host.select_fid(0x0101)
    size = len(host.read(1).data)
    return (
        no_current,
        host.read(1, 5, 3),
        host.read(1, size - 4, 4),
        host.read(1, size - 4, 5),
        host.read(1, size - 4, 0),
        host.read(1, size).sw,
        host.send(0, 0xB0, 0, 3, b"", 4),
        host.send(0, 0xB0, 0xC1, 0).sw,
        host.read(9).sw,
        host.send(0, 0xB0, 0x7F, 0xFF).sw,
    )


@probe
def odd_reads(bench: Bench) -> Any:
    host = verified(bench)
    host.select_fid(0x0101)
    return [
        host.send(0, 0xB1, p1, p2, bytes.fromhex(data), le)
        for p1, p2, data, le in (
            (0, 1, "54020000", 4),
            (0xEF, 2, "54020005", 3),
            (0, 0, "54020000", 0),
            (0, 1, "54020000", 200),
            (0, 1, "540100", 0),
            (0xEF, 9, "54020000", 0),
        )
    ]


@probe
def data_objects(bench: Bench) -> Any:
    host = verified(bench)
    answers = [host.send(0, 0xCB, 0x3F, 0xFF, bytes.fromhex(one)) for one in ("5C01E0", "5C0165")]
    host.select_fid(0x0103)
    return answers + [
        host.send(0, 0xCB, 0x3F, 0xFF, bytes.fromhex(one))
        for one in ("5C02E265", "5C01E4", "5C01E9", "5C00", "5C")
    ]
