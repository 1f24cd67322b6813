"""What an APDU is called and what it says, in words for traces and failure texts."""

from __future__ import annotations

from card_formats.apdu import COMMAND_APDU, CommandApdu
from card_formats.ber_tlv import decode
from card_formats.core import FormatError
from card_formats.profile_ecv_sim_1 import ECV_SIM_1, Fid

SECRET_INSTRUCTIONS = frozenset({0x20, 0x24, 0x2C})
"""VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER: their data are codes."""

_SELECT = {
    0x00: "SELECT by file identifier",
    0x01: "SELECT child DF",
    0x02: "SELECT EF",
    0x03: "SELECT parent DF",
    0x04: "SELECT by AID",
    0x09: "SELECT by path",
}
_BY_HEADER = {
    (0xCA, 0xBF, 0x21): "GET DATA certificates BF21",
    (0xCA, 0xDF, 0x20): "GET DATA status DF20",
    (0xCB, 0x3F, 0xFF): "GET DATA by tag list",
    (0x2A, 0x9E, 0x9A): "PSO COMPUTE DIGITAL SIGNATURE",
    (0x2A, 0x01, 0x10): "PSO VERIFY CERTIFICATE (last)",
    (0x2A, 0x01, 0x90): "PSO VERIFY CERTIFICATE (more follow)",
}
_BY_INSTRUCTION = {
    0x20: "VERIFY",
    0x24: "CHANGE REFERENCE DATA",
    0x2A: "PERFORM SECURITY OPERATION",
    0x2C: "RESET RETRY COUNTER",
    0x70: "MANAGE CHANNEL",
    0x82: "MUTUAL AUTHENTICATE",
    0x84: "GET CHALLENGE",
    0x88: "INTERNAL AUTHENTICATE",
    0xB0: "READ BINARY",
    0xB1: "READ BINARY (odd)",
    0xC0: "GET RESPONSE",
    0xCA: "GET DATA",
    0xCB: "GET DATA (odd)",
}
_MAX_TEXT = 400


def command_name(command: bytes) -> str:
    """Name of a command from its header; says "secured" under secure messaging."""
    if len(command) < 4:
        return f"{len(command)} byte(s), no command"
    cla, ins, p1, p2 = command[:4]
    if ins == 0xA4:
        name = _SELECT.get(p1, "SELECT") + _selected(command)
    else:
        name = _BY_HEADER.get((ins, p1, p2)) or _BY_INSTRUCTION.get(ins, f"INS {ins:02X}")
    if cla & 0x10 and cla < 0xC0:
        name += ", link of a chain"
    return f"{name}, secured" if cla in (0x04, 0x84, 0x14, 0x94) else name


def _selected(command: bytes) -> str:
    try:
        data = COMMAND_APDU.parse(command).data
    except FormatError:
        return ""
    if data == ECV_SIM_1.aid:
        return " e_carte"
    if len(data) == 2:
        fid = int.from_bytes(data, "big")
        if Fid.ENTRY_BASE < fid <= Fid.ENTRY_BASE + 0xFF:
            return f" entry {fid - Fid.ENTRY_BASE}"
        name = next((known.name for known in Fid if known == fid), "")
        return f" EF.{name}" if name else f" {fid:04X}"
    return f" {data.hex().upper()}" if data else ""


def mask(command: bytes) -> str:
    """Hexadecimal text of a command in which codes are stars.

    A malformed command of these instructions is masked from its fifth byte on.
    """
    if len(command) < 5 or command[1] not in SECRET_INSTRUCTIONS or command[0] & 0x04:
        return command.hex().upper()
    try:
        parsed = COMMAND_APDU.parse(command)
    except FormatError:
        return command[:4].hex().upper() + "**" * (len(command) - 4)
    start = (7 if parsed.extended else 5) if parsed.data else len(command)
    end = start + len(parsed.data)
    return command[:start].hex().upper() + "**" * (end - start) + command[end:].hex().upper()


def describe(command: CommandApdu | bytes) -> str:
    """A command in one line for a failure text: name and masked bytes."""
    raw = command if isinstance(command, bytes) else COMMAND_APDU.build(command)
    text = mask(raw)
    return f"{command_name(raw)} ({text if len(text) <= 80 else text[:77] + '…'})"


def tlv_text(data: bytes) -> str:
    """Data objects in one line, ``6F{84=F045… 50="e-carte…"}``; empty if it is no BER-TLV."""
    try:
        text = _tlv(data)
    except FormatError:
        return ""
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"


def _tlv(data: bytes) -> str:
    parts = []
    for item in decode(data):
        if item.is_constructed:
            parts.append(f"{item.tag:X}{{{_tlv(item.value)}}}")
        else:
            parts.append(f"{item.tag:X}={_value(item.value)}")
    return " ".join(parts)


def _value(value: bytes) -> str:
    text = value.decode("ascii", "replace")
    if len(value) > 3 and text.isascii() and text.isprintable():
        return f'"{text}"'
    return value.hex().upper() or "empty"
