"""The synthetic people and funds: every number right, every awkward case there."""

from __future__ import annotations

import datetime
import re

import pytest

import fixtures
from card_formats.data_objects import MAX_NAME_BYTES, Quality, Sex
from card_formats.nir import OID_NIR_TEST, parse_nir
from firmware_sim.fund.people import FundEntry, Person, load_funds, load_people

TODAY = datetime.date(2026, 11, 23)
PEOPLE = load_people(TODAY)
FUNDS = load_funds()


@pytest.mark.parametrize("person", PEOPLE.values(), ids=lambda p: p.key)
def test_number_is_right_marked_as_test_and_fits_the_person(person: Person) -> None:
    nir = parse_nir(person.ins)
    assert person.ins_oid == OID_NIR_TEST
    assert nir.sex in {Sex.MALE: "137", Sex.FEMALE: "248"}[person.sex]
    year, month, _ = person.birth_date.split("-")
    assert nir.year == year[2:]
    if 1 <= int(nir.month) <= 12:
        assert nir.month == month


@pytest.mark.parametrize("person", PEOPLE.values(), ids=lambda p: p.key)
def test_person_fits_the_formats(person: Person) -> None:
    for name in (person.surname, person.first_names):
        assert 1 <= len(name) <= 63
        assert len(name.encode()) <= MAX_NAME_BYTES
    assert re.fullmatch(r"[a-z]+", person.key)
    assert person.organisation in {fund.organisation for fund in FUNDS.values()}
    assert len(person.rights) <= 3
    assert len(person.mutuals) <= 2
    assert person.insured in PEOPLE
    assert set(person.parents) <= set(PEOPLE)


def test_numbers_are_unique() -> None:
    assert len({person.ins for person in PEOPLE.values()}) == len(PEOPLE) >= 14


def some(condition: object) -> list[str]:
    assert callable(condition)
    return [person.key for person in PEOPLE.values() if condition(person)]


def test_every_awkward_case_is_there() -> None:
    assert some(lambda p: p.ins[5:7] == "2A")
    assert some(lambda p: p.ins[5:7] == "2B")
    assert some(lambda p: 20 <= int(p.ins[3:5]) <= 42)
    assert some(lambda p: 50 <= int(p.ins[3:5]) <= 99)
    assert some(lambda p: "-00" in p.birth_date)
    assert some(lambda p: p.ins[0] == "7")
    assert some(lambda p: p.ins[0] == "8")
    assert some(lambda p: re.search("[ÀÂÇÉÈÊËÎÏÔÛÙÜŸ]", p.surname))
    assert some(lambda p: "'" in p.surname)
    assert some(lambda p: "-" in p.surname)
    assert some(lambda p: len(p.surname.encode()) == len(p.first_names.encode()) == 126)
    assert some(lambda p: p.quality is Quality.WIDOWED)
    assert some(lambda p: p.quality is Quality.SPOUSE)
    assert some(lambda p: p.quality is Quality.RELATIVE)
    assert some(lambda p: len(p.parents) == 2)
    assert some(lambda p: all(period.valid_until < TODAY for period in p.rights))
    assert some(lambda p: not p.mutuals and p.insured == p.key)
    assert some(lambda p: len(p.mutuals) == 2)


def test_twins_share_their_birth_date_and_differ_in_rank() -> None:
    theo, tess = PEOPLE["theo"], PEOPLE["tess"]
    assert theo.birth_date == tess.birth_date
    assert (theo.rank, tess.rank) == (1, 2)


def test_lunar_date_is_none_of_the_civil_calendar() -> None:
    with pytest.raises(ValueError, match="day is out of range"):
        datetime.date.fromisoformat(PEOPLE["noor"].birth_date)


def test_child_of_two_depends_on_both() -> None:
    chloe = PEOPLE["chloe"]
    assert [p.key for p in PEOPLE.values() if chloe.depends_on(p.key)] == ["amelie", "bastien"]


def test_rights_follow_the_year() -> None:
    later = load_people(datetime.date(2031, 6, 1))
    assert later["amelie"].rights[0].valid_until == datetime.date(2032, 12, 31)
    assert later["gaston"].rights[0].valid_until == datetime.date(2030, 12, 31)


def test_names_are_plainly_synthetic() -> None:
    marks = r"EXEMPLE|ESSAI|FICTIF|SPÉCIMEN|MODÈLE|PROVISOIRE|SANS-|ÉÈÊË"
    assert some(lambda p: not re.search(marks, p.surname)) == []


def test_eight_pilot_funds_and_the_test_caisse() -> None:
    assert {fund.pilot for fund in FUNDS.values() if fund.pilot} == {
        "Alpes-Maritimes",
        "Bas-Rhin",
        "Loire-Atlantique",
        "Puy-de-Dôme",
        "Rhône",
        "Saône-et-Loire",
        "Sarthe",
        "Seine-Maritime",
    }
    assert not FUNDS["999"].pilot
    assert len(FUNDS) == len(fixtures.funds_csv().strip().splitlines()) - 1


@pytest.mark.parametrize("fund", FUNDS.values(), ids=lambda f: f.organisation.caisse)
def test_every_fund_says_how_far_it_is_known(fund: FundEntry) -> None:
    assert fund.provenance in {"[C]", "[W]", "[ours]"}
    assert fund.organisation.regime == "01"
