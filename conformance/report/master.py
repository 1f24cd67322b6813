"""The master of the reports: everything a campaign found, as JSON (``report.schema.json``)."""

from __future__ import annotations

import datetime
import json
import platform
from collections import Counter
from importlib import metadata
from typing import Any

from conformance.catalogue import Catalogue, Mark, load_catalogue
from conformance.purposes import FAMILIES, Purpose
from conformance.results import (
    CampaignResult,
    NotApplicable,
    PurposeResult,
    ReaderInfo,
    Status,
    matrix,
)
from conformance.trace import Exchange
from conformance.verdicts import Verdict

SCHEMA = "vitale-bench/report/1"
TOOL = "vitale-bench"
PROFILE = "ecv-sim/1"
LIBRARIES = ("cryptography", "construct", "nfcpy", "pytest")

NOTICE = (
    "This report is evidence of what was tested. It is not a certificate.",
    (
        "It is no conformity of the GIE SESAM-Vitale, no agrément, no homologation and no "
        "référencement, and it stands for none of them."
    ),
    (
        f"The profile tested, {PROFILE}, is fictitious and built from public standards. The link "
        "between the real application and its readers is not public."
    ),
    "TEST data only: every person, number, key and certificate in it is synthetic.",
)
"""Limits and reservations, on the first page of every form of the report."""

_FRACTION = 6
"""Digits of a second that are kept."""


def tool_version() -> str:
    """Version of the installed tool."""
    return _version(TOOL, "0+unknown")


def render_json(data: dict[str, Any]) -> bytes:
    """The master as it is written: the same data gives the same bytes."""
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
    # What UTF-8 cannot carry, lone surrogates of odd error texts, becomes a JSON escape.
    return (text + "\n").encode("utf-8", "backslashreplace")


def report_data(result: CampaignResult, catalogue: Catalogue | None = None) -> dict[str, Any]:
    """Everything the reports say, as JSON-able data with a fixed order of keys.

    Args:
        result: what the campaign found.
        catalogue: the catalogue the campaign was run from; this suite's unless given.
    """
    known = load_catalogue() if catalogue is None else catalogue
    readers = _readers(result)
    return {
        "schema": SCHEMA,
        "tool": {"name": TOOL, "version": tool_version()},
        "notice": list(NOTICE),
        "product": {
            "name": "Emulated e-carte Vitale",
            "kind": "emulated card and phone",
            "profile": PROFILE,
            "version": tool_version(),
            "description": "The implementation under test is the card and phone emulated by "
            f"{TOOL}, presented to the virtual readers listed here.",
        },
        "started_at": _utc(result.started_at),
        "duration": _seconds(result.duration),
        "status": result.status.value,
        "status_reason": _status_reason(result),
        "exit_code": int(result.exit_code),
        "environment": _environment(),
        "readers": [_reader(reader) for reader in readers.values()],
        "catalogue": _catalogue(known),
        "summary": _summary(result, list(readers)),
        "results": [_result(item) for item in result.results],
        "not_applicable": [
            {**_purpose(item.purpose), "reader": item.reader, "reason": item.reason}
            for item in result.not_applicable
        ],
        "bench_errors": list(result.bench_errors),
    }


def _status_reason(result: CampaignResult) -> str:
    """Why the status is what it is, in one sentence."""
    run = len(result.results)
    passed = result.count(Verdict.PASS)
    if result.status is Status.CONFORMANT:
        return f"All {run} executions of the purposes that apply passed."
    planted = f" Faults were planted on purpose: {', '.join(result.mutants)}."
    if result.status is Status.NOT_CONFORMANT:
        failed = f"{result.count(Verdict.FAIL)} of {run} executions failed."
        return failed + planted * bool(result.mutants)
    reasons = []
    if result.mutants:
        reasons.append(f"faults were planted on purpose ({', '.join(result.mutants)})")
    if not result.whole:
        reasons.append("only a part of the catalogue was asked for")
    if run < result.expected:
        reasons.append(f"{result.expected - run} of {result.expected} executions were not run")
    if run > result.expected:
        reasons.append(f"{run} executions were recorded where {result.expected} were planned")
    if passed < run:
        reasons.append(f"{run - passed} of {run} executions reached no verdict on the product")
    if result.bench_errors:
        reasons.append(f"the bench itself failed {len(result.bench_errors)} time(s)")
    if not reasons:
        reasons.append("nothing was run")
    text = "; ".join(reasons)
    return f"{text[0].upper()}{text[1:]}."


