"""The pytest plugin: crosses test purposes with readers, judges, and collects results.

It does nothing in a session that has no test purpose and none of its options.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Protocol, cast

import pytest

from conformance.bench import Bench
from conformance.purposes import Purpose, purpose_of, sort_key
from conformance.readers import Device, check_reader_url, features_of, open_device
from conformance.results import CampaignResult, NotApplicable, PurposeResult, ReaderInfo
from conformance.verdicts import Judgement, Verdict, judge
from reader_drivers.api import ReaderError

DEFAULT_READERS = ("virtual:",)


class Listener(Protocol):
    """Told how a campaign goes on, for progress bars."""

    def planned(self, total: int) -> None:
        """So many purposes will be run, readers counted."""
        ...

    def finished(self, result: PurposeResult) -> None:
        """One has been."""
        ...


class Campaign:
    """The state of one campaign inside a pytest session."""

    def __init__(self, readers: tuple[str, ...], listener: Listener | None, whole: bool) -> None:
        self.readers = readers
        self.listener = listener
        self.result = CampaignResult(whole=whole)
        self.benches: dict[str, Bench] = {}


CAMPAIGN = pytest.StashKey[Campaign]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("vitale-bench", "conformance of e-carte readers")
    group.addoption(
        "--reader",
        action="append",
        default=[],
        metavar="URL",
        help="reader to run the test purposes on; repeatable (virtual:, nfc:udp)",
    )
    group.addoption(
        "--campaign-out",
        metavar="DIR",
        help="write report.json, report.html and junit.xml there",
    )


def pytest_configure(config: pytest.Config) -> None:
    readers = tuple(dict.fromkeys(config.getoption("reader"))) or DEFAULT_READERS
    for url in readers:
        try:
            check_reader_url(url)
        except ReaderError as error:
            raise pytest.UsageError(str(error)) from None
    if CAMPAIGN not in config.stash:
        config.stash[CAMPAIGN] = Campaign(readers, None, whole=False)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if purpose_of(metafunc.function) is not None:
        campaign = metafunc.config.stash[CAMPAIGN]
        metafunc.parametrize("device", campaign.readers, indirect=True, scope="session")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    campaign = config.stash[CAMPAIGN]
    if not any(_purpose(item) for item in items):
        return
    features = {url: features_of(url) for url in campaign.readers}
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        purpose = _purpose(item)
        reason = purpose.why_not(features[_reader(item)]) if purpose else ""
        if purpose and reason:
            campaign.result.not_applicable.append(NotApplicable(purpose, _reader(item), reason))
            dropped.append(item)
        else:
            kept.append(item)
    order = {url: number for number, url in enumerate(campaign.readers)}

    def place(item: pytest.Item) -> tuple[int, int, str]:
        purpose = _purpose(item)
        return (order[_reader(item)], *sort_key(purpose)) if purpose else (-1, 0, "")

    items[:] = sorted(kept, key=place)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
    campaign.result.expected = sum(_purpose(item) is not None for item in kept)
    if campaign.listener:
        campaign.listener.planned(campaign.result.expected)


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.stash[CAMPAIGN].result.started_at = time.time()


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """The reader under test, open for the whole session."""
    opened = open_device(cast(str, request.param))
    yield opened
    opened.close()


@pytest.fixture
def bench(device: Device, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """The bench of one purpose."""
    made = Bench(device)
    campaign = request.config.stash[CAMPAIGN]
    campaign.benches[request.node.nodeid] = made
    yield made
    made.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    purpose = _purpose(item)
    if purpose is None:
        return report
    campaign = item.config.stash[CAMPAIGN]
    error = call.excinfo.value if call.excinfo else None
    if call.when == "call":
        judgement = judge(error)
    elif error is not None:
        judgement = Judgement(Verdict.ERROR, f"{call.when}: {type(error).__name__}: {error}")
    else:
        return report
    _record(campaign, item, purpose, judgement, call.duration)
    return report


def _record(
    campaign: Campaign, item: pytest.Item, purpose: Purpose, judgement: Judgement, duration: float
) -> None:
    url = _reader(item)
    made = campaign.benches.get(item.nodeid)
    if judgement.verdict is Verdict.ERROR and any(
        result.purpose == purpose and result.reader == url for result in campaign.result.results
    ):
        # The verdict stands; cleaning up after it failed.
        campaign.result.bench_errors.append(f"{purpose.id} on {url}: {judgement.reason}")
        return
    trace = tuple(made.trace.exchanges) if made else ()
    result = PurposeResult(purpose, url, judgement, duration, trace)
    campaign.result.results.append(result)
    if made is not None:
        _describe_reader(campaign, url, made)
    if campaign.listener:
        campaign.listener.finished(result)


def _describe_reader(campaign: Campaign, url: str, made: Bench) -> None:
    known = campaign.result.readers.get(url)
    if known is None or not known.atr:
        campaign.result.readers[url] = ReaderInfo(
            url,
            made.device.reader.description,
            tuple(sorted(made.device.features)),
            made.reader.last_atr.hex().upper(),
        )


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed and _COLLECTING:
        _COLLECTING[-1].result.bench_errors.append(f"{report.nodeid}: {report.longreprtext}")


_COLLECTING: list[Campaign] = []
# pytest_collectreport is given no config; the session that collects is the last one begun.


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    _COLLECTING.append(session.config.stash[CAMPAIGN])


def pytest_sessionfinish(session: pytest.Session) -> None:
    campaign = session.config.stash[CAMPAIGN]
    if _COLLECTING and _COLLECTING[-1] is campaign:
        _COLLECTING.pop()
    campaign.result.duration = time.time() - campaign.result.started_at
    campaign.benches.clear()
    out = session.config.getoption("campaign_out")
    if out and campaign.result.results:
        from conformance.report import write_report

        write_report(campaign.result, Path(out))


def _purpose(item: pytest.Item) -> Purpose | None:
    return purpose_of(getattr(item, "function", None))


def _reader(item: pytest.Item) -> str:
    return str(cast(Any, item).callspec.params["device"])
