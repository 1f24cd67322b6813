"""The file tree: what each file holds and where it is (profile 5)."""

from __future__ import annotations

import dataclasses

from card_formats import ber_tlv
from card_formats.data_objects import USAGE, Usage
from card_formats.grant import GRANT
from card_formats.profile_ecv_sim_1 import SFI, Fid
from card_formats.wallet import WALLET, WalletEntry
from firmware_sim.card.state import CardState, EntryState

_APPLICATION_FILES = (Fid.WALLET, Fid.CERTIFICATES)
_ENTRY_FILES = (Fid.IDENTITY, Fid.RIGHTS, Fid.COVER, Fid.USAGE, Fid.GRANT, Fid.SIGNATURE)
_TEMPLATES = {
    0xE0: Fid.WALLET,
    0x65: Fid.IDENTITY,
    0xE1: Fid.RIGHTS,
    0xE2: Fid.COVER,
    0xE3: Fid.USAGE,
    0xE4: Fid.GRANT,
    0xE5: Fid.SIGNATURE,
}
_TAG_GRANT = 0xE4


@dataclasses.dataclass(frozen=True)
class ElementaryFile:
    """One EF as it is now; ``entry`` is the wallet entry it belongs to, if any."""

    fid: Fid
    content: bytes
    entry: EntryState | None

    @property
    def sfi(self) -> int:
        """Short EF identifier."""
        return SFI[self.fid]

    @property
    def data_object(self) -> bytes:
        """The file as GET DATA gives it: the grant, alone, is not a data object by itself."""
        if self.fid is Fid.GRANT:
            return ber_tlv.encode(_TAG_GRANT, self.content)
        return self.content


class Files:
    """Looks files up. A DF is named by its wallet index, ``None`` for the application's."""

    def __init__(self, state: CardState) -> None:
        self._state = state

    def entry(self, fid: int) -> EntryState | None:
        """The wallet entry whose DF is ``fid``."""
        return self._state.entries.get(fid - Fid.ENTRY_BASE)

    def find(self, df: int | None, fid: int) -> ElementaryFile | None:
        """The EF ``fid`` in a DF, or ``None``."""
        known = _APPLICATION_FILES if df is None else _ENTRY_FILES
        if fid not in known:
            return None
        name = Fid(fid)
        if df is None:
            return ElementaryFile(name, self.application_file(name), None)
        entry = self._state.entries.get(df)
        content = None if entry is None else self.entry_file(entry, name)
        return None if content is None else ElementaryFile(name, content, entry)

    def find_short(self, df: int | None, sfi: int) -> ElementaryFile | None:
        """The EF with a short identifier in a DF, or ``None``."""
        for fid, short in SFI.items():
            if short == sfi:
                return self.find(df, fid)
        return None

    def find_template(self, df: int | None, tag: int) -> ElementaryFile | None:
        """The EF in a DF that holds the template ``tag``, or ``None``."""
        fid = _TEMPLATES.get(tag)
        return None if fid is None else self.find(df, fid)

    def application_file(self, fid: Fid) -> bytes:
        """Content of a file of the application DF."""
        if fid is Fid.CERTIFICATES:
            return b"".join(self._state.signing_chain)
        return self.wallet()

    def entry_file(self, entry: EntryState, fid: Fid) -> bytes | None:
        """Content of a file of an entry; ``None`` if the entry has no such file."""
        if fid is Fid.USAGE:
            return entry.usage_log or USAGE.build(Usage(0, ()))
        if fid is Fid.GRANT:
            return entry.grant
        return entry.files.get(fid)

    def wallet(self) -> bytes:
        """The wallet directory, made from the entries there are."""
        return WALLET.build(
            tuple(
                WalletEntry(
                    entry.index,
                    entry.kind,
                    entry.serial,
                    entry.valid_until,
                    entry.status_index,
                    None if entry.grant is None else GRANT.parse(entry.grant).status_index,
                )
                for _, entry in sorted(self._state.entries.items())
            )
        )
