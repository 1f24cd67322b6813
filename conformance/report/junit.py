"""JUnit XML of a campaign, for whatever shows test results and understands nothing else."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters XML 1.0 cannot carry, not even escaped."""

BENCH_SUITE = "bench"
"""Suite of what went wrong with no purpose to blame; there only when something did."""


def render_junit(data: dict[str, Any]) -> bytes:
    """The JUnit file for the data of :func:`conformance.report.master.report_data`.

    One suite per reader: FAIL is a failure, ERROR and INCONC are errors, not applicable is
    skipped. What kept the campaign from being complete is an error too, so that no file is green
    that the status does not bear out.
    """
    root = ET.Element("testsuites", name=_clean(data["tool"]["name"]))
    for reader in data["readers"]:
        root.append(_reader_suite(data, reader["url"]))
    if troubles := _troubles(data):
        cases = [_case(BENCH_SUITE, name, 0.0, "error", text) for name, text in troubles]
        root.append(_suite(data, BENCH_SUITE, cases))
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    root.set("time", f"{data['duration']:.3f}")
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _reader_suite(data: dict[str, Any], url: str) -> ET.Element:
    cases = []
    for item in data["results"]:
        if item["reader"] == url:
            outcome = {"PASS": "", "FAIL": "failure"}.get(item["verdict"], "error")
            case = _case(
                f"{url}/{item['family']}",
                f"{item['purpose']} {item['title']}",
                item["duration"],
                outcome,
                item["reason"],
                item["verdict"],
            )
            cases.append(case)
    for item in data["not_applicable"]:
        if item["reader"] == url:
            name = f"{item['purpose']} {item['title']}"
            reason = f"not applicable: {item['reason']}"
            cases.append(_case(f"{url}/{item['family']}", name, 0.0, "skipped", reason))
    return _suite(data, url, cases)


def _suite(data: dict[str, Any], name: str, cases: list[ET.Element]) -> ET.Element:
    suite = ET.Element("testsuite", name=_clean(name), timestamp=data["started_at"])
    suite.extend(cases)
    suite.set("tests", str(len(cases)))
    for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(key, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")
    return suite


def _case(
    classname: str, name: str, duration: float, outcome: str, reason: str, kind: str = ""
) -> ET.Element:
    case = ET.Element(
        "testcase", classname=_clean(classname), name=_clean(name), time=f"{duration:.3f}"
    )
    if outcome:
        said = ET.SubElement(case, outcome, message=_clean(reason))
        if kind:
            said.set("type", kind)
        if outcome != "skipped":
            said.text = _clean(reason)
    return case


def _troubles(data: dict[str, Any]) -> list[tuple[str, str]]:
    troubles = [("bench error", text) for text in data["bench_errors"]]
    summary = data["summary"]
    if summary["executed"] != summary["expected"] or not summary["executed"]:
        planned = f"{summary['executed']} of {summary['expected']} executions were run"
        troubles.append(("campaign complete", planned))
    return troubles


def _clean(text: str) -> str:
    return _NOT_XML.sub("", text)
