"""One slot of a CCID reader."""

from __future__ import annotations

import threading

from card_formats.ccid import IccStatus
from card_formats.ccid_parameters import Parameters, ParametersT0, ParametersT1
from firmware_sim.link.iso_dep import Mute
from firmware_sim.reader.exchange import SlotCard


class Slot:
    """A slot and the state the firmware keeps for it.

    Cards are put in and taken out by other threads than the one that runs commands; only
    :attr:`card` and what is said of its movements is shared between them.

    Attributes:
        busy: held while a command is under way.
        powered: the card is on.
        parameters: protocol parameters in force.
        chain_in, chain_out: parts of a long command received, of a long response left to send.
    """

    def __init__(self) -> None:
        self.busy = threading.Lock()
        self._moving = threading.Lock()
        self._card: SlotCard | None = None
        self._changed = True
        self.powered = False
        self.parameters: Parameters = ParametersT0()
        self.chain_in = b""
        self.chain_out = b""

    @property
    def card(self) -> SlotCard | None:
        """The card, ``None`` when the slot is empty."""
        return self._card

    @property
    def status(self) -> IccStatus:
        """What bmICCStatus says."""
        if self._card is None:
            return IccStatus.ABSENT
        return IccStatus.ACTIVE if self.powered else IccStatus.INACTIVE

    def put(self, card: SlotCard) -> None:
        """A card comes in."""
        with self._moving:
            self._card = card
            self.powered = False
            self._changed = True

    def take(self) -> SlotCard | None:
        """The card goes out; return it."""
        with self._moving:
            card, self._card = self._card, None
            self.powered = False
            self._changed = self._changed or card is not None
            return card

    def take_changed(self) -> bool:
        """Whether a card moved since the last call. True at first: the host knows nothing yet."""
        with self._moving:
            changed, self._changed = self._changed, False
            return changed

    def power_on(self) -> bytes:
        """Reset the card, warm if it is on; return the ATR. Raises Mute."""
        card, warm = self._card, self.powered
        self.forget_chains()
        if card is None:
            raise Mute
        self.powered = False
        atr = card.power_on(warm)
        with self._moving:
            if self._card is not card:
                raise Mute
            self.powered = True
        self.reset_parameters()
        return atr

    def power_off(self) -> None:
        """Deactivate the card, if any."""
        self.forget_chains()
        self.powered = False
        if self._card is not None:
            self._card.power_off()

    def reset_parameters(self) -> None:
        """Defaults of the protocol in use."""
        self.parameters = (
            ParametersT1() if self._card is not None and self._card.protocol else ParametersT0()
        )

    def forget_chains(self) -> None:
        """Give up a chained exchange."""
        self.chain_in = self.chain_out = b""
