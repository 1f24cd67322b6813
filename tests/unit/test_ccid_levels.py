"""The CCID reader at its APDU levels, with contact and contactless cards."""

from __future__ import annotations

import pytest
from ccid_host import OK, T1, extended, short

from card_formats.ccid import Chain, CommandType, SlotError
from firmware_sim.link.echo import EchoCard
from firmware_sim.link.icc import Icc, IccConfig
from firmware_sim.link.picc import Picc, PiccConfig
from firmware_sim.reader.ccid_firmware import BARE_UID, CcidFirmware


@pytest.mark.parametrize("protocols", [(0,), (1,)], ids=["T=0", "T=1"])
@pytest.mark.parametrize("size", [1, 100, 255])
def test_short_commands(protocols: tuple[int, ...], size: int) -> None:
    host = short(Icc(EchoCard(), IccConfig(protocols)))
    host.on()
    data = bytes(size)
    assert host.apdu(bytes.fromhex("00EC0000") + bytes([size]) + data + b"\0") == data + OK


def test_the_reader_negotiates_the_protocol_itself() -> None:
    icc = Icc(EchoCard(), IccConfig((0, 1)))
    host = short(icc)
    host.on()
    host.send(CommandType.SET_PARAMETERS, T1, parameter=1)
    assert icc.protocol == 1
    assert host.apdu(bytes.fromhex("00EE000300")).hex() == "0001029000"
    refused = short(Icc(EchoCard(), IccConfig((0,))))
    refused.on()
    answer = refused.send(CommandType.SET_PARAMETERS, T1, parameter=1)
    assert answer.error == SlotError.ICC_PROTOCOL_NOT_SUPPORTED


def test_short_reader_refuses_what_is_longer_than_its_messages() -> None:
    host = short()
    host.on()
    answer = host.send(CommandType.XFR_BLOCK, bytes.fromhex("00EC0000000200") + bytes(512))
    assert answer.error == SlotError.BAD_LENGTH


def _command(size: int) -> bytes:
    return bytes.fromhex("00EC000000") + size.to_bytes(2, "big") + bytes(size) + b"\0\0"


@pytest.mark.parametrize("size", [1, 255, 5000, 65_000])
def test_extended_commands_in_one_message(size: int) -> None:
    host = extended()
    host.on()
    assert host.apdu(_command(size)) == bytes(size) + OK


def test_extended_commands_in_a_chain_of_messages() -> None:
    host = extended(max_message=271)
    host.on()
    command = _command(1000)
    parts = [command[n : n + 261] for n in range(0, len(command), 261)]
    levels = [Chain.BEGINS, Chain.CONTINUES, Chain.CONTINUES, Chain.ENDS]
    for part, level in zip(parts[:-1], levels[:-1], strict=True):
        answer = host.send(CommandType.XFR_BLOCK, part, level=level)
        assert (answer.data, answer.specific) == (b"", Chain.EMPTY)
    answer = host.send(CommandType.XFR_BLOCK, parts[-1], level=Chain.ENDS)
    response, chain = answer.data, [answer.specific]
    while chain[-1] not in (Chain.WHOLE, Chain.ENDS):
        answer = host.send(CommandType.XFR_BLOCK, level=Chain.EMPTY)
        response += answer.data
        chain.append(answer.specific)
    assert response == bytes(1000) + OK
    assert chain == [Chain.BEGINS, Chain.CONTINUES, Chain.CONTINUES, Chain.ENDS]


def test_level_that_means_nothing() -> None:
    host = extended()
    host.on()
    assert host.send(CommandType.XFR_BLOCK, b"abcd", level=7).error == SlotError.BAD_LEVEL


# --- contactless -----------------------------------------------------------------------------


@pytest.mark.parametrize("uid", ["08112233", "04112233445566", "04112233445566778899"])
def test_contactless_card_over_its_antenna(uid: str) -> None:
    card = EchoCard(b"hist")
    host = extended(card=Picc(card, PiccConfig(uid=bytes.fromhex(uid))))
    assert host.on().startswith(bytes.fromhex("3B848001") + b"hist")
    assert host.apdu(bytes.fromhex("FFCA000000")).hex() == uid + "9000"
    assert host.apdu(bytes.fromhex("FFCA010000")) == b"hist" + OK
    assert host.apdu(_command(3000)) == bytes(3000) + OK
    assert host.apdu(bytes.fromhex("00EE00000001F4")) == OK
    host.send(CommandType.ICC_POWER_OFF)
    assert not card.powered


@pytest.mark.parametrize(
    ("command", "response"),
    [
        ("FFCA000000", BARE_UID.hex() + "9000"),
        ("FFCA000004", BARE_UID.hex() + "9000"),
        ("FFCA000003", "6c04"),
        ("FFCA000008", BARE_UID.hex() + "6282"),
        ("FFCA0000", "6700"),
        ("FFCA020000", "6a81"),
        ("FFB0000000", "6a81"),
    ],
)
def test_pseudo_commands_are_answered_by_the_reader(command: str, response: str) -> None:
    card = EchoCard()
    host = extended(card=card)
    host.on()
    assert host.apdu(bytes.fromhex(command)).hex() == response
    assert card.commands == []


def test_a_contact_card_gets_them_itself() -> None:
    host = short()
    host.on()
    assert host.apdu(bytes.fromhex("FFCA000000")).hex() == "6d00"


def test_contactless_card_that_leaves_is_gone_and_one_that_is_mute_is_not() -> None:
    card = EchoCard()
    picc = Picc(card)
    host = extended(card=picc)
    host.on()
    card.failure = TimeoutError()
    assert host.send(CommandType.XFR_BLOCK, b"\0\xee\0\0").error == SlotError.ICC_MUTE
    assert host.firmware.card_present()
    host.on()
    picc.remove()
    assert host.send(CommandType.XFR_BLOCK, b"\0\xee\0\0").error == SlotError.ICC_MUTE
    assert not host.firmware.card_present()


def test_no_contactless_card_behind_blocks() -> None:
    with pytest.raises(ValueError, match="TPDU"):
        CcidFirmware().insert(Picc(EchoCard()))
