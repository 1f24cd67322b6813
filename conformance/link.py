"""A card under the hands of a scenario: plain commands, and commands in a secure session."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

from card_formats.apdu import COMMAND_APDU, RESPONSE_APDU, CommandApdu, ResponseApdu
from card_formats.core import FormatError
from card_formats.profile_ecv_sim_1 import Role
from card_formats.status_words import SW
from conformance import commands
from conformance.verdicts import Failure, Inconclusive
from reader_drivers.api import CardSession
from reader_drivers.terminal.apdu_channel import ApduChannel
from reader_drivers.terminal.errors import SecureSessionError, TrustError
from reader_drivers.terminal.kit import TerminalKit
from reader_drivers.terminal.secure_session import SecureSession

if TYPE_CHECKING:
    from conformance.bench import Bench


class Link:
    """An activated card. Commands go out exactly as given: no GET RESPONSE, no repetition."""

    def __init__(self, bench: Bench, session: CardSession) -> None:
        self.bench = bench
        self.session = session

    def send(self, command: CommandApdu) -> ResponseApdu:
        """Send one command as it is."""
        return self.send_raw(COMMAND_APDU.build(command))

    def send_raw(self, command: bytes) -> ResponseApdu:
        """Send these bytes as a command; a malformed answer is a failure."""
        response = self.session.transmit(command)
        try:
            return RESPONSE_APDU.parse(response)
        except FormatError as error:
            raise Failure("the answer", "data and a status word", str(error)) from error

    def select(self) -> ResponseApdu:
        """SELECT the application; not reaching it leaves the purpose inconclusive."""
        response = self.send(commands.select_aid())
        if response.sw not in (SW.OK, SW.FILE_DEACTIVATED, SW.FILE_TERMINATED):
            raise Inconclusive(f"the application cannot be selected: {response.sw:04X}")
        return response

    def secure(
        self,
        role: Role = Role.PHARMACIST,
        *,
        variant: Literal["a", "b"] = "a",
        kit: TerminalKit | None = None,
        extended: bool | None = None,
    ) -> Secure:
        """Open a secure session; a card that will not leaves the purpose inconclusive."""
        try:
            return self.open_secure(role, variant=variant, kit=kit, extended=extended)
        except (SecureSessionError, TrustError) as error:
            raise Inconclusive(f"no secure session: {error}") from error

    def open_secure(
        self,
        role: Role = Role.PHARMACIST,
        *,
        variant: Literal["a", "b"] = "a",
        kit: TerminalKit | None = None,
        extended: bool | None = None,
    ) -> Secure:
        """Open a secure session.

        Raises:
            SecureSessionError, TrustError: it was refused, or not what it should be.
        """
        bench = self.bench
        kit = kit or bench.kit(role)
        channel = ApduChannel(self.session, extended)
        opener = SecureSession.open_scp11a if variant == "a" else SecureSession.open_scp11b
        session = opener(
            channel, kit, bench.clock, random_bytes=bench.random_bytes, observer=bench.observe
        )
        return Secure(bench, self, session)


@dataclasses.dataclass
class Secure:
    """A secure session on a link."""

    bench: Bench
    link: Link
    session: SecureSession

    def send(self, command: CommandApdu) -> ResponseApdu:
        """Send one command through the session, return the plain answer.

        A session that dies under it is a failure: the scenario did not mean it to.
        """
        try:
            return self.session.transmit(command)
        except SecureSessionError as error:
            raise Failure("the secured answer", "a protected, verifiable answer", str(error)) from (
                error
            )

    def enter_code(self, code: str) -> Secure:
        """VERIFY a code that should be right; else the purpose is inconclusive."""
        response = self.send(commands.verify(code))
        if response.sw != SW.OK:
            raise Inconclusive(f"the code was not accepted: {response.sw:04X}")
        return self

    def select_entry(self, number: int = 1) -> Secure:
        """Select the DF of a wallet entry."""
        response = self.send(commands.select_entry(number))
        if response.sw != SW.OK:
            raise Inconclusive(f"entry {number} cannot be selected: {response.sw:04X}")
        return self
