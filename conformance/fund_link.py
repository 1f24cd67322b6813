"""The fund's teleservice as a terminal sees it, without a network in between."""

from __future__ import annotations

from firmware_sim.fund.service import Fund
from reader_drivers.terminal.scan import Resolution


class FundResolver:
    """Resolves online QR codes by asking the fund in this process."""

    def __init__(self, fund: Fund) -> None:
        self._fund = fund

    def resolve(self, text: str) -> Resolution:
        """What the text of this QR code stands for."""
        answer = self._fund.resolve_qr(text)
        return Resolution(answer.credential, tuple(answer.reasons), answer.detail)
