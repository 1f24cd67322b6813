"""Becomes a pcscd that sees no directory and no network but its own.

Run as a program, with the standard library alone:

    pcscd_launcher.py BROKER_FD LISTENER_FD PCSCD [ARGUMENT…]

Where the kernel allows it, pcscd gets its own /run/pcscd, so that it does not write over the
system's, and its own loopback interface, so that a driver that listens on every address is
reached by nobody else. A child of it, the broker, connects to ports in there for the program
that started all this, and ends pcscd when that program ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
from typing import NoReturn

RUN_DIRECTORY = "/run/pcscd"
SYSTEM_SOCKET = "/run/pcscd/pcscd.comm"

ALONE = b"alone"
"""First word of the broker: namespaces are in place."""
SHARED = b"shared"
"""First word of the broker: this kernel or container has none for us."""
CONNECT_SECONDS = 0.25
REFUSED = 69
"""Exit status: without namespaces, pcscd would write over the system's files."""

_NEW_NAMESPACE, _NEW_USER, _NEW_NETWORK = 0x0002_0000, 0x1000_0000, 0x4000_0000
_RECURSIVE, _PRIVATE = 0x4000, 0x4_0000
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1
_LISTENER = 3


def _call(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def isolate() -> None:
    """Enter namespaces of our own.

    Raises:
        OSError: not allowed here; nothing was changed that matters.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    flags = _NEW_NAMESPACE | _NEW_NETWORK
    if user == 0:
        _call(libc.unshare(flags), "unshare")
    else:
        _call(libc.unshare(flags | _NEW_USER), "unshare")
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"0 {user} 1")
        _write("/proc/self/gid_map", f"0 {group} 1")
    _call(libc.mount(b"none", b"/", None, _RECURSIVE | _PRIVATE, None), "mount /")
    place = RUN_DIRECTORY if os.path.isdir(RUN_DIRECTORY) else os.path.dirname(RUN_DIRECTORY)
    _call(libc.mount(b"private", place.encode(), b"tmpfs", 0, None), f"mount {place}")
    os.makedirs(RUN_DIRECTORY, exist_ok=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        answer = fcntl.ioctl(any_socket, _GET_FLAGS, request)
        up = struct.unpack_from("16sh", answer)[1] | _UP
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", up))


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def share() -> None:
    """Do without namespaces, if that does no harm."""
    if os.geteuid() == 0 and os.path.exists(SYSTEM_SOCKET):
        print(
            "a pcscd of this system runs, and there are no namespaces here to keep ours apart: "
            "run as an unprivileged user",
            file=sys.stderr,
            flush=True,
        )
        sys.exit(REFUSED)
    with contextlib.suppress(OSError):
        os.makedirs(RUN_DIRECTORY, exist_ok=True)


def serve(broker: socket.socket, pcscd: int) -> NoReturn:
    """Connect to a local port for each "port" line; end pcscd when the other side is gone."""
    while order := broker.recv(64):
        try:
            # A driver that has not yet taken the connection before has no room for another.
            with socket.create_connection(("127.0.0.1", int(order)), CONNECT_SECONDS) as card:
                socket.send_fds(broker, [b"ok"], [card.fileno()])
        except OSError as error:
            broker.send(str(error).encode()[:200])
    if os.getppid() == pcscd:
        os.kill(pcscd, signal.SIGTERM)
    os._exit(0)


def main(arguments: list[str]) -> NoReturn:
    """Isolate, fork the broker, become pcscd."""
    broker = socket.socket(fileno=int(arguments[0]))
    listener = int(arguments[1])
    try:
        isolate()
        word = ALONE
    except OSError as error:
        print(f"no namespaces here: {error}", file=sys.stderr, flush=True)
        share()
        word = SHARED
    broker.send(word)
    pcscd = os.getpid()
    if os.fork() == 0:
        os.close(listener)
        serve(broker, pcscd)
    broker.close()
    if listener == _LISTENER:
        os.set_inheritable(listener, True)
    else:
        os.dup2(listener, _LISTENER)
        os.close(listener)
    environment = {**os.environ, "LISTEN_FDS": "1", "LISTEN_PID": str(pcscd)}
    os.execve(arguments[2], arguments[2:], environment)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
