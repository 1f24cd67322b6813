"""Faults of the card about the code and the life cycle (profile 4.3, 4.8)."""

from __future__ import annotations

from typing import Any

from card_formats.profile_ecv_sim_1 import LifeCycle
from card_formats.status_words import SW
from firmware_sim.card.access import Loss
from firmware_sim.card.e_carte import ECarte
from firmware_sim.card.reply import StatusError
from firmware_sim.card.secret_code import CodeResult
from firmware_sim.faults.catalogue import fault
from firmware_sim.faults.patching import around, nothing, replace, without

_DATE_OF_BIRTH = 0x5F2B


def _keep_code(card: ECarte, *causes: Loss) -> None:
    def make(forget: Any) -> Any:
        return lambda cause: None if cause in causes else forget(cause)

    replace(card.access, "forget_code", make)


def _revive_code(card: ECarte, owner: object, name: str) -> None:
    """A verification there was when ``owner.name`` is called comes back with the next SCP11a."""
    before = {"verified": False}

    def remember(method: Any) -> Any:
        def call(*args: Any) -> Any:
            before["verified"] = card.access.code_verified
            return method(*args)

        return call

    def revive(mutual: Any) -> Any:
        def call(command: Any) -> Any:
            reply = mutual(command)
            if before["verified"]:
                card.access.grant_code()
            return reply

        return call

    replace(owner, name, remember)
    replace(card.authentication, "mutual_authenticate", revive)


# --- the code (profile 4.8) ---


@fault(
    "pin-try-spent-after-comparison",
    "card",
    "Profile 4.8: the try is spent only once the code proved wrong; tearing gives free tries.",
)
def _(card: ECarte) -> None:
    def verify(code: str) -> CodeResult:
        if card.code.matches(code, card.state.code):
            card.code.restore_tries()
            return CodeResult(True, card.code.tries_left, False)
        card.code.spend_try()
        return CodeResult(False, card.code.tries_left, card.code.blocked)

    replace(card.code, "verify", lambda _: verify)


@fault(
    "pin-tries-reset-at-power-on",
    "card",
    "Profile 4.8: the try counter starts again at three with every field-on.",
)
def _(card: ECarte) -> None:
    def call(power_on: Any) -> Any:
        card.state.tries_left = card.profile.code_tries
        return power_on()

    around(card, "power_on", call)


@fault(
    "pin-try-not-on-disk",
    "card",
    "Profile 4.8: a try is spent in memory only; killing the application gives it back.",
)
def _(card: ECarte) -> None:
    def spend() -> None:
        card.state.tries_left -= 1

    replace(card.code, "spend_try", lambda _: spend)


@fault("pin-fourth-try", "card", "Profile 4.8: a fourth try is accepted after 63C0.")
def _(card: ECarte) -> None:
    replace(card.code, "is_blocked", lambda _: lambda: card.state.tries_left < 0)


@fault("pin-counter-always-three", "card", "Profile 4.8: 63Cx always says three tries are left.")
def _(card: ECarte) -> None:
    replace(card.code_commands, "counter", lambda _: lambda left: SW.VERIFY_FAILED | 3)


@fault("pin-tries-not-given-back", "card", "Profile 4.8: a right code gives no tries back.")
def _(card: ECarte) -> None:
    replace(card.code, "restore_tries", lambda _: nothing)


@fault("pin-empty-verify-spends-try", "card", "Profile 4.8: VERIFY without data spends a try.")
def _(card: ECarte) -> None:
    def call(state: Any) -> Any:
        reply = state()
        card.code.spend_try()
        return reply

    around(card.code_commands, "state", call)


@fault(
    "pin-malformed-block-spends-try",
    "card",
    "Profile 4.8: a block that is not of format 2 spends a try.",
)
def _(card: ECarte) -> None:
    def call(verify: Any, command: Any) -> Any:
        try:
            return verify(command)
        except StatusError as error:
            if error.sw == SW.WRONG_DATA:
                card.code.spend_try()
            raise

    around(card.code_commands, "verify", call)


@fault(
    "pin-twelve-digits-accepted",
    "card",
    "Profile 4.8: codes of 9 to 12 digits are compared instead of refused.",
)
def _(card: ECarte) -> None:
    replace(card.code, "is_acceptable", lambda _: lambda code: True)


@fault(
    "pin-wrong-code-keeps-verification",
    "card",
    "Profile 4.8: a wrong code does not take a verification away.",
)
def _(card: ECarte) -> None:
    _keep_code(card, Loss.WRONG_CODE)


@fault("pin-survives-select", "card", "Profile 4.8: the verification survives SELECT by AID.")
def _(card: ECarte) -> None:
    _revive_code(card, card, "select")


@fault("pin-survives-deselect", "card", "Profile 4.8: the verification survives loss of field.")
def _(card: ECarte) -> None:
    _revive_code(card, card, "power_off")


@fault("pin-survives-handshake", "card", "Profile 4.8: the verification survives a handshake.")
def _(card: ECarte) -> None:
    _keep_code(card, Loss.HANDSHAKE, Loss.PLAIN_COMMAND)


@fault("pin-survives-idle", "card", "Profile 4.8: the verification survives 30 s of silence.")
def _(card: ECarte) -> None:
    _keep_code(card, Loss.IDLE)


@fault("two-tokens-per-code", "card", "Profile 8.2: a presence token does not consume the code.")
def _(card: ECarte) -> None:
    _keep_code(card, Loss.TOKEN)


