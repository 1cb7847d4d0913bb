"""Listening socket and its graceful shutdown."""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from contextlib import suppress

from face_comparison.errors import InvalidSettings

BACKLOG = 2048

_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
# Classic BPF over a TCP segment, (code, if true, if false, operand): drop it when of SYN and ACK only SYN is set.
_NO_NEW_CONNECTION = (
    (0x30, 0, 0, 13),  # load the byte that holds the flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # only SYN?
    (0x06, 0, 0, 0),  # then drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # else take it
)


def create_listener(host: str, port: int) -> socket.socket:
    """Creates a listening socket; port 0 selects a free one. Raises InvalidSettings if that fails."""
    if host == "::" and not socket.has_dualstack_ipv6():
        host = "0.0.0.0"  # noqa: S104 (every address was asked for, and this machine has no IPv6)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=host == "::")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            why = "another program listens there: stop it, or choose another port with --port (0 takes a free one)"
        elif error.errno == errno.EACCES:
            why = "permission denied: ports below 1024 are reserved, choose another with --port"
        else:
            why = f"{error.strerror}: --host is an address of this machine, 0.0.0.0 for all"
        raise InvalidSettings(f"cannot listen on {host}, port {port}: {why}") from error


def block_new_connections(listener: socket.socket) -> None:
    """Blocks new connections from now on; those that have begun can still be accepted.

    Closing a listening socket resets connections that the kernel completed since the last `accept`, although their
    clients have sent a request by then. So the kernel first drops attempts to connect: those clients try again by
    themselves, and are refused once the socket is closed. Applies to all processes that share the socket. Without it,
    one of 16 clients that connect as fast as they can was reset in every second stop. Elsewhere than on Linux nothing
    happens, and such resets remain possible.
    """
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in _NO_NEW_CONNECTION))
    with suppress(OSError):
        listener.setsockopt(
            socket.SOL_SOCKET,
            _SO_ATTACH_FILTER,
            struct.pack("@HP", len(_NO_NEW_CONNECTION), ctypes.addressof(program)),
        )
