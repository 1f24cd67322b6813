"""The one way a wire format is declared, parsed and built.

A :class:`WireFormat` ties together a Construct definition, the clause it comes from and
the vectors that prove it. Everything that leaves this package is a frozen dataclass or a
plain value; everything that goes wrong is one :class:`FormatError`.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import construct

T = TypeVar("T")


class FormatError(ValueError):
    """Bytes that are not the format they claim to be, or a value that the format cannot carry.

    Attributes:
        format: name of the format, as registered.
        field: dotted path of the field that failed, ``""`` when the whole failed.
        offset: byte offset reached when parsing failed; ``None`` when building.
        reason: what was wrong, in words.
    """

    def __init__(self, format: str, field: str, offset: int | None, reason: str) -> None:
        self.format = format
        self.field = field
        self.offset = offset
        self.reason = reason
        where = f", field {field}" if field else ""
        at = f" at byte {offset}" if offset is not None else ""
        super().__init__(f"{format}{where}{at}: {reason}")


@dataclasses.dataclass(frozen=True)
class Vector(Generic[T]):
    """One proven pair of bytes and value.

    ``legal_prefixes`` lists the lengths of proper prefixes that are themselves complete
    values of the format (a case 1 APDU begins every other case); all others must be refused.
    """

    hex: str
    value: T
    note: str = ""
    legal_prefixes: frozenset[int] = frozenset()

    @property
    def encoded(self) -> bytes:
        return bytes.fromhex(self.hex)


class WireFormat(Generic[T]):
    """A format defined once.

    Args:
        name: unique name, used in errors and in the registry.
        clause: where the format is specified ("ISO/IEC 7816-4:2020 5.3.1", "ecv-sim/1 6.2").
        definition: Construct object whose parsed value is a ``T``. It is terminated here:
            trailing bytes are always an error.
        vectors: known-good pairs, tried by one test for all formats.
        open_ended: the length of the format is known only from outside (an R-APDU is "all
            bytes but two"), so that an added byte makes another valid value.
    """

    def __init__(
        self,
        name: str,
        clause: str,
        definition: Any,
        vectors: Sequence[Vector[T]],
        *,
        open_ended: bool = False,
    ) -> None:
        if name in FORMATS:
            raise ValueError(f"format {name!r} is declared twice")
        self.name = name
        self.clause = clause
        self.definition = definition
        self.vectors = tuple(vectors)
        self.open_ended = open_ended
        FORMATS[name] = self

    def parse(self, data: bytes) -> T:
        """Return the value of exactly these bytes, or raise :class:`FormatError`."""
        stream = io.BytesIO(data)
        value = self._guard(lambda: self.definition.parse_stream(stream), stream)
        if stream.tell() != len(data):
            raise FormatError(
                self.name, "", stream.tell(), f"{len(data) - stream.tell()} trailing byte(s)"
            )
        return value  # type: ignore[no-any-return]

    def build(self, value: T) -> bytes:
        """Return the bytes of ``value``, or raise :class:`FormatError`."""
        return bytes(self._guard(lambda: self.definition.build(value), None))

    def _guard(self, action: Callable[[], Any], stream: io.BytesIO | None) -> Any:
        try:
            return action()
        except FormatError as error:
            raise FormatError(
                self.name, error.field, stream.tell() if stream else None, error.reason
            ) from error
        except construct.ConstructError as error:
            reason = str(error).splitlines()[-1].strip() or type(error).__name__
            raise FormatError(
                self.name, _field_of(error), stream.tell() if stream else None, reason
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            reason = f"{error}" or type(error).__name__
            raise FormatError(self.name, "", stream.tell() if stream else None, reason) from error


FORMATS: dict[str, WireFormat[Any]] = {}
"""Every declared format by name; filled when the modules of this package are imported."""


def _field_of(error: construct.ConstructError) -> str:
    path = getattr(error, "path", None) or ""
    return ".".join(part.strip() for part in path.split("->")[1:])


class Record(construct.Adapter):  # type: ignore[misc]
    """A Construct Struct whose value is a frozen dataclass with the same field names.

    Fields of the Struct that the dataclass does not have (constants, lengths) stay on the wire.
    """

    def __init__(self, cls: type[Any], *fields: Any) -> None:
        super().__init__(construct.Struct(*fields))
        self.cls = cls
        self.field_names = tuple(field.name for field in dataclasses.fields(cls))

    def _decode(self, obj: Any, context: Any, path: str) -> Any:
        return self.cls(**{name: obj[name] for name in self.field_names})

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        if not isinstance(obj, self.cls):
            raise construct.MappingError(
                f"expected {self.cls.__name__}, got {type(obj).__name__}", path=path
            )
        return {name: getattr(obj, name) for name in self.field_names}