def _environment() -> dict[str, Any]:
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        "libraries": {name: _version(name, "not installed") for name in LIBRARIES},
    }


def _version(distribution: str, otherwise: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return otherwise


def _readers(result: CampaignResult) -> dict[str, ReaderInfo]:
    """The readers that presented themselves, then those only a result speaks of."""
    found = dict(result.readers)
    executed: list[PurposeResult | NotApplicable] = [*result.results, *result.not_applicable]
    for item in executed:
        found.setdefault(item.reader, ReaderInfo(item.reader, "", (), ""))
    return found


def _reader(reader: ReaderInfo) -> dict[str, Any]:
    return {
        "url": reader.url,
        "description": reader.description,
        "features": list(reader.features),
        "atr": reader.atr,
    }


def _catalogue(catalogue: Catalogue) -> dict[str, Any]:
    requirements = catalogue.requirements.values()
    marks = Counter(item.mark for item in requirements)
    return {
        "digest": catalogue.digest(),
        "counts": {
            "requirements": len(catalogue.requirements),
            "purposes": len(catalogue.purposes),
            "marks": {mark.value: marks[mark] for mark in Mark},
        },
        "requirements": [
            {
                "id": item.id,
                "text": item.text,
                "mark": item.mark.value,
                "source": item.source,
                "reference": item.reference,
            }
            for item in requirements
        ],
    }


def _summary(result: CampaignResult, readers: list[str]) -> dict[str, Any]:
    rows = matrix(result.results)
    return {
        "whole": result.whole,
        "expected": result.expected,
        "executed": len(result.results),
        "verdicts": {verdict.value: result.count(verdict) for verdict in Verdict},
        "not_applicable": len(result.not_applicable),
        "readers": {
            url: {
                **{verdict.value: result.count(verdict, url) for verdict in Verdict},
                "not_applicable": sum(item.reader == url for item in result.not_applicable),
            }
            for url in readers
        },
        "matrix": {
            family: {
                url: {verdict.value: rows[family][url][verdict] for verdict in Verdict}
                for url in readers
                if url in rows[family]
            }
            for family in sorted(rows, key=_family_key)
        },
    }


def _family_key(family: str) -> tuple[int, str]:
    return (FAMILIES.index(family) if family in FAMILIES else len(FAMILIES), family)


def _purpose(item: Purpose) -> dict[str, Any]:
    return {
        "purpose": item.id,
        "version": item.version,
        "family": item.family,
        "title": item.title,
        "requirements": list(item.requirements),
        "preconditions": item.preconditions,
    }


def _result(item: PurposeResult) -> dict[str, Any]:
    return {
        **_purpose(item.purpose),
        "reader": item.reader,
        "verdict": item.verdict.value,
        "reason": item.judgement.reason,
        "expected": item.judgement.expected,
        "got": item.judgement.got,
        "duration": _seconds(item.duration),
        "trace": [_exchange(exchange) for exchange in item.trace],
    }


def _exchange(item: Exchange) -> dict[str, Any]:
    return {
        "layer": item.layer,
        "at": _seconds(item.at),
        "took": _seconds(item.took),
        "name": item.name,
        "command": item.command,
        "response": item.response,
        "sw": item.sw,
        "meaning": item.meaning,
        "note": item.note,
    }


def _seconds(value: float) -> float:
    return round(float(value), _FRACTION)


def _utc(timestamp: float) -> str:
    moment = datetime.datetime.fromtimestamp(timestamp, datetime.UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
