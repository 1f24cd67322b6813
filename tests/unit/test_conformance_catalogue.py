"""Requirements, purposes and mutants fit together, and the loader refuses what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.catalogue import CatalogueError, load_catalogue, read_requirements
from conformance.mutants import MutantError, load_table
from conformance.purposes import FAMILIES, PurposeError, purpose
from conformance.runner import SelectionError, run_campaign, select_purposes
from firmware_sim.faults import FAULTS

GOOD = '[REQ-X-01]\ntext = "t"\nmark = "ours"\nsource = "s"\nreference = "r"\n'


def test_there_are_enough_purposes_in_every_family() -> None:
    purposes = load_catalogue().purposes.values()
    assert len(purposes) >= 80
    assert {item.family for item in purposes} == set(FAMILIES)


def test_no_requirement_is_without_a_purpose() -> None:
    assert load_catalogue().untested() == []


def test_mutants_are_enough_and_name_what_exists() -> None:
    table = load_table()
    assert len(table) >= 30
    assert {FAULTS[name].scope for name in table} >= {"card", "phone", "fund"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[REQ-X-01]\n", "missing"),
        (GOOD + 'colour = "red"\n', "colour"),
        (GOOD.replace('"ours"', '"sure"'), "mark 'sure'"),
        (GOOD.replace("REQ-X-01", "R1"), "no requirement id"),
        (GOOD.replace('text = "t"', 'text = " "'), "says something"),
        ("[REQ-X-01\n", "x.toml"),
    ],
)
def test_a_bad_requirement_file_is_refused(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "x.toml"
    file.write_text(text)
    with pytest.raises(CatalogueError, match=says):
        read_requirements([file])


def test_a_requirement_declared_twice_is_refused(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(GOOD)
    with pytest.raises(CatalogueError, match="declared twice"):
        read_requirements([tmp_path / "a.toml", tmp_path / "b.toml"])


@pytest.mark.parametrize(
    ("id", "requirements"), [("TP-1", ["REQ-X-01"]), ("TP-X-001", []), ("TP-X-001", ["X"])]
)
def test_a_bad_purpose_is_refused(id: str, requirements: list[str]) -> None:
    with pytest.raises(PurposeError):
        purpose(id, version=1, title="t", requirements=requirements)


def test_selection_is_by_family_or_id() -> None:
    every = list(load_catalogue().purposes.values())
    assert {item.family for item in select_purposes(every, ["pin"])} == {"PIN"}
    assert [item.id for item in select_purposes(every, ["TP-SEL-001"])] == ["TP-SEL-001"]
    with pytest.raises(SelectionError, match="TP-NO-001"):
        select_purposes(every, ["TP-NO-001"])


def test_an_unknown_mutant_is_refused() -> None:
    from conformance.mutants import run_mutants

    with pytest.raises(MutantError, match="no-such-thing"):
        run_mutants(["no-such-thing"])


def test_an_unknown_reader_is_refused_before_anything_runs(tmp_path: Path) -> None:
    from reader_drivers.api import ReaderUrlError

    with pytest.raises(ReaderUrlError, match="bogus:"):
        run_campaign(["bogus:"], tmp_path)
    assert list(tmp_path.iterdir()) == []