@fault(
    "verify-in-the-clear",
    "card",
    "Profile 4.1: VERIFY is accepted without an SCP11a session.",
)
def _(card: ECarte) -> None:
    def check(method: Any, *args: Any, **kwargs: Any) -> Any:
        with without(card.access, "require_terminal"):
            return method(*args, **kwargs)

    around(card.code_commands, "check", check)


@fault("change-ignores-old-code", "card", "Profile 4.8: CHANGE does not compare the old code.")
def _(card: ECarte) -> None:
    replace(card.code, "change", lambda change: lambda old, new: change(card.state.code, new))


@fault("unblock-use-not-spent", "card", "Profile 4.8: the unblocking code is never used up.")
def _(card: ECarte) -> None:
    replace(card.code, "spend_unblock", lambda _: nothing)


@fault(
    "unblock-leaves-code-verified",
    "card",
    "Profile 4.8: the code counts as verified after RESET RETRY COUNTER.",
)
def _(card: ECarte) -> None:
    def make(forget: Any) -> Any:
        return lambda cause: card.access.grant_code() if cause is Loss.UNBLOCKED else forget(cause)

    replace(card.access, "forget_code", make)


@fault(
    "code-on-phone-ignored",
    "card",
    "Profile 4.8: VERIFY on the reader is accepted although the code is typed on the phone.",
)
def _(card: ECarte) -> None:
    def entry() -> None:
        if card.code.blocked:
            raise StatusError(SW.AUTHENTICATION_BLOCKED)

    replace(card.code_commands, "require_reader_entry", lambda _: entry)


@fault(
    "typed-code-reusable",
    "card",
    "Profile 4.8: a code typed on the phone once counts for every later session.",
)
def _(card: ECarte) -> None:
    typed = {"once": False}

    def take() -> None:
        typed["once"] = typed["once"] or card.holder.take_typed_code()
        if typed["once"]:
            card.access.grant_code()

    replace(card.authentication, "take_typed_code", lambda _: take)


# --- life cycle and the phone (profile 4.3) ---


@fault("expired-card-signs", "card", "Profile 4.3, 8.1: an expired card makes presence tokens.")
def _(card: ECarte) -> None:
    replace(card.access, "require_unexpired", lambda _: nothing)
    replace(card.access, "require_entry_unexpired", lambda _: nothing)


@fault("expired-card-unreadable", "card", "Profile 4.3: an expired card refuses to be read.")
def _(card: ECarte) -> None:
    def call(require: Any) -> Any:
        card.access.require_unexpired()
        return require()

    around(card.reading, "require_reader", call)


@fault("expired-card-selects-6285", "card", "Profile 4.3: expiry is shown at SELECT as opposition.")
def _(card: ECarte) -> None:
    replace(
        card.selection,
        "status",
        lambda status: lambda: SW.FILE_TERMINATED if card.access.is_expired() else status(),
    )


def _select_as(card: ECarte, state: LifeCycle, sw: int) -> None:
    replace(
        card.selection,
        "status",
        lambda status: lambda: sw if card.state.life_cycle is state else status(),
    )


@fault("opposed-card-selects-9000", "card", "Profile 4.3: an opposed card selects with 9000.")
def _(card: ECarte) -> None:
    _select_as(card, LifeCycle.OPPOSED, SW.OK)


@fault("suspended-card-selects-9000", "card", "Profile 4.3: a suspended card selects with 9000.")
def _(card: ECarte) -> None:
    _select_as(card, LifeCycle.SUSPENDED, SW.OK)


@fault("suspended-card-selects-6285", "card", "Profile 4.3: a suspended card says it is opposed.")
def _(card: ECarte) -> None:
    _select_as(card, LifeCycle.SUSPENDED, SW.FILE_TERMINATED)


def _ignore_opposition(card: ECarte, sw: int) -> None:
    def make(require: Any) -> Any:
        return lambda refusal: None if refusal == sw else require(refusal)

    replace(card.access, "require_operational", make)


@fault("opposed-card-verifies-code", "card", "Profile 4.3: an opposed card accepts VERIFY.")
def _(card: ECarte) -> None:
    _ignore_opposition(card, SW.REFERENCE_DATA_NOT_USABLE)


@fault("opposed-card-selects-files", "card", "Profile 4.3: an opposed card lets files be selected.")
def _(card: ECarte) -> None:
    _ignore_opposition(card, SW.SECURITY_NOT_SATISFIED)


@fault(
    "opposed-card-refusal-unexplained",
    "card",
    "Profile 4.5: a refusal for opposition leaves no reason in the status object.",
)
def _(card: ECarte) -> None:
    def require(sw: int) -> None:
        if card.state.life_cycle is not LifeCycle.OPERATIONAL:
            raise StatusError(sw)

    replace(card.access, "require_operational", lambda _: require)


class _NeverLocked:
    """A holder whose screen never seems locked."""

    screen_locked = False

    def __init__(self, holder: Any) -> None:
        self._holder = holder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._holder, name)


@fault("locked-phone-answers", "card", "Profile 4.3: a locked phone answers as if unlocked.")
def _(card: ECarte) -> None:
    replace(card, "holder", _NeverLocked)


@fault("lock-ignored-in-session", "card", "Profile 4.1: a session outlives locking the phone.")
def _(card: ECarte) -> None:
    replace(card, "before_command", lambda _: lambda: card.access.touch())
