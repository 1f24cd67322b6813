"""Memory of the QR tokens accepted: counters and nonces (profile 9.5)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from reader_drivers.terminal.atomic_file import write_atomically
from reader_drivers.terminal.errors import ReplayStoreError

FORMAT = "ecv-replay/1"


@dataclasses.dataclass(frozen=True)
class _Memory:
    """Marks are kept for ever, nonces and one-time marks until the time beside them."""

    marks: dict[str, int] = dataclasses.field(default_factory=dict)
    one_time: dict[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
    nonces: dict[str, int] = dataclasses.field(default_factory=dict)


class ReplayStore:
    """High-water mark of the counter for each phone key, and the nonces seen.

    Nothing moves but by :meth:`accept`, which returns when the change is on disk.

    Args:
        path: file that keeps the memory between runs; ``None`` keeps it in this process.

    Raises:
        ReplayStoreError: the file is there and cannot be read or was damaged. It is left as
            it is: what it protects against must not be forgotten by accident.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._memory = _Memory()
        if path is not None and path.exists():
            self._memory = _read(path)

    def objection(self, key: bytes, counter: int, nonce: bytes) -> str | None:
        """Why a token is a replay, in words; ``None`` when it is not.

        Args:
            key: what the counter belongs to: the phone's key, or a one-time pseudonym.
        """
        if nonce.hex() in self._memory.nonces:
            return "this very token was accepted before"
        mark = self._mark(key)
        if mark is not None and counter <= mark:
            return f"counter {counter} is not above {mark}, accepted before from this phone"
        return None

    def accept(
        self,
        key: bytes,
        counter: int,
        nonce: bytes,
        *,
        keep_until: float,
        now: float,
        one_time: bool = False,
    ) -> None:
        """Remember an accepted token; forget what can no longer be replayed.

        Args:
            keep_until: when the token can no longer be accepted by its lifetime.
            one_time: ``key`` is a pseudonym that no later token will use.

        Raises:
            ReplayStoreError: the file cannot be written; nothing is remembered, and the token
                must not be accepted.
        """
        limit = int(keep_until) + 1
        memory = _Memory(
            dict(self._memory.marks),
            {k: v for k, v in self._memory.one_time.items() if v[1] >= now},
            {k: until for k, until in self._memory.nonces.items() if until >= now},
        )
        memory.nonces[nonce.hex()] = limit
        highest = max(counter, self._mark(key) or 0)
        if one_time:
            memory.one_time[key.hex()] = (highest, limit)
        else:
            memory.marks[key.hex()] = highest
        if self._path is not None:
            _write(self._path, memory)
        self._memory = memory

    def __len__(self) -> int:
        """Nonces remembered now."""
        return len(self._memory.nonces)

    def _mark(self, key: bytes) -> int | None:
        one_time = self._memory.one_time.get(key.hex())
        return self._memory.marks.get(key.hex()) if one_time is None else one_time[0]


def _checksum(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _write(path: Path, memory: _Memory) -> None:
    # Through JSON once, so that the checksum is over what will be read back.
    body = json.loads(json.dumps(dataclasses.asdict(memory)))
    content = {"format": FORMAT, "sha256": _checksum(body), "body": body}
    try:
        write_atomically(path, json.dumps(content, sort_keys=True, indent=1).encode())
    except OSError as error:
        raise ReplayStoreError(
            f"replay memory {path}: cannot be written: {error.strerror or error}"
        ) from None


def _read(path: Path) -> _Memory:
    try:
        content = json.loads(path.read_bytes())
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']!r}, not {FORMAT!r}")
        body = content["body"]
        if content["sha256"] != _checksum(body):
            raise ValueError("its checksum is wrong")
        return _Memory(
            marks={str(key): int(mark) for key, mark in body["marks"].items()},
            one_time={
                str(key): (int(mark), int(until)) for key, (mark, until) in body["one_time"].items()
            },
            nonces={str(nonce): int(until) for nonce, until in body["nonces"].items()},
        )
    except OSError as error:
        raise ReplayStoreError(f"replay memory {path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ReplayStoreError(
            f"replay memory {path} is damaged ({error}): put back a copy, or move it away to "
            "start with an empty memory"
        ) from None
