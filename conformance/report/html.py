"""The report as one HTML file that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

import base64
import datetime
import functools
import hashlib
import re
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from conformance.purposes import FAMILIES

MAX_SIZE = 6_000_000
"""A file a mail and a phone still take; traces are shortened further to stay below."""

_HEX_LIMITS = (256, 64, 16)
"""Bytes of a command or an answer shown; the next one when the file gets too big."""

_MANY = 10
"""More findings than this are not unfolded from the start."""

_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")

_FINDINGS = ("FAIL", "ERROR", "INCONC")
"""Worst first."""

FAMILY_NAMES = {
    "SEL": "Selection",
    "APDU": "Commands",
    "SCP": "Secure channel",
    "PIN": "Secret code",
    "EXPIRY": "Validity",
    "DELEGATION": "Delegation",
    "OPPOSITION": "Opposition",
    "DATA": "Data",
    "SIGNATURE": "Signatures",
    "QR": "QR code",
}

MARKS = {
    "C": "confirmed by the named source",
    "W": "weak source: press, one company, one repository",
    "NF": "not found in public: an assumption",
    "ours": "decision of the fictitious profile",
    "standard": "published standard",
}


def render_html(data: dict[str, Any], master: bytes) -> bytes:
    """The HTML report for the data of :func:`conformance.report.master.report_data`.

    Args:
        data: the master.
        master: the master as written; its digest ties the two files together.
    """
    digest = hashlib.sha256(master).hexdigest()
    page = b""
    for limit in _HEX_LIMITS:
        page = _render(data, digest, limit)
        if len(page) < MAX_SIZE:
            break
    return page


def _render(data: dict[str, Any], digest: str, limit: int) -> bytes:
    script = _asset("report.js")
    results = [{**item, "anchor": f"r{n}"} for n, item in enumerate(data["results"], 1)]
    findings = [item for word in _FINDINGS for item in results if item["verdict"] == word]
    text = _template().render(
        **data,
        data=data,
        digest=digest,
        style=Markup(_asset("report.css")),  # noqa: S704 - a file of this package
        script=Markup(script),  # noqa: S704 - a file of this package
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        date=_date(data["started_at"]),
        took=_duration(data["duration"]),
        findings=findings,
        unfold=len(findings) <= _MANY,
        families=_families(results),
        family_names=FAMILY_NAMES,
        requirement={item["id"]: item for item in data["catalogue"]["requirements"]},
        coverage=_coverage(results),
        not_run=max(0, data["summary"]["expected"] - data["summary"]["executed"]),
        marks=MARKS,
        about=_about,
        hexadecimal=functools.partial(shorten_hex, limit=limit),
        clip=functools.partial(_clip, limit=2 * limit),
    )
    return _CONTROLS.sub("\ufffd", text).encode("utf-8", "replace")


def shorten_hex(text: str, limit: int) -> str:
    """Hexadecimal text, cut after ``limit`` bytes with a note of how many there are."""
    size = len(text) // 2
    return text if size <= limit else f"{text[: 2 * limit]} … {size} bytes"


def _about(item: dict[str, Any]) -> str:
    """The reason, without the expected and got that stand below it."""
    said = f": expected {item['expected']}, got {item['got']}"
    return str(item["reason"]).removesuffix(said)


def _clip(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _families(results: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Results by family; in one, the readers of a purpose side by side."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    known = {name: number for number, name in enumerate(FAMILIES)}
    for item in sorted(
        results,
        key=lambda item: (known.get(item["family"], len(known)), item["family"], item["purpose"]),
    ):
        grouped.setdefault(item["family"], []).append(item)
    return grouped


def _coverage(results: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """For each requirement: the executions that speak of it, how many passed, the worst word."""
    found: dict[str, dict[str, Any]] = {}
    for item in results:
        for name in item["requirements"]:
            row = found.setdefault(name, {"run": 0, "passed": 0, "worst": "PASS", "purposes": {}})
            row["run"] += 1
            row["passed"] += item["verdict"] == "PASS"
            row["purposes"].setdefault(item["purpose"], item["anchor"])
            order = (*_FINDINGS, "PASS")
            row["worst"] = min(row["worst"], item["verdict"], key=order.index)
    return found


def _date(text: str) -> str:
    moment = datetime.datetime.fromisoformat(text)
    return f"{moment.day} {moment:%B %Y, %H:%M:%S} UTC"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)} min {rest:.0f} s" if minutes else f"{rest:.1f} s"


def _asset(name: str) -> str:
    return (resources.files("conformance.report") / name).read_text(encoding="utf-8")


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_asset("template.html.j2"))
