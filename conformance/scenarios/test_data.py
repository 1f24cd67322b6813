"""DATA: files, access rules, minimisation, integrity."""

from __future__ import annotations

import datetime

from card_formats.ber_tlv import decode
from card_formats.data_objects import COVER, IDENTITY, RIGHTS, USAGE, Usage, UsageKind
from card_formats.profile_ecv_sim_1 import SFI, EntryKind, Fid, Role
from card_formats.selection import DISCRETIONARY_DATA
from card_formats.status_words import SW
from card_formats.wallet import WALLET
from conformance import commands
from conformance.bench import CODE, START, Bench, Secure
from conformance.purposes import purpose
from conformance.verdicts import Inconclusive
from firmware_sim.phone.phone import Phone
from reader_drivers.terminal.verdict import Reason

IDENTITY_TAGS = [0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x93, 0x94, 0x95, 0x96, 0x97]
OFFSET = 16


def _in_entry(bench: Bench, phone: Phone | None = None, role: Role = Role.PHARMACIST) -> Secure:
    return bench.tap(phone or bench.phone()).secure(role).enter_code(CODE).select_entry(1)


def _read(bench: Bench, secure: Secure, fid: Fid) -> bytes:
    response = secure.send(commands.read_sfi(SFI[fid]))
    bench.expect_sw(response, SW.OK, f"READ BINARY of EF.{fid.name}")
    return response.data


@purpose(
    "TP-DATA-001",
    version=1,
    title="EF.IDENTITY holds exactly the fields allowed, and no birth date or address",
    requirements=["REQ-DATA-01"],
)
def test_data_001(bench: Bench) -> None:
    data = _read(bench, _in_entry(bench), Fid.IDENTITY)
    (whole,) = decode(data)
    bench.expect_equal(whole.tag, 0x65, "template")
    bench.expect_equal([item.tag for item in decode(whole.value)], IDENTITY_TAGS, "data objects")


@purpose(
    "TP-DATA-002",
    version=1,
    title="The wallet directory is not readable without the code",
    requirements=["REQ-DATA-02"],
)
def test_data_002(bench: Bench) -> None:
    secure = bench.tap(bench.phone()).secure()
    response = secure.send(commands.read_sfi(SFI[Fid.WALLET]))
    bench.expect_sw(response, SW.SECURITY_NOT_SATISFIED, "READ BINARY of EF.WALLET")
    bench.expect_equal(response.data, b"", "data of the refusal")


@purpose(
    "TP-DATA-003",
    version=1,
    title="The wallet directory lists the cards without a name",
    requirements=["REQ-DATA-03"],
)
def test_data_003(bench: Bench) -> None:
    phone = bench.phone()
    secure = bench.tap(phone).secure().enter_code(CODE)
    data = _read(bench, secure, Fid.WALLET)
    entries = bench.expect_format(WALLET, data, "EF.WALLET")
    bench.expect_equal(
        [entry.serial for entry in entries],
        [entry.serial for entry in phone.state.card.entries.values()],
        "serials in the directory",
    )
    for entry in phone.state.card.entries.values():
        name = IDENTITY.parse(entry.files[Fid.IDENTITY]).surname.encode()
        bench.expect_true(name not in data, "wallet directory", "no name", name.decode())


@purpose(
    "TP-DATA-004",
    version=1,
    title="A fund agent reads no complementary cover",
    requirements=["REQ-DATA-04"],
)
def test_data_004(bench: Bench) -> None:
    secure = _in_entry(bench, role=Role.FUND_AGENT)
    response = secure.send(commands.read_sfi(SFI[Fid.COVER]))
    bench.expect_sw(response, SW.SECURITY_NOT_SATISFIED, "EF.COVER read by a fund agent")


@purpose(
    "TP-DATA-005",
    version=1,
    title="A pharmacist reads no usage log",
    requirements=["REQ-DATA-04"],
)
def test_data_005(bench: Bench) -> None:
    secure = _in_entry(bench)
    response = secure.send(commands.read_sfi(SFI[Fid.USAGE]))
    bench.expect_sw(response, SW.SECURITY_NOT_SATISFIED, "EF.USAGE read by a pharmacist")


@purpose(
    "TP-DATA-006",
    version=1,
    title="The terminal finds an identity changed after the fund signed it",
    requirements=["REQ-DATA-05"],
    preconditions="one byte of EF.IDENTITY changed in the phone",
)
def test_data_006(bench: Bench) -> None:
    phone = bench.phone()
    entry = phone.state.card.entries[1]
    identity = IDENTITY.parse(entry.files[Fid.IDENTITY])
    changed = bytearray(entry.files[Fid.IDENTITY])
    changed[-1] ^= 0x01 if identity.valid_until.day % 10 not in (9, 1) else 0x02
    entry.files[Fid.IDENTITY] = bytes(changed)
    verdict = bench.acquire(phone, bench.terminal())
    bench.expect_refused(verdict, Reason.TAMPERED_DATA)


