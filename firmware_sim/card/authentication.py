"""The commands that open a session: certificate store, PSO, MUTUAL and INTERNAL AUTHENTICATE
(profile 4.4, 4.6, 4.7), and the status object (4.5)."""

from __future__ import annotations

from collections.abc import Callable

from card_formats.apdu import CommandApdu
from card_formats.key_agreement import CERTIFICATE_STORE_REQUEST
from card_formats.profile_ecv_sim_1 import LifeCycle, Profile, RefusalReason
from card_formats.selection import CARD_STATUS
from card_formats.status_words import SW
from firmware_sim.card.access import Access, Loss
from firmware_sim.card.holder import Holder
from firmware_sim.card.key_pool import CurrentKey, KeyPool, KeyPoolEmpty
from firmware_sim.card.reply import Reply, StatusError, parsed
from firmware_sim.card.scp11 import KeyAgreement
from firmware_sim.card.secret_code import SecretCode
from firmware_sim.card.secure_messaging import Protocol, SecureChannel
from firmware_sim.card.state import CardState
from firmware_sim.card.terminal_chain import TerminalChain

_MORE_FOLLOW = 0x80


class Authentication:
    """Opens sessions. ``end_session`` ends the one open before and what hangs on it."""

    def __init__(
        self,
        state: CardState,
        profile: Profile,
        channel: SecureChannel,
        key_pool: KeyPool,
        chain: TerminalChain,
        agreement: KeyAgreement,
        access: Access,
        code: SecretCode,
        holder: Holder,
        end_session: Callable[[Loss], None],
    ) -> None:
        self._state = state
        self._profile = profile
        self._channel = channel
        self._key_pool = key_pool
        self._chain = chain
        self._agreement = agreement
        self._access = access
        self._code = code
        self._holder = holder
        self._end_session = end_session

    def get_data(self, command: CommandApdu) -> Reply:
        """GET DATA, even INS.

        Raises:
            StatusError: 6A88 unknown object or key, 6A80, 6982, 6700.
        """
        tag = command.p1 << 8 | command.p2
        if tag == self._profile.certificate_store_tag:
            return self.certificates(command.data)
        if tag == self._profile.status_tag:
            self._access.require_session()
            if command.data:
                raise StatusError(SW.WRONG_LENGTH)
            return Reply(CARD_STATUS.build(self._access.status()))
        raise StatusError(SW.REFERENCE_DATA_NOT_FOUND)

    def certificates(self, request: bytes) -> Reply:
        """Certificates of this field-on's agreement key, the leaf last."""
        if request:
            reference = parsed(CERTIFICATE_STORE_REQUEST, request)
            known = (self._profile.kid_scp11a, self._profile.kid_scp11b)
            if reference.kid not in known or reference.kvn != self._profile.key_version:
                raise StatusError(SW.REFERENCE_DATA_NOT_FOUND)
        return Reply(self._state.issuing_ca + self.agreement_key().certificate)

    def verify_certificate(self, command: CommandApdu) -> Reply:
        """PSO VERIFY CERTIFICATE.

        Raises:
            StatusError: 6A88, 6A80, 6982, 6985.
        """
        kid = command.p2 & ~_MORE_FOLLOW
        if command.p1 != self._profile.key_version or kid != self._profile.kid_ca:
            self._chain.forget()
            raise StatusError(SW.REFERENCE_DATA_NOT_FOUND)
        self._chain.verify(command.data, last=not command.p2 & _MORE_FOLLOW)
        return Reply()

    def mutual_authenticate(self, command: CommandApdu) -> Reply:
        """MUTUAL AUTHENTICATE (SCP11a).

        Raises:
            StatusError: 6985 no verified chain, 6A80, 6A88.
        """
        self._end_session(Loss.HANDSHAKE)
        if self._chain.terminal is None:
            raise StatusError(SW.CONDITIONS_NOT_SATISFIED)
        reply = self._open(command, Protocol.SCP11A, self._profile.kid_scp11a)
        self._chain.forget()
        self.take_typed_code()
        return reply

    def internal_authenticate(self, command: CommandApdu) -> Reply:
        """INTERNAL AUTHENTICATE (SCP11b).

        Raises:
            StatusError: 6A80, 6A88.
        """
        self._end_session(Loss.HANDSHAKE)
        return self._open(command, Protocol.SCP11B, self._profile.kid_scp11b)

    def _open(self, command: CommandApdu, protocol: Protocol, kid: int) -> Reply:
        request = self._agreement.read(command.data, protocol)
        if (command.p1, command.p2) != (self._profile.key_version, kid):
            raise StatusError(SW.REFERENCE_DATA_NOT_FOUND)
        terminal = self._chain.terminal if protocol is Protocol.SCP11A else None
        key = self.agreement_key().private_key
        response, session = self._agreement.agree(request, protocol, key, terminal)
        self._channel.open(session)
        return Reply(response)

    def agreement_key(self) -> CurrentKey:
        """The key of this field-on, else 6A88."""
        try:
            return self._key_pool.current()
        except KeyPoolEmpty as error:
            raise self._access.refuse(
                SW.REFERENCE_DATA_NOT_FOUND, RefusalReason.KEY_POOL_EMPTY
            ) from error

    def take_typed_code(self) -> None:
        """A code typed on the phone counts for this session, once."""
        usable = self._state.life_cycle is LifeCycle.OPERATIONAL and not self._code.blocked
        if usable and self._holder.take_typed_code():
            self._access.grant_code()
