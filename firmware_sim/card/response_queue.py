"""Response data that waits for GET RESPONSE (profile 4.2; ISO/IEC 7816-4:2020 5.3.4)."""

from __future__ import annotations

from card_formats.apdu import EXTENDED_MAX_LE, SHORT_MAX_LE, CommandApdu
from card_formats.status_words import SW
from firmware_sim.card.reply import Reply, StatusError


class ResponseQueue:
    """Cuts response data to what the reader takes, and keeps the rest.

    Args:
        longest: most bytes of data in one response.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._data = b""
        self._position = 0
        self._final = int(SW.OK)

    @property
    def remaining(self) -> int:
        """Bytes that wait."""
        return len(self._data) - self._position

    def clear(self) -> None:
        """Discard what waits."""
        self._data = b""
        self._position = 0

    def answer(self, reply: Reply, le: int | None) -> Reply:
        """Cut ``reply`` to ``le`` bytes (none when absent); the rest waits behind 61xx."""
        self.clear()
        if not reply.data:
            return reply
        self._data = reply.data
        self._final = reply.sw
        return self._take(le or 0)

    def get_response(self, command: CommandApdu) -> Reply:
        """GET RESPONSE. Without Le it takes what a Le of zero would: a case 1 and a case 2
        with Le 00 are the same bytes in T=0.

        Raises:
            StatusError: 6A86, 6700, 6985 nothing waits, 6Cxx Le beyond what remains.
        """
        if command.p1 or command.p2:
            raise StatusError(SW.WRONG_P1_P2)
        if command.data:
            raise StatusError(SW.WRONG_LENGTH)
        if not self.remaining:
            raise StatusError(SW.CONDITIONS_NOT_SATISFIED)
        most = EXTENDED_MAX_LE if command.extended else SHORT_MAX_LE
        wanted = command.le or most
        if wanted < most and wanted > self.remaining:
            raise StatusError(self.counted(SW.WRONG_LE))
        return self._take(wanted)

    def counted(self, family: SW) -> int:
        """61xx or 6Cxx with the bytes that remain, 00 for 256 and more."""
        return family | (self.remaining if self.remaining < SHORT_MAX_LE else 0)

    def _take(self, count: int) -> Reply:
        start = self._position
        self._position = min(start + min(count, self._longest), len(self._data))
        data = self._data[start : self._position]
        if self.remaining:
            return Reply(data, self.counted(SW.BYTES_AVAILABLE))
        self.clear()
        return Reply(data, self._final)
