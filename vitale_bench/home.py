"""The folder that holds what the command line keeps: one fund, its phones, one terminal.

Layout: ``fund.sqlite``, ``phones/NAME.json``, ``terminal/kit.json``,
``terminal/opposition.jwt``, ``terminal/replay.json``.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from firmware_sim.fund.service import Fund
    from firmware_sim.phone.phone import Phone
    from reader_drivers.terminal.terminal import Terminal

PROFESSIONAL = "10001234567"
"""The professional of the command line's terminal: a synthetic 11-digit id."""


class HomeError(Exception):
    """Something in the folder is missing or unfit. The message says what to do."""


def default_home() -> Path:
    """``$VITALE_BENCH_HOME``, else ``vitale-bench`` in the user's data folder (XDG)."""
    if explicit := os.environ.get("VITALE_BENCH_HOME"):
        return Path(explicit)
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "vitale-bench"


_HOMES: list[Home] = []


def close_homes() -> None:
    """Release every folder opened by the command that has just ended."""
    while _HOMES:
        _HOMES.pop().close()


class Home:
    """The folder, opened."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._open = contextlib.ExitStack()

    @classmethod
    def opened(cls, root: Path) -> Home:
        """The folder, closed when the command under way ends."""
        home = cls(root)
        _HOMES.append(home)
        return home

    def close(self) -> None:
        """Release the fund's and the phones' files."""
        self._open.close()

    def fund(self) -> Fund:
        """The saved fund; made on first use."""
        from firmware_sim.fund.service import Fund

        path = self.root / "fund.sqlite"
        if path.exists():
            fund = Fund.open(path, time.time, os.urandom)
        else:
            self._make(self.root)
            fund = Fund.create(path, time.time, os.urandom)
        self._open.callback(fund.close)
        return fund

    def phone_names(self) -> list[str]:
        """Names of the saved phones, sorted."""
        return sorted(path.stem for path in (self.root / "phones").glob("*.json"))

    def phone_path(self, name: str) -> Path:
        """Where the phone of that name is or would be saved."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,40}", name):
            raise HomeError(
                f"'{name}' cannot name a phone: use lower-case letters, digits, - and _"
            )
        return self.root / "phones" / f"{name}.json"

    def new_phone_path(self, name: str) -> Path:
        """Where to save a new phone; refuses to overwrite one."""
        path = self.phone_path(name)
        if path.exists():
            raise HomeError(f"there is a phone '{name}' already; choose another --name")
        self._make(path.parent)
        return path

    def phone(self, name: str, fund: Fund | None = None) -> Phone:
        """The saved phone of that name."""
        from firmware_sim.phone.phone import Phone
        from firmware_sim.phone.store import FileStore

        path = self.phone_path(name)
        if not path.exists():
            known = ", ".join(self.phone_names()) or "none yet: vitale-bench phone enrol PERSON"
            raise HomeError(f"no phone '{name}' in {self.root} (there are: {known})")
        phone = Phone.load(FileStore(path), time.time, os.urandom, fund=fund)
        return self.keep(phone)

    def keep(self, phone: Phone) -> Phone:
        """Release this phone's file together with the folder."""
        self._open.callback(phone.close)
        return phone

    def terminal(self, fund: Fund) -> Terminal:
        """The saved terminal, with the fund's opposition list of this moment."""
        from conformance.fund_link import FundResolver
        from reader_drivers.terminal.kit import TerminalKit
        from reader_drivers.terminal.opposition import OppositionStore
        from reader_drivers.terminal.replay import ReplayStore
        from reader_drivers.terminal.terminal import Terminal

        folder = self.root / "terminal"
        kit_path = folder / "kit.json"
        if not kit_path.exists():
            from card_formats.profile_ecv_sim_1 import Role

            self._make(folder)
            kit_path.write_text(json.dumps(fund.terminal_kit(PROFESSIONAL, Role.PHARMACIST)))
            kit_path.chmod(0o600)
        kit = TerminalKit.from_json(kit_path, now=time.time())
        opposition = OppositionStore(kit.trust, time.time)
        opposition.load(fund.opposition_list())
        return Terminal(
            kit,
            clock=time.time,
            opposition=opposition,
            replay=ReplayStore(folder / "replay.json"),
            resolver=FundResolver(fund, kit.role),
        )

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise HomeError(
                f"cannot make {folder}: {error.strerror}; choose another with --home"
            ) from error
