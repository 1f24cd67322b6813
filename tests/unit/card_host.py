"""A terminal for tests of the card: yubikit's SCP11 host, which knows nothing of our code."""

from __future__ import annotations

from typing import Any

import card_factory as factory
from cryptography import x509
from yubikit.core import TRANSPORT, Tlv, Version
from yubikit.core.smartcard import ApduError, SmartCardConnection, SmartCardProtocol
from yubikit.core.smartcard.scp import KeyRef, Scp11KeyParams, ScpKid

from card_formats.apdu import COMMAND_APDU, RESPONSE_APDU, CommandApdu, ResponseApdu
from card_formats.key_agreement import CERTIFICATE_STORE_REQUEST, KeyReference
from card_formats.pin_block import PIN_BLOCK
from card_formats.presence_token import PRESENCE_REQUEST, PresenceRequest
from card_formats.profile_ecv_sim_1 import ECV_SIM_1
from firmware_sim.seam import Card

CHALLENGE = b"\x5a" * 16


class Connection(SmartCardConnection):
    """A card, without any reader, as yubikit wants it."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self.log: list[tuple[bytes, bytes]] = []

    @property
    def transport(self) -> TRANSPORT:
        return TRANSPORT.USB

    def send_and_receive(self, apdu: bytes) -> tuple[bytes, int]:
        raw = self.card.transmit(bytes(apdu))
        self.log.append((bytes(apdu), raw))
        response = RESPONSE_APDU.parse(raw)
        return response.data, response.sw

    def close(self) -> None:
        self.card.power_off()


class Host:
    """A terminal in front of a card.

    Args:
        card: the card, with power.
        extended: extended lengths; short ones with command chaining otherwise.
    """

    def __init__(self, card: Card, *, extended: bool = False) -> None:
        self.card = card
        self.extended = extended
        self.connection = Connection(card)
        self.protocol = SmartCardProtocol(self.connection)

    def select(self) -> bytes:
        """SELECT the application; afterwards lengths are as chosen."""
        data: bytes = self.protocol.select(ECV_SIM_1.aid)
        self.protocol.configure(Version(5, 3, 0), force_short=not self.extended)
        return data

    def certificates(self, kid: int = ScpKid.SCP11a) -> list[x509.Certificate]:
        request = CERTIFICATE_STORE_REQUEST.build(KeyReference(kid, 1))
        data = self.protocol.send_apdu(0x00, 0xCA, 0xBF, 0x21, request)
        return [x509.load_der_x509_certificate(one) for one in Tlv.parse_list(data)]

    def open_a(self, terminal: factory.Terminal | None = None) -> Host:
        """SELECT and SCP11a."""
        terminal = terminal or default_terminal()
        self.select()
        self.protocol.init_scp(
            Scp11KeyParams(
                KeyRef(ScpKid.SCP11a, 1),
                self.certificates()[-1].public_key(),
                KeyRef(0x10, 1),
                terminal.key,
                terminal.certificates,
            )
        )
        return self

    def open_b(self) -> Host:
        """SELECT and SCP11b."""
        self.select()
        key = self.certificates(ScpKid.SCP11b)[-1].public_key()
        self.protocol.init_scp(Scp11KeyParams(KeyRef(ScpKid.SCP11b, 1), key))
        return self

    def send(
        self, cla: int, ins: int, p1: int, p2: int, data: bytes = b"", le: int = 0
    ) -> ResponseApdu:
        """Through the session if one is open; the response whatever its status."""
        try:
            return ResponseApdu(self.protocol.send_apdu(cla, ins, p1, p2, data, le), 0x9000)
        except ApduError as error:
            return ResponseApdu(error.data, error.sw)

    def plain(
        self,
        cla: int,
        ins: int,
        p1: int,
        p2: int,
        data: bytes = b"",
        le: int | None = None,
        *,
        extended: bool = False,
    ) -> ResponseApdu:
        """Past the session and past GET RESPONSE: one command, one response."""
        command = CommandApdu(cla, ins, p1, p2, data, le, extended)
        return RESPONSE_APDU.parse(self.card.transmit(COMMAND_APDU.build(command)))

    def verify(self, code: str = factory.CODE) -> int:
        return self.send(0, 0x20, 0, 0x81, PIN_BLOCK.build(code)).sw

    def code_state(self) -> int:
        return self.send(0, 0x20, 0, 0x81).sw

    def read(self, sfi: int, offset: int = 0, le: int = 0) -> ResponseApdu:
        return self.send(0, 0xB0, 0x80 | sfi, offset, b"", le)

    def select_fid(self, fid: int, p1: int = 0) -> ResponseApdu:
        return self.send(0, 0xA4, p1, 0, fid.to_bytes(2, "big"))

    def sign(self, entry: int = factory.OWN, challenge: bytes = CHALLENGE) -> ResponseApdu:
        data = PRESENCE_REQUEST.build(PresenceRequest(entry, challenge))
        return self.send(0, 0x2A, 0x9E, 0x9A, data)

    def status(self) -> bytes:
        return self.send(0, 0xCA, 0xDF, 0x20).data


_TERMINALS: dict[int, factory.Terminal] = {}


def default_terminal(role: int = 1) -> factory.Terminal:
    """The pharmacist's terminal, or another role's; made once."""
    if role not in _TERMINALS:
        _TERMINALS[role] = factory.pki().terminal(role)
    return _TERMINALS[role]


def secured(host: Host, ins: int, p1: int, p2: int, data: bytes | None = None) -> bytearray:
    """The next secured command of the host, as it would send it, but not sent."""
    state = host.protocol._processor.state
    body = b"" if data is None else state.encrypt(data)
    if data is None:
        state._enc_counter += 1
    header = bytes([0x04, ins, p1, p2, len(body) + 8])
    return bytearray(header + body + state.mac(header + body) + b"\x00")


def answer(host: Host, command: bytes) -> Any:
    """The response in the clear; whether it was protected."""
    state = host.protocol._processor.state
    raw = host.card.transmit(bytes(command))
    data, sw = raw[:-2], int.from_bytes(raw[-2:], "big")
    while sw >> 8 == 0x61:
        raw = host.card.transmit(bytes.fromhex("00C0000000"))
        data, sw = data + raw[:-2], int.from_bytes(raw[-2:], "big")
    if not data:
        return b"", sw, False
    body = state.unmac(data, sw)
    return (state.decrypt(body) if body else b""), sw, True
