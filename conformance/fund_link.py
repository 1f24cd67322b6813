"""The fund's teleservice as a terminal sees it, without a network in between."""

from __future__ import annotations

from card_formats.profile_ecv_sim_1 import Role
from firmware_sim.fund.service import Fund
from reader_drivers.terminal.scan import Resolution


class FundResolver:
    """Resolves online QR codes by asking the fund in this process, for a terminal of ``role``."""

    def __init__(self, fund: Fund, role: Role) -> None:
        self._fund = fund
        self._role = role

    def resolve(self, text: str) -> Resolution:
        """What the text of this QR code stands for."""
        return self._fund.resolve_qr(text, self._role)
