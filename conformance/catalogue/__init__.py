"""The requirement catalogue: data files, their loader, and the check against the purposes."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from importlib.resources.abc import Traversable

from conformance.purposes import REQUIREMENT_ID, Purpose, load_purposes


class CatalogueError(ValueError):
    """A requirement file cannot be used. The message names the file and what to change."""


class Mark(enum.StrEnum):
    """How sure a requirement's source is."""

    CONFIRMED = "C"
    """The named source says so."""
    WEAK = "W"
    """Press, one company, one repository."""
    NOT_FOUND = "NF"
    """Looked for, not public: what stands here is an assumption."""
    OURS = "ours"
    """A decision of the fictitious profile."""
    STANDARD = "standard"
    """A published standard says so."""


@dataclasses.dataclass(frozen=True)
class Requirement:
    """One requirement: ``source`` is the document, ``reference`` the place in it."""

    id: str
    text: str
    mark: Mark
    source: str
    reference: str


_KEYS = {"text", "mark", "source", "reference"}


def _requirement(name: str, values: object, file: str) -> Requirement:
    if not REQUIREMENT_ID.fullmatch(name):
        raise CatalogueError(f"{file}: {name!r} is no requirement id (REQ-PIN-03)")
    if not isinstance(values, dict) or set(values) != _KEYS:
        keys = set(values) if isinstance(values, dict) else set()
        raise CatalogueError(
            f"{file}: {name} must have exactly {', '.join(sorted(_KEYS))}"
            f" (unknown: {sorted(keys - _KEYS)}, missing: {sorted(_KEYS - keys)})"
        )
    if not all(isinstance(value, str) and value.strip() for value in values.values()):
        raise CatalogueError(f"{file}: {name}: every value must be a text that says something")
    try:
        mark = Mark(values["mark"])
    except ValueError:
        raise CatalogueError(
            f"{file}: {name}: mark {values['mark']!r} is none of {', '.join(Mark)}"
        ) from None
    return Requirement(name, values["text"], mark, values["source"], values["reference"])


def read_requirements(files: Iterable[Traversable]) -> dict[str, Requirement]:
    """Requirements of these TOML files by id.

    Raises:
        CatalogueError: no TOML, unknown or missing key, bad mark, an id used twice.
    """
    found: dict[str, Requirement] = {}
    for file in files:
        try:
            tables = tomllib.loads(file.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise CatalogueError(f"{file.name}: {error}") from error
        for name, values in tables.items():
            if name in found:
                raise CatalogueError(f"{file.name}: {name} is declared twice")
            found[name] = _requirement(name, values, file.name)
    return found


def load_requirements() -> dict[str, Requirement]:
    """The requirements of this suite by id."""
    directory = resources.files(__package__) / "requirements"
    files = sorted(
        (item for item in directory.iterdir() if item.name.endswith(".toml")),
        key=lambda item: item.name,
    )
    return read_requirements(files)


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """Requirements and purposes that fit together."""

    requirements: Mapping[str, Requirement]
    purposes: Mapping[str, Purpose]

    def untested(self) -> list[str]:
        """Requirements no purpose names."""
        named = {name for item in self.purposes.values() for name in item.requirements}
        return [name for name in self.requirements if name not in named]

    def unknown(self) -> list[tuple[str, str]]:
        """(purpose, requirement it names that does not exist)."""
        return [
            (item.id, name)
            for item in self.purposes.values()
            for name in item.requirements
            if name not in self.requirements
        ]

    def purposes_of(self, requirement: str) -> list[str]:
        """Ids of the purposes that name the requirement."""
        return [item.id for item in self.purposes.values() if requirement in item.requirements]

    def as_data(self) -> dict[str, object]:
        """JSON-able form, also what :meth:`digest` covers."""
        return {
            "requirements": [
                {**dataclasses.asdict(item), "mark": item.mark.value}
                for item in self.requirements.values()
            ],
            "purposes": [
                {
                    "id": item.id,
                    "version": item.version,
                    "family": item.family,
                    "title": item.title,
                    "requirements": list(item.requirements),
                    "preconditions": item.preconditions,
                    "needs": sorted(item.needs),
                }
                for item in self.purposes.values()
            ],
        }

    def digest(self) -> str:
        """SHA-256 of the catalogue: two reports with the same digest tested the same things."""
        text = json.dumps(self.as_data(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def load_catalogue() -> Catalogue:
    """The whole catalogue, without running anything.

    Raises:
        CatalogueError: a purpose names a requirement that does not exist.
    """
    catalogue = Catalogue(load_requirements(), load_purposes())
    for purpose_id, name in catalogue.unknown():
        raise CatalogueError(f"{purpose_id} names {name}, which is in no requirement file")
    return catalogue
