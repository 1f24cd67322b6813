"""The terminal against the simulated phone, card and fund: two sides written apart agree."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
from terminal_fakes import seeded

from card_formats.profile_ecv_sim_1 import Role
from card_formats.qr_token import QrForm
from firmware_sim.fund.service import Fund
from firmware_sim.phone.phone import Phone
from firmware_sim.phone.store import MemoryStore
from reader_drivers.terminal import Reason
from reader_drivers.terminal.kit import TerminalKit
from reader_drivers.terminal.opposition import OppositionStore
from reader_drivers.terminal.replay import ReplayStore
from reader_drivers.terminal.scan import Resolution
from reader_drivers.terminal.terminal import Terminal
from reader_drivers.terminal.verdict import Verdict
from reader_drivers.virtual import VirtualReader

CODE = "135790"
DAY = 86_400


class World:
    """A fund, two phones, one terminal, and the time that all of them believe."""

    def __init__(self) -> None:
        self.now = 1_795_000_000.0
        self.random = seeded(7)
        self.fund = Fund.create(None, self.clock, self.random)
        self.amelie = self.enrol("amelie")
        self.bastien = self.enrol("bastien")
        self.replay = ReplayStore()
        self.list = self.fund.opposition_list()

    def clock(self) -> float:
        return self.now

    def enrol(self, person: str, **options: Any) -> Phone:
        return Phone.enrol(
            self.fund,
            person,
            CODE,
            store=MemoryStore(),
            clock=self.clock,
            random_bytes=self.random,
            **options,
        )

    def terminal(self, role: Role = Role.PHARMACIST, **options: Any) -> Terminal:
        kit = TerminalKit.from_json(self.fund.terminal_kit("10001234567", role), now=self.now)
        store = OppositionStore(kit.trust, self.clock)
        store.load(self.list)
        return Terminal(
            kit,
            clock=self.clock,
            opposition=store,
            replay=self.replay,
            random_bytes=self.random,
            **options,
        )

    def resolve(self, text: str) -> Resolution:
        return self.fund.resolve_qr(text, Role.PHARMACIST)

    def tap(self, phone: Phone, code: str | None = CODE, **options: Any) -> Verdict:
        reader = VirtualReader()
        phone.unlock()
        reader.insert(phone.card)
        extended = options.pop("extended", None)
        role = options.pop("role", Role.PHARMACIST)
        try:
            return self.terminal(role, extended=extended).tap(reader, code, **options)
        finally:
            reader.remove()

    def delegate(self) -> int:
        """Amélie delegates her card to Bastien; its entry in his wallet."""
        start = int(self.now)
        roles = [Role.PHARMACIST]
        self.amelie.delegate(self.bastien.serial, start, start + 9 * DAY, (1,), roles)
        self.bastien.update()
        entries = self.bastien.state.card.entries.values()
        return next(entry.index for entry in entries if entry.serial == self.amelie.serial)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.fund.close()


@pytest.mark.parametrize("extended", [None, True, False])
def test_a_tap(world: World, extended: bool | None) -> None:
    verdict = world.tap(world.amelie, extended=extended)
    assert verdict.accepted, verdict.details
    assert verdict.identity is not None
    assert verdict.identity.first_names == "Amélie Zoé"
    assert verdict.serial == world.amelie.serial
    assert verdict.presence_token is not None
    assert verdict.rights is not None
    assert verdict.cover is not None


def test_a_tap_of_every_entry_by_every_role(world: World) -> None:
    for role in Role:
        for entry in list(world.amelie.state.card.entries):
            verdict = world.tap(world.amelie, entry=entry, role=role)
            assert verdict.accepted, (role, entry, verdict.details)
            world.amelie.update()


def test_a_delegated_tap(world: World) -> None:
    entry = world.delegate()
    world.list = world.fund.opposition_list()
    verdict = world.tap(world.bastien, entry=entry)
    assert verdict.accepted, verdict.details
    assert (verdict.serial, verdict.acting_for) == (world.amelie.serial, world.amelie.serial)
    refused = world.tap(world.bastien, entry=entry, role=Role.PHYSICIAN)
    assert refused.reasons == (Reason.DELEGATION_OUT_OF_SCOPE,)


def test_a_delegation_that_ended(world: World) -> None:
    entry = world.delegate()
    world.now += 9 * DAY
    world.list = world.fund.opposition_list()
    assert world.tap(world.bastien, entry=entry).reasons == (Reason.DELEGATION_EXPIRED,)


def test_wrong_code_then_blocked(world: World) -> None:
    verdicts = [world.tap(world.amelie, "000000") for _ in range(3)]
    assert [v.details["tries_left"] for v in verdicts] == ["2", "1", "0"]
    assert verdicts[2].reasons == (Reason.CODE_WRONG, Reason.CODE_BLOCKED)
    assert world.tap(world.amelie).reasons == (Reason.CODE_BLOCKED,)


def test_locked(world: World) -> None:
    reader = VirtualReader()
    world.amelie.lock()
    reader.insert(world.amelie.card)
    assert world.terminal().tap(reader, CODE).reasons == (Reason.PHONE_LOCKED,)


def test_lost_and_suspended(world: World) -> None:
    world.fund.suspend(world.bastien.serial)
    world.list = world.fund.opposition_list()
    assert world.tap(world.bastien).reasons == (Reason.SUSPENDED,)
    world.amelie.report_lost()
    world.list = world.fund.opposition_list()
    assert world.tap(world.amelie).reasons == (Reason.OPPOSED,)
    world.amelie.update()
    verdict = world.tap(world.amelie)
    assert verdict.reasons == (Reason.OPPOSED,)
    assert verdict.details["opposed"] == "the card says that it is opposed"


def test_expired(world: World) -> None:
    day = datetime.datetime.fromtimestamp(world.now, datetime.UTC).date()
    phone = world.enrol("fatou", valid_until=day + datetime.timedelta(days=3))
    assert world.tap(phone).accepted
    world.now += 5 * DAY
    world.list = world.fund.opposition_list()
    verdict = world.tap(phone)
    assert verdict.reasons == (Reason.EXPIRED,), verdict.details
    assert verdict.identity is not None


def test_code_typed_on_the_phone(world: World) -> None:
    phone = world.enrol("fatou", code_on_phone=True)
    assert world.tap(phone, None).reasons == (Reason.CODE_NEEDED,)
    phone.enter_code(CODE)
    assert world.tap(phone, None).accepted


@pytest.mark.parametrize("form", list(QrForm))
def test_a_scan(world: World, form: QrForm) -> None:
    terminal = world.terminal(resolver=world)
    text = world.amelie.show_qr(CODE, form=form)
    verdict = terminal.scan(text)
    assert verdict.accepted, verdict.details
    assert verdict.serial == world.amelie.serial
    assert verdict.credential is not None
    assert Reason.REPLAYED in terminal.scan(text).reasons
    world.now += 10
    assert terminal.scan(world.amelie.show_qr(CODE, form=form)).accepted


@pytest.mark.parametrize("form", list(QrForm))
def test_a_delegated_scan(world: World, form: QrForm) -> None:
    entry = world.delegate()
    world.list = world.fund.opposition_list()
    verdict = world.terminal(resolver=world).scan(world.bastien.show_qr(CODE, entry, form))
    assert verdict.accepted, verdict.details
    assert verdict.acting_for == world.amelie.serial


def test_sixteen_taps_and_a_refresh(world: World) -> None:
    for _ in range(16):
        assert world.tap(world.amelie).accepted
    verdict = world.tap(world.amelie)
    assert verdict.reasons == (Reason.REFUSED_BY_CARD,)
    assert "refreshed by the fund" in verdict.details["refused_by_card"]
    world.amelie.update()
    assert world.tap(world.amelie).accepted


@pytest.mark.parametrize("person", ["simone", "lien", "mei", "irene", "maximilien", "noor"])
@pytest.mark.parametrize("extended", [True, False])
def test_people_of_every_kind(world: World, person: str, extended: bool) -> None:
    phone = world.enrol(person)
    verdict = world.tap(phone, extended=extended)
    assert verdict.accepted, verdict.details
    scanned = world.terminal().scan(phone.show_qr(CODE, form=QrForm.SEALED))
    assert scanned.accepted, scanned.details


def test_rights_that_ended(world: World) -> None:
    phone = world.enrol("gaston")
    assert world.tap(phone).reasons == (Reason.RIGHTS_ENDED,)
    online = world.terminal(resolver=world).scan(phone.show_qr(CODE))
    assert online.reasons == (Reason.RIGHTS_ENDED,)
