"""Whether a delegated entry may serve now, here (profile 5.1, 7.1)."""

from __future__ import annotations

import datetime

from card_formats.grant import GRANT, DelegationGrant
from card_formats.profile_ecv_sim_1 import EntryKind, RefusalReason, Role
from firmware_sim.card.state import EntryState
from firmware_sim.seam import Clock


def end_of_day(day: datetime.date) -> float:
    """The first second after ``day``, UTC: a card is valid until then."""
    midnight = datetime.datetime.combine(day, datetime.time(), datetime.UTC)
    return (midnight + datetime.timedelta(days=1)).timestamp()


class Delegation:
    """The conditions of a grant, each its own method."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def grant_of(self, entry: EntryState) -> DelegationGrant | None:
        """The grant of a delegated entry, ``None`` for one's own and dependants."""
        return GRANT.parse(entry.grant) if entry.grant is not None else None

    def refusal(self, entry: EntryState, role: Role) -> RefusalReason | None:
        """Why the entry does not serve a terminal of this role, or ``None`` if it does."""
        if entry.kind is not EntryKind.DELEGATED:
            return None
        grant = self.grant_of(entry)
        if grant is None or self.is_revoked(entry):
            return RefusalReason.DELEGATION_REVOKED
        if self.is_early(grant):
            return RefusalReason.DELEGATION_NOT_YET_VALID
        if self.is_over(grant, entry):
            return RefusalReason.DELEGATION_EXPIRED
        if not self.covers(grant, entry, role):
            return RefusalReason.OUT_OF_SCOPE
        return None

    def is_revoked(self, entry: EntryState) -> bool:
        """What the fund last said of the grant."""
        return entry.grant_revoked

    def is_early(self, grant: DelegationGrant) -> bool:
        """Before the window."""
        return self._clock() < grant.valid_from

    def is_over(self, grant: DelegationGrant, entry: EntryState) -> bool:
        """After the window, or after the end of the delegator's card."""
        now = self._clock()
        return now >= grant.valid_until or now >= end_of_day(entry.valid_until)

    def covers(self, grant: DelegationGrant, entry: EntryState, role: Role) -> bool:
        """The terminal's profession and this entry are in the scope."""
        return grant.covers_role(role) and entry.serial in grant.entries
