"""The keypad of a PC/SC reader (PC/SC part 10): PINs that never pass through this program."""

from __future__ import annotations

from collections.abc import Callable

from card_formats.ccid_pin import PinFormat, PinModify, PinVerify
from card_formats.core import FormatError
from card_formats.pcsc_part10 import (
    PCSC_FEATURES,
    PCSC_PIN_MODIFY,
    PCSC_PIN_PROPERTIES,
    PCSC_PIN_VERIFY,
    PCSC_TLV_PROPERTIES,
    PcscFeature,
    PcscPinModify,
    PcscPinVerify,
    PinProperties,
    PropertyEntry,
)
from reader_drivers.api import ReaderError

FEATURE_REQUEST = 3400
"""Function code of CM_IOCTL_GET_FEATURE_REQUEST."""

MARGIN = 30.0
"""Seconds beyond the holder's own time before a reader is given up."""

Control = Callable[[int, bytes, float], bytes]
"""(control code, data, seconds) -> answer of the reader; raises ReaderError."""


class NoPinPad(ReaderError):
    """The reader has no keypad, or its driver does not offer it."""


class PinPad:
    """What a reader offers beyond carrying APDUs.

    Args:
        control: reaches the reader.
        request_code: control code of CM_IOCTL_GET_FEATURE_REQUEST on this system.
    """

    def __init__(self, control: Control, request_code: int) -> None:
        self._control = control
        self._request_code = request_code
        self._features: dict[int, int] | None = None

    @property
    def features(self) -> dict[int, int]:
        """Control code of each :class:`PcscFeature` offered; empty when there is none."""
        if self._features is None:
            try:
                entries = PCSC_FEATURES.parse(self._control(self._request_code, b"", MARGIN))
            except (ReaderError, FormatError):
                entries = []
            self._features = {entry.tag: entry.control_code for entry in entries}
        return self._features

    @property
    def can_verify(self) -> bool:
        """The holder can enter a PIN on the reader."""
        return PcscFeature.VERIFY_PIN_DIRECT in self.features

    @property
    def can_modify(self) -> bool:
        """The holder can change a PIN on the reader."""
        return PcscFeature.MODIFY_PIN_DIRECT in self.features

    def properties(self) -> list[PropertyEntry]:
        """Properties the driver tells (display, PIN sizes, largest APDU); empty if none."""
        code = self.features.get(PcscFeature.GET_TLV_PROPERTIES)
        if code is None:
            return []
        try:
            return PCSC_TLV_PROPERTIES.parse(self._control(code, b"", MARGIN))
        except (ReaderError, FormatError):
            return []

    def display(self) -> PinProperties | None:
        """Display and validation keys, ``None`` if not told."""
        code = self.features.get(PcscFeature.IFD_PIN_PROPERTIES)
        if code is None:
            return None
        try:
            return PCSC_PIN_PROPERTIES.parse(self._control(code, b"", MARGIN))
        except (ReaderError, FormatError):
            return None

    def verify(
        self,
        command: bytes,
        layout: PinFormat | None = None,
        digits: tuple[int, int] = (4, 8),
        seconds: int = 30,
    ) -> bytes:
        """Let the holder enter a PIN on the reader, which puts it into ``command``.

        Args:
            command: the APDU with filler where the digits go.
            layout: where and how they go; by default ASCII digits at the start of eight bytes.
            digits: fewest and most digits accepted.
            seconds: time for the entry.

        Returns:
            The card's response; or 6400 if the time ran out, 6401 if the holder cancelled.

        Raises:
            NoPinPad: there is none.
            ReaderError: the card left, the reader is gone.
        """
        code = self._code(PcscFeature.VERIFY_PIN_DIRECT)
        pin = PinVerify(seconds, layout or PinFormat(), digits[1], digits[0], command)
        return self._control(code, PCSC_PIN_VERIFY.build(PcscPinVerify(pin)), seconds + MARGIN)

    def modify(
        self,
        command: bytes,
        layout: PinFormat | None = None,
        digits: tuple[int, int] = (4, 8),
        offsets: tuple[int, int] = (0, 8),
        seconds: int = 30,
    ) -> bytes:
        """Let the holder enter an old PIN and, twice, a new one; see :meth:`verify`.

        Args:
            offsets: where the blocks of the old and the new PIN begin in the command data.
        """
        code = self._code(PcscFeature.MODIFY_PIN_DIRECT)
        old, new = offsets
        pin = PinModify(seconds, layout or PinFormat(), old, new, digits[1], digits[0], command)
        data = PCSC_PIN_MODIFY.build(PcscPinModify(pin))
        return self._control(code, data, 3 * seconds + MARGIN)

    def _code(self, feature: PcscFeature) -> int:
        code = self.features.get(feature)
        if code is None:
            raise NoPinPad(
                "this reader offers no keypad for PINs: use one that does, or enter the PIN here"
            )
        return code
