"""The fund's file: whole or not at all, and errors a person can act on."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest
from phone_world import START

from firmware_sim.fund.errors import FundFileError, FundRefusal
from firmware_sim.fund.records import EnrolmentRequest
from firmware_sim.fund.service import Fund
from firmware_sim.phone.phone import Phone
from firmware_sim.phone.store import MemoryStore


def clock() -> float:
    return START


def create(path: Path) -> Fund:
    return Fund.create(path, clock, os.urandom)


def enrol(fund: Fund, person: str = "amelie") -> Phone:
    return Phone.enrol(
        fund, person, "135790", store=MemoryStore(), clock=clock, random_bytes=os.urandom
    )


def test_what_was_done_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "fund.sqlite"
    fund = create(path)
    phone = enrol(fund)
    root = fund.keys.root.der
    fund.report_lost(phone.serial)
    fund.close()
    again = Fund.open(path, clock, os.urandom)
    assert again.keys.root.der == root
    assert again.person_of(phone.serial).key == "amelie"
    phone.fund = again
    phone.update()
    assert phone.state.card.life_cycle.name == "OPPOSED"
    again.close()


def test_file_is_for_its_owner_only_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "fund.sqlite"
    fund = create(path)
    enrol(fund)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["fund.sqlite"]
    fund.close()


def test_two_processes_share_one_file(tmp_path: Path) -> None:
    path = tmp_path / "fund.sqlite"
    one = create(path)
    other = Fund.open(path, clock, os.urandom)
    phone = enrol(one)
    other.report_lost(phone.serial)
    assert one.cards.status(one.cards.get(phone.serial)).name == "OPPOSED"
    other.rotate_group_key()
    assert one.keys.current_group_key() == other.keys.current_group_key()


def test_create_does_not_replace(tmp_path: Path) -> None:
    path = tmp_path / "fund.sqlite"
    path.write_text("precious")
    with pytest.raises(FundFileError, match="exists already"):
        create(path)
    assert path.read_text() == "precious"


def test_create_goes_over_what_a_killed_create_left(tmp_path: Path) -> None:
    path = tmp_path / "fund.sqlite"
    (tmp_path / "fund.sqlite.new").write_text("half")
    create(path).close()
    assert [one.name for one in tmp_path.iterdir()] == ["fund.sqlite"]


def one_line(error: pytest.ExceptionInfo[FundFileError], path: Path) -> None:
    text = str(error.value)
    assert "\n" not in text
    assert str(path) in text


def bad_files() -> dict[str, bytes]:
    return {"empty": b"", "text": b"not a database\n" * 100, "cut": b"SQLite format 3\0" * 3}


@pytest.mark.parametrize("kind", bad_files())
def test_other_files_are_refused_and_left_alone(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "fund.sqlite"
    path.write_bytes(bad_files()[kind])
    with pytest.raises(FundFileError, match="fund's file") as error:
        Fund.open(path, clock, os.urandom)
    one_line(error, path)
    assert path.read_bytes() == bad_files()[kind]


@pytest.mark.parametrize(("version", "age"), [(0, "an older"), (2, "a newer")])
def test_other_schemas_are_refused(version: int, age: str, tmp_path: Path) -> None:
    path = tmp_path / "fund.sqlite"
    create(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    with pytest.raises(FundFileError, match=age) as error:
        Fund.open(path, clock, os.urandom)
    one_line(error, path)


def test_foreign_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fund.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(FundFileError, match="not a fund's file"):
        Fund.open(path, clock, os.urandom)


def test_damaged_page_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fund.sqlite"
    create(path).close()
    content = bytearray(path.read_bytes())
    for page in range(1, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(content)
    with pytest.raises(FundFileError, match=r"damaged|cannot be used") as error:
        Fund.open(path, clock, os.urandom)
    one_line(error, path)


def test_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fund.sqlite"
    create(path).close()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(FundFileError):
        Fund.open(path, clock, os.urandom)


def test_missing_file_and_directory(tmp_path: Path) -> None:
    with pytest.raises(FundFileError, match="no such file"):
        Fund.open(tmp_path / "no", clock, os.urandom)
    with pytest.raises(FundFileError, match="directory"):
        Fund.open(tmp_path, clock, os.urandom)
    with pytest.raises(FundFileError, match="check the path"):
        create(tmp_path / "no" / "fund.sqlite")


def test_closed_fund_says_so(tmp_path: Path) -> None:
    fund = create(tmp_path / "fund.sqlite")
    fund.close()
    with pytest.raises(FundFileError, match="closed"):
        fund.opposition_list()


def test_failed_act_leaves_nothing_behind(tmp_path: Path) -> None:
    fund = create(tmp_path / "fund.sqlite")
    before = fund.store.execute("SELECT count(*) FROM cards")

    def step(statement: str) -> None:
        if statement.startswith("INSERT INTO pseudonyms"):
            raise RuntimeError("the power failed")

    fund.store.step = step
    with pytest.raises(RuntimeError, match="power"):
        enrol(fund)
    fund.store.step = lambda statement: None
    assert fund.store.execute("SELECT count(*) FROM cards") == before
    enrol(fund)


def test_point_off_the_curve_is_refused() -> None:
    fund = Fund.create(None, clock, os.urandom)
    request = EnrolmentRequest("amelie", enrol(fund).state.card.marker, b"\x04" + bytes(64), ())
    with pytest.raises(FundRefusal) as refused:
        fund.enrol(request)
    assert refused.value.reason == "bad_key"
