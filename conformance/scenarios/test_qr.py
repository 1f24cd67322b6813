"""QR: the QR token, from the phone's screen to the terminal's verdict."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

from card_formats.nir import INS_MATRICULE
from card_formats.qr_token import QR_TOKEN, QrForm, QrToken, from_text, to_text
from conformance.bench import CODE, WRONG_CODE, Bench
from conformance.purposes import purpose
from firmware_sim.phone import qr_image
from firmware_sim.phone.errors import PhoneRefusal
from firmware_sim.phone.phone import Phone
from reader_drivers.terminal.verdict import Reason
from reader_drivers.urls import open_code_reader

FORMS = (QrForm.ONLINE, QrForm.SEALED, QrForm.CLEAR)
MAX_VERSION = {QrForm.ONLINE: 10, QrForm.SEALED: 17, QrForm.CLEAR: 17}


def _longest_name(bench: Bench) -> Phone:
    return bench.phone("maximilien")


@purpose(
    "TP-QR-001",
    version=1,
    title="An online QR code is resolved by the fund and accepted",
    requirements=["REQ-QR-01"],
)
def test_qr_001(bench: Bench) -> None:
    phone = bench.phone()
    verdict = bench.terminal().scan(phone.show_qr(CODE))
    bench.expect_accepted(verdict)
    bench.expect_equal(verdict.serial, phone.serial, "serial of the card")


@purpose(
    "TP-QR-002",
    version=1,
    title="A QR code shown again is refused as replayed",
    requirements=["REQ-QR-02"],
)
def test_qr_002(bench: Bench) -> None:
    phone = bench.phone()
    for form in FORMS:
        terminal = bench.terminal()
        text = phone.show_qr(CODE, form=form)
        bench.expect_accepted(terminal.scan(text))
        bench.expect_refused(terminal.scan(text), Reason.REPLAYED)


@purpose(
    "TP-QR-003",
    version=1,
    title="A QR code past its lifetime is refused",
    requirements=["REQ-QR-03"],
)
def test_qr_003(bench: Bench) -> None:
    text = bench.phone().show_qr(CODE, form=QrForm.SEALED)
    bench.advance(120 + 31)
    bench.expect_refused(bench.terminal().scan(text), Reason.QR_EXPIRED)


@purpose(
    "TP-QR-004",
    version=1,
    title="A sealed QR code is accepted offline",
    requirements=["REQ-QR-04"],
)
def test_qr_004(bench: Bench) -> None:
    phone = bench.phone()
    verdict = bench.terminal(online=False).scan(phone.show_qr(CODE, form=QrForm.SEALED))
    bench.expect_accepted(verdict)
    ins = verdict.credential.ins if verdict.credential else None
    bench.expect_true(bool(ins), "credential", "opened by the terminal", ins)


@purpose(
    "TP-QR-005",
    version=1,
    title="A clear QR code is accepted on the bench and refused in production",
    requirements=["REQ-QR-05"],
)
def test_qr_005(bench: Bench) -> None:
    phone = bench.phone()
    bench.expect_accepted(bench.terminal().scan(phone.show_qr(CODE, form=QrForm.CLEAR)))
    verdict = bench.terminal(mode="production").scan(phone.show_qr(CODE, form=QrForm.CLEAR))
    bench.expect_refused(verdict, Reason.QR_FORM_REFUSED)


@purpose(
    "TP-QR-006",
    version=1,
    title="Online and sealed QR codes disclose no number and no name",
    requirements=["REQ-QR-06"],
)
def test_qr_006(bench: Bench) -> None:
    phone = bench.phone()
    clear = from_text(phone.show_qr(CODE, form=QrForm.CLEAR)).credential
    bench.expect_true(clear is not None, "clear form", "a credential", "none")
    assert clear is not None
    secrets = [INS_MATRICULE.build(clear.ins), clear.surname.encode(), clear.serial]
    for form in (QrForm.ONLINE, QrForm.SEALED):
        token = from_text(phone.show_qr(CODE, form=form))
        bench.expect_equal(token.header.flags.form, form, "form of the token")
        raw = QR_TOKEN.build(token)
        found = [secret.hex() for secret in secrets if secret in raw]
        bench.expect_equal(found, [], f"personal data in the {form.name.lower()} form")


@purpose(
    "TP-QR-007",
    version=1,
    title="The code is needed each time; a wrong one spends a try and shows nothing",
    requirements=["REQ-QR-07"],
)
def test_qr_007(bench: Bench) -> None:
    phone = bench.phone()
    bench.expect_accepted(bench.terminal().scan(phone.show_qr(CODE)))
    bench.expect_raises(PhoneRefusal, lambda: phone.show_qr(WRONG_CODE), "QR with a wrong code")
    bench.expect_equal(phone.state.card.tries_left, 2, "tries left")


@purpose(
    "TP-QR-008",
    version=1,
    title="Each QR code has its own nonce and a higher counter",
    requirements=["REQ-QR-08"],
)
def test_qr_008(bench: Bench) -> None:
    phone = bench.phone()
    headers = [from_text(phone.show_qr(CODE, form=QrForm.SEALED)).header for _ in range(3)]
    counters = [header.counter for header in headers]
    bench.expect_equal(counters, sorted(set(counters)), "counters, rising")
    bench.expect_equal(len({header.nonce for header in headers}), 3, "different nonces")


@purpose(
    "TP-QR-009",
    version=1,
    title="Pseudonyms of online QR codes are used once",
    requirements=["REQ-QR-06"],
)
def test_qr_009(bench: Bench) -> None:
    phone = bench.phone()
    subjects = {from_text(phone.show_qr(CODE)).header.subject for _ in range(4)}
    bench.expect_equal(len(subjects), 4, "different pseudonyms out of four")


@purpose(
    "TP-QR-010",
    version=1,
    title="A QR code is valid for two minutes at most",
    requirements=["REQ-QR-03"],
)
def test_qr_010(bench: Bench) -> None:
    header = from_text(bench.phone().show_qr(CODE)).header
    bench.expect_true(header.lifetime <= 120, "lifetime", "at most 120 s", header.lifetime)
    bench.expect_equal(header.issued, bench.now, "issued")


def _damaged(token: QrToken, **header: object) -> str:
    return to_text(
        dataclasses.replace(token, header=dataclasses.replace(token.header, **header))  # type: ignore[arg-type]
    )


@purpose(
    "TP-QR-011",
    version=1,
    title="A token changed after the phone signed it is refused",
    requirements=["REQ-QR-09"],
)
def test_qr_011(bench: Bench) -> None:
    phone = bench.phone()
    token = from_text(phone.show_qr(CODE, form=QrForm.CLEAR))
    bench.expect_accepted(bench.terminal().scan(to_text(token)))
    text = _damaged(token, issued=token.header.issued + 1)
    bench.expect_refused(bench.terminal().scan(text), Reason.BAD_PHONE_SIGNATURE)


@purpose(
    "TP-QR-012",
    version=1,
    title="A credential changed after the fund signed it is refused",
    requirements=["REQ-QR-09"],
)
def test_qr_012(bench: Bench) -> None:
    token = from_text(bench.phone().show_qr(CODE, form=QrForm.CLEAR))
    assert token.credential is not None
    forged = dataclasses.replace(token.credential, surname="FAUX")
    verdict = bench.terminal().scan(to_text(dataclasses.replace(token, credential=forged)))
    bench.expect_refused(verdict, Reason.BAD_FUND_SIGNATURE)


@purpose(
    "TP-QR-013",
    version=1,
    title="The QR code is drawn, read back from its picture, and accepted",
    requirements=["REQ-QR-10"],
)
def test_qr_013(bench: Bench) -> None:
    phone = _longest_name(bench)
    with tempfile.TemporaryDirectory() as folder:
        for form in FORMS:
            text = phone.show_qr(CODE, form=form)
            picture = Path(folder) / f"{form.name.lower()}.png"
            picture.write_bytes(qr_image.draw(text))
            reader = open_code_reader(f"camera:{picture}")
            seen = reader.read()
            reader.close()
            bench.expect_equal(seen, text, f"text read from the picture, {form.name.lower()}")
            bench.expect_accepted(bench.terminal().scan(seen))


@purpose(
    "TP-QR-014",
    version=1,
    title="Even with the longest names the QR code stays within its version",
    requirements=["REQ-QR-11"],
    preconditions="holder with names of 63 characters",
)
def test_qr_014(bench: Bench) -> None:
    phone = _longest_name(bench)
    for form, most in MAX_VERSION.items():
        version = int(qr_image.symbol(phone.show_qr(CODE, form=form)).version)
        bench.expect_true(
            version <= most, f"QR version, {form.name.lower()} form", f"at most {most}", version
        )


@purpose(
    "TP-QR-015",
    version=1,
    title="An offline terminal cannot take an online QR code, and says so",
    requirements=["REQ-QR-01"],
)
def test_qr_015(bench: Bench) -> None:
    verdict = bench.terminal(online=False).scan(bench.phone().show_qr(CODE))
    bench.expect_refused(verdict, Reason.QR_UNRESOLVED)


@purpose(
    "TP-QR-016",
    version=1,
    title="Another code, a damaged one and an empty one are unreadable, each in one clear verdict",
    requirements=["REQ-QR-09"],
)
def test_qr_016(bench: Bench) -> None:
    text = bench.phone().show_qr(CODE)
    for wrong in ("https://example.org", text[:-3], text + "00", ""):
        bench.expect_refused(bench.terminal().scan(wrong), Reason.QR_UNREADABLE)


@purpose(
    "TP-QR-017",
    version=1,
    title="A token of the future is refused",
    requirements=["REQ-QR-03"],
)
def test_qr_017(bench: Bench) -> None:
    phone = bench.phone()
    bench.advance(300)
    text = phone.show_qr(CODE, form=QrForm.SEALED)
    bench.advance(-300)
    bench.expect_refused(bench.terminal().scan(text), Reason.QR_NOT_YET_VALID)


@purpose(
    "TP-QR-018",
    version=1,
    title="An online QR code is resolved once, also when two terminals read it",
    requirements=["REQ-QR-02"],
    preconditions="two terminals that know nothing of each other",
)
def test_qr_018(bench: Bench) -> None:
    text = bench.phone().show_qr(CODE)
    bench.expect_accepted(bench.terminal().scan(text))
    bench.expect_refused(bench.terminal().scan(text), Reason.REPLAYED)


def _expect_unresolved(bench: Bench, text: str, reason: Reason) -> None:
    answer = bench.fund.resolve_qr(text)
    bench.expect_true(
        reason.value in answer.reasons, "answer of the fund", reason.value, answer.reasons
    )
    bench.expect_true(
        answer.credential is None, "credential in the answer", "none", answer.credential
    )


@purpose(
    "TP-QR-019",
    version=1,
    title="The fund resolves no QR code after its lifetime, whatever the terminal thinks",
    requirements=["REQ-QR-03"],
)
def test_qr_019(bench: Bench) -> None:
    text = bench.phone().show_qr(CODE)
    bench.advance(120 + 30 + 1)
    _expect_unresolved(bench, text, Reason.QR_EXPIRED)


@purpose(
    "TP-QR-020",
    version=1,
    title="The fund resolves no QR code that the phone did not sign",
    requirements=["REQ-QR-09"],
)
def test_qr_020(bench: Bench) -> None:
    token = from_text(bench.phone().show_qr(CODE))
    forged = to_text(dataclasses.replace(token, device_signature=bytes(64)))
    _expect_unresolved(bench, forged, Reason.BAD_PHONE_SIGNATURE)


@purpose(
    "TP-QR-021",
    version=1,
    title="Pseudonyms of one phone have nothing in common",
    requirements=["REQ-QR-06"],
)
def test_qr_021(bench: Bench) -> None:
    phone = bench.phone()
    subjects = [from_text(phone.show_qr(CODE)).header.subject for _ in range(4)]
    for size in (4, -4):
        parts = {subject[:size] if size > 0 else subject[size:] for subject in subjects}
        bench.expect_equal(len(parts), 4, f"different halves ({size:+d} bytes) of four pseudonyms")
