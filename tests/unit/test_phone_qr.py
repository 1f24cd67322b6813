"""Showing a QR code, and the picture of it (profile 9)."""

from __future__ import annotations

import dataclasses
import datetime
import io
import re

import pytest
import zxingcpp
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from phone_world import CODE, DAY, START, WRONG, World
from PIL import Image

from card_formats.data_objects import UsageKind
from card_formats.profile_ecv_sim_1 import ECV_SIM_1, Marker
from card_formats.qr_token import (
    QR_CREDENTIAL,
    QrForm,
    credential_input,
    device_input,
    from_text,
    sealing_info,
)
from firmware_sim.fund import pki
from firmware_sim.fund.people import load_people
from firmware_sim.fund.service import Fund
from firmware_sim.phone import qr_image
from firmware_sim.phone.errors import PhoneRefusal
from firmware_sim.phone.phone import Phone
from firmware_sim.phone.store import MemoryStore
from firmware_sim.phone.usage import uses_of

QR_ONLY = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_128_GCM)


def refusal(phone: Phone, code: str = CODE, **options: object) -> str:
    before = phone.state.to_json()
    with pytest.raises(PhoneRefusal) as refused:
        phone.show_qr(code, **options)  # type: ignore[arg-type]
    after = phone.state.to_json()
    for state in (before, after):
        del state["card"]["tries_left"]
    assert after == before, "a refused act changes nothing but tries"
    return refused.value.reason


@pytest.mark.parametrize("form", QrForm)
def test_token_is_that_of_the_profile(form: QrForm) -> None:
    world = World()
    phone = world.enrol()
    token = from_text(phone.show_qr(CODE, form=form))
    header = token.header
    assert (header.flags.form, header.flags.device_signed) == (form, True)
    assert (header.flags.marker, header.flags.delegated) == (Marker.TEST, False)
    assert header.issuer_key_id == world.fund.keys.data.id
    assert (header.issued, header.lifetime, header.counter) == (START, 120, 1)
    point = world.fund.cards.signing_point(phone.serial)
    assert token.device_signature is not None
    assert pki.is_signed(point, device_input(token), token.device_signature)
    assert (header.subject == phone.serial) == (form is QrForm.CLEAR)


def test_sealed_credential_opens_for_terminals_only() -> None:
    world = World()
    phone = world.enrol()
    text = phone.show_qr(CODE, form=QrForm.SEALED)
    token = from_text(text)
    assert token.sealed is not None
    (key,) = world.fund.keys.group_keys().values()
    info = sealing_info(token.header, token.sealed.group_key_id)
    credential = QR_CREDENTIAL.parse(SUITE.decrypt(token.sealed.ciphertext, key, info))
    data_key = world.fund.keys.data
    to_sign = credential_input(data_key.id, credential)
    assert pki.is_signed(data_key.point, to_sign, credential.fund_signature)
    assert credential.serial == phone.serial
    with pytest.raises(InvalidTag):
        SUITE.decrypt(token.sealed.ciphertext, X25519PrivateKey.generate(), info)
    other = dataclasses.replace(token.header, counter=2)
    with pytest.raises(InvalidTag):
        SUITE.decrypt(token.sealed.ciphertext, key, sealing_info(other, token.sealed.group_key_id))


def test_sealed_to_the_new_group_key_after_an_update() -> None:
    world = World()
    phone = world.enrol()
    world.fund.rotate_group_key()
    old, new = world.fund.keys.group_keys()

    def group() -> bytes:
        sealed = from_text(phone.show_qr(CODE, form=QrForm.SEALED)).sealed
        assert sealed is not None
        return sealed.group_key_id

    assert group() == old
    phone.update()
    assert group() == new


def test_nothing_repeats() -> None:
    phone = World().enrol()
    headers = [from_text(phone.show_qr(CODE)).header for _ in range(5)]
    assert [header.counter for header in headers] == [1, 2, 3, 4, 5]
    assert len({header.nonce for header in headers}) == 5
    assert len({header.subject for header in headers}) == 5


def test_counter_is_the_phones_and_the_log_the_entrys() -> None:
    world = World()
    phone = world.enrol()
    phone.show_qr(CODE)
    world.now += 5
    token = from_text(phone.show_qr(CODE, entry=3))
    assert token.header.counter == 2
    (use,) = uses_of(phone.entry(3))
    assert (use.counter, use.time, use.kind) == (1, START + 5, UsageKind.QR)
    assert (use.professional, use.role) == ("0" * 11, None)
    for _ in range(12):
        phone.show_qr(CODE, form=QrForm.CLEAR)
    assert [use.counter for use in uses_of(phone.entry(1))] == list(range(13, 3, -1))
    shown = phone.last_seven_days()
    assert [one.time for one in shown] == sorted((one.time for one in shown), reverse=True)


def test_a_shown_token_survives_a_restart() -> None:
    world = World()
    phone = world.enrol()
    first = from_text(phone.show_qr(CODE)).header
    again = from_text(world.reload(phone).show_qr(CODE)).header
    assert again.counter == first.counter + 1
    assert again.subject != first.subject


def test_no_code_no_token() -> None:
    phone = World().enrol()
    assert refusal(phone, WRONG) == "code_wrong"
    assert phone.state.card.tries_left == 2
    assert refusal(phone, "12") == "code_format"
    assert phone.state.card.tries_left == 2
    phone.show_qr(CODE)
    assert phone.state.card.tries_left == 3
    assert [refusal(phone, WRONG) for _ in range(3)] == ["code_wrong"] * 2 + ["code_blocked"]
    assert refusal(phone) == "code_blocked"
    assert "blocked" in phone.screen


