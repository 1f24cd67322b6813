"""The master of the report: one JSON document; everything else is made from it."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import platform
from typing import Any

from conformance.catalogue import load_catalogue
from conformance.purposes import Purpose
from conformance.results import CampaignResult, PurposeResult, matrix
from conformance.verdicts import Verdict

SCHEMA = "vitale-bench/report/1"
NOTICE = (
    "Evidence, not a certificate: no conformity of the GIE SESAM-Vitale, no agrément, no "
    "homologation, no référencement.",
    "The link tested is the fictitious public profile ecv-sim/1; the real one is not public.",
    "TEST: all people, cards and keys are synthetic.",
)
LIBRARIES = ("construct", "cryptography", "nfcpy", "pytest", "segno", "zxing-cpp")


def report_data(result: CampaignResult) -> dict[str, Any]:
    """The document (schema: ``report.schema.json``). Two runs with the same results differ only
    in times."""
    catalogue = load_catalogue()
    started = datetime.datetime.fromtimestamp(result.started_at, datetime.UTC)
    return {
        "schema": SCHEMA,
        "notice": list(NOTICE),
        "tool": {"name": "vitale-bench", "version": _version("vitale-bench")},
        "profile": "ecv-sim/1",
        "product_under_test": (
            "the emulated card and phone, the fund and the terminal, over each reader named"
        ),
        "started_at": started.replace(microsecond=0).isoformat(),
        "duration_s": round(result.duration, 3),
        "status": result.status.value,
        "exit_code": int(result.exit_code),
        "environment": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "libraries": {name: _version(name) for name in LIBRARIES},
        },
        "readers": [dataclasses.asdict(info) for info in result.readers.values()],
        "catalogue": {
            "digest": catalogue.digest(),
            "purposes": len(catalogue.purposes),
            "requirements": [
                {**dataclasses.asdict(item), "mark": item.mark.value}
                for item in catalogue.requirements.values()
            ],
        },
        "summary": _summary(result),
        "results": [_result(item) for item in result.results],
        "not_applicable": [
            {**_purpose(item.purpose), "reader": item.reader, "reason": item.reason}
            for item in result.not_applicable
        ],
        "bench_errors": list(result.bench_errors),
    }


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _summary(result: CampaignResult) -> dict[str, Any]:
    return {
        "selected": result.expected,
        "whole_catalogue": result.whole,
        "verdicts": {verdict.value: result.count(verdict) for verdict in Verdict},
        "not_applicable": len(result.not_applicable),
        "matrix": {
            family: {
                reader: {verdict.value: count[verdict] for verdict in Verdict}
                for reader, count in row.items()
            }
            for family, row in matrix(result.results).items()
        },
    }


def _purpose(item: Purpose) -> dict[str, Any]:
    return {
        "id": item.id,
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
        "duration_s": round(item.duration, 4),
        "trace": [
            {
                **dataclasses.asdict(exchange),
                "at": round(exchange.at, 6),
                "took": round(exchange.took, 6),
            }
            for exchange in item.trace
        ],
    }
