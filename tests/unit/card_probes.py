"""What a card shows to a host that tries everything once: one function a question.

Each returns plain values that are the same for every run on a sound card, so that a fault
must change at least one of them.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
from collections.abc import Callable
from typing import Any

import card_factory as factory
from card_factory import CODE, DELEGATED, DEPENDANT, OWN, Bench
from card_host import Host, default_terminal
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from card_formats.data_objects import USAGE
from card_formats.pin_block import PIN_BLOCK, PIN_BLOCK_PAIR
from card_formats.presence_token import PRESENCE_TOKEN, presence_input
from card_formats.profile_ecv_sim_1 import LifeCycle, Role
from card_formats.selection import CARD_STATUS

Probe = Callable[[Bench], Any]
PROBES: dict[str, Probe] = {}
WRONG = "000000"
AID = bytes.fromhex("F045434152544501")


def probe(function: Probe) -> Probe:
    PROBES[function.__name__] = function
    return function


def ask(name: str, bench: Bench) -> Any:
    """The answer of one probe; a host that gives up is an answer too."""
    try:
        return PROBES[name](bench)
    except Exception as error:
        return type(error).__name__


def opened(bench: Bench, role: int = Role.PHARMACIST, **options: bool) -> Host:
    return Host(bench.card, **options).open_a(default_terminal(role))


def verified(bench: Bench, role: int = Role.PHARMACIST, **options: bool) -> Host:
    host = opened(bench, role, **options)
    assert host.verify() == 0x9000
    return host


def last_refusal(host: Host) -> int:
    return CARD_STATUS.parse(host.status()).last_refusal


# --- the code ---


@probe
def writes_of_verify(bench: Bench) -> Any:
    host = opened(bench)
    writes = [bench.commits]
    for code in (WRONG, CODE):
        host.verify(code)
        writes.append(bench.commits)
    return [after - before for before, after in itertools.pairwise(writes)]


@probe
def tries_after_restart(bench: Bench) -> Any:
    host = opened(bench)
    host.verify(WRONG)
    return opened(bench.restarted()).code_state()


@probe
def wrong_codes(bench: Bench) -> Any:
    host = opened(bench)
    return [host.verify(WRONG) for _ in range(5)], host.verify(), last_refusal(host)


@probe
def tries_across_power(bench: Bench) -> Any:
    opened(bench).verify(WRONG)
    bench.card.power_off()
    bench.card.power_on()
    return opened(bench).code_state()


@probe
def tries_after_right_code(bench: Bench) -> Any:
    host = opened(bench)
    return host.verify(WRONG), host.verify(), host.verify(WRONG), host.code_state()


@probe
def empty_verify(bench: Bench) -> Any:
    host = opened(bench)
    return host.code_state(), host.code_state(), host.verify(), host.code_state()


@probe
def malformed_codes(bench: Bench) -> Any:
    host = opened(bench)
    blocks = ["161357FFFFFFFFFF", "26135A90FFFFFFFF", "2C123456789012FF", "29123456789FFFFF"]
    answers = [host.send(0, 0x20, 0, 0x81, bytes.fromhex(block)).sw for block in blocks]
    return answers, bench.state.tries_left


@probe
def code_after_select(bench: Bench) -> Any:
    verified(bench)
    return opened(bench).code_state()


@probe
def code_after_power(bench: Bench) -> Any:
    verified(bench)
    bench.card.power_off()
    bench.card.power_on()
    return opened(bench).code_state()


@probe
def code_after_handshake(bench: Bench) -> Any:
    host = verified(bench)
    host.protocol._processor = host.protocol._build_base_processor()[0]
    select = host.select
    host.select = lambda: b""  # type: ignore[method-assign]
    host.open_a()
    host.select = select  # type: ignore[method-assign]
    return host.code_state()


@probe
def code_after_silence(bench: Bench) -> Any:
    host = verified(bench)
    bench.now += 29
    early = host.code_state()
    bench.now += 31
    return early, host.code_state()


@probe
def change_code(bench: Bench) -> Any:
    host = opened(bench)
    change = [
        host.send(0, 0x24, 0, 0x81, PIN_BLOCK_PAIR.build((old, new))).sw
        for old, new in ((WRONG, "1111"), (CODE, "123456789"), (CODE, "2468"))
    ]
    return change, bench.state.code, host.code_state()


@probe
def unblock(bench: Bench) -> Any:
    host = verified(bench)
    answers = [
        host.send(0, 0x2C, 0, 0x81, PIN_BLOCK_PAIR.build((code, "2468"))).sw
        for code in ("00000000", factory.UNBLOCKING_CODE)
    ]
    return answers, host.code_state(), bench.state.unblocks_left


@probe
def code_on_phone(bench: Bench) -> Any:
    bench.person.code_on_phone = True
    host = opened(bench)
    refused = host.verify(), host.read(0x10).sw, last_refusal(host), bench.person.asked
    bench.person.typed = True
    return refused, [opened(bench).read(0x10).sw for _ in range(2)]


@probe
def code_in_the_clear(bench: Bench) -> Any:
    host = Host(bench.card)
    host.select()
    return host.plain(0, 0x20, 0, 0x81, PIN_BLOCK.build(CODE)).sw


# --- life cycle, phone ---


def _life(bench: Bench, state: LifeCycle) -> Any:
    bench.state.life_cycle = state
    select = Host(bench.card).plain(0, 0xA4, 4, 0x0C, AID).sw
    host = _session_whatever_select(bench)
    return (
        select,
        host.verify(),
        last_refusal(host),
        host.select_fid(0x0101).sw,
        host.read(0x10).sw,
        host.sign().sw,
    )


def _session_whatever_select(bench: Bench) -> Host:
    host = Host(bench.card)
    host.plain(0, 0xA4, 4, 0x0C, AID)
    host.select = lambda: b""  # type: ignore[method-assign]
    return host.open_a()


@probe
def opposed(bench: Bench) -> Any:
    return _life(bench, LifeCycle.OPPOSED)


@probe
def suspended(bench: Bench) -> Any:
    return _life(bench, LifeCycle.SUSPENDED)


@probe
def expired(bench: Bench) -> Any:
    bench.state.valid_until = datetime.date(2026, 1, 1)
    select = Host(bench.card).plain(0, 0xA4, 4, 0x0C, AID).sw
    host = _session_whatever_select(bench)
    return select, host.verify(), host.read(0x10).sw, host.sign().sw, last_refusal(host)


@probe
def expired_entry(bench: Bench) -> Any:
    bench.state.entries[DEPENDANT].valid_until = datetime.date(2026, 1, 1)
    return verified(bench).sign(DEPENDANT).sw


@probe
def locked(bench: Bench) -> Any:
    bench.person.screen_locked = True
    return Host(bench.card).plain(0, 0xA4, 4, 0, AID)


@probe
def locked_in_session(bench: Bench) -> Any:
    host = verified(bench)
    bench.person.screen_locked = True
    first = host.read(0x10).sw
    bench.person.screen_locked = False
    return first, host.plain(0, 0x84, 0, 0, le=8).sw


# --- access ---


@probe
def before_code(bench: Bench) -> Any:
    host = opened(bench)
    wallet = host.read(0x10)
    return wallet, host.read(0x11), last_refusal(host), host.sign().sw


@probe
def under_scp11b(bench: Bench) -> Any:
    host = Host(bench.card).open_b()
    return (
        host.select_fid(0x0101).sw,
        host.read(1).sw,
        host.verify(),
        host.sign().sw,
        len(host.status()),
    )


@probe
def without_session(bench: Bench) -> Any:
    host = Host(bench.card)
    host.select()
    return (
        host.plain(0, 0xA4, 0, 0x0C, b"\x01\x01").sw,
        host.plain(0, 0xB0, 0x90, 0, le=256).sw,
        host.plain(0, 0xCA, 0xDF, 0x20, le=256),
        host.plain(4, 0xA4, 0, 0x0C, b"\x01\x01").sw,
        host.plain(0x0C, 0x84, 0, 0, le=8).sw,
    )


def _entry_files(host: Host, entry: int) -> Any:
    host.select_fid(0x0100 + entry)
    return [(sfi, host.read(sfi)) for sfi in range(1, 8)]


@probe
def files_of_all_roles(bench: Bench) -> Any:
    return [_entry_files(verified(bench, role), OWN) for role in Role]


@probe
def delegated_files(bench: Bench) -> Any:
    answers = []
    for role in (Role.PHARMACIST, Role.PHYSICIAN):
        host = verified(bench, role)
        answers.append([one.sw for _, one in _entry_files(host, DELEGATED)] + [last_refusal(host)])
    return answers


def _delegation(bench: Bench, **changes: int) -> Any:
    bench.state.entries[DELEGATED].grant = factory.make_grant(**changes)
    host = verified(bench)
    read = _entry_files(host, DELEGATED)[0][1].sw
    return read, last_refusal(host), host.sign(DELEGATED).sw


@probe
def grant_early(bench: Bench) -> Any:
    return _delegation(bench, valid_from=int(factory.NOW) + 1)


@probe
def grant_late(bench: Bench) -> Any:
    return _delegation(bench, valid_until=int(factory.NOW))


@probe
def grant_revoked(bench: Bench) -> Any:
    bench.state.entries[DELEGATED].grant_revoked = True
    return _delegation(bench)


# --- presence ---


def token_of(data: bytes) -> Any:
    """The token's fields, with whether its signature verifies in place of the signature."""
    token = PRESENCE_TOKEN.parse(data)
    r, s = (int.from_bytes(token.signature[i : i + 32], "big") for i in (0, 32))
    try:
        key = factory.signing().key.public_key()
        signed = presence_input(token)
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
        genuine = True
    except InvalidSignature:
        genuine = False
    return dataclasses.replace(token, signature=b""), genuine


@probe
def tokens(bench: Bench) -> Any:
    made = []
    for entry, role in ((OWN, 1), (OWN, 1), (DEPENDANT, 2), (DELEGATED, 1)):
        host = verified(bench, role)
        before = bench.commits
        made.append((token_of(host.sign(entry).data), bench.commits - before))
        made.append((host.sign(entry).sw, host.code_state()))
    return made


@probe
def usage_log(bench: Bench) -> Any:
    for _ in range(12):
        verified(bench).sign()
    return USAGE.parse(bench.state.entries[OWN].usage_log)


@probe
def unknown_entry(bench: Bench) -> Any:
    return verified(bench).sign(7).sw
