"""The calls of PC/SC that the driver uses, each with a time limit.

PC/SC itself has none: a card that never answers, or a reader that hangs, holds its caller for
minutes or for ever. Here a call that does not come back in time is left to its thread.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
_Outcome = tuple[Any, BaseException | None]


class PcscFailure(Exception):
    """A call that failed.

    Attributes:
        code: SCARD_E_… or SCARD_W_… as an unsigned 32-bit number.
    """

    def __init__(self, what: str, code: int, text: str) -> None:
        self.code = code & 0xFFFF_FFFF
        super().__init__(f"{what}: {text or 'unknown error'} ({self.code:08X})")


class Overdue(Exception):
    """A call did not come back in time."""


class _Worker:
    """A thread that makes one call at a time."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[_Outcome] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="pcsc", daemon=True).start()

    def call(self, function: Callable[[], T], limit: float) -> T:
        """The result of ``function``. Raises Overdue."""
        self._calls.put(function)
        try:
            result, error = self._outcomes.get(timeout=limit)
        except queue.Empty:
            raise Overdue(f"no answer within {limit:g} s") from None
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def end(self, last: Callable[[], Any] | None = None) -> None:
        """Let the thread end, after one ``last`` call that nobody waits for."""
        if last is not None:
            self._calls.put(last)
        self._calls.put(None)

    def _run(self) -> None:
        while (function := self._calls.get()) is not None:
            try:
                self._outcomes.put((function(), None))
            except BaseException as error:
                self._outcomes.put((None, error))


class PcscCalls:
    """One context of PC/SC.

    Args:
        scard: pyscard's module ``smartcard.scard``.
        limit: seconds any call may take, unless said otherwise.

    Attributes:
        broken: a call did not come back: everything after it fails; make a new object.
    """

    def __init__(self, scard: Any, limit: float) -> None:
        self.scard = scard
        self.limit = limit
        self.broken = False
        self._worker = _Worker()
        self._context: Any = None
        self._context = self._checked(
            "the PC/SC service does not answer",
            lambda: scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM),
        )

    def close(self) -> None:
        """Release the context."""
        if not self.broken:
            self.broken = True
            self._worker.call(self._release, self.limit)
            self._worker.end()

    def readers(self) -> list[str]:
        """Names of all readers."""
        try:
            names = self._checked(
                "cannot list readers", lambda: self.scard.SCardListReaders(self._context, [])
            )
        except PcscFailure as failure:
            if failure.code == self.scard.SCARD_E_NO_READERS_AVAILABLE & 0xFFFF_FFFF:
                return []
            raise
        return [str(name) for name in names]

    def wait(self, reader: str, known: int, seconds: float) -> tuple[int, bytes]:
        """State (SCARD_STATE_… bits) and ATR of a reader, as soon as it differs from ``known``
        or after ``seconds``."""
        milliseconds = round(seconds * 1000)

        def ask() -> Any:
            scard = self.scard
            code, states = scard.SCardGetStatusChange(
                self._context, milliseconds, [(reader, known)]
            )
            # Nothing changed: that is an answer too, with the state it is in.
            return (0 if code == scard.SCARD_E_TIMEOUT else code), states

        states = self._checked("cannot ask the reader", ask, seconds + self.limit)
        _, state, atr = states[0]
        return int(state), bytes(atr)

    def connect(self, reader: str) -> tuple[Any, int]:
        """Power the card on for this program alone; return a handle and the protocol."""
        scard = self.scard
        handle, protocol = self._checked(
            "cannot connect to the card",
            lambda: scard.SCardConnect(
                self._context, reader, scard.SCARD_SHARE_EXCLUSIVE, self._protocols
            ),
        )
        return handle, int(protocol)

    def reconnect(self, handle: Any) -> int:
        """Reset the card; return the protocol."""
        scard = self.scard
        return int(
            self._checked(
                "cannot reset the card",
                lambda: scard.SCardReconnect(
                    handle, scard.SCARD_SHARE_EXCLUSIVE, self._protocols, scard.SCARD_RESET_CARD
                ),
            )
        )

    def atr(self, handle: Any) -> bytes:
        """ATR of the card."""
        _, _, _, atr = self._checked("cannot read the ATR", lambda: self.scard.SCardStatus(handle))
        return bytes(atr)

    def transmit(self, handle: Any, protocol: int, command: bytes) -> bytes:
        """One exchange with the card."""
        scard = self.scard
        pci = scard.SCARD_PCI_T0 if protocol == scard.SCARD_PROTOCOL_T0 else scard.SCARD_PCI_T1
        return bytes(
            self._checked(
                "the exchange failed", lambda: scard.SCardTransmit(handle, pci, list(command))
            )
        )

    def control(self, handle: Any, code: int, data: bytes, limit: float) -> bytes:
        """One exchange with the reader."""
        return bytes(
            self._checked(
                "the reader refused",
                lambda: self.scard.SCardControl(handle, code, list(data)),
                limit,
            )
        )

    def disconnect(self, handle: Any) -> None:
        """Power the card off. What is gone already needs none."""
        scard = self.scard
        if not self.broken:
            self._call(lambda: scard.SCardDisconnect(handle, scard.SCARD_UNPOWER_CARD), self.limit)

    @property
    def _protocols(self) -> int:
        return int(self.scard.SCARD_PROTOCOL_T0 | self.scard.SCARD_PROTOCOL_T1)

    def _call(self, function: Callable[[], T], limit: float) -> T:
        if self.broken:
            raise Overdue("an earlier call never came back")
        try:
            return self._worker.call(function, limit)
        except Overdue:
            self.broken = True
            # Should the call come back after all, the card is set free.
            self._worker.end(self._release)
            raise

    def _release(self) -> Any:
        return None if self._context is None else self.scard.SCardReleaseContext(self._context)

    def _checked(self, what: str, function: Callable[[], Any], limit: float = 0.0) -> Any:
        """The values after the result code, which must be success. Raises PcscFailure, Overdue."""
        result = self._call(function, limit or self.limit)
        code, *values = result if isinstance(result, (list, tuple)) else (result,)
        if code != self.scard.SCARD_S_SUCCESS:
            raise PcscFailure(what, code, str(self.scard.SCardGetErrorMessage(code)))
        return values[0] if len(values) == 1 else values
