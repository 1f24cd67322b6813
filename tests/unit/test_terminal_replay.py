"""The memory of tokens: marks, nonces, and a file that is never half written or half believed."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from reader_drivers.terminal import atomic_file
from reader_drivers.terminal.errors import ReplayStoreError
from reader_drivers.terminal.replay import ReplayStore

NOW = 1_795_000_000
KEY, OTHER = b"\x02" * 33, b"\x03" * 33


def nonce(number: int) -> bytes:
    return number.to_bytes(8, "big")


def accept(store: ReplayStore, counter: int, key: bytes = KEY, **more: bool) -> None:
    store.accept(key, counter, nonce(counter), keep_until=NOW + 150, now=NOW, **more)


def test_marks_and_nonces() -> None:
    store = ReplayStore()
    assert store.objection(KEY, 5, nonce(5)) is None
    accept(store, 5)
    assert "this very token" in str(store.objection(KEY, 5, nonce(5)))
    assert "not above 5" in str(store.objection(KEY, 5, nonce(99)))
    assert "not above 5" in str(store.objection(KEY, 4, nonce(4)))
    assert store.objection(KEY, 6, nonce(6)) is None
    assert store.objection(OTHER, 1, nonce(1)) is None
    assert store.objection(OTHER, 9, nonce(5)) is not None


def test_asking_moves_nothing() -> None:
    store = ReplayStore()
    store.objection(KEY, 5, nonce(5))
    assert store.objection(KEY, 5, nonce(5)) is None


def test_a_mark_never_falls() -> None:
    store = ReplayStore()
    accept(store, 9)
    accept(store, 3)
    assert store.objection(KEY, 9, nonce(1)) is not None


def test_nonces_are_forgotten_with_their_lifetime_and_marks_are_not() -> None:
    store = ReplayStore()
    for counter in range(1, 101):
        accept(store, counter)
    assert len(store) == 100
    store.accept(KEY, 101, nonce(101), keep_until=NOW + 400, now=NOW + 152)
    assert len(store) == 1
    assert store.objection(KEY, 50, nonce(50)) is not None


def test_one_time_marks_are_forgotten_too(tmp_path: Path) -> None:
    path = tmp_path / "replay.json"
    store = ReplayStore(path)
    accept(store, 5, one_time=True)
    assert store.objection(KEY, 5, nonce(6)) is not None
    store.accept(OTHER, 1, nonce(1), keep_until=NOW + 400, now=NOW + 152)
    assert store.objection(KEY, 5, nonce(6)) is None
    assert KEY.hex() not in path.read_text()


def test_the_file_is_believed_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "replay.json"
    store = ReplayStore(path)
    accept(store, 5)
    accept(store, 7, OTHER, one_time=True)
    again = ReplayStore(path)
    for key, counter in ((KEY, 5), (OTHER, 7)):
        assert again.objection(key, counter, nonce(99)) is not None
        assert again.objection(key, counter + 1, nonce(counter)) is not None
        assert again.objection(key, counter + 1, nonce(98)) is None


def damaged(content: str) -> dict[str, str]:
    value = json.loads(content)
    value["body"]["marks"][KEY.hex()] = 1
    return {
        "a lowered mark": json.dumps(value),
        "cut": content[:-10],
        "empty": "",
        "no object": "[]",
        "another format": content.replace("ecv-replay/1", "ecv-replay/9"),
        "a number": "5",
    }


@pytest.mark.parametrize("case", sorted(damaged('{"body": {"marks": {}}}')))
def test_a_damaged_file_is_an_error_and_stays(tmp_path: Path, case: str) -> None:
    path = tmp_path / "replay.json"
    accept(ReplayStore(path), 5)
    bad = damaged(path.read_text())[case]
    path.write_text(bad)
    with pytest.raises(ReplayStoreError, match="damaged") as caught:
        ReplayStore(path)
    assert str(path) in str(caught.value)
    assert path.read_text() == bad


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ReplayStoreError):
        ReplayStore(tmp_path)


def test_a_failed_write_forgets_and_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "replay.json"
    store = ReplayStore(path)
    accept(store, 5)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(atomic_file.os, "fsync", full)
        with pytest.raises(ReplayStoreError, match="No space left"):
            accept(store, 6)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["replay.json"]
    assert store.objection(KEY, 6, nonce(6)) is None
    accept(store, 6)
    assert ReplayStore(path).objection(KEY, 6, nonce(99)) is not None


def test_the_content_is_on_disk_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[bool, int]] = []

    def look(descriptor: int) -> None:
        found = os.fstat(descriptor)
        synced.append((stat.S_ISDIR(found.st_mode), found.st_size))

    monkeypatch.setattr(atomic_file.os, "fsync", look)
    atomic_file.write_atomically(tmp_path / "file", b"content")
    assert synced[0] == (False, 7)
    assert [is_directory for is_directory, _ in synced] == [False, True]
