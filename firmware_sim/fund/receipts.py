"""Receipts of invoices, which the holder sees for seven days. Never on the card."""

from __future__ import annotations

import json
from collections.abc import Sequence

from firmware_sim.fund.records import Receipt, ReceiptLine, ReceiptOutcome
from firmware_sim.fund.store import FundStore
from firmware_sim.json_codec import from_json, to_json
from firmware_sim.seam import Clock

SHOWN_DAYS = 7
_DAY = 86400


class Receipts:
    """Receipts by card serial."""

    def __init__(self, store: FundStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def record(
        self,
        serial: bytes,
        professional: str,
        outcome: ReceiptOutcome,
        lines: Sequence[tuple[str, int]],
    ) -> Receipt:
        """Keep one."""
        receipt = Receipt(
            serial,
            int(self._clock()),
            professional,
            outcome,
            tuple(ReceiptLine(label, cents) for label, cents in lines),
        )
        with self._store.transaction():
            self._store.execute(
                "INSERT INTO receipts (serial, time, document) VALUES (?, ?, ?)",
                receipt.serial,
                receipt.time,
                json.dumps(to_json(receipt)),
            )
        return receipt

    def recent(self, serial: bytes, days: int = SHOWN_DAYS) -> list[Receipt]:
        """Those of the last days, newest first."""
        rows = self._store.execute(
            "SELECT document FROM receipts WHERE serial = ? AND time >= ? "
            "ORDER BY time DESC, number DESC",
            serial,
            int(self._clock()) - days * _DAY,
        )
        return [from_json(Receipt, json.loads(document)) for (document,) in rows]
