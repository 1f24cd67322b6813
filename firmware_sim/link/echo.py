"""The least card that tries out a link: it echoes, counts out bytes, and takes its time."""

from __future__ import annotations

import time
from collections.abc import Callable

from card_formats.apdu import COMMAND_APDU, RESPONSE_APDU, ResponseApdu
from card_formats.core import FormatError
from card_formats.status_words import SW

INS_ECHO = 0xEC
"""Returns the command data."""
INS_COUNT = 0xEE
"""Returns P1P2 bytes 00 01 02…"""
INS_SLOW_ECHO = 0xEA
"""Returns the command data after P1 hundredths of a second."""


class EchoCard:
    """A :class:`firmware_sim.seam.Card` without any secret.

    Attributes:
        powered: whether it is on. ``power_ons`` and ``power_offs`` count the calls.
        commands: every C-APDU received.
        failure: raised by the next ``transmit`` when set (``ConnectionError``: torn away,
            ``TimeoutError``: mute); it is then cleared.
    """

    def __init__(
        self, historical: bytes = b"\x80", sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._historical = historical
        self._sleep = sleep
        self.powered = False
        self.power_ons = 0
        self.power_offs = 0
        self.commands: list[bytes] = []
        self.failure: OSError | None = None

    def power_on(self) -> bytes:
        """Return the historical bytes."""
        self.powered = True
        self.power_ons += 1
        return self._historical

    def reset(self) -> bytes:
        """Return the historical bytes."""
        return self._historical

    def power_off(self) -> None:
        """Count it."""
        self.powered = False
        self.power_offs += 1

    def transmit(self, command: bytes) -> bytes:
        """Run one command; 6D00 for any other than the three above."""
        self.commands.append(command)
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        try:
            apdu = COMMAND_APDU.parse(command)
        except FormatError:
            return _answer(b"", SW.WRONG_LENGTH)
        if apdu.ins == INS_COUNT:
            size = apdu.p1 << 8 | apdu.p2
            return _answer(bytes(index & 0xFF for index in range(size)))
        if apdu.ins == INS_SLOW_ECHO:
            self._sleep(apdu.p1 / 100)
        if apdu.ins in (INS_ECHO, INS_SLOW_ECHO):
            return _answer(apdu.data)
        return _answer(b"", SW.INS_NOT_SUPPORTED)


def _answer(data: bytes, sw: int = SW.OK) -> bytes:
    return RESPONSE_APDU.build(ResponseApdu(data, sw))
