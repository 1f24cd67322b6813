"""A campaign from end to end: verdicts, files, status; and a session that is not ours."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from conformance.exit_codes import ExitCode
from conformance.mutants import run_mutants, unproved
from conformance.purposes import Purpose
from conformance.report import ReportError, write_report
from conformance.results import CampaignResult, PurposeResult, Status
from conformance.runner import run_campaign
from conformance.trace import Exchange
from conformance.verdicts import Failure, Inconclusive, Judgement, Verdict, judge

HOSTILE = '<script>alert("x")</script>\x07'


def schema() -> dict[str, object]:
    text = (resources.files("conformance.report") / "report.schema.json").read_text()
    return dict(json.loads(text))


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CampaignResult, Path]]:
    out = tmp_path_factory.mktemp("campaign")
    return run_campaign(["virtual:", "nfc:udp"], out, select=["SEL", "TP-PIN-002"]), out


def test_every_selected_purpose_runs_on_every_reader(
    campaign: tuple[CampaignResult, Path],
) -> None:
    result, _ = campaign
    by_reader = {
        url: {item.purpose.id for item in result.results if item.reader == url}
        for url in ("virtual:", "nfc:udp")
    }
    assert by_reader["virtual:"] == by_reader["nfc:udp"]
    assert len(by_reader["virtual:"]) >= 15
    assert [f"{r.purpose.id} {r.judgement}" for r in result.results if r.verdict != "PASS"] == []


def test_a_part_of_the_catalogue_is_never_conformant(
    campaign: tuple[CampaignResult, Path],
) -> None:
    result, _ = campaign
    assert result.status is Status.INCOMPLETE
    assert result.exit_code is ExitCode.PASSED


def test_the_json_report_fits_its_schema(campaign: tuple[CampaignResult, Path]) -> None:
    _, out = campaign
    data = json.loads((out / "report.json").read_text())
    jsonschema.validate(data, schema(), cls=jsonschema.Draft202012Validator)
    assert all(item["trace"] for item in data["results"])


def test_no_code_and_no_key_is_in_the_report(campaign: tuple[CampaignResult, Path]) -> None:
    _, out = campaign
    text = (out / "report.json").read_text() + (out / "report.html").read_text()
    assert "26135790" not in text
    assert "26000000FF" not in text
    assert "PRIVATE KEY" not in text


def test_junit_has_a_suite_a_reader(campaign: tuple[CampaignResult, Path]) -> None:
    _, out = campaign
    suites = ET.parse(out / "junit.xml").getroot().findall("testsuite")
    assert [suite.get("name") for suite in suites] == ["virtual:", "nfc:udp"]
    assert all(int(suite.get("tests", 0)) >= 15 for suite in suites)


def made(verdict: Verdict) -> PurposeResult:
    item = Purpose("TP-SEL-001", 1, HOSTILE, ("REQ-SEL-01",), HOSTILE, frozenset(), print)
    trace = (Exchange("apdu", 0.0, 0.001, HOSTILE, "00A4", "6F", "9000", HOSTILE, HOSTILE),)
    return PurposeResult(item, "virtual:", Judgement(verdict, HOSTILE, "a", "b"), 0.1, trace)


@pytest.mark.parametrize(
    ("verdicts", "expected", "whole", "status", "code"),
    [
        (["PASS", "PASS"], 2, True, Status.CONFORMANT, ExitCode.PASSED),
        (["PASS"], 2, True, Status.INCOMPLETE, ExitCode.BENCH),
        (["PASS", "PASS"], 2, False, Status.INCOMPLETE, ExitCode.PASSED),
        (["PASS", "FAIL"], 2, True, Status.NOT_CONFORMANT, ExitCode.FAILED),
        (["PASS", "INCONC"], 2, True, Status.INCOMPLETE, ExitCode.BENCH),
        (["PASS", "ERROR"], 2, True, Status.INCOMPLETE, ExitCode.BENCH),
        ([], 0, True, Status.INCOMPLETE, ExitCode.BENCH),
    ],
)
def test_status_and_exit_code(
    verdicts: list[str], expected: int, whole: bool, status: Status, code: ExitCode
) -> None:
    result = CampaignResult(whole, expected, results=[made(Verdict(name)) for name in verdicts])
    assert (result.status, result.exit_code) == (status, code)


def test_hostile_text_is_escaped_everywhere(tmp_path: Path) -> None:
    result = CampaignResult(True, 4, results=[made(verdict) for verdict in Verdict])
    write_report(result, tmp_path)
    assert "<script>alert" not in (tmp_path / "report.html").read_text()
    ET.parse(tmp_path / "junit.xml")
    jsonschema.validate(json.loads((tmp_path / "report.json").read_text()), schema())


def test_an_unwritable_folder_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="cannot write reports"):
        run_campaign(["virtual:"], tmp_path / "file", select=["TP-SEL-001"])


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (None, Verdict.PASS),
        (Failure("x", "a", "b"), Verdict.FAIL),
        (AssertionError("x"), Verdict.FAIL),
        (Inconclusive("x"), Verdict.INCONC),
        (OSError("x"), Verdict.ERROR),
    ],
)
def test_judgement(error: Exception | None, verdict: Verdict) -> None:
    assert judge(error).verdict is verdict


def test_a_mutant_is_killed_and_a_sound_card_is_not() -> None:
    (result,) = run_mutants(["pin-fourth-try"])
    assert result.killed_by == ["TP-PIN-002"]
    assert not result.survived
    assert unproved([result], ["TP-PIN-002", "TP-PIN-001"]) == ["TP-PIN-001"]


def test_a_foreign_pytest_session_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "test_foreign.py").write_text("def test_it():\n    assert 1 + 1 == 2\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_pytest_itself_runs_the_scenarios(tmp_path: Path) -> None:
    scenarios = str(resources.files("conformance") / "scenarios" / "test_selection.py")
    ini = str(resources.files("conformance") / "campaign.ini")
    out = tmp_path / "out"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-c", ini, scenarios, "-k", "sel_001"),
            *("-p", "no:cacheprovider", "--reader", "virtual:", "--campaign-out", str(out)),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert json.loads((out / "report.json").read_text())["summary"]["verdicts"]["PASS"] == 1


def test_an_unknown_reader_ends_a_pytest_session_with_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--reader", "bogus:"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "bogus:" in done.stderr
    assert "Traceback" not in done.stderr
