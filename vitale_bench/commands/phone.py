"""``vitale-bench phone …``: the holder's acts on a saved phone."""

from __future__ import annotations

import datetime
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vitale_bench import output
from vitale_bench.home import Home, HomeError, default_home

if TYPE_CHECKING:
    from card_formats.data_objects import Use
    from firmware_sim.fund.records import Receipt
    from firmware_sim.phone.phone import Phone

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="The holder's acts on a saved phone: enrol, tap, delegate, report lost, and the rest.",
)

HomeOption = Annotated[
    Path,
    typer.Option("--home", help="Folder of the fund and its phones.", default_factory=default_home),
]
NameArgument = Annotated[str, typer.Argument(help="Name of the phone.")]
CodeOption = Annotated[
    str,
    typer.Option("--code", help="The secret code.", prompt="Secret code", hide_input=True),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def people(as_json: JsonOption = False) -> None:
    """List the synthetic people that a phone can be enrolled for."""
    from firmware_sim.fund.people import load_people

    everyone = load_people(datetime.datetime.now(datetime.UTC).date())
    if as_json:
        output.print_json({"people": [_person(p) for p in everyone.values()]})
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("key", "name", "INS (test)", "organisation", "note"):
        table.add_column(heading)
    for person in everyone.values():
        table.add_row(
            person.key,
            f"{person.first_names} {person.surname}",
            person.ins,
            str(person.organisation),
            person.note,
        )
    output.console.print(table)


def _person(person: Any) -> dict[str, str]:
    return {
        "key": person.key,
        "surname": person.surname,
        "first_names": person.first_names,
        "ins": person.ins,
        "organisation": str(person.organisation),
        "note": person.note,
    }


@app.command()
def enrol(
    person: Annotated[str, typer.Argument(help="Key of a synthetic person (phone people).")],
    code: CodeOption,
    home: HomeOption,
    name: Annotated[str | None, typer.Option(help="Name of the phone [default: PERSON].")] = None,
    days: Annotated[int, typer.Option(help="Validity in days; negative: expired.")] = 730,
    code_on_phone: Annotated[
        bool, typer.Option("--code-on-phone", help="The code is typed on the phone.")
    ] = False,
) -> None:
    """Enrol a phone for a person and save it.

    Example: `vitale-bench phone enrol amelie --code 135790`
    """
    from firmware_sim.phone.phone import Phone
    from firmware_sim.phone.store import FileStore

    bench = Home.opened(home)
    path = bench.new_phone_path(name or person)
    today = datetime.datetime.now(datetime.UTC).date()
    phone = Phone.enrol(
        bench.fund(),
        person,
        code,
        store=FileStore(path),
        clock=time.time,
        random_bytes=_random,
        valid_until=today + datetime.timedelta(days=days),
        code_on_phone=code_on_phone,
    )
    bench.keep(phone)
    _say(phone, f"enrolled; saved in {path}")


def _random(count: int) -> bytes:
    import os

    return os.urandom(count)


@app.command("list")
def list_phones(home: HomeOption, as_json: JsonOption = False) -> None:
    """List the saved phones."""
    bench = Home.opened(home)
    names = bench.phone_names()
    if as_json:
        output.print_json({"phones": [_describe(name, bench.phone(name)) for name in names]})
        return
    if not names:
        output.console.print("no phone yet: vitale-bench phone enrol PERSON")
    for name in names:
        _say(bench.phone(name), name)


@app.command()
def show(name: NameArgument, home: HomeOption, as_json: JsonOption = False) -> None:
    """Show a phone: its screen, its wallet, its state."""
    phone = Home.opened(home).phone(name)
    description = _describe(name, phone)
    if as_json:
        output.print_json(description)
        return
    from rich.panel import Panel

    lines = [phone.screen, ""]
    lines += [
        f"{entry['kind']:<10} {entry['serial']}  valid until {entry['valid_until']}"
        for entry in description["wallet"]
    ]
    lines += ["", f"state {description['state']}, {description['tries_left']} tries left"]
    output.console.print(Panel("\n".join(lines), title=f"{name} · TEST", expand=False))


def _describe(name: str, phone: Phone) -> dict[str, Any]:
    from card_formats.fields import serial_text

    card = phone.state.card
    return {
        "name": name,
        "serial": serial_text(card.serial),
        "state": card.life_cycle.name.lower(),
        "valid_until": card.valid_until.isoformat(),
        "tries_left": card.tries_left,
        "screen": phone.screen,
        "wallet": [
            {
                "index": entry.index,
                "kind": entry.kind.name.lower(),
                "serial": serial_text(entry.serial),
                "valid_until": entry.valid_until.isoformat(),
            }
            for entry in card.entries.values()
        ],
    }


def _say(phone: Phone, text: str) -> None:
    from card_formats.fields import serial_text

    output.console.print(f"e-carte {serial_text(phone.serial)} (TEST): {text}")


@app.command()
def lock(name: NameArgument, home: HomeOption) -> None:
    """Lock the screen: the card answers nothing until it is unlocked."""
    phone = Home.opened(home).phone(name)
    phone.lock()
    _say(phone, "locked")


@app.command()
def unlock(
    name: NameArgument,
    home: HomeOption,
    code: Annotated[
        str | None, typer.Option("--code", help="Also type the secret code, for the next tap.")
    ] = None,
) -> None:
    """Unlock the screen, and type the code for the next tap (within 60 s)."""
    phone = Home.opened(home).phone(name)
    phone.unlock()
    if code is None:
        _say(phone, "unlocked")
        return
    result = phone.enter_code(code)
    if not result.ok:
        _say(phone, f"wrong code, {result.tries_left} tries left")
        raise typer.Exit(1)
    _say(phone, "unlocked; the code counts for the next tap, for 60 s")


@app.command()
def tap(
    name: NameArgument,
    home: HomeOption,
    code: Annotated[
        str | None, typer.Option("--code", help="The code, as typed on the reader's PIN pad.")
    ] = None,
    entry: Annotated[int, typer.Option(help="Wallet entry to present.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Hold the phone to the terminal's reader (in process) and print the verdict."""
    from reader_drivers.virtual import VirtualReader
    from vitale_bench.verdicts import report_verdict

    bench = Home.opened(home)
    fund = bench.fund()
    phone = bench.phone(name, fund)
    reader = VirtualReader()
    reader.insert(phone.card)
    report_verdict(bench.terminal(fund).tap(reader, code, entry=entry), as_json)


@app.command()
def delegate(
    name: NameArgument,
    to: Annotated[str, typer.Option("--to", help="Name of the delegate's phone.")],
    home: HomeOption,
    days: Annotated[int, typer.Option(help="For how many days, at most 30.")] = 7,
    role: Annotated[
        list[str] | None, typer.Option(help="Profession covered; repeatable [default: all].")
    ] = None,
) -> None:
    """Delegate one's card to another phone, which receives it at its next `phone update`."""
    from card_formats.profile_ecv_sim_1 import Role

    bench = Home.opened(home)
    fund = bench.fund()
    phone = bench.phone(name, fund)
    delegate_serial = bench.phone(to).serial
    try:
        roles = tuple(Role[text.upper()] for text in role or ())
    except KeyError as error:
        known = ", ".join(r.name.lower() for r in Role)
        raise HomeError(f"no profession {error}; there are: {known}") from None
    now = int(time.time())
    grant = phone.delegate(delegate_serial, now, now + days * 86400, roles=roles)
    _say(phone, f"delegated to {to} for {days} days, grant {grant.grant_id.hex()}")


@app.command("take-back")
def take_back(
    name: NameArgument,
    grant: Annotated[str, typer.Argument(help="Id of the grant, 16 hexadecimal digits.")],
    home: HomeOption,
) -> None:
    """Take a delegation back at once."""
    bench = Home.opened(home)
    phone = bench.phone(name, bench.fund())
    try:
        grant_id = bytes.fromhex(grant)
    except ValueError:
        raise HomeError(f"'{grant}' is no grant id: it has 16 hexadecimal digits") from None
    phone.take_back(grant_id)
    _say(phone, f"grant {grant} taken back")


@app.command("report-lost")
def report_lost(name: NameArgument, home: HomeOption) -> None:
    """Report the phone lost or stolen: the fund puts the card on the opposition list."""
    bench = Home.opened(home)
    phone = bench.phone(name, bench.fund())
    phone.report_lost()
    _say(phone, "reported lost; on the opposition list from now on")


@app.command()
def update(name: NameArgument, home: HomeOption) -> None:
    """Fetch rights, state and delegated cards from the fund."""
    bench = Home.opened(home)
    phone = bench.phone(name, bench.fund())
    phone.update()
    _say(phone, f"up to date, {len(phone.state.card.entries)} card(s) in the wallet")


@app.command()
def history(name: NameArgument, home: HomeOption, as_json: JsonOption = False) -> None:
    """What happened in the last seven days."""
    bench = Home.opened(home)
    lines = bench.phone(name, bench.fund()).last_seven_days()
    if as_json:
        output.print_json({"events": [_event(line) for line in lines]})
        return
    if not lines:
        output.console.print("nothing in the last seven days")
    for line in lines:
        when = datetime.datetime.fromtimestamp(line.time, datetime.UTC)
        output.console.print(f"{when:%Y-%m-%d %H:%M} UTC  {_event(line)['what']}")


def _event(line: Receipt | Use) -> dict[str, Any]:
    from firmware_sim.fund.records import Receipt

    if isinstance(line, Receipt):
        what = f"{line.outcome.value.replace('_', ' ')}: " + ", ".join(
            item.label for item in line.lines
        )
    elif line.role is None:
        what = "QR code shown"
    else:
        what = "held to a reader"
    return {"time": line.time, "professional": line.professional, "what": what}
