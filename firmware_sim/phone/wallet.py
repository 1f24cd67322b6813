"""The wallet: putting in what the fund issues, and asking for what is missing."""

from __future__ import annotations

import dataclasses

from card_formats.profile_ecv_sim_1 import ECV_SIM_1, MAX_ENTRIES, Marker
from firmware_sim.card.state import AgreementKey, CardState, EntryState
from firmware_sim.fund import pki
from firmware_sim.fund.records import Enrolment, IssuedEntry, Refresh, RefreshRequest
from firmware_sim.phone.state import PhoneState, WalletExtras, grant_id_of
from firmware_sim.seam import RandomBytes


@dataclasses.dataclass(frozen=True)
class NewKeys:
    """Private keys made by the phone, with the points that the fund is to certify."""

    scalars: tuple[bytes, ...]
    points: tuple[bytes, ...]

    @classmethod
    def make(cls, count: int, random_bytes: RandomBytes) -> NewKeys:
        """Make so many."""
        scalars = tuple(pki.new_scalar(random_bytes) for _ in range(count))
        keys = (pki.private_key(scalar) for scalar in scalars)
        return cls(scalars, tuple(pki.point_of(key.public_key()) for key in keys))


def new_state(
    person_key: str,
    code: str,
    marker: Marker,
    signing_scalar: bytes,
    agreement: NewKeys,
    enrolment: Enrolment,
    now: int,
) -> PhoneState:
    """The state of a phone that has just been enrolled."""
    anchors = enrolment.anchors
    card = CardState(
        marker=marker,
        serial=enrolment.serial,
        valid_until=enrolment.valid_until,
        code=code,
        tries_left=ECV_SIM_1.code_tries,
        unblocking_code=enrolment.unblocking_code,
        unblocks_left=ECV_SIM_1.unblock_uses,
        signing_scalar=signing_scalar,
        signing_chain=enrolment.signing_chain,
        issuing_ca=anchors.issuing_ca,
        terminal_ca=anchors.terminal_ca,
        agreement_keys=_agreement_keys(agreement, enrolment.agreement_certificates),
    )
    state = PhoneState(person_key, card, anchors.issuer_key_id, anchors.group_key, updated_at=now)
    put_entries(state, enrolment.entries)
    return state


class Updates:
    """Asks the fund what is new and takes it over, one concern a method."""

    def __init__(self, state: PhoneState, random_bytes: RandomBytes) -> None:
        self._state = state
        self._random_bytes = random_bytes

    def missing_keys(self) -> NewKeys:
        """New agreement keys, as many as have served."""
        unused = sum(not key.used for key in self._state.card.agreement_keys)
        return NewKeys.make(max(0, ECV_SIM_1.key_pool_size - unused), self._random_bytes)

    def request(self, keys: NewKeys) -> RefreshRequest:
        """What to ask of the fund."""
        state = self._state
        left = {
            _key(entry): len(state.extras[index].pseudonyms)
            for index, entry in state.card.entries.items()
        }
        return RefreshRequest(state.card.serial, keys.points, left)

    def apply(self, keys: NewKeys, refresh: Refresh, now: int) -> None:
        """Take everything over."""
        self.take_life_cycle(refresh)
        self.take_anchors(refresh)
        self.take_keys(keys, refresh)
        self.take_entries(refresh.entries)
        self._state.given = list(refresh.given)
        self._state.receipts = list(refresh.receipts)
        self._state.updated_at = now

    def take_life_cycle(self, refresh: Refresh) -> None:
        """Operational, suspended or opposed."""
        self._state.card.life_cycle = refresh.life_cycle

    def take_anchors(self, refresh: Refresh) -> None:
        """The fund's keys, which may have changed."""
        anchors = refresh.anchors
        self._state.card.issuing_ca = anchors.issuing_ca
        self._state.card.terminal_ca = anchors.terminal_ca
        self._state.issuer_key_id = anchors.issuer_key_id
        self._state.group_key = anchors.group_key

    def take_keys(self, keys: NewKeys, refresh: Refresh) -> None:
        """Replace agreement keys that have served."""
        card = self._state.card
        new = _agreement_keys(keys, refresh.agreement_certificates)
        if new:
            card.agreement_keys = [key for key in card.agreement_keys if not key.used] + new

    def take_entries(self, entries: tuple[IssuedEntry, ...]) -> None:
        """Rights, cover, new delegated entries, entries that are gone."""
        put_entries(self._state, entries)


def put_entries(state: PhoneState, issued: tuple[IssuedEntry, ...]) -> None:
    """Make the wallet hold exactly these entries. Those held already keep index and log."""
    entries, extras = state.card.entries, state.extras
    new = [(_entry(one), one) for one in issued]
    wanted = {_key(entry) for entry, _ in new}
    for index in [index for index, entry in entries.items() if _key(entry) not in wanted]:
        del entries[index], extras[index]
    places = {_key(entry): index for index, entry in entries.items()}
    for entry, one in new:
        index = places.get(_key(entry), 0)
        if index:
            entry.usage_counter = entries[index].usage_counter
            entry.usage_log = entries[index].usage_log
        else:
            index = next(i for i in range(1, MAX_ENTRIES + 1) if i not in entries)
            extras[index] = WalletExtras(one.credential, [])
        entry.index = index
        entries[index] = entry
        extras[index].credential = one.credential
        extras[index].pseudonyms += one.pseudonyms


def _key(entry: EntryState) -> tuple[bytes, bytes]:
    return entry.serial, grant_id_of(entry)


def _entry(one: IssuedEntry) -> EntryState:
    return EntryState(
        index=0,
        kind=one.kind,
        serial=one.serial,
        valid_until=one.valid_until,
        status_index=one.status_index,
        files=dict(one.files),
        grant=one.grant,
        grant_revoked=one.revoked,
    )


def _agreement_keys(keys: NewKeys, certificates: tuple[bytes, ...]) -> list[AgreementKey]:
    # The fund gives none to an opposed phone, whatever was asked for.
    pairs = zip(keys.scalars, certificates, strict=False)
    return [AgreementKey(scalar, certificate) for scalar, certificate in pairs]
