"""Whatever a card answers, a tap ends in a verdict; what was altered is never accepted."""

from __future__ import annotations

import random

import pytest
from terminal_tap_bench import new_bench

from card_formats.apdu import CommandApdu


def commands_of_a_tap(entry: int) -> int:
    bench = new_bench()
    bench.tap["entry"] = entry
    assert bench.run().accepted
    return len(bench.card.commands)


@pytest.mark.parametrize("entry", [1, 3])
@pytest.mark.parametrize("kind", ["flip", "cut", "grow", "swap", "status"])
def test_one_altered_answer(entry: int, kind: str) -> None:
    dice = random.Random(f"{entry}{kind}")
    for wanted in range(commands_of_a_tap(entry)):
        bench = new_bench()
        bench.tap["entry"] = entry
        count = -1
        altered = b""

        def mutate(
            command: CommandApdu, raw: bytes, wanted: int = wanted, kind: str = kind
        ) -> bytes:
            nonlocal count, altered
            count += 1
            if count != wanted:
                return raw
            altered = alter(dice, kind, raw)
            return altered

        bench.card.mutate_wire = mutate
        verdict = bench.run()
        assert count >= wanted
        # The FCI is outside every signature: only its label may change unnoticed.
        assert not verdict.accepted or wanted == 0
        assert verdict.accepted or all(verdict.details[r.value] for r in verdict.reasons)


def alter(dice: random.Random, kind: str, raw: bytes) -> bytes:
    # One draw whatever the length: certificates differ in size from run to run.
    place = int(dice.random() * len(raw))
    if kind == "flip":
        return raw[:place] + bytes([raw[place] ^ 1 << dice.randrange(8)]) + raw[place + 1 :]
    if kind == "cut":
        return raw[:place]
    if kind == "grow":
        return raw[:place] + dice.randbytes(1 + dice.randrange(20)) + raw[place:]
    if kind == "swap":
        return dice.randbytes(len(raw) - 2) + raw[-2:] if len(raw) > 2 else b"\x6a\x82"
    return raw[:-2] + dice.choice([b"\x69\x82", b"\x69\x85", b"\x6c\x05", b"\x63\xc0", b"\x62\x82"])
