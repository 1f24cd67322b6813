"""What the card asks of the phone around it."""

from __future__ import annotations

from typing import Protocol


class Holder(Protocol):
    """The phone and the person holding it, as far as the card can tell."""

    @property
    def screen_locked(self) -> bool:
        """A locked phone: the card answers SELECT with 6985 and nothing else."""
        ...

    @property
    def code_on_phone(self) -> bool:
        """The holder types the code on the phone, not on the reader."""
        ...

    def take_typed_code(self) -> bool:
        """Whether a right code was typed on the phone less than 60 s ago; spends it."""
        ...

    def ask_for_code(self) -> None:
        """A command lacked the code: the screen shows "enter your code"."""
        ...


class PlainHolder:
    """A holder who has an unlocked screen and types nothing."""

    screen_locked = False
    code_on_phone = False

    def take_typed_code(self) -> bool:
        return False

    def ask_for_code(self) -> None:
        return None
