"""The PC/SC driver where no PC/SC is needed: names, T=0, calls that never come back."""

from __future__ import annotations

import builtins
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from card_formats.pcsc_part10 import PCSC_FEATURES, FeatureEntry, PcscFeature
from reader_drivers.api import CommunicationFault, ReaderError, ReaderUnavailable, ReaderUrlError
from reader_drivers.pcsc import find_reader, open_url
from reader_drivers.pcsc_calls import Overdue, PcscCalls, PcscFailure
from reader_drivers.pcsc_features import NoPinPad, PinPad
from reader_drivers.pcsc_t0 import t0_transmit

NAMES = ["Gemalto PC Twin 00 00", "Gemalto PC Twin 01 00", "Xiring Leo v2 00 00"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("Xiring Leo v2 00 00", "Xiring Leo v2 00 00"),
        ("leo", "Xiring Leo v2 00 00"),
        ("Twin 01", "Gemalto PC Twin 01 00"),
        ("Gemalto PC Twin 00 00", "Gemalto PC Twin 00 00"),
    ],
)
def test_a_part_of_the_name_will_do(wanted: str, found: str) -> None:
    assert find_reader(wanted, NAMES) == found


def test_an_exact_name_wins_over_longer_ones() -> None:
    assert find_reader("Leo", ["Leo 2", "Leo"]) == "Leo"


def test_several_readers_are_listed() -> None:
    with pytest.raises(ReaderUrlError, match=r"pcsc:Gemalto PC Twin 00 00; pcsc:.*Twin 01 00$"):
        find_reader("twin", NAMES)


def test_no_such_reader() -> None:
    with pytest.raises(ReaderUnavailable, match="Xiring"):
        find_reader("nothing", NAMES)
    with pytest.raises(ReaderUnavailable, match="plug one in"):
        find_reader("", [])


def test_without_pyscard_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("smartcard"):
            raise ImportError("No module named 'smartcard'")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ReaderUnavailable, match="pip install pyscard"):
        open_url("any")


# --- T=0 -------------------------------------------------------------------------------------


def card(*exchanges: tuple[str, str]) -> Callable[[bytes], bytes]:
    script = iter(exchanges)

    def send(tpdu: bytes) -> bytes:
        expected, answer = next(script)
        assert tpdu.hex().upper() == expected.replace(" ", "")
        return bytes.fromhex(answer)

    return send


@pytest.mark.parametrize(
    ("command", "exchanges", "response"),
    [
        ("00440000", [("00440000", "9000")], "9000"),
        ("00B0000000", [("00B0000000", "6C02"), ("00B0000002", "AABB9000")], "AABB9000"),
        ("00A40000023F00", [("00A40000023F00", "6104")], "6104"),
        (
            "00A40000023F0000",
            [("00A40000023F00", "6104"), ("00C0000004", "AABBCCDD9000")],
            "AABBCCDD9000",
        ),
        (
            "00A40000023F0002",
            [("00A40000023F00", "6104"), ("00C0000002", "AABB6102")],
            "AABB6102",
        ),
        (
            "01A40000013F00",
            [("01A40000013F", "6100"), ("01C0000000", "6C01"), ("01C0000001", "AA9000")],
            "AA9000",
        ),
        (
            "00B00000000200",
            [("00B0000000", "00" * 256 + "6110"), ("00C0000010", "11" * 16 + "9000")],
            "00" * 256 + "11" * 16 + "9000",
        ),
        ("00A4000000000 13F0000".replace(" ", ""), [("00A40000013F", "6A82")], "6A82"),
    ],
    ids=["1", "2, 6Cxx", "3, 61xx is told", "4", "4, part", "4, channel 1", "2E", "4E that fits"],
)
def test_apdus_over_t0(command: str, exchanges: list[tuple[str, str]], response: str) -> None:
    answer = t0_transmit(card(*exchanges), bytes.fromhex(command))
    assert answer.hex().upper() == response


def test_a_card_that_never_ends() -> None:
    endless = bytes.fromhex("6101")
    with pytest.raises(CommunicationFault, match="without end"):
        t0_transmit(lambda tpdu: endless, bytes.fromhex("00A40000013F00"))


# --- calls that fail or never come back ------------------------------------------------------


class Scard(SimpleNamespace):
    """As much of smartcard.scard as a call needs."""

    SCARD_S_SUCCESS = 0
    SCARD_SCOPE_SYSTEM = 2
    SCARD_PROTOCOL_T0 = 1
    SCARD_PROTOCOL_T1 = 2
    SCARD_PCI_T0 = 0
    SCARD_PCI_T1 = 1
    SCARD_E_NO_READERS_AVAILABLE = -2146435026

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()
        self.stuck = threading.Event()

    def SCardEstablishContext(self, scope: int) -> tuple[int, int]:  # noqa: N802
        return 0, 77

    def SCardReleaseContext(self, context: int) -> int:  # noqa: N802
        assert context == 77
        self.released.set()
        return 0

    def SCardListReaders(self, context: int, groups: list[str]) -> tuple[int, list[str]]:  # noqa: N802
        return self.SCARD_E_NO_READERS_AVAILABLE, []

    def SCardTransmit(self, handle: int, pci: int, data: list[int]) -> tuple[int, list[int]]:  # noqa: N802
        self.stuck.wait(5)
        return -2146435050, []

    def SCardGetErrorMessage(self, code: int) -> str:  # noqa: N802
        return "bad luck"


def test_no_reader_is_an_empty_list() -> None:
    calls = PcscCalls(Scard(), 1.0)
    assert calls.readers() == []
    calls.close()


def test_a_failure_says_what_and_why() -> None:
    scard = Scard()
    scard.stuck.set()
    with pytest.raises(PcscFailure, match=r"the exchange failed: bad luck \(80100016\)"):
        PcscCalls(scard, 1.0).transmit(1, 2, b"\0")


def test_a_call_that_hangs_is_left_and_freed_when_it_comes_back() -> None:
    scard = Scard()
    calls = PcscCalls(scard, 0.2)
    started = time.monotonic()
    with pytest.raises(Overdue):
        calls.transmit(1, 2, b"\0")
    assert time.monotonic() - started < 1.0
    with pytest.raises(Overdue, match="never came back"):
        calls.readers()
    assert not scard.released.is_set()
    scard.stuck.set()
    assert scard.released.wait(2)


# --- PIN pad ---------------------------------------------------------------------------------


def test_features_are_asked_once() -> None:
    asked: list[int] = []
    entries = [FeatureEntry(PcscFeature.VERIFY_PIN_DIRECT, 0x42330006)]

    def control(code: int, data: bytes, limit: float) -> bytes:
        asked.append(code)
        return PCSC_FEATURES.build(entries) if code == 3400 else b"\x90\x00"

    pad = PinPad(control, 3400)
    assert (pad.can_verify, pad.can_modify) == (True, False)
    assert pad.verify(bytes.fromhex("0020000008")) == b"\x90\x00"
    assert asked == [3400, 0x42330006]
    with pytest.raises(NoPinPad):
        pad.modify(bytes.fromhex("0024000010"))


@pytest.mark.parametrize("answer", [b"\x06\x04\x42", b"\x06\x05" + bytes(5), ReaderError("no")])
def test_a_reader_that_answers_nonsense_has_no_pad(answer: bytes | ReaderError) -> None:
    def control(code: int, data: bytes, limit: float) -> bytes:
        if isinstance(answer, ReaderError):
            raise answer
        return answer

    assert PinPad(control, 3400).features == {}
