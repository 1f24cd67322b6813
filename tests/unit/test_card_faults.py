"""The catalogue of card faults: each changes what a host sees, and leaves a card that answers."""

from __future__ import annotations

import functools
import re
from typing import Any

import card_probes_wire  # noqa: F401 - fills PROBES
import pytest
from card_factory import Bench
from card_probes import PROBES, ask

from card_formats.profile_ecv_sim_1 import ECV_SIM_1
from firmware_sim.faults import FAULTS
from firmware_sim.faults.catalogue import fault
from firmware_sim.faults.patching import replace

CARD_FAULTS = [one for one in FAULTS.values() if one.scope == "card"]


@functools.cache
def sound_answers() -> dict[str, Any]:
    return {name: ask(name, Bench()) for name in PROBES}


def test_there_are_enough_card_faults() -> None:
    assert len(CARD_FAULTS) >= 35


def test_the_probes_say_the_same_each_time() -> None:
    again = {name: ask(name, Bench()) for name in PROBES}
    assert again == sound_answers()


def test_no_probe_gives_up_on_a_sound_card() -> None:
    assert {name: said for name, said in sound_answers().items() if isinstance(said, str)} == {}


@pytest.mark.parametrize("one", CARD_FAULTS, ids=lambda one: one.id)
def test_a_fault_changes_what_a_host_sees(one: Any) -> None:
    for name, expected in sound_answers().items():
        bench = Bench()
        one.apply(bench.card)
        if ask(name, bench) != expected:
            return
    pytest.fail(f"no probe sees {one.id}")


@pytest.mark.parametrize("one", CARD_FAULTS, ids=lambda one: one.id)
def test_a_faulty_card_still_answers_select(one: Any) -> None:
    bench = Bench()
    one.apply(bench.card)
    bench.card.power_on()
    response = bench.card.transmit(b"\x00\xa4\x04\x00\x08" + ECV_SIM_1.aid + b"\x00")
    assert response[-2:] == b"\x90\x00"
    assert bench.card.last_error is None


@pytest.mark.parametrize("one", CARD_FAULTS, ids=lambda one: one.id)
def test_a_fault_patches_one_card_only(one: Any) -> None:
    one.apply(Bench().card)
    name = "responses"
    assert ask(name, Bench()) == sound_answers()[name]


@pytest.mark.parametrize("one", CARD_FAULTS, ids=lambda one: one.id)
def test_a_fault_names_the_clause_it_violates(one: Any) -> None:
    assert re.match(r"Profile \d+(\.\d+)?(, \d+(\.\d+)?)*: \S.*\.$", one.description)


def test_a_fault_is_declared_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        fault("le-ignored", "card", "again")
    with pytest.raises(ValueError, match="kebab"):
        fault("Le_Ignored", "card", "again")


def test_a_fault_that_is_out_of_date_says_so() -> None:
    with pytest.raises(AttributeError):
        replace(Bench().card, "no_such_method", lambda _: None)
