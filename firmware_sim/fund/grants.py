"""Delegation grants: when the fund countersigns one, and how it ends (profile 7)."""

from __future__ import annotations

import dataclasses

from card_formats.core import FormatError
from card_formats.fields import serial_text
from card_formats.grant import GRANT, DelegationGrant, delegator_input, fund_input
from card_formats.opposition_list import Status
from card_formats.profile_ecv_sim_1 import ECV_SIM_1, MAX_ENTRIES, EntryKind
from firmware_sim.fund import pki
from firmware_sim.fund.authority import FundKeys
from firmware_sim.fund.cards import CardRecord, Cards
from firmware_sim.fund.errors import FundRefusal
from firmware_sim.fund.issuing import GrantRecord
from firmware_sim.fund.opposition import Opposition
from firmware_sim.fund.store import FundStore
from firmware_sim.seam import Clock

_DAY = 86400
_SELECT = "SELECT encoded, status FROM grants JOIN statuses USING (idx)"
KEPT_DAYS = 7
"""How long a phone keeps a grant that has ended, so that it can say why it refuses."""


class Grants:
    """Each condition of profile 7.1 is a method of its own, and raises a FundRefusal."""

    def __init__(
        self,
        store: FundStore,
        keys: FundKeys,
        cards: Cards,
        opposition: Opposition,
        clock: Clock,
    ) -> None:
        self._store = store
        self._keys = keys
        self._cards = cards
        self._opposition = opposition
        self._clock = clock

    def countersign(self, encoded: bytes) -> bytes:
        """See :meth:`Fund.countersign`."""
        try:
            grant = GRANT.parse(encoded)
        except FormatError as error:
            raise FundRefusal("bad_format", f"not a grant: {error}") from None
        with self._store.transaction():
            self.check_delegator(grant)
            self.check_signature(grant)
            self.check_new(grant)
            self.check_parties(grant)
            self.check_delegate(grant)
            self.check_span(grant)
            self.check_start(grant)
            self.check_entries(grant)
            self.check_covered(grant)
            self.check_room(grant)
            signed = self._sign(grant)
            countersigned = GRANT.build(signed)
            self._store.execute(
                "INSERT INTO grants VALUES (?, ?, ?, ?, ?, ?)",
                signed.grant_id,
                signed.delegator,
                signed.delegate,
                signed.valid_until,
                countersigned,
                signed.status_index,
            )
        return countersigned

    def revoke(self, grant_id: bytes, by: bytes | None) -> None:
        """See :meth:`Fund.revoke_grant`."""
        with self._store.transaction():
            record = self._find(grant_id)
            if record is None:
                raise FundRefusal("unknown_grant", f"{grant_id.hex()}: no such grant")
            if by is not None and by not in (record.grant.delegator, record.grant.delegate):
                raise FundRefusal("not_party", f"{grant_id.hex()}: it is between two others")
            self._opposition.report(record.grant.status_index, Status.OPPOSED)

    def revoke_all(self, phone: bytes) -> None:
        """Revoke whatever a phone gave or holds."""
        for record in self._select("delegator = ? OR delegate = ?", phone, phone):
            self._opposition.report(record.grant.status_index, Status.OPPOSED)

    def given_by(self, phone: bytes) -> list[GrantRecord]:
        """Grants a phone gave, that have not ended long ago."""
        return self._select("delegator = ? AND valid_until > ?", phone, self._horizon())

    def held_by(self, phone: bytes) -> list[GrantRecord]:
        """Grants a phone holds, that have not ended long ago."""
        return self._select("delegate = ? AND valid_until > ?", phone, self._horizon())

    def find(self, grant_id: bytes) -> GrantRecord | None:
        """The grant with this id."""
        return self._find(grant_id)

    def has_ended(self, record: GrantRecord) -> bool:
        """Revoked, or past its window."""
        return record.revoked or record.grant.valid_until <= self._clock()

    # --- conditions ---

    def check_delegator(self, grant: DelegationGrant) -> None:
        """The delegator is an enrolled phone's own card."""
        card = self._cards.find(grant.delegator)
        if card is None or card.kind is not EntryKind.OWN:
            raise FundRefusal(
                "delegator_not_enrolled",
                f"{serial_text(grant.delegator)} is no enrolled phone's own e-carte",
            )

    def check_signature(self, grant: DelegationGrant) -> None:
        """The delegator's phone signed it."""
        point = self._cards.signing_point(grant.delegator)
        if not pki.is_signed(point, delegator_input(grant), grant.delegator_signature):
            raise FundRefusal("bad_signature", "the delegator's signature is wrong")

    def check_new(self, grant: DelegationGrant) -> None:
        """Its id was not used before."""
        if self._find(grant.grant_id) is not None:
            raise FundRefusal("grant_id_used", f"{grant.grant_id.hex()}: known already")

    def check_parties(self, grant: DelegationGrant) -> None:
        """Nobody delegates to themselves, be it from an old phone to a new one."""
        delegate = self._cards.find(grant.delegate)
        own = self._cards.get(grant.delegator)
        if delegate is not None and delegate.person == own.person:
            raise FundRefusal("same_person", "delegator and delegate are the same person")

    def check_delegate(self, grant: DelegationGrant) -> None:
        """The delegate holds an enrolled, operational e-carte of the same kind."""
        card = self._cards.find(grant.delegate)
        if card is None or card.kind is not EntryKind.OWN:
            raise FundRefusal(
                "delegate_not_enrolled",
                f"{serial_text(grant.delegate)} is no enrolled phone's own e-carte",
            )
        if self._cards.status(card) is not Status.VALID or self._cards.is_expired(card):
            raise FundRefusal(
                "delegate_not_operational",
                f"{serial_text(card.serial)} is opposed, suspended or expired",
            )
        if card.marker is not self._cards.get(grant.delegator).marker:
            raise FundRefusal("marker_mismatch", "a test and a demonstration card do not mix")

    def check_span(self, grant: DelegationGrant) -> None:
        """At most 30 days."""
        span = grant.valid_until - grant.valid_from
        if span <= 0:
            raise FundRefusal("no_span", "the grant ends before it begins")
        if span > self.most_days() * _DAY:
            raise FundRefusal(
                "too_long", f"{span / _DAY:.1f} days, at most {self.most_days()} are allowed"
            )

    def most_days(self) -> int:
        """Longest span allowed."""
        return ECV_SIM_1.grant_max_days

    def check_start(self, grant: DelegationGrant) -> None:
        """It does not begin before it was issued, nor ends before now."""
        if grant.valid_from < grant.issued_at - ECV_SIM_1.clock_skew:
            raise FundRefusal("starts_before_issue", "the grant begins before it was issued")
        if grant.issued_at > self._clock() + ECV_SIM_1.clock_skew:
            raise FundRefusal("issued_in_future", "the grant was issued in the future")
        if grant.valid_until <= self._clock():
            raise FundRefusal("already_over", "the grant has ended already")

    def check_entries(self, grant: DelegationGrant) -> None:
        """Every card covered is the delegator's own or a dependant's."""
        if len(set(grant.entries)) != len(grant.entries):
            raise FundRefusal("not_own_entry", "a card is named twice")
        for serial in grant.entries:
            card = self._cards.find(serial)
            if card is not None and card.phone == grant.delegator:
                continue
            if any(serial in held.grant.entries for held in self.held_by(grant.delegator)):
                raise FundRefusal("not_transitive", f"{serial_text(serial)} was itself delegated")
            raise FundRefusal("not_own_entry", f"{serial_text(serial)} is not the delegator's")

    def check_covered(self, grant: DelegationGrant) -> None:
        """Nothing covered, nor the delegator's own card, is opposed or expired."""
        for serial in (grant.delegator, *grant.entries):
            card = self._cards.get(serial)
            if self._cards.status(card) is not Status.VALID:
                raise FundRefusal(
                    "covered_card_opposed", f"{serial_text(serial)} is opposed or suspended"
                )
            if self._cards.is_expired(card):
                raise FundRefusal("covered_card_expired", f"{serial_text(serial)} has expired")

    def check_room(self, grant: DelegationGrant) -> None:
        """The delegate's wallet has room."""
        held = sum(
            len(record.grant.entries)
            for record in self.held_by(grant.delegate)
            if not self.has_ended(record)
        )
        taken = len(self._cards.of_phone(grant.delegate)) + held
        if taken + len(grant.entries) > MAX_ENTRIES:
            raise FundRefusal(
                "wallet_full", f"the delegate's wallet holds {taken} of {MAX_ENTRIES} entries"
            )

    # --- inside ---

    def _sign(self, grant: DelegationGrant) -> DelegationGrant:
        key = self._keys.data
        placed = dataclasses.replace(
            grant,
            status_index=self._opposition.allot(),
            fund_key_id=key.id,
            fund_signature=bytes(64),
        )
        return dataclasses.replace(placed, fund_signature=key.sign(fund_input(placed)))

    def _horizon(self) -> int:
        return int(self._clock()) - KEPT_DAYS * _DAY

    def _find(self, grant_id: bytes) -> GrantRecord | None:
        records = self._select("grant_id = ?", grant_id)
        return records[0] if records else None

    def _select(self, condition: str, *values: object) -> list[GrantRecord]:
        rows = self._store.execute(f"{_SELECT} WHERE {condition} ORDER BY grants.rowid", *values)
        return [
            GrantRecord(GRANT.parse(encoded), status != Status.VALID) for encoded, status in rows
        ]


def cards_covered(cards: Cards, record: GrantRecord) -> list[CardRecord]:
    """The cards a grant covers."""
    return [cards.get(serial) for serial in record.grant.entries]
