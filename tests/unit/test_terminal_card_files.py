"""Files read at once or in blocks, whatever their length, and cards that bend READ BINARY."""

from __future__ import annotations

from typing import cast

import pytest

from card_formats.apdu import CommandApdu, ResponseApdu
from card_formats.profile_ecv_sim_1 import Fid
from reader_drivers.terminal.card_files import MAX_FILE, CardRefusal, read_file
from reader_drivers.terminal.secure_session import SecureSession


class Channel:
    def __init__(self, extended: bool) -> None:
        self.extended = extended


class File:
    """A session with one file behind it."""

    def __init__(self, content: bytes, extended: bool = False) -> None:
        self.content = content
        self.channel = Channel(extended)
        self.end = 0x9000
        self.block = 65536
        self.commands: list[CommandApdu] = []

    def transmit(self, command: CommandApdu) -> ResponseApdu:
        self.commands.append(command)
        offset = command.p2 if command.p1 & 0x80 else command.p1 << 8 | command.p2
        if offset and offset >= len(self.content):
            return ResponseApdu(b"", 0x6B00)
        data = self.content[offset : offset + min(command.le or 0, self.block)]
        last = offset + len(data) == len(self.content)
        return ResponseApdu(data, self.end if last else 0x9000)


def read(file: File) -> bytes:
    return read_file(cast(SecureSession, file), Fid.IDENTITY)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 511, 512, 513, 1000])
@pytest.mark.parametrize("extended", [True, False])
def test_every_length(size: int, extended: bool) -> None:
    content = bytes(n % 251 for n in range(size))
    file = File(content, extended)
    assert read(file) == content
    assert len(file.commands) == (1 if extended else size // 256 + 1)
    assert file.commands[0] == CommandApdu(0x00, 0xB0, 0x81, 0x00, le=65536 if extended else 256)


def test_blocks_go_on_in_the_current_file() -> None:
    file = File(bytes(600))
    read(file)
    assert [(c.p1, c.p2) for c in file.commands] == [(0x81, 0), (1, 0), (2, 0)]


def test_the_end_of_file_warning_ends_the_reading() -> None:
    file = File(bytes(512))
    file.end = 0x6282
    assert read(file) == bytes(512)
    assert len(file.commands) == 2


@pytest.mark.parametrize("sw", [0x6B00, 0x6982, 0x6A82, 0x6281])
def test_a_refusal_says_which_file(sw: int) -> None:
    file = File(b"x")
    file.end = sw
    with pytest.raises(CardRefusal, match=r"EF\.IDENTITY") as caught:
        read(file)
    assert caught.value.sw == sw


def test_a_file_without_an_end() -> None:
    file = File(bytes(MAX_FILE * 3))
    with pytest.raises(CardRefusal, match="beyond 32767"):
        read(file)
    assert len(file.commands) == 128


def test_the_longest_file() -> None:
    assert len(read(File(bytes(MAX_FILE)))) == MAX_FILE
