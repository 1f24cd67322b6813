"""What the screen shows, as text. The marker is on every screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from card_formats.data_objects import IDENTITY
from card_formats.profile_ecv_sim_1 import Fid, LifeCycle, Marker
from firmware_sim.card.delegation import end_of_day

if TYPE_CHECKING:
    from firmware_sim.phone.phone import Phone

MARKERS = {Marker.TEST: "TEST", Marker.DEMONSTRATION: "DEMO"}


class Screen:
    """The screen of one phone.

    Attributes:
        asks_for_code: a reader waits for the code to be typed here.
        qr_until: until when the QR code shown last is good, epoch seconds.
    """

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self.asks_for_code = False
        self.qr_until = 0

    def clear(self) -> None:
        """Back to the first page."""
        self.asks_for_code = False
        self.qr_until = 0

    def text(self) -> str:
        """One line."""
        return f"{MARKERS[self._phone.state.card.marker]} · {self._message()}"

    def _message(self) -> str:
        phone, card = self._phone, self._phone.state.card
        left = int(self.qr_until - phone.clock())
        if phone.state.locked:
            return "phone locked"
        if card.life_cycle is LifeCycle.OPPOSED:
            return "e-carte opposed: ask your fund"
        if card.life_cycle is LifeCycle.SUSPENDED:
            return "e-carte suspended: ask your fund"
        if card.tries_left <= 0:
            return "code blocked: enter the unblocking code"
        if self.asks_for_code:
            return "enter your code"
        if left > 0:
            return f"QR code, {left} s left"
        if phone.clock() >= end_of_day(card.valid_until):
            return f"e-carte expired on {card.valid_until}: update it"
        if phone.typed_code_is_fresh():
            return "code right: hold the phone to the reader"
        identity = IDENTITY.parse(card.entries[1].files[Fid.IDENTITY])
        return f"e-carte of {identity.first_names} {identity.surname}: show a QR code, or tap"
