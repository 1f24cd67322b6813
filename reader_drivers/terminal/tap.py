"""One tap: from the card in the field to a verdict (profile 4, 5, 8, 11)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NoReturn

from card_formats.apdu import SHORT_MAX_LE, CommandApdu
from card_formats.core import FormatError
from card_formats.pin_block import PIN_BLOCK
from card_formats.presence_token import PRESENCE_REQUEST, PresenceRequest
from card_formats.profile_ecv_sim_1 import (
    CodeState,
    EntryKind,
    Fid,
    LifeCycle,
    RefusalReason,
)
from card_formats.selection import APPLICATION_FCI, CARD_STATUS, ApplicationInformation, CardStatus
from card_formats.status_words import SW, is_counter, meaning
from card_formats.wallet import WALLET, WalletEntry
from reader_drivers.api import (
    CardAbsent,
    CardReader,
    CardRemoved,
    CardSession,
    CommunicationFault,
    ReaderError,
)
from reader_drivers.terminal.apdu_channel import ApduChannel
from reader_drivers.terminal.card_files import CardRefusal, read_file, select_entry
from reader_drivers.terminal.context import Context
from reader_drivers.terminal.entry import EntryFiles, check_entry
from reader_drivers.terminal.errors import SecureSessionError, TrustError
from reader_drivers.terminal.evidence import (
    Presence,
    check_expected_serial,
    check_list,
    check_marker,
    check_presence,
    check_status,
)
from reader_drivers.terminal.secure_session import Observer, SecureSession
from reader_drivers.terminal.trust import split_certificates
from reader_drivers.terminal.verdict import Findings, Reason, Verdict

Code = str | Callable[[], str | None] | None
"""The holder's code, or what asks for it when, and only when, it is needed."""

ENTER_ON_PHONE = "enter the code on the phone and tap again"

_REFUSALS = {
    RefusalReason.EXPIRED: Reason.EXPIRED,
    RefusalReason.CODE_NEEDED: Reason.CODE_NEEDED,
    RefusalReason.CODE_ON_PHONE: Reason.CODE_NEEDED,
    RefusalReason.CODE_BLOCKED: Reason.CODE_BLOCKED,
    RefusalReason.DELEGATION_NOT_YET_VALID: Reason.DELEGATION_NOT_YET_VALID,
    RefusalReason.DELEGATION_EXPIRED: Reason.DELEGATION_EXPIRED,
    RefusalReason.DELEGATION_REVOKED: Reason.DELEGATION_REVOKED,
    RefusalReason.OUT_OF_SCOPE: Reason.DELEGATION_OUT_OF_SCOPE,
}
_LIFE_CYCLE_REASONS = {
    LifeCycle.SUSPENDED: Reason.SUSPENDED,
    LifeCycle.OPPOSED: Reason.OPPOSED,
}
_SELECTED = {
    SW.OK: LifeCycle.OPERATIONAL,
    SW.FILE_DEACTIVATED: LifeCycle.SUSPENDED,
    SW.FILE_TERMINATED: LifeCycle.OPPOSED,
}


@dataclasses.dataclass(frozen=True)
class TapRequest:
    """What one tap is for. See :meth:`Terminal.tap`."""

    code: Code = None
    entry: int = 1
    presence: bool = True
    expected_serial: bytes | None = None
    timeout: float = 5.0
    observer: Observer | None = None


class _Refused(Exception):
    """A reason has been recorded that leaves nothing more to be learnt from the card."""


