"""The pytest plugin as pytest loads it: harmless to others, strict with its own options."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from card_formats.pin_block import PIN_BLOCK
from conformance import mutants, trace
from conformance.mutants import run_mutants
from conformance.naming import mask
from conformance.verdicts import Judgement, Verdict

SCENARIOS = str(resources.files("conformance") / "scenarios" / "test_pin.py")
LOADED = """
import sys

def test_it():
    heavy = {"conformance.bench", "conformance.campaign", "firmware_sim.fund.service"}
    assert heavy & set(sys.modules) == set()
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    plugin = ("--disable-plugin-autoload", "-p", "no:cacheprovider", "-p", "conformance.plugin")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
        check=False,
    )


def test_the_bench_is_not_loaded_into_a_foreign_session(tmp_path: Path) -> None:
    (tmp_path / "test_foreign.py").write_text(LOADED)
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_planted_fault_fails_its_purpose_and_is_named_in_the_report(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run(
        tmp_path,
        *("-c", str(resources.files("conformance") / "campaign.ini"), SCENARIOS),
        *("-k", "test_pin_002", "--mutant", "pin-fourth-try", "--campaign-out", str(out)),
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    report = json.loads((out / "report.json").read_text())
    assert [item["verdict"] for item in report["results"]] == ["FAIL"]
    assert "pin-fourth-try" in report["status_reason"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--mutant", "no-such-fault"), "no-such-fault"),
        (("--reader", "nfc:usb"), "cannot put its phone"),
        (("--campaign-out", "file"), "file"),
    ],
)
def test_a_bad_option_ends_the_session_with_one_line(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    (tmp_path / "file").write_text("")
    done = run(tmp_path, *arguments)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_purpose_that_fails_a_sound_card_kills_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutants, "_try", lambda *_: Judgement(Verdict.FAIL, "always"))
    (result,) = run_mutants(["pin-fourth-try"])
    assert result.survived
    assert "without the fault" in result.judgements["TP-PIN-002"].reason


@pytest.mark.parametrize(
    "command",
    [
        b"\x00\x20\x00\x81\x08" + PIN_BLOCK.build("135790"),
        b"\x00\x20\x00\x81\x00\x00\x08" + PIN_BLOCK.build("135790"),
        b"\x10\x24\x00\x81\x10" + PIN_BLOCK.build("135790") * 2,
        b"\x00\x2c\x00\x81\x10" + PIN_BLOCK.build("13579024") * 2 + b"\x00",
        b"\x00\x20\x00\x81\x09" + PIN_BLOCK.build("135790"),
    ],
)
def test_a_code_is_masked_however_it_is_sent(command: bytes) -> None:
    text = mask(command)
    assert "135790" not in text
    assert text.startswith(command[:4].hex().upper())
    assert len(text) == 2 * len(command)


def test_a_trace_keeps_no_code() -> None:
    kept = trace.Trace()
    command = b"\x00\x20\x00\x81\x08" + PIN_BLOCK.build("135790")
    kept.plain(command, b"\x90\x00")
    kept.apdu(0.0, command, b"\x63\xc2")
    kept.lost(0.0, command, ConnectionError("gone"))
    assert len(kept.exchanges) == 3
    assert "135790" not in repr(kept.exchanges)
