"""READ BINARY and GET DATA with odd INS (profile 4.9)."""

from __future__ import annotations

from card_formats.apdu import EXTENDED_MAX_LE, SHORT_MAX_LE, CommandApdu
from card_formats.profile_ecv_sim_1 import Fid
from card_formats.selection import DISCRETIONARY_DATA, DISCRETIONARY_OFFSET, TAG_LIST
from card_formats.status_words import SW
from firmware_sim.card.access import Access
from firmware_sim.card.files import ElementaryFile, Files
from firmware_sim.card.reply import Reply, StatusError, parsed
from firmware_sim.card.selection import Selection
from firmware_sim.card.terminal_chain import Terminal

_SFI_MARK = 0x80
_SFI_RESERVED = 0x60
_SFI_BITS = 0x1F
_SFI_LAST = 30
_CURRENT_DF = 0x3FFF


class Reading:
    """The commands that read files."""

    def __init__(self, files: Files, selection: Selection, access: Access) -> None:
        self._files = files
        self._selection = selection
        self._access = access

    def read_binary(self, command: CommandApdu) -> Reply:
        """READ BINARY, even INS.

        Raises:
            StatusError: 6A86, 6700, 6982, 6985, 6986, 6A82, 6B00.
        """
        short = bool(command.p1 & _SFI_MARK)
        if short and command.p1 & _SFI_RESERVED:
            raise StatusError(SW.WRONG_P1_P2)
        if command.data:
            raise StatusError(SW.WRONG_LENGTH)
        terminal = self.require_reader()
        if short:
            file = self._by_sfi(command.p1 & _SFI_BITS)
            offset = command.p2
        else:
            file = self._selection.current_file()
            offset = command.p1 << 8 | command.p2
        self._access.require_readable(file, terminal)
        return self.cut(file.content, offset, self.explicit_le(command), self.largest_le(command))

    def read_binary_odd(self, command: CommandApdu) -> Reply:
        """READ BINARY, odd INS: offset and content as data objects.

        Raises:
            StatusError: as :meth:`read_binary`, and 6A80.
        """
        terminal = self.require_reader()
        offset = parsed(DISCRETIONARY_OFFSET, command.data)
        file = self._by_reference(command.p1 << 8 | command.p2)
        self._access.require_readable(file, terminal)
        reply = self.cut(file.content, offset, self.explicit_le(command), most=len(file.content))
        return Reply(DISCRETIONARY_DATA.build(reply.data), reply.sw)

    def get_data_objects(self, command: CommandApdu) -> Reply:
        """GET DATA, odd INS: templates of the current DF, in the order asked.

        Raises:
            StatusError: 6A86, 6982, 6985, 6A80, 6A88.
        """
        if command.p1 << 8 | command.p2 != _CURRENT_DF:
            raise StatusError(SW.WRONG_P1_P2)
        terminal = self.require_reader()
        tags = parsed(TAG_LIST, command.data)
        if not tags:
            raise StatusError(SW.WRONG_DATA)
        return Reply(b"".join(self._data_object(tag, terminal) for tag in tags))

    def require_reader(self) -> Terminal:
        """SCP11a, a card in operation, and the code."""
        terminal = self._access.require_terminal()
        self._access.require_operational(SW.SECURITY_NOT_SATISFIED)
        self._access.require_code()
        return terminal

    def largest_le(self, command: CommandApdu) -> int:
        """What a Le of zero, or none, stands for."""
        return EXTENDED_MAX_LE if command.extended else SHORT_MAX_LE

    def explicit_le(self, command: CommandApdu) -> int | None:
        """The Le that asks for so many bytes; ``None`` when absent or zero."""
        return None if command.le == self.largest_le(command) else command.le

    def cut(self, content: bytes, offset: int, wanted: int | None, most: int) -> Reply:
        """The part asked for: ``wanted`` bytes or a warning, else up to ``most`` without one.

        Raises:
            StatusError: 6B00, the offset is past the end.
        """
        if offset >= len(content):
            raise StatusError(SW.OFFSET_OUTSIDE_FILE)
        data = content[offset : offset + (most if wanted is None else wanted)]
        ended = wanted is not None and len(data) < wanted
        return Reply(data, SW.END_OF_FILE if ended else SW.OK)

    def _data_object(self, tag: int, terminal: Terminal) -> bytes:
        file = self._files.find_template(self._selection.df, tag)
        if file is None:
            raise StatusError(SW.REFERENCE_DATA_NOT_FOUND)
        self._access.require_readable(file, terminal)
        return file.data_object

    def _by_sfi(self, sfi: int) -> ElementaryFile:
        return self.make_current(self._files.find_short(self._selection.df, sfi))

    def _by_reference(self, reference: int) -> ElementaryFile:
        """The current EF (0000), an SFI, or a FID."""
        if not reference:
            return self._selection.current_file()
        if reference <= _SFI_LAST:
            return self._by_sfi(reference)
        return self.make_current(self._files.find(self._selection.df, reference))

    def make_current(self, file: ElementaryFile | None) -> ElementaryFile:
        """An SFI or a FID makes its EF the current one; 6A82 if there is none."""
        if file is None:
            raise StatusError(SW.FILE_NOT_FOUND)
        self._selection.ef = Fid(file.fid)
        return file
