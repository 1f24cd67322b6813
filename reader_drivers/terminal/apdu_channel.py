"""Plain exchange of APDUs: forms, command chaining, GET RESPONSE (ISO/IEC 7816-4:2020, 5.3)."""

from __future__ import annotations

import dataclasses

from card_formats.apdu import (
    COMMAND_APDU,
    EXTENDED_MAX_LE,
    RESPONSE_APDU,
    SHORT_MAX_DATA,
    SHORT_MAX_LE,
    CommandApdu,
    ResponseApdu,
)
from card_formats.atr import ATR, ATS
from card_formats.core import FormatError
from card_formats.historical import HISTORICAL
from card_formats.status_words import SW, meaning
from reader_drivers.api import CardSession, CommunicationFault

MAX_ROUNDS = 1024
"""GET RESPONSE commands for one answer: four times what 65,536 bytes need."""

_CHAINING = 0x10
_INS_GET_RESPONSE = 0xC0


def announces_extended_length(atr: bytes) -> bool:
    """Whether the historical bytes of an ATR or ATS say that extended Lc and Le are understood."""
    for definition in (ATR, ATS):
        try:
            return HISTORICAL.parse(definition.parse(atr).historical).extended_length
        except FormatError:
            continue
    return False


class ApduChannel:
    """Whole commands and whole answers over a :class:`CardSession`.

    Args:
        session: the card.
        extended: use extended length where it is needed. With False, long data are chained and
            long answers fetched with GET RESPONSE; ``None`` asks the historical bytes.
    """

    def __init__(self, session: CardSession, extended: bool | None = True) -> None:
        self.session = session
        self.extended = announces_extended_length(session.atr) if extended is None else extended

    def wire_form(self, command: CommandApdu) -> CommandApdu:
        """``command`` with its form settled: extended or not, and Le as that form can say it."""
        le = command.le
        longer = len(command.data) > SHORT_MAX_DATA or (le or 0) > SHORT_MAX_LE
        has_lengths = bool(command.data) or le is not None
        if self.extended and has_lengths and (command.extended or longer):
            return dataclasses.replace(command, extended=True)
        cut = None if le is None else min(le, SHORT_MAX_LE)
        return dataclasses.replace(command, extended=False, le=cut)

    def transmit(self, command: CommandApdu) -> ResponseApdu:
        """Send one command, in links where needed, and return its whole answer.

        61xx is followed by GET RESPONSE until all is there; after 6Cxx the command is repeated
        once with the Le the card asks for. A link that is refused ends the chain: its answer is
        returned.

        Raises:
            CommunicationFault: malformed or endless answer.
            CardRemoved: the card left.
        """
        wire = self.wire_form(command)
        response = self._issue(wire)
        if response.sw1 == 0x6C:
            response = self._issue(dataclasses.replace(wire, le=response.sw2 or SHORT_MAX_LE))
            if response.sw1 == 0x6C:
                raise CommunicationFault("the card refuses the Le it asked for (6Cxx twice)")
        return self._collect(response)

    def _issue(self, wire: CommandApdu) -> ResponseApdu:
        if wire.extended or len(wire.data) <= SHORT_MAX_DATA:
            return self._exchange(wire)
        links = [
            wire.data[start : start + SHORT_MAX_DATA]
            for start in range(0, len(wire.data), SHORT_MAX_DATA)
        ]
        for link in links[:-1]:
            response = self._exchange(
                dataclasses.replace(wire, cla=wire.cla | _CHAINING, data=link, le=None)
            )
            if response.sw != SW.OK:
                return response
        return self._exchange(dataclasses.replace(wire, data=links[-1]))

    def _collect(self, response: ResponseApdu) -> ResponseApdu:
        if response.sw1 != 0x61:
            return response
        data = response.data
        for _ in range(MAX_ROUNDS):
            response = self._get_response(response.sw2 or SHORT_MAX_LE)
            if response.sw1 == 0x61 and not response.data:
                raise CommunicationFault("the card announces more data and hands out none")
            data += response.data
            if len(data) > EXTENDED_MAX_LE:
                raise CommunicationFault(f"the card answers more than {EXTENDED_MAX_LE} bytes")
            if response.sw1 != 0x61:
                return ResponseApdu(data if _keeps_data(response.sw) else b"", response.sw)
        raise CommunicationFault(f"the card still announces data after {MAX_ROUNDS} GET RESPONSE")

    def _get_response(self, le: int) -> ResponseApdu:
        command = CommandApdu(0x00, _INS_GET_RESPONSE, 0x00, 0x00, le=le)
        response = self._exchange(command)
        if response.sw1 != 0x6C:
            return response
        response = self._exchange(dataclasses.replace(command, le=response.sw2 or SHORT_MAX_LE))
        if response.sw1 == 0x6C:
            raise CommunicationFault("the card refuses the Le it asked for (6Cxx twice)")
        return response

    def _exchange(self, command: CommandApdu) -> ResponseApdu:
        raw = self.session.transmit(COMMAND_APDU.build(command))
        try:
            response = RESPONSE_APDU.parse(raw)
        except FormatError as error:
            raise CommunicationFault(f"the card answered {len(raw)} byte(s): {error}") from None
        if response.sw1 >> 4 not in (6, 9) or response.sw1 == 0x60:
            raise CommunicationFault(f"the card answered {meaning(response.sw)}")
        if response.sw1 == 0x6C and response.data:
            raise CommunicationFault("the card refuses Le (6Cxx) and answers data all the same")
        if len(response.data) > (command.le or 0):
            raise CommunicationFault(
                f"the card answered {len(response.data)} bytes to a command that asked for at "
                f"most {command.le or 0}"
            )
        return response


def _keeps_data(sw: int) -> bool:
    return sw >> 12 == 9 or sw >> 8 in (0x62, 0x63)
