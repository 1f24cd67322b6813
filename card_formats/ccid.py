"""CCID messages (USB Device Class: Smart Card CCID 1.1).

All commands share one layout and so do all answers; only the meaning of the bytes before the
data differs. Multi-byte integers are little-endian.
"""

from __future__ import annotations

import dataclasses
import enum

from construct import (
    Bytes,
    Const,
    ExprAdapter,
    GreedyBytes,
    Int8ub,
    Int16ul,
    Int32ul,
    Rebuild,
    this,
)

from card_formats.core import Record, Vector, WireFormat
from card_formats.pieces import refuse

HEADER_SIZE = 10
"""Bytes of a message before its data."""


class CommandType(enum.IntEnum):
    """bMessageType of PC_to_RDR messages (6.1)."""

    SET_PARAMETERS = 0x61
    ICC_POWER_ON = 0x62
    ICC_POWER_OFF = 0x63
    GET_SLOT_STATUS = 0x65
    SECURE = 0x69
    T0_APDU = 0x6A
    ESCAPE = 0x6B
    GET_PARAMETERS = 0x6C
    RESET_PARAMETERS = 0x6D
    ICC_CLOCK = 0x6E
    XFR_BLOCK = 0x6F
    MECHANICAL = 0x71
    ABORT = 0x72
    SET_DATA_RATE_AND_CLOCK = 0x73


class AnswerType(enum.IntEnum):
    """bMessageType of RDR_to_PC messages on the bulk-in pipe (6.2)."""

    DATA_BLOCK = 0x80
    SLOT_STATUS = 0x81
    PARAMETERS = 0x82
    ESCAPE = 0x83
    DATA_RATE_AND_CLOCK = 0x84


ANSWER_TO: dict[int, AnswerType] = {
    CommandType.SET_PARAMETERS: AnswerType.PARAMETERS,
    CommandType.ICC_POWER_ON: AnswerType.DATA_BLOCK,
    CommandType.ICC_POWER_OFF: AnswerType.SLOT_STATUS,
    CommandType.GET_SLOT_STATUS: AnswerType.SLOT_STATUS,
    CommandType.SECURE: AnswerType.DATA_BLOCK,
    CommandType.T0_APDU: AnswerType.SLOT_STATUS,
    CommandType.ESCAPE: AnswerType.ESCAPE,
    CommandType.GET_PARAMETERS: AnswerType.PARAMETERS,
    CommandType.RESET_PARAMETERS: AnswerType.PARAMETERS,
    CommandType.ICC_CLOCK: AnswerType.SLOT_STATUS,
    CommandType.XFR_BLOCK: AnswerType.DATA_BLOCK,
    CommandType.MECHANICAL: AnswerType.SLOT_STATUS,
    CommandType.ABORT: AnswerType.SLOT_STATUS,
    CommandType.SET_DATA_RATE_AND_CLOCK: AnswerType.DATA_RATE_AND_CLOCK,
}
"""Which answer each command gets (table 6.1-1)."""


class IccStatus(enum.IntEnum):
    """bmICCStatus (6.2.6)."""

    ACTIVE = 0
    INACTIVE = 1
    ABSENT = 2


class CommandStatus(enum.IntEnum):
    """bmCommandStatus (6.2.6)."""

    OK = 0
    FAILED = 1
    TIME_EXTENSION = 2


class SlotError(enum.IntEnum):
    """bError of a failed command (table 6.2-2). Below 0x80 it is the offset of a bad byte."""

    NOT_SUPPORTED = 0x00
    BAD_LENGTH = 0x01
    BAD_SLOT = 0x05
    BAD_PROTOCOL = 0x07
    BAD_LEVEL = 0x08
    BAD_PIN_OPERATION = 0x0A
    SLOT_BUSY = 0xE0
    PIN_CANCELLED = 0xEF
    PIN_TIMEOUT = 0xF0
    BUSY_WITH_AUTO_SEQUENCE = 0xF2
    DEACTIVATED_PROTOCOL = 0xF3
    PROCEDURE_BYTE_CONFLICT = 0xF4
    ICC_CLASS_NOT_SUPPORTED = 0xF5
    ICC_PROTOCOL_NOT_SUPPORTED = 0xF6
    BAD_ATR_TCK = 0xF7
    BAD_ATR_TS = 0xF8
    HARDWARE = 0xFB
    OVERRUN = 0xFC
    PARITY = 0xFD
    ICC_MUTE = 0xFE
    ABORTED = 0xFF


