"""The bench of one purpose: a world of its own, a reader, and what a scenario does with them.

A scenario is a function with one argument::

    @purpose("TP-PIN-001", version=1, title="A wrong code says how many tries are left",
             requirements=["REQ-PIN-02"])
    def test_pin_001(bench: Bench) -> None:
        secure = bench.tap(bench.phone()).secure()
        bench.expect_sw(secure.send(commands.verify(WRONG_CODE)), 0x63C2, "VERIFY, wrong code")

Nothing is shared between purposes: the clock stands at :data:`START` until ``bench.advance``,
the fund and its phones are made when first asked for and forgotten afterwards. Checks go through
``bench.expect…`` so that a failure says what was expected and what came. A scenario that cannot
reach its purpose raises ``Inconclusive``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import random
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from card_formats.apdu import (
    COMMAND_APDU,
    RESPONSE_APDU,
    SHORT_MAX_DATA,
    SHORT_MAX_LE,
    CommandApdu,
    ResponseApdu,
)
from card_formats.core import FormatError, WireFormat
from card_formats.profile_ecv_sim_1 import Marker, Role
from card_formats.status_words import meaning
from conformance.fund_link import FundResolver
from conformance.link import Link, Secure
from conformance.readers import Device
from conformance.trace import Trace, TracingReader
from conformance.verdicts import Failure, Inconclusive
from firmware_sim.faults.catalogue import Fault
from firmware_sim.fund.service import Fund
from firmware_sim.phone.phone import Phone
from firmware_sim.phone.store import MemoryStore
from reader_drivers.terminal.errors import OppositionError
from reader_drivers.terminal.kit import TerminalKit
from reader_drivers.terminal.opposition import OppositionStore
from reader_drivers.terminal.replay import ReplayStore
from reader_drivers.terminal.terminal import Terminal
from reader_drivers.terminal.verdict import Reason, Verdict

if TYPE_CHECKING:
    from card_formats.grant import DelegationGrant

START = datetime.datetime(2026, 11, 23, 10, 0, tzinfo=datetime.UTC)
"""The instant at which every purpose begins."""

T = TypeVar("T")

CODE = "135790"
WRONG_CODE = "000000"
PROFESSIONAL = "10001234567"
DAY = 86_400


class BenchClock:
    """A clock that stands still until told."""

    def __init__(self) -> None:
        self.now = START.timestamp()

    def __call__(self) -> float:
        return self.now


class Bench:
    """See the module.

    Args:
        device: the reader under test with the place where a phone is put.
        faults: planted in whatever the bench makes (a mutant); none in a campaign.
    """

    def __init__(self, device: Device, faults: Sequence[Fault] = ()) -> None:
        self.device = device
        self.faults = tuple(faults)
        self.clock = BenchClock()
        self.trace = Trace()
        self.reader = TracingReader(device.reader, self.trace)
        self.random_bytes = random.Random(20261123).randbytes
        self._fund: Fund | None = None
        self._kits: dict[tuple[Any, ...], TerminalKit] = {}

    # --- the world ------------------------------------------------------------------------

    @property
    def fund(self) -> Fund:
        """The fund, made on first use."""
        if self._fund is None:
            self._fund = Fund.create(None, self.clock, self.random_bytes)
            self._plant("fund", self._fund)
        return self._fund

    @property
    def now(self) -> int:
        """Epoch seconds on the bench's clock."""
        return int(self.clock())

    @property
    def today(self) -> datetime.date:
        """The day on the bench's clock, UTC."""
        return datetime.datetime.fromtimestamp(self.clock(), datetime.UTC).date()

    def advance(self, seconds: float) -> None:
        """Let time pass, for card, phone, fund and terminal alike."""
        self.clock.now += seconds
        self.trace.event(f"{seconds:g} s pass")

    def phone(
        self,
        person: str = "amelie",
        *,
        code: str = CODE,
        valid_days: int = 365,
        code_on_phone: bool = False,
        marker: Marker = Marker.TEST,
    ) -> Phone:
        """An enrolled, unlocked phone. ``valid_days`` counts from today; negative is expired."""
        phone = Phone.enrol(
            self.fund,
            person,
            code,
            store=MemoryStore(),
            clock=self.clock,
            random_bytes=self.random_bytes,
            marker=marker,
            valid_until=START.date() + datetime.timedelta(days=valid_days),
            code_on_phone=code_on_phone,
        )
        self._plant("phone", phone)
        self._plant("card", phone.card)
        self.trace.event(f"phone enrolled for {person}")
        return phone

    def restarted(self, phone: Phone) -> Phone:
        """The same phone after its application was killed and started again."""
        again = Phone.load(phone.store, self.clock, self.random_bytes, fund=self.fund)
        self._plant("phone", again)
        self._plant("card", again.card)
        again.unlock()
        self.trace.event("the phone's application was killed and started again")
        return again

    def cut_power_after_write(self, phone: Phone) -> None:
        """The next time the phone writes its state, the power fails right after."""
        store = phone.store
        if not isinstance(store, MemoryStore):
            raise TypeError("the bench cuts the power of phones that it made itself")
        quiet = store.step

        def step(point: str) -> None:
            if point == "written":
                store.step = quiet
                self.trace.event("the power fails, right after a write")
                raise ConnectionError("the bench cut the power")

        store.step = step

    def delegated(
        self,
        *,
        days: float = 7,
        starts_in: float = 0,
        roles: Iterable[Role] = (),
    ) -> tuple[Phone, Phone, DelegationGrant]:
        """Delegator, delegate and their grant; the delegate's phone holds the card as entry 2."""
        delegator = self.phone()
        delegate = self.phone("karim")
        begin = self.now + int(starts_in)
        grant = delegator.delegate(
            delegate.serial, begin, begin + int(days * DAY), roles=tuple(roles)
        )
        delegate.update()
        if not any(entry.grant for entry in delegate.state.card.entries.values()):
            raise Inconclusive("the delegate's phone did not receive the card")
        return delegator, delegate, grant

    def delegated_entry(self, phone: Phone) -> int:
        """Index of the delegated entry in this wallet."""
        for entry in phone.state.card.entries.values():
            if entry.grant is not None:
                return entry.index
        raise Inconclusive("the wallet holds no delegated card")

    def _plant(self, scope: str, target: object) -> None:
        for fault in self.faults:
            if fault.scope == scope:
                fault.apply(target)

    # --- terminals ------------------------------------------------------------------------

    def kit(self, role: Role = Role.PHARMACIST, **variant: Any) -> TerminalKit:
        """A terminal kit; ``variant`` as in ``Fund.terminal_kit``, for kits that are not right."""
        key = (role, *sorted(variant.items()))
        if key not in self._kits:
            self._kits[key] = TerminalKit.from_json(
                self.fund.terminal_kit(PROFESSIONAL, role, **variant)
            )
        return self._kits[key]

    def terminal(
        self,
        role: Role = Role.PHARMACIST,
        *,
        mode: Literal["bench", "production"] = "bench",
        online: bool = True,
        opposition: bytes | None = None,
    ) -> Terminal:
        """A terminal with the fund's opposition list of now, or the one given (b"" for none)."""
        kit = self.kit(role)
        store: OppositionStore | None = None
        if opposition != b"":
            store = OppositionStore(kit.trust, self.clock)
            # A list that is refused leaves the terminal without a trusted one: its verdict says so.
            with contextlib.suppress(OppositionError):
                store.load(opposition or self.fund.opposition_list())
        return Terminal(
            kit,
            clock=self.clock,
            opposition=store,
            replay=ReplayStore(),
            mode=mode,
            resolver=FundResolver(self.fund, role) if online else None,
            random_bytes=self.random_bytes,
        )

    # --- the reader -----------------------------------------------------------------------

    def present(self, phone: Phone) -> None:
        """Put the phone on the reader."""
        self.device.present(phone.card, self.random_bytes)
        if self.device.picc is not None:
            self._plant("link", self.device.picc)
        self.trace.event("the phone is put on the reader")

    def remove(self) -> None:
        """Take the phone away."""
        self.device.remove()
        self.trace.event("the phone is taken away")

    def connect(self) -> Link:
        """Activate the card that is there; nothing is selected."""
        self.reader.close()
        return Link(self, self.reader.connect())

    def tap(self, phone: Phone) -> Link:
        """Put the phone on the reader, activate it and select the application."""
        self.present(phone)
        link = self.connect()
        link.select()
        return link

    def acquire(
        self, phone: Phone, terminal: Terminal, code: str | None = CODE, **how: Any
    ) -> Verdict:
        """A whole acquisition by tap; arguments as of ``Terminal.tap``."""
        self.present(phone)
        self.reader.close()
        verdict = terminal.tap(self.reader, code, observer=self.observe, **how)
        self.trace.event(f"verdict: {describe(verdict)}")
        return verdict

    def observe(self, command: CommandApdu, response: ResponseApdu) -> None:
        """Record what secure messaging hides."""
        long = len(command.data) > SHORT_MAX_DATA or (command.le or 0) > SHORT_MAX_LE
        whole = dataclasses.replace(command, extended=command.extended or long)
        self.trace.plain(COMMAND_APDU.build(whole), RESPONSE_APDU.build(response))

    def close(self) -> None:
        """Leave the reader as it was found."""
        try:
            self.reader.close()
        finally:
            self.device.remove()
            if self._fund is not None:
                self._fund.close()

    # --- checks ---------------------------------------------------------------------------

    def expect_sw(self, response: ResponseApdu, expected: int | Iterable[int], what: str) -> None:
        """Fail unless the status word is (one of) the expected."""
        allowed = (expected,) if isinstance(expected, int) else tuple(expected)
        if response.sw not in allowed:
            raise Failure(
                f"status word of {what}",
                " or ".join(_sw_text(sw) for sw in allowed),
                _sw_text(response.sw),
            )

    def expect_equal(self, got: object, expected: object, what: str) -> None:
        """Fail unless both are equal."""
        if got != expected:
            raise Failure(what, _text(expected), _text(got))

    def expect_true(self, condition: bool, what: str, expected: str, got: object) -> None:
        """Fail unless the condition holds; ``expected`` and ``got`` explain it."""
        if not condition:
            raise Failure(what, expected, _text(got))

    def expect_format(self, definition: WireFormat[T], data: bytes, what: str) -> T:
        """The value of these bytes of the implementation; fail if they are not of the format."""
        try:
            return definition.parse(data)
        except FormatError as error:
            expected = f"{definition.name} ({definition.clause})"
            raise Failure(what, expected, f"{_text(data)[:80]}: {error}") from error

    def expect_refused(self, verdict: Verdict, *reasons: Reason) -> None:
        """Fail unless refused with all of these reasons."""
        missing = [reason for reason in reasons if reason not in verdict.reasons]
        if verdict.accepted or missing:
            raise Failure(
                "verdict of the terminal",
                "refused for " + ", ".join(reasons),
                describe(verdict),
            )

    def expect_accepted(self, verdict: Verdict) -> None:
        """Fail unless accepted."""
        if not verdict.accepted:
            raise Failure("verdict of the terminal", "accepted", describe(verdict))

    def expect_raises(
        self,
        error: type[Exception] | tuple[type[Exception], ...],
        act: Callable[[], object],
        what: str,
    ) -> Exception:
        """Fail unless ``act`` raises (one of) these errors; returns it."""
        try:
            outcome = act()
        except error as caught:
            self.trace.event(f"{what}: {caught}")
            return caught
        raise Failure(what, "a refusal", f"done: {_text(outcome)[:60]}")


def describe(verdict: Verdict) -> str:
    """A verdict in words."""
    if verdict.accepted:
        return "accepted"
    reasons = ", ".join(f"{r} ({verdict.details.get(r, '')})" for r in verdict.reasons)
    return f"refused for {reasons}"


def _sw_text(sw: int) -> str:
    return f"{sw:04X} ({meaning(sw)})"


def _text(value: object) -> str:
    return value.hex().upper() or "no bytes" if isinstance(value, bytes) else str(value)


__all__ = ["CODE", "DAY", "START", "WRONG_CODE", "Bench", "Link", "Secure"]
