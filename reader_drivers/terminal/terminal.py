"""The terminal: a tap or a scan in, one verdict out (profile 9.5, 11)."""

from __future__ import annotations

import os

from reader_drivers.api import CardReader
from reader_drivers.terminal.context import Context, Mode
from reader_drivers.terminal.errors import TrustError
from reader_drivers.terminal.evidence import Presence, check_marker, check_presence
from reader_drivers.terminal.kit import TerminalKit
from reader_drivers.terminal.opposition import OppositionStore
from reader_drivers.terminal.replay import ReplayStore
from reader_drivers.terminal.scan import QrResolver, Scan
from reader_drivers.terminal.seam import Clock, RandomBytes
from reader_drivers.terminal.secure_session import Observer
from reader_drivers.terminal.tap import Code, Tap, TapRequest
from reader_drivers.terminal.trust import split_certificates
from reader_drivers.terminal.verdict import Findings, Verdict


class Terminal:
    """A professional's terminal.

    Args:
        kit: its keys and what it trusts.
        clock: time.
        opposition: the opposition list; without one everything is refused as list_missing.
        replay: memory of QR tokens; in this process only unless given a file.
        mode: "production" refuses test and demonstration cards, which all cards here are.
        resolver: link to the fund for online QR codes; ``None`` is an offline terminal.
        random_bytes: challenges and ephemeral keys.
        extended: True or False to impose extended or short APDUs; ``None`` believes the card's
            historical bytes.
    """

    def __init__(
        self,
        kit: TerminalKit,
        *,
        clock: Clock,
        opposition: OppositionStore | None = None,
        replay: ReplayStore | None = None,
        mode: Mode = "bench",
        resolver: QrResolver | None = None,
        random_bytes: RandomBytes = os.urandom,
        extended: bool | None = None,
    ) -> None:
        if mode not in ("bench", "production"):
            raise ValueError(f"mode {mode!r} is neither 'bench' nor 'production'")
        self.context = Context(kit, clock, opposition, random_bytes, mode, extended)
        self.replay = ReplayStore() if replay is None else replay
        self.resolver = resolver

    def tap(
        self,
        reader: CardReader,
        code: Code = None,
        *,
        entry: int = 1,
        presence: bool = True,
        expected_serial: bytes | None = None,
        timeout: float = 5.0,
        observer: Observer | None = None,
    ) -> Verdict:
        """Read one card and judge it.

        Args:
            code: the holder's code, or a function that asks for it. It is asked for only when
                the card needs it from the reader, and not for a card that is certain to be
                refused (opposed, suspended, blocked, test card in production).
            entry: wallet entry to present.
            presence: have the card sign a presence token, which consumes the code.
            expected_serial: serial read before; another card is a substitution.
            timeout: seconds to wait for a card.
            observer: told each secured command and answer in the clear (see ``Observer``).

        Raises:
            ReaderUnavailable: there is no reader, so there is nothing to say of a card.
        """
        request = TapRequest(code, entry, presence, expected_serial, timeout, observer)
        return Tap(self.context, request).run(reader)

    def scan(self, text: str, *, expected_serial: bytes | None = None) -> Verdict:
        """Judge the text of a QR code; scanners' end of line is ignored.

        Raises:
            ReplayStoreError: an acceptable token could not be remembered, so is not accepted.
        """
        return Scan(self.context, self.replay, self.resolver).run(text, expected_serial)

    def verify_presence(
        self,
        token: bytes,
        *,
        challenge: bytes,
        certificates: bytes,
        entry_serial: bytes | None = None,
    ) -> Verdict:
        """Judge a presence token apart from its tap (profile 8.2).

        Args:
            token: as the card gave it, encoded.
            challenge: the terminal's, of the tap it claims to come from.
            certificates: content of EF.CERTIFICATES.
            entry_serial: the card it should be about, when known.
        """
        findings = Findings()
        try:
            chain = split_certificates(certificates)
        except TrustError as error:
            findings.refuse(error.reason, str(error))
            chain = ()
        expected = Presence(challenge, entry=entry_serial)
        found = check_presence(self.context, findings, token, chain, expected)
        if found is not None:
            check_marker(self.context, findings, found.marker)
            findings.serial = found.entry_serial
            findings.presence_token = found
        return findings.verdict()
