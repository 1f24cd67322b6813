"""The report as one HTML file, readable by a person, without anything from elsewhere."""

from __future__ import annotations

from typing import Any

import jinja2

SHOWN_BYTES = 256
"""Hexadecimal longer than this is cut in the HTML; the JSON holds it whole."""

ORDER = {"FAIL": 0, "ERROR": 1, "INCONC": 2, "PASS": 3}
WORDS = {
    "PASS": "the requirement was met",
    "FAIL": "something else happened than the requirement says",
    "INCONC": "the purpose was not reached",
    "ERROR": "the bench itself failed",
}


def render_html(data: dict[str, Any]) -> str:
    """The page, from the master."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("conformance.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["hex"] = _grouped
    readers = [reader["url"] for reader in data["readers"]]
    results = sorted(
        data["results"], key=lambda item: (ORDER[item["verdict"]], readers.index(item["reader"]))
    )
    return environment.get_template("template.html.j2").render(
        data=data,
        readers=readers,
        results=results,
        words=WORDS,
        requirements={item["id"]: item for item in data["catalogue"]["requirements"]},
    )


def _grouped(text: str) -> str:
    """Hexadecimal in groups of four bytes, cut where it is too long to read."""
    shown = text[: 2 * SHOWN_BYTES]
    grouped = " ".join(shown[i : i + 8] for i in range(0, len(shown), 8))
    rest = (len(text) - len(shown)) // 2
    return f"{grouped} … {rest} more bytes" if rest else grouped
