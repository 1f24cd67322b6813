"""What a command handler answers, and how it refuses."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

from card_formats.core import FormatError, WireFormat
from card_formats.status_words import SW

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Reply:
    """Response data and status word, before secure messaging and response chaining."""

    data: bytes = b""
    sw: int = SW.OK


class StatusError(Exception):
    """A command is refused with this status word and no data."""

    def __init__(self, sw: int) -> None:
        super().__init__(f"{sw:04X}")
        self.sw = sw


class PowerCut(ConnectionError):
    """The power failed while the card was writing its state."""


def parsed(wire_format: WireFormat[T], data: bytes) -> T:
    """Return the value of command data.

    Raises:
        StatusError: 6A80, the data is not of this format.
    """
    try:
        return wire_format.parse(data)
    except FormatError as error:
        raise StatusError(SW.WRONG_DATA) from error
