"""One catalogue of faults for card, phone, link and fund: :data:`FAULTS`."""

from __future__ import annotations

import importlib
import pkgutil

from firmware_sim.faults.catalogue import FAULTS, Fault, Scope, fault

__all__ = ["FAULTS", "Fault", "Scope", "fault"]

for _module in pkgutil.iter_modules(__path__):
    if _module.name.endswith("_faults"):
        importlib.import_module(f"{__name__}.{_module.name}")
