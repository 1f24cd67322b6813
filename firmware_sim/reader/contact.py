"""A contact card in a CCID slot."""

from __future__ import annotations

from card_formats.atr import Atr
from card_formats.pps import CONTACT_PPS, ContactPps
from firmware_sim.link.icc import Icc
from firmware_sim.link.iso_dep import Mute
from firmware_sim.reader.exchange import Exchange
from firmware_sim.reader.protocol_hosts import T1Host, t0_apdu, t0_exchange, t0_frame

_PPS_START = b"\xff"


class ContactSlotCard:
    """Drives an :class:`Icc` at TPDU or at APDU level."""

    uid = None

    def __init__(self, icc: Icc) -> None:
        self.icc = icc
        self._t1: T1Host | None = None
        self._fresh = False

    @property
    def gone(self) -> bool:
        """The card left by itself in mid-command."""
        return self.icc.torn

    @property
    def protocol(self) -> int:
        """T in use."""
        return self.icc.protocol

    @property
    def historical(self) -> bytes:
        """Historical bytes of the ATR."""
        return self.atr.historical

    @property
    def atr(self) -> Atr:
        """The ATR, parsed."""
        return self.icc.parsed_atr

    def power_on(self, warm: bool) -> bytes:
        """Reset the card, return its ATR. Raises Mute."""
        self._t1 = None
        self._fresh = True
        return self.icc.reset() if warm else self.icc.power_on()

    def power_off(self) -> None:
        """Deactivate the contacts."""
        self.icc.power_off()

    def remove(self) -> None:
        """Pull the card out."""
        self.icc.remove()

    def insert(self) -> None:
        """Put it back."""
        self.icc.insert()

    def set_protocol(self, protocol: int) -> None:
        """Negotiate another protocol, as a reader that does PPS by itself. Raises Mute."""
        if protocol == self.protocol or not self._fresh:
            return
        request = CONTACT_PPS.build(ContactPps(protocol))
        if self.icc.transceive(request) != request:
            raise Mute

    def tpdu(self, frame: bytes) -> Exchange:
        """Exchange a PPS request, a T=1 block or a T=0 TPDU."""
        if self.protocol == 0 and not frame.startswith(_PPS_START):
            return (yield from t0_exchange(self.icc.transceive, t0_frame(frame)))
        answer = self.icc.transceive(frame)
        if answer is None:
            raise Mute
        return answer

    def apdu(self, command: bytes) -> Exchange:
        """Exchange one APDU over the protocol in use."""
        self._fresh = False
        if self.protocol == 0:
            return (yield from t0_apdu(self.icc.transceive, command))
        if self._t1 is None:
            atr = self.atr
            self._t1 = T1Host(self.icc.transceive, atr.card_information_field_size, atr.uses_crc)
        return (yield from self._t1.apdu(command))
