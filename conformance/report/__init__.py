"""The report of a campaign: JSON master, one-file HTML and JUnit XML made from it."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from conformance.results import CampaignResult


class ReportError(Exception):
    """The report cannot be written. The message says where, why and what to do."""


def check_output_directory(path: Path) -> None:
    """Make the directory if needed and prove that it can be written.

    Raises:
        ReportError: it cannot.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise ReportError(
            f"cannot write reports to {path}: {error.strerror}; choose another folder with --out"
        ) from error


def write_report(result: CampaignResult, out: Path) -> None:
    """Write report.json, report.html and junit.xml, each whole or not at all.

    Raises:
        ReportError: the directory cannot be written.
    """
    from conformance.report.html import render_html
    from conformance.report.junit import render_junit
    from conformance.report.master import report_data

    check_output_directory(out)
    data = report_data(result)
    _replace(out / "report.json", json.dumps(data, ensure_ascii=False, indent=1) + "\n")
    _replace(out / "report.html", render_html(data))
    _replace(out / "junit.xml", render_junit(data))


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ReportError(f"cannot write {path}: {error.strerror}") from error
