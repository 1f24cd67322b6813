"""What the parts of the chip share: how they fail, and how they watch for their host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from card_formats.pn532_frame import Status


class ChipError(Exception):
    """The command fails with a status byte."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.name)
        self.status = status


class SyntaxRefused(Exception):
    """The command or its parameters are unknown: answered by the error frame."""


class HostWatch(Protocol):
    """The host's side of a command that takes long."""

    def interrupted(self, seconds: float) -> bool:
        """Wait up to ``seconds``, or until poked; whether the host aborts the command, by an
        ACK or by sending another one."""
        ...

    def poke(self) -> None:
        """End a wait in another thread."""
        ...


Handler = Callable[[bytes, HostWatch], bytes | None]
"""(parameters, host) -> data of the response; ``None`` when the host aborted the command."""
