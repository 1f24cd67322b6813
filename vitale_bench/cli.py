"""The command ``vitale-bench``: assembles the command groups and turns errors into one line."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Annotated

import typer

from vitale_bench.commands import campaign, phone, qr, readers
from vitale_bench.exit_codes import ExitCode
from vitale_bench.home import close_homes

app = typer.Typer(
    name="vitale-bench",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help=(
        "Emulation and conformance suite for the e-carte Vitale.\n\n"
        "The phone link emulated here is a fictitious public profile (docs/profile.md). "
        "Results are evidence, not a certificate."
    ),
    epilog=(
        "Exit codes: 0 done, all passed · 1 a purpose failed, a mutant survived, a card or code "
        "was refused · 2 wrong use · 3 incomplete, or the bench itself failed · 4 a reader, "
        "file or phone cannot be used."
    ),
)
app.command("run")(campaign.run)
app.command("mutants")(campaign.mutants)
app.command("catalogue")(campaign.catalogue)
app.command("readers")(readers.readers)
app.add_typer(qr.app, name="qr")
app.add_typer(phone.app, name="phone")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(importlib.metadata.version("vitale-bench"))
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """Options common to all commands."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    try:
        app(args=arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitCode.OK
    except KeyboardInterrupt:
        print("vitale-bench: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return ExitCode.OK
    except Exception as error:
        return _explain(error)
    finally:
        close_homes()
    return ExitCode.OK


def _explain(error: Exception) -> int:
    from vitale_bench.errors import explain

    message, code = explain(error)
    print(f"vitale-bench: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