@purpose(
    "TP-DATA-007",
    version=1,
    title="The files as enrolled carry the fund's signature",
    requirements=["REQ-DATA-05"],
)
def test_data_007(bench: Bench) -> None:
    verdict = bench.acquire(bench.phone(), bench.terminal())
    bench.expect_true(
        Reason.TAMPERED_DATA not in verdict.reasons and verdict.identity is not None,
        "verdict",
        "identity with a good signature",
        ", ".join(verdict.reasons) or "no identity",
    )


@purpose(
    "TP-DATA-008",
    version=1,
    title="An offset past the end answers 6B00",
    requirements=["REQ-DATA-06"],
)
def test_data_008(bench: Bench) -> None:
    secure = _in_entry(bench)
    size = len(_read(bench, secure, Fid.RIGHTS))
    response = secure.send(commands.read_sfi(SFI[Fid.RIGHTS], offset=size + 1))
    bench.expect_sw(response, SW.OFFSET_OUTSIDE_FILE, "READ BINARY past the end")


@purpose(
    "TP-DATA-009",
    version=1,
    title="More bytes asked for than there are: what there is, and 6282",
    requirements=["REQ-DATA-06"],
)
def test_data_009(bench: Bench) -> None:
    secure = _in_entry(bench)
    whole = _read(bench, secure, Fid.RIGHTS)
    response = secure.send(commands.read_sfi(SFI[Fid.RIGHTS], le=len(whole) + 5))
    bench.expect_sw(response, SW.END_OF_FILE, "READ BINARY with too large an Le")
    bench.expect_equal(response.data, whole, "data")


@purpose(
    "TP-DATA-010",
    version=1,
    title="Le 00 reads to the end with 9000",
    requirements=["REQ-DATA-06"],
)
def test_data_010(bench: Bench) -> None:
    response = _in_entry(bench).send(commands.read_sfi(SFI[Fid.RIGHTS]))
    bench.expect_sw(response, SW.OK, "READ BINARY with Le 00")
    bench.expect_format(RIGHTS, response.data, "EF.RIGHTS")


@purpose(
    "TP-DATA-011",
    version=1,
    title="READ BINARY honours offset and Le",
    requirements=["REQ-DATA-06"],
)
def test_data_011(bench: Bench) -> None:
    secure = _in_entry(bench)
    whole = _read(bench, secure, Fid.IDENTITY)
    response = secure.send(commands.read_sfi(SFI[Fid.IDENTITY], offset=OFFSET, le=8))
    bench.expect_sw(response, SW.OK, "READ BINARY, offset 16, Le 8")
    bench.expect_equal(response.data, whole[OFFSET : OFFSET + 8], "bytes 16 to 23")


@purpose(
    "TP-DATA-012",
    version=1,
    title="Reading by short identifier makes the file current",
    requirements=["REQ-DATA-06"],
)
def test_data_012(bench: Bench) -> None:
    secure = _in_entry(bench)
    whole = _read(bench, secure, Fid.RIGHTS)
    response = secure.send(commands.read_binary(offset=2))
    bench.expect_sw(response, SW.OK, "READ BINARY of the current file")
    bench.expect_equal(response.data, whole[2:], "rest of the file just read")


@purpose(
    "TP-DATA-013",
    version=1,
    title="READ BINARY with odd INS answers a discretionary data object 53",
    requirements=["REQ-DATA-07"],
)
def test_data_013(bench: Bench) -> None:
    secure = _in_entry(bench)
    whole = _read(bench, secure, Fid.RIGHTS)
    response = secure.send(commands.read_odd(Fid.RIGHTS))
    bench.expect_sw(response, SW.OK, "READ BINARY B1")
    inner = bench.expect_format(DISCRETIONARY_DATA, response.data, "answer of B1")
    bench.expect_equal(inner, whole, "content of 53")


@purpose(
    "TP-DATA-014",
    version=1,
    title="GET DATA CB answers the objects in the order asked for",
    requirements=["REQ-DATA-07"],
)
def test_data_014(bench: Bench) -> None:
    secure = _in_entry(bench)
    for tags in (b"\xe1\x65", b"\x65\xe1"):
        response = secure.send(commands.get_by_tags(tags))
        bench.expect_sw(response, SW.OK, "GET DATA CB")
        got = bytes(item.tag for item in decode(response.data))
        bench.expect_equal(got, tags, "order of the objects")


