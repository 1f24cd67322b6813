"""What a terminal is set up with, and the moment of one acquisition."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Literal

from card_formats.profile_ecv_sim_1 import ECV_SIM_1, Profile
from reader_drivers.terminal.kit import TerminalKit
from reader_drivers.terminal.opposition import OppositionStore
from reader_drivers.terminal.seam import Clock, RandomBytes

Mode = Literal["bench", "production"]


@dataclasses.dataclass(frozen=True)
class Context:
    """A terminal's equipment. ``extended``: see :class:`ApduChannel`."""

    kit: TerminalKit
    clock: Clock
    opposition: OppositionStore | None
    random_bytes: RandomBytes
    mode: Mode = "bench"
    extended: bool | None = None
    profile: Profile = ECV_SIM_1

    @property
    def today(self) -> datetime.date:
        """The day now, UTC, as validity dates are."""
        return datetime.datetime.fromtimestamp(self.clock(), datetime.UTC).date()
