"""Faults of the card about APDUs, SELECT and reading (profile 2, 4.1 to 4.3, 4.9)."""

from __future__ import annotations

import dataclasses
from typing import Any

from card_formats.selection import DISCRETIONARY_DATA
from card_formats.status_words import SW
from firmware_sim.card.chaining import CHAINING_BIT
from firmware_sim.card.e_carte import ECarte
from firmware_sim.card.reply import Reply, StatusError
from firmware_sim.card.selection import FCI, FCP, NO_DATA
from firmware_sim.faults.catalogue import fault
from firmware_sim.faults.patching import around, nothing, replace

_NO_EXTENDED_LENGTH = bytes.fromhex("8073C00180")


# --- GET RESPONSE and Le (profile 4.2) ---


@fault("get-response-wrong-6cxx", "card", "Profile 4.2: 6Cxx states one byte too many.")
def _(card: ECarte) -> None:
    def call(counted: Any, family: int) -> Any:
        return counted(family) + (1 if family == SW.WRONG_LE else 0)

    around(card.response_queue, "counted", call)


@fault("get-response-6cxx-loses-data", "card", "Profile 4.2: after 6Cxx the data is gone.")
def _(card: ECarte) -> None:
    def call(get_response: Any, command: Any) -> Any:
        try:
            return get_response(command)
        except StatusError:
            card.response_queue.clear()
            raise

    around(card.response_queue, "get_response", call)


@fault("get-response-loses-data", "card", "Profile 4.2: GET RESPONSE leaves one byte out.")
def _(card: ECarte) -> None:
    def call(get_response: Any, command: Any) -> Any:
        reply = get_response(command)
        return Reply(reply.data[1:], reply.sw)

    around(card.response_queue, "get_response", call)


@fault("get-response-without-pending", "card", "Profile 4.2: GET RESPONSE always answers 9000.")
def _(card: ECarte) -> None:
    def call(get_response: Any, command: Any) -> Any:
        return get_response(command) if card.response_queue.remaining else Reply()

    around(card.response_queue, "get_response", call)


@fault(
    "response-kept-across-commands",
    "card",
    "Profile 4.2: another command does not discard the response data that waits.",
)
def _(card: ECarte) -> None:
    replace(card.response_queue, "clear", lambda _: nothing)


@fault("le-ignored", "card", "Profile 4.2: all response data comes at once, whatever Le says.")
def _(card: ECarte) -> None:
    around(card.response_queue, "answer", lambda answer, reply, le: reply)


@fault("absent-le-answered", "card", "Profile 4.2: a command without Le gets its data at once.")
def _(card: ECarte) -> None:
    around(
        card.response_queue,
        "answer",
        lambda answer, reply, le: reply if le is None else answer(reply, le),
    )


@fault("extended-le-cut", "card", "Profile 4.2: an extended Le never brings more than 256 bytes.")
def _(card: ECarte) -> None:
    def call(answer: Any, reply: Any, le: int | None) -> Any:
        return answer(reply, None if le is None else min(le, 256))

    around(card.response_queue, "answer", call)


@fault("extended-refused", "card", "Profile 2, 4.2: extended lengths answer 6700.")
def _(card: ECarte) -> None:
    def call(read: Any, command: Any) -> Any:
        if command.extended:
            raise StatusError(SW.WRONG_LENGTH)
        return read(command)

    around(card, "read_class", call)


@fault("historical-no-extended", "card", "Profile 2: the historical bytes deny extended lengths.")
def _(card: ECarte) -> None:
    def call(power_on: Any) -> bytes:
        power_on()
        return _NO_EXTENDED_LENGTH

    around(card, "power_on", call)


# --- command chaining (profile 4.2) ---


@fault("chaining-accepts-changed-ins", "card", "Profile 4.2: a link may have another instruction.")
def _(card: ECarte) -> None:
    def call(header: Any, command: Any) -> Any:
        return header(dataclasses.replace(command, ins=0))

    around(card.chaining, "header", call)


