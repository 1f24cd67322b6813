"""Mutants: planted faults, each of which the purposes that claim it must fail.

The table is data (``mutants.toml``): fault id of ``firmware_sim.faults`` = purposes that catch it.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Sequence
from importlib import resources

from conformance.bench import Bench
from conformance.purposes import Purpose, load_purposes
from conformance.readers import Device, open_device
from conformance.verdicts import Judgement, Verdict, judge
from firmware_sim.faults import FAULTS, Fault

READERS = {"card": "virtual:", "phone": "virtual:", "fund": "virtual:", "link": "nfc:udp"}
"""On which reader a mutant is tried: a fault of the link needs a link."""


class MutantError(ValueError):
    """The table, or what was asked of it, names what does not exist."""


@dataclasses.dataclass(frozen=True)
class MutantResult:
    """One mutant tried. ``judgements`` by purpose id; only a FAIL kills."""

    fault: Fault
    judgements: dict[str, Judgement]

    @property
    def killed_by(self) -> list[str]:
        """The purposes that failed it, as claimed."""
        return [p for p, found in self.judgements.items() if found.verdict is Verdict.FAIL]

    @property
    def survived(self) -> bool:
        """No purpose, or not every one that claims to, failed it."""
        return len(self.killed_by) < max(1, len(self.judgements))

    def as_data(self) -> dict[str, object]:
        """JSON-able form."""
        return {
            "id": self.fault.id,
            "scope": self.fault.scope,
            "description": self.fault.description,
            "claimed": list(self.judgements),
            "killed_by": self.killed_by,
            "survived": self.survived,
            "verdicts": {
                purpose: {"verdict": found.verdict.value, "reason": found.reason}
                for purpose, found in self.judgements.items()
            },
        }


def load_table() -> dict[str, list[str]]:
    """Fault id -> purposes that claim it.

    Raises:
        MutantError: a fault or purpose is unknown, or a fault has no purpose.
    """
    text = (resources.files("conformance") / "mutants.toml").read_text(encoding="utf-8")
    table: dict[str, list[str]] = tomllib.loads(text)["mutants"]
    purposes = load_purposes()
    for fault, claims in table.items():
        if fault not in FAULTS:
            raise MutantError(f"mutants.toml: there is no fault {fault!r}")
        if not claims:
            raise MutantError(f"mutants.toml: no purpose claims {fault!r}")
        for name in claims:
            if name not in purposes:
                raise MutantError(f"mutants.toml: {fault!r} names {name!r}, which is no purpose")
    return table


def run_mutants(
    only: Sequence[str] = (),
    *,
    progress: Callable[[MutantResult, int, int], None] | None = None,
) -> list[MutantResult]:
    """Try every mutant (or those named) on the purposes that claim it.

    A purpose that does not pass without the fault proves nothing by failing with it: it is an
    ERROR. ``progress`` is told each result, its number and how many there are.

    Raises:
        MutantError: see :func:`load_table`, or ``only`` names an unknown one.
    """
    table = load_table()
    if unknown := sorted(set(only) - set(table)):
        raise MutantError(
            f"{', '.join(unknown)}: no such mutant; `vitale-bench mutants` names them all"
        )
    chosen = {name: claims for name, claims in table.items() if not only or name in only}
    purposes = load_purposes()
    devices: dict[str, Device] = {}
    sound: dict[tuple[str, str], Judgement] = {}
    results = []
    try:
        for number, (name, claims) in enumerate(chosen.items(), start=1):
            fault = FAULTS[name]
            url = READERS[fault.scope]
            device = devices.get(url) or devices.setdefault(url, open_device(url))
            judgements = {}
            for claim in claims:
                if (claim, url) not in sound:
                    sound[claim, url] = _try(purposes[claim], device)
                judgements[claim] = _proof(sound[claim, url], _try(purposes[claim], device, fault))
            results.append(MutantResult(fault, judgements))
            if progress:
                progress(results[-1], number, len(chosen))
    finally:
        for device in devices.values():
            device.close()
    return results


def _try(purpose: Purpose, device: Device, *faults: Fault) -> Judgement:
    bench = Bench(device, faults)
    try:
        purpose.function(bench)
    except Exception as error:
        return judge(error)
    finally:
        bench.close()
    return judge(None)


def _proof(sound: Judgement, faulty: Judgement) -> Judgement:
    """What the verdict on a mutant is worth, given that on the sound card and phone."""
    if sound.verdict is Verdict.PASS:
        return faulty
    return Judgement(Verdict.ERROR, f"it does not pass without the fault either: {sound.reason}")


def unproved(results: Sequence[MutantResult], purposes: Sequence[str]) -> list[str]:
    """Purposes that no mutant was killed by."""
    killers = {purpose for result in results for purpose in result.killed_by}
    return [purpose for purpose in purposes if purpose not in killers]
