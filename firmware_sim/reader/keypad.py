"""The keypad of a reader, and what its firmware does with the digits typed on it."""

from __future__ import annotations

import dataclasses
import enum
import queue

from card_formats.apdu import COMMAND_APDU, CommandApdu
from card_formats.ccid_pin import PinEncoding, PinFormat

_FILLER = b"\xff"


class Key(enum.Enum):
    """How an entry ended."""

    VALIDATED = "validated"
    CANCELLED = "cancelled"
    GAVE_UP = "gave up"


@dataclasses.dataclass(frozen=True, repr=False)
class Entry:
    """One entry: what was typed, how it ended, how many seconds it took."""

    digits: str
    end: Key
    seconds: float

    def __repr__(self) -> str:
        # Digits never reach a log, not even by a careless %r.
        return f"Entry({len(self.digits)} digits, {self.end.value}, {self.seconds:g} s)"


class Keypad:
    """A keypad whose holder follows a script. Callable from any thread.

    Entries are consumed in the order they were scripted; when the firmware asks for one and
    none is there, it waits until somebody types or its time is over.

    Attributes:
        prompts: how many entries the firmware asked for so far.
    """

    def __init__(self) -> None:
        self.prompts = 0
        self._entries: queue.SimpleQueue[Entry] = queue.SimpleQueue()

    def type(self, digits: str, seconds: float = 0.0) -> None:
        """The holder types ``digits`` and validates."""
        if not digits.isascii() or not digits.isdigit():
            raise ValueError("a keypad has digits only")
        self._entries.put(Entry(digits, Key.VALIDATED, seconds))

    def cancel(self, seconds: float = 0.0) -> None:
        """The holder presses the cancel key."""
        self._entries.put(Entry("", Key.CANCELLED, seconds))

    def give_up(self, seconds: float = 0.0) -> None:
        """The holder walks away: the reader's time is over after ``seconds``."""
        self._entries.put(Entry("", Key.GAVE_UP, seconds))

    def wait(self, timeout: float) -> Entry | None:
        """The next entry, ``None`` if there is none within ``timeout`` seconds."""
        try:
            return self._entries.get(timeout=timeout)
        except queue.Empty:
            return None


def fill(apdu: bytes, layout: PinFormat, digits: str, offset: int = 0) -> bytes:
    """Put ``digits`` into a command as the host asked (CCID 1.1 6.1.11.3 to 6.1.11.6).

    Args:
        apdu: the command with filler where the digits go, or its five-byte header alone.
        layout: where and how.
        digits: what the holder typed.
        offset: bytes of command data before the PIN block.

    Raises:
        FormatError: ``apdu`` is no command.
    """
    command = COMMAND_APDU.parse(apdu)
    if not command.data and command.le is not None:
        # A header alone: the fifth byte is the length of a PIN block that was left out.
        command = dataclasses.replace(command, data=_FILLER * command.le, le=None)
    bits = "".join(f"{byte:08b}" for byte in command.data)
    encoded = _encode(layout.encoding, digits)
    base = 8 * offset
    start = base + layout.position * (8 if layout.position_in_bytes else 1)
    if layout.right_justified and layout.block_size:
        start += 8 * layout.block_size - len(encoded)
    bits = _overwrite(bits, start, encoded)
    if layout.length_bits:
        place = base + layout.length_position * (8 if layout.length_in_bytes else 1)
        bits = _overwrite(bits, place, f"{len(digits):0{layout.length_bits}b}")
    return COMMAND_APDU.build(_with_bits(command, bits))


def _encode(encoding: int, digits: str) -> str:
    if encoding == PinEncoding.ASCII:
        return "".join(f"{ord(digit):08b}" for digit in digits)
    width = 4 if encoding == PinEncoding.BCD else 8
    return "".join(f"{int(digit):0{width}b}" for digit in digits)


def _overwrite(bits: str, start: int, piece: str) -> str:
    padded = bits.ljust(start, "1")
    return padded[:start] + piece + padded[start + len(piece) :]


def _with_bits(command: CommandApdu, bits: str) -> CommandApdu:
    bits += "1" * (-len(bits) % 8)
    data = bytes(int(bits[n : n + 8], 2) for n in range(0, len(bits), 8))
    return dataclasses.replace(command, data=data)
