"""The insurer as everybody else sees it."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from card_formats.data_objects import AmoPeriod, Mutual
from card_formats.opposition_list import Status
from card_formats.profile_ecv_sim_1 import Role
from firmware_sim.fund.authority import FundKeys, add_group_key
from firmware_sim.fund.cards import Cards
from firmware_sim.fund.enrolment import Enrolments
from firmware_sim.fund.grants import Grants
from firmware_sim.fund.issuing import Issuing
from firmware_sim.fund.kits import KitFlaw, Kits
from firmware_sim.fund.opposition import Opposition
from firmware_sim.fund.people import Person, load_people
from firmware_sim.fund.qr_resolution import QrResolution, QrResolutions
from firmware_sim.fund.receipts import SHOWN_DAYS, Receipts
from firmware_sim.fund.records import (
    Enrolment,
    EnrolmentRequest,
    Receipt,
    ReceiptOutcome,
    Refresh,
    RefreshRequest,
)
from firmware_sim.fund.store import FundStore
from firmware_sim.seam import Clock, RandomBytes


class Fund:
    """One fund, on one SQLite file or in memory. Every act is durable when it returns.

    With a seeded ``random_bytes`` and a fixed clock, the same acts make the same bytes.
    It may be used from several threads, and its file by several processes.

    Attributes:
        store, keys, opposition, cards, issuing, grants, enrolments, qr, receipt_book, kits:
            the parts, each with small methods, for whoever needs one to misbehave.
    """

    def __init__(self, store: FundStore, clock: Clock, random_bytes: RandomBytes) -> None:
        self.clock = clock
        self.random_bytes = random_bytes
        self.store = store
        self.keys = FundKeys(store, random_bytes)
        self.opposition = Opposition(store, self.keys, clock, random_bytes)
        self.cards = Cards(store, self.opposition, clock, random_bytes)
        self.issuing = Issuing(store, self.keys, self.cards, clock, random_bytes)
        self.grants = Grants(store, self.keys, self.cards, self.opposition, clock)
        self.receipt_book = Receipts(store, clock)
        self.enrolments = Enrolments(
            store, self.cards, self.issuing, self.grants, self.opposition, self.receipt_book
        )
        self.qr = QrResolutions(store, self.keys, self.cards, self.issuing, self.grants, clock)
        self.kits = Kits(self.keys, clock, random_bytes)

    @classmethod
    def create(
        cls,
        path: Path | None,
        clock: Clock,
        random_bytes: RandomBytes,
        people: Mapping[str, Person] | None = None,
    ) -> Fund:
        """Make a new fund with its keys and people (those of the fixtures unless given).

        Raises:
            FundFileError: the file exists already, or cannot be written.
        """
        now = clock()
        today = datetime.datetime.fromtimestamp(now, datetime.UTC).date()
        everyone = load_people(today) if people is None else people

        def fill(store: FundStore) -> None:
            FundKeys.lay(store, random_bytes, now)
            Cards.add_people(store, everyone.values())

        return cls(FundStore.create(path, fill), clock, random_bytes)

    @classmethod
    def open(cls, path: Path, clock: Clock, random_bytes: RandomBytes) -> Fund:
        """Open a fund made by :meth:`create`.

        Raises:
            FundFileError: not there, damaged, not a fund, or of another version.
        """
        return cls(FundStore.open(path), clock, random_bytes)

    def close(self) -> None:
        """Release the file."""
        self.store.close()

    # --- people ---

    def people(self) -> dict[str, Person]:
        """Everyone the fund knows, by key."""
        return self.cards.people()

    def person_of(self, serial: bytes) -> Person:
        """Whose e-carte this is."""
        return self.cards.person(self.cards.get(serial).person)

    def end_rights(self, serial: bytes, day: datetime.date) -> None:
        """The person's rights end with ``day``. Phones learn of it at their next update."""
        with self.store.transaction():
            person = self.person_of(serial)
            periods = tuple(
                dataclasses.replace(period, valid_until=min(period.valid_until, day))
                for period in person.rights
                if period.valid_from <= day
            )
            self.cards.change_person(dataclasses.replace(person, rights=periods))

    def set_rights(self, serial: bytes, periods: Sequence[AmoPeriod]) -> None:
        """Replace the person's rights (up to three periods)."""
        with self.store.transaction():
            person = dataclasses.replace(self.person_of(serial), rights=tuple(periods))
            self.cards.change_person(person)

    def set_mutuals(self, serial: bytes, mutuals: Sequence[Mutual]) -> None:
        """Replace the person's complementary covers (up to two)."""
        with self.store.transaction():
            person = dataclasses.replace(self.person_of(serial), mutuals=tuple(mutuals))
            self.cards.change_person(person)

    # --- phones ---

    def enrol(self, request: EnrolmentRequest) -> Enrolment:
        """Issue an e-carte to a phone. A former phone of the same person is opposed.

        Raises:
            FundRefusal: unknown_person, no_own_card (a child), validity, bad_key.
        """
        return self.enrolments.enrol(request)

    def refresh(self, request: RefreshRequest) -> Refresh:
        """Tell a phone what is new, and fill its pools.

        Raises:
            FundRefusal: unknown_card.
        """
        return self.enrolments.refresh(request)

    def unblocking_code(self, serial: bytes) -> str:
        """The 8 digits that unblock the secret code of a phone, by its own card's serial."""
        return self.cards.unblocking_code(serial)

    # --- opposition ---

    def report_lost(self, serial: bytes) -> None:
        """Oppose a card for good. With a phone's own card go all it carries and its grants."""
        self.enrolments.report(serial, Status.OPPOSED)

    def suspend(self, serial: bytes) -> None:
        """Oppose for a time; with a phone's own card, all it carries."""
        self.enrolments.report(serial, Status.SUSPENDED)

    def reinstate(self, serial: bytes) -> None:
        """End a suspension.

        Raises:
            FundRefusal: opposed_for_good.
        """
        self.enrolments.reinstate(serial)

    @property
    def opposition_ttl(self) -> int:
        """Seconds after which terminals should fetch the list anew (``ttl``)."""
        return self.opposition.ttl

    @opposition_ttl.setter
    def opposition_ttl(self, seconds: int) -> None:
        self.opposition.ttl = seconds

    @property
    def opposition_lifetime(self) -> int:
        """Seconds from the issue of a list to its ``exp``."""
        return self.opposition.lifetime

    @opposition_lifetime.setter
    def opposition_lifetime(self, seconds: int) -> None:
        self.opposition.lifetime = seconds

    def opposition_list(self) -> bytes:
        """The signed list, a JWT issued now."""
        return self.opposition.signed_list()

    # --- delegation ---

    def countersign(self, grant: bytes) -> bytes:
        """Return the grant with its place in the opposition list and the fund's signature.

        Raises:
            FundRefusal: bad_format, delegator_not_enrolled, bad_signature, grant_id_used,
                same_person, delegate_not_enrolled, delegate_not_operational,
                marker_mismatch, no_span, too_long, starts_before_issue, issued_in_future,
                already_over, not_transitive, not_own_entry, covered_card_opposed,
                covered_card_expired, wallet_full.
        """
        return self.grants.countersign(grant)

    def revoke_grant(self, grant_id: bytes, by: bytes | None = None) -> None:
        """End a grant at once. ``by`` is the serial of the phone that asks, ``None`` for the
        fund itself.

        Raises:
            FundRefusal: unknown_grant, not_party.
        """
        self.grants.revoke(grant_id, by)

    # --- teleservices ---

    def resolve_qr(self, text: str, role: Role | None = None) -> QrResolution:
        """Say what a QR code of the online form stands for; an accepted one has served."""
        return self.qr.resolve(text, role)

    def record_receipt(
        self,
        serial: bytes,
        professional: str,
        outcome: ReceiptOutcome = ReceiptOutcome.NOTHING_TO_PAY,
        lines: Sequence[tuple[str, int]] = (),
    ) -> Receipt:
        """Keep a receipt for the holder; ``lines`` are labels with cents."""
        self.cards.get(serial)
        return self.receipt_book.record(serial, professional, outcome, lines)

    def receipts(self, serial: bytes, days: int = SHOWN_DAYS) -> list[Receipt]:
        """Receipts of a card's last days, newest first."""
        return self.receipt_book.recent(serial, days)

    # --- terminals ---

    def rotate_group_key(self) -> None:
        """Make a new group key. Kits made before cannot open what is sealed to it; kits made
        from now on open old and new."""
        with self.store.transaction():
            add_group_key(self.store, self.random_bytes, self.clock())

    def terminal_kit(
        self,
        professional: str,
        role: Role,
        *,
        valid_from: datetime.datetime | None = None,
        valid_until: datetime.datetime | None = None,
        intermediates: int = 0,
        flaw: KitFlaw | None = None,
    ) -> dict[str, Any]:
        """Keys and certificates for one professional's terminal (``ecv-terminal-kit/1``).

        Args:
            professional: id, 11 digits.
            valid_from, valid_until: yesterday and in three years unless given.
            intermediates: authorities between the terminal CA and the terminal.
            flaw: what to make wrong, for a kit that a card must refuse.
        """
        return self.kits.make(professional, role, valid_from, valid_until, intermediates, flaw)
