"""``kill -9`` at every write point and at random: nothing acknowledged is lost, no try regained."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from card_formats.grant import GRANT
from card_formats.opposition_list import Status
from firmware_sim.fund.service import Fund
from firmware_sim.phone.phone import Phone
from firmware_sim.phone.state import PhoneState
from firmware_sim.phone.store import FileStore

CODE = "135790"
SAVES, STATEMENTS = 12, 74
"""A round of acts saves the phone and runs statements of the fund so often."""
PHONE_POINTS = 6
"""Points of one save of the phone."""


def load_and_close(path: Path) -> PhoneState:
    store = FileStore(path)
    state = store.load()
    store.close()
    return state


class Scene:
    """A phone and a fund on disk, and what the child acknowledged before it died."""

    def __init__(self, folder: Path, server: subprocess.Popen[str]) -> None:
        self.phone_file = folder / "phone.json"
        self.fund_file = folder / "fund.sqlite"
        self.delegate = load_and_close(folder / "karim.json").card.serial
        self.server = server
        self.lines: list[list[str]] = []

    def run(self, where: str, seconds: float | None = None) -> int:
        """Run a child, perhaps killed after some time; return its exit status."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        arguments = [str(self.phone_file), str(self.fund_file), self.delegate.hex(), where]
        self.server.stdin.write("\t".join(arguments) + "\n")
        self.server.stdin.flush()
        self.lines = []
        for line in self.server.stdout:
            kind, *rest = line.split()
            if kind == "exit":
                return int(rest[0])
            self.lines.append([kind, *rest])
            if kind == "ready" and seconds is not None:
                time.sleep(seconds)
                os.kill(int(rest[0]), signal.SIGKILL)
        raise AssertionError("the server is gone")

    def said(self, state: str, kind: str) -> list[str]:
        return [line[2] for line in self.lines if line[:2] == [state, kind]]

    def last(self, state: str, kind: str) -> int:
        return max((int(value) for value in self.said(state, kind)), default=0)

    def check(self) -> None:
        """Open both files again and compare them with what was acknowledged."""
        fund = Fund.open(self.fund_file, time.time, os.urandom)
        phone = Phone.load(FileStore(self.phone_file), time.time, os.urandom, fund)
        self.check_counters(phone)
        self.check_grants(phone, fund)
        cents = {one.lines[0].cents for one in fund.receipts(phone.serial)}
        assert {int(value) for value in self.said("done", "receipt")} <= cents
        assert phone.state.updated_at >= self.last("done", "update")
        # No act was done by halves: every place in the list belongs to somebody.
        (places,) = fund.store.execute("SELECT count(*) FROM statuses")
        (owners,) = fund.store.execute(
            "SELECT (SELECT count(*) FROM cards) + (SELECT count(*) FROM grants)"
        )
        assert places == owners
        # And the phone goes on.
        phone.unlock()
        phone.update()
        text = phone.show_qr(CODE)
        assert fund.resolve_qr(text).accepted
        phone.close()
        fund.close()

    def check_counters(self, phone: Phone) -> None:
        done, begun = self.last("done", "qr"), self.last("begin", "qr")
        assert done <= phone.state.qr_counter <= max(begun, done)
        last = next((line for line in reversed(self.lines) if line[1:2] in (["qr"], ["try"])), [])
        if last[:2] == ["done", "try"]:
            assert phone.state.card.tries_left == int(last[2])

    def check_grants(self, phone: Phone, fund: Fund) -> None:
        known = {GRANT.parse(one.grant).grant_id.hex() for one in phone.state.given}
        revoked = set(self.said("done", "revoked"))
        for grant_id in self.said("done", "grant"):
            record = fund.grants.find(bytes.fromhex(grant_id))
            assert record is not None
            assert grant_id in known
            if grant_id in revoked:
                assert record.revoked
        for one in phone.state.given:
            grant = GRANT.parse(one.grant)
            if grant.grant_id.hex() in revoked:
                assert one.revoked
                assert fund.opposition.status(grant.status_index) is Status.OPPOSED


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    fund = Fund.create(folder / "fund.sqlite", time.time, os.urandom)
    for person, name in (("amelie", "phone"), ("karim", "karim")):
        Phone.enrol(
            fund,
            person,
            CODE,
            store=FileStore(folder / f"{name}.json"),
            clock=time.time,
            random_bytes=os.urandom,
        ).close()
    fund.close()
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[subprocess.Popen[str]]:
    """Has everything imported and forks a child for each case."""
    with subprocess.Popen(
        [sys.executable, Path(__file__).with_name("crash_child.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def scene(template: Path, server: subprocess.Popen[str]) -> Iterator[Scene]:
    # In memory where there is such a place: a killed process tests the order of the writes, not
    # the disk, and these tests wait for hundreds of writes.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        for one in template.iterdir():
            shutil.copy(one, folder)
        yield Scene(Path(folder), server)


def test_child_ends_well_when_it_is_not_killed(scene: Scene) -> None:
    assert scene.run("never") == 0
    assert len(scene.said("done", "lock")) == 2
    scene.check()


@pytest.mark.parametrize("point", range(1, SAVES * PHONE_POINTS + 1))
def test_killed_at_a_point_of_a_save(point: int, scene: Scene) -> None:
    assert scene.run(f"phone:{point}") == -signal.SIGKILL
    scene.check()


@pytest.mark.parametrize("statement", range(1, STATEMENTS + 1))
def test_killed_before_a_statement_of_the_fund(statement: int, scene: Scene) -> None:
    assert scene.run(f"fund:{statement}") == -signal.SIGKILL
    scene.check()


def test_killed_at_random_again_and_again(scene: Scene) -> None:
    dice = random.Random(20261123)
    for _ in range(12):
        assert scene.run("random", seconds=dice.uniform(0, 0.12)) == -signal.SIGKILL
        scene.check()


TRIES = """
import os, signal, sys, time
from pathlib import Path
from firmware_sim.phone.phone import Phone
from firmware_sim.phone.store import FileStore
phone = Phone.load(FileStore(Path(sys.argv[1])), time.time, os.urandom)
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
phone.code.matches = die  # at the moment of the comparison, not a step later
phone.enter_code(sys.argv[2])
"""


@pytest.mark.parametrize("code", ["000000", CODE])
def test_tearing_at_the_comparison_never_gives_a_try_back(code: str, scene: Scene) -> None:
    for left in (2, 1, 0):
        killed = subprocess.run([sys.executable, "-c", TRIES, scene.phone_file, code], check=False)
        assert killed.returncode == -signal.SIGKILL
        assert load_and_close(scene.phone_file).card.tries_left == left
    phone = Phone.load(FileStore(scene.phone_file), time.time, os.urandom)
    assert phone.enter_code(CODE).blocked
    phone.close()


CREATE = """
import os, signal, sys, time
from pathlib import Path
from firmware_sim.fund.service import Fund
from firmware_sim.fund import store
left = [int(sys.argv[2])]
def step(statement):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
original = store.FundStore.__init__
def init(self, *args):
    original(self, *args)
    self.step = step
store.FundStore.__init__ = init
Fund.create(Path(sys.argv[1]), time.time, os.urandom)
"""


@pytest.mark.parametrize("statement", [1, 2, 12, 25, 32])
def test_fund_killed_while_it_is_made_is_made_again(statement: int, tmp_path: Path) -> None:
    path = tmp_path / "fund.sqlite"
    killed = subprocess.run([sys.executable, "-c", CREATE, path, str(statement)], check=False)
    assert killed.returncode == -signal.SIGKILL
    if path.exists():
        Fund.open(path, time.time, os.urandom).close()
    else:
        Fund.create(path, time.time, os.urandom).close()
        assert [one.name for one in tmp_path.iterdir()] == ["fund.sqlite"]
