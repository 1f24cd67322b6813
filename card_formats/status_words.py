"""Status words SW1-SW2 (ISO/IEC 7816-4:2020, table 6 and 7) and what they mean in words."""

from __future__ import annotations

import enum


class SW(enum.IntEnum):
    """Status words this field uses. Compare them with the integer of a response."""

    OK = 0x9000
    BYTES_AVAILABLE = 0x6100
    WARNING = 0x6200
    TRIGGERED_BY_CARD = 0x6202
    DATA_CORRUPTED = 0x6281
    END_OF_FILE = 0x6282
    FILE_DEACTIVATED = 0x6283
    FCI_BAD_FORMAT = 0x6284
    FILE_TERMINATED = 0x6285
    NO_SENSOR_INPUT = 0x6286
    RECORD_DEACTIVATED = 0x6287
    WARNING_CHANGED = 0x6300
    FILE_FILLED = 0x6381
    VERIFY_FAILED = 0x63C0
    EXECUTION_ERROR = 0x6400
    RESPONSE_REQUIRED = 0x6401
    CHANNEL_SHARING_DENIED = 0x6402
    EXECUTION_ERROR_CHANGED = 0x6500
    MEMORY_FAILURE = 0x6581
    SECURITY_ISSUE = 0x6600
    WRONG_LENGTH = 0x6700
    CLA_FUNCTION_NOT_SUPPORTED = 0x6800
    CHANNEL_NOT_SUPPORTED = 0x6881
    SECURE_MESSAGING_NOT_SUPPORTED = 0x6882
    LAST_CHAIN_COMMAND_EXPECTED = 0x6883
    CHAINING_NOT_SUPPORTED = 0x6884
    COMMAND_NOT_ALLOWED = 0x6900
    INCOMPATIBLE_WITH_FILE = 0x6981
    SECURITY_NOT_SATISFIED = 0x6982
    AUTHENTICATION_BLOCKED = 0x6983
    REFERENCE_DATA_NOT_USABLE = 0x6984
    CONDITIONS_NOT_SATISFIED = 0x6985
    NO_CURRENT_FILE = 0x6986
    SM_OBJECTS_MISSING = 0x6987
    SM_OBJECTS_INCORRECT = 0x6988
    WRONG_PARAMETERS = 0x6A00
    WRONG_DATA = 0x6A80
    FUNCTION_NOT_SUPPORTED = 0x6A81
    FILE_NOT_FOUND = 0x6A82
    RECORD_NOT_FOUND = 0x6A83
    NOT_ENOUGH_MEMORY = 0x6A84
    LC_INCONSISTENT_WITH_TLV = 0x6A85
    WRONG_P1_P2 = 0x6A86
    LC_INCONSISTENT_WITH_P1_P2 = 0x6A87
    REFERENCE_DATA_NOT_FOUND = 0x6A88
    FILE_ALREADY_EXISTS = 0x6A89
    DF_NAME_ALREADY_EXISTS = 0x6A8A
    OFFSET_OUTSIDE_FILE = 0x6B00
    WRONG_LE = 0x6C00
    INS_NOT_SUPPORTED = 0x6D00
    CLA_NOT_SUPPORTED = 0x6E00
    NO_PRECISE_DIAGNOSIS = 0x6F00


