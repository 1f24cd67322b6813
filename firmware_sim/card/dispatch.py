"""The card's operating system: one APDU in, one out (profile 3.5, 4, 4.2).

Order of the checks: coding, class, chain, secure messaging, instruction, selection, and then
the command's own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from card_formats.apdu import COMMAND_APDU, RESPONSE_APDU, CommandApdu, ResponseApdu
from card_formats.core import FormatError
from card_formats.status_words import SW
from firmware_sim.card.access import Loss
from firmware_sim.card.chaining import CHAINING_BIT, CommandChaining
from firmware_sim.card.reply import Reply, StatusError
from firmware_sim.card.response_queue import ResponseQueue
from firmware_sim.card.secure_messaging import SECURE_MESSAGING_BIT, SecureChannel
from firmware_sim.card.selection import BY_AID

Handler = Callable[[CommandApdu], Reply]
CommandTable = dict[tuple[bool, int], Handler]
"""(proprietary class, instruction) -> handler."""

INS_SELECT, INS_GET_CHALLENGE, INS_GET_RESPONSE = 0xA4, 0x84, 0xC0
_PROPRIETARY_BIT = 0x80
_CHANNEL_BITS = 0x03
_ISO_MESSAGING_BIT = 0x08


@dataclasses.dataclass(frozen=True)
class CommandClass:
    """What the class byte says."""

    proprietary: bool
    chained: bool
    secured: bool


class CardOs:
    """Runs commands. An application gives its table and says what it loses when.

    Attributes:
        commands: the table; a handler may be replaced.
        last_error: the last exception that was answered with 6F00, for whoever debugs.
    """

    def __init__(self, longest_response: int) -> None:
        self.commands: CommandTable = {}
        self.secure_channel = SecureChannel()
        self.chaining = CommandChaining()
        self.response_queue = ResponseQueue(longest_response)
        self.last_error: BaseException | None = None
        self.powered = False

    # --- what an application defines ---

    def before_command(self) -> None:
        """Called first for every command: time has passed, the phone may have been locked."""

    def is_selected(self) -> bool:
        """Whether the application is selected."""
        return False

    def end_session(self, cause: Loss) -> None:
        """End the open session and what hangs on it."""
        self.secure_channel.close()

    def forget(self) -> None:
        """Everything volatile is lost."""
        self.end_session(Loss.POWER)
        self.chaining.clear()
        self.response_queue.clear()

    # --- running a command ---

    def transmit(self, command: bytes) -> bytes:
        """One C-APDU in, one R-APDU out. A defect answers 6F00 and ends the session.

        Raises:
            ConnectionError: no power, or it failed in mid-command.
        """
        if not self.powered:
            raise ConnectionError("the card has no power")
        try:
            response = self.process(command)
        except ConnectionError:
            self.powered = False
            self.forget()
            raise
        except TimeoutError:
            raise
        except Exception as error:
            self.last_error = error
            self.forget_exchange()
            self.end_session(Loss.DEFECT)
            response = Reply(sw=SW.NO_PRECISE_DIAGNOSIS)
        return RESPONSE_APDU.build(ResponseApdu(response.data, response.sw))

    def process(self, raw: bytes) -> Reply:
        """Everything between the bytes and the response, refusals included."""
        self.before_command()
        try:
            command = COMMAND_APDU.parse(raw)
        except FormatError:
            return self.refuse_uncoded(SW.WRONG_LENGTH)
        try:
            kind = self.read_class(command)
            self.chaining.check(command)
        except StatusError as error:
            return self.refuse_uncoded(error.sw)
        try:
            if self._is_plain(kind, command, INS_GET_RESPONSE):
                return self.response_queue.get_response(command)
            self.response_queue.clear()
            return self.assemble(kind, command)
        except StatusError as error:
            self.chaining.clear()
            return Reply(sw=error.sw)

    def refuse_uncoded(self, sw: int) -> Reply:
        """A command too broken to tell whether it was protected: the session ends."""
        self.forget_exchange()
        self.message_failed()
        return Reply(sw=sw)

    def forget_exchange(self) -> None:
        """Drop a chain under way and response data that waits."""
        self.chaining.clear()
        self.response_queue.clear()

    def read_class(self, command: CommandApdu) -> CommandClass:
        """Check the class byte: 6881 another channel, 6882 ISO secure messaging, 6E00."""
        cla = command.cla
        if 0x40 <= cla < 0x80:
            raise StatusError(SW.CHANNEL_NOT_SUPPORTED)
        if cla & 0x60:
            raise StatusError(SW.CLA_NOT_SUPPORTED)
        if cla & _CHANNEL_BITS:
            raise StatusError(SW.CHANNEL_NOT_SUPPORTED)
        if cla & _ISO_MESSAGING_BIT:
            raise StatusError(SW.SECURE_MESSAGING_NOT_SUPPORTED)
        proprietary = bool(cla & _PROPRIETARY_BIT)
        if self._is_of_other_class(proprietary, command.ins):
            raise StatusError(SW.CLA_NOT_SUPPORTED)
        return CommandClass(proprietary, bool(cla & CHAINING_BIT), bool(cla & SECURE_MESSAGING_BIT))

    def assemble(self, kind: CommandClass, command: CommandApdu) -> Reply:
        """Take a command or a link of one; run it when it is whole."""
        self.check_messaging(kind, command)
        if kind.chained and not kind.secured:
            self.handler(kind, command)
        whole = self.chaining.feed(command)
        if whole is None:
            return Reply()
        reply = self.run_secured(kind, whole) if kind.secured else self.run(kind, whole)
        return self.response_queue.answer(reply, whole.le)

    def check_messaging(self, kind: CommandClass, command: CommandApdu) -> None:
        """6982 for a secured command without session; a plain one ends the session."""
        if kind.secured:
            if not self.secure_channel.is_open:
                raise StatusError(SW.SECURITY_NOT_SATISFIED)
        elif self.secure_channel.is_open and not self.is_free_in_session(kind, command):
            self.end_session(Loss.PLAIN_COMMAND)

    def is_free_in_session(self, kind: CommandClass, command: CommandApdu) -> bool:
        """Plain commands that a session survives, or ends by itself."""
        if kind.proprietary:
            return False
        by_aid = command.ins == INS_SELECT and command.p1 == BY_AID
        return by_aid or command.ins == INS_GET_CHALLENGE

    def run_secured(self, kind: CommandClass, command: CommandApdu) -> Reply:
        """Unwrap, run, wrap: the answer goes back in the session the command came in."""
        session = self.secure_channel.session
        if session is None:
            raise StatusError(SW.SECURITY_NOT_SATISFIED)
        try:
            plain = session.unwrap(command)
        except StatusError:
            self.message_failed()
            raise
        return session.wrap(self.run(kind, plain))

    def message_failed(self) -> None:
        """Any error in secure messaging ends the session."""
        self.end_session(Loss.MESSAGE_ERROR)

    def run(self, kind: CommandClass, command: CommandApdu) -> Reply:
        """Run a whole command in the clear."""
        try:
            return self.handler(kind, command)(command)
        except StatusError as error:
            return Reply(sw=error.sw)

    def handler(self, kind: CommandClass, command: CommandApdu) -> Handler:
        """Find the handler: 6D00 unknown instruction, 6985 nothing selected."""
        handler = self.commands.get((kind.proprietary, command.ins))
        if handler is None:
            raise StatusError(SW.INS_NOT_SUPPORTED)
        if not self.is_selected() and command.ins != INS_SELECT:
            raise StatusError(SW.CONDITIONS_NOT_SATISFIED)
        return handler

    def _is_of_other_class(self, proprietary: bool, ins: int) -> bool:
        known = (proprietary, ins) in self.commands
        return not known and (not proprietary, ins) in self.commands

    def _is_plain(self, kind: CommandClass, command: CommandApdu, ins: int) -> bool:
        return command.ins == ins and not (kind.secured or kind.chained or kind.proprietary)
