"""Faults of the card about secure messaging (profile 3.5)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from card_formats.status_words import SW
from firmware_sim.card.dispatch import INS_SELECT
from firmware_sim.card.e_carte import ECarte
from firmware_sim.card.reply import Reply, StatusError
from firmware_sim.card.secure_messaging import SecureSession
from firmware_sim.faults.catalogue import fault
from firmware_sim.faults.patching import around, nothing, replace


def _flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def _in_every_session(card: ECarte, patch: Callable[[SecureSession], None]) -> None:
    def call(open_session: Any, session: SecureSession) -> None:
        patch(session)
        open_session(session)

    around(card.secure_channel, "open", call)


@fault("c-mac-not-checked", "card", "Profile 3.5: the C-MAC of a command is not checked.")
def _(card: ECarte) -> None:
    _in_every_session(
        card, lambda session: replace(session, "macs_agree", lambda _: lambda a, b: True)
    )


@fault("c-mac-first-four-bytes", "card", "Profile 3.5: only half of the C-MAC is compared.")
def _(card: ECarte) -> None:
    def compare(expected: bytes, received: bytes) -> bool:
        return expected[:4] == received[:4]

    _in_every_session(card, lambda session: replace(session, "macs_agree", lambda _: compare))


@fault("r-mac-wrong", "card", "Profile 3.5: the R-MAC does not verify.")
def _(card: ECarte) -> None:
    def patch(session: SecureSession) -> None:
        around(session, "response_mac", lambda method, *args: _flip(method(*args)))

    _in_every_session(card, patch)


@fault("r-mac-missing", "card", "Profile 3.5: an answer without data carries no R-MAC.")
def _(card: ECarte) -> None:
    def patch(session: SecureSession) -> None:
        around(session, "wrap", lambda wrap, reply: wrap(reply) if reply.data else reply)

    _in_every_session(card, patch)


@fault("r-mac-on-errors", "card", "Profile 3.5: an error status comes with an R-MAC.")
def _(card: ECarte) -> None:
    def patch(session: SecureSession) -> None:
        def call(wrap: Any, reply: Reply) -> Reply:
            wrapped: Reply = wrap(reply)
            if wrapped.data:
                return wrapped
            return Reply(session.response_mac(b"", reply.sw), reply.sw)

        around(session, "wrap", call)

    _in_every_session(card, patch)


@fault("response-in-the-clear", "card", "Profile 3.5: response data is not encrypted.")
def _(card: ECarte) -> None:
    _in_every_session(
        card, lambda session: replace(session, "encrypt", lambda _: lambda data: data)
    )


@fault("counter-not-incremented", "card", "Profile 3.5: the encryption counter stays at one.")
def _(card: ECarte) -> None:
    def patch(session: SecureSession) -> None:
        replace(session, "count", lambda _: lambda: setattr(session, "counter", 1))

    _in_every_session(card, patch)


@fault(
    "counter-skips-empty-commands",
    "card",
    "Profile 3.5: a command without data does not increment the encryption counter.",
)
def _(card: ECarte) -> None:
    def patch(session: SecureSession) -> None:
        def unwrap(method: Any, command: Any) -> Any:
            plain = method(command)
            if not plain.data:
                session.counter -= 1
            return plain

        around(session, "unwrap", unwrap)

    _in_every_session(card, patch)


@fault("wrong-padding-accepted", "card", "Profile 3.5: the padding of a command is not checked.")
def _(card: ECarte) -> None:
    def patch(session: SecureSession) -> None:
        def call(decrypt: Any, encrypted: bytes) -> Any:
            try:
                return decrypt(encrypted)
            except StatusError:
                return b""

        around(session, "decrypt", call)

    _in_every_session(card, patch)


@fault(
    "replayed-command-accepted",
    "card",
    "Profile 3.5: a secured command sent again, byte for byte, is run again.",
)
def _(card: ECarte) -> None:
    def patch(session: SecureSession) -> None:
        last: dict[str, Any] = {}

        def call(unwrap: Any, command: Any) -> Any:
            if command == last.get("command"):
                return last["plain"]
            plain = unwrap(command)
            last.update(command=command, plain=plain)
            return plain

        around(session, "unwrap", call)

    _in_every_session(card, patch)


@fault(
    "session-survives-mac-error",
    "card",
    "Profile 3.5: a wrong C-MAC is refused but does not end the session.",
)
def _(card: ECarte) -> None:
    replace(card, "message_failed", lambda _: nothing)


@fault(
    "plain-command-accepted-in-session",
    "card",
    "Profile 3.5: a command without secure messaging is run with the rights of the session.",
)
def _(card: ECarte) -> None:
    replace(card, "is_free_in_session", lambda _: lambda kind, command: True)


@fault(
    "session-survives-plain-command",
    "card",
    "Profile 3.5: a plain command is refused but does not end the session.",
)
def _(card: ECarte) -> None:
    def call(run: Any, kind: Any, command: Any) -> Any:
        session = card.secure_channel.session
        if kind.secured or kind.proprietary or command.ins == INS_SELECT:
            return run(kind, command)
        card.secure_channel.close()
        try:
            return run(kind, command)
        finally:
            card.secure_channel.session = session

    replace(card, "is_free_in_session", lambda _: lambda kind, command: True)
    around(card, "run", call)


@fault(
    "secured-command-without-session",
    "card",
    "Profile 3.5: CLA 04 without a session is taken as CLA 00.",
)
def _(card: ECarte) -> None:
    def call(read: Any, command: Any) -> Any:
        kind = read(command)
        if card.secure_channel.is_open:
            return kind
        return dataclasses.replace(kind, secured=False)

    around(card, "read_class", call)


@fault("iso-secure-messaging-ignored", "card", "Profile 3.5: CLA 0C is taken as CLA 00.")
def _(card: ECarte) -> None:
    def call(read: Any, command: Any) -> Any:
        return read(dataclasses.replace(command, cla=command.cla & ~0x08))

    around(card, "read_class", call)


@fault("malformed-body-6982", "card", "Profile 3.5: a body of wrong size answers 6982, not 6988.")
def _(card: ECarte) -> None:
    def patch(session: SecureSession) -> None:
        def call(unwrap: Any, command: Any) -> Any:
            try:
                return unwrap(command)
            except StatusError as error:
                raise StatusError(SW.SECURITY_NOT_SATISFIED) from error

        around(session, "unwrap", call)

    _in_every_session(card, patch)
