"""The presence token: proof that this card and its holder were there (profile 8)."""

from __future__ import annotations

import dataclasses

from construct import Bytes, Const, Int8ub, Int32ub

from card_formats.core import Record, Vector, WireFormat
from card_formats.fields import EnumByte, FlagByte, Nibbles
from card_formats.profile_ecv_sim_1 import Marker, Role


@dataclasses.dataclass(frozen=True)
class PresenceRequest:
    """Data of PSO COMPUTE DIGITAL SIGNATURE: wallet entry and the terminal's challenge."""

    entry: int
    challenge: bytes


PRESENCE_REQUEST: WireFormat[PresenceRequest] = WireFormat(
    "presence-request",
    "ecv-sim/1 8.1",
    Record(PresenceRequest, "entry" / Int8ub, "challenge" / Bytes(16)),
    [Vector("01" + "5A" * 16, PresenceRequest(1, b"\x5a" * 16))],
)


@dataclasses.dataclass(frozen=True)
class PresenceToken:
    """A signed presence.

    ``signer`` is the serial of the phone's own card, whose signing key made ``signature``
    (raw r || s over :func:`presence_input`); ``entry_serial`` the card presented;
    ``grant_id`` eight zero bytes unless ``delegated``; ``time`` the phone's, epoch seconds.
    """

    marker: Marker
    delegated: bool
    signer: bytes
    entry_serial: bytes
    professional: str
    role: Role
    challenge: bytes
    counter: int
    time: int
    grant_id: bytes
    signature: bytes


PRESENCE_TOKEN: WireFormat[PresenceToken] = WireFormat(
    "presence-token",
    "ecv-sim/1 8.2",
    Record(
        PresenceToken,
        "magic" / Const(b"EVPT"),
        "version" / Const(b"\x01"),
        "marker" / EnumByte(Marker),
        "delegated" / FlagByte(),
        "signer" / Bytes(8),
        "entry_serial" / Bytes(8),
        "professional" / Nibbles(11),
        "role" / EnumByte(Role),
        "challenge" / Bytes(16),
        "counter" / Int32ub,
        "time" / Int32ub,
        "grant_id" / Bytes(8),
        "signature" / Bytes(64),
    ),
    [
        Vector(
            "455650540101000102030405060708010203040506070810001234567F015A5A"
            "5A5A5A5A5A5A5A5A5A5A5A5A5A5A000000016AFD86C000000000000000004444"
            "4444444444444444444444444444444444444444444444444444444444444444"
            "444444444444444444444444444444444444444444444444444444444444",
            PresenceToken(
                Marker.TEST,
                False,
                bytes.fromhex("0102030405060708"),
                bytes.fromhex("0102030405060708"),
                "10001234567",
                Role.PHARMACIST,
                b"\x5a" * 16,
                1,
                1795000000,
                bytes(8),
                b"\x44" * 64,
            ),
        )
    ],
)


def presence_input(token: PresenceToken) -> bytes:
    """The bytes the phone signs: domain string and the token with its signature zero."""
    return b"ECV-PRESENCE-1" + PRESENCE_TOKEN.build(dataclasses.replace(token, signature=bytes(64)))
