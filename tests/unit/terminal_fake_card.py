"""A card scripted from profile 3 to 8 for the terminal's tests; every answer can be bent."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from terminal_fakes import (
    CHILD,
    CHILD_INDEX,
    CODE,
    DELEGATED_INDEX,
    DELEGATOR,
    GRANT_INDEX,
    NOW,
    OWN,
    OWN_INDEX,
    PROFESSIONAL,
    TODAY,
    FakeFund,
    chain_bytes,
    entry_files,
    new_key,
    point,
    sign,
)

from card_formats.apdu import COMMAND_APDU, RESPONSE_APDU, CommandApdu, ResponseApdu
from card_formats.atr import ATR, contactless_atr
from card_formats.ber_tlv import encode
from card_formats.key_agreement import KEY_AGREEMENT_REQUEST
from card_formats.presence_token import (
    PRESENCE_REQUEST,
    PRESENCE_TOKEN,
    PresenceToken,
    presence_input,
)
from card_formats.profile_ecv_sim_1 import (
    CodeState,
    EntryKind,
    Fid,
    KeyPurpose,
    LifeCycle,
    Marker,
    RefusalReason,
    Role,
)
from card_formats.selection import (
    APPLICATION_FCI,
    CARD_STATUS,
    ApplicationInformation,
    CardStatus,
    ExtendedLength,
    ProfileVersion,
    Proprietary,
)
from card_formats.wallet import WALLET, WalletEntry
from reader_drivers.api import CardAbsent

Answer = tuple[bytes, int]


def aes(key: bytes, block: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(block) + encryptor.finalize()


def cbc(key: bytes, iv: bytes, data: bytes, encrypt: bool) -> bytes:
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv))
    operation = cipher.encryptor() if encrypt else cipher.decryptor()
    return operation.update(data) + operation.finalize()


def cmac(key: bytes, message: bytes) -> bytes:
    mac = CMAC(algorithms.AES(key))
    mac.update(message)
    return mac.finalize()


def x963(shared: bytes, info: bytes, size: int) -> bytes:
    """X9.63 KDF by its definition, so that the terminal's library call has a second opinion."""
    out = b""
    counter = 1
    while len(out) < size:
        out += hashlib.sha256(shared + counter.to_bytes(4, "big") + info).digest()
        counter += 1
    return out[:size]


