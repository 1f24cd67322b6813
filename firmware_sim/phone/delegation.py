"""Giving one's e-carte to somebody for a while, and taking it back (profile 7)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from card_formats.grant import GRANT, DelegationGrant, delegator_input, roles_bitmap
from card_formats.profile_ecv_sim_1 import Role
from firmware_sim.fund import pki
from firmware_sim.fund.errors import FundRefusal
from firmware_sim.fund.records import GivenGrant
from firmware_sim.phone.errors import PhoneRefusal
from firmware_sim.phone.state import grant_id_of

if TYPE_CHECKING:
    from firmware_sim.phone.phone import Phone


class Delegations:
    """The grants of one phone, given and held."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    def give(
        self,
        delegate: bytes,
        valid_from: float,
        valid_until: float,
        entries: Sequence[int],
        roles: Sequence[Role],
    ) -> DelegationGrant:
        """See :meth:`Phone.delegate`."""
        phone = self._phone
        unsigned = DelegationGrant(
            grant_id=phone.random_bytes(8),
            delegator=phone.serial,
            delegate=delegate,
            valid_from=int(valid_from),
            valid_until=int(valid_until),
            issued_at=int(phone.clock()),
            entries=tuple(phone.entry(index).serial for index in entries),
            roles=roles_bitmap(*roles),
            status_index=0,
            delegator_signature=bytes(64),
            fund_key_id=bytes(8),
            fund_signature=bytes(64),
        )
        grant = dataclasses.replace(unsigned, delegator_signature=self.sign(unsigned))
        try:
            countersigned = phone.require_fund().countersign(GRANT.build(grant))
        except FundRefusal as refusal:
            raise PhoneRefusal(refusal.reason, f"the fund refuses: {refusal}") from None
        phone.state.given.append(GivenGrant(countersigned, revoked=False))
        phone.commit()
        return GRANT.parse(countersigned)

    def sign(self, grant: DelegationGrant) -> bytes:
        """The delegator's signature."""
        key = pki.private_key(self._phone.state.card.signing_scalar)
        return pki.sign(key, delegator_input(grant))

    def take_back(self, grant_id: bytes) -> None:
        """See :meth:`Phone.take_back`."""
        phone = self._phone
        try:
            phone.require_fund().revoke_grant(grant_id, by=phone.serial)
        except FundRefusal as refusal:
            raise PhoneRefusal(refusal.reason, f"the fund refuses: {refusal}") from None
        phone.state.given = [
            dataclasses.replace(given, revoked=True)
            if GRANT.parse(given.grant).grant_id == grant_id
            else given
            for given in phone.state.given
        ]
        for entry in phone.state.card.entries.values():
            if entry.grant is not None and grant_id_of(entry) == grant_id:
                entry.grant_revoked = True
        phone.commit()
