"""Frames of GemPC readers on a serial line: a CCID message between SYNC, ACK and LRC.

There is no public specification; the layout is that of the readers' open driver (libccidtwin).
"""

from __future__ import annotations

import dataclasses
from typing import Any

from construct import Adapter, Bytes, Const, GreedyBytes, Int8ub, Int32ul, Struct, this

from card_formats.ccid import HEADER_SIZE
from card_formats.core import Vector, WireFormat
from card_formats.pieces import AllBut, Dispatch, refuse
from card_formats.t1_block import lrc

SYNC = 0x03
OVERHEAD = 3
"""Bytes of a frame that are not the message."""


@dataclasses.dataclass(frozen=True)
class GemPcFrame:
    """A CCID message on its way, in either direction."""

    message: bytes


@dataclasses.dataclass(frozen=True)
class GemPcNak:
    """Send that again: the frame did not arrive whole."""


class _FrameAdapter(Adapter):  # type: ignore[misc]
    def _decode(self, obj: Any, context: Any, path: str) -> GemPcFrame:
        expected = lrc(b"\x03\x06" + obj.message)
        if obj.lrc != expected:
            raise refuse(f"LRC is {obj.lrc:02X}, should be {expected:02X}", path)
        return GemPcFrame(_whole(obj.message, path))

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        return {
            "message": _whole(obj.message, path),
            "lrc": lrc(b"\x03\x06" + obj.message),
        }


_PREFIX = Struct("head" / Bytes(2), "kind" / Int8ub, "length" / Int32ul)
_HEADER = Struct("kind" / Int8ub, "length" / Int32ul, "rest" / Bytes(HEADER_SIZE - 5 + this.length))


def _whole(message: bytes, path: str) -> bytes:
    """Check that the message is as long as its own header says."""
    if len(message) < HEADER_SIZE or len(message) != HEADER_SIZE + _HEADER.parse(message).length:
        raise refuse("the message is not as long as its header says", path)
    return message


_ACK = _FrameAdapter(
    Struct("head" / Const(b"\x03\x06"), "message" / AllBut(1, GreedyBytes), "lrc" / Int8ub)
)


class _NakAdapter(Adapter):  # type: ignore[misc]
    def _decode(self, obj: Any, context: Any, path: str) -> GemPcNak:
        return GemPcNak()

    def _encode(self, obj: Any, context: Any, path: str) -> bytes:
        return b"\x03\x15\x16"


_NAK = _NakAdapter(Const(b"\x03\x15\x16"))

GEMPC_FRAME: WireFormat[GemPcFrame | GemPcNak] = WireFormat(
    "gempc_frame",
    "GemPC Twin serial protocol, as driven by libccidtwin",
    Dispatch(
        lambda data: _NAK if data[1:2] == b"\x15" else _ACK,
        lambda value: _NAK if isinstance(value, GemPcNak) else _ACK,
    ),
    [
        Vector(
            "0306" + "6B010000000000000000" + "02" + "6D",
            GemPcFrame(bytes.fromhex("6B01000000000000000002")),
            "escape 02: which firmware?",
        ),
        Vector("031516", GemPcNak(), "NAK"),
    ],
)


def next_frame(received: bytes) -> tuple[bytes, bytes] | None:
    """Cut the first frame off what a line brought: ``(frame, rest)``, ``None`` if incomplete.

    Bytes before a SYNC are noise and are dropped. The frame is not checked.
    """
    start = received.find(SYNC)
    received = received[start:] if start >= 0 else b""
    if received[1:2] == b"\x15":
        return (received[:3], received[3:]) if len(received) >= 3 else None
    if len(received) < _PREFIX_SIZE:
        return None
    size = OVERHEAD + HEADER_SIZE + int(_PREFIX.parse(received).length)
    return (received[:size], received[size:]) if len(received) >= size else None


_PREFIX_SIZE = 7