class FakeCard:
    """A reader with one card in it: CardReader, CardSession and card at once."""

    url = "fake:"
    description = "fake reader"

    def __init__(self, fund: FakeFund) -> None:
        self.fund = fund
        self.historical = bytes.fromhex("8073C001C0")
        self.select_sw = 0x9000
        self.fci = ApplicationInformation(
            bytes.fromhex("F045434152544501"),
            "e-carte Vitale TEST",
            Proprietary(ProfileVersion(1, 0), LifeCycle.OPERATIONAL, Marker.TEST),
            ExtendedLength(65535, 65535),
        )
        self.agreement = fund.leaf("ecv-pseudonym", fund.issuing, KeyPurpose.CARD_AGREEMENT)
        self.agreement_chain: list[x509.Certificate] = [
            fund.issuing.certificate,
            self.agreement.certificate,
        ]
        self.signing = fund.leaf("card", fund.issuing, KeyPurpose.CARD_SIGNATURE, serial=OWN)
        self.status = CardStatus(
            LifeCycle.OPERATIONAL, False, CodeState.NEEDED, RefusalReason.NONE, False
        )
        self.code, self.tries = CODE, 3
        self.wallet = [
            WalletEntry(1, EntryKind.OWN, OWN, TODAY + datetime.timedelta(days=300), OWN_INDEX),
            WalletEntry(
                2, EntryKind.DEPENDANT, CHILD, TODAY + datetime.timedelta(days=300), CHILD_INDEX
            ),
            WalletEntry(
                3,
                EntryKind.DELEGATED,
                DELEGATOR,
                TODAY + datetime.timedelta(days=9),
                DELEGATED_INDEX,
                GRANT_INDEX,
            ),
        ]
        self.entries: dict[int, dict[int, bytes]] = {
            1: entry_files(fund, OWN),
            2: entry_files(fund, CHILD),
            3: {**entry_files(fund, DELEGATOR), Fid.GRANT: fund.grant()},
        }
        self.token_changes: dict[str, Any] = {}
        self.signing_key = self.signing.key
        self.certificates = chain_bytes([fund.issuing.certificate, self.signing.certificate])
        self.refuse: dict[int, int] = {}
        """Status words by instruction, answered inside the session where there is one."""
        self.mutate_wire: Callable[[CommandApdu, bytes], bytes] | None = None
        self.before: Callable[[CommandApdu], None] | None = None
        self.wrong_receipt = False
        self.cut_token = False
        self.present = True
        self.commands: list[CommandApdu] = []
        self.plain: list[CommandApdu] = []
        self.closed = 0
        self._reset()

    # --- reader and session -----------------------------------------------------------------

    def connect(self, timeout: float = 5.0) -> FakeCard:
        if not self.present:
            raise CardAbsent("no card in the fake reader")
        self._reset()
        return self

    def close(self) -> None:
        self.closed += 1

    @property
    def atr(self) -> bytes:
        return ATR.build(contactless_atr(self.historical))

    def transmit(self, command: bytes) -> bytes:
        parsed = COMMAND_APDU.parse(command)
        self.commands.append(parsed)
        if self.before is not None:
            self.before(parsed)
        raw = self._whole(parsed)
        return raw if self.mutate_wire is None else self.mutate_wire(parsed, raw)

    def _reset(self) -> None:
        self._session: dict[str, Any] | None = None
        self._chain = b""
        self._queue = b""
        self._terminal_key: ec.EllipticCurvePublicKey | None = None
        self._issuer = self.fund.terminal_ca.certificate
        self._current: bytes | None = None
        self._entry: int | None = None
        self._verified = self.status.code is CodeState.VERIFIED if hasattr(self, "status") else 0
        self.last_refusal = RefusalReason.NONE

    def _whole(self, command: CommandApdu) -> bytes:
        if command.cla & 0x10:
            self._chain += command.data
            return bytes.fromhex("9000")
        if command.ins == 0xC0:
            return self._hand_out(self._queue, 0x9000, command.le or 0)
        chained = bool(self._chain)
        whole = dataclasses.replace(command, data=self._chain + command.data)
        self._chain = b""
        data, sw = self._secured(whole, chained) if command.cla & 4 else self._answer(whole)
        return self._hand_out(data, sw, command.le or 0)

    def _hand_out(self, data: bytes, sw: int, le: int) -> bytes:
        if sw != 0x9000 or len(data) <= le:
            self._queue = b""
            return RESPONSE_APDU.build(ResponseApdu(data, sw))
        now, self._queue = data[:le], data[le:]
        more = 0x6100 | (len(self._queue) if len(self._queue) < 256 else 0)
        return RESPONSE_APDU.build(ResponseApdu(now, more))

    # --- secure messaging -------------------------------------------------------------------

    def _secured(self, command: CommandApdu, chained: bool) -> Answer:
        session = self._session
        if session is None:
            return b"", 0x6982
        data, mac = command.data[:-8], command.data[-8:]
        size = len(command.data)
        long_form = command.extended or size > 255 or (chained and size > 255)
        lc = b"\x00" + size.to_bytes(2, "big") if long_form else bytes([size])
        header = bytes([command.cla, command.ins, command.p1, command.p2])
        session["chaining"] = cmac(session["mac"], session["chaining"] + header + lc + data)
        if session["chaining"][:8] != mac:
            self._session = None
            return b"", 0x6982
        session["counter"] += 1
        counter = session["counter"].to_bytes(16, "big")
        if data:
            padded = cbc(session["enc"], aes(session["enc"], counter), data, False)
            data = padded.rstrip(b"\x00")[:-1]
        plain = dataclasses.replace(command, cla=command.cla & 0xFB, data=data)
        self.plain.append(plain)
        answer, sw = self._answer(plain)
        if sw != 0x9000 and sw >> 8 not in (0x62, 0x63):
            return b"", sw
        if answer:
            answer += b"\x80" + bytes(-(len(answer) + 1) % 16)
            iv = aes(session["enc"], b"\x80" + counter[1:])
            answer = cbc(session["enc"], iv, answer, True)
        tag = cmac(session["rmac"], session["chaining"] + answer + sw.to_bytes(2, "big"))
        return answer + tag[:8], sw

    # --- commands ---------------------------------------------------------------------------

    def _answer(self, command: CommandApdu) -> Answer:
        if command.ins in self.refuse:
            return b"", self.refuse[command.ins]
        handler = {
            0xA4: self._select,
            0xCA: self._get_data,
            0x2A: self._security_operation,
            0x82: self._authenticate,
            0x88: self._authenticate,
            0x20: self._verify,
            0xB0: self._read,
        }.get(command.ins)
        return (b"", 0x6D00) if handler is None else handler(command)

    def _select(self, command: CommandApdu) -> Answer:
        if command.p1 == 0x04:
            gone = self.select_sw >> 8 in (0x69, 0x6A, 0x6E)
            return b"" if gone else APPLICATION_FCI.build(self.fci), self.select_sw
        self._entry = int.from_bytes(command.data, "big") - 0x0100
        return (b"", 0x9000) if self._entry in self.entries else (b"", 0x6A82)

    def _get_data(self, command: CommandApdu) -> Answer:
        if command.p1 == 0xBF:
            return chain_bytes(self.agreement_chain), 0x9000
        if self._session is None:
            return b"", 0x6982
        reason = self.last_refusal or self.status.last_refusal
        code = CodeState.VERIFIED if self._verified else self.status.code
        status = dataclasses.replace(self.status, last_refusal=reason, code=code)
        return CARD_STATUS.build(status), 0x9000

    def _security_operation(self, command: CommandApdu) -> Answer:
        if command.p1 == 0x01:
            certificate = x509.load_der_x509_certificate(command.data)
            try:
                certificate.verify_directly_issued_by(self._issuer)
            except Exception:
                return b"", 0x6982
            self._issuer = certificate
            if command.p2 == 0x10:
                key = certificate.public_key()
                assert isinstance(key, ec.EllipticCurvePublicKey)
                self._terminal_key = key
            return b"", 0x9000
        return self._presence(command)

    def _authenticate(self, command: CommandApdu) -> Answer:
        request = KEY_AGREEMENT_REQUEST.parse(command.data)
        host = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), request.ephemeral_key)
        second = self._terminal_key if command.ins == 0x82 else host
        if second is None:
            return b"", 0x6985
        ephemeral = new_key()
        shared = ephemeral.exchange(ec.ECDH(), host)
        shared += self.agreement.key.exchange(ec.ECDH(), second)
        keys = x963(shared, b"\x3c\x88\x10", 80)
        public = encode(0x5F49, point(ephemeral))
        receipt = cmac(keys[:16], command.data + public)
        if self.wrong_receipt:
            receipt = bytes(16)
        self._session = {
            "enc": keys[16:32],
            "mac": keys[32:48],
            "rmac": keys[48:64],
            "chaining": receipt,
            "counter": 0,
        }
        return public + encode(0x86, receipt), 0x9000

    def _verify(self, command: CommandApdu) -> Answer:
        if self.status.code_on_phone:
            return b"", 0x6985
        if self.tries == 0:
            return b"", 0x6983
        block = f"2{len(self.code)}{self.code}".ljust(16, "F")
        if command.data.hex().upper() == block:
            self.tries, self._verified = 3, True
            return b"", 0x9000
        self.tries -= 1
        return b"", 0x63C0 | self.tries

    def _read(self, command: CommandApdu) -> Answer:
        if not self._verified:
            on_phone = self.status.code_on_phone
            self.last_refusal = (
                RefusalReason.CODE_ON_PHONE if on_phone else RefusalReason.CODE_NEEDED
            )
            return b"", 0x6985 if on_phone else 0x6982
        offset = command.p1 << 8 | command.p2
        if command.p1 & 0x80:
            offset = command.p2
            found = self._file(0xEF00 | command.p1 & 0x1F)
            if isinstance(found, int):
                return b"", found
            self._current = found
        assert self._current is not None
        if offset >= len(self._current):
            return b"", 0x6B00
        return self._current[offset : offset + (command.le or 0)], 0x9000

    def _file(self, fid: int) -> bytes | int:
        if fid == Fid.WALLET:
            return WALLET.build(tuple(self.wallet))
        if fid == Fid.CERTIFICATES:
            return self.certificates
        if self._entry == 3 and self.last_refusal:
            return 0x6985
        return self.entries[self._entry or 0].get(fid, 0x6A82)

    def _presence(self, command: CommandApdu) -> Answer:
        if not self._verified:
            self.last_refusal = RefusalReason.CODE_NEEDED
            return b"", 0x6982
        if self.status.expired:
            self.last_refusal = RefusalReason.EXPIRED
            return b"", 0x6985
        request = PRESENCE_REQUEST.parse(command.data)
        entry = self.wallet[request.entry - 1]
        delegated = entry.kind is EntryKind.DELEGATED
        token = PresenceToken(
            marker=Marker.TEST,
            delegated=delegated,
            signer=OWN,
            entry_serial=entry.serial,
            professional=PROFESSIONAL,
            role=Role.PHARMACIST,
            challenge=request.challenge,
            counter=1,
            time=NOW,
            grant_id=b"\xa1" * 8 if delegated else bytes(8),
            signature=bytes(64),
        )
        token = dataclasses.replace(token, **self.token_changes)
        token = dataclasses.replace(token, signature=sign(self.signing_key, presence_input(token)))
        self._verified = False
        return PRESENCE_TOKEN.build(token)[: -1 if self.cut_token else None], 0x9000
