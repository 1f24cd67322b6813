"""What kind of CCID reader is simulated."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping

from card_formats.ccid import HEADER_SIZE
from card_formats.ccid_descriptor import ClassDescriptor, Feature, PinSupport

SHORT_MESSAGE = HEADER_SIZE + 261
"""dwMaxCCIDMessageLength of a reader of short commands and responses."""

EXTENDED_MESSAGE = HEADER_SIZE + 65_544
"""Of one that takes the longest command in one message."""


class Level(enum.Enum):
    """What a reader takes in XfrBlock, and so who speaks the card's protocol (CCID 1.1 3.2)."""

    TPDU = "TPDU"
    SHORT_APDU = "short APDU"
    EXTENDED_APDU = "extended APDU"


_FEATURES = {
    Level.TPDU: Feature.TPDU | Feature.NAD | Feature.AUTO_CLOCK | Feature.AUTO_BAUD,
    Level.SHORT_APDU: Feature.SHORT_APDU,
    Level.EXTENDED_APDU: Feature.EXTENDED_APDU,
}
_AUTOMATIC = (
    Feature.AUTO_PARAMETERS_BY_ATR
    | Feature.AUTO_VOLTAGE
    | Feature.AUTO_CLOCK
    | Feature.AUTO_BAUD
    | Feature.AUTO_PPS
    | Feature.AUTO_IFSD
)


@dataclasses.dataclass(frozen=True)
class CcidConfig:
    """A model of reader.

    Attributes:
        product: name for reports.
        level: see :class:`Level`. Contactless cards need an APDU level.
        slots: 1 to 16.
        contactless: bare cards are presented as contactless ones (see
            :meth:`CcidFirmware.insert`).
        max_message: dwMaxCCIDMessageLength; longer exchanges are chained at extended APDU
            level. ``None`` takes the usual value of the level.
        max_ifsd: largest T=1 information field.
        pin: what its keypad can do.
        pin_seconds: time for an entry when the host leaves it to the reader.
        three_messages: PIN modification always has three message indices (GemPC PinPad).
        escapes: answer to each Escape message; others are refused.
    """

    product: str = "CCID reader"
    level: Level = Level.TPDU
    slots: int = 1
    contactless: bool = False
    max_message: int | None = None
    max_ifsd: int = 254
    pin: PinSupport = PinSupport.NONE
    pin_seconds: float = 30.0
    three_messages: bool = False
    escapes: Mapping[bytes, bytes] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.slots <= 16:
            raise ValueError(f"{self.slots} slots: 1 to 16")
        if self.contactless and self.level is Level.TPDU:
            raise ValueError("a contactless reader works at an APDU level")

    @property
    def message_size(self) -> int:
        """dwMaxCCIDMessageLength."""
        if self.max_message is not None:
            return self.max_message
        return EXTENDED_MESSAGE if self.level is Level.EXTENDED_APDU else SHORT_MESSAGE

    @property
    def descriptor(self) -> ClassDescriptor:
        """The class descriptor such a reader has on USB."""
        automatic = 0 if self.level is Level.TPDU else _AUTOMATIC
        return ClassDescriptor(
            features=int(_FEATURES[self.level] | automatic),
            max_message=self.message_size,
            max_slot=self.slots - 1,
            protocols=2 if self.contactless else 3,
            max_ifsd=self.max_ifsd,
            pin_support=int(self.pin),
            lcd=0x0210 if self.pin else 0,
        )
