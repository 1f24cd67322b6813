"""Faults of the card about access, delegation and the presence token (profile 4.5, 5, 7, 8)."""

from __future__ import annotations

import dataclasses
from typing import Any

from card_formats import ber_tlv
from card_formats.data_objects import IDENTITY, USAGE
from card_formats.presence_token import PresenceToken
from card_formats.profile_ecv_sim_1 import Fid, RefusalReason, Role
from card_formats.status_words import SW
from firmware_sim.card.e_carte import ECarte
from firmware_sim.card.reply import Reply, StatusError
from firmware_sim.card.secure_messaging import Protocol
from firmware_sim.card.terminal_chain import Terminal
from firmware_sim.faults.catalogue import fault
from firmware_sim.faults.patching import around, nothing, replace, without

_DATE_OF_BIRTH = 0x5F2B


# --- who may read what (profile 5.1) ---


@fault("wallet-readable-without-code", "card", "Profile 5.1: EF.WALLET is read without the code.")
def _(card: ECarte) -> None:
    def call(read: Any, command: Any) -> Any:
        verified = card.access.code_verified
        is_wallet = card.selection.df is None and command.p1 == 0x90
        card.access.code_verified = verified or is_wallet
        try:
            return read(command)
        finally:
            card.access.code_verified = verified

    around(card.reading, "read_binary", call)


@fault(
    "identity-readable-under-scp11b",
    "card",
    "Profile 4.1, 5.1: SCP11b, which proves nobody, opens the holder's data.",
)
def _(card: ECarte) -> None:
    def terminal(require: Any) -> Any:
        def call() -> Any:
            session = card.access.require_session()
            if session.protocol is Protocol.SCP11B:
                key = card.key_pool.current().private_key.public_key()
                return Terminal("0" * 11, Role.PHARMACIST, key)
            return require()

        return call

    def code(require: Any) -> Any:
        def call() -> Any:
            if card.access.require_session().protocol is not Protocol.SCP11B:
                require()

        return call

    replace(card.access, "require_terminal", terminal)
    replace(card.access, "require_code", code)


@fault("file-selectable-in-the-clear", "card", "Profile 5.1: SELECT of a file needs no session.")
def _(card: ECarte) -> None:
    def select(method: Any, command: Any) -> Any:
        with without(card.access, "require_terminal"):
            return method(command)

    around(card.selection, "select_file", select)


@fault("status-without-session", "card", "Profile 4.5: the status object is readable in the clear.")
def _(card: ECarte) -> None:
    replace(card.access, "require_session", lambda _: lambda: card.secure_channel.session)
    replace(card.access, "require_terminal", _terminal_of(card))


def _terminal_of(card: ECarte) -> Any:
    def make(require: Any) -> Any:
        def call() -> Any:
            if card.secure_channel.session is None:
                raise StatusError(SW.SECURITY_NOT_SATISFIED)
            return require()

        return call

    return make


def _open_file(card: ECarte, fid: Fid) -> None:
    def make(require: Any) -> Any:
        return lambda file, terminal: None if file.fid is fid else require(file, terminal)

    replace(card.access, "require_role", make)


@fault("cover-readable-by-fund-agent", "card", "Profile 5.1: a fund agent reads EF.COVER.")
def _(card: ECarte) -> None:
    _open_file(card, Fid.COVER)


@fault("usage-readable-by-pharmacist", "card", "Profile 5.1: a pharmacist reads EF.USAGE.")
def _(card: ECarte) -> None:
    _open_file(card, Fid.USAGE)


@fault("birth-date-in-identity", "card", "Profile 6.1: EF.IDENTITY holds the date of birth.")
def _(card: ECarte) -> None:
    def call(content: Any, entry: Any, fid: Any) -> Any:
        data = content(entry, fid)
        if fid is not Fid.IDENTITY or data is None:
            return data
        (template,) = ber_tlv.decode(data)
        birth = ber_tlv.encode(_DATE_OF_BIRTH, bytes.fromhex("19550210"))
        return ber_tlv.encode(template.tag, template.value + birth)

    around(card.files, "entry_file", call)


@fault("name-in-fci", "card", "Profile 4.3: the FCI tells the holder's name before any session.")
def _(card: ECarte) -> None:
    def label() -> str:
        name = IDENTITY.parse(card.state.entries[1].files[Fid.IDENTITY]).surname
        return name.encode()[:32].decode(errors="ignore")

    replace(card.selection, "label", lambda _: label)


@fault("serial-in-fci", "card", "Profile 4.3: the FCI tells the card serial before any session.")
def _(card: ECarte) -> None:
    replace(card.selection, "label", lambda _: lambda: f"e-carte {card.state.serial.hex()}")


@fault(
    "status-forgets-refusal",
    "card",
    "Profile 4.5: the status object never says why the card refused.",
)
def _(card: ECarte) -> None:
    def make(status: Any) -> Any:
        return lambda: dataclasses.replace(status(), last_refusal=RefusalReason.NONE)

    replace(card.access, "status", make)


