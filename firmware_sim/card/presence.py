"""PSO COMPUTE DIGITAL SIGNATURE: the presence token (profile 8)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from card_formats.apdu import CommandApdu
from card_formats.data_objects import USAGE, Usage, UsageKind, Use
from card_formats.presence_token import (
    PRESENCE_REQUEST,
    PRESENCE_TOKEN,
    PresenceRequest,
    PresenceToken,
    presence_input,
)
from card_formats.profile_ecv_sim_1 import EntryKind, Profile
from card_formats.status_words import SW
from firmware_sim.card.access import Access, Loss
from firmware_sim.card.delegation import Delegation
from firmware_sim.card.reply import Reply, StatusError, parsed
from firmware_sim.card.state import CardState, EntryState
from firmware_sim.card.terminal_chain import Terminal
from firmware_sim.seam import Clock

_SIGN = (0x9E, 0x9A)
_HALF = 32


class Presence:
    """Signs that this card and its holder were there. One code, one token."""

    def __init__(
        self,
        state: CardState,
        profile: Profile,
        commit: Callable[[], None],
        access: Access,
        delegation: Delegation,
        clock: Clock,
    ) -> None:
        self._state = state
        self._profile = profile
        self._commit = commit
        self._access = access
        self._delegation = delegation
        self._clock = clock
        self._key: tuple[bytes, ec.EllipticCurvePrivateKey] | None = None

    def compute_signature(self, command: CommandApdu) -> Reply:
        """PSO COMPUTE DIGITAL SIGNATURE.

        Raises:
            StatusError: 6A86, 6982, 6985 with its reason in the status object, 6A80, 6A88.
        """
        if (command.p1, command.p2) != _SIGN:
            raise StatusError(SW.WRONG_P1_P2)
        terminal = self._access.require_terminal()
        self.check_card()
        self._access.require_code()
        request = parsed(PRESENCE_REQUEST, command.data)
        entry = self._state.entries.get(request.entry)
        if entry is None:
            raise StatusError(SW.REFERENCE_DATA_NOT_FOUND)
        self.check_entry(entry, terminal)
        now = self.now()
        # Before anything is written or signed: a power cut must not leave the code usable.
        self.consume_code()
        self.record(entry, terminal, now)
        return Reply(self.sign(self.token(entry, terminal, request, now)))

    def check_card(self) -> None:
        """The phone's own card is in operation and has not expired; else 6985."""
        self._access.require_operational(SW.CONDITIONS_NOT_SATISFIED)
        self._access.require_unexpired()

    def check_entry(self, entry: EntryState, terminal: Terminal) -> None:
        """The entry has not expired and serves this terminal; else 6985."""
        self._access.require_entry_unexpired(entry)
        self._access.require_serving(entry, terminal)

    def now(self) -> int:
        """The phone's time."""
        return int(self._clock())

    def consume_code(self) -> None:
        """One entry of the code, one token at most."""
        self._access.forget_code(Loss.TOKEN)

    def record(self, entry: EntryState, terminal: Terminal, now: int) -> None:
        """Counter and usage log, on disk."""
        uses = USAGE.parse(entry.usage_log).uses if entry.usage_log else ()
        counter = self.next_counter(entry)
        use = Use(counter, now, UsageKind.TAP, terminal.professional, terminal.role)
        log = Usage(counter, (use, *uses)[: self._profile.usage_log_entries])
        entry.usage_log = USAGE.build(log)
        entry.usage_counter = counter
        self._commit()

    def next_counter(self, entry: EntryState) -> int:
        """Value of the counter for this use."""
        return entry.usage_counter + 1

    def token(
        self, entry: EntryState, terminal: Terminal, request: PresenceRequest, now: int
    ) -> PresenceToken:
        """The token, still without its signature."""
        grant = self._delegation.grant_of(entry)
        return PresenceToken(
            marker=self._state.marker,
            delegated=entry.kind is EntryKind.DELEGATED,
            signer=self._state.serial,
            entry_serial=entry.serial,
            professional=terminal.professional,
            role=terminal.role,
            challenge=request.challenge,
            counter=entry.usage_counter,
            time=now,
            grant_id=grant.grant_id if grant is not None else bytes(8),
            signature=bytes(64),
        )

    def sign(self, token: PresenceToken) -> bytes:
        """The encoded token, signed with the card-signature key."""
        # Deterministic (RFC 6979): nothing here draws randomness that is not injected.
        algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        r, s = decode_dss_signature(self._private_key().sign(presence_input(token), algorithm))
        signature = r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")
        return PRESENCE_TOKEN.build(dataclasses.replace(token, signature=signature))

    def _private_key(self) -> ec.EllipticCurvePrivateKey:
        scalar = self._state.signing_scalar
        if self._key is None or self._key[0] != scalar:
            key = ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1())
            self._key = (scalar, key)
        return self._key[1]
