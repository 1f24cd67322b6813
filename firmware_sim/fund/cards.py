"""The register of people and of their e-cartes."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Iterable

from card_formats.data_objects import Quality
from card_formats.fields import serial_text
from card_formats.opposition_list import Status
from card_formats.profile_ecv_sim_1 import EntryKind, Marker
from firmware_sim.fund.errors import FundRefusal
from firmware_sim.fund.opposition import Opposition
from firmware_sim.fund.people import Person
from firmware_sim.fund.store import FundStore
from firmware_sim.json_codec import from_json, to_json
from firmware_sim.seam import Clock, RandomBytes

VALIDITY = datetime.timedelta(days=3 * 365)
_INSERT = """
INSERT INTO cards (serial, phone, person, kind, marker, valid_from, valid_until, idx)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
_SELECT = "SELECT serial, phone, person, kind, marker, valid_from, valid_until, idx FROM cards"


@dataclasses.dataclass(frozen=True)
class CardRecord:
    """One e-carte: a person on one phone. ``phone`` is the serial of that phone's own card."""

    serial: bytes
    phone: bytes
    person: str
    kind: EntryKind
    marker: Marker
    valid_from: datetime.date
    valid_until: datetime.date
    status_index: int


class Cards:
    """Who there is and which e-cartes they have."""

    def __init__(
        self, store: FundStore, opposition: Opposition, clock: Clock, random_bytes: RandomBytes
    ) -> None:
        self._store = store
        self._opposition = opposition
        self._clock = clock
        self._random_bytes = random_bytes

    def today(self) -> datetime.date:
        """The day it is, UTC."""
        return datetime.datetime.fromtimestamp(self._clock(), datetime.UTC).date()

    # --- people ---

    @staticmethod
    def add_people(store: FundStore, people: Iterable[Person]) -> None:
        """Put people into the register of a new fund."""
        store.execute_many(
            "INSERT INTO people (key, document) VALUES (?, ?)",
            [(person.key, json.dumps(to_json(person))) for person in people],
        )

    def people(self) -> dict[str, Person]:
        """Everyone, by key."""
        rows = self._store.execute("SELECT document FROM people ORDER BY number")
        everyone = (from_json(Person, json.loads(document)) for (document,) in rows)
        return {person.key: person for person in everyone}

    def person(self, key: str) -> Person:
        """The person with this key."""
        row = self._store.one("SELECT document FROM people WHERE key = ?", key)
        if row is None:
            known = ", ".join(sorted(self.people()))
            raise FundRefusal("unknown_person", f"{key}: no such person; there are: {known}")
        return from_json(Person, json.loads(row[0]))

    def change_person(self, person: Person) -> None:
        """Replace what is known of a person."""
        document = json.dumps(to_json(person))
        self._store.execute("UPDATE people SET document = ? WHERE key = ?", document, person.key)

    # --- cards ---

    def find(self, serial: bytes) -> CardRecord | None:
        """The card with this serial."""
        cards = self._select("serial = ?", serial)
        return cards[0] if cards else None

    def get(self, serial: bytes) -> CardRecord:
        """The card with this serial, which must exist."""
        card = self.find(serial)
        if card is None:
            raise FundRefusal("unknown_card", f"{serial_text(serial)}: no such e-carte")
        return card

    def of_phone(self, phone: bytes) -> list[CardRecord]:
        """The cards on one phone, its own first."""
        return self._select("phone = ?", phone)

    def own_of(self, person_key: str) -> list[CardRecord]:
        """The cards a person ever held as their own."""
        return self._select("kind = ? AND person = ?", EntryKind.OWN, person_key)

    def status(self, card: CardRecord) -> Status:
        """What the opposition list says of a card."""
        return self._opposition.status(card.status_index)

    def is_expired(self, card: CardRecord) -> bool:
        """Past the end of its last day."""
        return self.today() > card.valid_until

    def signing_point(self, phone: bytes) -> bytes:
        """The public key with which a phone signs."""
        return self._phone(phone)[0]

    def unblocking_code(self, phone: bytes) -> str:
        """The code of the letter that the fund sends on demand."""
        return self._phone(phone)[1]

    def add_phone(
        self, person: Person, marker: Marker, point: bytes, valid_until: datetime.date | None
    ) -> list[CardRecord]:
        """Register a phone with a card for its holder and one for each dependant."""
        if person.quality is Quality.CHILD:
            raise FundRefusal("no_own_card", f"{person.key}: a child has no e-carte of their own")
        today = self.today()
        last_day = valid_until or today + VALIDITY
        if abs(last_day - today) > 3 * VALIDITY:
            raise FundRefusal("validity", f"an e-carte cannot be valid until {last_day}")
        first_day = today if last_day >= today else last_day - VALIDITY
        serial = self.new_serial()
        self._store.execute(
            "INSERT INTO phones VALUES (?, ?, ?)", serial, point, self._new_unblocking_code()
        )
        dependants = [p for p in self.people().values() if p.depends_on(person.key)]
        holders = [(person, EntryKind.OWN, serial)]
        holders += [(p, EntryKind.DEPENDANT, self.new_serial()) for p in dependants]
        cards = [
            CardRecord(
                card_serial,
                serial,
                holder.key,
                kind,
                marker,
                first_day,
                last_day,
                self._opposition.allot(),
            )
            for holder, kind, card_serial in holders
        ]
        self._store.execute_many(_INSERT, [_row(card) for card in cards])
        return cards

    def new_serial(self) -> bytes:
        """A card serial, at random."""
        return self._random_bytes(8)

    def _new_unblocking_code(self) -> str:
        return f"{int.from_bytes(self._random_bytes(8), 'big') % 10**8:08d}"

    def _phone(self, serial: bytes) -> tuple[bytes, str]:
        row = self._store.one("SELECT point, unblocking_code FROM phones WHERE serial = ?", serial)
        if row is None:
            raise FundRefusal("unknown_card", f"{serial_text(serial)}: no such phone")
        point, unblocking_code = row
        return point, unblocking_code

    def _select(self, condition: str, *values: object) -> list[CardRecord]:
        rows = self._store.execute(f"{_SELECT} WHERE {condition} ORDER BY number", *values)
        return [_card(*row) for row in rows]


def _row(card: CardRecord) -> tuple[object, ...]:
    return (
        card.serial,
        card.phone,
        card.person,
        card.kind,
        card.marker,
        card.valid_from.isoformat(),
        card.valid_until.isoformat(),
        card.status_index,
    )


def _card(
    serial: bytes, phone: bytes, person: str, kind: int, marker: int, start: str, end: str, idx: int
) -> CardRecord:
    return CardRecord(
        serial,
        phone,
        person,
        EntryKind(kind),
        Marker(marker),
        datetime.date.fromisoformat(start),
        datetime.date.fromisoformat(end),
        idx,
    )
