"""JUnit XML for continuous integration: one suite a reader, one case a purpose."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(data: dict[str, Any]) -> str:
    """The document, from the master."""
    root = ET.Element("testsuites", name="vitale-bench", time=str(data["duration_s"]))
    readers = [reader["url"] for reader in data["readers"]]
    for url in readers:
        _suite(root, url, data)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(root: ET.Element, url: str, data: dict[str, Any]) -> None:
    results = [item for item in data["results"] if item["reader"] == url]
    skipped = [item for item in data["not_applicable"] if item["reader"] == url]
    counts = {name: sum(item["verdict"] == name for item in results) for name in ("PASS", "FAIL")}
    suite = ET.SubElement(
        root,
        "testsuite",
        name=url,
        tests=str(len(results) + len(skipped)),
        failures=str(counts["FAIL"]),
        errors=str(len(results) - counts["PASS"] - counts["FAIL"]),
        skipped=str(len(skipped)),
        timestamp=data["started_at"],
    )
    for item in results:
        case = _case(suite, item, str(item["duration_s"]))
        if item["verdict"] != "PASS":
            tag = "failure" if item["verdict"] == "FAIL" else "error"
            ET.SubElement(case, tag, type=item["verdict"], message=_clean(item["reason"]))
    for item in skipped:
        ET.SubElement(_case(suite, item, "0"), "skipped", message=_clean(item["reason"]))


def _case(suite: ET.Element, item: dict[str, Any], seconds: str) -> ET.Element:
    return ET.SubElement(
        suite,
        "testcase",
        classname=item["family"],
        name=_clean(f"{item['id']} v{item['version']}: {item['title']}"),
        time=seconds,
    )


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
