"""``vitale-bench qr show|read``: draw a phone's QR code, read one from a picture and verify it."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from vitale_bench import output
from vitale_bench.commands.phone import CodeOption, HomeOption, JsonOption, NameArgument
from vitale_bench.home import Home

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", help="Show and read the e-carte's QR code."
)


class Form(enum.StrEnum):
    """The three forms of the token (profile 9.1)."""

    ONLINE = "online"
    SEALED = "sealed"
    CLEAR = "clear"


@app.command()
def show(
    name: NameArgument,
    code: CodeOption,
    home: HomeOption,
    entry: Annotated[int, typer.Option(help="Wallet entry to present.")] = 1,
    form: Annotated[Form, typer.Option(help="What the code discloses.")] = Form.ONLINE,
    png: Annotated[Path | None, typer.Option(help="Write a PNG instead of the terminal.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a fresh QR code of a phone; it is valid for two minutes and read once.

    Example: `vitale-bench qr show amelie --code 135790 --png amelie.png`
    """
    from card_formats.qr_token import QrForm
    from firmware_sim.phone import qr_image

    bench = Home.opened(home)
    text = bench.phone(name, bench.fund()).show_qr(code, entry=entry, form=QrForm[form.name])
    version = int(qr_image.symbol(text).version)
    if png:
        png.write_bytes(qr_image.draw(text))
    if as_json:
        output.print_json({"text": text, "version": version, "png": str(png) if png else None})
    elif png:
        output.console.print(f"{png}: QR version {version}, {len(text)} characters")
    else:
        print(qr_image.draw_terminal(text), end="")
        output.console.print("TEST · valid for two minutes, read once")


@app.command()
def read(
    image: Annotated[Path, typer.Argument(help="Picture, or folder of pictures.")],
    home: HomeOption,
    as_json: JsonOption = False,
) -> None:
    """Read a QR code from a picture and verify it as a pharmacy would.

    Example: `vitale-bench qr read amelie.png`
    """
    from reader_drivers.urls import open_code_reader
    from vitale_bench.verdicts import report_verdict

    reader = open_code_reader(f"camera:{image}")
    try:
        text = reader.read()
    finally:
        reader.close()
    bench = Home.opened(home)
    report_verdict(bench.terminal(bench.fund()).scan(text), as_json)
