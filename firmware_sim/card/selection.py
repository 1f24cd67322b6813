"""SELECT: what is selected, and what is said about it (profile 4.3)."""

from __future__ import annotations

from card_formats.apdu import CommandApdu
from card_formats.profile_ecv_sim_1 import Fid, LifeCycle, Marker, Profile
from card_formats.selection import (
    APPLICATION_FCI,
    APPLICATION_FCP,
    DESCRIPTOR_DF,
    DESCRIPTOR_EF,
    FILE_FCI,
    FILE_FCP,
    ApplicationInformation,
    ExtendedLength,
    FileInformation,
    ProfileVersion,
    Proprietary,
)
from card_formats.status_words import SW
from firmware_sim.card.access import Access
from firmware_sim.card.files import ElementaryFile, Files
from firmware_sim.card.reply import Reply, StatusError
from firmware_sim.card.state import CardState

BY_FID, CHILD_DF, CHILD_EF, PARENT_DF, BY_AID, BY_PATH = 0x00, 0x01, 0x02, 0x03, 0x04, 0x09
FCI, FCP, NO_DATA, NEXT_OCCURRENCE = 0x00, 0x04, 0x0C, 0x02
_SHORTEST_AID = 5
_FID_SIZE = 2
_LABELS = {Marker.TEST: "TEST", Marker.DEMONSTRATION: "DEMO"}
_STATUS = {
    LifeCycle.OPERATIONAL: SW.OK,
    LifeCycle.SUSPENDED: SW.FILE_DEACTIVATED,
    LifeCycle.OPPOSED: SW.FILE_TERMINATED,
}


class Selection:
    """The selected application, DF and EF."""

    def __init__(self, state: CardState, profile: Profile, files: Files, access: Access) -> None:
        self._state = state
        self._profile = profile
        self._files = files
        self._access = access
        self.application = False
        self.df: int | None = None
        """Wallet index of the current DF; ``None`` for the application's."""
        self.ef: Fid | None = None

    def clear(self) -> None:
        """Nothing is selected any more."""
        self.application = False
        self.df = None
        self.ef = None

    def current_file(self) -> ElementaryFile:
        """The current EF, else 6986."""
        file = None if self.ef is None else self._files.find(self.df, self.ef)
        if file is None:
            raise StatusError(SW.NO_CURRENT_FILE)
        return file

    # --- by AID ---

    def select_application(self, command: CommandApdu) -> Reply:
        """SELECT by AID, once the phone is known to be unlocked.

        Raises:
            StatusError: 6A86, or 6A82 no such application, or a card never enrolled.
        """
        if command.p2 not in (FCI, FCP, NO_DATA, NEXT_OCCURRENCE):
            raise StatusError(SW.WRONG_P1_P2)
        if not self.is_named(command.data) or command.p2 == NEXT_OCCURRENCE:
            raise StatusError(SW.FILE_NOT_FOUND)
        if not self._state.entries:
            raise StatusError(SW.FILE_NOT_FOUND)
        self.clear()
        self.application = True
        return Reply(self.describe_application(command.p2), self.status())

    def is_named(self, aid: bytes) -> bool:
        """The whole AID, or at least five bytes it begins with."""
        return len(aid) >= _SHORTEST_AID and self._profile.aid.startswith(aid)

    def status(self) -> int:
        """Status word of SELECT for the card's life-cycle state."""
        return _STATUS[self._state.life_cycle]

    def label(self) -> str:
        """Application label: the profile's, and what kind of card it is."""
        return f"{self._profile.label} {_LABELS[self._state.marker]}"

    def describe_application(self, p2: int) -> bytes:
        """FCI or FCP of the application: the same for all cards of one state."""
        if p2 == NO_DATA:
            return b""
        profile = self._profile
        information = ApplicationInformation(
            profile.aid,
            self.label(),
            Proprietary(
                ProfileVersion(*profile.version), self._state.life_cycle, self._state.marker
            ),
            ExtendedLength(profile.max_apdu, profile.max_apdu),
        )
        return (APPLICATION_FCI if p2 == FCI else APPLICATION_FCP).build(information)

    # --- by FID or path ---

    def select_file(self, command: CommandApdu) -> Reply:
        """SELECT by FID or path.

        Raises:
            StatusError: 6A86, 6982 no SCP11a session or not operational, 6700, 6A82.
        """
        if command.p1 not in (BY_FID, CHILD_DF, CHILD_EF, PARENT_DF, BY_PATH):
            raise StatusError(SW.WRONG_P1_P2)
        if command.p2 not in (FCI, FCP, NO_DATA):
            raise StatusError(SW.WRONG_P1_P2)
        self._access.require_terminal()
        self._access.require_operational(SW.SECURITY_NOT_SATISFIED)
        self.df, self.ef = self.resolve(command.p1, command.data)
        return Reply(self.describe_current(command.p2))

    def resolve(self, p1: int, data: bytes) -> tuple[int | None, Fid | None]:
        """The DF and EF that P1 and the data name, else 6A82."""
        if p1 == PARENT_DF:
            if data:
                raise StatusError(SW.WRONG_LENGTH)
            if self.df is None:
                raise StatusError(SW.FILE_NOT_FOUND)
            return None, None
        fids = self._fids(data, most=2 if p1 == BY_PATH else 1)
        if p1 == CHILD_DF:
            return self._child_df(self.df, fids[0]), None
        if p1 == CHILD_EF:
            return self.df, self._child_ef(self.df, fids[0])
        if p1 == BY_PATH:
            return self._walk(fids)
        return self._nearest(fids[0])

    def _fids(self, data: bytes, most: int) -> list[int]:
        if not data or len(data) % _FID_SIZE or len(data) > most * _FID_SIZE:
            raise StatusError(SW.WRONG_LENGTH)
        starts = range(0, len(data), _FID_SIZE)
        return [int.from_bytes(data[start : start + _FID_SIZE], "big") for start in starts]

    def _walk(self, fids: list[int]) -> tuple[int | None, Fid | None]:
        if len(fids) == 1 and self._files.find(self.df, fids[0]):
            return self.df, Fid(fids[0])
        df = self._child_df(self.df, fids[0])
        return df, self._child_ef(df, fids[1]) if len(fids) > 1 else None

    def _nearest(self, fid: int) -> tuple[int | None, Fid | None]:
        """An EF or DF below the current DF, else a DF beside it."""
        if self._files.find(self.df, fid):
            return self.df, Fid(fid)
        return self._child_df(None, fid), None

    def _child_df(self, df: int | None, fid: int) -> int:
        entry = self._files.entry(fid) if df is None else None
        if entry is None:
            raise StatusError(SW.FILE_NOT_FOUND)
        return entry.index

    def _child_ef(self, df: int | None, fid: int) -> Fid:
        file = self._files.find(df, fid)
        if file is None:
            raise StatusError(SW.FILE_NOT_FOUND)
        return file.fid

    def describe_current(self, p2: int) -> bytes:
        """FCI or FCP of the current EF or DF; of the application for its DF."""
        if p2 == NO_DATA:
            return b""
        if self.ef is None and self.df is None:
            return self.describe_application(p2)
        if self.ef is None:
            information = FileInformation(DESCRIPTOR_DF, Fid.ENTRY_BASE + (self.df or 0))
        else:
            file = self.current_file()
            information = FileInformation(DESCRIPTOR_EF, file.fid, len(file.content), file.sfi)
        return (FILE_FCI if p2 == FCI else FILE_FCP).build(information)
