"""What the command line prints: colour only on a terminal, JSON when asked."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console

console = Console(highlight=False, soft_wrap=True)
"""Results, on standard output."""

errors = Console(stderr=True, highlight=False, soft_wrap=True)
"""Progress and errors, on standard error."""


def print_json(value: Any) -> None:
    """Print one JSON document, keys as given, nothing else."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
