"""The pool of pseudonymous agreement keys (profile 3.2, 3.4)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec

from firmware_sim.card.state import AgreementKey, CardState


class KeyPoolEmpty(Exception):
    """Every key has served; the fund must refresh the phone."""


@dataclasses.dataclass(frozen=True)
class CurrentKey:
    """The agreement key of this field-on."""

    private_key: ec.EllipticCurvePrivateKey
    certificate: bytes


class KeyPool:
    """One key for each field-on, so that two taps cannot be linked."""

    def __init__(self, state: CardState, commit: Callable[[], None]) -> None:
        self._state = state
        self._commit = commit
        self._current: CurrentKey | None = None

    def release(self) -> None:
        """Power-off: the next field-on takes another key."""
        self._current = None

    def current(self) -> CurrentKey:
        """Return the key of this field-on; the first call takes it from the pool, on disk.

        Raises:
            KeyPoolEmpty: no unused key is left.
        """
        if self._current is None:
            key = self.choose()
            self.mark_used(key)
            scalar = int.from_bytes(key.scalar, "big")
            private_key = ec.derive_private_key(scalar, ec.SECP256R1())
            self._current = CurrentKey(private_key, key.certificate)
        return self._current

    def choose(self) -> AgreementKey:
        """The first key that has not served."""
        for key in self._state.agreement_keys:
            if not key.used:
                return key
        raise KeyPoolEmpty

    def mark_used(self, key: AgreementKey) -> None:
        """Spend the key before anything shows it."""
        key.used = True
        self._commit()
