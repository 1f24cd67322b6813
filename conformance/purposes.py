"""Test purposes: what a scenario proves, attached to the function that proves it."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conformance.bench import Bench

Scenario = Callable[["Bench"], None]

FAMILIES = (
    "SEL",
    "APDU",
    "SCP",
    "PIN",
    "EXPIRY",
    "DELEGATION",
    "OPPOSITION",
    "DATA",
    "SIGNATURE",
    "QR",
)
"""In the order they are run and reported; a family of someone else's comes after these."""

PURPOSE_ID = re.compile(r"TP-([A-Z0-9]+)-\d{3}")
REQUIREMENT_ID = re.compile(r"REQ-[A-Z0-9]+-\d{2}")

_ATTRIBUTE = "__purpose__"


class PurposeError(ValueError):
    """A purpose is declared wrongly: the suite is at fault, not what it tests."""


@dataclasses.dataclass(frozen=True)
class Purpose:
    """One test purpose. Its meaning never changes under one id and version.

    ``needs`` names features of a reader device without which the purpose does not apply.
    """

    id: str
    version: int
    title: str
    requirements: tuple[str, ...]
    preconditions: str
    needs: frozenset[str]
    function: Scenario = dataclasses.field(compare=False)

    @property
    def family(self) -> str:
        """The middle part of the id."""
        return self.id.split("-")[1]

    def why_not(self, features: frozenset[str]) -> str:
        """Why the purpose does not apply to a reader with these features; empty if it does."""
        missing = sorted(self.needs - features)
        return f"the reader does not offer: {', '.join(missing)}" if missing else ""


def purpose(
    id: str,
    *,
    version: int,
    title: str,
    requirements: Sequence[str],
    preconditions: str = "",
    needs: Iterable[str] = (),
) -> Callable[[Scenario], Scenario]:
    """Declare the decorated function as the scenario of a purpose (see conformance/bench.py)."""
    if not PURPOSE_ID.fullmatch(id):
        raise PurposeError(f"{id!r} is no purpose id: they look like TP-PIN-003")
    if version < 1 or not title.strip() or not requirements:
        raise PurposeError(f"{id} needs a version of at least 1, a title and a requirement")
    wrong = [name for name in requirements if not REQUIREMENT_ID.fullmatch(name)]
    if wrong:
        raise PurposeError(f"{id}: {wrong[0]!r} is no requirement id: they look like REQ-PIN-03")

    def declare(function: Scenario) -> Scenario:
        declared = Purpose(
            id, version, title, tuple(requirements), preconditions, frozenset(needs), function
        )
        setattr(function, _ATTRIBUTE, declared)
        return function

    return declare


def purpose_of(function: object) -> Purpose | None:
    """The purpose a function was decorated with, if it was."""
    found = getattr(function, _ATTRIBUTE, None)
    return found if isinstance(found, Purpose) else None


def sort_key(item: Purpose) -> tuple[int, str]:
    """Order of purposes: family by family, then by number."""
    family = item.family
    return (FAMILIES.index(family) if family in FAMILIES else len(FAMILIES), item.id)


def purposes_in(modules: Iterable[ModuleType]) -> dict[str, Purpose]:
    """Every purpose of these modules by id, in order.

    Raises:
        PurposeError: two purposes share an id.
    """
    found: dict[str, Purpose] = {}
    for module in modules:
        for value in vars(module).values():
            declared = purpose_of(value)
            if declared is None or getattr(value, "__module__", "") != module.__name__:
                continue
            if declared.id in found:
                raise PurposeError(f"{declared.id} is declared twice")
            found[declared.id] = declared
    return {item.id: item for item in sorted(found.values(), key=sort_key)}


def load_purposes() -> dict[str, Purpose]:
    """The purposes of this suite, without running anything."""
    package = importlib.import_module("conformance.scenarios")
    return purposes_in(
        importlib.import_module(f"conformance.scenarios.{info.name}")
        for info in pkgutil.iter_modules(package.__path__)
        if info.name.startswith("test_")
    )