class Chain(enum.IntEnum):
    """wLevelParameter of XfrBlock and bChainParameter of DataBlock at extended APDU level."""

    WHOLE = 0x00
    BEGINS = 0x01
    ENDS = 0x02
    CONTINUES = 0x03
    EMPTY = 0x10
    """Nothing here, send (or: here I ask for) the next part."""


@dataclasses.dataclass(frozen=True)
class CcidCommand:
    """A PC_to_RDR message.

    Attributes:
        kind: :class:`CommandType`, or any other byte: a reader refuses it politely.
        slot, seq: slot addressed and sequence number, which the answer repeats.
        data: abData.
        parameter: bPowerSelect, bBWI, bProtocolNum, bClockCommand, bFunction, or 0 (RFU).
        level: wLevelParameter (:class:`Chain`), or 0 (RFU).
    """

    kind: int
    slot: int
    seq: int
    data: bytes = b""
    parameter: int = 0
    level: int = 0


@dataclasses.dataclass(frozen=True)
class CcidAnswer:
    """A RDR_to_PC message of the bulk-in pipe.

    Attributes:
        kind: :class:`AnswerType`.
        slot, seq: those of the command.
        icc: :class:`IccStatus`.
        command: :class:`CommandStatus`.
        error: bError; for a time extension the multiplier of BWT or WWT.
        specific: bChainParameter, bClockStatus, bProtocolNum, or 0 (RFU).
        data: abData.
    """

    kind: int
    slot: int
    seq: int
    icc: int = IccStatus.ACTIVE
    command: int = CommandStatus.OK
    error: int = 0
    specific: int = 0
    data: bytes = b""


def _status_fields(value: int) -> tuple[int, int]:
    icc, command = value & 0x03, value >> 6
    if value & 0x3C or icc == 3 or command == 3:
        raise refuse(f"bStatus {value:02X} sets RFU bits")
    return icc, command


class _AnswerRecord(Record):
    """Splits bStatus into its two fields."""

    def _decode(self, obj: object, context: object, path: str) -> CcidAnswer:
        values = dict(obj)  # type: ignore[call-overload]
        values["icc"], values["command"] = _status_fields(values["status"])
        return CcidAnswer(**{name: values[name] for name in self.field_names})

    def _encode(self, obj: object, context: object, path: str) -> dict[str, object]:
        values: dict[str, object] = super()._encode(obj, context, path)
        icc, command = int(values["icc"]), int(values["command"])  # type: ignore[call-overload]
        if not 0 <= icc <= 2 or not 0 <= command <= 2:
            raise refuse(f"no such status: ICC {icc}, command {command}", path)
        return {**values, "status": icc | command << 6}


_LENGTH = "length" / Rebuild(Int32ul, lambda ctx: len(ctx.data))

CCID_COMMAND: WireFormat[CcidCommand] = WireFormat(
    "ccid_command",
    "CCID 1.1 6.1",
    Record(
        CcidCommand,
        "kind" / Int8ub,
        _LENGTH,
        "slot" / Int8ub,
        "seq" / Int8ub,
        "parameter" / Int8ub,
        "level" / Int16ul,
        "data" / Bytes(this.length),
    ),
    [
        Vector(
            "62000000000001010000",
            CcidCommand(CommandType.ICC_POWER_ON, 0, 1, parameter=1),
            "IccPowerOn at 5 V",
        ),
        Vector(
            "65000000000102000000",
            CcidCommand(CommandType.GET_SLOT_STATUS, 1, 2),
            "GetSlotStatus of the second slot",
        ),
        Vector(
            "6F05000000000400000000C101FE3E",
            CcidCommand(CommandType.XFR_BLOCK, 0, 4, bytes.fromhex("00C101FE3E")),
            "XfrBlock with S(IFS request) of T=1",
        ),
        Vector(
            "61070000000005010000119600450020" + "00",
            CcidCommand(
                CommandType.SET_PARAMETERS, 0, 5, bytes.fromhex("11960045002000"), parameter=1
            ),
            "SetParameters of T=1 as recorded from libccid",
        ),
        Vector(
            "6F000000000006001000",
            CcidCommand(CommandType.XFR_BLOCK, 0, 6, level=Chain.EMPTY),
            "asks for the next part of a long response",
        ),
    ],
)

