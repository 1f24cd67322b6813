"""APDUs over T=0: what a host must do when its reader passes TPDUs (ISO/IEC 7816-3:2006, 12.2)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from card_formats.apdu import (
    COMMAND_APDU,
    RESPONSE_APDU,
    SHORT_MAX_DATA,
    SHORT_MAX_LE,
    CommandApdu,
    ResponseApdu,
)
from card_formats.t0_tpdu import INS_GET_RESPONSE
from reader_drivers.api import CommunicationFault

_CHANNEL = 0x03
_MAX_STEPS = 300
"""GET RESPONSE commands for one response: 300 × 256 is more than any response has."""


def t0_transmit(send: Callable[[bytes], bytes], command: bytes) -> bytes:
    """Send one APDU to a T=0 card, return its response as if T=0 were not there.

    Le is held back after data; 6Cxx is answered by the command with the right length, 61xx by
    GET RESPONSE until Le bytes have come.

    Args:
        send: carries a TPDU and gives what the card answered, at least a status word.
        command: the APDU; an extended one goes if its data and Le allow the short form.

    Raises:
        CommunicationFault: the command does not fit, or the card never comes to an end.
    """
    apdu = COMMAND_APDU.parse(command)
    if len(apdu.data) > SHORT_MAX_DATA:
        raise CommunicationFault(
            f"{len(apdu.data)} bytes of data do not fit a command for a T=0 card "
            f"(at most {SHORT_MAX_DATA}): chain the command, or use a card or reader of T=1"
        )
    response = RESPONSE_APDU.parse(send(_first(apdu)))
    if response.sw1 == 0x6C and apdu.le is not None and not apdu.data:
        again = dataclasses.replace(_short(apdu), le=response.sw2 or SHORT_MAX_LE)
        response = RESPONSE_APDU.parse(send(COMMAND_APDU.build(again)))
    if apdu.le is None:
        return RESPONSE_APDU.build(response)
    return RESPONSE_APDU.build(_collected(send, apdu, response))


def _short(apdu: CommandApdu) -> CommandApdu:
    le = None if apdu.le is None else min(apdu.le, SHORT_MAX_LE)
    return dataclasses.replace(apdu, le=le, extended=False)


def _first(apdu: CommandApdu) -> bytes:
    short = _short(apdu)
    return COMMAND_APDU.build(dataclasses.replace(short, le=None) if apdu.data else short)


def _collected(
    send: Callable[[bytes], bytes], apdu: CommandApdu, response: ResponseApdu
) -> ResponseApdu:
    wanted = apdu.le or 0
    data = response.data
    for _ in range(_MAX_STEPS):
        if response.sw1 != 0x61 or len(data) >= wanted:
            return ResponseApdu(data, response.sw)
        size = min(response.sw2 or SHORT_MAX_LE, wanted - len(data))
        fetch = CommandApdu(apdu.cla & _CHANNEL, INS_GET_RESPONSE, 0, 0, le=size)
        response = RESPONSE_APDU.parse(send(COMMAND_APDU.build(fetch)))
        if response.sw1 == 0x6C:
            fetch = dataclasses.replace(fetch, le=response.sw2 or SHORT_MAX_LE)
            response = RESPONSE_APDU.parse(send(COMMAND_APDU.build(fetch)))
        data += response.data
    raise CommunicationFault("the card announces more data without end (61xx): connect anew")
