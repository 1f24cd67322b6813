"""The reader's half of T=0 and T=1, for readers that take APDUs and do the rest themselves."""

from __future__ import annotations

from collections.abc import Callable, Generator

from card_formats.apdu import COMMAND_APDU, RESPONSE_APDU, CommandApdu, ResponseApdu
from card_formats.core import FormatError
from card_formats.status_words import SW
from card_formats.t0_tpdu import INS_GET_RESPONSE, NULL, T0_COMMAND, T0Command
from card_formats.t1_block import (
    DEFAULT_IFS,
    MAX_INF,
    Supervisory,
    T1Block,
    T1Error,
    T1Information,
    T1Receive,
    T1Supervisory,
    t1_format,
)
from firmware_sim.link.iso_dep import Mute
from firmware_sim.reader.exchange import Exchange, ProtocolFault

Transceive = Callable[[bytes], bytes | None]
"""Frame to the card, frame from the card; ``None`` is silence."""

_RETRIES = 3


def t0_frame(frame: bytes) -> bytes:
    """The TPDU a T=0 chip sends for what the host gave it: a P3 of 0 is added to four bytes,
    a Le after data is left out. Anything that is no short command goes out as it is."""
    try:
        command = COMMAND_APDU.parse(frame)
        return T0_COMMAND.build(_t0_command(command))
    except FormatError:
        return frame


def _t0_command(command: CommandApdu) -> T0Command:
    p3 = len(command.data) or (command.le or 0) % 256
    if command.extended:
        raise FormatError("t0_command", "", None, "an extended command does not fit T=0")
    return T0Command(command.cla, command.ins, command.p1, command.p2, p3, command.data)


def t0_exchange(transceive: Transceive, tpdu: bytes) -> Exchange:
    """One T=0 TPDU, NULL bytes waited out."""
    answer = transceive(tpdu)
    while answer == bytes([NULL]):
        yield 1
        answer = transceive(b"")
    if answer is None:
        raise Mute
    if len(answer) < 2:
        raise ProtocolFault
    return answer


def t0_apdu(transceive: Transceive, command: bytes) -> Exchange:
    """One short APDU over T=0 (ISO/IEC 7816-3:2006 12.2); an extended one is refused: 6700."""
    try:
        apdu = COMMAND_APDU.parse(command)
        tpdu = _t0_command(apdu)
    except FormatError:
        return RESPONSE_APDU.build(ResponseApdu(b"", SW.WRONG_LENGTH))
    response = RESPONSE_APDU.parse((yield from t0_exchange(transceive, T0_COMMAND.build(tpdu))))
    if response.sw1 == 0x6C and apdu.le is not None and not apdu.data:
        again = T0Command(apdu.cla, apdu.ins, apdu.p1, apdu.p2, response.sw2)
        raw = yield from t0_exchange(transceive, T0_COMMAND.build(again))
        response = RESPONSE_APDU.parse(raw)
    data = response.data
    while response.sw1 == 0x61 and apdu.le is not None and len(data) < apdu.le:
        size = min(response.sw2 or 256, apdu.le - len(data)) % 256
        fetch = T0Command(apdu.cla & 0x03, INS_GET_RESPONSE, 0, 0, size)
        raw = yield from t0_exchange(transceive, T0_COMMAND.build(fetch))
        response = RESPONSE_APDU.parse(raw)
        data += response.data
    return RESPONSE_APDU.build(ResponseApdu(data, response.sw))


class T1Host:
    """The reader's half of T=1 (ISO/IEC 7816-3:2006, 11.6).

    Args:
        transceive: carries blocks.
        ifsc: most bytes of an information field the card takes.
        crc: blocks end in a CRC.
        ifsd: most bytes of an information field to announce; ``None`` leaves the default 32.
    """

    def __init__(
        self, transceive: Transceive, ifsc: int, crc: bool = False, ifsd: int | None = MAX_INF
    ) -> None:
        self._transceive = transceive
        self._ifsc = ifsc
        self._format = t1_format(crc)
        self._ifsd = ifsd
        self._send_number = 0
        self._awaited = 0
        self._announced = ifsd in (None, DEFAULT_IFS)
        self.recoveries = 0
        """Blocks that had to be asked for again."""

    def apdu(self, command: bytes) -> Exchange:
        """One APDU.

        Raises:
            Mute: the card stopped answering, also when asked again.
            ProtocolFault: it keeps answering nonsense.
        """
        if not self._announced:
            yield from self._exchange(T1Supervisory(Supervisory.IFS, value=self._ifsd))
            self._announced = True
        parts = [command[n : n + self._ifsc] for n in range(0, len(command), self._ifsc)] or [b""]
        answer: T1Block = T1Receive(0)
        for n, part in enumerate(parts):
            more = n + 1 < len(parts)
            block = T1Information(self._send_number, part, more)
            self._send_number ^= 1
            answer = yield from self._exchange(block)
            if isinstance(answer, T1Receive) is not more:
                raise ProtocolFault
        response = b""
        while isinstance(answer, T1Information):
            self._awaited ^= 1
            response += answer.data
            if not answer.more:
                return response
            answer = yield from self._exchange(T1Receive(self._awaited))
        raise ProtocolFault

    def _exchange(self, block: T1Block) -> Generator[int, None, T1Block]:
        """Send a block until an acceptable answer comes; waiting times are granted."""
        sent = block
        trouble = 0
        while True:
            answer = self._receive(self._transceive(self._format.build(sent)))
            if isinstance(answer, T1Supervisory) and not answer.response:
                if answer.kind == Supervisory.WTX:
                    yield answer.value or 1
                elif answer.kind == Supervisory.IFS:
                    self._ifsc = answer.value or self._ifsc
                sent = T1Supervisory(answer.kind, True, answer.value)
                continue
            if answer is not None and self._answers(answer, block):
                return answer
            trouble += 1
            self.recoveries += 1
            if trouble > _RETRIES:
                raise Mute if answer is None else ProtocolFault
            if answer is None and not isinstance(block, T1Supervisory):
                sent = T1Receive(self._awaited, T1Error.OTHER)
            else:
                sent = block

    def _receive(self, raw: bytes | None) -> T1Block | None:
        if raw is None:
            return None
        try:
            return self._format.parse(raw)
        except FormatError:
            return None

    def _answers(self, answer: T1Block, block: T1Block) -> bool:
        if isinstance(block, T1Supervisory):
            expected = T1Supervisory(block.kind, True, block.value)
            return answer == expected
        if isinstance(answer, T1Information):
            return answer.number == self._awaited
        if isinstance(answer, T1Receive) and isinstance(block, T1Information):
            # A card that acknowledges part of a chain asks for the next number.
            return block.more and answer.number != block.number and not answer.error
        return False
