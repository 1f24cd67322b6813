"""``vitale-bench run``, ``mutants`` and ``catalogue``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer

from vitale_bench import output
from vitale_bench.exit_codes import ExitCode

if TYPE_CHECKING:
    from conformance.mutants import MutantResult
    from conformance.results import CampaignResult, PurposeResult

EMBEDDED_READERS = ["virtual:", "nfc:udp"]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_COLOURS = {"PASS": "green", "FAIL": "red", "INCONC": "yellow", "ERROR": "magenta"}


def run(
    reader: Annotated[
        list[str] | None,
        typer.Option(
            "--reader", metavar="URL", help="Reader; repeatable [default: virtual: nfc:udp]."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the reports.")] = Path("campaign"),
    only: Annotated[
        list[str] | None,
        typer.Option(help="Family (PIN) or purpose (TP-PIN-001); repeatable [default: all]."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the conformance campaign and write report.json, report.html and junit.xml.

    Example: `vitale-bench run --reader virtual: --only PIN --only QR`
    """
    from conformance.runner import run_campaign

    readers = reader or EMBEDDED_READERS
    with _CampaignProgress(quiet=as_json) as progress:
        result = run_campaign(readers, out, select=only or (), listener=progress)
    if as_json:
        from conformance.report.master import report_data

        data = report_data(result)
        output.print_json({key: data[key] for key in ("status", "summary", "readers")})
    else:
        _print_campaign(result, out)
    raise typer.Exit(result.exit_code)


class _Live:
    """A live line with counts and the time left, on a terminal only."""

    def __init__(self, quiet: bool) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self.quiet = quiet
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=output.errors,
            disable=quiet or not output.errors.is_terminal,
            transient=True,
        )
        self.task = self.progress.add_task("starting", total=None)

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()


class _CampaignProgress(_Live):
    """Counts by verdict; what did not pass is printed as it comes."""

    def __init__(self, quiet: bool) -> None:
        super().__init__(quiet)
        self._counts = dict.fromkeys(_COLOURS, 0)

    def planned(self, total: int) -> None:
        """So many purposes will be run."""
        self.progress.update(self.task, total=total)

    def finished(self, result: PurposeResult) -> None:
        """One has been."""
        name = result.verdict.value
        self._counts[name] += 1
        counts = " ".join(f"{n} {word}" for word, n in self._counts.items() if n)
        self.progress.update(self.task, advance=1, description=counts)
        if name != "PASS" and not self.quiet:
            output.errors.print(
                f"[{_COLOURS[name]}]{name}[/] {result.purpose.id} on {result.reader}: "
                f"{_plain(result.judgement.reason)}"
            )


class _MutantProgress(_Live):
    """Number and name of the mutant."""

    def __call__(self, result: MutantResult, number: int, total: int) -> None:
        self.progress.update(self.task, total=total, completed=number, description=result.fault.id)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _print_campaign(result: CampaignResult, out: Path) -> None:
    from rich.table import Table

    from conformance.results import matrix
    from conformance.verdicts import Verdict

    readers = list(result.readers)
    table = Table(box=None, pad_edge=False)
    table.add_column("family")
    for url in readers:
        table.add_column(url, justify="right")
    for family, row in matrix(result.results).items():
        cells = [row.get(url, Counter()) for url in readers]
        table.add_row(family, *(f"{cell[Verdict.PASS]}/{cell.total()}" for cell in cells))
    output.console.print(table)
    for line in result.bench_errors:
        output.errors.print(f"[magenta]bench[/] {_plain(line)}")
    counts = ", ".join(
        f"{result.count(verdict)} {verdict.value}" for verdict in Verdict if result.count(verdict)
    )
    output.console.print(
        f"{result.status.value}: {counts} in {result.duration:.1f} s "
        f"({len(result.not_applicable)} not applicable). Evidence, not a certificate."
    )
    output.console.print(f"report: {out / 'report.html'}")


def mutants(
    ids: Annotated[list[str] | None, typer.Argument(help="Mutants [default: all].")] = None,
    as_json: JsonOption = False,
) -> None:
    """Try every planted fault on the purposes that claim it; a survivor is a failure.

    Example: `vitale-bench mutants pin-fourth-try`
    """
    from conformance.mutants import run_mutants

    with _MutantProgress(quiet=as_json) as progress:
        results = run_mutants(ids or (), progress=progress)
    survivors = [result for result in results if result.survived]
    if as_json:
        output.print_json({"mutants": [result.as_data() for result in results]})
    else:
        _print_mutants(results)
        if not ids:
            _print_unproved(results)
    raise typer.Exit(ExitCode.REFUSED if survivors else ExitCode.OK)


def _print_mutants(results: list[MutantResult]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("mutant", "scope", "killed by"):
        table.add_column(heading)
    for result in results:
        killed = ", ".join(result.killed_by)
        if result.survived:
            alive = [name for name in result.judgements if name not in result.killed_by]
            killed = f"[red]SURVIVED[/] {', '.join(alive)}" + (
                f" (killed: {killed})" * bool(killed)
            )
        table.add_row(result.fault.id, result.fault.scope, killed)
    output.console.print(table)
    alive_count = sum(result.survived for result in results)
    output.console.print(f"{len(results) - alive_count} of {len(results)} mutants killed")
    for result in results:
        for name, found in result.judgements.items():
            if name not in result.killed_by:
                output.console.print(
                    f"  {result.fault.id} on {name}: {found.verdict.value} {_plain(found.reason)}"
                )


def _print_unproved(results: list[MutantResult]) -> None:
    from conformance.mutants import unproved
    from conformance.purposes import load_purposes

    if names := unproved(results, list(load_purposes())):
        output.console.print(
            f"{len(names)} purposes are not proved by a mutant yet: {', '.join(names)}"
        )


def catalogue(as_json: JsonOption = False) -> None:
    """Print requirements and test purposes, and which leads to which."""
    from conformance.catalogue import load_catalogue

    loaded = load_catalogue()
    if as_json:
        output.print_json(loaded.as_data())
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("requirement", "mark", "text", "purposes"):
        table.add_column(heading)
    for requirement in loaded.requirements.values():
        table.add_row(
            requirement.id,
            requirement.mark.value,
            _plain(requirement.text),
            ", ".join(loaded.purposes_of(requirement.id)) or "[red]none[/]",
        )
    output.console.print(table)
    output.console.print(
        f"{len(loaded.requirements)} requirements, {len(loaded.purposes)} test purposes"
    )
