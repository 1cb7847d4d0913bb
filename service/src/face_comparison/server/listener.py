"""Creates the listening socket and shuts it down gracefully."""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from contextlib import suppress

from face_comparison.errors import InvalidSettings

BACKLOG = 4096

_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
# A classic BPF program for TCP segments, as (code, jump if true, jump if false, operand): of the flags SYN and ACK, if
# only SYN is set, the segment opens a new connection and is dropped.
_NO_NEW_CONNECTION = (
    (0x30, 0, 0, 13),  # load the byte with the flags
    (0x54, 0, 0, 0x12),  # mask SYN and ACK
    (0x15, 0, 1, 0x02),  # is only SYN set?
    (0x06, 0, 0, 0),  # if so, drop the segment
    (0x06, 0, 0, 0xFFFFFFFF),  # otherwise, accept it
)


def create_listener(host: str, port: int) -> socket.socket:
    """Creates a listening socket; port 0 selects a free port.

    Raises:
        InvalidSettings: The address or port cannot be used.
    """
    if host == "::" and not socket.has_dualstack_ipv6():
        host = "0.0.0.0"  # noqa: S104 (every address was asked for, and this machine has no IPv6)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=host == "::")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            problem = "another program listens there: stop it, or choose another port with --port (0 takes a free one)"
        elif error.errno == errno.EACCES:
            problem = "permission denied: ports below 1024 are reserved, choose another with --port"
        else:
            problem = f"{error.strerror}: --host is an address of this machine, 0.0.0.0 for all"
        raise InvalidSettings(f"cannot listen on {host}, port {port}: {problem}") from error


def block_new_connections(listener: socket.socket) -> None:
    """Blocks new connections from now on; connections that are being established can still be accepted.

    Closing a listening socket resets connections that the kernel has established since the last `accept`, although
    their clients may have sent a request by then. Therefore, the kernel first drops attempts to connect: those clients
    retry by themselves, and their connections are refused once the socket is closed. This applies to all processes that
    share the socket. Without it, one of 16 clients that connected as fast as they could was reset in every second
    shutdown. On systems other than Linux, this function does nothing, and such resets remain possible.
    """
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in _NO_NEW_CONNECTION))
    with suppress(OSError):
        listener.setsockopt(
            socket.SOL_SOCKET,
            _SO_ATTACH_FILTER,
            struct.pack("@HP", len(_NO_NEW_CONNECTION), ctypes.addressof(program)),
        )