@fault("chaining-accepts-changed-p1-p2", "card", "Profile 4.2: a link may have another P1-P2.")
def _(card: ECarte) -> None:
    def call(header: Any, command: Any) -> Any:
        return header(dataclasses.replace(command, p1=0, p2=0))

    around(card.chaining, "header", call)


@fault("chaining-refused", "card", "Profile 2, 4.2: command chaining answers 6884.")
def _(card: ECarte) -> None:
    def call(read: Any, command: Any) -> Any:
        if command.cla & CHAINING_BIT:
            raise StatusError(SW.CHAINING_NOT_SUPPORTED)
        return read(command)

    around(card, "read_class", call)


@fault("chaining-keeps-last-link", "card", "Profile 4.2: only the last link of a chain is used.")
def _(card: ECarte) -> None:
    def call(feed: Any, command: Any) -> Any:
        return None if feed(command) is None else command

    around(card.chaining, "feed", call)


# --- class and instruction (profile 4, 4.1) ---


@fault("unknown-instruction-9000", "card", "Profile 4: an unknown instruction answers 9000.")
def _(card: ECarte) -> None:
    def call(handler: Any, kind: Any, command: Any) -> Any:
        try:
            return handler(kind, command)
        except StatusError as error:
            if error.sw != SW.INS_NOT_SUPPORTED:
                raise
            return lambda _: Reply()

    around(card, "handler", call)


@fault("foreign-class-accepted", "card", "Profile 4: class A0 is taken as class 00.")
def _(card: ECarte) -> None:
    def call(read: Any, command: Any) -> Any:
        foreign = command.cla & 0xE0 == 0xA0
        return read(dataclasses.replace(command, cla=0x00) if foreign else command)

    around(card, "read_class", call)


@fault("logical-channel-accepted", "card", "Profile 4: another logical channel is taken as the 0.")
def _(card: ECarte) -> None:
    def call(read: Any, command: Any) -> Any:
        return read(dataclasses.replace(command, cla=command.cla & ~0x03))

    around(card, "read_class", call)


@fault("manage-channel-opens", "card", "Profile 4.1: MANAGE CHANNEL opens a logical channel.")
def _(card: ECarte) -> None:
    replace(card, "manage_channel", lambda _: lambda command: Reply(b"\x01"))


@fault("commands-before-select", "card", "Profile 4.1: commands run before the SELECT.")
def _(card: ECarte) -> None:
    replace(card, "is_selected", lambda _: lambda: True)


@fault("challenge-constant", "card", "Profile 4.1: GET CHALLENGE gives the same bytes every time.")
def _(card: ECarte) -> None:
    def call(get: Any, command: Any) -> Any:
        return Reply(bytes(len(get(command).data)))

    around(card, "get_challenge", call)


@fault("challenge-length-ignored", "card", "Profile 4.1: GET CHALLENGE always gives eight bytes.")
def _(card: ECarte) -> None:
    around(card, "get_challenge", lambda get, command: Reply(get(command).data.ljust(8)[:8]))


# --- SELECT (profile 4.3) ---


@fault("select-any-aid", "card", "Profile 4.3: SELECT of another application succeeds.")
def _(card: ECarte) -> None:
    replace(card.selection, "is_named", lambda _: lambda aid: True)


@fault("select-partial-aid-refused", "card", "Profile 4.3: a partial AID is not found.")
def _(card: ECarte) -> None:
    replace(card.selection, "is_named", lambda _: lambda aid: aid == card.profile.aid)


@fault("select-short-partial-aid", "card", "Profile 4.3: a partial AID of one byte is enough.")
def _(card: ECarte) -> None:
    replace(card.selection, "is_named", lambda _: lambda aid: card.profile.aid.startswith(aid))


