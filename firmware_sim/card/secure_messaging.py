"""Secure messaging of a session (profile 3.5; GPC Amendment D v1.2 6.2)."""

from __future__ import annotations

import dataclasses
import enum
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from card_formats.apdu import SHORT_MAX_DATA, CommandApdu
from card_formats.status_words import SW
from firmware_sim.card.chaining import CHAINING_BIT
from firmware_sim.card.reply import Reply, StatusError
from firmware_sim.card.terminal_chain import Terminal

SECURE_MESSAGING_BIT = 0x04
MAC_SIZE = 8
BLOCK_SIZE = 16
_RESPONSE_ICV = 0x80 << 120


class Protocol(enum.Enum):
    """Which handshake opened the session."""

    SCP11A = "SCP11a"
    SCP11B = "SCP11b"


@dataclasses.dataclass(frozen=True)
class SessionKeys:
    """AES-128 keys of a session; the fifth key of the derivation (DEK) is unused."""

    s_enc: bytes
    s_mac: bytes
    s_rmac: bytes


class SecureSession:
    """An open session.

    Args:
        protocol: the handshake it came from.
        keys: session keys.
        receipt: first MAC chaining value.
        terminal: who is on the other side; ``None`` in SCP11b, which proves nobody.
    """

    def __init__(
        self, protocol: Protocol, keys: SessionKeys, receipt: bytes, terminal: Terminal | None
    ) -> None:
        self.protocol = protocol
        self.keys = keys
        self.terminal = terminal
        self.mac_chain = receipt
        self.counter = 0

    def unwrap(self, command: CommandApdu) -> CommandApdu:
        """Return the command in the clear.

        Raises:
            StatusError: 6988 a body too short, not of whole blocks or badly padded; 6982 MAC.
        """
        size = len(command.data) - MAC_SIZE
        if size < 0 or size % BLOCK_SIZE:
            raise StatusError(SW.SM_OBJECTS_INCORRECT)
        encrypted, received = command.data[:size], command.data[size:]
        mac = self.command_mac(command, encrypted)
        if not self.macs_agree(mac[:MAC_SIZE], received):
            raise StatusError(SW.SECURITY_NOT_SATISFIED)
        self.mac_chain = mac
        self.count()
        return dataclasses.replace(
            command,
            cla=command.cla & ~SECURE_MESSAGING_BIT,
            data=self.decrypt(encrypted) if encrypted else b"",
        )

    def wrap(self, reply: Reply) -> Reply:
        """Protect a response: encrypted data and R-MAC, or nothing with an error status."""
        if reply.sw != SW.OK and reply.sw >> 8 not in (0x62, 0x63):
            return Reply(b"", reply.sw)
        data = self.encrypt(reply.data) if reply.data else b""
        return Reply(data + self.response_mac(data, reply.sw), reply.sw)

    def command_mac(self, command: CommandApdu, encrypted: bytes) -> bytes:
        """The whole C-MAC, of which the command carries the first half."""
        size = len(command.data)
        short = size <= SHORT_MAX_DATA and not command.extended
        header = bytes([command.cla & ~CHAINING_BIT, command.ins, command.p1, command.p2])
        length = size.to_bytes(1, "big") if short else b"\x00" + size.to_bytes(2, "big")
        return cmac(self.keys.s_mac, self.mac_chain + header + length + encrypted)

    def macs_agree(self, expected: bytes, received: bytes) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(expected, received)

    def response_mac(self, data: bytes, sw: int) -> bytes:
        """R-MAC as carried."""
        return cmac(self.keys.s_rmac, self.mac_chain + data + sw.to_bytes(2, "big"))[:MAC_SIZE]

    def count(self) -> None:
        """One more command."""
        self.counter += 1

    def decrypt(self, encrypted: bytes) -> bytes:
        """Return command data without its padding; 6988 if the padding is wrong."""
        decryptor = self._cipher(self.counter).decryptor()
        padded = decryptor.update(encrypted) + decryptor.finalize()
        data, mark, zeros = padded.rpartition(b"\x80")
        if not mark or len(zeros) >= BLOCK_SIZE or zeros.strip(b"\x00"):
            raise StatusError(SW.SM_OBJECTS_INCORRECT)
        return data

    def encrypt(self, data: bytes) -> bytes:
        """Pad and encrypt response data."""
        encryptor = self._cipher(_RESPONSE_ICV | self.counter).encryptor()
        padded = data + b"\x80" + bytes(-(len(data) + 1) % BLOCK_SIZE)
        return encryptor.update(padded) + encryptor.finalize()

    def _cipher(self, icv: int) -> Cipher[modes.CBC]:
        key = algorithms.AES(self.keys.s_enc)
        encryptor = Cipher(key, modes.ECB()).encryptor()  # noqa: S305 - one block, as specified
        return Cipher(key, modes.CBC(encryptor.update(icv.to_bytes(BLOCK_SIZE, "big"))))


def cmac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC, 16 bytes."""
    state = CMAC(algorithms.AES(key))
    state.update(message)
    return state.finalize()


class SecureChannel:
    """The place of the one session there can be."""

    def __init__(self) -> None:
        self.session: SecureSession | None = None

    @property
    def is_open(self) -> bool:
        """Whether a session is open."""
        return self.session is not None

    def open(self, session: SecureSession) -> None:
        """Make ``session`` the current one."""
        self.session = session

    def close(self) -> None:
        """Forget the session and its keys."""
        self.session = None
