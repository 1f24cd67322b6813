"""Runs acts on real files until it is killed; every act acknowledged is said to its parent."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from firmware_sim.fund.service import Fund
from firmware_sim.phone.phone import Phone
from firmware_sim.phone.store import FileStore

CODE, WRONG = "135790", "000000"
DAY = 86_400


def killer(at: int) -> Callable[[str], None]:
    left = [at]

    def step(point: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return step


def say(*words: object) -> None:
    os.write(1, (" ".join(str(word) for word in words) + "\n").encode())


def acts(phone: Phone, fund: Fund, delegate: bytes) -> None:
    """One round. "begin" before what must not be regained, "done" when it returned."""
    counter = phone.state.qr_counter + 1
    say("begin", "qr", counter)
    phone.show_qr(CODE)
    say("done", "qr", counter)
    if phone.code.tries_left > 1:
        say("begin", "try", phone.code.tries_left - 1)
        phone.enter_code(WRONG)
        say("done", "try", phone.code.tries_left)
    now = time.time()
    grant = phone.delegate(delegate, now, now + 7 * DAY)
    say("done", "grant", grant.grant_id.hex())
    phone.take_back(grant.grant_id)
    say("done", "revoked", grant.grant_id.hex())
    for key in phone.state.card.agreement_keys[:3]:
        phone.card.key_pool.mark_used(key)
    phone.update()
    say("done", "update", phone.state.updated_at)
    receipt = fund.record_receipt(phone.serial, "10001234567", lines=[("Essai", counter)])
    say("done", "receipt", receipt.lines[0].cents)
    phone.lock()
    say("done", "lock", 1)
    phone.unlock()
    say("done", "lock", 0)


def run(phone_file: str, fund_file: str, delegate: str, where: str) -> None:
    """Load both and act. ``where`` is one of: phone:N, killed at the Nth point of saves of the
    phone; fund:N, before the Nth statement of the fund; random, by the test; never."""
    fund = Fund.open(Path(fund_file), time.time, os.urandom)
    phone = Phone.load(FileStore(Path(phone_file)), time.time, os.urandom, fund)
    kind, _, at = where.partition(":")
    assert isinstance(phone.store, FileStore)
    if kind == "phone":
        phone.store.step = killer(int(at))
    if kind == "fund":
        fund.store.step = killer(int(at))
    say("ready", os.getpid())
    for _ in range(1 if where == "never" else 1000):
        acts(phone, fund, bytes.fromhex(delegate))


def main() -> None:
    """Fork a child for each line of arguments; say with which status it ended."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(*line.rstrip("\n").split("\t"))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        say("exit", os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
