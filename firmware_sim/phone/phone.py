"""The phone around the card: the holder's acts, each saved before it is acknowledged."""

from __future__ import annotations

import dataclasses
import datetime
import functools
from collections.abc import Sequence

from card_formats.data_objects import USAGE, UsageKind
from card_formats.grant import GRANT, DelegationGrant, delegator_input, roles_bitmap
from card_formats.profile_ecv_sim_1 import ECV_SIM_1, EntryKind, LifeCycle, Marker, Role
from card_formats.qr_token import QrForm, to_text
from firmware_sim.card.e_carte import ECarte
from firmware_sim.card.secret_code import CodeResult, SecretCode
from firmware_sim.card.state import CardState, EntryState
from firmware_sim.fund import pki
from firmware_sim.fund.records import EnrolmentRequest, RefreshRequest
from firmware_sim.fund.service import Fund
from firmware_sim.phone.errors import PhoneRefusal
from firmware_sim.phone.qr_display import QrDisplay
from firmware_sim.fund.records import GivenGrant
from firmware_sim.phone.state import PhoneState
from firmware_sim.phone.store import PhoneStore
from firmware_sim.phone.wallet import NewKeys, Updates, new_state
from firmware_sim.seam import Clock, RandomBytes

SHOWN_DAYS = 7
_NO_SIGNATURE = bytes(64)


@dataclasses.dataclass(frozen=True)
class Event:
    """One line of the last days: epoch seconds and what happened."""

    time: int
    text: str


