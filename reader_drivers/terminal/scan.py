"""One QR code: from its text to a verdict (profile 9.5, in its order)."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec

from card_formats.core import FormatError
from card_formats.data_objects import Cover, Rights
from card_formats.profile_ecv_sim_1 import Marker
from card_formats.qr_token import (
    QR_CREDENTIAL,
    QrCredential,
    QrForm,
    QrHeader,
    QrToken,
    SealedCredential,
    credential_input,
    device_input,
    from_text,
    sealing_info,
)
from reader_drivers.terminal.context import Context
from reader_drivers.terminal.errors import TerminalError, TrustError
from reader_drivers.terminal.evidence import (
    GrantTerms,
    check_expected_serial,
    check_list,
    check_marker,
    check_rights,
    check_status,
    check_terms,
)
from reader_drivers.terminal.replay import ReplayStore
from reader_drivers.terminal.trust import verify_raw
from reader_drivers.terminal.verdict import Findings, Reason, Verdict

_REASONS = {reason.value: reason for reason in Reason}


class Resolution(Protocol):
    """The fund's answer to an online token.

    ``credential`` is what the pseudonym stands for, ``None`` when the fund refuses, for
    ``reasons`` (identifiers of :class:`Reason`), in words in ``detail``; ``rights`` and ``cover``
    are those of the card as of now, where the fund tells them.
    """

    @property
    def credential(self) -> QrCredential | None: ...

    @property
    def reasons(self) -> Sequence[str]: ...

    @property
    def detail(self) -> str: ...

    @property
    def rights(self) -> Rights | None: ...

    @property
    def cover(self) -> Cover | None: ...


class QrUnresolved(TerminalError):
    """The fund could not be asked (no network, no answer in time)."""


class QrResolver(Protocol):
    """The fund's teleservice, as far as an online token needs it."""

    def resolve(self, text: str) -> Resolution:
        """What the text of this QR code stands for.

        Raises:
            QrUnresolved: the fund could not be asked.
        """
        ...