@fault("select-next-occurrence", "card", "Profile 4.3: P2 02 finds the application once more.")
def _(card: ECarte) -> None:
    def call(select: Any, command: Any) -> Any:
        return select(dataclasses.replace(command, p2=FCI) if command.p2 == 2 else command)

    around(card.selection, "select_application", call)


@fault("select-no-data-gives-fci", "card", "Profile 4.3: P2 0C returns the FCI all the same.")
def _(card: ECarte) -> None:
    for name in ("describe_application", "describe_current"):
        around(card.selection, name, lambda describe, p2: describe(FCI if p2 == NO_DATA else p2))


@fault("select-fcp-gives-fci", "card", "Profile 4.3: P2 04 returns 6F instead of 62.")
def _(card: ECarte) -> None:
    for name in ("describe_application", "describe_current"):
        around(card.selection, name, lambda describe, p2: describe(FCI if p2 == FCP else p2))


@fault("select-keeps-session", "card", "Profile 4.3: SELECT by AID does not end the session.")
def _(card: ECarte) -> None:
    def call(select: Any, command: Any) -> Any:
        session, verified = card.secure_channel.session, card.access.code_verified
        reply = select(command)
        if session is not None and command.p1 == 4:
            card.secure_channel.session = session
            card.access.code_verified = verified
        return reply

    around(card, "select", call)


# --- reading (profile 4.9) ---


@fault("offset-past-end-9000", "card", "Profile 4.9: an offset past the end answers 9000, empty.")
def _(card: ECarte) -> None:
    def call(cut: Any, content: bytes, offset: int, *args: Any, **kwargs: Any) -> Any:
        return Reply() if offset >= len(content) else cut(content, offset, *args, **kwargs)

    around(card.reading, "cut", call)


@fault("short-read-warning-missing", "card", "Profile 4.2: reading past the end says 9000.")
def _(card: ECarte) -> None:
    around(card.reading, "cut", lambda cut, *args, **kwargs: Reply(cut(*args, **kwargs).data))


@fault("short-read-warning-always", "card", "Profile 4.2: Le 00 past the end says 6282.")
def _(card: ECarte) -> None:
    def call(cut: Any, content: bytes, offset: int, wanted: int | None, most: int) -> Any:
        return cut(content, offset, most if wanted is None else wanted, most)

    around(card.reading, "cut", call)


@fault("read-ignores-offset", "card", "Profile 4.9: READ BINARY always reads from the start.")
def _(card: ECarte) -> None:
    def call(cut: Any, content: bytes, offset: int, *args: Any, **kwargs: Any) -> Any:
        return cut(content, 0, *args, **kwargs)

    around(card.reading, "cut", call)


@fault("read-ignores-le", "card", "Profile 4.9: READ BINARY reads to the end whatever Le says.")
def _(card: ECarte) -> None:
    replace(card.reading, "explicit_le", lambda _: lambda command: None)


@fault("sfi-does-not-select", "card", "Profile 4.9: reading by SFI leaves no EF current.")
def _(card: ECarte) -> None:
    def call(make_current: Any, file: Any) -> Any:
        before = card.selection.ef
        found = make_current(file)
        card.selection.ef = before
        return found

    around(card.reading, "make_current", call)


@fault("odd-read-without-template", "card", "Profile 4.9: odd READ BINARY answers without DO 53.")
def _(card: ECarte) -> None:
    def call(read: Any, command: Any) -> Any:
        reply = read(command)
        return Reply(DISCRETIONARY_DATA.parse(reply.data), reply.sw)

    around(card.reading, "read_binary_odd", call)


@fault("tag-list-order-ignored", "card", "Profile 4.9: GET DATA answers in an order of its own.")
def _(card: ECarte) -> None:
    def call(get: Any, command: Any) -> Any:
        head, tags = command.data[:2], command.data[2:]
        return get(dataclasses.replace(command, data=head + bytes(sorted(tags))))

    around(card.reading, "get_data_objects", call)
