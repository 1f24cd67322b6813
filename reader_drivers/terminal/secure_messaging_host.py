"""Secure messaging, the terminal's side: SCP03 level 33 (profile 3.5)."""

from __future__ import annotations

import dataclasses

from cryptography.hazmat.primitives import constant_time
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from card_formats.apdu import (
    SHORT_MAX_DATA,
    SHORT_MAX_LE,
    CommandApdu,
    ResponseApdu,
)
from card_formats.status_words import SW, meaning
from reader_drivers.terminal.apdu_channel import ApduChannel
from reader_drivers.terminal.errors import SecureSessionError

BLOCK = 16
MAC = 8

_SECURED = 0x04
_NOT_PLAIN = 0x1F
"""Class bits a caller must leave alone: chaining, secure messaging, logical channel."""
_REFUSES_MESSAGING = (
    SW.SECURE_MESSAGING_NOT_SUPPORTED,
    SW.SM_OBJECTS_MISSING,
    SW.SM_OBJECTS_INCORRECT,
)


@dataclasses.dataclass(frozen=True)
class SessionKeys:
    """AES-128 keys of one session."""

    s_enc: bytes = dataclasses.field(repr=False)
    s_mac: bytes = dataclasses.field(repr=False)
    s_rmac: bytes = dataclasses.field(repr=False)


def cmac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC, 16 bytes."""
    mac = CMAC(algorithms.AES(key))
    mac.update(message)
    return mac.finalize()


class SecureMessaging:
    """State of one session: counter and chaining value. Commands in order, one at a time."""

    def __init__(self, keys: SessionKeys, receipt: bytes) -> None:
        self._keys = keys
        self._chaining_value = receipt
        self._counter = 0

    def wrap(self, command: CommandApdu, channel: ApduChannel) -> CommandApdu:
        """The command as ``channel`` is to send it: encrypted, with its C-MAC.

        A command without data gets no encrypted field. Le, which no MAC covers, is asked for
        also where the command has none, as the answer brings at least an R-MAC.

        Raises:
            ValueError: the command's class is not a plain one.
        """
        if command.cla & _NOT_PLAIN:
            raise ValueError(f"class {command.cla:02X}: secure messaging wants a plain command")
        self._counter += 1
        data = self._encrypt(command.data) if command.data else b""
        le = command.le or SHORT_MAX_LE
        wire = channel.wire_form(
            dataclasses.replace(command, cla=command.cla | _SECURED, data=data + bytes(MAC), le=le)
        )
        self._chaining_value = cmac(
            self._keys.s_mac, self._chaining_value + _authenticated(wire) + data
        )
        return dataclasses.replace(wire, data=data + self._chaining_value[:MAC])

    def unwrap(self, response: ResponseApdu) -> ResponseApdu:
        """The answer in the clear.

        Raises:
            SecureSessionError: wrong R-MAC, length or padding, an answer that is not protected,
                or the card refused the secure messaging itself.
        """
        sw = response.sw
        if sw in _REFUSES_MESSAGING:
            raise SecureSessionError(f"the card ended the secure session: {meaning(sw)}", sw=sw)
        if sw != SW.OK and sw >> 8 not in (0x62, 0x63):
            if response.data:
                raise SecureSessionError(f"unprotected data came with the error {sw:04X}", sw=sw)
            return response
        if len(response.data) < MAC:
            raise SecureSessionError(f"the answer {sw:04X} carries no R-MAC", sw=sw)
        data, mac = response.data[:-MAC], response.data[-MAC:]
        expected = cmac(self._keys.s_rmac, self._chaining_value + data + sw.to_bytes(2, "big"))
        if not constant_time.bytes_eq(mac, expected[:MAC]):
            raise SecureSessionError(
                "wrong R-MAC: the answer was altered, or is not the answer to this command", sw=sw
            )
        return ResponseApdu(self._decrypt(data) if data else b"", sw)

    def _encrypt(self, data: bytes) -> bytes:
        padded = data + b"\x80"
        padded += bytes(-len(padded) % BLOCK)
        encryptor = Cipher(algorithms.AES(self._keys.s_enc), self._mode(b"\x00")).encryptor()
        return encryptor.update(padded) + encryptor.finalize()

    def _decrypt(self, data: bytes) -> bytes:
        if len(data) % BLOCK:
            raise SecureSessionError("the encrypted answer is not a whole number of blocks")
        decryptor = Cipher(algorithms.AES(self._keys.s_enc), self._mode(b"\x80")).decryptor()
        padded = decryptor.update(data) + decryptor.finalize()
        plain = padded.rstrip(b"\x00")
        if not plain.endswith(b"\x80") or len(padded) - len(plain) >= BLOCK:
            raise SecureSessionError("wrong padding in the encrypted answer")
        return plain[:-1]

    def _mode(self, direction: bytes) -> modes.CBC:
        counter = direction + self._counter.to_bytes(BLOCK - 1, "big")
        # One block of counter is what SCP03 makes its ICV of.
        encryptor = Cipher(algorithms.AES(self._keys.s_enc), modes.ECB()).encryptor()  # noqa: S305
        return modes.CBC(encryptor.update(counter) + encryptor.finalize())


def _authenticated(wire: CommandApdu) -> bytes:
    """Header and Lc as the C-MAC covers them: Lc on three bytes beyond a short command."""
    size = len(wire.data)
    short = not wire.extended and size <= SHORT_MAX_DATA
    lc = bytes([size]) if short else b"\x00" + size.to_bytes(2, "big")
    return bytes([wire.cla, wire.ins, wire.p1, wire.p2]) + lc