# --- delegation (profile 5.1, 7) ---


@fault("grant-window-ignored", "card", "Profile 5.1: a grant serves before and after its window.")
def _(card: ECarte) -> None:
    replace(card.delegation, "is_early", lambda _: lambda grant: False)
    replace(card.delegation, "is_over", lambda _: lambda grant, entry: False)


@fault("grant-scope-ignored", "card", "Profile 5.1: a grant serves professions outside its scope.")
def _(card: ECarte) -> None:
    replace(card.delegation, "covers", lambda _: lambda grant, entry, role: True)


@fault("revoked-grant-served", "card", "Profile 8.1: a revoked grant still serves.")
def _(card: ECarte) -> None:
    replace(card.delegation, "is_revoked", lambda _: lambda entry: False)


# --- the presence token (profile 8) ---


def _change_token(card: ECarte, **changes: object) -> None:
    def make(token: Any) -> Any:
        return lambda *args: dataclasses.replace(token(*args), **changes)

    replace(card.presence, "token", make)


@fault("presence-counter-frozen", "card", "Profile 8.2: the usage counter does not rise.")
def _(card: ECarte) -> None:
    replace(card.presence, "next_counter", lambda _: lambda entry: entry.usage_counter)


@fault(
    "presence-not-on-disk",
    "card",
    "Profile 8.2: the counter and the log are not on disk before the answer.",
)
def _(card: ECarte) -> None:
    replace(card.presence, "_commit", lambda _: nothing)


@fault("presence-challenge-ignored", "card", "Profile 8.2: the token holds a challenge of zeros.")
def _(card: ECarte) -> None:
    _change_token(card, challenge=bytes(16))


@fault("presence-wrong-professional", "card", "Profile 8.2: the token names another professional.")
def _(card: ECarte) -> None:
    _change_token(card, professional="0" * 11)


@fault("presence-wrong-role", "card", "Profile 8.2: the token always says fund agent.")
def _(card: ECarte) -> None:
    _change_token(card, role=Role.FUND_AGENT)


@fault("presence-time-zero", "card", "Profile 8.2: the token's time is zero.")
def _(card: ECarte) -> None:
    _change_token(card, time=0)


@fault("presence-names-own-card", "card", "Profile 8.2: the entry serial is always the signer's.")
def _(card: ECarte) -> None:
    _change_token(card, entry_serial=card.state.serial)


@fault("presence-hides-delegation", "card", "Profile 8.2: a delegated use looks like one's own.")
def _(card: ECarte) -> None:
    _change_token(card, delegated=False, grant_id=bytes(8))


@fault("presence-signature-broken", "card", "Profile 8.2: the token's signature does not verify.")
def _(card: ECarte) -> None:
    def call(sign: Any, token: PresenceToken) -> bytes:
        signed: bytes = sign(token)
        return signed[:-1] + bytes([signed[-1] ^ 1])

    around(card.presence, "sign", call)


@fault("presence-without-code", "card", "Profile 4.1: a presence token is made without the code.")
def _(card: ECarte) -> None:
    def compute(method: Any, command: Any) -> Any:
        with without(card.access, "require_code"):
            return method(command)

    around(card.presence, "compute_signature", compute)


@fault("usage-log-oldest-first", "card", "Profile 6.4: the usage log is not newest first.")
def _(card: ECarte) -> None:
    def call(record: Any, entry: Any, terminal: Any, now: Any) -> None:
        before = USAGE.parse(entry.usage_log).uses if entry.usage_log else ()
        record(entry, terminal, now)
        log = USAGE.parse(entry.usage_log)
        uses = (*before, log.uses[0])[-card.profile.usage_log_entries :]
        entry.usage_log = USAGE.build(dataclasses.replace(log, uses=uses))

    around(card.presence, "record", call)


@fault("usage-not-logged", "card", "Profile 8.2: a presence token leaves no line in the usage log.")
def _(card: ECarte) -> None:
    def call(record: Any, entry: Any, terminal: Any, now: Any) -> None:
        log = entry.usage_log
        record(entry, terminal, now)
        entry.usage_log = log

    around(card.presence, "record", call)


@fault("unknown-entry-is-own", "card", "Profile 8.1: an unknown wallet entry signs as entry 1.")
def _(card: ECarte) -> None:
    def call(compute: Any, command: Any) -> Any:
        try:
            return compute(command)
        except StatusError as error:
            if error.sw != SW.REFERENCE_DATA_NOT_FOUND:
                raise
            return compute(dataclasses.replace(command, data=b"\x01" + command.data[1:]))

    around(card.presence, "compute_signature", call)


@fault("reading-refused-9000", "card", "Profile 4.9: a refused READ BINARY answers 9000, empty.")
def _(card: ECarte) -> None:
    def call(read: Any, command: Any) -> Any:
        try:
            return read(command)
        except StatusError:
            return Reply()

    around(card.reading, "read_binary", call)
