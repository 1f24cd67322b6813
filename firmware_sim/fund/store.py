"""The fund's file: SQLite, one file, every act one transaction.

A rollback journal with ``synchronous=EXTRA``: what a transaction acknowledged is there after
``kill -9`` and after a power cut, and what it did not acknowledge is not there at all.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from firmware_sim.fund.errors import FundFileError

APPLICATION_ID = 0x45435646
SCHEMA_VERSION = 1
_BUSY_SECONDS = 10

_SCHEMA = """
CREATE TABLE keys (name TEXT PRIMARY KEY, scalar BLOB NOT NULL, certificate BLOB NOT NULL);
CREATE TABLE group_keys (
    number INTEGER PRIMARY KEY, private BLOB NOT NULL, made_at INTEGER NOT NULL);
CREATE TABLE people (number INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, document TEXT NOT NULL);
CREATE TABLE statuses (idx INTEGER PRIMARY KEY, status INTEGER NOT NULL);
CREATE TABLE cards (
    number INTEGER PRIMARY KEY,
    serial BLOB UNIQUE NOT NULL,
    phone BLOB NOT NULL,
    person TEXT NOT NULL REFERENCES people (key),
    kind INTEGER NOT NULL,
    marker INTEGER NOT NULL,
    valid_from TEXT NOT NULL,
    valid_until TEXT NOT NULL,
    idx INTEGER NOT NULL REFERENCES statuses (idx));
CREATE INDEX cards_of_phone ON cards (phone);
CREATE INDEX cards_of_person ON cards (person);
CREATE TABLE phones (
    serial BLOB PRIMARY KEY, point BLOB NOT NULL, unblocking_code TEXT NOT NULL);
CREATE TABLE grants (
    grant_id BLOB PRIMARY KEY,
    delegator BLOB NOT NULL,
    delegate BLOB NOT NULL,
    valid_until INTEGER NOT NULL,
    encoded BLOB NOT NULL,
    idx INTEGER NOT NULL REFERENCES statuses (idx));
CREATE INDEX grants_from ON grants (delegator);
CREATE INDEX grants_to ON grants (delegate);
CREATE TABLE pseudonyms (
    subject BLOB PRIMARY KEY,
    phone BLOB NOT NULL,
    serial BLOB NOT NULL,
    grant_id BLOB NOT NULL,
    spent_at INTEGER);
CREATE TABLE receipts (
    number INTEGER PRIMARY KEY,
    serial BLOB NOT NULL,
    time INTEGER NOT NULL,
    document TEXT NOT NULL);
CREATE INDEX receipts_of ON receipts (serial, time);
"""


class FundStore:
    """One open file, or a database in memory.

    Attributes:
        step: called before each statement with its text; a test of crashes may not return.
    """

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._lock = threading.RLock()
        self._depth = 0
        self.step: Callable[[str], None] = lambda statement: None

    @classmethod
    def create(cls, path: Path | None, fill: Callable[[FundStore], None]) -> FundStore:
        """Make a new file, whole or not at all; ``fill`` puts the first content in.

        Raises:
            FundFileError: the file exists already, or cannot be written.
        """
        if path is None:
            store = cls(_connect(":memory:", "fund in memory"), "fund in memory")
            store._lay(fill)
            return store
        if path.exists():
            raise FundFileError(f"{path}: exists already; open it, or choose another name")
        draft = path.with_name(path.name + ".new")
        try:
            draft.unlink(missing_ok=True)
            draft.with_name(draft.name + "-journal").unlink(missing_ok=True)
            os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            store = cls(_connect(draft, str(path)), str(path))
            with contextlib.closing(store):
                store._lay(fill)
            os.replace(draft, path)
        except OSError as error:
            raise _unusable(path, error) from None
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> FundStore:
        """Open a file made by :meth:`create`.

        Raises:
            FundFileError: not there, unreadable, damaged, not a fund, or of another version.
        """
        try:
            with path.open("r+b") as file:
                file.read(1)
        except FileNotFoundError:
            raise FundFileError(f"{path}: no such file; create the fund first") from None
        except OSError as error:
            raise _unusable(path, error) from None
        store = cls(_connect(path, str(path)), str(path))
        try:
            store._check()
        except FundFileError:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside happens, durably, or nothing does. May be nested."""
        with self._lock:
            if self._depth:
                yield
                return
            self.execute("BEGIN IMMEDIATE")
            self._depth = 1
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.rollback()
                raise
            finally:
                self._depth = 0

    def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows.

        Raises:
            FundFileError: the file is damaged, full, or in use for too long.
        """
        with self._lock, self._explained():
            self.step(statement)
            return self._connection.execute(statement, values).fetchall()

    def execute_many(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run one statement for each row."""
        with self._lock, self._explained():
            self.step(statement)
            self._connection.executemany(statement, rows)

    def one(self, statement: str, *values: Any) -> tuple[Any, ...] | None:
        """The first row, or ``None``."""
        rows = self.execute(statement, *values)
        return rows[0] if rows else None

    def _lay(self, fill: Callable[[FundStore], None]) -> None:
        with self.transaction():
            for statement in _SCHEMA.split(";"):
                if statement.strip():
                    self.execute(statement)
            self.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            fill(self)

    def _check(self) -> None:
        ((application,),) = self.execute("PRAGMA application_id")
        ((version,),) = self.execute("PRAGMA user_version")
        if application != APPLICATION_ID:
            raise FundFileError(f"{self._name}: not a fund's file; choose another, or create one")
        if version != SCHEMA_VERSION:
            age = "an older" if version < SCHEMA_VERSION else "a newer"
            raise FundFileError(
                f"{self._name}: written by {age} vitale-bench (schema {version}, this one has "
                f"{SCHEMA_VERSION}); use that version, or create a new fund in another file"
            )
        ((result,),) = self.execute("PRAGMA quick_check(1)")
        if result != "ok":
            raise FundFileError(
                f"{self._name}: damaged ({str(result).splitlines()[0]}); restore a copy, or "
                "create a new fund in another file"
            )

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _explain(self._name, error) from None


def _connect(path: Path | str, name: str) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = EXTRA")
    except sqlite3.Error as error:
        raise _explain(name, error) from None
    return connection


def _explain(name: str, error: sqlite3.Error) -> FundFileError:
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return FundFileError(f"{name}: is closed; open it again")
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
        return FundFileError(f"{name}: in use by another process; try again when it is done")
    return FundFileError(
        f"{name}: cannot be used as a fund's file ({error}); restore a copy, or create a new "
        "fund in another file"
    )


def _unusable(path: Path, error: OSError) -> FundFileError:
    return FundFileError(f"{path}: {error.strerror}; check the path and its permissions")
