"""Dataclasses to JSON and back, by their type hints: what phones and funds keep on disk.

Strict both ways: a missing, surplus or mistyped field is an error, so that a file of another
version is noticed and not guessed at. Bytes are hexadecimal, days ISO 8601, enums their number
or text, keys of mappings text.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
_Convert = Callable[[Any], Any]


class CodecError(ValueError):
    """The JSON is not that of the type asked for."""


def to_json(value: Any) -> Any:
    """Return ``value``, a dataclass, as what ``json.dumps`` takes."""
    kind: Any = type(value)
    return _encoder(kind)(value)


def from_json(cls: type[T], data: Any) -> T:
    """Return the ``cls`` that ``data``, from ``json.loads``, describes.

    Raises:
        CodecError: it describes none; the message names the field.
    """
    kind: Any = cls
    value: T = _decoder(kind)(data)
    return value


def _same(value: Any) -> Any:
    return value


def _hex(value: bytes) -> str:
    return value.hex()


@functools.cache
def _encoder(hint: Any) -> _Convert:
    if dataclasses.is_dataclass(hint):
        fields = [(name, _encoder(kind)) for name, kind in _fields(hint)]
        return lambda value: {name: encode(getattr(value, name)) for name, encode in fields}
    if hint is bytes:
        return _hex
    if hint is datetime.date:
        return datetime.date.isoformat
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return lambda value: value.value
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (list, tuple):
        item = _encoder(args[0])
        return _same if item is _same else lambda value: [item(one) for one in value]
    if origin is dict:
        key, item = _encoder(args[0]), _encoder(args[1])
        return lambda value: {str(key(k)): item(v) for k, v in value.items()}
    if origin is types.UnionType:
        item = _encoder(_optional(args))
        return lambda value: None if value is None else item(value)
    return _same


@functools.cache
def _decoder(hint: Any) -> _Convert:
    if dataclasses.is_dataclass(hint):
        return _record_decoder(hint)
    if hint is bytes:
        return lambda data: _parse(bytes.fromhex, _typed(str, data))
    if hint is datetime.date:
        return lambda data: _parse(datetime.date.fromisoformat, _typed(str, data))
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return lambda data: _parse(hint, data)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (list, tuple):
        item = _decoder(args[0])
        return lambda data: origin(item(one) for one in _typed(list, data))
    if origin is dict:
        return _mapping_decoder(*args)
    if origin is types.UnionType:
        item = _decoder(_optional(args))
        return lambda data: None if data is None else item(data)
    if hint in (str, int, bool):
        return lambda data: _typed(hint, data)
    raise TypeError(f"no JSON for {hint}")


def _fields(cls: Any) -> list[tuple[str, Any]]:
    hints = typing.get_type_hints(cls)
    return [(field.name, hints[field.name]) for field in dataclasses.fields(cls)]


def _optional(args: tuple[Any, ...]) -> Any:
    (kind,) = (arg for arg in args if arg is not types.NoneType)
    return kind


def _record_decoder(cls: Any) -> _Convert:
    decoders = {name: _decoder(kind) for name, kind in _fields(cls)}

    def decode(data: Any) -> Any:
        if _typed(dict, data).keys() != decoders.keys():
            odd = sorted(data.keys() ^ decoders.keys())
            raise CodecError(f"{cls.__name__}: missing or unknown: {', '.join(odd)}")
        values = {}
        for name, convert in decoders.items():
            try:
                values[name] = convert(data[name])
            except CodecError as error:
                raise CodecError(f"{cls.__name__}.{name}: {error}") from None
        try:
            return cls(**values)
        except ValueError as error:
            raise CodecError(f"{cls.__name__}: {error}") from None

    return decode


def _mapping_decoder(key_type: Any, value_type: Any) -> _Convert:
    key = _number if key_type is int else _decoder(key_type)
    item = _decoder(value_type)
    return lambda data: {key(k): item(v) for k, v in _typed(dict, data).items()}


def _number(text: str) -> Any:
    return _parse(int, text)


def _typed(kind: type, data: Any) -> Any:
    if type(data) is not kind:
        raise CodecError(f"{type(data).__name__}, not {kind.__name__}")
    return data


def _parse(convert: Callable[[Any], Any], data: Any) -> Any:
    try:
        return convert(data)
    except (ValueError, TypeError) as error:
        raise CodecError(str(error)) from None
