"""Command chaining (profile 4.2; ISO/IEC 7816-4:2020 5.3.3)."""

from __future__ import annotations

import dataclasses

from card_formats.apdu import EXTENDED_MAX_DATA, CommandApdu
from card_formats.status_words import SW
from firmware_sim.card.reply import StatusError

CHAINING_BIT = 0x10


class CommandChaining:
    """Puts the links of a chain together. One chain at most is open."""

    def __init__(self) -> None:
        self._links: list[CommandApdu] = []

    def clear(self) -> None:
        """Forget the links received."""
        self._links = []

    def check(self, command: CommandApdu) -> None:
        """Refuse a command that breaks the open chain.

        Raises:
            StatusError: 6883, another CLA (but the bit), INS, P1 or P2 than the chain's.
        """
        if self._links and self.header(command) != self.header(self._links[0]):
            self.clear()
            raise StatusError(SW.LAST_CHAIN_COMMAND_EXPECTED)

    def header(self, command: CommandApdu) -> tuple[int, ...]:
        """What all links of a chain have in common."""
        return command.cla & ~CHAINING_BIT, command.ins, command.p1, command.p2

    def feed(self, command: CommandApdu) -> CommandApdu | None:
        """Take a link in; return the whole command after the last one.

        Raises:
            StatusError: 6700, more than 65,535 bytes in all.
        """
        self._links.append(command)
        if sum(len(link.data) for link in self._links) > EXTENDED_MAX_DATA:
            self.clear()
            raise StatusError(SW.WRONG_LENGTH)
        if command.cla & CHAINING_BIT:
            return None
        links, self._links = self._links, []
        if len(links) == 1:
            return command
        return dataclasses.replace(
            command,
            data=b"".join(link.data for link in links),
            extended=any(link.extended for link in links),
        )
