"""docs/profile.md is kept in step with the code: formats, files, numbers."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import card_formats
from card_formats.core import FORMATS
from card_formats.profile_ecv_sim_1 import (
    ECV_SIM_1,
    MAX_ENTRIES,
    SFI,
    Fid,
    RefusalReason,
    Role,
)
from card_formats.qr_token import MAX_FIRST_NAMES_BYTES, MAX_SURNAME_BYTES
from reader_drivers.terminal.verdict import Reason

for module in pkgutil.iter_modules(card_formats.__path__):
    importlib.import_module(f"card_formats.{module.name}")

TEXT = (Path(__file__).parents[2] / "docs" / "profile.md").read_text(encoding="utf-8")


def test_every_format_of_the_profile_is_described_and_every_mark_is_a_format() -> None:
    marked = set(re.findall(r"<!-- format: ([a-z0-9-]+) -->", TEXT))
    declared = {fmt.name for fmt in FORMATS.values() if fmt.clause.startswith("ecv-sim/1")}
    also_marked = {"application-fcp", "file-fcp", "pin-block-pair"}
    assert declared - marked <= also_marked
    assert marked <= set(FORMATS)


@pytest.mark.parametrize(
    "fmt", [f for f in FORMATS.values() if f.clause.startswith("ecv-sim/1 ")], ids=lambda f: f.name
)
def test_the_clause_of_a_format_is_a_heading(fmt: object) -> None:
    clause = re.match(r"ecv-sim/1 (\d+(?:\.\d+)?)", getattr(fmt, "clause"))  # noqa: B009
    assert clause is not None
    assert re.search(rf"^##+ {re.escape(clause[1])}\.? ", TEXT, re.MULTILINE), clause[1]


@pytest.mark.parametrize("fid", [f for f in Fid if f is not Fid.ENTRY_BASE], ids=lambda f: f.name)
def test_the_table_of_files_has_the_fid_and_sfi_of_the_code(fid: Fid) -> None:
    assert re.search(rf"^\| EF\.{fid.name} \| {fid:04X} \| {SFI[fid]:02X} \|", TEXT, re.MULTILINE)


@pytest.mark.parametrize(
    "sentence",
    [
        " ".join(f"{byte:02X}" for byte in ECV_SIM_1.aid),
        (
            f"key version {ECV_SIM_1.key_version:02X}; KID {ECV_SIM_1.kid_scp11a:02X} (SCP11a), "
            f"{ECV_SIM_1.kid_scp11b:02X} (SCP11b)"
        ),
        f"version 01, KID {ECV_SIM_1.kid_ca:02X}",
        (
            f"{ECV_SIM_1.code_min_digits} to {ECV_SIM_1.code_max_digits} digits, "
            f"{ECV_SIM_1.code_default_digits} by default, {ECV_SIM_1.code_tries} tries"
        ),
        (
            f"Unblocking code: {ECV_SIM_1.unblock_digits} digits, from the fund, "
            f"{ECV_SIM_1.unblock_uses} uses"
        ),
        f"begins within {ECV_SIM_1.phone_code_validity} s",
        f"{ECV_SIM_1.session_idle} s without a command",
        f"at most {ECV_SIM_1.grant_max_days} × 86,400 s apart",
        f"Default lifetime {ECV_SIM_1.qr_lifetime} s",
        f"Obsolete after {ECV_SIM_1.presence_token_max_age // 60} minutes",
        f"now + {ECV_SIM_1.clock_skew} s",
        f"FWI configurable, default {ECV_SIM_1.fwi}",
        f"At most {MAX_ENTRIES} entries",
        f"surname (length, ≤ {MAX_SURNAME_BYTES} bytes, cut)",
        f"first names (length, ≤ {MAX_FIRST_NAMES_BYTES} bytes, cut)",
        ", ".join(f"{role.value} {role.name.lower().replace('_', ' ')}" for role in Role),
    ],
)
def test_the_numbers_of_the_text_are_those_of_the_code(sentence: str) -> None:
    assert sentence in re.sub(r"\s+", " ", TEXT)


def test_the_refusal_reasons_are_numbered_as_in_the_code() -> None:
    block = TEXT[TEXT.index("83 last refusal") : TEXT.index("84 code on phone")]
    numbers = [int(n) for n in re.findall(r"[(,]\s*(\d+) [a-z]", block)]
    assert numbers == [reason.value for reason in RefusalReason]


def test_the_reasons_of_the_verdict_are_those_of_the_code() -> None:
    listed = TEXT[TEXT.index("`reader_drivers.terminal.Reason`: ") :].split(": ", 1)[1]
    names = {part.split(" ")[0].strip(". \n") for part in listed.split(", ")}
    assert names == {reason.value for reason in Reason}
