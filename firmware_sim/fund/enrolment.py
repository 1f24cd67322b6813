"""Enrolling phones and bringing them up to date."""

from __future__ import annotations

from card_formats.grant import GRANT
from card_formats.opposition_list import Status
from card_formats.profile_ecv_sim_1 import ECV_SIM_1, MAX_ENTRIES, EntryKind, LifeCycle
from firmware_sim.fund.cards import CardRecord, Cards
from firmware_sim.fund.errors import FundRefusal
from firmware_sim.fund.grants import Grants, cards_covered
from firmware_sim.fund.issuing import GrantRecord, Issuing
from firmware_sim.fund.opposition import Opposition
from firmware_sim.fund.receipts import Receipts
from firmware_sim.fund.records import (
    Enrolment,
    EnrolmentRequest,
    GivenGrant,
    IssuedEntry,
    Refresh,
    RefreshRequest,
)
from firmware_sim.fund.store import FundStore

_LIFE_CYCLES = {
    Status.VALID: LifeCycle.OPERATIONAL,
    Status.SUSPENDED: LifeCycle.SUSPENDED,
    Status.OPPOSED: LifeCycle.OPPOSED,
}
_POOL = ECV_SIM_1.pseudonym_pool_size


class Enrolments:
    """What a phone may ask of the fund for itself."""

    def __init__(
        self,
        store: FundStore,
        cards: Cards,
        issuing: Issuing,
        grants: Grants,
        opposition: Opposition,
        receipts: Receipts,
    ) -> None:
        self._store = store
        self._cards = cards
        self._issuing = issuing
        self._grants = grants
        self._opposition = opposition
        self._receipts = receipts

    def enrol(self, request: EnrolmentRequest) -> Enrolment:
        """See :meth:`Fund.enrol`."""
        with self._store.transaction():
            person = self._cards.person(request.person_key)
            self.oppose_former(person.key)
            cards = self._cards.add_phone(
                person, request.marker, request.signing_point, request.valid_until
            )
            own = cards[0]
            return Enrolment(
                serial=own.serial,
                valid_until=own.valid_until,
                unblocking_code=self._cards.unblocking_code(own.serial),
                signing_chain=self._issuing.signing_chain(own, request.signing_point),
                agreement_certificates=self._issuing.agreement_certificates(
                    own, request.agreement_points
                ),
                entries=tuple(self._issuing.entry(card, own, _POOL, None) for card in cards),
                anchors=self._issuing.anchors(),
            )

    def oppose_former(self, person_key: str) -> None:
        """One e-carte each: a new phone ends the e-carte on the old one."""
        for card in self._cards.own_of(person_key):
            self.report(card.serial, Status.OPPOSED)

    def report(self, serial: bytes, status: Status) -> None:
        """Oppose, suspend or reinstate a card; with a phone's own card, all it carries."""
        with self._store.transaction():
            card = self._cards.get(serial)
            is_phone = card.kind is EntryKind.OWN
            for one in self._cards.of_phone(serial) if is_phone else [card]:
                self._opposition.report(one.status_index, status)
            if status is Status.OPPOSED and is_phone:
                self._grants.revoke_all(serial)

    def reinstate(self, serial: bytes) -> None:
        """See :meth:`Fund.reinstate`."""
        with self._store.transaction():
            if self._cards.status(self._cards.get(serial)) is Status.OPPOSED:
                raise FundRefusal("opposed_for_good", "an opposition is not lifted: enrol anew")
            self.report(serial, Status.VALID)

    def refresh(self, request: RefreshRequest) -> Refresh:
        """See :meth:`Fund.refresh`."""
        with self._store.transaction():
            own = self._cards.get(request.serial)
            if own.kind is not EntryKind.OWN:
                raise FundRefusal("unknown_card", "only a phone's own e-carte is refreshed")
            life_cycle = self.life_cycle(own)
            operational = life_cycle is LifeCycle.OPERATIONAL
            return Refresh(
                life_cycle=life_cycle,
                agreement_certificates=self._issuing.agreement_certificates(
                    own, request.agreement_points if operational else ()
                ),
                entries=self._entries(own, request.pseudonyms_left, operational),
                anchors=self._issuing.anchors(),
                given=tuple(
                    GivenGrant(GRANT.build(record.grant), record.revoked)
                    for record in self._grants.given_by(own.serial)
                ),
                receipts=tuple(
                    receipt
                    for card in self._cards.of_phone(own.serial)
                    for receipt in self._receipts.recent(card.serial)
                ),
            )

    def life_cycle(self, own: CardRecord) -> LifeCycle:
        """What a phone is told of its own card."""
        return _LIFE_CYCLES[self._cards.status(own)]

    def _entries(
        self, own: CardRecord, left: dict[tuple[bytes, bytes], int], operational: bool
    ) -> tuple[IssuedEntry, ...]:
        held: list[tuple[CardRecord, GrantRecord | None]] = [
            (card, None) for card in self._cards.of_phone(own.serial)
        ]
        # Those that have ended come last: they only explain themselves, where there is room.
        for record in sorted(self._grants.held_by(own.serial), key=self._grants.has_ended):
            held += [(card, record) for card in cards_covered(self._cards, record)]
        return tuple(
            self._issuing.entry(
                card,
                own,
                max(0, _POOL - left.get(_key(card, record), 0)) if operational else 0,
                record,
            )
            for card, record in held[:MAX_ENTRIES]
        )


def _key(card: CardRecord, record: GrantRecord | None) -> tuple[bytes, bytes]:
    return card.serial, record.grant.grant_id if record else b""
