"""The wallet directory EF.WALLET: which entries a phone holds, without a name (profile 5.2)."""

from __future__ import annotations

import dataclasses
import datetime

from construct import Bytes, Int8ub, Int32ub

from card_formats.ber_tlv import DataObject, OptionalObject, RepeatedObject, template
from card_formats.core import Vector, WireFormat
from card_formats.fields import DateBcd, EnumByte
from card_formats.profile_ecv_sim_1 import MAX_ENTRIES, EntryKind


@dataclasses.dataclass(frozen=True)
class WalletEntry:
    """One card in the wallet. ``index`` names its DF; ``status_index`` is the place of the
    card in the opposition list; ``grant_index`` that of the grant of a delegated entry."""

    index: int
    kind: EntryKind
    serial: bytes
    valid_until: datetime.date
    status_index: int
    grant_index: int | None = None


WALLET: WireFormat[tuple[WalletEntry, ...]] = WireFormat(
    "wallet",
    "ecv-sim/1 5.2",
    DataObject(
        0xE0,
        RepeatedObject(
            0xA1,
            template(
                0x30,
                WalletEntry,
                "index" / DataObject(0x80, Int8ub),
                "kind" / DataObject(0x81, EnumByte(EntryKind)),
                "serial" / DataObject(0x82, Bytes(8)),
                "valid_until" / DataObject(0x83, DateBcd()),
                "status_index" / DataObject(0x84, Int32ub),
                "grant_index" / OptionalObject(0x85, Int32ub),
            ).subcon,
            most=MAX_ENTRIES,
        ),
    ),
    [
        Vector("E000", (), "empty wallet"),
        Vector(
            "E042A11C80010181010182080102030405060708830420281231840400000007"
            "A122800102810103820811121314151617188304202612208404000000098504"
            "0000000C",
            (
                WalletEntry(
                    1,
                    EntryKind.OWN,
                    bytes.fromhex("0102030405060708"),
                    datetime.date(2028, 12, 31),
                    7,
                ),
                WalletEntry(
                    2,
                    EntryKind.DELEGATED,
                    bytes.fromhex("1112131415161718"),
                    datetime.date(2026, 12, 20),
                    9,
                    12,
                ),
            ),
        ),
    ],
)
