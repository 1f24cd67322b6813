"""Construct building blocks that several formats need and the library does not have."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import construct


class Dispatch(construct.Construct):  # type: ignore[misc]
    """Choose a flat definition from all the bytes when parsing, from the value when building.

    Construct's own ``Select`` takes the first alternative that *builds*, which silently drops
    the fields that alternative does not have; a classifier cannot.

    Args:
        of_bytes: given every remaining byte, returns the definition to parse them with.
        of_value: given the value, returns the definition to build it with.
            Either may raise :class:`construct.ConstructError`.
    """

    def __init__(self, of_bytes: Callable[[bytes], Any], of_value: Callable[[Any], Any]) -> None:
        super().__init__()
        self.of_bytes = of_bytes
        self.of_value = of_value

    def _parse(self, stream: io.BytesIO, context: Any, path: str) -> Any:
        start = stream.tell()
        remaining = stream.read()
        stream.seek(start)
        return self.of_bytes(remaining)._parsereport(stream, context, path)

    def _build(self, obj: Any, stream: io.BytesIO, context: Any, path: str) -> Any:
        return self.of_value(obj)._build(obj, stream, context, path)


class AllBut(construct.Subconstruct):  # type: ignore[misc]
    """``subcon`` over every remaining byte but the last ``tail``, which it must use up."""

    def __init__(self, tail: int, subcon: Any) -> None:
        super().__init__(subcon)
        self.tail = tail

    def _parse(self, stream: io.BytesIO, context: Any, path: str) -> Any:
        start = stream.tell()
        remaining = len(stream.read())
        stream.seek(start)
        if remaining < self.tail:
            raise construct.StreamError(
                f"{remaining} byte(s) left, at least {self.tail} needed", path=path
            )
        data = stream.read(remaining - self.tail)
        inner = io.BytesIO(data)
        value = self.subcon._parsereport(inner, context, path)
        if inner.tell() != len(data):
            raise construct.StreamError(
                f"{len(data) - inner.tell()} byte(s) that are no complete item", path=path
            )
        return value


def refuse(reason: str, path: str = "") -> construct.ValidationError:
    """The exception for a value or bytes that the standard forbids."""
    return construct.ValidationError(reason, path=path)


class Bounded(construct.SymmetricAdapter):  # type: ignore[misc]
    """An integer field whose legal values are ``low`` to ``high``; the rest is RFU."""

    def __init__(self, subcon: Any, low: int, high: int) -> None:
        super().__init__(subcon)
        self.low = low
        self.high = high

    def _decode(self, obj: Any, context: Any, path: str) -> Any:
        if not self.low <= obj <= self.high:
            raise refuse(f"{obj} is outside {self.low}..{self.high}", path)
        return obj
