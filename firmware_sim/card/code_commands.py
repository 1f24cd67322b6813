"""VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER (profile 4.8)."""

from __future__ import annotations

from card_formats.apdu import CommandApdu
from card_formats.pin_block import PIN_BLOCK, PIN_BLOCK_PAIR
from card_formats.profile_ecv_sim_1 import Profile, RefusalReason
from card_formats.status_words import SW
from firmware_sim.card.access import Access, Loss
from firmware_sim.card.holder import Holder
from firmware_sim.card.reply import Reply, StatusError, parsed
from firmware_sim.card.secret_code import CodeResult, SecretCode

_BLOCK = 8
_MOST_TRIES_SHOWN = 15


class CodeCommands:
    """The commands about the secret code."""

    def __init__(self, profile: Profile, code: SecretCode, access: Access, holder: Holder) -> None:
        self._profile = profile
        self._code = code
        self._access = access
        self._holder = holder

    def verify(self, command: CommandApdu) -> Reply:
        """VERIFY; without data, the state of the code.

        Raises:
            StatusError: 6A86, 6A88, 6982, 6700, 6984, 6983, 6985, 6A80.
        """
        self.check(command, lengths=(0, _BLOCK))
        if not command.data:
            return self.state()
        self.require_reader_entry()
        code = parsed(PIN_BLOCK, command.data)
        self._require_code_form(code)
        result = self._code.verify(code)
        if result.ok:
            self._access.grant_code()
            return Reply()
        return self.wrong(result)

    def change(self, command: CommandApdu) -> Reply:
        """CHANGE REFERENCE DATA: old and new code.

        Raises:
            StatusError: as :meth:`verify`.
        """
        self.check(command, lengths=(2 * _BLOCK,))
        self.require_reader_entry()
        old, new = parsed(PIN_BLOCK_PAIR, command.data)
        self._require_code_form(old)
        self._require_code_form(new)
        result = self._code.change(old, new)
        if result.ok:
            self._access.grant_code()
            return Reply()
        return self.wrong(result)

    def reset_retry_counter(self, command: CommandApdu) -> Reply:
        """RESET RETRY COUNTER: unblocking code and new code.

        Raises:
            StatusError: as :meth:`verify`; 6983 when no use is left.
        """
        self.check(command, lengths=(2 * _BLOCK,))
        if self._holder.code_on_phone:
            raise self._access.ask_on_phone()
        unblocking, new = parsed(PIN_BLOCK_PAIR, command.data)
        self._require_code_form(new)
        if len(unblocking) != self._profile.unblock_digits:
            raise StatusError(SW.WRONG_DATA)
        if not self._code.unblocks_left:
            raise StatusError(SW.AUTHENTICATION_BLOCKED)
        result = self._code.unblock(unblocking, new)
        self._access.forget_code(Loss.UNBLOCKED)
        return Reply() if result.ok else Reply(sw=self.counter(result.tries_left))

    def check(self, command: CommandApdu, lengths: tuple[int, ...]) -> None:
        """What the three commands require alike."""
        if command.p1:
            raise StatusError(SW.WRONG_P1_P2)
        self._access.require_terminal()
        if len(command.data) not in lengths:
            raise StatusError(SW.WRONG_LENGTH)
        if command.p2 != self._profile.code_reference:
            raise StatusError(SW.REFERENCE_DATA_NOT_FOUND)
        self._access.require_operational(SW.REFERENCE_DATA_NOT_USABLE)

    def require_reader_entry(self) -> None:
        """A code may be typed on the reader, and a try is left for it."""
        if self._code.blocked:
            raise self._blocked()
        if self._holder.code_on_phone:
            raise self._access.ask_on_phone()

    def state(self) -> Reply:
        """Answer to an empty VERIFY: nothing is spent."""
        if self._code.blocked:
            raise self._blocked()
        if self._access.code_verified:
            return Reply()
        return Reply(sw=self.counter(self._code.tries_left))

    def wrong(self, result: CodeResult) -> Reply:
        """A wrong code takes a verification away."""
        self._access.forget_code(Loss.WRONG_CODE)
        return Reply(sw=self.counter(result.tries_left))

    def counter(self, left: int) -> int:
        """63Cx."""
        return SW.VERIFY_FAILED | max(0, min(left, _MOST_TRIES_SHOWN))

    def _blocked(self) -> StatusError:
        return self._access.refuse(SW.AUTHENTICATION_BLOCKED, RefusalReason.CODE_BLOCKED)

    def _require_code_form(self, code: str) -> None:
        if not self._code.is_acceptable(code):
            raise StatusError(SW.WRONG_DATA)
