"""A fund in memory, phones enrolled with it, and the time that all of them believe."""

from __future__ import annotations

import random
from typing import Any

from firmware_sim.fund.service import Fund
from firmware_sim.phone.phone import Phone
from firmware_sim.phone.store import MemoryStore

CODE = "135790"
WRONG = "000000"
DAY = 86_400
START = 1_795_435_200.0
"""A Monday, 2026-11-23, noon UTC."""


class World:
    def __init__(self, seed: int = 1) -> None:
        self.now = START
        self.random_bytes = random.Random(seed).randbytes
        self.fund = Fund.create(None, self.clock, self.random_bytes)

    def clock(self) -> float:
        return self.now

    def enrol(self, person: str = "amelie", code: str = CODE, **options: Any) -> Phone:
        options.setdefault("store", MemoryStore())
        return Phone.enrol(
            self.fund, person, code, clock=self.clock, random_bytes=self.random_bytes, **options
        )

    def reload(self, phone: Phone) -> Phone:
        return Phone.load(phone.store, self.clock, self.random_bytes, self.fund)

    def delegate(self, giver: Phone, taker: Phone, days: float = 7, **options: Any) -> Any:
        grant = giver.delegate(taker.serial, self.now, self.now + days * DAY, **options)
        taker.update()
        return grant
