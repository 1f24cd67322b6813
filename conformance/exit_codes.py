"""Exit status of a campaign and of the mutant runner, for whoever starts them from a shell."""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """What a finished run tells the shell. The worst of what happened wins."""

    PASSED = 0
    """Every selected purpose passed; every mutant was killed."""
    FAILED = 1
    """At least one FAIL; at least one mutant survived."""
    USAGE = 2
    """Nothing was run: unknown reader, purpose, family or mutant, unusable output directory."""
    BENCH = 3
    """No FAIL, but an ERROR of the bench or an INCONC: run again before concluding anything."""
