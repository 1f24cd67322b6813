"""The host's end of a simulated CCID reader, for tests."""

from __future__ import annotations

from card_formats.ccid import (
    CCID_ANSWER,
    CCID_COMMAND,
    CcidAnswer,
    CcidCommand,
    CommandStatus,
    CommandType,
    IccStatus,
)
from firmware_sim.link.echo import EchoCard
from firmware_sim.reader.ccid_config import CcidConfig, Level
from firmware_sim.reader.ccid_firmware import CcidFirmware

OK = b"\x90\x00"
T1 = bytes.fromhex("1110004500FE00")


class Host:
    """Sends messages with growing sequence numbers."""

    def __init__(self, config: CcidConfig | None = None, card: object = None) -> None:
        self.firmware = CcidFirmware(config)
        self.seq = 0
        if card is not None:
            self.firmware.insert(card)  # type: ignore[arg-type]

    def all(
        self, kind: int, data: bytes = b"", slot: int = 0, parameter: int = 0, level: int = 0
    ) -> list[CcidAnswer]:
        self.seq = (self.seq + 1) & 0xFF
        message = CCID_COMMAND.build(CcidCommand(kind, slot, self.seq, data, parameter, level))
        answers = [CCID_ANSWER.parse(raw) for raw in self.firmware.handle(message)]
        assert {answer.seq for answer in answers} == {self.seq}
        assert {answer.slot for answer in answers} == {slot}
        return answers

    def send(self, kind: int, data: bytes = b"", **more: int) -> CcidAnswer:
        return self.all(kind, data, **more)[-1]

    def on(self, slot: int = 0) -> bytes:
        answer = self.send(CommandType.ICC_POWER_ON, slot=slot)
        assert (answer.icc, answer.command) == (IccStatus.ACTIVE, CommandStatus.OK)
        return answer.data

    def apdu(self, command: bytes) -> bytes:
        answer = self.send(CommandType.XFR_BLOCK, command)
        assert answer.command == CommandStatus.OK, answer
        return answer.data


def short(card: object = None) -> Host:
    return Host(CcidConfig(level=Level.SHORT_APDU), card or EchoCard())


def extended(max_message: int | None = None, card: object = None) -> Host:
    config = CcidConfig(level=Level.EXTENDED_APDU, contactless=True, max_message=max_message)
    return Host(config, card or EchoCard(b"hist"))
