"""SEL: selection of the application and its files, and what it gives away."""

from __future__ import annotations

from card_formats.profile_ecv_sim_1 import ECV_SIM_1, Fid, LifeCycle, Marker
from card_formats.selection import (
    APPLICATION_FCI,
    APPLICATION_FCP,
    FILE_FCI,
    ApplicationInformation,
)
from card_formats.status_words import SW
from conformance import commands
from conformance.bench import CODE, Bench
from conformance.purposes import purpose
from reader_drivers.terminal.apdu_channel import announces_extended_length

AID = ECV_SIM_1.aid


def _fci(bench: Bench) -> ApplicationInformation:
    response = bench.connect().send(commands.select_aid())
    bench.expect_sw(response, SW.OK, "SELECT by AID")
    return bench.expect_format(APPLICATION_FCI, response.data, "FCI")


@purpose(
    "TP-SEL-001",
    version=1,
    title="SELECT by the full AID answers 9000 with the FCI of an operational test card",
    requirements=["REQ-SEL-01"],
    preconditions="operational test card, phone unlocked",
)
def test_sel_001(bench: Bench) -> None:
    bench.present(bench.phone())
    fci = _fci(bench)
    bench.expect_equal(fci.aid, AID, "AID in the FCI")
    bench.expect_equal(fci.proprietary.state, LifeCycle.OPERATIONAL, "life-cycle state")
    bench.expect_equal(
        (fci.proprietary.version.major, fci.proprietary.version.minor),
        ECV_SIM_1.version,
        "profile version",
    )


@purpose(
    "TP-SEL-002",
    version=1,
    title="The FCI is the same for two people: it holds no personal data",
    requirements=["REQ-SEL-02", "REQ-DATA-01"],
)
def test_sel_002(bench: Bench) -> None:
    answers = []
    for person in ("amelie", "bastien"):
        bench.present(bench.phone(person))
        answers.append(bench.connect().send(commands.select_aid()))
        bench.expect_sw(answers[-1], SW.OK, f"SELECT, phone of {person}")
    bench.expect_equal(answers[0].data, answers[1].data, "FCI of two different people")


@purpose(
    "TP-SEL-003",
    version=1,
    title="SELECT with P2 04 answers the FCP (62)",
    requirements=["REQ-SEL-03"],
)
def test_sel_003(bench: Bench) -> None:
    bench.present(bench.phone())
    response = bench.connect().send(commands.select_aid(p2=0x04))
    bench.expect_sw(response, SW.OK, "SELECT with P2 04")
    bench.expect_format(APPLICATION_FCP, response.data, "answer of SELECT with P2 04")


@purpose(
    "TP-SEL-004",
    version=1,
    title="SELECT with P2 0C answers no data",
    requirements=["REQ-SEL-03"],
)
def test_sel_004(bench: Bench) -> None:
    bench.present(bench.phone())
    response = bench.connect().send(commands.select_aid(p2=0x0C, le=None))
    bench.expect_sw(response, SW.OK, "SELECT with P2 0C")
    bench.expect_equal(response.data, b"", "answer")


@purpose(
    "TP-SEL-005",
    version=1,
    title="The first five bytes of the AID select the application",
    requirements=["REQ-SEL-04"],
)
def test_sel_005(bench: Bench) -> None:
    bench.present(bench.phone())
    response = bench.connect().send(commands.select_aid(AID[:5]))
    bench.expect_sw(response, SW.OK, "SELECT with 5 bytes of the AID")


@purpose(
    "TP-SEL-006",
    version=1,
    title="Fewer than five bytes of the AID select nothing",
    requirements=["REQ-SEL-04"],
)
def test_sel_006(bench: Bench) -> None:
    bench.present(bench.phone())
    response = bench.connect().send(commands.select_aid(AID[:4]))
    bench.expect_sw(response, SW.FILE_NOT_FOUND, "SELECT with 4 bytes of the AID")


@purpose(
    "TP-SEL-007",
    version=1,
    title="Another AID is not found",
    requirements=["REQ-SEL-01"],
)
def test_sel_007(bench: Bench) -> None:
    bench.present(bench.phone())
    link = bench.connect()
    for other in (bytes.fromhex("D2760000850101"), AID[:-1] + b"\x02", AID + b"\x00"):
        response = link.send(commands.select_aid(other))
        bench.expect_sw(response, SW.FILE_NOT_FOUND, f"SELECT of {other.hex()}")


@purpose(
    "TP-SEL-008",
    version=1,
    title="There is no next occurrence of the application",
    requirements=["REQ-SEL-04"],
)
def test_sel_008(bench: Bench) -> None:
    bench.present(bench.phone())
    response = bench.connect().send(commands.select_aid(AID[:5], p2=0x02))
    bench.expect_sw(response, SW.FILE_NOT_FOUND, "SELECT, next occurrence")


@purpose(
    "TP-SEL-009",
    version=1,
    title="SELECT with an undefined P2 is refused",
    requirements=["REQ-SEL-03"],
)
def test_sel_009(bench: Bench) -> None:
    bench.present(bench.phone())
    response = bench.connect().send(commands.select_aid(p2=0x10))
    bench.expect_sw(response, SW.WRONG_P1_P2, "SELECT with P2 10")


