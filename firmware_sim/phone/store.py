"""Where a phone keeps its state: in memory, or in one file that survives ``kill -9``."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from firmware_sim.json_codec import CodecError
from firmware_sim.phone.errors import PhoneFileError
from firmware_sim.phone.state import PhoneState

FORMAT = "ecv-phone/1"

Step = Callable[[str], None]


class PhoneStore(Protocol):
    """Keeps one phone's state."""

    @property
    def is_empty(self) -> bool:
        """Whether no phone was saved here yet."""
        ...

    def save(self, state: PhoneState) -> None:
        """Keep the state durably before returning; raise, and keep the one before, if not."""
        ...

    def load(self) -> PhoneState:
        """Return the state saved last, as new objects."""
        ...

    def close(self) -> None:
        """Release it. Harmless when called twice."""
        ...


def _no_step(point: str) -> None:
    return None


class MemoryStore:
    """A store for one run. Like a file it keeps a copy: what was not saved is not there.

    Attributes:
        step: called with "write" before the state is replaced and "written" afterwards;
            a test of power cuts raises there.
    """

    def __init__(self, step: Step = _no_step) -> None:
        self.step = step
        self._data: dict[str, Any] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no phone was saved here yet."""
        return self._data is None

    def save(self, state: PhoneState) -> None:
        """Keep a copy."""
        data = state.to_json()
        self.step("write")
        self._data = data
        self.step("written")

    def load(self) -> PhoneState:
        """Return the last copy."""
        if self._data is None:
            raise PhoneFileError("no phone was saved in this store; enrol one first")
        return PhoneState.from_json(self._data)

    def copy(self) -> MemoryStore:
        """Another store that holds the same phone: a snapshot to come back to."""
        # What is kept is never changed, only replaced: the copy may share it.
        other = MemoryStore()
        other._data = self._data
        return other

    def close(self) -> None:
        """Nothing to release."""


class FileStore:
    """One JSON file with a SHA-256 over the state, replaced as a whole at each save.

    While it is open no other process can use the file (a lock on ``NAME.lock``). Keys and code
    are in the clear, with mode 0600: nothing here is real.

    Attributes:
        step: called with the name of each point of a save: "write", "opened",
            "filled", "synced", "replaced", "written"; a test of crashes may not return.
    """

    def __init__(self, path: Path, step: Step = _no_step) -> None:
        self.path = path
        self.step = step
        self._lock: Path | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is no file yet."""
        return not self.path.exists()

    def save(self, state: PhoneState) -> None:
        """Replace the file.

        Raises:
            PhoneFileError: it cannot be written; the one before is still there.
        """
        content = _dump(state.to_json())
        temporary = self.path.with_name(self.path.name + ".tmp")
        try:
            self._acquire()
            self.step("write")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                self.step("opened")
                file.write(content)
                file.flush()
                self.step("filled")
                os.fsync(file.fileno())
            self.step("synced")
            os.replace(temporary, self.path)
            self.step("replaced")
            _sync_directory(self.path.parent)
        except OSError as error:
            raise PhoneFileError(
                f"{self.path}: cannot be written ({error.strerror}); check the path, its "
                "permissions and the space left; what was saved before is still there"
            ) from None
        self.step("written")

    def load(self) -> PhoneState:
        """Read the file.

        Raises:
            PhoneFileError: not there, unreadable, damaged, or of another version.
        """
        try:
            self._acquire()
            content = self.path.read_bytes()
        except FileNotFoundError:
            raise PhoneFileError(f"{self.path}: no such phone; enrol one first") from None
        except OSError as error:
            raise PhoneFileError(
                f"{self.path}: cannot be read ({error.strerror}); check the path and its "
                "permissions"
            ) from None
        return _parse(self.path, content)

    def close(self) -> None:
        """Let other processes use the file."""
        if self._lock is not None:
            _LOCKS.release(self._lock)
            self._lock = None

    def _acquire(self) -> None:
        if self._lock is None:
            lock = self.path.with_name(self.path.name + ".lock").absolute()
            if not _LOCKS.acquire(lock):
                raise PhoneFileError(
                    f"{self.path}: another process is using this phone; end it, or wait for it"
                )
            self._lock = lock


class _Locks:
    """Locks of this process. POSIX ends a lock when *any* descriptor of the file is closed, so
    that there must be one descriptor for all stores of a path."""

    def __init__(self) -> None:
        self._held: dict[Path, tuple[int, int]] = {}
        self._mutex = threading.Lock()

    def acquire(self, path: Path) -> bool:
        with self._mutex:
            descriptor, holders = self._held.get(path, (-1, 0))
            if not holders:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError as error:
                    os.close(descriptor)
                    if error.errno in (errno.EACCES, errno.EAGAIN):
                        return False
                    raise
            self._held[path] = (descriptor, holders + 1)
            return True

    def release(self, path: Path) -> None:
        with self._mutex:
            descriptor, holders = self._held.pop(path)
            if holders > 1:
                self._held[path] = (descriptor, holders - 1)
            else:
                os.close(descriptor)


_LOCKS = _Locks()


def _canonical(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _dump(state: dict[str, Any]) -> bytes:
    body = _canonical(state)
    digest = hashlib.sha256(body.encode()).hexdigest()
    # By hand, so that the body is written out once only.
    return f'{{"format":"{FORMAT}","sha256":"{digest}",\n"state":{body}}}\n'.encode()


def _parse(path: Path, content: bytes) -> PhoneState:
    advice = "the file was left as it is: restore a copy, or enrol a phone in another file"
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise PhoneFileError(
            f"{path}: damaged or cut short, or no phone's file; {advice}"
        ) from None
    if not isinstance(document, dict) or not str(document.get("format")).startswith("ecv-phone/"):
        raise PhoneFileError(f"{path}: not a phone's file; choose another, or enrol a phone")
    if document["format"] != FORMAT:
        raise PhoneFileError(
            f"{path}: written by another version of vitale-bench ({document['format']}, this one "
            f"has {FORMAT}); {advice}"
        )
    body = _canonical(document.get("state"))
    with contextlib.suppress(UnicodeEncodeError):
        if document.get("sha256") == hashlib.sha256(body.encode()).hexdigest():
            try:
                return PhoneState.from_json(document["state"])
            except CodecError as error:
                raise PhoneFileError(
                    f"{path}: not of this version of vitale-bench ({error}); {advice}"
                ) from None
    raise PhoneFileError(f"{path}: damaged, its checksum is wrong; {advice}")


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
