"""The commands of the profile as a terminal would send them, one function each.

A scenario that needs a wrong one changes a right one with ``dataclasses.replace``.
"""

from __future__ import annotations

from card_formats.apdu import CommandApdu
from card_formats.key_agreement import CERTIFICATE_STORE_REQUEST, KeyReference
from card_formats.pin_block import PIN_BLOCK, PIN_BLOCK_PAIR
from card_formats.presence_token import PRESENCE_REQUEST, PresenceRequest
from card_formats.profile_ecv_sim_1 import ECV_SIM_1, Fid
from card_formats.selection import DISCRETIONARY_OFFSET, TAG_LIST

ALL = 256
"""Le 00 of a short command."""


def select_aid(aid: bytes = ECV_SIM_1.aid, p2: int = 0x00, *, le: int | None = ALL) -> CommandApdu:
    """SELECT by AID; ``p2`` 00 asks for FCI, 04 FCP, 0C nothing."""
    return CommandApdu(0x00, 0xA4, 0x04, p2, aid, le)


def select_file(*fids: int, p1: int = 0x00, p2: int = 0x00, le: int | None = ALL) -> CommandApdu:
    """SELECT by file identifier (p1 00, 01, 02) or by path (p1 09, two ids or more)."""
    return CommandApdu(0x00, 0xA4, p1, p2, b"".join(f.to_bytes(2, "big") for f in fids), le)


def select_entry(number: int = 1) -> CommandApdu:
    """SELECT the DF of wallet entry ``number``."""
    return select_file(Fid.ENTRY_BASE + number, p1=0x01)


def get_certificates(kid: int | None = None, kvn: int = 0x01) -> CommandApdu:
    """GET DATA BF21: the certificates of the session key."""
    data = b"" if kid is None else CERTIFICATE_STORE_REQUEST.build(KeyReference(kid, kvn))
    return CommandApdu(0x00, 0xCA, 0xBF, 0x21, data, ALL)


def get_status() -> CommandApdu:
    """GET DATA DF20: the status object."""
    return CommandApdu(0x00, 0xCA, 0xDF, 0x20, le=ALL)


def get_by_tags(tags: bytes) -> CommandApdu:
    """GET DATA with odd INS: data objects by tag."""
    return CommandApdu(0x00, 0xCB, 0x3F, 0xFF, TAG_LIST.build(tags), ALL)


def get_challenge(size: int | None = 8) -> CommandApdu:
    """GET CHALLENGE of ``size`` bytes."""
    return CommandApdu(0x00, 0x84, 0x00, 0x00, le=size)


def get_response(size: int = ALL) -> CommandApdu:
    """GET RESPONSE."""
    return CommandApdu(0x00, 0xC0, 0x00, 0x00, le=size)


def verify(code: str | None = None) -> CommandApdu:
    """VERIFY the holder's code; without one, ask for its state."""
    return CommandApdu(0x00, 0x20, 0x00, 0x81, b"" if code is None else PIN_BLOCK.build(code))


def change_code(old: str, new: str) -> CommandApdu:
    """CHANGE REFERENCE DATA."""
    return CommandApdu(0x00, 0x24, 0x00, 0x81, PIN_BLOCK_PAIR.build((old, new)))


def reset_code(unblocking: str, new: str) -> CommandApdu:
    """RESET RETRY COUNTER with the unblocking code and a new code."""
    return CommandApdu(0x00, 0x2C, 0x00, 0x81, PIN_BLOCK_PAIR.build((unblocking, new)))


def read_sfi(sfi: int, offset: int = 0, le: int | None = ALL) -> CommandApdu:
    """READ BINARY of the file with this short identifier."""
    return CommandApdu(0x00, 0xB0, 0x80 | sfi, offset, le=le)


def read_binary(offset: int = 0, le: int | None = ALL) -> CommandApdu:
    """READ BINARY of the current file."""
    return CommandApdu(0x00, 0xB0, offset >> 8, offset & 0xFF, le=le)


def read_odd(fid: int, offset: int = 0, le: int | None = ALL) -> CommandApdu:
    """READ BINARY with odd INS; ``fid`` 0000 is the current file."""
    return CommandApdu(0x00, 0xB1, fid >> 8, fid & 0xFF, DISCRETIONARY_OFFSET.build(offset), le)


def presence(challenge: bytes = b"\x5a" * 16, entry: int = 1) -> CommandApdu:
    """PSO COMPUTE DIGITAL SIGNATURE: the presence token of a wallet entry."""
    data = PRESENCE_REQUEST.build(PresenceRequest(entry, challenge))
    return CommandApdu(0x00, 0x2A, 0x9E, 0x9A, data, ALL)