_MEANINGS: dict[int, str] = {
    SW.OK: "normal end",
    SW.WARNING: "warning, memory unchanged, no information given",
    SW.TRIGGERED_BY_CARD: "the card has a question of 2 bytes for the terminal",
    SW.DATA_CORRUPTED: "part of the returned data may be corrupted",
    SW.END_OF_FILE: "end of file or record reached before Le bytes were read",
    SW.FILE_DEACTIVATED: "the selected file or application is deactivated",
    SW.FCI_BAD_FORMAT: "file control information is not formatted as expected",
    SW.FILE_TERMINATED: "the selected file or application is terminated",
    SW.NO_SENSOR_INPUT: "no input available from a sensor of the card",
    SW.RECORD_DEACTIVATED: "at least one referenced record is deactivated",
    SW.WARNING_CHANGED: "warning, memory has changed, no information given",
    SW.FILE_FILLED: "the file was filled up by this write",
    SW.EXECUTION_ERROR: "execution error, memory unchanged",
    SW.RESPONSE_REQUIRED: "the card requires an immediate response",
    SW.CHANNEL_SHARING_DENIED: "sharing between logical channels is denied",
    SW.EXECUTION_ERROR_CHANGED: "execution error, memory has changed",
    SW.MEMORY_FAILURE: "memory failure",
    SW.SECURITY_ISSUE: "security-related issue",
    SW.WRONG_LENGTH: "wrong length",
    SW.CLA_FUNCTION_NOT_SUPPORTED: "a function in the class byte is not supported",
    SW.CHANNEL_NOT_SUPPORTED: "logical channel not supported",
    SW.SECURE_MESSAGING_NOT_SUPPORTED: "secure messaging not supported",
    SW.LAST_CHAIN_COMMAND_EXPECTED: "the last command of the chain was expected",
    SW.CHAINING_NOT_SUPPORTED: "command chaining not supported",
    SW.COMMAND_NOT_ALLOWED: "command not allowed",
    SW.INCOMPATIBLE_WITH_FILE: "command incompatible with the file structure",
    SW.SECURITY_NOT_SATISFIED: "security status not satisfied",
    SW.AUTHENTICATION_BLOCKED: "authentication method blocked",
    SW.REFERENCE_DATA_NOT_USABLE: "reference data not usable",
    SW.CONDITIONS_NOT_SATISFIED: "conditions of use not satisfied",
    SW.NO_CURRENT_FILE: "command not allowed, no current file",
    SW.SM_OBJECTS_MISSING: "expected secure messaging data objects are missing",
    SW.SM_OBJECTS_INCORRECT: "secure messaging data objects are incorrect",
    SW.WRONG_PARAMETERS: "wrong parameters P1-P2",
    SW.WRONG_DATA: "incorrect parameters in the command data",
    SW.FUNCTION_NOT_SUPPORTED: "function not supported",
    SW.FILE_NOT_FOUND: "file or application not found",
    SW.RECORD_NOT_FOUND: "record not found",
    SW.NOT_ENOUGH_MEMORY: "not enough memory in the file",
    SW.LC_INCONSISTENT_WITH_TLV: "length of the data does not match its TLV structure",
    SW.WRONG_P1_P2: "incorrect parameters P1-P2",
    SW.LC_INCONSISTENT_WITH_P1_P2: "length of the data does not match P1-P2",
    SW.REFERENCE_DATA_NOT_FOUND: "referenced data or reference data not found",
    SW.FILE_ALREADY_EXISTS: "file already exists",
    SW.DF_NAME_ALREADY_EXISTS: "application name already exists",
    SW.OFFSET_OUTSIDE_FILE: "offset outside the file",
    SW.INS_NOT_SUPPORTED: "instruction not supported",
    SW.CLA_NOT_SUPPORTED: "class not supported",
    SW.NO_PRECISE_DIAGNOSIS: "error without a precise diagnosis",
}

_FAMILIES: dict[int, str] = {
    0x62: "warning, memory unchanged",
    0x63: "warning, memory has changed",
    0x64: "execution error, memory unchanged",
    0x65: "execution error, memory has changed",
    0x66: "security-related issue",
    0x67: "wrong length",
    0x68: "a function in the class byte is not supported",
    0x69: "command not allowed",
    0x6A: "wrong parameters",
    0x6B: "wrong parameters P1-P2",
    0x6D: "instruction not supported",
    0x6E: "class not supported",
    0x6F: "error without a precise diagnosis",
}


def is_counter(sw: int) -> bool:
    """Whether ``sw`` is 63Cx, a failed verification with x tries left."""
    return sw & 0xFFF0 == SW.VERIFY_FAILED


def meaning(sw: int) -> str:
    """Return what a status word says, in plain English, counters included.

    Raises:
        ValueError: ``sw`` is not a 16-bit number.
    """
    if not 0 <= sw <= 0xFFFF:
        raise ValueError(f"a status word has 16 bits, not {sw:#x}")
    sw1, sw2 = sw >> 8, sw & 0xFF
    if sw1 == 0x61:
        return f"{sw2 or '256 or more'} more byte(s) available with GET RESPONSE"
    if sw1 == 0x6C:
        return f"wrong Le, exactly {sw2 or 256} byte(s) available"
    if is_counter(sw):
        tries = sw & 0x0F
        return f"verification failed, {tries} tr{'y' if tries == 1 else 'ies'} left"
    known = _MEANINGS.get(sw)
    if known is not None:
        return known
    if sw1 in (0x62, 0x64) and 0x02 <= sw2 <= 0x80:
        return f"the card has a question of {sw2} bytes for the terminal"
    family = _FAMILIES.get(sw1)
    if family is not None:
        return f"{family} (no meaning standardised for {sw:04X})"
    if sw1 >> 4 == 9:
        return f"proprietary status {sw:04X}"
    return f"{sw:04X} is not a valid status word (ISO/IEC 7816-4 allows 6XXX and 9XXX)"