class Tap:
    """One tap under way."""

    def __init__(self, context: Context, request: TapRequest) -> None:
        self.context = context
        self.request = request
        self.findings = Findings()

    def run(self, reader: CardReader) -> Verdict:
        """Connect, visit the card, and say what was found."""
        session: CardSession | None = None
        try:
            session = reader.connect(self.request.timeout)
            self._visit(session)
        except _Refused:
            pass
        except CardAbsent as error:
            self.findings.refuse(Reason.CARD_ABSENT, str(error))
        except CardRemoved as error:
            self.findings.refuse(Reason.CARD_REMOVED, str(error))
        except CommunicationFault as error:
            self.findings.refuse(Reason.COMMUNICATION_FAULT, str(error))
        except (SecureSessionError, TrustError) as error:
            self.findings.refuse(error.reason, str(error))
        finally:
            if session is not None:
                _close(session)
        return self.findings.verdict()

    def _visit(self, session: CardSession) -> None:
        check_list(self.context, self.findings)
        channel = ApduChannel(session, self.context.extended)
        selected = self._select(channel)
        check_marker(self.context, self.findings, selected.proprietary.marker)
        secure = SecureSession.open_scp11a(
            channel,
            self.context.kit,
            self.context.clock,
            random_bytes=self.context.random_bytes,
            observer=self.request.observer,
        )
        status = self._status(secure)
        self._judge_status(status)
        self._present_code(secure, status)
        try:
            self._read_and_judge(secure)
        except CardRefusal as refusal:
            self._explain(secure, refusal)

    # --- before the code ------------------------------------------------------------------

    def _select(self, channel: ApduChannel) -> ApplicationInformation:
        response = channel.transmit(
            CommandApdu(0x00, 0xA4, 0x04, 0x00, self.context.profile.aid, SHORT_MAX_LE)
        )
        if response.sw == SW.CONDITIONS_NOT_SATISFIED:
            self._stop(Reason.PHONE_LOCKED, "the phone is locked: unlock it and tap again")
        state = _SELECTED.get(SW(response.sw)) if response.sw in _SELECTED else None
        if state is None:
            self._stop(
                Reason.NOT_AN_E_CARTE,
                f"no e-carte answers: {response.sw:04X}, {meaning(response.sw)}",
            )
        try:
            information = APPLICATION_FCI.parse(response.data)
        except FormatError as error:
            self._stop(Reason.NOT_AN_E_CARTE, f"the answer to SELECT is no e-carte's: {error}")
        if information.aid != self.context.profile.aid:
            self._stop(Reason.NOT_AN_E_CARTE, f"application {information.aid.hex()} answers")
        version = information.proprietary.version
        if version.major != self.context.profile.version[0]:
            self._stop(
                Reason.NOT_AN_E_CARTE,
                f"version {version.major}.{version.minor} of the profile is not known here",
            )
        for known in (state, information.proprietary.state):
            self._judge_life_cycle(known)
        return information

    def _judge_life_cycle(self, state: LifeCycle | None) -> None:
        reason = None if state is None else _LIFE_CYCLE_REASONS.get(state)
        if reason is not None:
            self.findings.refuse(reason, f"the card says that it is {reason.value}")

    def _status(self, secure: SecureSession) -> CardStatus:
        tag = self.context.profile.status_tag
        response = secure.transmit(CommandApdu(0x00, 0xCA, tag >> 8, tag & 0xFF, le=SHORT_MAX_LE))
        if response.sw != SW.OK:
            self._stop(
                Reason.REFUSED_BY_CARD,
                f"status object: {response.sw:04X}, {meaning(response.sw)}",
            )
        try:
            status = CARD_STATUS.parse(response.data)
        except FormatError as error:
            self._stop(Reason.COMMUNICATION_FAULT, f"status object: {error}")
        self.findings.details["card_status"] = (
            f"{status.state.name.lower()}, code {status.code.name.lower()}, "
            f"last refusal {status.last_refusal.name.lower()}"
        )
        return status

    def _judge_status(self, status: CardStatus) -> None:
        """Nobody types a code for a card that is certain to be refused."""
        self._judge_life_cycle(status.state)
        if status.expired:
            self.findings.refuse(Reason.EXPIRED, "the card says that it has expired")
        if status.code is CodeState.BLOCKED:
            self.findings.refuse(Reason.CODE_BLOCKED, "the code is blocked: unblock it first")
        final = {Reason.OPPOSED, Reason.SUSPENDED, Reason.TEST_CARD, Reason.CODE_BLOCKED}
        if final.intersection(self.findings.reasons):
            raise _Refused

    # --- the code -------------------------------------------------------------------------

    def _present_code(self, secure: SecureSession, status: CardStatus) -> None:
        # With the code on the phone, the first command that lacks it makes the phone ask.
        if status.code is CodeState.VERIFIED or status.code_on_phone:
            return
        code = self.request.code() if callable(self.request.code) else self.request.code
        if code is None:
            self._stop(Reason.CODE_NEEDED, "the holder's code is needed")
        profile = self.context.profile
        try:
            block = PIN_BLOCK.build(code)
        except FormatError:
            block = b""
        if not block or not profile.code_min_digits <= len(code) <= profile.code_max_digits:
            self._stop(
                Reason.CODE_WRONG,
                f"a code has {profile.code_min_digits} to {profile.code_max_digits} digits; "
                "nothing was sent to the card",
            )
        response = secure.transmit(CommandApdu(0x00, 0x20, 0x00, profile.code_reference, block))
        if response.sw != SW.OK:
            self._judge_verify(response.sw)
            raise _Refused

    def _judge_verify(self, sw: int) -> None:
        if is_counter(sw):
            left = sw & 0x0F
            self.findings.details["tries_left"] = str(left)
            self.findings.refuse(Reason.CODE_WRONG, meaning(sw))
            if left == 0:
                self.findings.refuse(Reason.CODE_BLOCKED, "that was the last try")
        elif sw == SW.AUTHENTICATION_BLOCKED:
            self.findings.refuse(Reason.CODE_BLOCKED, "the code is blocked: unblock it first")
        elif sw == SW.CONDITIONS_NOT_SATISFIED:
            self.findings.refuse(Reason.CODE_NEEDED, ENTER_ON_PHONE)
        else:
            self.findings.refuse(Reason.REFUSED_BY_CARD, f"VERIFY: {sw:04X}, {meaning(sw)}")

    # --- after the code -------------------------------------------------------------------

    def _read_and_judge(self, secure: SecureSession) -> None:
        own, entry = self._wallet_entries(read_file(secure, Fid.WALLET))
        self.findings.serial = entry.serial
        check_status(self.context, self.findings, entry.status_index, "the card")
        if entry is not own:
            check_status(self.context, self.findings, own.status_index, "the phone's own card")
            self._judge_own_validity(own)
        certificates = read_file(secure, Fid.CERTIFICATES) if self.request.presence else b""
        select_entry(secure, entry.index)
        files = EntryFiles.read(secure, entry, self.context.kit.role)
        grant = check_entry(self.context, self.findings, files, own=own, entry=entry)
        check_expected_serial(self.findings, self.request.expected_serial)
        if self.request.presence:
            delegated = entry.kind is EntryKind.DELEGATED
            no_grant = None if delegated else bytes(8)
            self._prove_presence(
                secure,
                certificates,
                Presence(
                    challenge=self.context.random_bytes(16),
                    signer=own.serial,
                    entry=self.findings.serial,
                    marker=self.findings.marker,
                    delegated=delegated,
                    grant_id=no_grant if grant is None else grant.grant_id,
                ),
            )

    def _wallet_entries(self, encoded: bytes) -> tuple[WalletEntry, WalletEntry]:
        try:
            wallet = WALLET.parse(encoded)
        except FormatError as error:
            self._stop(Reason.TAMPERED_DATA, f"EF.WALLET: {error}")
        own = next((item for item in wallet if item.kind is EntryKind.OWN), None)
        if own is None or own.index != 1:
            self._stop(Reason.TAMPERED_DATA, "EF.WALLET does not begin with the phone's own card")
        entry = next((item for item in wallet if item.index == self.request.entry), None)
        if entry is None:
            self._stop(
                Reason.REFUSED_BY_CARD, f"this phone has no wallet entry {self.request.entry}"
            )
        return own, entry

    def _judge_own_validity(self, own: WalletEntry) -> None:
        if self.context.today > own.valid_until:
            self.findings.refuse(
                Reason.EXPIRED, f"the phone's own card expired on {own.valid_until:%Y-%m-%d}"
            )

    def _prove_presence(
        self, secure: SecureSession, certificates: bytes, expected: Presence
    ) -> None:
        request = PRESENCE_REQUEST.build(PresenceRequest(self.request.entry, expected.challenge))
        response = secure.transmit(CommandApdu(0x00, 0x2A, 0x9E, 0x9A, request, SHORT_MAX_LE))
        if response.sw != SW.OK:
            raise CardRefusal("the card refuses to sign its presence", response.sw)
        chain = split_certificates(certificates)
        self.findings.presence_token = check_presence(
            self.context, self.findings, response.data, chain, expected
        )

    # --- refusals -------------------------------------------------------------------------

    def _explain(self, secure: SecureSession, refusal: CardRefusal) -> None:
        """Turn 6982 and 6985 into the reason that the status object gives."""
        reason = None
        if refusal.sw in (SW.SECURITY_NOT_SATISFIED, SW.CONDITIONS_NOT_SATISFIED):
            status = self._status(secure)
            self._judge_life_cycle(status.state)
            if status.last_refusal is RefusalReason.OPPOSED and self.findings.reasons:
                return
            reason = _REFUSALS.get(status.last_refusal)
        if reason is Reason.CODE_NEEDED and refusal.sw == SW.CONDITIONS_NOT_SATISFIED:
            self.findings.refuse(reason, ENTER_ON_PHONE)
        else:
            self.findings.refuse(reason or Reason.REFUSED_BY_CARD, str(refusal))

    def _stop(self, reason: Reason, detail: str) -> NoReturn:
        self.findings.refuse(reason, detail)
        raise _Refused


def _close(session: CardSession) -> None:
    try:
        session.close()
    except ReaderError:
        pass  # the verdict stands whatever the reader makes of the end
