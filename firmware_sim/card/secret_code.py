"""The holder's secret code and its try counter (profile 4.8).

Shared by the card (VERIFY on a reader) and the phone (typed on its screen): one counter.
"""

from __future__ import annotations

import dataclasses
import hmac
from collections.abc import Callable

from card_formats.profile_ecv_sim_1 import ECV_SIM_1, Profile
from firmware_sim.card.state import CardState


@dataclasses.dataclass(frozen=True)
class CodeResult:
    """Outcome of a comparison. ``blocked``: no try (or use of the unblocking code) is left
    from now on."""

    ok: bool
    tries_left: int
    blocked: bool


class SecretCode:
    """Compares codes; every try is spent on disk before its comparison.

    Args:
        state: holds the codes and the counters.
        commit: writes the state; raises when the power fails.
    """

    def __init__(
        self, state: CardState, commit: Callable[[], None], profile: Profile = ECV_SIM_1
    ) -> None:
        self._state = state
        self._commit = commit
        self._profile = profile

    @property
    def blocked(self) -> bool:
        """No try is left."""
        return self.is_blocked()

    @property
    def tries_left(self) -> int:
        """Tries left before the code is blocked."""
        return self._state.tries_left

    @property
    def unblocks_left(self) -> int:
        """Uses left of the unblocking code."""
        return self._state.unblocks_left

    def is_blocked(self) -> bool:
        """Whether no try is left."""
        return self._state.tries_left <= 0

    def is_acceptable(self, code: str) -> bool:
        """Whether ``code`` has the form of a code: 4 to 8 digits."""
        profile = self._profile
        digits = code.isascii() and code.isdecimal()
        return digits and profile.code_min_digits <= len(code) <= profile.code_max_digits

    def verify(self, code: str) -> CodeResult:
        """Compare ``code`` with the holder's; a right one gives the tries back."""
        if self.blocked:
            return CodeResult(False, 0, True)
        self.spend_try()
        if not self.matches(code, self._state.code):
            return self._failed()
        self.restore_tries()
        return CodeResult(True, self.tries_left, False)

    def change(self, old: str, new: str) -> CodeResult:
        """Replace the code if ``old`` is right.

        Raises:
            ValueError: ``new`` is no code; no try is spent.
        """
        self._require_acceptable(new)
        if self.blocked:
            return CodeResult(False, 0, True)
        self.spend_try()
        if not self.matches(old, self._state.code):
            return self._failed()
        self._state.code = new
        self.restore_tries()
        return CodeResult(True, self.tries_left, False)

    def unblock(self, unblocking: str, new: str) -> CodeResult:
        """Set a new code and all tries if ``unblocking`` is right; ``tries_left`` of the
        result counts the uses left of the unblocking code.

        Raises:
            ValueError: ``new`` is no code; no use is spent.
        """
        self._require_acceptable(new)
        if self._state.unblocks_left <= 0:
            return CodeResult(False, 0, True)
        self.spend_unblock()
        left = self._state.unblocks_left
        if not self.matches(unblocking, self._state.unblocking_code):
            return CodeResult(False, left, left == 0)
        self._state.code = new
        self.restore_tries()
        return CodeResult(True, left, left == 0)

    def spend_try(self) -> None:
        """One try less, on disk."""
        self._state.tries_left -= 1
        self._commit()

    def spend_unblock(self) -> None:
        """One use of the unblocking code less, on disk."""
        self._state.unblocks_left -= 1
        self._commit()

    def restore_tries(self) -> None:
        """All tries back, on disk, with whatever changed before."""
        self._state.tries_left = self._profile.code_tries
        self._commit()

    def matches(self, given: str, expected: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(given.encode(), expected.encode())

    def _failed(self) -> CodeResult:
        return CodeResult(False, self.tries_left, self.blocked)

    def _require_acceptable(self, code: str) -> None:
        if not self.is_acceptable(code):
            profile = self._profile
            raise ValueError(
                f"a code has {profile.code_min_digits} to {profile.code_max_digits} digits"
            )
