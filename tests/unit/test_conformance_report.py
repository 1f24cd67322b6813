"""The reports of a campaign: schema, escaping, JUnit, and files replaced whole."""

from __future__ import annotations

import dataclasses
import json
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from conformance.catalogue import Catalogue, Mark, Requirement
from conformance.purposes import Purpose
from conformance.report import ReportError, check_output_directory, html, write_report
from conformance.report.html import render_html, shorten_hex
from conformance.report.junit import render_junit
from conformance.report.master import render_json, report_data
from conformance.results import CampaignResult, NotApplicable, PurposeResult, ReaderInfo
from conformance.trace import Exchange
from conformance.verdicts import Judgement, Verdict

HOSTILE = "</script><script>alert('x')</script>&\"\x00\x1b[31m\ud800"
FILES = ["junit.xml", "report.html", "report.json"]
REQUIREMENTS = {
    f"REQ-PIN-0{n}": Requirement(f"REQ-PIN-0{n}", f"Says {n}.", Mark.OURS, "profile", f"{n}")
    for n in range(1, 4)
}


def purpose(number: int, title: str = "A wrong code counts down") -> Purpose:
    return Purpose(
        f"TP-PIN-{number:03}", 1, title, ("REQ-PIN-01",), "enrolled", frozenset(), lambda _: None
    )


def executed(number: int, judgement: Judgement, title: str = "A title") -> PurposeResult:
    trace = (
        Exchange("event", 0.0, 0.0, "card activated"),
        Exchange("apdu", 0.001, 0.002, "VERIFY", "002000800C****", "6F00" * 400, "9000", "OK", "x"),
        Exchange("plain", 0.003, 0.0, "VERIFY", "0020008000", "", "63C2", "2 tries left"),
    )
    return PurposeResult(purpose(number, title), "virtual:", judgement, 0.0123, trace)


@pytest.fixture
def catalogue() -> Catalogue:
    items = [purpose(n) for n in range(1, 6)]
    return Catalogue(REQUIREMENTS, {item.id: item for item in items})


@pytest.fixture
def result() -> CampaignResult:
    found = CampaignResult(whole=True, expected=5, started_at=1_800_000_000.4, duration=61.5)
    found.readers["virtual:"] = ReaderInfo("virtual:", "a reader", ("nfc",), "3B80")
    found.results = [
        executed(1, Judgement(Verdict.PASS)),
        executed(2, Judgement(Verdict.FAIL, "SW: expected 63C2, got 9000", "63C2", "9000")),
        executed(3, Judgement(Verdict.INCONC, "the code could not be blocked")),
        executed(4, Judgement(Verdict.ERROR, "RuntimeError: x")),
    ]
    found.not_applicable = [NotApplicable(purpose(5), "nfc:udp", "the reader does not offer: lcd")]
    found.bench_errors = ["TP-PIN-001 on virtual:: teardown"]
    return found


def hostile() -> CampaignResult:
    found = CampaignResult(whole=True, expected=1, bench_errors=[HOSTILE])
    found.readers["virtual:"] = ReaderInfo("virtual:", HOSTILE, (HOSTILE,), "")
    item = executed(1, Judgement(Verdict.FAIL, HOSTILE, HOSTILE, HOSTILE), title=HOSTILE)
    trace = (
        Exchange("event", 0.0, 0.0, HOSTILE),
        Exchange("apdu", 0.0, 0.0, HOSTILE, "", "", "6F00", HOSTILE, HOSTILE),
    )
    found.results = [dataclasses.replace(item, trace=trace)]
    found.not_applicable = [NotApplicable(purpose(2, HOSTILE), "virtual:", HOSTILE)]
    return found


def validate(data: Any) -> None:
    text = (resources.files("conformance.report") / "report.schema.json").read_text("utf-8")
    schema = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(data, schema, cls=jsonschema.Draft202012Validator)