def test_pseudonyms_run_out_and_are_refilled() -> None:
    world = World()
    phone = world.enrol()
    for _ in range(ECV_SIM_1.pseudonym_pool_size):
        phone.show_qr(CODE)
    assert refusal(phone) == "pseudonyms_empty"
    phone.show_qr(CODE, form=QrForm.SEALED)
    phone.show_qr(CODE, entry=2)
    phone.update()
    assert world.fund.resolve_qr(phone.show_qr(CODE)).accepted
    pools = [len(extras.pseudonyms) for extras in phone.state.extras.values()]
    assert pools == [31, 32, 32, 32]


def test_states_that_show_no_code() -> None:
    world = World()
    phone = world.enrol()
    assert refusal(phone, entry=9) == "unknown_entry"
    phone.lock()
    assert refusal(phone) == "locked"
    phone.unlock()
    world.fund.suspend(phone.serial)
    phone.show_qr(CODE)
    phone.update()
    assert refusal(phone) == "suspended"
    world.fund.report_lost(phone.serial)
    phone.update()
    assert refusal(phone, entry=2) == "opposed"
    assert phone.state.card.tries_left == 3


def test_expired_card_shows_no_code() -> None:
    world = World()
    phone = world.enrol(valid_until=datetime.date(2026, 11, 23))
    phone.show_qr(CODE)
    world.now += DAY / 2 - 1
    phone.show_qr(CODE)
    world.now += 1
    assert refusal(phone) == "expired"


# --- the picture ---


def worst(surname: str, first_names: str) -> tuple[Phone, int]:
    """Somebody with such names, and the entry of somebody like them who delegated."""
    people = load_people(datetime.date(2026, 11, 23))
    named = {
        key: dataclasses.replace(people[key], surname=surname, first_names=first_names)
        for key in ("irene", "karim")
    }
    world = World()
    world.fund = Fund.create(None, world.clock, world.random_bytes, people=named)
    giver, taker = world.enrol("irene"), world.enrol("karim")
    world.delegate(giver, taker, days=30)
    return taker, 2


NAMES = [
    pytest.param("W" * 63, "W" * 63, id="ascii"),
    pytest.param("É" * 63, "é" * 63, id="two bytes"),
    pytest.param("A" + "É" * 62, "a" + "é" * 62, id="odd"),
    pytest.param("中" * 42, "中" * 42, id="three bytes"),
]


@pytest.mark.parametrize(("surname", "first_names"), NAMES)
@pytest.mark.parametrize("form", QrForm)
def test_version_with_the_worst_names(surname: str, first_names: str, form: QrForm) -> None:
    phone, entry = worst(surname, first_names)
    for index in (1, entry):
        code = qr_image.make(phone.show_qr(CODE, entry=index, form=form))
        assert int(code.version) <= (10 if form is QrForm.ONLINE else 17)
        assert code.error == "Q"
        assert code.mode == "alphanumeric"


def test_too_large_a_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    text = World().enrol().show_qr(CODE)
    monkeypatch.setitem(qr_image.MAX_VERSION, QrForm.ONLINE, 5)
    with pytest.raises(qr_image.QrTooLarge, match="allows 5"):
        qr_image.make(text)


@pytest.mark.parametrize("form", QrForm)
@pytest.mark.parametrize("module_pixels", [2, 8])
def test_picture_reads_back(form: QrForm, module_pixels: int) -> None:
    text = World().enrol().show_qr(CODE, form=form)
    png = qr_image.draw(text, module_pixels=module_pixels)
    with Image.open(io.BytesIO(png)) as picture:
        (found,) = zxingcpp.read_barcodes(picture, formats=QR_ONLY)
        assert found.text == text
        assert "Q" in found.ec_level
        modules = 17 + 4 * int(qr_image.make(text).version) + 8
        assert picture.width == modules * module_pixels
        assert picture.height > picture.width, "the marker is below"
        border = [picture.getpixel((x, y)) for x in range(picture.width) for y in (0, 5)]
        assert set(border) == {255}


def test_plain_picture_is_square() -> None:
    picture = qr_image.draw_image(World().enrol().show_qr(CODE), caption="")
    assert picture.width == picture.height


def test_terminal_picture_reads_back() -> None:
    text = World().enrol().show_qr(CODE)
    lines = re.sub("\x1b\\[[0-9;]*m", "", qr_image.draw_terminal(text)).splitlines()
    assert len({len(line) for line in lines}) == 1
    picture = Image.new("L", (len(lines[0]), 2 * len(lines)), 255)
    for y, line in enumerate(lines):
        for x, glyph in enumerate(line):
            if glyph in "▀█":
                picture.putpixel((x, 2 * y), 0)
            if glyph in "▄█":
                picture.putpixel((x, 2 * y + 1), 0)
    large = picture.resize((picture.width * 4, picture.height * 4), Image.Resampling.NEAREST)
    (found,) = zxingcpp.read_barcodes(large, formats=QR_ONLY)
    assert found.text == text


def test_demo_card_is_marked_as_one() -> None:
    phone = World().enrol("karim", marker=Marker.DEMONSTRATION, store=MemoryStore())
    assert phone.screen.startswith("DEMO")
    assert from_text(phone.show_qr(CODE)).header.flags.marker is Marker.DEMONSTRATION
