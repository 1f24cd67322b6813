"""The reports of a campaign: a JSON master, and the HTML and JUnit files made from it."""

from __future__ import annotations

import os
from pathlib import Path

from conformance.catalogue import Catalogue
from conformance.report.html import render_html
from conformance.report.junit import render_junit
from conformance.report.master import render_json, report_data
from conformance.results import CampaignResult

__all__ = ["ReportError", "check_output_directory", "write_report"]


class ReportError(Exception):
    """The reports cannot be written. The message is one line that says where and why."""


def check_output_directory(path: Path) -> None:
    """Create the directory of the reports and prove that files can be written to it.

    Raises:
        ReportError: it cannot be created, or not be written to.
    """
    probe = path / f".vitale-bench.{os.getpid()}.tmp"
    try:
        path.mkdir(parents=True, exist_ok=True)
        try:
            probe.write_bytes(b"")
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_write(path, error) from error


def write_report(result: CampaignResult, out: Path, *, catalogue: Catalogue | None = None) -> None:
    """Write ``report.json``, ``report.html`` and ``junit.xml`` to ``out``.

    Each file is replaced at once or not at all; the same result gives the same bytes again.

    Args:
        result: what the campaign found.
        out: directory, created when missing.
        catalogue: the catalogue the campaign was run from; this suite's unless given.

    Raises:
        ReportError: the directory cannot be written to.
    """
    data = report_data(result, catalogue)
    master = render_json(data)
    contents = {
        "report.json": master,
        "report.html": render_html(data, master),
        "junit.xml": render_junit(data),
    }
    check_output_directory(out)
    written: list[tuple[Path, Path]] = []
    try:
        for name, content in contents.items():
            temporary = out / f".{name}.{os.getpid()}.tmp"
            written.append((temporary, out / name))
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for temporary, final in written:
            temporary.replace(final)
    except OSError as error:
        raise _cannot_write(out, error) from error
    finally:
        for temporary, _ in written:
            temporary.unlink(missing_ok=True)


def _cannot_write(path: Path, error: OSError) -> ReportError:
    reason = error.strerror or str(error)
    text = f"cannot write reports to {path}: {reason}; choose another folder with --out"
    return ReportError(" ".join(text.splitlines()))
