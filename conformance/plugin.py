"""The pytest plugin: ``pytest --reader URL --campaign-out DIR`` on files of scenarios.

pytest loads it into every session of an environment it is installed in. It is therefore no more
than a doorkeeper: the campaign is loaded when one of its options is given or a scenario is met.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conformance.purposes import purpose_of

if TYPE_CHECKING:
    from conformance.campaign import Campaign
    from firmware_sim.faults.catalogue import Fault

NAME = "vitale-bench-campaign"
"""Under which the campaign of a session is registered with pytest."""

DEFAULT_READERS = ("virtual:",)
_READERS, _OUT, _MUTANTS = "vitale_readers", "vitale_out", "vitale_mutants"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("vitale-bench", "conformance of e-carte readers")
    group.addoption(
        "--reader",
        dest=_READERS,
        action="append",
        default=[],
        metavar="URL",
        help="reader to run the test purposes on; repeatable [virtual:]",
    )
    group.addoption(
        "--campaign-out",
        dest=_OUT,
        metavar="DIR",
        help="write report.json, report.html and junit.xml there",
    )
    group.addoption(
        "--mutant",
        dest=_MUTANTS,
        action="append",
        default=[],
        metavar="ID",
        help="plant this fault in card, phone, link or fund; repeatable",
    )


def pytest_configure(config: pytest.Config) -> None:
    if any(config.getoption(name) for name in (_READERS, _OUT, _MUTANTS)):
        campaign_of(config)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, obj: object) -> None:
    if purpose_of(obj) is not None:
        campaign_of(collector.config)


def campaign_of(config: pytest.Config) -> Campaign:
    """The campaign of this session, begun as the options say if there is none yet.

    Raises:
        pytest.UsageError: an option names what does not exist or cannot be used.
    """
    from conformance.campaign import Campaign

    known = config.pluginmanager.get_plugin(NAME)
    if isinstance(known, Campaign):
        return known
    readers = tuple(dict.fromkeys(config.getoption(_READERS))) or DEFAULT_READERS
    campaign = Campaign(readers, faults=_faults(config.getoption(_MUTANTS)))
    _check(readers, config)
    config.pluginmanager.register(campaign, NAME)
    campaign.begin()
    return campaign


def _faults(names: list[str]) -> list[Fault]:
    from firmware_sim.faults import FAULTS

    if unknown := [name for name in names if name not in FAULTS]:
        raise pytest.UsageError(f"--mutant: there is no fault {', '.join(unknown)}")
    return [FAULTS[name] for name in names]


def _check(readers: tuple[str, ...], config: pytest.Config) -> None:
    from conformance.readers import check_reader_url
    from conformance.report import ReportError, check_output_directory
    from reader_drivers.api import ReaderError

    out = config.getoption(_OUT)
    if out and config.getoption("numprocesses", None):
        raise pytest.UsageError("--campaign-out: a campaign is run by one process, without -n")
    try:
        for url in readers:
            check_reader_url(url)
        if out:
            check_output_directory(Path(out))
    except (ReaderError, ReportError) as error:
        raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    out = session.config.getoption(_OUT)
    if not out:
        return
    from conformance.report import ReportError, write_report

    try:
        write_report(campaign_of(session.config).result, Path(out))
    except ReportError as error:
        raise pytest.UsageError(str(error)) from None
