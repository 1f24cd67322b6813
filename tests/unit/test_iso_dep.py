"""ISO-DEP blocks, type A frames, and both halves of the protocol against each other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from card_formats.core import FormatError
from card_formats.iso14443 import TYPE_A_COMMAND, cascade_levels, crc_a
from card_formats.iso_dep import ISO_DEP_BLOCK, IBlock, RBlock, WtxBlock
from firmware_sim.link.iso_dep import DepParameters, IsoDepCard, Mute
from reader_drivers.nfc_iso_dep import (
    DepProtocolError,
    IsoDepReader,
    LinkCorrupt,
    LinkSilent,
)


def test_crc_a_of_the_standards_annex() -> None:
    assert crc_a(bytes.fromhex("0000")) == bytes.fromhex("A01E")
    assert crc_a(bytes.fromhex("1234")) == bytes.fromhex("26CF")
    assert crc_a(bytes.fromhex("5000")) == bytes.fromhex("57CD")


def test_cascade_levels() -> None:
    assert cascade_levels(bytes.fromhex("04112233445566")) == (
        bytes.fromhex("88041122"),
        bytes.fromhex("33445566"),
    )
    assert len(cascade_levels(bytes(10))) == 3
    for wrong in (b"", bytes(5), bytes.fromhex("88010203")):
        with pytest.raises(ValueError, match="UID"):
            cascade_levels(wrong)


@pytest.mark.parametrize(
    "frame", ["", "27", "9371", "9324A1", "937008A1B2C3D9", "98201234", "5001", "E08F", "D011F0"]
)
def test_malformed_type_a_frames(frame: str) -> None:
    with pytest.raises(FormatError):
        TYPE_A_COMMAND.parse(bytes.fromhex(frame))


@pytest.mark.parametrize(
    "block", ["", "00", "0A", "A0", "A2FF", "F2", "F200", "F23C", "C200", "82"]
)
def test_malformed_blocks(block: str) -> None:
    with pytest.raises(FormatError):
        ISO_DEP_BLOCK.parse(bytes.fromhex(block))


@given(st.binary(max_size=6))
def test_any_bytes_as_a_block(data: bytes) -> None:
    try:
        block = ISO_DEP_BLOCK.parse(data)
    except FormatError:
        return
    assert ISO_DEP_BLOCK.build(block) == data


class Echo:
    """A job that is there at once, or after so many times asked."""

    def __init__(self, response: bytes, delays: int = 0) -> None:
        self.response = response
        self.delays = delays

    def result(self, timeout: float | None) -> bytes | None:
        if self.delays:
            self.delays -= 1
            return None
        return self.response


def card_of(
    start: Callable[[bytes], Echo], fsd: int = 256, fsc: int = 256, cid: int = 0
) -> IsoDepCard:
    return IsoDepCard(DepParameters(fsd, fsc, 0.077, cid=cid, wtx_after=0.01), start)


def talk(card: IsoDepCard, *frames: str) -> list[str | None]:
    answers = [card.feed(bytes.fromhex(frame)) for frame in frames]
    return [None if answer is None else answer.hex().upper() for answer in answers]


def test_block_numbers_and_presence() -> None:
    card = card_of(Echo)
    assert talk(card, "B2", "02AA", "B3", "03BB", "B2") == ["A3", "02AA", "A2", "03BB", "A3"]


def test_empty_i_block_asks_for_presence() -> None:
    assert talk(card_of(Echo), "02", "03BB") == ["02", "03BB"]


def test_nak_repeats_the_last_block() -> None:
    started: list[bytes] = []

    def start(command: bytes) -> Echo:
        started.append(command)
        return Echo(command)

    card = card_of(start)
    assert talk(card, "02AA", "B2", "B2", "A2") == ["02AA"] * 4
    assert started == [b"\xaa"]


def test_chaining_both_ways() -> None:
    card = card_of(Echo, fsd=16)
    assert talk(card, "12" + "01" * 13, "0302") == ["A2", "13" + "01" * 13]
    assert talk(card, "A2") == ["0202"]
    assert talk(card, "A3") == [None], "nothing is left to send"


def test_lost_acknowledgement_of_a_chained_block() -> None:
    assert talk(card_of(Echo), "1201", "B2", "0302") == ["A2", "A2", "030102"]


def test_lost_time_extension_is_repeated() -> None:
    card = card_of(lambda command: Echo(command, delays=2))
    assert talk(card, "02AA", "B2", "F20A", "F20A") == ["F20A", "F20A", "F20A", "02AA"]


def test_wrong_time_extension_answer_is_not_answered() -> None:
    card = card_of(lambda command: Echo(command, delays=1))
    assert talk(card, "F20A", "02AA", "F20B", "03BB", "F20A") == [None, "F20A", None, None, "02AA"]


def test_cid_rules() -> None:
    card = card_of(Echo, cid=5)
    assert talk(card, "02AA", "0A06AA", "0A05AA", "CA05") == [None, None, "0A05AA", "CA05"]
    assert card.deselected
    assert talk(card_of(Echo, cid=0), "0A00AA", "03AA", "0A01AA") == ["0A00AA", "03AA", None]


def test_cid_takes_a_byte_of_the_frame() -> None:
    card = card_of(lambda command: Echo(bytes(14)), fsd=16, cid=1)
    answer = card.feed(bytes.fromhex("0A01AA"))
    assert answer is not None and len(answer) == 14


@pytest.mark.parametrize("frame", ["", "00", "0601AA", "F0A000", "E080", "02" + "00" * 254])
def test_what_is_wrong_or_unsupported_is_not_answered(frame: str) -> None:
    card = card_of(Echo)
    assert talk(card, frame, "02AA") == [None, "02AA"]


def test_endless_command_is_ignored() -> None:
    card = card_of(Echo)
    for index in range(65_544 // 253):
        assert card.feed(bytes([0x12 | index & 1]) + bytes(253)) is not None
    assert card.feed(bytes([0x12]) + bytes(253)) is None


def test_mute_card_still_deselects() -> None:
    class Never(Echo):
        def result(self, timeout: float | None) -> bytes | None:
            raise Mute

    card = card_of(lambda command: Never(command))
    assert talk(card, "02AA", "B2", "03BB", "C2") == [None, None, None, "C2"]


Loss = tuple[bool, bool]


@settings(deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 700), st.integers(1, 700)), min_size=1, max_size=3),
    delays=st.integers(0, 3),
    losses=st.lists(st.sampled_from(["", "request", "answer", "damage"]), max_size=40),
    fsc=st.sampled_from([16, 32, 256]),
)
def test_no_loss_changes_what_is_exchanged(
    sizes: list[tuple[int, int]], delays: int, losses: list[str], fsc: int
) -> None:
    """Reader and card know only the standard; here they must understand each other."""
    commands: list[bytes] = []
    answers = [bytes(index % 251 for index in range(size)) for _, size in sizes]

    def start(command: bytes) -> Echo:
        commands.append(command)
        return Echo(answers[len(commands) - 1], delays)

    card = card_of(start, fsd=64, fsc=fsc)
    # Never two losses in a row: the reader gives up after its retries.
    plan = [item for loss in losses for item in (loss, "", "")]

    def exchange(frame: bytes, timeout: float) -> bytes:
        loss = plan.pop(0) if plan else ""
        if loss == "request":
            raise LinkSilent
        answer = card.feed(frame)
        if answer is None or loss == "answer":
            raise LinkSilent
        if loss == "damage":
            raise LinkCorrupt
        return answer

    reader = IsoDepReader(exchange, fsc, 0.077)
    sent = [bytes(index % 253 for index in range(size)) for size, _ in sizes]
    assert [reader.transmit(command) for command in sent] == answers
    assert commands == sent


def scripted(*answers: str) -> tuple[IsoDepReader, list[str]]:
    left = list(answers)
    sent: list[str] = []

    def exchange(frame: bytes, timeout: float) -> bytes:
        sent.append(f"{frame.hex()}/{timeout:.2f}")
        if not left or not left[0]:
            if left:
                left.pop(0)
            raise LinkSilent
        return bytes.fromhex(left.pop(0))

    return IsoDepReader(exchange, 256, 4.949), sent


def test_reader_retries_even_with_the_longest_waiting_time() -> None:
    reader, sent = scripted("", "029000")
    assert reader.transmit(b"\x00") == b"\x90\x00"
    assert sent == ["0200/5.00", "b2/5.00"]


def test_reader_gives_up() -> None:
    reader, sent = scripted()
    with pytest.raises(LinkSilent):
        reader.transmit(b"\x00")
    assert len(sent) == 3


def test_reader_grants_time_inside_a_chained_answer() -> None:
    reader, sent = scripted("1290", "F203", "0300")
    assert reader.transmit(b"\x00") == b"\x90\x00"
    assert [frame[:4] for frame in sent] == ["0200", "a3/5", "f203"]


def test_each_time_extension_gives_new_retries() -> None:
    reader, _ = scripted("", "F203", "", "F203", "", "029000")
    assert reader.transmit(b"\x00") == b"\x90\x00"
    assert (reader.recoveries, reader.extensions) == (3, 2)


@pytest.mark.parametrize("answer", ["A2", "1390", "0A0090", "B2", "C2", "F200", "FFFF"])
def test_reader_refuses_what_breaks_the_rules(answer: str) -> None:
    reader, _ = scripted(*[answer] * 8)
    with pytest.raises(DepProtocolError):
        reader.transmit(b"\x00")


def test_reader_stops_a_card_that_resends_nothing_but_ack() -> None:
    reader, sent = scripted(*["A3"] * 100)
    with pytest.raises(DepProtocolError):
        reader.transmit(b"\x00")
    assert len(sent) < 20


def test_presence() -> None:
    reader, sent = scripted("A3", "", "", "")
    assert reader.is_present()
    assert not reader.is_present()
    assert sent[0].startswith("b2")


def test_block_values_out_of_range() -> None:
    for block in (IBlock(2), RBlock(0, cid=15), WtxBlock(60), WtxBlock(0)):
        with pytest.raises(FormatError):
            ISO_DEP_BLOCK.build(block)
