"""How faults change one object and leave its class alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any


def replace(owner: object, name: str, make: Callable[[Any], Any]) -> None:
    """Replace a method (or attribute) of one object with ``make(the old one)``.

    Raises:
        AttributeError: there is nothing of that name: the fault is out of date.
    """
    setattr(owner, name, make(getattr(owner, name)))


def nothing(*_: object, **__: object) -> None:
    """A method that does nothing."""


@contextlib.contextmanager
def without(owner: object, name: str) -> Iterator[None]:
    """Within the block, the method does nothing."""
    method = getattr(owner, name)
    setattr(owner, name, nothing)
    try:
        yield
    finally:
        setattr(owner, name, method)


def around(owner: object, name: str, wrapper: Callable[..., Any]) -> None:
    """Call ``wrapper(old method, *arguments)`` in place of the method."""

    def make(method: Any) -> Any:
        return lambda *args, **kwargs: wrapper(method, *args, **kwargs)

    replace(owner, name, make)
