"""The usage log of a wallet entry, as the phone writes it for QR codes (profile 6.4)."""

from __future__ import annotations

from card_formats.data_objects import USAGE, Usage, UsageKind, Use
from card_formats.profile_ecv_sim_1 import ECV_SIM_1
from firmware_sim.card.state import EntryState

NOBODY = "0" * 11
"""The phone does not know who scans a QR code."""


def uses_of(entry: EntryState) -> tuple[Use, ...]:
    """The last uses, newest first."""
    return USAGE.parse(entry.usage_log).uses if entry.usage_log else ()


def log_qr(entry: EntryState, now: int) -> None:
    """Count a QR code that is about to be shown."""
    entry.usage_counter += 1
    use = Use(entry.usage_counter, now, UsageKind.QR, NOBODY, None)
    uses = (use, *uses_of(entry))[: ECV_SIM_1.usage_log_entries]
    entry.usage_log = USAGE.build(Usage(entry.usage_counter, uses))
