"""A pcscd of one's own: one or more per program, unprivileged, with nothing of the system's.

The client library reads ``PCSCLITE_CSOCK_NAME`` when a program first uses it and never again, so
that name is set before that, or the client is another process.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol

from card_formats.core import FormatError
from card_formats.pcsclite import PcscdReader
from firmware_sim.reader import pcscd_launcher
from firmware_sim.reader.pcscd_client import ask_for_readers
from firmware_sim.reader.pcscd_entry import ReaderEntry

SOCKET_VARIABLE = "PCSCLITE_CSOCK_NAME"
MAX_READERS = 16
_LONGEST_SOCKET_PATH = 107
_PROGRAM_PATH = "/usr/sbin:/usr/local/sbin:/sbin"
_LOG_TAIL = 2000
_STOP_SECONDS = 5.0
_LOOK_AGAIN = 0.02


class PcscdError(Exception):
    """pcscd or a driver is missing, does not start, or does not see a reader."""


class PluggedReader(Protocol):
    """A simulated reader that pcscd's configuration can name."""

    @property
    def name(self) -> str:
        """FRIENDLYNAME: pcscd appends two numbers of two digits to it."""
        ...

    @property
    def slots(self) -> int:
        """How many slots pcscd will list."""
        ...

    @property
    def library(self) -> Path:
        """Its driver, and :attr:`package` that brings it."""
        ...

    @property
    def package(self) -> str: ...

    def entries(self, folder: Path) -> Sequence[ReaderEntry]:
        """Its entries; what must be made for them goes into ``folder``."""
        ...

    def plugged(self, pcscd: PrivatePcscd, names: Sequence[str]) -> None:
        """pcscd and the driver run; it lists the slots under these names."""
        ...

    def unplugged(self) -> None:
        """pcscd ended."""
        ...


class PrivatePcscd:
    """A pcscd with simulated readers.

    Args:
        readers: the readers. At most sixteen slots in all.
        environment: more variables for pcscd (``LD_PRELOAD``, ``LIBCCID_ifdLogLevel``…).
        drivers: directory of USB drivers; an empty one, hence none, when left out.
        expected: names, or beginnings of names, that must also be listed before it is usable.
        startup: seconds until all readers must be listed.
        debug: let pcscd and its drivers log all they do.

    Attributes:
        folder: its directory, removed when it stops.
        isolated: it has namespaces of its own (see :mod:`pcscd_launcher`).
    """

    def __init__(
        self,
        readers: Sequence[PluggedReader] = (),
        *,
        environment: Mapping[str, str] | None = None,
        drivers: Path | None = None,
        expected: Sequence[str] = (),
        startup: float = 15.0,
        debug: bool = False,
    ) -> None:
        self.readers = tuple(readers)
        self._more_environment = dict(environment or {})
        self._drivers = drivers
        self._expected = tuple(expected)
        self._startup = startup
        self._debug = debug
        self._process: subprocess.Popen[bytes] | None = None
        self._broker: socket.socket | None = None
        self._broker_guard = threading.Lock()
        self._plugged: list[PluggedReader] = []
        self.folder = Path()
        self.isolated = False
        self._log = ""
        names = [reader.name for reader in readers]
        if len(set(names)) < len(names):
            raise ValueError(f"two readers have the same name: {', '.join(sorted(names))}")
        slots = sum(reader.slots for reader in readers)
        if slots > MAX_READERS:
            raise ValueError(f"{slots} slots: pcscd takes {MAX_READERS}")

    @property
    def socket_path(self) -> Path:
        """Where clients connect."""
        return self.folder / "pcscd.comm"

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs in its environment, before it first uses PC/SC."""
        return {SOCKET_VARIABLE: str(self.socket_path)}

    @property
    def log(self) -> str:
        """What pcscd wrote, also after it stopped."""
        with contextlib.suppress(OSError):
            self._log = (self.folder / "log").read_text("utf8", "replace")
        return self._log

    @property
    def running(self) -> bool:
        """pcscd runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def process_id(self) -> int | None:
        """Its process, ``None`` when there is none."""
        return None if self._process is None else self._process.pid

    def __enter__(self) -> PrivatePcscd:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and wait until every reader is listed.

        Raises:
            PcscdError: something is missing (the message names the package) or does not work.
        """
        if self._process is not None:
            return
        program = find_pcscd()
        for reader in self.readers:
            if not reader.library.exists():
                raise PcscdError(
                    f"the driver {reader.library} is missing: apt install {reader.package}"
                )
        self.folder = _folder()
        try:
            self._launch(program)
            self._wait_until_usable()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End this pcscd and no other, and remove its directory. Harmless when called twice."""
        self._end()
        if self.folder != Path():
            self._log = self.log
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = Path()

    def restart(self) -> None:
        """End pcscd as a crash would and start it again at the same place."""
        self._end(crash=True)
        shutil.rmtree(self.folder / "conf", ignore_errors=True)
        self.socket_path.unlink(missing_ok=True)
        self._launch(find_pcscd())
        self._wait_until_usable()

    def connect(self, port: int) -> socket.socket | None:
        """Connect to a port on which a driver listens inside pcscd; ``None``: try again.

        Callable from any thread; takes a quarter of a second at most.

        Raises:
            PcscdError: pcscd does not run any more.
        """
        with self._broker_guard:
            if self._broker is None or not self.running:
                raise PcscdError("pcscd does not run")
            try:
                self._broker.send(str(port).encode())
                _, handles, _, _ = socket.recv_fds(self._broker, 256, 1)
            except OSError as error:
                raise PcscdError(f"pcscd ended: {error}") from None
        if not handles:
            return None
        line = socket.socket(fileno=handles[0])
        line.setblocking(True)
        return line

    def listed(self) -> list[PcscdReader]:
        """The readers pcscd lists, with the state of their cards.

        Raises:
            PcscdError: it does not answer.
        """
        try:
            return ask_for_readers(str(self.socket_path))
        except (OSError, FormatError) as error:
            raise PcscdError(f"pcscd does not answer: {error}") from None

    def _launch(self, program: str) -> None:
        configuration = self.folder / "conf"
        configuration.mkdir()
        entries = [str(entry) for reader in self.readers for entry in reader.entries(self.folder)]
        (configuration / "readers").write_text("\n".join(entries), "utf8")
        (self.folder / "no-drivers").mkdir(exist_ok=True)
        command = [program, "--foreground", "--config", str(configuration), *_quiet(program)]
        if self._debug:
            command += ["--debug", "--apdu"]
        environment = {
            **os.environ,
            "PCSCLITE_HP_DROPDIR": str(self._drivers or self.folder / "no-drivers"),
            **self._more_environment,
        }
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(self.socket_path))
            listener.listen(64)
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            stack.enter_context(theirs)
            self._broker = ours
            log = stack.enter_context((self.folder / "log").open("ab"))
            self._process = _launched(command, theirs, listener, log, environment)
        ours.settimeout(self._startup)
        try:
            self.isolated = ours.recv(64) == pcscd_launcher.ALONE
        except OSError:
            self.isolated = False

    def _wait_until_usable(self) -> None:
        deadline = time.monotonic() + self._startup
        while True:
            if not self.running:
                raise PcscdError(f"pcscd ended at once: {self.log[-_LOG_TAIL:].strip()}")
            try:
                missing = self._missing()
                trouble = f"pcscd does not list {', '.join(missing)}"
            except PcscdError as error:
                missing, trouble = [""], str(error)
            if not missing:
                break
            if time.monotonic() > deadline:
                raise PcscdError(
                    f"{trouble} after {self._startup:g} s: {self.log[-_LOG_TAIL:].strip()}"
                )
            time.sleep(_LOOK_AGAIN)
        listed = [reader.name for reader in self.listed()]
        for reader in self.readers:
            self._plugged.append(reader)
            reader.plugged(self, _names_of(reader, listed))

    def _missing(self) -> list[str]:
        listed = [reader.name for reader in self.listed()]
        missing = [
            reader.name for reader in self.readers if len(_names_of(reader, listed)) < reader.slots
        ]
        return missing + [
            wanted
            for wanted in self._expected
            if not any(name.startswith(wanted) for name in listed)
        ]

    def _end(self, crash: bool = False) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.kill() if crash else process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        with self._broker_guard:
            if self._broker is not None:
                self._broker.close()
                self._broker = None
        while self._plugged:
            self._plugged.pop().unplugged()


