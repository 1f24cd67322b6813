"""The registry of faults. A fault is data: an id, where it belongs, what it violates, and a
small patch of one constructed object. The good path knows nothing of faults."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any, Literal

Scope = Literal["card", "phone", "link", "fund"]
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclasses.dataclass(frozen=True)
class Fault:
    """One implementation error.

    Attributes:
        id: unique, kebab-case.
        scope: what ``apply`` patches: ``card`` an ECarte, ``phone`` a Phone, ``link`` a Picc,
            ``fund`` a Fund.
        description: what goes wrong, and the clause it violates.
        apply: patches that object, for good.
    """

    id: str
    scope: Scope
    description: str
    apply: Callable[[Any], None]


FAULTS: dict[str, Fault] = {}
"""Every fault by id; filled when :mod:`firmware_sim.faults` is imported."""


def fault(
    id: str, scope: Scope, description: str
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Register the decorated function as the patch of a fault.

    Raises:
        ValueError: the id is taken, or not kebab-case.
    """
    if not _ID.fullmatch(id):
        raise ValueError(f"fault id {id!r} is not kebab-case")
    if id in FAULTS:
        raise ValueError(f"fault {id!r} is declared twice")

    def register(apply: Callable[[Any], None]) -> Callable[[Any], None]:
        FAULTS[id] = Fault(id, scope, description, apply)
        return apply

    return register
