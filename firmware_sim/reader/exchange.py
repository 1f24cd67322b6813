"""What a CCID slot does with the card in it, whatever kind of card that is."""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

from firmware_sim.link.iso_dep import Mute

Exchange = Generator[int, None, bytes]
"""An exchange with a card under way.

It yields a multiplier whenever the card asks for more time and returns the card's answer. It
raises :class:`Mute` when there is none.
"""


class ProtocolFault(Mute):
    """The card answered, but not in the protocol: a reader reports that differently."""


class SlotCard(Protocol):
    """A card in a slot."""

    @property
    def gone(self) -> bool:
        """It left by itself in mid-command."""
        ...

    @property
    def protocol(self) -> int:
        """T in use."""
        ...

    @property
    def uid(self) -> bytes | None:
        """UID of a contactless card, ``None`` for a contact card."""
        ...

    @property
    def historical(self) -> bytes:
        """Historical bytes of the ATR or ATS."""
        ...

    def power_on(self, warm: bool) -> bytes:
        """Return the ATR to report; ``warm`` when the card is already on. Raises Mute."""
        ...

    def power_off(self) -> None:
        """Deactivate the card."""
        ...

    def remove(self) -> None:
        """The card is pulled out: an exchange under way ends at once, in :class:`Mute`."""
        ...

    def insert(self) -> None:
        """The card is put back."""
        ...

    def set_protocol(self, protocol: int) -> None:
        """Use this T from the next APDU on. Raises Mute."""
        ...

    def tpdu(self, frame: bytes) -> Exchange:
        """Exchange one frame of the card's transmission protocol."""
        ...

    def apdu(self, command: bytes) -> Exchange:
        """Exchange one APDU."""
        ...
