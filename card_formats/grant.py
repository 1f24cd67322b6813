"""The delegation grant: who may act for whom, until when, for what (profile 7)."""

from __future__ import annotations

import dataclasses

from construct import Bytes, Const, Int16ub, Int32ub

from card_formats.core import Record, Vector, WireFormat
from card_formats.fields import CountedTuple
from card_formats.profile_ecv_sim_1 import MAX_ENTRIES, Role

ALL_ROLES = 0xFFFF


@dataclasses.dataclass(frozen=True)
class DelegationGrant:
    """A grant. Serials and ids are 8 bytes, times epoch seconds; valid while
    ``valid_from <= now < valid_until``.

    ``entries`` are the serials of the delegator's wallet entries covered; ``roles`` a bitmap,
    bit n for the role with number n. ``status_index`` is its place in the opposition list.
    Signatures are raw r || s: the delegator's over :func:`delegator_input`, the fund's over
    :func:`fund_input`, which covers the delegator's.
    """

    grant_id: bytes
    delegator: bytes
    delegate: bytes
    valid_from: int
    valid_until: int
    issued_at: int
    entries: tuple[bytes, ...]
    roles: int
    status_index: int
    delegator_signature: bytes
    fund_key_id: bytes
    fund_signature: bytes

    def covers_role(self, role: Role) -> bool:
        """Whether a terminal of this role may use the grant."""
        return bool(self.roles >> role & 1)


def roles_bitmap(*roles: Role) -> int:
    """Bitmap of these roles; of all roles when none is named."""
    return sum(1 << role for role in set(roles)) if roles else ALL_ROLES


GRANT: WireFormat[DelegationGrant] = WireFormat(
    "delegation-grant",
    "ecv-sim/1 7.1",
    Record(
        DelegationGrant,
        "version" / Const(b"\x01"),
        "grant_id" / Bytes(8),
        "delegator" / Bytes(8),
        "delegate" / Bytes(8),
        "valid_from" / Int32ub,
        "valid_until" / Int32ub,
        "issued_at" / Int32ub,
        "entries" / CountedTuple(Bytes(8), 1, MAX_ENTRIES),
        "roles" / Int16ub,
        "status_index" / Int32ub,
        "delegator_signature" / Bytes(64),
        "fund_key_id" / Bytes(8),
        "fund_signature" / Bytes(64),
    ),
    [
        Vector(
            "01A1A1A1A1A1A1A1A1010203040506070821222324252627286AFD86C06B0AB5"
            "C06AFD82D801010203040506070800060000000CB2B2B2B2B2B2B2B2B2B2B2B2"
            "B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2"
            "B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2C3C3C3C3C3C3C3C3D4D4D4D4"
            "D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4"
            "D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4",
            DelegationGrant(
                b"\xa1" * 8,
                bytes.fromhex("0102030405060708"),
                bytes.fromhex("2122232425262728"),
                1795000000,
                1795864000,
                1794999000,
                (bytes.fromhex("0102030405060708"),),
                roles_bitmap(Role.PHARMACIST, Role.PHYSICIAN),
                12,
                b"\xb2" * 64,
                b"\xc3" * 8,
                b"\xd4" * 64,
            ),
        )
    ],
)

_NO_SIGNATURE = bytes(64)
_NO_KEY = bytes(8)


def delegator_input(grant: DelegationGrant) -> bytes:
    """The bytes the delegator's phone signs: domain string, grant with ``status_index``, fund
    key id and both signatures zero (the fund fills these in afterwards)."""
    return b"ECV-GRANT-D-1" + GRANT.build(
        dataclasses.replace(
            grant,
            status_index=0,
            delegator_signature=_NO_SIGNATURE,
            fund_key_id=_NO_KEY,
            fund_signature=_NO_SIGNATURE,
        )
    )


def fund_input(grant: DelegationGrant) -> bytes:
    """The bytes the fund signs: domain string, grant with the fund's signature zero."""
    return b"ECV-GRANT-F-1" + GRANT.build(dataclasses.replace(grant, fund_signature=_NO_SIGNATURE))
