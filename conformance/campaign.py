"""One campaign inside a pytest session: purposes crossed with readers, judged and collected."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from typing import Any, Protocol, cast

import pytest

from conformance.bench import Bench
from conformance.purposes import Purpose, purpose_of, sort_key
from conformance.readers import Device, features_of, open_device
from conformance.results import CampaignResult, NotApplicable, PurposeResult, ReaderInfo
from conformance.verdicts import Judgement, Verdict, judge
from firmware_sim.faults.catalogue import Fault


class Listener(Protocol):
    """Told how a campaign goes on, for progress bars."""

    def planned(self, total: int) -> None:
        """So many purposes will be run, readers counted."""
        ...

    def finished(self, result: PurposeResult) -> None:
        """One has been."""
        ...


class Campaign:
    """The hooks and fixtures of one campaign.

    Args:
        readers: URLs of the readers, each once.
        listener: told of progress.
        whole: every purpose of the catalogue is asked for.
        faults: planted in everything the bench makes; none in earnest.
    """

    def __init__(
        self,
        readers: Sequence[str],
        listener: Listener | None = None,
        *,
        whole: bool = False,
        faults: Sequence[Fault] = (),
    ) -> None:
        self.readers = tuple(readers)
        self.listener = listener
        self.faults = tuple(faults)
        self.result = CampaignResult(whole=whole, mutants=tuple(fault.id for fault in faults))
        self._started = time.perf_counter()
        self._benches: dict[str, Bench] = {}

    # --- what is run ----------------------------------------------------------------------

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if purpose_of(metafunc.function) is not None:
            metafunc.parametrize("device", self.readers, indirect=True, scope="session")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        features = {url: features_of(url) for url in self.readers}
        kept: list[pytest.Item] = []
        dropped: list[pytest.Item] = []
        for item in items:
            purpose = _purpose(item)
            reason = purpose.why_not(features[_reader(item)]) if purpose else ""
            if purpose and reason:
                self.result.not_applicable.append(NotApplicable(purpose, _reader(item), reason))
                dropped.append(item)
            else:
                kept.append(item)
        items[:] = sorted(kept, key=self._place)
        if dropped:
            config.hook.pytest_deselected(items=dropped)
        self.result.expected = sum(_purpose(item) is not None for item in kept)
        if self.listener:
            self.listener.planned(self.result.expected)

    def _place(self, item: pytest.Item) -> tuple[int, int, str]:
        """Reader by reader, family by family; what is not ours first and as it was."""
        purpose = _purpose(item)
        return (self.readers.index(_reader(item)), *sort_key(purpose)) if purpose else (-1, 0, "")

    # --- with what ------------------------------------------------------------------------

    @pytest.fixture(scope="session")
    def device(self, request: pytest.FixtureRequest) -> Iterator[Device]:
        """The reader under test, open for the whole session."""
        opened = open_device(cast(str, request.param))
        yield opened
        opened.close()

    @pytest.fixture
    def bench(self, device: Device, request: pytest.FixtureRequest) -> Iterator[Bench]:
        """The bench of one purpose."""
        made = self._benches[request.node.nodeid] = Bench(device, self.faults)
        yield made
        made.close()

    # --- what came of it ------------------------------------------------------------------

    def pytest_sessionstart(self) -> None:
        self.begin()

    def begin(self) -> None:
        """The campaign begins now."""
        self.result.started_at = time.time()
        self._started = time.perf_counter()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        purpose = _purpose(item)
        if purpose is None:
            return report
        error = call.excinfo.value if call.excinfo else None
        if call.when == "call":
            self._record(item, purpose, judge(error), call.duration)
        elif error is not None:
            text = f"{call.when}: {type(error).__name__}: {error}"
            if call.when == "setup":
                self._record(item, purpose, Judgement(Verdict.ERROR, text), call.duration)
            else:
                # The verdict stands; cleaning up after it failed.
                self.result.bench_errors.append(f"{purpose.id} on {_reader(item)}, {text}")
        if call.when == "teardown":
            self._benches.pop(item.nodeid, None)
        return report

    def _record(
        self, item: pytest.Item, purpose: Purpose, judgement: Judgement, duration: float
    ) -> None:
        url = _reader(item)
        made = self._benches.get(item.nodeid)
        trace = tuple(made.trace.exchanges) if made else ()
        result = PurposeResult(purpose, url, judgement, duration, trace)
        self.result.results.append(result)
        if made is not None:
            self._describe_reader(url, made)
        if self.listener:
            self.listener.finished(result)

    def _describe_reader(self, url: str, made: Bench) -> None:
        known = self.result.readers.get(url)
        if known is None or not known.atr:
            self.result.readers[url] = ReaderInfo(
                url,
                made.device.reader.description,
                tuple(sorted(made.device.features)),
                made.reader.last_atr.hex().upper(),
            )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.result.bench_errors.append(f"{report.nodeid}: {report.longreprtext}")

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.result.bench_errors.append(f"pytest: {excinfo.exconly()}")

    def pytest_sessionfinish(self) -> None:
        self.result.duration = time.perf_counter() - self._started
        self._benches.clear()


def _purpose(item: pytest.Item) -> Purpose | None:
    return purpose_of(getattr(item, "function", None))


def _reader(item: pytest.Item) -> str:
    return str(cast(Any, item).callspec.params["device"])
