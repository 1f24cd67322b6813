"""A dongle that hands over frames: the computer is the whole ISO-DEP card."""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Callable, Iterator
from typing import Any

from card_formats.iso14443 import ATQA, TYPE_A_COMMAND, Anticollision, Atqa, Request, Select
from firmware_sim.air.dongle import DEVICE_ERRORS, Appearance, DongleLost
from firmware_sim.air.watch import WatchedCard
from firmware_sim.link.picc import Picc, PiccConfig, State

_LISTEN = 0.5
_NEXT_FRAME = 0.5
_LAST_FRAME = 0.05
_ABSENCE_AFTER_TEAR = 0.5
_PATIENCE_WITH_DEVICE = 3
_RATS = 0xE0
_RANDOM_UID_FIRST_BYTE = 0x08


class RawDongle:
    """An nfcpy device in listen mode.

    The chip answers the selection; RATS and everything after it reach a
    :class:`firmware_sim.link.picc.Picc`, which is taken through the same selection first.

    Args:
        frontend: an open ``nfc.clf.ContactlessFrontend``.
        nfc_clf: the module ``nfc.clf``.
    """

    def __init__(self, frontend: Any, nfc_clf: Any) -> None:
        self._frontend = frontend
        self._nfc_clf = nfc_clf
        self._failures = 0

    @property
    def description(self) -> str:
        """Device and driver."""
        return f"{self._frontend.device} (nfcpy, listening)"

    def check(self, config: PiccConfig) -> None:
        """Raise ``ValueError`` for a UID or SAK that cannot be presented."""
        uid = config.uid
        if uid is not None and (len(uid) != 4 or uid[0] != _RANDOM_UID_FIRST_BYTE):
            raise ValueError("over the air a UID has 4 bytes, the first 08")
        if not config.sak & 0x20:
            raise ValueError(f"SAK {config.sak:02X} does not offer ISO-DEP")

    def close(self) -> None:
        """Release the device. Harmless when called twice."""
        with contextlib.suppress(*DEVICE_ERRORS, AttributeError):
            self._frontend.close()

    def present(self, appearance: Appearance) -> None:
        """Listen for a moment, serve the reader that comes.

        Raises:
            DongleLost: the device stopped answering.
        """
        card = WatchedCard(appearance.card)
        picc = Picc(card, appearance.config, appearance.random_bytes)
        picc.field(True)
        try:
            frame = self._listen(picc)
            self._failures = 0
            if frame is not None:
                appearance.stats.activations += 1
                self._serve(frame, picc, card, appearance)
        except self._nfc_clf.BrokenLinkError:
            appearance.stats.field_losses += 1
        except self._nfc_clf.CommunicationError:
            appearance.stats.transmission_errors += 1
        except DEVICE_ERRORS as error:
            self._failures += 1
            if self._failures >= _PATIENCE_WITH_DEVICE or self._frontend.device is None:
                raise DongleLost(f"{error}: plug it in again") from error
        finally:
            picc.field(False)

    def _listen(self, picc: Picc) -> bytes | None:
        """Return the first frame for the card, RATS itself or what follows it."""
        nfc_clf = self._nfc_clf
        target = nfc_clf.LocalTarget(
            "106A",
            sens_res=bytearray(ATQA.build(Atqa(len(picc.uid)))),
            sdd_res=bytearray(picc.uid),
            sel_res=bytearray([picc.config.sak]),
        )

        def rats_heard(rats: bytes) -> None:
            # nfcpy reads the ATS from the target only now: it can be this activation's own.
            if (ats := _activate(picc, rats)) is not None:
                target.rats_res = bytearray(ats)

        with _overheard(self._frontend.device, rats_heard):
            found = self._frontend.listen(target, _LISTEN)
        if found is None or not found.tt4_cmd:
            return None
        return bytes(found.tt4_cmd)

    def _serve(self, frame: bytes, picc: Picc, card: WatchedCard, appearance: Appearance) -> None:
        while appearance.wanted.is_set():
            appearance.stats.frames += 1
            if frame[0] == _RATS and picc.state is State.IDLE:
                answer = _activate(picc, frame)
            else:
                answer = picc.transceive(frame)
            if card.torn:
                appearance.stats.tears += 1
                time.sleep(_ABSENCE_AFTER_TEAR)
                return
            if picc.state is not State.PROTOCOL:
                appearance.stats.deselections += 1
                with contextlib.suppress(self._nfc_clf.CommunicationError):
                    self._frontend.exchange(_sendable(answer), _LAST_FRAME)
                return
            following = self._next_frame(answer, appearance)
            if following is None:
                return
            frame = following

    def _next_frame(self, answer: bytes | None, appearance: Appearance) -> bytes | None:
        """Send ``answer``, return the reader's next frame; ``None`` if the card is unwanted."""
        data = _sendable(answer)
        while appearance.wanted.is_set():
            try:
                frame = self._frontend.exchange(data, _NEXT_FRAME)
            except self._nfc_clf.TimeoutError:
                frame = None
            except self._nfc_clf.BrokenLinkError:
                raise
            except self._nfc_clf.TransmissionError:
                appearance.stats.transmission_errors += 1
                frame = None
            except OSError as error:
                # The chip was late with its acknowledgement. The answer may be lost: the reader
                # then asks again, and the card repeats it.
                self._failures += 1
                if error.errno != errno.EIO or self._failures >= _PATIENCE_WITH_DEVICE:
                    raise
                frame = None
            if frame:
                self._failures = 0
                return bytes(frame)
            data = None  # said once already
        return None


def _sendable(answer: bytes | None) -> bytearray | None:
    return None if answer is None else bytearray(answer)


def _activate(picc: Picc, rats: bytes) -> bytes | None:
    """Take ``picc`` through the selection the chip has answered, return its ATS."""
    if picc.state is not State.IDLE:
        picc.field(False)
        picc.field(True)
    picc.transceive(TYPE_A_COMMAND.build(Request()))
    picc.transceive(TYPE_A_COMMAND.build(Anticollision(1)))
    picc.transceive(TYPE_A_COMMAND.build(Select(1, picc.uid)))
    return picc.transceive(rats)


@contextlib.contextmanager
def _overheard(device: Any, rats_heard: Callable[[bytes], None]) -> Iterator[None]:
    """Hear RATS, which nfcpy's chip drivers answer without telling: it says how long the
    reader's frames may be. Devices that pass RATS on (UDP) are left as they are."""
    if hasattr(device, "_init_as_target"):
        owner, name, offset = device, "_init_as_target", 1
    elif hasattr(getattr(device, "chipset", None), "tg_comm_rf"):
        owner, name, offset = device.chipset, "tg_comm_rf", 7
    else:
        yield
        return
    original = getattr(owner, name)

    def listening(*args: Any, **kwargs: Any) -> Any:
        data = original(*args, **kwargs)
        if data is not None and bytes(data[offset : offset + 1]) == bytes([_RATS]):
            rats_heard(bytes(data[offset:]))
        return data

    setattr(owner, name, listening)
    try:
        yield
    finally:
        delattr(owner, name)
