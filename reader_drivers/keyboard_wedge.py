"""Text typed by a scanner that plays a keyboard, damaged by a wrong keyboard layout.

Such a scanner sends the keys of a US keyboard. A French PC reads them as AZERTY keys, so that
``ECV1:`` arrives as ``ECV&M``. Every character of a token (base45) has its own key, hence its own
wrong character: the damage can be undone. A byte-mode code could not be repaired that way.
"""

from __future__ import annotations

import dataclasses

from card_formats.qr_token import TEXT_PREFIX

BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
"""The alphabet of a token's text (RFC 9285, 4)."""

_US_KEYS = "1234567890-=qwertyuiop[]asdfghjkl;'zxcvbnm,./ "
_US_SHIFTED = '!@#$%^&*()_+QWERTYUIOP{}ASDFGHJKL:"ZXCVBNM<>? '
_FR_KEYS = "&é\"'(-è_çà)=azertyuiop^$qsdfghjklmùwxcvbn,;:! "
_FR_SHIFTED = "1234567890°+AZERTYUIOP¨£QSDFGHJKLM%WXCVBN?./§ "

ADVICE = (
    "set the scanner's keyboard layout to French, or better its interface to USB serial (COM port)"
)


@dataclasses.dataclass(frozen=True)
class Mishap:
    """A way for the layout to be wrong.

    Attributes:
        name: what happened, to be put into a sentence.
        damage: what each character of base45 turns into.
    """

    name: str
    damage: dict[str, str]

    def apply(self, text: str) -> str:
        """What arrives when a scanner types ``text``; characters outside base45 stay."""
        return "".join(self.damage.get(char, char) for char in text)

    def undo(self, text: str) -> str | None:
        """What was typed, ``None`` if some character cannot come from base45 this way."""
        back = {wrong: right for right, wrong in self.damage.items()}
        if not set(text) <= back.keys():
            return None
        return "".join(back[char] for char in text)


def _mishap(name: str, unshifted: str, shifted: str) -> Mishap:
    typed = dict(zip(_US_KEYS + _US_SHIFTED, unshifted + shifted, strict=True))
    damage = {char: typed[char] for char in BASE45}
    assert len(set(damage.values())) == len(BASE45), f"{name}: two keys give one character"
    return Mishap(name, damage)


MISHAPS = (
    _mishap("a US keyboard layout in the scanner, AZERTY on the PC", _FR_KEYS, _FR_SHIFTED),
    # French caps lock shifts the digits row too.
    _mishap(
        "a US keyboard layout in the scanner, AZERTY with caps lock on the PC",
        _FR_SHIFTED,
        _FR_KEYS,
    ),
    # The scanner's letters come out small: caps lock, layouts otherwise agreeing.
    Mishap(
        "caps lock on the PC",
        {char: char.swapcase() for char in BASE45},
    ),
)


@dataclasses.dataclass(frozen=True)
class Repair:
    """What became of a text.

    Attributes:
        text: the text to use: repaired, or as it came.
        was_damaged: it was, and has been repaired.
        explanation: what happened and what to change, ``""`` when all was well.
    """

    text: str
    was_damaged: bool
    explanation: str = ""


def repair(text: str) -> Repair:
    """Recognise a token damaged by a keyboard layout and restore it.

    A text that is no token, damaged or not, is returned as it came: only the start
    ``ECV1:`` tells that the layout is the trouble.
    """
    typed = text.rstrip("\r\n")
    if typed.startswith(TEXT_PREFIX):
        return Repair(typed, False)
    for mishap in MISHAPS:
        restored = mishap.undo(typed)
        if restored is not None and restored.startswith(TEXT_PREFIX):
            return Repair(restored, True, f"the text was typed through {mishap.name}: {ADVICE}")
    for mishap in MISHAPS:
        if typed.startswith(mishap.apply(TEXT_PREFIX)):
            return Repair(
                typed,
                False,
                f"the text was typed through {mishap.name} and holds characters that no token "
                f"has; it cannot be repaired: {ADVICE}",
            )
    return Repair(typed, False)
