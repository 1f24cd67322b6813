"""The phone's file: replaced as a whole, and errors that say what to do."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from phone_world import CODE, World

from firmware_sim.phone.errors import PhoneFileError
from firmware_sim.phone.phone import Phone
from firmware_sim.phone.store import FileStore, MemoryStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "phone.json"


def enrolled(path: Path) -> Phone:
    phone = World().enrol(store=FileStore(path))
    phone.close()
    return phone


def test_file_is_for_its_owner_and_readable(path: Path) -> None:
    phone = enrolled(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    document = json.loads(path.read_bytes())
    assert document["format"] == "ecv-phone/1"
    assert document["state"]["person_key"] == "amelie"
    assert FileStore(path).load() == phone.state
    assert sorted(one.name for one in path.parent.iterdir()) == ["phone.json", "phone.json.lock"]


def test_empty_or_not(path: Path) -> None:
    assert FileStore(path).is_empty
    enrolled(path)
    assert not FileStore(path).is_empty
    with pytest.raises(PhoneFileError, match="holds a phone already"):
        World(2).enrol(store=FileStore(path))


def damages(content: bytes) -> dict[str, tuple[bytes, str]]:
    middle = len(content) // 2
    text = content.decode()
    return {
        "empty": (b"", "damaged or cut short"),
        "cut": (content[:middle], "damaged or cut short"),
        "one byte less": (content[:-3], "damaged or cut short"),
        "one digit": (text.replace('"tries_left":3', '"tries_left":9').encode(), "checksum"),
        "binary": (os.urandom(200), "damaged or cut short"),
        "deep": (b"[" * 100_000, "damaged or cut short"),
        "another json": (b'{"a": 1}', "not a phone's file"),
        "a list": (b"[1]", "not a phone's file"),
        "newer": (text.replace("ecv-phone/1", "ecv-phone/2").encode(), "another version"),
        "no state": (b'{"format": "ecv-phone/1", "sha256": ""}', "checksum"),
        "surrogate": (b'{"format": "ecv-phone/1", "sha256": "", "state": "\\ud800"}', "checksum"),
    }


@pytest.mark.parametrize("name", damages(b'"tries_left":3 ecv-phone/1'))
def test_bad_file_is_refused_and_left_alone(name: str, path: Path) -> None:
    enrolled(path)
    content, why = damages(path.read_bytes())[name]
    path.write_bytes(content)
    with pytest.raises(PhoneFileError, match=why) as error:
        FileStore(path).load()
    text = str(error.value)
    assert "\n" not in text
    assert str(path) in text
    assert "enrol" in text, "says what to do"
    assert path.read_bytes() == content


def test_other_fields_under_a_right_checksum_are_another_version(path: Path) -> None:
    import hashlib

    enrolled(path)
    state = json.loads(path.read_bytes())["state"]
    state["card"]["colour"] = "green"
    body = json.dumps(state, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    digest = hashlib.sha256(body.encode()).hexdigest()
    path.write_text(f'{{"format":"ecv-phone/1","sha256":"{digest}","state":{body}}}')
    with pytest.raises(PhoneFileError, match=r"version.*colour"):
        FileStore(path).load()


def test_missing_and_unusable_paths(tmp_path: Path) -> None:
    with pytest.raises(PhoneFileError, match="no such phone"):
        FileStore(tmp_path / "none.json").load()
    with pytest.raises(PhoneFileError, match="directory"):
        FileStore(tmp_path).load()
    with pytest.raises(PhoneFileError, match="no such phone"):
        FileStore(tmp_path / "no" / "phone.json").load()
    with pytest.raises(PhoneFileError, match="cannot be written"):
        World().enrol(store=FileStore(tmp_path / "no" / "phone.json"))
    with pytest.raises(PhoneFileError, match="enrol one first"):
        MemoryStore().load()


def test_failed_save_keeps_what_was_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = World().enrol(store=FileStore(path))
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("firmware_sim.phone.store.os.fsync", full)
    with pytest.raises(PhoneFileError, match="No space left"):
        phone.show_qr(CODE)
    monkeypatch.undo()
    assert path.read_bytes() == before
    phone.close()


def test_card_whose_phone_cannot_save_loses_its_power(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = World().enrol(store=FileStore(path))
    monkeypatch.setattr(phone.store, "step", _raise)
    phone.card.power_on()
    phone.card.transmit(b"\x00\xa4\x04\x00\x08" + phone.card.profile.aid + b"\x00")
    with pytest.raises(ConnectionError):
        phone.card.transmit(bytes.fromhex("80CABF2100"))
    phone.close()


def _raise(point: str) -> None:
    raise OSError(5, "Input/output error")


OPEN = """
import sys
from pathlib import Path
from firmware_sim.phone.errors import PhoneFileError
from firmware_sim.phone.store import FileStore
try:
    FileStore(Path(sys.argv[1])).load()
except PhoneFileError as error:
    print(error)
"""


def from_another_process(path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(path)], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_one_process_at_a_time(path: Path) -> None:
    world = World()
    phone = world.enrol(store=FileStore(path))
    assert "another process" in from_another_process(path)
    again = Phone.load(FileStore(path), world.clock, world.random_bytes)
    again.close()
    again.close()
    assert "another process" in from_another_process(path)
    phone.close()
    assert from_another_process(path) == ""


def test_memory_copy_is_a_snapshot() -> None:
    world = World()
    phone = world.enrol()
    assert isinstance(phone.store, MemoryStore)
    snapshot = phone.store.copy()
    phone.show_qr(CODE)
    assert snapshot.load().qr_counter == 0
    assert phone.store.load().qr_counter == 1


def test_memory_keeps_only_what_was_saved() -> None:
    world = World()
    phone = world.enrol()
    phone.state.qr_counter = 99
    assert world.reload(phone).state.qr_counter == 0