class Phone:
    """A phone. Its card, :attr:`card`, is what a reader's link carries.

    Args:
        state: what it remembers.
        store: where that is kept.
        fund: the insurer, when the phone is online; ``None`` is a phone without a network.
    """

    def __init__(
        self,
        state: PhoneState,
        store: PhoneStore,
        clock: Clock,
        random_bytes: RandomBytes,
        fund: Fund | None = None,
    ) -> None:
        self.state = state
        self.store = store
        self.clock = clock
        self.random_bytes = random_bytes
        self.fund = fund
        self.code = SecretCode(state.card, self.save)
        self.qr = QrDisplay(state, clock, random_bytes)
        self._asking = False
        self._typed_at: int | None = None

    @classmethod
    def enrol(
        cls,
        fund: Fund,
        person_key: str,
        code: str,
        *,
        store: PhoneStore,
        clock: Clock,
        random_bytes: RandomBytes,
        marker: Marker = Marker.TEST,
        valid_until: datetime.date | None = None,
        code_on_phone: bool = False,
    ) -> Phone:
        """Enrol a new phone for a person.

        Raises:
            PhoneRefusal: the code is no code.
            FundRefusal: the fund does not know the person, or will not.
        """
        check_code(code)
        signing = NewKeys.make(1, random_bytes)
        keys = NewKeys.make(ECV_SIM_1.key_pool_size, random_bytes)
        answer = fund.enrol(
            EnrolmentRequest(person_key, marker, signing.points[0], keys.points, valid_until)
        )
        state = new_state(
            person_key, code, marker, signing.scalars[0], keys, answer, int(clock())
        )
        state.code_on_phone = code_on_phone
        phone = cls(state, store, clock, random_bytes, fund)
        phone.save()
        return phone

    @classmethod
    def load(
        cls,
        store: PhoneStore,
        clock: Clock,
        random_bytes: RandomBytes,
        fund: Fund | None = None,
    ) -> Phone:
        """The phone as it was saved.

        Raises:
            PhoneFileError: it cannot be read.
        """
        return cls(store.load(), store, clock, random_bytes, fund)

    def save(self) -> None:
        """Write everything down."""
        self.store.save(self.state)

    @functools.cached_property
    def card(self) -> ECarte:
        """The card in the phone."""
        return ECarte(self.state.card, self.save, self, self.clock, self.random_bytes)

    @property
    def serial(self) -> bytes:
        """Serial of one's own card."""
        return self.state.card.serial

    # --- what the card asks (Holder) ---

    @property
    def screen_locked(self) -> bool:
        """A locked phone: the card answers nothing."""
        return self.state.locked

    @property
    def code_on_phone(self) -> bool:
        """The code is typed here and not on the reader."""
        return self.state.code_on_phone

    def take_typed_code(self) -> bool:
        """Whether a right code was typed less than 60 s ago; it serves once."""
        typed = self._typed_at
        if typed is None:
            return False
        self._typed_at = None
        self.save()
        return 0 <= self.clock() - typed <= ECV_SIM_1.phone_code_validity

    def ask_for_code(self) -> None:
        """The screen asks for the code."""
        self._asking = True

    # --- the holder's acts ---

    def lock(self) -> None:
        """Lock the screen; a code typed before is forgotten."""
        self.state.locked = True
        self._typed_at = None
        self.save()

    def unlock(self) -> None:
        """Unlock the screen."""
        self.state.locked = False
        self.save()

    def enter_code(self, code: str) -> CodeResult:
        """Type the code: a right one counts for the next tap within 60 s."""
        result = self.compare(code)
        self._typed_at = int(self.clock()) if result.ok else None
        self.save()
        self._asking = self._asking and not result.ok
        return result

    def compare(self, code: str) -> CodeResult:
        """Compare a code typed here, on the same counter as the card's."""
        if not self.code.is_acceptable(code):
            raise PhoneRefusal("code_malformed", "a code has 4 to 8 digits; no try was spent")
        return self.code.verify(code)

    def show_qr(self, code: str, entry: int = 1, form: QrForm = QrForm.ONLINE) -> str:
        """Text of a fresh QR code.

        Raises:
            PhoneRefusal: wrong code, code blocked, unknown entry, expired, opposed, delegation.
        """
        shown = self.entry(entry)
        self.qr.check(shown)
        self.require_code(code)
        token = self.qr.token(shown, form)
        self.qr.record(shown)
        self.save()
        return to_text(token)

    def require_code(self, code: str) -> None:
        """Refuse unless the code is right."""
        if self.code.blocked:
            raise PhoneRefusal("code_blocked", "the code is blocked: unblock it first")
        result = self.compare(code)
        if not result.ok:
            raise PhoneRefusal("code_wrong", f"wrong code, {result.tries_left} tries left")

    def entry(self, index: int) -> EntryState:
        """A wallet entry.

        Raises:
            PhoneRefusal: there is none of that index.
        """
        try:
            return self.state.card.entries[index]
        except KeyError:
            raise PhoneRefusal("unknown_entry", f"the wallet has no entry {index}") from None

    def delegate(
        self,
        delegate_serial: bytes,
        valid_from: int,
        valid_until: int,
        entries: Sequence[int] = (1,),
        roles: Sequence[Role] = (),
    ) -> DelegationGrant:
        """Delegate cards of this wallet; the delegate's phone has them at its next update.

        Raises:
            PhoneRefusal: a delegated card, unknown entry, no network.
            FundRefusal: the fund does not countersign.
        """
        covered = [self.entry(index) for index in entries]
        if any(entry.kind is EntryKind.DELEGATED for entry in covered):
            raise PhoneRefusal("not_transitive", "a delegated card cannot be delegated further")
        grant = self.signed_grant(
            delegate_serial, valid_from, valid_until, [e.serial for e in covered], roles
        )
        signed = self._online().countersign(GRANT.build(grant))
        self.state.given.append(GivenGrant(signed, False))
        self.save()
        return GRANT.parse(signed)

    def signed_grant(
        self,
        delegate_serial: bytes,
        valid_from: int,
        valid_until: int,
        serials: Sequence[bytes],
        roles: Sequence[Role],
    ) -> DelegationGrant:
        """A grant with this phone's signature only."""
        grant = DelegationGrant(
            grant_id=self.random_bytes(8),
            delegator=self.serial,
            delegate=delegate_serial,
            valid_from=valid_from,
            valid_until=valid_until,
            issued_at=int(self.clock()),
            entries=tuple(serials),
            roles=roles_bitmap(*roles),
            status_index=0,
            delegator_signature=_NO_SIGNATURE,
            fund_key_id=bytes(8),
            fund_signature=_NO_SIGNATURE,
        )
        key = pki.private_key(self.state.card.signing_scalar)
        return dataclasses.replace(grant, delegator_signature=pki.sign(key, delegator_input(grant)))

    def take_back(self, grant_id: bytes) -> None:
        """End a delegation at once.

        Raises:
            PhoneRefusal: no network.
            FundRefusal: no such grant, or not this phone's.
        """
        self._online().revoke_grant(grant_id, self.serial)
        for item in self.state.given:
            if GRANT.parse(item.grant).grant_id == grant_id:
                pass
        self.save()

    def report_lost(self) -> None:
        """Report the phone lost or stolen, as its holder would from another device."""
        self._online().report_lost(self.serial)
        self.state.card.life_cycle = LifeCycle.OPPOSED
        self.save()

    def update(self) -> None:
        """Fetch rights, state, delegated cards; fill the pools.

        Raises:
            PhoneRefusal: no network.
        """
        updates = Updates(self.state, self.random_bytes)
        keys = updates.missing_keys()
        updates.apply(keys, self._online().refresh(updates.request(keys)), int(self.clock()))
        self.save()

    def last_seven_days(self) -> list[Event]:
        """Receipts and uses, newest first."""
        since = self.clock() - SHOWN_DAYS * 86_400
        events = [
            Event(
                receipt.time,
                f"{receipt.professional}: {receipt.outcome.value.replace('_', ' ')}, "
                + ", ".join(line.label for line in receipt.lines),
            )
            for receipt in self.state.receipts
        ]
        for entry in self.state.card.entries.values():
            uses = USAGE.parse(entry.usage_log).uses if entry.usage_log else ()
            events += [
                Event(
                    use.time,
                    "QR code shown"
                    if use.kind is UsageKind.QR
                    else f"held to the reader of {use.professional}",
                )
                for use in uses
            ]
        kept = [event for event in events if event.time >= since]
        return sorted(kept, key=lambda event: event.time, reverse=True)

    @property
    def screen(self) -> str:
        """What the screen shows now."""
        card = self.state.card
        if self.state.locked:
            return "locked"
        if card.life_cycle is not LifeCycle.OPERATIONAL:
            return f"TEST · this e-carte is {card.life_cycle.name.lower()}"
        if self.code.blocked:
            return "TEST · code blocked: use the unblocking code"
        if self._asking:
            return "TEST · enter your code, then tap again"
        return "TEST · e-carte Vitale, ready"

    def _online(self) -> Fund:
        if self.fund is None:
            raise PhoneRefusal("offline", "the phone has no network: try again when it has")
        return self.fund


def check_code(code: str) -> None:
    """Refuse what cannot be a code."""
    low, high = ECV_SIM_1.code_min_digits, ECV_SIM_1.code_max_digits
    if not (code.isascii() and code.isdecimal() and low <= len(code) <= high):
        raise PhoneRefusal("code_malformed", f"a code has {low} to {high} digits")


__all__ = ["Event", "Phone", "PhoneRefusal"]