class Scan:
    """One QR code under examination."""

    def __init__(self, context: Context, replay: ReplayStore, resolver: QrResolver | None) -> None:
        self.context = context
        self.replay = replay
        self.resolver = resolver
        self.findings = Findings()

    def run(self, text: str, expected_serial: bytes | None = None) -> Verdict:
        """Say what was found, all reasons; the memory of tokens moves only on acceptance.

        Raises:
            ReplayStoreError: the memory cannot be written.
        """
        # Only what scanners append: a space is a digit of base45.
        stripped = text.strip("\r\n")
        try:
            token = from_text(stripped)
        except FormatError as error:
            self.findings.refuse(Reason.QR_UNREADABLE, str(error))
            return self.findings.verdict()
        header = token.header
        check_list(self.context, self.findings)
        check_marker(self.context, self.findings, header.flags.marker)
        if header.flags.form is QrForm.CLEAR:
            self.findings.serial = header.subject
            if self.context.mode == "production":
                self.findings.refuse(
                    Reason.QR_FORM_REFUSED, "a production terminal refuses the clear form"
                )
        credential = self._credential(stripped, token)
        if credential is not None:
            self._judge_credential(token, credential)
        check_expected_serial(self.findings, expected_serial)
        self._judge_times(header)
        self._judge_replay(header, credential)
        if not self.findings.reasons and credential is not None:
            self._remember(header, credential)
        return self.findings.verdict()

    # --- the credential, by form ------------------------------------------------------------

    def _credential(self, text: str, token: QrToken) -> QrCredential | None:
        if token.credential is not None:
            return token.credential
        if token.sealed is not None:
            return self._unsealed(token.header, token.sealed)
        return self._resolved(text)

    def _unsealed(self, header: QrHeader, sealed: SealedCredential) -> QrCredential | None:
        key = self.context.kit.group_keys.get(sealed.group_key_id)
        if key is None:
            self.findings.refuse(
                Reason.QR_UNRESOLVED,
                f"sealed to the group key {sealed.group_key_id.hex()}, which this terminal does "
                "not have: fetch the current keys from the fund",
            )
            return None
        suite = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_128_GCM)
        info = sealing_info(header, sealed.group_key_id)
        try:
            return QR_CREDENTIAL.parse(suite.decrypt(sealed.ciphertext, key, info))
        except InvalidTag:
            self.findings.refuse(Reason.TAMPERED_DATA, "the sealed credential does not open")
        except FormatError as error:
            self.findings.refuse(Reason.TAMPERED_DATA, f"the sealed credential: {error}")
        return None

    def _resolved(self, text: str) -> QrCredential | None:
        if self.resolver is None:
            self.findings.refuse(
                Reason.QR_UNRESOLVED, "an online code, and this terminal has no link to the fund"
            )
            return None
        try:
            resolution = self.resolver.resolve(text)
        except QrUnresolved as error:
            self.findings.refuse(Reason.QR_UNRESOLVED, str(error))
            return None
        for name in resolution.reasons:
            reason = _REASONS.get(name, Reason.QR_UNRESOLVED)
            self.findings.refuse(reason, resolution.detail or f"the fund answers: {name}")
        if resolution.credential is None and not resolution.reasons:
            self.findings.refuse(
                Reason.QR_UNRESOLVED, resolution.detail or "the fund does not know this code"
            )
        if resolution.rights is not None:
            check_rights(self.context, self.findings, resolution.rights)
        self.findings.rights, self.findings.cover = resolution.rights, resolution.cover
        return resolution.credential

    # --- what it says -------------------------------------------------------------------------

    def _judge_credential(self, token: QrToken, credential: QrCredential) -> None:
        self.findings.serial = credential.serial
        self._judge_fund_signature(token.header, credential)
        self._judge_phone_signature(token, credential)
        self._judge_agreement(token.header, credential)
        if self.context.today > credential.valid_until:
            self.findings.refuse(
                Reason.EXPIRED, f"the card expired on {credential.valid_until:%Y-%m-%d}"
            )
        check_status(self.context, self.findings, credential.status_index, "the card")
        if credential.delegation is not None:
            terms = credential.delegation
            self.findings.acting_for = terms.delegator
            check_terms(
                self.context,
                self.findings,
                GrantTerms(terms.valid_from, terms.valid_until, terms.roles),
            )
            check_status(
                self.context,
                self.findings,
                terms.status_index,
                "the grant",
                Reason.DELEGATION_REVOKED,
            )

    def _judge_fund_signature(self, header: QrHeader, credential: QrCredential) -> None:
        try:
            key = self.context.kit.trust.data_key(header.issuer_key_id, self.context.clock())
        except TrustError as error:
            self.findings.refuse(error.reason, str(error))
            return
        message = credential_input(header.issuer_key_id, credential)
        if verify_raw(key, credential.fund_signature, message):
            self.findings.credential = credential
        else:
            self.findings.refuse(
                Reason.BAD_FUND_SIGNATURE, "the credential: not the fund's signature"
            )

    def _judge_phone_signature(self, token: QrToken, credential: QrCredential) -> None:
        if token.device_signature is None:
            self.findings.refuse(Reason.BAD_PHONE_SIGNATURE, "the phone did not sign the code")
            return
        try:
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), credential.phone_key)
        except ValueError:
            self.findings.refuse(
                Reason.BAD_PHONE_SIGNATURE, "the phone's key is no point of the curve"
            )
            return
        if not verify_raw(key, token.device_signature, device_input(token)):
            self.findings.refuse(Reason.BAD_PHONE_SIGNATURE, "the code: not the phone's signature")

    def _judge_agreement(self, header: QrHeader, credential: QrCredential) -> None:
        flags = header.flags
        contradictions: list[tuple[str, object, object]] = [
            ("marker", Marker(flags.marker), Marker(credential.marker)),
            ("delegation", flags.delegated, credential.delegation is not None),
        ]
        if flags.form is QrForm.CLEAR:
            contradictions.append(("serial", header.subject, credential.serial))
        for name, announced, certified in contradictions:
            if announced != certified:
                self.findings.refuse(
                    Reason.TAMPERED_DATA, f"the code and its credential disagree on the {name}"
                )

    # --- when, and whether again ----------------------------------------------------------------

    def _judge_times(self, header: QrHeader) -> None:
        now, skew = self.context.clock(), self.context.profile.clock_skew
        if header.issued > now + skew:
            self.findings.refuse(
                Reason.QR_NOT_YET_VALID, f"issued {header.issued - now:.0f} s in the future"
            )
        if now > header.issued + header.lifetime + skew:
            ended = _clock_time(header.issued + header.lifetime)
            self.findings.refuse(Reason.QR_EXPIRED, f"its lifetime was over at {ended}")
        most = self.context.profile.qr_lifetime
        if header.lifetime > most:
            self.findings.refuse(
                Reason.QR_EXPIRED, f"a lifetime of {header.lifetime} s, at most {most} is allowed"
            )

    def _judge_replay(self, header: QrHeader, credential: QrCredential | None) -> None:
        objection = self.replay.objection(
            _counter_owner(header, credential), header.counter, header.nonce
        )
        if objection is not None:
            self.findings.refuse(Reason.REPLAYED, objection)

    def _remember(self, header: QrHeader, credential: QrCredential) -> None:
        self.replay.accept(
            _counter_owner(header, credential),
            header.counter,
            header.nonce,
            keep_until=header.issued + header.lifetime + self.context.profile.clock_skew,
            now=self.context.clock(),
            one_time=header.flags.form is QrForm.ONLINE,
        )


def _counter_owner(header: QrHeader, credential: QrCredential | None) -> bytes:
    if header.flags.form is QrForm.ONLINE or credential is None:
        return header.subject
    return credential.phone_key


def _clock_time(seconds: int) -> str:
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%H:%M:%S} UTC"
