"""What SELECT returns (ISO/IEC 7816-4:2020 7.4.3, 11.2; profile 4.3) and the status object."""

from __future__ import annotations

import dataclasses
from typing import Any

import construct
from construct import GreedyBytes, Int8ub, Int16ub

from card_formats.ber_tlv import DataObject, OptionalObject, template
from card_formats.core import Record, Vector, WireFormat
from card_formats.fields import EnumByte, FlagByte, Utf8
from card_formats.profile_ecv_sim_1 import CodeState, LifeCycle, Marker, RefusalReason

DESCRIPTOR_DF = 0x38
DESCRIPTOR_EF = 0x01
"""File descriptor bytes: DF; transparent working EF (ISO/IEC 7816-4:2020 table 12)."""


@dataclasses.dataclass(frozen=True)
class ProfileVersion:
    major: int
    minor: int


@dataclasses.dataclass(frozen=True)
class Proprietary:
    """Template A5: profile version, life-cycle state, test or demonstration marker."""

    version: ProfileVersion
    state: LifeCycle
    marker: Marker


@dataclasses.dataclass(frozen=True)
class ExtendedLength:
    """DO 7F66: greatest C-APDU and R-APDU, bytes (ISO/IEC 7816-4:2020 12.8.1)."""

    max_command: int
    max_response: int


@dataclasses.dataclass(frozen=True)
class ApplicationInformation:
    """FCI (6F) or FCP (62) of the application. No personal data, the same for all cards."""

    aid: bytes
    label: str
    proprietary: Proprietary
    extended_length: ExtendedLength


def _application(tag: int) -> DataObject:
    return template(
        tag,
        ApplicationInformation,
        "aid" / DataObject(0x84, GreedyBytes),
        "label" / DataObject(0x50, Utf8(GreedyBytes, 32, least=1)),
        "proprietary"
        / template(
            0xA5,
            Proprietary,
            "version"
            / DataObject(0xC0, Record(ProfileVersion, "major" / Int8ub, "minor" / Int8ub)),
            "state" / DataObject(0xC1, EnumByte(LifeCycle)),
            "marker" / DataObject(0xC2, EnumByte(Marker)),
        ),
        "extended_length"
        / template(
            0x7F66,
            ExtendedLength,
            "max_command" / DataObject(0x02, Int16ub),
            "max_response" / DataObject(0x02, Int16ub),
        ),
    )


_EXAMPLE = ApplicationInformation(
    bytes.fromhex("F045434152544501"),
    "e-carte Vitale TEST",
    Proprietary(ProfileVersion(1, 0), LifeCycle.OPERATIONAL, Marker.TEST),
    ExtendedLength(65535, 65535),
)

APPLICATION_FCI: WireFormat[ApplicationInformation] = WireFormat(
    "application-fci",
    "ecv-sim/1 4.3",
    _application(0x6F),
    [
        Vector(
            "6F368408F0454341525445015013652D636172746520566974616C6520544553"
            "54A50AC0020100C10100C201017F66080202FFFF0202FFFF",
            _EXAMPLE,
        )
    ],
)
APPLICATION_FCP: WireFormat[ApplicationInformation] = WireFormat(
    "application-fcp",
    "ecv-sim/1 4.3",
    _application(0x62),
    [
        Vector(
            "62368408F0454341525445015013652D636172746520566974616C6520544553"
            "54A50AC0020100C10100C201017F66080202FFFF0202FFFF",
            _EXAMPLE,
        )
    ],
)


@dataclasses.dataclass(frozen=True)
class FileInformation:
    """FCI (6F) or FCP (62) of a DF or EF. ``size`` and ``sfi`` are of EFs only."""

    descriptor: int
    fid: int
    size: int | None = None
    sfi: int | None = None


