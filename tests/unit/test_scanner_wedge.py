"""Text typed by a scanner with the wrong keyboard layout."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader_drivers.keyboard_wedge import BASE45, MISHAPS, repair

tokens = st.text(alphabet=BASE45, max_size=500).map(lambda text: "ECV1:" + text)


def test_the_mishap_seen_in_france() -> None:
    assert MISHAPS[0].apply("ECV1:") == "ECV&M"
    repaired = repair("ECV&M")
    assert (repaired.text, repaired.was_damaged) == ("ECV1:", True)
    assert "French" in repaired.explanation


@pytest.mark.parametrize("mishap", MISHAPS, ids=lambda mishap: mishap.name)
def test_every_character_of_base45_has_its_own_damage(mishap: object) -> None:
    damage = mishap.damage  # type: ignore[attr-defined]
    assert damage.keys() == set(BASE45)
    assert len(set(damage.values())) == len(BASE45) == 45


@given(tokens, st.sampled_from(MISHAPS))
def test_every_damaged_token_is_restored(token: str, mishap: object) -> None:
    typed = mishap.apply(token)  # type: ignore[attr-defined]
    repaired = repair(typed)
    assert repaired.text == token
    assert repaired.was_damaged
    assert repaired.explanation


@given(tokens)
def test_sound_tokens_are_left_alone(token: str) -> None:
    repaired = repair(token + "\r")
    assert (repaired.text, repaired.was_damaged, repaired.explanation) == (token, False, "")


@given(st.text(max_size=200))
def test_whatever_is_typed_is_never_made_a_token_of_by_accident(text: str) -> None:
    repaired = repair(text)
    if repaired.was_damaged:
        assert repaired.text.startswith("ECV1:")
        assert any(m.apply(repaired.text) == text.rstrip("\r\n") for m in MISHAPS)
    else:
        assert repaired.text == text.rstrip("\r\n")


@pytest.mark.parametrize("text", ["", "ECV", "https://example.org/", "HC1:NCF", "é&\"'", "ECV2:X"])
def test_other_texts_are_not_ours_to_repair(text: str) -> None:
    assert repair(text).text == text
    assert not repair(text).was_damaged


def test_a_damaged_start_with_impossible_characters_says_so() -> None:
    repaired = repair("ECV&M~~~")
    assert not repaired.was_damaged
    assert repaired.text == "ECV&M~~~"
    assert "cannot be repaired" in repaired.explanation
