"""The card's half of the protocol T=0 (ISO/IEC 7816-3:2006, 10.3 and 12.2).

The unit is the TPDU, with the header's procedure bytes left to the reader's chip. Only the
procedure byte NULL is seen: it is the answer of a card that needs more time.
"""

from __future__ import annotations

from collections.abc import Callable

from card_formats.apdu import COMMAND_APDU, RESPONSE_APDU, CommandApdu, ResponseApdu
from card_formats.core import FormatError
from card_formats.status_words import SW
from card_formats.t0_tpdu import INS_GET_RESPONSE, NULL, T0_COMMAND, T0Command
from firmware_sim.link.iso_dep import Job, Mute

WAIT = bytes([NULL])
"""Answer of a card that is still at work; feed ``b""`` to go on waiting."""

INSTRUCTIONS_WITHOUT_RESPONSE = frozenset(
    bytes.fromhex(
        "04 44 E6 E8 FE"  # DEACTIVATE, ACTIVATE, TERMINATE
        "0E 0F D0 D1 D2 D6 D7 DC DD E2 DA DB E4"  # ERASE, WRITE, UPDATE, APPEND, PUT DATA, DELETE
        "20 21 24 2C"  # VERIFY, CHANGE and RESET of reference data
    )
)
"""Nothing on a T=0 line says whether a response is expected: a card knows it by the INS."""

_SECURE_MESSAGING = 0x0C
_UNSIZED = 256


class T0Card:
    """TPDUs in, answers out; ``None`` is silence.

    A response shorter than P3 is announced with 6Cxx and kept, so that the command runs once
    even though the reader sends it twice. A response to a command with data is announced with
    61xx and fetched by GET RESPONSE.

    Args:
        start: starts the card on one C-APDU.
        null_after: seconds of work before a NULL; ``None`` sends none.
        without_response: INS bytes that never return data, secure messaging aside.
    """

    def __init__(
        self,
        start: Callable[[bytes], Job],
        null_after: float | None = None,
        without_response: frozenset[int] = INSTRUCTIONS_WITHOUT_RESPONSE,
    ) -> None:
        self._start = start
        self._null_after = null_after
        self._without_response = without_response
        self._job: Job | None = None
        self._command: T0Command | None = None
        self._pending: ResponseApdu | None = None
        """What GET RESPONSE fetches."""
        self._kept: tuple[T0Command, ResponseApdu] | None = None
        """What the same header with the right P3 fetches."""
        self._mute = False

    def feed(self, tpdu: bytes) -> bytes | None:
        """Take a TPDU, or ``b""`` after a NULL; return data and SW1 SW2, or NULL."""
        if self._mute:
            return None
        try:
            if tpdu:
                answer = self._begin(tpdu)
                if answer is not None:
                    return RESPONSE_APDU.build(answer)
            return self._wait()
        except (Mute, FormatError):
            # A card that got too few bytes waits for the rest until it is reset.
            self._mute = True
            return None

    def _begin(self, tpdu: bytes) -> ResponseApdu | None:
        command = T0_COMMAND.parse(tpdu)
        if self._job is not None:
            raise Mute
        pending, self._pending = self._pending, None
        kept, self._kept = self._kept, None
        if command.ins == INS_GET_RESPONSE and not command.data and pending is not None:
            return self._rest(pending, command)
        if kept is not None and kept[0] == command:
            return kept[1]
        self._command = command
        self._job = self._start(self._to_apdu(command))
        return None

    def _to_apdu(self, command: T0Command) -> bytes:
        silent = command.ins in self._without_response and not command.cla & _SECURE_MESSAGING
        if command.data:
            le = None if silent else _UNSIZED
        else:
            le = None if silent and not command.p3 else command.expected
        return COMMAND_APDU.build(
            CommandApdu(command.cla, command.ins, command.p1, command.p2, command.data, le)
        )

    def _wait(self) -> bytes:
        if self._job is None or self._command is None:
            raise Mute
        try:
            response = self._job.result(self._null_after)
        except BaseException:
            self._job = None
            raise
        if response is None:
            return WAIT
        self._job = None
        return RESPONSE_APDU.build(self._fit(self._command, RESPONSE_APDU.parse(response)))

    def _fit(self, command: T0Command, response: ResponseApdu) -> ResponseApdu:
        """What can be said at once of a response; the rest is kept."""
        size = len(response.data)
        if not size:
            return response
        if command.data:
            self._pending = response
            return _available(size)
        if size < command.expected:
            self._kept = (_with_p3(command, size), response)
            return ResponseApdu(b"", SW.WRONG_LE | size)
        return self._rest(response, command)

    def _rest(self, response: ResponseApdu, command: T0Command) -> ResponseApdu:
        size = len(response.data)
        if size < command.expected:
            self._pending = response
            return ResponseApdu(b"", SW.WRONG_LE | size)
        part, rest = response.data[: command.expected], response.data[command.expected :]
        if not rest:
            return response
        self._pending = ResponseApdu(rest, response.sw)
        return ResponseApdu(part, _available(len(rest)).sw)


def _available(size: int) -> ResponseApdu:
    return ResponseApdu(b"", SW.BYTES_AVAILABLE | (size if size < _UNSIZED else 0))


def _with_p3(command: T0Command, p3: int) -> T0Command:
    return T0Command(command.cla, command.ins, command.p1, command.p2, p3 % _UNSIZED)
