"""Security status and access rules (profile 4.3, 4.5, 4.8, 5.1)."""

from __future__ import annotations

import enum

from card_formats.profile_ecv_sim_1 import (
    CodeState,
    EntryKind,
    Fid,
    LifeCycle,
    Profile,
    RefusalReason,
    Role,
)
from card_formats.selection import CardStatus
from card_formats.status_words import SW
from firmware_sim.card.delegation import Delegation, end_of_day
from firmware_sim.card.files import ElementaryFile
from firmware_sim.card.holder import Holder
from firmware_sim.card.reply import StatusError
from firmware_sim.card.secret_code import SecretCode
from firmware_sim.card.secure_messaging import Protocol, SecureChannel, SecureSession
from firmware_sim.card.state import CardState, EntryState
from firmware_sim.card.terminal_chain import Terminal
from firmware_sim.seam import Clock

_CARE = frozenset({Role.PHARMACIST, Role.PHYSICIAN, Role.HOSPITAL, Role.AUXILIARY})
READERS: dict[int, frozenset[Role]] = {
    Fid.COVER: _CARE,
    Fid.USAGE: frozenset({Role.FUND_AGENT}),
}
"""Roles that may read a file; every role may read the others (profile 5.1)."""


class Loss(enum.Enum):
    """Why a verification or a session is lost (profile 4.8)."""

    POWER = "field lost, deselect or reset"
    LOCKED = "phone locked"
    SELECT = "SELECT by AID"
    HANDSHAKE = "new handshake"
    PLAIN_COMMAND = "plain command in a session"
    MESSAGE_ERROR = "secure messaging error"
    IDLE = "no command for too long"
    TOKEN = "presence token made"
    WRONG_CODE = "wrong code"
    UNBLOCKED = "code set with the unblocking code"
    DEFECT = "error inside the card"


class Access:
    """What this moment allows. Refusals leave their reason for the status object."""

    def __init__(
        self,
        state: CardState,
        profile: Profile,
        channel: SecureChannel,
        code: SecretCode,
        delegation: Delegation,
        holder: Holder,
        clock: Clock,
    ) -> None:
        self._state = state
        self._profile = profile
        self._channel = channel
        self._code = code
        self._delegation = delegation
        self._holder = holder
        self._clock = clock
        self._last_command: float | None = None
        self.code_verified = False
        self.last_refusal = RefusalReason.NONE

    def power_on(self) -> None:
        """Begin anew."""
        self._last_command = None
        self.last_refusal = RefusalReason.NONE

    # --- the code ---

    def touch(self) -> None:
        """A command arrived: the verification is lost if the last one is too long ago."""
        now, last = self._clock(), self._last_command
        self._last_command = now
        # A clock that was set back tells nothing: the safe answer is that the time is over.
        if last is not None and not 0 <= now - last < self._profile.session_idle:
            self.forget_code(Loss.IDLE)

    def grant_code(self) -> None:
        """The holder gave the right code."""
        self.code_verified = True

    def forget_code(self, cause: Loss) -> None:
        """The verification is lost."""
        self.code_verified = False

    # --- requirements: each returns, or raises a StatusError ---

    def refuse(self, sw: int, reason: RefusalReason) -> StatusError:
        """Note the reason and return the exception to raise."""
        self.last_refusal = reason
        return StatusError(sw)

    def require_session(self) -> SecureSession:
        """Any session, else 6982."""
        if self._channel.session is None:
            raise StatusError(SW.SECURITY_NOT_SATISFIED)
        return self._channel.session

    def require_terminal(self) -> Terminal:
        """An SCP11a session, else 6982; returns who is on the other side."""
        session = self.require_session()
        if session.protocol is not Protocol.SCP11A or session.terminal is None:
            raise StatusError(SW.SECURITY_NOT_SATISFIED)
        return session.terminal

    def require_operational(self, sw: int) -> None:
        """Neither suspended nor opposed, else ``sw``."""
        if self._state.life_cycle is not LifeCycle.OPERATIONAL:
            raise self.refuse(sw, RefusalReason.OPPOSED)

    def require_unexpired(self) -> None:
        """The phone's own card has not expired, else 6985."""
        if self.is_expired():
            raise self.refuse(SW.CONDITIONS_NOT_SATISFIED, RefusalReason.EXPIRED)

    def require_code(self) -> None:
        """The code is verified, else 6982, or 6985 where it is typed on the phone."""
        if self.code_verified:
            return
        if self._code.blocked:
            raise self.refuse(SW.SECURITY_NOT_SATISFIED, RefusalReason.CODE_BLOCKED)
        if self._holder.code_on_phone:
            raise self.ask_on_phone()
        raise self.refuse(SW.SECURITY_NOT_SATISFIED, RefusalReason.CODE_NEEDED)

    def ask_on_phone(self) -> StatusError:
        """Show "enter your code" and return the 6985 to raise."""
        self._holder.ask_for_code()
        return self.refuse(SW.CONDITIONS_NOT_SATISFIED, RefusalReason.CODE_ON_PHONE)

    def require_role(self, file: ElementaryFile, terminal: Terminal) -> None:
        """The terminal's role may read the file, else 6982."""
        readers = READERS.get(file.fid)
        if readers is not None and terminal.role not in readers:
            raise StatusError(SW.SECURITY_NOT_SATISFIED)

    def require_serving(self, entry: EntryState, terminal: Terminal) -> None:
        """A delegated entry serves this terminal now, else 6985."""
        reason = self._delegation.refusal(entry, terminal.role)
        if reason is not None:
            raise self.refuse(SW.CONDITIONS_NOT_SATISFIED, reason)

    def require_entry_unexpired(self, entry: EntryState) -> None:
        """One's own or a dependant's card has not expired, else 6985."""
        expired = self._clock() >= end_of_day(entry.valid_until)
        if entry.kind is not EntryKind.DELEGATED and expired:
            raise self.refuse(SW.CONDITIONS_NOT_SATISFIED, RefusalReason.EXPIRED)

    def require_readable(self, file: ElementaryFile, terminal: Terminal) -> None:
        """The access rule of one file, once session and code are there."""
        self.require_role(file, terminal)
        if file.entry is not None:
            self.require_serving(file.entry, terminal)

    # --- what the status object says ---

    def is_expired(self) -> bool:
        """The phone's own card is past the end of its last day."""
        return self._clock() >= end_of_day(self._state.valid_until)

    def code_state(self) -> CodeState:
        """Needed, verified or blocked."""
        if self.code_verified:
            return CodeState.VERIFIED
        return CodeState.BLOCKED if self._code.blocked else CodeState.NEEDED

    def status(self) -> CardStatus:
        """The value of the status object."""
        return CardStatus(
            self._state.life_cycle,
            self.is_expired(),
            self.code_state(),
            self.last_refusal,
            self._holder.code_on_phone,
        )
