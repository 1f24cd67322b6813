"""Runs a campaign: pytest, in this process, on the scenarios of this package and no more."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

import pytest

from conformance import plugin
from conformance.campaign import Campaign, Listener
from conformance.catalogue import load_catalogue
from conformance.purposes import Purpose, PurposeError, purpose_of
from conformance.readers import check_reader_url
from conformance.report import check_output_directory, write_report
from conformance.results import CampaignResult


class SelectionError(ValueError):
    """What was asked for is not in the catalogue."""


def select_purposes(purposes: Sequence[Purpose], wanted: Sequence[str]) -> list[Purpose]:
    """The purposes named by id or family; all when nothing is named.

    Raises:
        SelectionError: a name is neither.
    """
    names = {name.upper() for name in wanted}
    known = {item.id for item in purposes} | {item.family for item in purposes}
    if unknown := sorted(names - known):
        families = ", ".join(dict.fromkeys(item.family for item in purposes))
        raise SelectionError(
            f"{', '.join(unknown)}: no such test purpose or family (families: {families})"
        )
    return [item for item in purposes if not names or names & {item.id, item.family}]


class _Choice:
    """Keeps the chosen purposes of a pytest session, and hands it its campaign."""

    def __init__(self, chosen: Sequence[Purpose], campaign: Campaign) -> None:
        self._ids = {item.id for item in chosen}
        self._campaign = campaign

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.register(self._campaign, plugin.NAME)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [
            item
            for item in items
            if (purpose := purpose_of(getattr(item, "function", None))) and purpose.id in self._ids
        ]


def run_campaign(
    readers: Sequence[str],
    out: Path | None = None,
    *,
    select: Sequence[str] = (),
    listener: Listener | None = None,
) -> CampaignResult:
    """Run the purposes on every reader, write the reports to ``out``.

    Raises:
        ReaderUrlError: a reader the bench cannot run on.
        SelectionError: ``select`` names what is not there.
        CatalogueError, PurposeError: the suite itself is wrong.
        ReportError: ``out`` cannot be written.
    """
    for url in readers:
        check_reader_url(url)
    if out is not None:
        check_output_directory(out)
    chosen = select_purposes(list(load_catalogue().purposes.values()), select)
    if not chosen:
        raise PurposeError("the suite has no test purpose")
    campaign = Campaign(tuple(dict.fromkeys(readers)), listener, whole=not select)
    _run_pytest(_Choice(chosen, campaign))
    if out is not None:
        write_report(campaign.result, out)
    return campaign.result


def _run_pytest(choice: _Choice) -> None:
    with resources.as_file(resources.files("conformance")) as package, _own_environment():
        pytest.main(
            [
                str(package / "scenarios"),
                f"--rootdir={package}",
                f"-c={package / 'campaign.ini'}",
                "-p",
                "no:terminal",
                "-p",
                "no:cacheprovider",
            ],
            plugins=[plugin, choice],
        )


@contextlib.contextmanager
def _own_environment() -> Iterator[None]:
    """No plugin but ours: others cost start-up time and may change what a run means."""
    changed = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", "PYTEST_PLUGINS": ""}
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
