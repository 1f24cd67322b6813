"""What can be wrong with a QR code, and the reasons each must give."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from terminal_fakes import (
    CHILD,
    DAY,
    DELEGATOR,
    GRANT_INDEX,
    NOW,
    OWN_INDEX,
    TODAY,
    FakeFund,
    key_id,
    new_key,
    rights,
    sign,
)

from card_formats.data_objects import Cover, Rights
from card_formats.opposition_list import Status
from card_formats.profile_ecv_sim_1 import Marker, Role
from card_formats.qr_token import (
    QR_CREDENTIAL,
    QrCredential,
    QrDelegation,
    QrFlags,
    QrForm,
    QrHeader,
    QrToken,
    SealedCredential,
    device_input,
    sealing_info,
    to_text,
)
from reader_drivers.terminal.kit import TerminalKit
from reader_drivers.terminal.opposition import OppositionStore
from reader_drivers.terminal.replay import ReplayStore
from reader_drivers.terminal.scan import QrUnresolved
from reader_drivers.terminal.terminal import Terminal
from reader_drivers.terminal.verdict import Reason, Verdict

FUND = FakeFund()
KIT = FUND.kit()
STRANGERS = FakeFund()
FORMS = list(QrForm)
PSEUDONYM = b"\x77" * 8


def labeled(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def expanded(suite: bytes, prk: bytes, label: bytes, info: bytes, size: int) -> bytes:
    message = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info + b"\x01"
    return hmac.digest(prk, message, "sha256")[:size]


def hpke_seal(recipient: X25519PublicKey, info: bytes, plain: bytes) -> bytes:
    """RFC 9180 base mode by its text, for DHKEM(X25519), HKDF-SHA256, AES-128-GCM."""
    ephemeral = X25519PrivateKey.generate()
    enc = ephemeral.public_key().public_bytes_raw()
    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x01"
    prk = labeled(kem, b"", b"eae_prk", ephemeral.exchange(recipient))
    shared = expanded(kem, prk, b"shared_secret", enc + recipient.public_bytes_raw(), 32)
    context = b"\x00" + labeled(suite, b"", b"psk_id_hash", b"")
    context += labeled(suite, b"", b"info_hash", info)
    secret = labeled(suite, shared, b"secret", b"")
    key = expanded(suite, secret, b"key", context, 16)
    nonce = expanded(suite, secret, b"base_nonce", context, 12)
    return enc + AESGCM(key).encrypt(nonce, plain, b"")


@dataclasses.dataclass(frozen=True)
class Resolution:
    credential: QrCredential | None
    reasons: tuple[str, ...] = ()
    detail: str = ""
    rights: Rights | None = None
    cover: Cover | None = None


class FakeResolver:
    def __init__(self, answer: Resolution | Exception) -> None:
        self.answer = answer

    def resolve(self, text: str) -> Resolution:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Bench:
    """A phone with a code on its screen, and a terminal; a case bends one of them."""

    def __init__(self, form: QrForm) -> None:
        self.phone = new_key()
        self.device_key = self.phone
        self.form = form
        self.credential: dict[str, Any] = {}
        self.credential_key = FUND.data.key
        self.header: dict[str, Any] = {}
        self.flags: dict[str, Any] = {}
        self.group_key_id = FUND.group_key_id
        self.plain: Callable[[bytes], bytes] = lambda raw: raw
        self.alter: Callable[[QrToken], QrToken] = lambda token: token
        self.kit = dict(KIT)
        self.list: bytes | None = FUND.opposition_list()
        self.answer: Resolution | Exception | None = None
        self.online = True
        self.rights: Rights | None = rights()
        self.now: float = NOW + 10
        self.mode: Any = "bench"
        self.replay = ReplayStore()
        self.counter = 0
        self.expected_serial: bytes | None = None

    def text(self) -> str:
        self.counter += 1
        credential = FUND.credential(self.phone, self.credential_key, **self.credential)
        delegated = credential.delegation is not None
        flags = QrFlags(self.form, delegated, True, Marker.TEST)
        header = QrHeader(
            dataclasses.replace(flags, **self.flags),
            key_id(FUND.data.key),
            credential.serial if self.form is QrForm.CLEAR else PSEUDONYM,
            NOW,
            120,
            self.counter,
            hashlib.sha256(bytes([self.counter])).digest()[:8],
        )
        header = dataclasses.replace(header, **self.header)
        token = QrToken(
            header,
            credential if self.form is QrForm.CLEAR else None,
            self._sealed(header, credential) if self.form is QrForm.SEALED else None,
            bytes(64) if header.flags.device_signed else None,
        )
        if self.form is QrForm.ONLINE and self.answer is None:
            self.answer = Resolution(credential, rights=self.rights, cover=Cover(TODAY, ()))
        if header.flags.device_signed:
            signature = sign(self.device_key, device_input(token))
            token = dataclasses.replace(token, device_signature=signature)
        return to_text(self.alter(token))

    def _sealed(self, header: QrHeader, credential: QrCredential) -> SealedCredential:
        plain = self.plain(QR_CREDENTIAL.build(credential))
        info = sealing_info(header, self.group_key_id)
        ciphertext = hpke_seal(FUND.group_key.public_key(), info, plain)
        return SealedCredential(self.group_key_id, ciphertext)

    def terminal(self) -> Terminal:
        kit = TerminalKit.from_json(self.kit)
        store = OppositionStore(kit.trust, lambda: self.now)
        if self.list is not None:
            store.load(self.list)
        resolver = FakeResolver(self.answer) if self.answer and self.online else None
        return Terminal(
            kit,
            clock=lambda: self.now,
            opposition=store,
            replay=self.replay,
            mode=self.mode,
            resolver=resolver,
        )

    def scan(self, text: str | None = None) -> Verdict:
        shown = self.text() if text is None else text
        return self.terminal().scan(shown, expected_serial=self.expected_serial)


def delegation(**changes: Any) -> QrDelegation:
    value = QrDelegation(b"\xa1" * 8, DELEGATOR, NOW - DAY, NOW + 9 * DAY, 0x0002, GRANT_INDEX)
    return dataclasses.replace(value, **changes)


def credential(**changes: Any) -> Callable[[Bench], None]:
    return lambda bench: bench.credential.update(changes)


def delegated(**changes: Any) -> Callable[[Bench], None]:
    return credential(serial=DELEGATOR, delegation=delegation(**changes))


def header(**changes: Any) -> Callable[[Bench], None]:
    return lambda bench: bench.header.update(changes)


def flags(**changes: Any) -> Callable[[Bench], None]:
    return lambda bench: bench.flags.update(changes)


def bend(**attributes: Any) -> Callable[[Bench], None]:
    def change(bench: Bench) -> None:
        for name, value in attributes.items():
            assert hasattr(bench, name)
            setattr(bench, name, value)

    return change


def opposed(*indices: int, status: Status = Status.OPPOSED) -> Callable[[Bench], None]:
    return bend(list=FUND.opposition_list(dict.fromkeys(indices, status)))


def recounted(token: QrToken) -> QrToken:
    changed = dataclasses.replace(token.header, counter=token.header.counter + 1)
    return dataclasses.replace(token, header=changed)


YESTERDAY = TODAY - datetime.timedelta(days=1)
R = Reason
CASES: dict[str, tuple[Callable[[Bench], object], set[Reason]]] = {
    "unknown issuer": (
        lambda b: header(issuer_key_id=b"\x99" * 8)(b),
        {R.UNKNOWN_ISSUER},
    ),
    "credential forged": (
        lambda b: bend(credential_key=STRANGERS.data.key)(b),
        {R.BAD_FUND_SIGNATURE},
    ),
    "another phone's signature": (
        lambda b: bend(device_key=new_key())(b),
        {R.BAD_PHONE_SIGNATURE},
    ),
    "not signed by the phone": (flags(device_signed=False), {R.BAD_PHONE_SIGNATURE}),
    "phone's key off the curve": (
        credential(phone_key=b"\x05" + bytes(32)),
        {R.BAD_PHONE_SIGNATURE},
    ),
    "markers disagree": (flags(marker=Marker.DEMONSTRATION), {R.TAMPERED_DATA}),
    "delegation not flagged": (
        lambda b: (delegated()(b), flags(delegated=False)(b)),
        {R.TAMPERED_DATA},
    ),
    "delegation flagged, not there": (flags(delegated=True), {R.TAMPERED_DATA}),
    "from the future": (header(issued=NOW + 41), {R.QR_NOT_YET_VALID}),
    "lifetime over": (bend(now=NOW + 151), {R.QR_EXPIRED}),
    "lifetime too long": (header(lifetime=121), {R.QR_EXPIRED}),
    "card expired": (credential(valid_until=YESTERDAY), {R.EXPIRED}),
    "card opposed": (opposed(OWN_INDEX), {R.OPPOSED}),
    "card suspended": (opposed(OWN_INDEX, status=Status.SUSPENDED), {R.SUSPENDED}),
    "no list": (bend(list=None), {R.LIST_MISSING}),
    "another card than before": (bend(expected_serial=CHILD), {R.CARD_SUBSTITUTED}),
    "delegation expired": (delegated(valid_until=NOW + 10), {R.DELEGATION_EXPIRED}),
    "delegation to come": (delegated(valid_from=NOW + 11), {R.DELEGATION_NOT_YET_VALID}),
    "delegation too long": (
        delegated(valid_until=NOW + 29 * DAY + 1),
        {R.DELEGATION_TOO_LONG},
    ),
    "delegation for others": (delegated(roles=1 << Role.PHYSICIAN), {R.DELEGATION_OUT_OF_SCOPE}),
    "delegation revoked": (
        lambda b: (delegated()(b), opposed(GRANT_INDEX)(b)),
        {R.DELEGATION_REVOKED},
    ),
    "grant suspended": (
        lambda b: (delegated()(b), opposed(GRANT_INDEX, status=Status.SUSPENDED)(b)),
        {R.DELEGATION_REVOKED},
    ),
    "expired, opposed and late": (
        lambda b: (
            credential(valid_until=YESTERDAY)(b),
            opposed(OWN_INDEX)(b),
            bend(now=NOW + 500)(b),
        ),
        {R.EXPIRED, R.OPPOSED, R.QR_EXPIRED},
    ),
}

ONE_FORM: dict[str, tuple[QrForm, Callable[[Bench], object], set[Reason]]] = {
    "altered after signing": (QrForm.CLEAR, bend(alter=recounted), {R.BAD_PHONE_SIGNATURE}),
    "sealed header altered": (
        QrForm.SEALED,
        bend(alter=recounted),
        {R.TAMPERED_DATA},
    ),
    "subject is another card": (QrForm.CLEAR, header(subject=CHILD), {R.TAMPERED_DATA}),
    "clear form in production": (
        QrForm.CLEAR,
        bend(mode="production"),
        {R.TEST_CARD, R.QR_FORM_REFUSED},
    ),
    "sealed test card in production": (QrForm.SEALED, bend(mode="production"), {R.TEST_CARD}),
    "another group": (QrForm.SEALED, bend(group_key_id=b"\x11" * 8), {R.QR_UNRESOLVED}),
    "sealed nonsense": (QrForm.SEALED, bend(plain=lambda raw: raw[:-1]), {R.TAMPERED_DATA}),
    "offline terminal": (QrForm.ONLINE, bend(online=False), {R.QR_UNRESOLVED}),
    "rights ended, says the fund": (
        QrForm.ONLINE,
        bend(rights=rights(YESTERDAY)),
        {R.RIGHTS_ENDED},
    ),
    "no network": (QrForm.ONLINE, bend(answer=QrUnresolved("no answer")), {R.QR_UNRESOLVED}),
    "unknown pseudonym": (QrForm.ONLINE, bend(answer=Resolution(None)), {R.QR_UNRESOLVED}),
    "the fund says opposed": (
        QrForm.ONLINE,
        bend(answer=Resolution(None, ("opposed",), "reported lost")),
        {R.OPPOSED},
    ),
    "the fund says replayed": (
        QrForm.ONLINE,
        bend(answer=Resolution(None, ("replayed",))),
        {R.REPLAYED},
    ),
    "the fund says something new": (
        QrForm.ONLINE,
        bend(answer=Resolution(None, ("closed_on_sundays",))),
        {R.QR_UNRESOLVED},
    ),
}