def _names_of(reader: PluggedReader, listed: Sequence[str]) -> list[str]:
    """Names of the slots of a reader, in order: pcscd numbers readers of one driver through."""
    pattern = re.compile(re.escape(reader.name) + " [0-9A-F]{2} [0-9A-F]{2}")
    return sorted(name for name in listed if pattern.fullmatch(name))


def find_pcscd() -> str:
    """Path of pcscd.

    Raises:
        PcscdError: not installed.
    """
    found = shutil.which("pcscd", path=f"{os.environ.get('PATH', '')}:{_PROGRAM_PATH}")
    if found is None:
        raise PcscdError("pcscd is missing: apt install pcscd")
    return found


@functools.cache
def _quiet(program: str) -> tuple[str, ...]:
    """Newer versions ask polkit who may connect; ours is reached by its owner only."""
    text = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
    return ("--disable-polkit",) if "--disable-polkit" in text.stdout + text.stderr else ()


def _folder() -> Path:
    """A new directory, short enough for a socket in it."""
    for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - the mode is 700
        folder = tempfile.mkdtemp(prefix="vb-", dir=parent)
        if len(os.fsencode(folder)) + len("/pcscd.comm") <= _LONGEST_SOCKET_PATH:
            return Path(folder)
        os.rmdir(folder)
    raise PcscdError(f"{tempfile.gettempdir()} is too long a path: set TMPDIR to a shorter one")


def _launched(
    command: list[str],
    broker: socket.socket,
    listener: socket.socket,
    log: IO[bytes],
    environment: dict[str, str],
) -> subprocess.Popen[bytes]:
    handles = (broker.fileno(), listener.fileno())
    launcher = [sys.executable, "-I", "-S", str(pcscd_launcher.__file__), *map(str, handles)]
    return subprocess.Popen(
        [*launcher, *command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
        pass_fds=handles,
        start_new_session=True,
    )
