"""A secure session with a card: SCP11a or SCP11b, then secure messaging (profile 3.4, 3.5)."""

from __future__ import annotations

import os
from collections.abc import Callable

from card_formats.apdu import CommandApdu, ResponseApdu
from card_formats.profile_ecv_sim_1 import KeyPurpose
from reader_drivers.api import CardSession, ReaderError
from reader_drivers.terminal import scp11_host
from reader_drivers.terminal.apdu_channel import ApduChannel
from reader_drivers.terminal.errors import SecureSessionError
from reader_drivers.terminal.kit import TerminalKit
from reader_drivers.terminal.scp11_host import Variant
from reader_drivers.terminal.seam import Clock, RandomBytes
from reader_drivers.terminal.secure_messaging_host import SecureMessaging, SessionKeys

Observer = Callable[[CommandApdu, ResponseApdu], None]
"""Told each secured command and its answer in the clear, for traces. VERIFY, CHANGE REFERENCE
DATA and RESET RETRY COUNTER (INS 20, 24, 2C) carry codes: mask their data."""


class SecureSession:
    """Commands and answers in the clear over an authenticated, encrypted channel.

    After any error of the channel or of the secure messaging the session is dead and every
    command raises SecureSessionError. A status word that refuses a command is no such error.
    """

    def __init__(
        self,
        channel: ApduChannel,
        keys: SessionKeys,
        receipt: bytes,
        *,
        observer: Observer | None = None,
    ) -> None:
        self.channel = channel
        self._messaging = SecureMessaging(keys, receipt)
        self._observer = observer
        self._dead: str | None = None

    @classmethod
    def open_scp11a(
        cls,
        session: CardSession | ApduChannel,
        kit: TerminalKit,
        clock: Clock,
        *,
        random_bytes: RandomBytes = os.urandom,
        observer: Observer | None = None,
    ) -> SecureSession:
        """Both sides authenticate: the session that gives access to the holder's data.

        Raises:
            TrustError: the card's certificate is not the fund's.
            SecureSessionError: the card refuses, or does not prove its key.
            CardRemoved, CommunicationFault: from the reader.
        """
        channel = _channel(session)
        certificates = scp11_host.fetch_certificates(channel, Variant.SCP11A)
        card_key = kit.trust.check(
            certificates[-1], KeyPurpose.CARD_AGREEMENT, clock(), certificates[:-1]
        )
        scp11_host.present_certificates(channel, kit.certificates)
        agreed = scp11_host.agree(channel, Variant.SCP11A, card_key, kit.private_key, random_bytes)
        return cls(channel, agreed.keys, agreed.receipt, observer=observer)

    @classmethod
    def open_scp11b(
        cls,
        session: CardSession | ApduChannel,
        kit: TerminalKit,
        clock: Clock,
        *,
        random_bytes: RandomBytes = os.urandom,
        observer: Observer | None = None,
    ) -> SecureSession:
        """The card alone proves itself: the session that opens its status only.

        Raises: as :meth:`open_scp11a`.
        """
        channel = _channel(session)
        certificates = scp11_host.fetch_certificates(channel, Variant.SCP11B)
        card_key = kit.trust.check(
            certificates[-1], KeyPurpose.CARD_AGREEMENT, clock(), certificates[:-1]
        )
        agreed = scp11_host.agree(channel, Variant.SCP11B, card_key, None, random_bytes)
        return cls(channel, agreed.keys, agreed.receipt, observer=observer)

    @property
    def alive(self) -> bool:
        """No error has ended the session yet, as far as the terminal knows."""
        return self._dead is None

    def protect(self, command: CommandApdu) -> CommandApdu:
        """The secured command for this plain one, next in the session; it is not sent.

        For tests that look at, damage or hold back what goes over the link.
        """
        return self._messaging.wrap(command, self.channel)

    def transmit(self, command: CommandApdu) -> ResponseApdu:
        """Send one plain command through the session, return the plain answer.

        Raises:
            SecureSessionError: the session is over, by this answer or an earlier one.
            CardRemoved, CommunicationFault: from the reader; the session is over too.
        """
        if self._dead is not None:
            raise SecureSessionError(
                f"the secure session is over ({self._dead}): authenticate anew"
            )
        wire = self.protect(command)
        try:
            response = self._messaging.unwrap(self.channel.transmit(wire))
        except (ReaderError, SecureSessionError) as error:
            self._dead = str(error)
            raise
        if self._observer is not None:
            self._observer(command, response)
        return response


def _channel(session: CardSession | ApduChannel) -> ApduChannel:
    return session if isinstance(session, ApduChannel) else ApduChannel(session, None)
