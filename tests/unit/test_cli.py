"""The command line: what a person types, and one clear line for what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vitale_bench.cli import main
from vitale_bench.exit_codes import ExitCode

CODE = "135790"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VITALE_BENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def amelie(home: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["phone", "enrol", "amelie", "--code", CODE]) == ExitCode.OK
    capsys.readouterr()
    return home


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert "Traceback" not in captured.err
    return lines[0]


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == ExitCode.OK
    text = capsys.readouterr().out
    for command in ("run", "mutants", "catalogue", "readers", "qr", "phone"):
        assert command in text


def test_the_catalogue_is_json_with_requirements_and_purposes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["catalogue", "--json"]) == ExitCode.OK
    data = json.loads(capsys.readouterr().out)
    assert set(data) == {"requirements", "purposes"}
    assert len(data["purposes"]) >= 80


def test_mutants_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", "pin-fourth-try", "--json"]) == ExitCode.OK
    (mutant,) = json.loads(capsys.readouterr().out)["mutants"]
    assert mutant["id"] == "pin-fourth-try"
    assert mutant["killed_by"] == ["TP-PIN-002"]


def test_readers_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["readers", "--json"]) == ExitCode.OK
    schemes = {row["scheme"] for row in json.loads(capsys.readouterr().out)["readers"]}
    assert {"virtual", "nfc", "camera"} <= schemes


def test_run_writes_the_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = ["run", "--reader", "virtual:", "--only", "TP-SEL-001", "--out", str(out)]
    assert main(arguments) == ExitCode.OK
    assert {file.name for file in out.iterdir()} == {"report.json", "report.html", "junit.xml"}
    assert "Evidence, not a certificate" in capsys.readouterr().out


def test_tap_scan_and_replay(amelie: Path, tmp_path: Path) -> None:
    picture = str(tmp_path / "qr.png")
    assert main(["phone", "tap", "amelie", "--code", CODE]) == ExitCode.OK
    assert main(["qr", "show", "amelie", "--code", CODE, "--png", picture]) == ExitCode.OK
    assert main(["qr", "read", picture]) == ExitCode.OK
    assert main(["qr", "read", picture]) == ExitCode.REFUSED


def test_three_wrong_codes_block_a_saved_phone(
    amelie: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        assert main(["phone", "tap", "amelie", "--code", "000000"]) == ExitCode.REFUSED
    capsys.readouterr()
    assert main(["phone", "tap", "amelie", "--code", CODE]) == ExitCode.REFUSED
    assert "code_blocked" in capsys.readouterr().out


def test_delegation_and_loss(amelie: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["phone", "enrol", "karim", "--code", "2468"]) == ExitCode.OK
    assert main(["phone", "delegate", "amelie", "--to", "karim", "--days", "7"]) == ExitCode.OK
    assert main(["phone", "update", "karim"]) == ExitCode.OK
    capsys.readouterr()
    assert main(["phone", "show", "karim", "--json"]) == ExitCode.OK
    wallet = json.loads(capsys.readouterr().out)["wallet"]
    entry = next(item["index"] for item in wallet if item["kind"] == "delegated")
    tap = ["phone", "tap", "karim", "--code", "2468", "--entry", str(entry)]
    assert main(tap) == ExitCode.OK
    assert main(["phone", "delegate", "amelie", "--to", "karim", "--days", "31"]) == 1
    assert main(["phone", "report-lost", "amelie"]) == ExitCode.OK
    assert main(["phone", "tap", "amelie", "--code", CODE]) == ExitCode.REFUSED


@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        (["run", "--reader", "bogus:x"], "bogus:x", ExitCode.UNUSABLE_INPUT),
        (["run", "--only", "NOPE"], "NOPE", ExitCode.USAGE),
        (["mutants", "nope"], "nope", ExitCode.USAGE),
        (["phone", "show", "nobody"], "nobody", ExitCode.UNUSABLE_INPUT),
        (["phone", "show", "../x"], "cannot name a phone", ExitCode.UNUSABLE_INPUT),
        (["phone", "enrol", "nobody", "--code", CODE], "nobody", ExitCode.REFUSED),
        (["qr", "read", "/nowhere.png"], "/nowhere.png", ExitCode.UNUSABLE_INPUT),
    ],
)
def test_bad_input_is_one_line(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    says: str,
    code: ExitCode,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == code
    assert says in one_line(capsys)


def test_a_corrupted_phone_file_is_one_line_and_is_kept(
    amelie: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = amelie / "phones" / "amelie.json"
    damaged = file.read_bytes().replace(b'"tries_left"', b'"tries_lost"')
    file.write_bytes(damaged)
    assert main(["phone", "show", "amelie"]) == ExitCode.UNUSABLE_INPUT
    assert "amelie.json" in one_line(capsys)
    assert file.read_bytes() == damaged


def test_a_picture_without_a_code_is_one_line(
    amelie: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    picture = tmp_path / "white.png"
    Image.new("L", (200, 200), 255).save(picture)
    assert main(["qr", "read", str(picture)]) == ExitCode.UNUSABLE_INPUT
    assert "no 2D code" in one_line(capsys)


def test_an_unknown_option_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--no-such-option"]) == ExitCode.USAGE
    assert "--no-such-option" in capsys.readouterr().err


def test_exit_codes_are_those_of_the_campaign() -> None:
    from conformance.exit_codes import ExitCode as CampaignExitCode

    assert [int(code) for code in CampaignExitCode] == [
        ExitCode.OK,
        ExitCode.REFUSED,
        ExitCode.USAGE,
        ExitCode.INCOMPLETE,
    ]
