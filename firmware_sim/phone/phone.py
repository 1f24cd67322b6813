"""The phone: the card it carries, and everything its holder does."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Sequence

from card_formats.data_objects import Use
from card_formats.grant import DelegationGrant
from card_formats.profile_ecv_sim_1 import ECV_SIM_1, Marker, Role
from card_formats.qr_token import QrForm
from firmware_sim.card.e_carte import ECarte
from firmware_sim.card.holder import Holder
from firmware_sim.card.secret_code import CodeResult, SecretCode
from firmware_sim.card.state import EntryState
from firmware_sim.fund.errors import FundRefusal
from firmware_sim.fund.receipts import SHOWN_DAYS
from firmware_sim.fund.records import EnrolmentRequest, Receipt
from firmware_sim.fund.service import Fund
from firmware_sim.phone.delegation import Delegations
from firmware_sim.phone.errors import PhoneFileError, PhoneRefusal
from firmware_sim.phone.qr_display import QrDisplay
from firmware_sim.phone.screen import Screen
from firmware_sim.phone.state import PhoneState
from firmware_sim.phone.store import PhoneStore
from firmware_sim.phone.usage import uses_of
from firmware_sim.phone.wallet import NewKeys, Updates, new_state
from firmware_sim.seam import Clock, RandomBytes


class _SharedCard(ECarte):
    """The card in its phone: the link and the holder may act from different threads."""

    def __init__(self, phone: Phone, holder: Holder) -> None:
        super().__init__(
            phone.state.card, lambda: phone.commit(), holder, phone.clock, phone.random_bytes
        )
        self._mutex = phone.mutex

    def power_on(self) -> bytes:
        with self._mutex:
            return super().power_on()

    def transmit(self, command: bytes) -> bytes:
        with self._mutex:
            return super().transmit(command)

    def reset(self) -> bytes:
        with self._mutex:
            return super().reset()

    def power_off(self) -> None:
        with self._mutex:
            super().power_off()


class Phone:
    """One phone. An act is on disk when it returns; a refused one raises PhoneRefusal.

    A phone whose store failed to save is as if it had lost its power: load it anew.

    Attributes:
        state: what is saved.
        fund: the fund, when there is a network; ``None`` when there is not.
        card: what a link carries.
        qr, delegations, updates, code, display: the parts, each with small methods, for
            whoever needs one to misbehave.
        mutex: held during every act.
    """

    def __init__(
        self,
        state: PhoneState,
        store: PhoneStore,
        clock: Clock,
        random_bytes: RandomBytes,
        fund: Fund | None,
    ) -> None:
        self.state = state
        self.store = store
        self.clock = clock
        self.random_bytes = random_bytes
        self.fund = fund
        self.mutex = threading.RLock()
        self.code = SecretCode(state.card, lambda: self.commit())
        self.qr = QrDisplay(self)
        self.delegations = Delegations(self)
        self.updates = Updates(state, random_bytes)
        self.display = Screen(self)
        self.card: ECarte = _SharedCard(self, self)
        self._typed_at: float | None = None

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
        """Enrol a new phone for a person. Their former phone's e-carte is opposed.

        Args:
            code: the secret code chosen, 4 to 8 digits.
            store: an empty one.
            valid_until: last day of the e-carte; a past day makes an expired one.

        Raises:
            PhoneRefusal: code_format, or the fund's reason (unknown_person, no_own_card …).
            PhoneFileError: the store holds a phone already, or cannot be written.
        """
        if not store.is_empty:
            raise PhoneFileError("this store holds a phone already: enrol in another one")
        require_code_format(code)
        signing = NewKeys.make(1, random_bytes)
        agreement = NewKeys.make(ECV_SIM_1.key_pool_size, random_bytes)
        try:
            enrolment = fund.enrol(
                EnrolmentRequest(
                    person_key, marker, signing.points[0], agreement.points, valid_until
                )
            )
        except FundRefusal as refusal:
            raise PhoneRefusal(refusal.reason, f"the fund refuses: {refusal}") from None
        state = new_state(
            person_key, code, marker, signing.scalars[0], agreement, enrolment, int(clock())
        )
        state.code_on_phone = code_on_phone
        phone = cls(state, store, clock, random_bytes, fund)
        phone.commit()
        return phone

    @classmethod
    def load(
        cls, store: PhoneStore, clock: Clock, random_bytes: RandomBytes, fund: Fund | None = None
    ) -> Phone:
        """Start a phone that was enrolled before.

        Raises:
            PhoneFileError: nothing there, damaged, or of another version.
        """
        return cls(store.load(), store, clock, random_bytes, fund)

    def close(self) -> None:
        """Switch off: forget what is not saved and release the store."""
        with self.mutex:
            self._typed_at = None
            self.store.close()

    def commit(self) -> None:
        """Save everything; what follows may rely on it."""
        self.store.save(self.state)

    @property
    def serial(self) -> bytes:
        """Serial of the phone's own card."""
        return self.state.card.serial

    def entry(self, index: int) -> EntryState:
        """The wallet entry with this number.

        Raises:
            PhoneRefusal: unknown_entry.
        """
        entry = self.state.card.entries.get(index)
        if entry is None:
            known = ", ".join(str(number) for number in sorted(self.state.card.entries))
            raise PhoneRefusal("unknown_entry", f"no entry {index}; there are: {known}")
        return entry

    # --- lock and code ---

    def lock(self) -> None:
        """Lock the screen: the card answers SELECT with 6985 and nothing else."""
        with self.mutex:
            self._typed_at = None
            self.display.clear()
            self.state.locked = True
            self.commit()

    def unlock(self) -> None:
        """Unlock the screen."""
        with self.mutex:
            self.state.locked = False
            self.commit()

    def enter_code(self, code: str) -> CodeResult:
        """Type the code on the phone; a right one serves the next tap within 60 s, once.

        Raises:
            PhoneRefusal: locked, code_format (no try is spent).
        """
        with self.mutex:
            self._require_unlocked()
            require_code_format(code)
            self._typed_at = None
            result = self.code.verify(code)
            if result.ok:
                self._typed_at = self.clock()
                self.display.asks_for_code = False
            return result

    def change_code(self, old: str, new: str) -> CodeResult:
        """Choose another code.

        Raises:
            PhoneRefusal: locked, code_format.
        """
        with self.mutex:
            self._require_unlocked()
            require_code_format(new)
            self._typed_at = None
            return self.code.change(old, new)

    def unblock_code(self, unblocking: str, new: str) -> CodeResult:
        """Set a new code with the fund's unblocking code.

        Raises:
            PhoneRefusal: locked, code_format.
        """
        with self.mutex:
            self._require_unlocked()
            require_code_format(new)
            self._typed_at = None
            return self.code.unblock(unblocking, new)

    def set_code_on_phone(self, wanted: bool) -> None:
        """Choose whether the code is typed here (True) or on the reader."""
        with self.mutex:
            self.state.code_on_phone = wanted
            self.commit()

    def require_code(self, code: str) -> None:
        """Compare ``code`` for an act that needs it.

        Raises:
            PhoneRefusal: code_format, code_wrong, code_blocked.
        """
        require_code_format(code)
        if self.code.blocked:
            raise PhoneRefusal("code_blocked", "the code is blocked: use the unblocking code")
        result = self.code.verify(code)
        if result.blocked:
            raise PhoneRefusal("code_blocked", "wrong code, and it was the last try")
        if not result.ok:
            raise PhoneRefusal("code_wrong", f"wrong code, {result.tries_left} tries left")

    # --- what the card asks (Holder) ---

    @property
    def screen_locked(self) -> bool:
        """See :class:`Holder`."""
        return self.state.locked

    @property
    def code_on_phone(self) -> bool:
        """See :class:`Holder`."""
        return self.state.code_on_phone

    def take_typed_code(self) -> bool:
        """See :class:`Holder`."""
        fresh = self.typed_code_is_fresh()
        self._typed_at = None
        return fresh

    def typed_code_is_fresh(self) -> bool:
        """Whether a right code was typed less than 60 s ago and not spent yet."""
        if self._typed_at is None:
            return False
        return 0 <= self.clock() - self._typed_at < ECV_SIM_1.phone_code_validity

    def ask_for_code(self) -> None:
        """See :class:`Holder`."""
        self.display.asks_for_code = True

    # --- acts ---

    def show_qr(self, code: str, entry: int = 1, form: QrForm = QrForm.ONLINE) -> str:
        """Return the text of a new QR code for a wallet entry; the code is needed each time.

        Raises:
            PhoneRefusal: locked, unknown_entry, opposed, suspended, expired,
                delegation_not_yet_valid, delegation_expired, delegation_revoked, code_format,
                code_wrong, code_blocked, pseudonyms_empty (online form only).
        """
        with self.mutex:
            self._require_unlocked()
            text = self.qr.show(code, entry, form)
            self.display.qr_until = int(self.clock()) + self.qr.lifetime()
            return text

    def delegate(
        self,
        delegate_serial: bytes,
        valid_from: float,
        valid_until: float,
        entries: Sequence[int] = (1,),
        roles: Sequence[Role] = (),
    ) -> DelegationGrant:
        """Let another phone act for these entries, for up to 30 days; all roles unless named.

        Returns:
            The grant with the fund's signature. The delegate's phone has it after its update.

        Raises:
            PhoneRefusal: locked, unknown_entry, no_network, or the fund's reason.
        """
        with self.mutex:
            self._require_unlocked()
            return self.delegations.give(delegate_serial, valid_from, valid_until, entries, roles)

    def take_back(self, grant_id: bytes) -> None:
        """End a grant at once, given or held.

        Raises:
            PhoneRefusal: locked, no_network, unknown_grant, not_party.
        """
        with self.mutex:
            self._require_unlocked()
            self.delegations.take_back(grant_id)

    def report_lost(self) -> None:
        """Report this phone lost, from anywhere: the fund opposes all it carries. The phone
        itself knows nothing of it before its next update.

        Raises:
            PhoneRefusal: no_network.
        """
        with self.mutex:
            self.require_fund().report_lost(self.serial)

    def update(self) -> None:
        """Fetch what is new: state of the e-carte, rights, delegated entries, keys, pseudonyms,
        receipts.

        Raises:
            PhoneRefusal: no_network, unknown_card.
        """
        with self.mutex:
            fund = self.require_fund()
            keys = self.updates.missing_keys()
            try:
                refresh = fund.refresh(self.updates.request(keys))
            except FundRefusal as refusal:
                raise PhoneRefusal(refusal.reason, f"the fund refuses: {refusal}") from None
            self.updates.apply(keys, refresh, int(self.clock()))
            self.commit()

    def last_seven_days(self) -> list[Receipt | Use]:
        """Receipts fetched and uses logged in the last seven days, newest first."""
        with self.mutex:
            since = self.clock() - SHOWN_DAYS * 86400
            entries = self.state.card.entries.values()
            found: list[Receipt | Use] = [*self.state.receipts]
            found += [use for entry in entries for use in uses_of(entry)]
            shown = [one for one in found if one.time >= since]
            return sorted(shown, key=lambda one: one.time, reverse=True)

    @property
    def screen(self) -> str:
        """What the screen shows now."""
        with self.mutex:
            return self.display.text()

    def require_fund(self) -> Fund:
        """The fund.

        Raises:
            PhoneRefusal: no_network.
        """
        if self.fund is None:
            raise PhoneRefusal("no_network", "the fund cannot be reached: try again on line")
        return self.fund

    def _require_unlocked(self) -> None:
        if self.screen_locked:
            raise PhoneRefusal("locked", "the phone is locked: unlock it first")


def require_code_format(code: str) -> None:
    """Refuse what is no code.

    Raises:
        PhoneRefusal: code_format.
    """
    least, most = ECV_SIM_1.code_min_digits, ECV_SIM_1.code_max_digits
    if not (code.isascii() and code.isdecimal() and least <= len(code) <= most):
        raise PhoneRefusal("code_format", f"a code has {least} to {most} digits")