class Tags(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name == "href" and (value or "").startswith("#"):
                self.targets.append((value or "")[1:])
            elif name in ("src", "href", "srcset", "action"):
                self.loaded.append(value or "")


def page(result: CampaignResult, catalogue: Catalogue) -> str:
    data = report_data(result, catalogue)
    return render_html(data, render_json(data)).decode()


def test_the_master_fits_its_schema(result: CampaignResult, catalogue: Catalogue) -> None:
    data = json.loads(render_json(report_data(result, catalogue)))
    validate(data)
    assert data["started_at"] == "2027-01-15T08:00:00Z"
    assert data["status"] == "not conformant"
    assert data["summary"]["verdicts"] == {"PASS": 1, "FAIL": 1, "INCONC": 1, "ERROR": 1}
    assert [reader["url"] for reader in data["readers"]] == ["virtual:", "nfc:udp"]
    assert data["results"][1]["trace"][1]["response"] == "6F00" * 400
    assert "not a certificate" in data["notice"][0]


def test_the_master_of_nothing_fits_its_schema(catalogue: Catalogue) -> None:
    data = report_data(CampaignResult(whole=True), catalogue)
    validate(data)
    assert (data["status"], data["status_reason"]) == ("incomplete", "Nothing was run.")


def test_the_schema_refuses_what_it_does_not_know(
    result: CampaignResult, catalogue: Catalogue
) -> None:
    data = report_data(result, catalogue)
    data["results"][0]["secret"] = "x"
    with pytest.raises(jsonschema.ValidationError, match="secret"):
        validate(data)


@pytest.mark.parametrize(
    ("whole", "expected", "reason"),
    [
        (False, 1, "Only a part of the catalogue was asked for."),
        (True, 3, "2 of 3 executions were not run."),
        (True, 1, "All 1 executions of the purposes that apply passed."),
    ],
)
def test_the_status_says_why(catalogue: Catalogue, whole: bool, expected: int, reason: str) -> None:
    found = CampaignResult(whole=whole, expected=expected)
    found.results = [executed(1, Judgement(Verdict.PASS))]
    assert report_data(found, catalogue)["status_reason"] == reason


def test_hostile_text_stays_text(catalogue: Catalogue) -> None:
    text = page(hostile(), catalogue)
    tags = Tags(text).tags
    assert tags.count("script") == 1
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    assert not {"\x00", "\x1b"} & set(text)
    validate(json.loads(render_json(report_data(hostile(), catalogue))))


def test_the_page_stands_alone(result: CampaignResult, catalogue: Catalogue) -> None:
    text = page(result, catalogue)
    parsed = Tags(text)
    assert parsed.loaded == []
    assert not {"img", "link", "iframe"} & set(parsed.tags)
    assert "@import" not in text and "url(" not in text
    assert len(set(parsed.ids)) == len(parsed.ids)
    assert set(parsed.targets) <= set(parsed.ids)


def test_the_page_puts_findings_first(result: CampaignResult, catalogue: Catalogue) -> None:
    text = page(result, catalogue)
    assert text.index("not a certificate") < text.index('id="summary"')
    assert text.index('id="findings"') < text.index('id="purposes"')
    assert text.index("finding FAIL") < text.index("finding ERROR") < text.index("finding INCONC")


def test_long_hexadecimal_is_cut_in_the_page(
    result: CampaignResult, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shorten_hex("AB" * 256, 256) == "AB" * 256
    assert shorten_hex("AB" * 257, 256) == "AB" * 256 + " … 257 bytes"
    full = page(result, catalogue)
    assert "… 800 bytes" in full
    monkeypatch.setattr(html, "MAX_SIZE", len(full.encode()) - 1)
    assert len(page(result, catalogue)) < len(full)


def test_junit_says_the_same(result: CampaignResult, catalogue: Catalogue) -> None:
    root = ET.fromstring(render_junit(report_data(result, catalogue)))
    assert [suite.get("name") for suite in root] == ["virtual:", "nfc:udp", "bench"]
    cases = [[child.tag for child in case] for case in root[0]]
    assert cases == [[], ["failure"], ["error"], ["error"]]
    skipped = root[1].find("testcase/skipped")
    assert skipped is not None
    assert skipped.get("message") == "not applicable: the reader does not offer: lcd"
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "7",
        "failures": "1",
        "errors": "4",
        "skipped": "1",
    }


def test_junit_of_a_complete_campaign_has_no_bench_suite(catalogue: Catalogue) -> None:
    found = CampaignResult(whole=True, expected=1, results=[executed(1, Judgement(Verdict.PASS))])
    root = ET.fromstring(render_junit(report_data(found, catalogue)))
    assert [suite.get("name") for suite in root] == ["virtual:"]
    assert root.get("errors") == "0"


def test_junit_carries_hostile_text(catalogue: Catalogue) -> None:
    failure = ET.fromstring(render_junit(report_data(hostile(), catalogue))).find(".//failure")
    assert failure is not None
    assert failure.text == "</script><script>alert('x')</script>&\"[31m"


def test_files_are_replaced_whole(
    result: CampaignResult, catalogue: Catalogue, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "folder"
    write_report(result, out, catalogue=catalogue)
    first = {name: (out / name).read_bytes() for name in FILES}
    assert sorted(file.name for file in out.iterdir()) == FILES
    inodes = [(out / name).stat().st_ino for name in FILES]
    write_report(result, out, catalogue=catalogue)
    assert {name: (out / name).read_bytes() for name in FILES} == first
    assert inodes != [(out / name).stat().st_ino for name in FILES]
    assert sorted(file.name for file in out.iterdir()) == FILES


def test_a_failed_write_leaves_the_old_files(
    result: CampaignResult,
    catalogue: Catalogue,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_report(result, tmp_path, catalogue=catalogue)
    before = {name: (tmp_path / name).read_bytes() for name in FILES}

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("conformance.report.os.fsync", full)
    result.bench_errors.append("another")
    with pytest.raises(ReportError, match="No space left on device"):
        write_report(result, tmp_path, catalogue=catalogue)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_directory_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("")
    for path in (occupied, occupied / "below"):
        with pytest.raises(ReportError) as caught:
            check_output_directory(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_usable_directory_is_created_and_left_empty(tmp_path: Path) -> None:
    check_output_directory(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
