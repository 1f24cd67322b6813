"""Asks pcscd which readers it has, without its client library."""

from __future__ import annotations

import socket

from card_formats.pcsclite import (
    PCSCD_HEADER,
    PCSCD_READERS,
    PCSCD_VERSION,
    READERS_SIZE,
    PcscdCommand,
    PcscdHeader,
    PcscdReader,
    PcscdVersion,
)

_ANSWER_SECONDS = 2.0


def ask_for_readers(path: str) -> list[PcscdReader]:
    """The readers of the pcscd that listens at ``path``.

    Raises:
        OSError, FormatError: nobody listens there, or it is no pcscd.
    """
    version = PcscdVersion(4, 4)
    while True:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(_ANSWER_SECONDS)
            client.connect(path)
            body = PCSCD_VERSION.build(version)
            client.sendall(PCSCD_HEADER.build(PcscdHeader(len(body), PcscdCommand.VERSION)) + body)
            answer = PCSCD_VERSION.parse(_receive(client, len(body)))
            theirs = PcscdVersion(answer.major, answer.minor)
            if answer.result and theirs != version:
                version = theirs
                continue
            client.sendall(PCSCD_HEADER.build(PcscdHeader(0, PcscdCommand.GET_READERS_STATE)))
            readers = PCSCD_READERS.parse(_receive(client, READERS_SIZE))
            return [reader for reader in readers if reader.name]


def _receive(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = client.recv(size - len(data))
        if not part:
            raise ConnectionError("it closed the connection")
        data += part
    return data
