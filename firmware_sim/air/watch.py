"""Tells a dongle that its card broke off, which the link engine only shows as silence."""

from __future__ import annotations

from firmware_sim.seam import Card


class WatchedCard:
    """A card that remembers having raised ``ConnectionError``."""

    def __init__(self, card: Card) -> None:
        self._card = card
        self.torn = False

    def power_on(self) -> bytes:
        """As the card's own."""
        try:
            return self._card.power_on()
        except ConnectionError:
            self.torn = True
            raise

    def transmit(self, command: bytes) -> bytes:
        """As the card's own."""
        try:
            return self._card.transmit(command)
        except ConnectionError:
            self.torn = True
            raise

    def reset(self) -> bytes:
        """As the card's own."""
        return self._card.reset()

    def power_off(self) -> None:
        """As the card's own."""
        self._card.power_off()
