"""Exit codes of ``vitale-bench``; stable, documented in README.md."""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """What a caller can rely on."""

    OK = 0
    REFUSED = 1
    """A purpose failed, a mutant survived, a card or code was refused, an act was refused."""
    USAGE = 2
    INCOMPLETE = 3
    """A purpose was inconclusive or unrun, or the bench itself failed."""
    UNUSABLE_INPUT = 4
    """A reader, file, phone or code cannot be used."""
