"""``vitale-bench readers``: which readers can be named, and whether they answer."""

from __future__ import annotations

from typing import Annotated

import typer

from vitale_bench import output


def readers(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the reader URLs that `run --reader` understands, and what each needs.

    Example: `vitale-bench readers`
    """
    from reader_drivers.urls import available_drivers

    drivers = available_drivers()
    if as_json:
        output.print_json(
            {
                "readers": [
                    {
                        "scheme": d.scheme,
                        "reads": d.reads,
                        "example": d.example,
                        "summary": d.summary,
                        "available": d.available,
                        "install": d.install,
                    }
                    for d in drivers
                ]
            }
        )
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("URL", "what it is", "driver"):
        table.add_column(heading)
    for driver in drivers:
        state = "[green]available[/]" if driver.available else f"[yellow]{driver.install}[/]"
        table.add_row(driver.example, driver.summary, state)
    output.console.print(table)
