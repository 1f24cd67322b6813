"""The insured persons and their funds, from the fixtures."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import io
import tomllib
from collections.abc import Mapping
from typing import Any

import fixtures
from card_formats.data_objects import AmoPeriod, Mutual, Quality, Sex
from card_formats.nir import OID_NIR_TEST, parse_nir
from card_formats.organisation import Organisation


@dataclasses.dataclass(frozen=True)
class FundEntry:
    """One organisation of ``funds.csv``. ``pilot`` is its département if it is a pilot fund;
    ``provenance`` says how far its number is known: [C]ertain, [W]eak source, [ours]."""

    organisation: Organisation
    name: str
    pilot: str
    provenance: str
    note: str


@dataclasses.dataclass(frozen=True)
class Person:
    """A synthetic person as the fund knows them.

    ``insured`` is the key of the insured person whose card they are on, their own for those
    insured in their own right; ``parents`` the keys of parents whose cards all carry them.
    ``birth_date`` is text: parts may be unknown (00), lunar dates impossible. It stays here.
    """

    key: str
    surname: str
    first_names: str
    birth_date: str
    sex: Sex
    ins: str
    ins_oid: str
    organisation: Organisation
    quality: Quality
    rank: int
    insured: str
    parents: tuple[str, ...]
    rights: tuple[AmoPeriod, ...]
    mutuals: tuple[Mutual, ...]
    note: str

    def depends_on(self, key: str) -> bool:
        """Whether this person is on the card of the one named, as a dependant."""
        return key != self.key and (self.insured == key or key in self.parents)


def load_funds() -> dict[str, FundEntry]:
    """The funds of the fixtures, by caisse."""
    return {
        row["caisse"]: FundEntry(
            Organisation(row["regime"], row["caisse"], row["centre"]),
            row["name"],
            row["pilot"],
            row["provenance"],
            row["note"],
        )
        for row in csv.DictReader(io.StringIO(fixtures.funds_csv()))
    }


def load_people(today: datetime.date) -> dict[str, Person]:
    """The people of the fixtures, by key; their rights are laid around the year of ``today``."""
    funds = load_funds()
    return {
        key: _person(key, entry, funds, today.year)
        for key, entry in tomllib.loads(fixtures.people_toml()).items()
    }


def _person(
    key: str, entry: Mapping[str, Any], funds: Mapping[str, FundEntry], year: int
) -> Person:
    parse_nir(entry["ins"])
    return Person(
        key=key,
        surname=entry["surname"],
        first_names=entry["first_names"],
        birth_date=entry["birth_date"],
        sex=Sex[entry["sex"].upper()],
        ins=entry["ins"],
        ins_oid=entry.get("ins_oid", OID_NIR_TEST),
        organisation=funds[entry["caisse"]].organisation,
        quality=Quality[entry["quality"].upper()],
        rank=entry.get("rank", 1),
        insured=entry.get("insured", key),
        parents=tuple(entry.get("parents", ())),
        rights=tuple(
            AmoPeriod(*_years(period, year), period["cover"]) for period in entry["rights"]
        ),
        mutuals=tuple(
            Mutual(m["number"], m["name"], m["contract"], *_years(m, year))
            for m in entry.get("mutuals", ())
        ),
        note=entry["note"],
    )


def _years(period: Mapping[str, Any], year: int) -> tuple[datetime.date, datetime.date]:
    return (
        datetime.date(year + period["from"], 1, 1),
        datetime.date(year + period["until"], 12, 31),
    )