class _Sfi(construct.Adapter):  # type: ignore[misc]
    """Short EF identifier in bits 8-4 (ISO/IEC 7816-4:2020 7.4.3, tag 88)."""

    def _decode(self, obj: int, context: Any, path: str) -> int:
        if obj & 7 or not 1 <= obj >> 3 <= 30:
            raise construct.MappingError(f"{obj:02X} holds no short EF identifier", path=path)
        return obj >> 3

    def _encode(self, obj: int, context: Any, path: str) -> int:
        return obj << 3


def _file(tag: int) -> DataObject:
    return template(
        tag,
        FileInformation,
        "descriptor" / DataObject(0x82, Int8ub),
        "fid" / DataObject(0x83, Int16ub),
        "size" / OptionalObject(0x80, Int16ub),
        "sfi" / OptionalObject(0x88, _Sfi(Int8ub)),
    )


_FILE_VECTORS = (
    FileInformation(DESCRIPTOR_DF, 0x0101),
    FileInformation(DESCRIPTOR_EF, 0xEF01, 200, 1),
)

FILE_FCI: WireFormat[FileInformation] = WireFormat(
    "file-fci",
    "ecv-sim/1 4.3",
    _file(0x6F),
    [
        Vector("6F07 820138 83020101", _FILE_VECTORS[0], "DF of entry 1"),
        Vector("6F0E 820101 8302EF01 800200C8 880108", _FILE_VECTORS[1], "its identity"),
    ],
)
FILE_FCP: WireFormat[FileInformation] = WireFormat(
    "file-fcp",
    "ecv-sim/1 4.3",
    _file(0x62),
    [
        Vector("6207 820138 83020101", _FILE_VECTORS[0]),
        Vector("620E 820101 8302EF01 800200C8 880108", _FILE_VECTORS[1]),
    ],
)


@dataclasses.dataclass(frozen=True)
class CardStatus:
    """Value of the status object DF20: nothing that tells two cards of one state apart.

    ``code_on_phone``: the holder types the code on the phone, not on the reader.
    """

    state: LifeCycle
    expired: bool
    code: CodeState
    last_refusal: RefusalReason
    code_on_phone: bool


CARD_STATUS: WireFormat[CardStatus] = WireFormat(
    "card-status",
    "ecv-sim/1 4.5",
    Record(
        CardStatus,
        "state" / DataObject(0x80, EnumByte(LifeCycle)),
        "expired" / DataObject(0x81, FlagByte()),
        "code" / DataObject(0x82, EnumByte(CodeState)),
        "last_refusal" / DataObject(0x83, EnumByte(RefusalReason)),
        "code_on_phone" / DataObject(0x84, FlagByte()),
    ),
    [
        Vector(
            "800100 810100 820100 830100 840100",
            CardStatus(LifeCycle.OPERATIONAL, False, CodeState.NEEDED, RefusalReason.NONE, False),
        ),
        Vector(
            "800100 810101 820101 830101 840100",
            CardStatus(
                LifeCycle.OPERATIONAL, True, CodeState.VERIFIED, RefusalReason.EXPIRED, False
            ),
            "expired card, code verified, refused to sign",
        ),
    ],
)

DISCRETIONARY_OFFSET: WireFormat[int] = WireFormat(
    "offset-data-object",
    "ISO/IEC 7816-4:2020 11.3.3",
    DataObject(0x54, Int16ub),
    [Vector("54020100", 0x0100)],
)
"""Command data of READ BINARY with odd INS: the offset."""

DISCRETIONARY_DATA: WireFormat[bytes] = WireFormat(
    "discretionary-data-object",
    "ISO/IEC 7816-4:2020 11.3.3",
    DataObject(0x53, GreedyBytes),
    [Vector("5303010203", bytes.fromhex("010203"))],
)
"""Response data of READ BINARY with odd INS."""

TAG_LIST: WireFormat[bytes] = WireFormat(
    "tag-list",
    "ISO/IEC 7816-4:2020 8.5.1",
    DataObject(0x5C, GreedyBytes),
    [Vector("5C0165", b"\x65"), Vector("5C0265E1", b"\x65\xe1")],
)
"""Command data of GET DATA with odd INS: one-byte tags of the objects wanted."""
