"""Reading a card's files through a secure session (profile 4.9, 5.1)."""

from __future__ import annotations

from card_formats.apdu import EXTENDED_MAX_LE, SHORT_MAX_LE, CommandApdu
from card_formats.profile_ecv_sim_1 import SFI, Fid
from card_formats.status_words import SW, meaning
from reader_drivers.terminal.secure_session import SecureSession

MAX_FILE = 0x7FFF
"""Offsets of READ BINARY have 15 bits."""

_BY_SFI = 0x80


class CardRefusal(Exception):
    """The card refused a command with the status word ``sw``."""

    def __init__(self, what: str, sw: int) -> None:
        super().__init__(f"{what}: {sw:04X}, {meaning(sw)}")
        self.sw = sw


def select_entry(session: SecureSession, entry: int) -> None:
    """Select the DF of a wallet entry, with no answer asked for.

    Raises:
        CardRefusal: the card refuses.
    """
    fid = (Fid.ENTRY_BASE + entry).to_bytes(2, "big")
    response = session.transmit(CommandApdu(0x00, 0xA4, 0x01, 0x0C, fid))
    if response.sw != SW.OK:
        raise CardRefusal(f"SELECT of entry {entry}", response.sw)


def read_file(session: SecureSession, fid: Fid) -> bytes:
    """The whole of an EF of the current DF: at once with extended length, else in blocks.

    Raises:
        CardRefusal: the card refuses.
    """
    le = EXTENDED_MAX_LE if session.channel.extended else SHORT_MAX_LE
    content = b""
    while len(content) <= MAX_FILE:
        p1, p2 = (_BY_SFI | SFI[fid], 0) if not content else divmod(len(content), 0x100)
        response = session.transmit(CommandApdu(0x00, 0xB0, p1, p2, le=le))
        if response.sw == SW.OFFSET_OUTSIDE_FILE and content:
            return content
        if response.sw not in (SW.OK, SW.END_OF_FILE):
            raise CardRefusal(f"READ BINARY of EF.{fid.name}", response.sw)
        content += response.data
        if len(response.data) < le or response.sw == SW.END_OF_FILE:
            return content
    raise CardRefusal(f"READ BINARY of EF.{fid.name} beyond {MAX_FILE} bytes", SW.WRONG_LENGTH)