CCID_ANSWER: WireFormat[CcidAnswer] = WireFormat(
    "ccid_answer",
    "CCID 1.1 6.2",
    _AnswerRecord(
        CcidAnswer,
        "kind" / Int8ub,
        _LENGTH,
        "slot" / Int8ub,
        "seq" / Int8ub,
        "status" / Int8ub,
        "error" / Int8ub,
        "specific" / Int8ub,
        "data" / Bytes(this.length),
    ),
    [
        Vector(
            "800200000000040000009000",
            CcidAnswer(AnswerType.DATA_BLOCK, 0, 4, data=b"\x90\x00"),
            "DataBlock",
        ),
        Vector(
            "8100000000000242FE00",
            CcidAnswer(
                AnswerType.SLOT_STATUS,
                0,
                2,
                IccStatus.ABSENT,
                CommandStatus.FAILED,
                SlotError.ICC_MUTE,
            ),
            "no card",
        ),
        Vector(
            "80000000000007800A00",
            CcidAnswer(AnswerType.DATA_BLOCK, 0, 7, command=CommandStatus.TIME_EXTENSION, error=10),
            "time extension: ten times the waiting time",
        ),
        Vector(
            "820700000000050000011100004500FE00",
            CcidAnswer(
                AnswerType.PARAMETERS, 0, 5, specific=1, data=bytes.fromhex("1100004500FE00")
            ),
            "Parameters of T=1",
        ),
    ],
)


# --- interrupt pipe --------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class SlotChange:
    """RDR_to_PC_NotifySlotChange: two bits a slot, bit 0 present, bit 1 changed (6.3.1)."""

    states: bytes


@dataclasses.dataclass(frozen=True)
class SlotState:
    """One slot of a :class:`SlotChange`."""

    present: bool
    changed: bool


def slot_change(slots: list[SlotState]) -> SlotChange:
    """Pack the states of all slots, the first slot in the low bits."""
    packed = sum((slot.present | slot.changed << 1) << 2 * n for n, slot in enumerate(slots))
    return SlotChange(packed.to_bytes((2 * len(slots) + 7) // 8, "little"))


def slot_states(change: SlotChange, count: int) -> list[SlotState]:
    """Unpack the states of ``count`` slots; slots beyond the message are absent, unchanged."""
    packed = int.from_bytes(change.states, "little")
    return [SlotState(bool(packed >> 2 * n & 1), bool(packed >> 2 * n & 2)) for n in range(count)]


def _checked(value: bytes) -> bytes:
    if not value:
        raise refuse("no slot state")
    return value


CCID_SLOT_CHANGE: WireFormat[SlotChange] = WireFormat(
    "ccid_slot_change",
    "CCID 1.1 6.3.1",
    Record(
        SlotChange,
        "kind" / Const(b"\x50"),
        "states"
        / ExprAdapter(GreedyBytes, lambda obj, ctx: _checked(obj), lambda obj, ctx: _checked(obj)),
    ),
    [
        Vector("5003", SlotChange(b"\x03"), "the card of the first slot came"),
        Vector("5002", SlotChange(b"\x02"), "it left"),
        Vector("500B", SlotChange(b"\x0b"), "the second slot of two was emptied"),
    ],
    open_ended=True,
)


@dataclasses.dataclass(frozen=True)
class HardwareError:
    """RDR_to_PC_HardwareError: the reader detected overcurrent (``code`` 1) on a slot (6.3.2)."""

    slot: int
    seq: int
    code: int


CCID_HARDWARE_ERROR: WireFormat[HardwareError] = WireFormat(
    "ccid_hardware_error",
    "CCID 1.1 6.3.2",
    Record(
        HardwareError, "kind" / Const(b"\x51"), "slot" / Int8ub, "seq" / Int8ub, "code" / Int8ub
    ),
    [Vector("51000701", HardwareError(0, 7, 1), "overcurrent")],
)
