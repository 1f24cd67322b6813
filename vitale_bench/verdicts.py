"""Prints a terminal's verdict and sets the exit code by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from vitale_bench import output
from vitale_bench.exit_codes import ExitCode

if TYPE_CHECKING:
    from reader_drivers.terminal.verdict import Verdict


def report_verdict(verdict: Verdict, as_json: bool) -> None:
    """Print the verdict; leave with REFUSED when it is a refusal."""
    if as_json:
        output.print_json(_as_dict(verdict))
    else:
        _print(verdict)
    if not verdict.accepted:
        raise typer.Exit(ExitCode.REFUSED)


def _as_dict(verdict: Verdict) -> dict[str, Any]:
    identity = verdict.identity
    return {
        "accepted": verdict.accepted,
        "reasons": [reason.value for reason in verdict.reasons],
        "warnings": [warning.value for warning in verdict.warnings],
        "serial": verdict.serial.hex() if verdict.serial else None,
        "acting_for": verdict.acting_for.hex() if verdict.acting_for else None,
        "holder": None
        if identity is None
        else {
            "surname": identity.surname,
            "first_names": identity.first_names,
            "ins": identity.ins,
            "organisation": str(identity.organisation),
        },
        "details": verdict.details,
    }


def _print(verdict: Verdict) -> None:
    if verdict.accepted:
        output.console.print("[green]accepted[/] (TEST)")
    else:
        output.console.print("[red]refused[/]: " + ", ".join(r.value for r in verdict.reasons))
    if verdict.identity is not None:
        who = verdict.identity
        output.console.print(
            f"  {who.first_names} {who.surname}, INS {who.ins}, {who.organisation}"
        )
    for warning in verdict.warnings:
        output.console.print(f"  [yellow]warning[/]: {warning.value}")
    for key, text in verdict.details.items():
        output.console.print(f"  {key}: {text}")
