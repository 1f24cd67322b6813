"""What a phone remembers: its card, and the wallet around it. Saved as a whole."""

from __future__ import annotations

import dataclasses
from typing import Any

from card_formats.grant import GRANT
from firmware_sim.card.state import CardState, EntryState
from firmware_sim.fund.records import GivenGrant, Receipt
from firmware_sim.json_codec import from_json, to_json


@dataclasses.dataclass
class WalletExtras:
    """What a wallet entry has beside its files: an encoded QR credential, pseudonyms left."""

    credential: bytes
    pseudonyms: list[bytes]


@dataclasses.dataclass
class PhoneState:
    """Everything that must survive a restart. ``extras`` goes by the entry's index.

    ``qr_counter`` is that of the last token shown; ``group_key`` the X25519 public key that
    sealed tokens go to; ``given`` the grants that this phone gave.
    """

    person_key: str
    card: CardState
    issuer_key_id: bytes
    group_key: bytes
    locked: bool = False
    code_on_phone: bool = False
    qr_counter: int = 0
    updated_at: int = 0
    extras: dict[int, WalletExtras] = dataclasses.field(default_factory=dict)
    given: list[GivenGrant] = dataclasses.field(default_factory=list)
    receipts: list[Receipt] = dataclasses.field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The state as JSON values."""
        data: dict[str, Any] = to_json(self)
        return data

    @classmethod
    def from_json(cls, data: Any) -> PhoneState:
        """The state from JSON values.

        Raises:
            CodecError: not those of a phone of this version.
        """
        return from_json(cls, data)


def grant_id_of(entry: EntryState) -> bytes:
    """Which grant an entry is held under; empty for one's own and dependants."""
    return b"" if entry.grant is None else GRANT.parse(entry.grant).grant_id