@purpose(
    "TP-SEL-010",
    version=1,
    title="Before SELECT no command of the application is available",
    requirements=["REQ-SEL-05"],
)
def test_sel_010(bench: Bench) -> None:
    bench.present(bench.phone())
    link = bench.connect()
    for command in (commands.get_certificates(), commands.get_challenge(), commands.verify()):
        bench.expect_sw(
            link.send(command), SW.CONDITIONS_NOT_SATISFIED, f"INS {command.ins:02X} before SELECT"
        )


@purpose(
    "TP-SEL-011",
    version=1,
    title="Selecting the application anew ends the secure session",
    requirements=["REQ-SEL-06", "REQ-PIN-07"],
)
def test_sel_011(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    secure = link.secure().enter_code(CODE)
    bench.expect_sw(link.send(commands.select_aid()), SW.OK, "SELECT during the session")
    response = link.send(secure.session.protect(commands.get_status()))
    bench.expect_sw(response, SW.SECURITY_NOT_SATISFIED, "secured command after SELECT")


@purpose(
    "TP-SEL-012",
    version=1,
    title="A locked phone answers SELECT with 6985",
    requirements=["REQ-SEL-07"],
    preconditions="phone locked",
)
def test_sel_012(bench: Bench) -> None:
    phone = bench.phone()
    phone.lock()
    bench.present(phone)
    response = bench.connect().send(commands.select_aid())
    bench.expect_sw(response, SW.CONDITIONS_NOT_SATISFIED, "SELECT, phone locked")
    bench.expect_equal(response.data, b"", "data")


@purpose(
    "TP-SEL-013",
    version=1,
    title="Locking the phone in mid-session ends the session",
    requirements=["REQ-SEL-07"],
)
def test_sel_013(bench: Bench) -> None:
    phone = bench.phone()
    link = bench.tap(phone)
    secure = link.secure().enter_code(CODE)
    held_back = secure.session.protect(commands.get_status())
    phone.lock()
    response = link.send(held_back)
    bench.expect_sw(response, SW.SECURITY_NOT_SATISFIED, "secured command, phone locked")
    bench.expect_sw(
        link.send(commands.select_aid()), SW.CONDITIONS_NOT_SATISFIED, "SELECT, phone locked"
    )


@purpose(
    "TP-SEL-014",
    version=1,
    title="FCI and historical bytes announce extended length up to 65,535 bytes",
    requirements=["REQ-SEL-08"],
)
def test_sel_014(bench: Bench) -> None:
    bench.present(bench.phone())
    fci = _fci(bench)
    bench.expect_equal(fci.extended_length.max_command, ECV_SIM_1.max_apdu, "7F66, C-APDU")
    bench.expect_equal(fci.extended_length.max_response, ECV_SIM_1.max_apdu, "7F66, R-APDU")
    atr = bench.reader.last_atr
    bench.expect_true(
        announces_extended_length(atr), "historical bytes", "extended Lc and Le announced", atr
    )


@purpose(
    "TP-SEL-015",
    version=1,
    title="Files are selected by identifier within a secure session",
    requirements=["REQ-SEL-09"],
)
def test_sel_015(bench: Bench) -> None:
    secure = bench.tap(bench.phone()).secure()
    response = secure.send(commands.select_file(Fid.ENTRY_BASE + 1))
    bench.expect_sw(response, SW.OK, "SELECT of the DF of entry 1")
    found = bench.expect_format(FILE_FCI, response.data, "FCI of the DF")
    bench.expect_equal(found.fid, Fid.ENTRY_BASE + 1, "FID in the FCI")
    response = secure.send(commands.select_file(Fid.IDENTITY, p1=0x02))
    bench.expect_sw(response, SW.OK, "SELECT of EF.IDENTITY")
    found = bench.expect_format(FILE_FCI, response.data, "FCI of the EF")
    bench.expect_equal(found.sfi, 1, "SFI in the FCI")
    bench.expect_sw(
        secure.send(commands.select_file(0xBEEF)), SW.FILE_NOT_FOUND, "SELECT of an unknown FID"
    )


@purpose(
    "TP-SEL-016",
    version=1,
    title="No file can be selected in the clear",
    requirements=["REQ-SEL-09", "REQ-DATA-02"],
)
def test_sel_016(bench: Bench) -> None:
    link = bench.tap(bench.phone())
    for fid in (Fid.WALLET, Fid.ENTRY_BASE + 1):
        bench.expect_sw(
            link.send(commands.select_file(fid)),
            SW.SECURITY_NOT_SATISFIED,
            f"SELECT of {fid:04X} in the clear",
        )


@purpose(
    "TP-SEL-017",
    version=1,
    title="A demonstration card is marked so in its FCI and label",
    requirements=["REQ-SEL-10"],
    preconditions="demonstration card",
)
def test_sel_017(bench: Bench) -> None:
    bench.present(bench.phone(marker=Marker.DEMONSTRATION))
    fci = _fci(bench)
    bench.expect_equal(fci.proprietary.marker, Marker.DEMONSTRATION, "marker")
    bench.expect_true("DEMO" in fci.label, "label", "says DEMO", fci.label)