@purpose(
    "TP-DATA-015",
    version=1,
    title="A Corsican number keeps its letter",
    requirements=["REQ-DATA-08"],
    preconditions="holder born in Corsica",
)
def test_data_015(bench: Bench) -> None:
    seen = ""
    for person, letters in (("amelie", "2A"), ("bastien", "2B")):
        data = _read(bench, _in_entry(bench, bench.phone(person)), Fid.IDENTITY)
        identity = bench.expect_format(IDENTITY, data, "EF.IDENTITY")
        seen = identity.ins[5:7]
        bench.expect_equal(seen, letters, f"département in the INS of {person}")
    if not seen:
        raise Inconclusive("nobody was read")


@purpose(
    "TP-DATA-016",
    version=1,
    title="A refused READ BINARY says so and gives no data",
    requirements=["REQ-DATA-02"],
)
def test_data_016(bench: Bench) -> None:
    secure = bench.tap(bench.phone()).secure().select_entry(1)
    response = secure.send(commands.read_sfi(SFI[Fid.IDENTITY]))
    bench.expect_sw(response, SW.SECURITY_NOT_SATISFIED, "READ BINARY without the code")


@purpose(
    "TP-DATA-017",
    version=1,
    title="The rights copy bears the day it was made",
    requirements=["REQ-DATA-09"],
)
def test_data_017(bench: Bench) -> None:
    phone = bench.phone()
    bench.advance(3 * 86_400)
    phone.update()
    data = _read(bench, _in_entry(bench, phone), Fid.RIGHTS)
    rights = bench.expect_format(RIGHTS, data, "EF.RIGHTS")
    bench.expect_equal(rights.as_of, START.date() + datetime.timedelta(days=3), "as of")
    bench.expect_true(bool(rights.periods), "periods", "at least one", rights.periods)


def _usage(bench: Bench, phone: Phone) -> Usage:
    data = _read(bench, _in_entry(bench, phone, Role.FUND_AGENT), Fid.USAGE)
    return bench.expect_format(USAGE, data, "EF.USAGE")


@purpose(
    "TP-DATA-018",
    version=1,
    title="The usage log holds the uses, newest first, and no medical act",
    requirements=["REQ-DATA-10"],
)
def test_data_018(bench: Bench) -> None:
    phone = bench.phone()
    for _ in range(2):
        bench.advance(60)
        secure = bench.tap(phone).secure().enter_code(CODE)
        bench.expect_sw(secure.send(commands.presence()), SW.OK, "presence token")
    usage = _usage(bench, phone)
    bench.expect_equal(usage.counter, 2, "counter")
    bench.expect_equal([use.counter for use in usage.uses], [2, 1], "counters, newest first")
    bench.expect_equal(usage.uses[0].kind, UsageKind.TAP, "kind of the last use")
    bench.expect_equal(usage.uses[0].time, bench.now, "time of the last use")


@purpose(
    "TP-DATA-019",
    version=1,
    title="An unknown short identifier answers 6A82",
    requirements=["REQ-DATA-06"],
)
def test_data_019(bench: Bench) -> None:
    response = _in_entry(bench).send(commands.read_sfi(0x1D))
    bench.expect_sw(response, SW.FILE_NOT_FOUND, "READ BINARY of SFI 1D")


@purpose(
    "TP-DATA-020",
    version=1,
    title="A parent's wallet holds the children's cards as dependants'",
    requirements=["REQ-DATA-03"],
    preconditions="holder with children",
)
def test_data_020(bench: Bench) -> None:
    secure = bench.tap(bench.phone("amelie")).secure().enter_code(CODE)
    entries = bench.expect_format(WALLET, _read(bench, secure, Fid.WALLET), "EF.WALLET")
    bench.expect_equal(entries[0].kind, EntryKind.OWN, "kind of entry 1")
    kinds = [entry.kind for entry in entries[1:]]
    bench.expect_true(
        len(kinds) >= 3 and set(kinds) == {EntryKind.DEPENDANT},
        "kinds of the other entries",
        "three children or more, all dependants",
        kinds,
    )


@purpose(
    "TP-DATA-021",
    version=1,
    title="A mutuelle reaches the pharmacist; who has none shows none",
    requirements=["REQ-DATA-04"],
)
def test_data_021(bench: Bench) -> None:
    for person, expected in (("bastien", 2), ("lien", 0)):
        data = _read(bench, _in_entry(bench, bench.phone(person)), Fid.COVER)
        cover = bench.expect_format(COVER, data, "EF.COVER")
        bench.expect_equal(len(cover.mutuals), expected, f"mutuelles of {person}")


@purpose(
    "TP-DATA-022",
    version=1,
    title="A QR code shown is a line of the usage log, without a professional",
    requirements=["REQ-DATA-10"],
)
def test_data_022(bench: Bench) -> None:
    phone = bench.phone()
    phone.show_qr(CODE)
    uses = _usage(bench, phone).uses
    bench.expect_equal([use.kind for use in uses], [UsageKind.QR], "kinds of the uses")
    bench.expect_equal([use.role for use in uses], [None], "roles of the uses")
