"""Accepts connections as fast as they come, and begins with those that have sent a probe or at least something."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from face_comparison.server.application_threads import PROBES
from face_comparison.server.connection_table import count_eviction
from face_comparison.server.phases import Phase

if TYPE_CHECKING:
    from face_comparison.server.connection_table import ConnectionTable

Address = tuple[Any, ...]
_Accepted = tuple[socket.socket, Address, Address]
"""A socket, the address of its client, and that of the listening socket."""

_PROBE_STARTS = tuple(f"GET {path}".encode() for path in PROBES)

ACCEPTS_PER_TURN = 256
ACCEPT_SECONDS = BEGIN_SECONDS = 0.002
"""How long the event loop spends per iteration on accepting connections, and on beginning to serve them."""

KEPT_ACCEPTED = 512
"""Accepted connections that wait to be served; further ones are closed when there are too many connections."""

GRACE_CONNECTIONS = 64
"""Connections allowed beyond the limit while evicted clients are sent an error; beyond that, connections are closed
without one."""


class Acceptor:
    """Accepts connections, and keeps their number within a limit.

    Args:
        table: The open connections.
        max_connections: Maximum number of open connections.
        processes: Number of processes that share the listening socket.
        connect: Begins to serve an accepted socket.
        evict: Evicts an open connection; returns False if all are being processed.
    """

    def __init__(
        self,
        table: ConnectionTable,
        max_connections: int,
        processes: int,
        connect: Callable[[socket.socket, Address, Address], None],
        evict: Callable[[], bool],
    ) -> None:
        self._table, self._max_connections, self._processes = table, max_connections, processes
        self._connect, self._evict = connect, evict
        self._loop = asyncio.get_running_loop()
        self._accepted: deque[_Accepted] = deque()
        self._silent: deque[_Accepted] = deque()  # those that had not sent anything yet
        self._accepts, self._is_beginning = 1 if processes > 1 else ACCEPTS_PER_TURN, False

    def listen(self, listener: socket.socket) -> None:
        """Starts accepting connections. The socket must be nonblocking."""
        self._loop.add_reader(listener, self.accept, listener, listener.getsockname())

    def stop_listening(self, listener: socket.socket) -> None:
        """Accepts the connections that are already established, and then stops accepting."""
        self._loop.remove_reader(listener)
        address = listener.getsockname()
        while self._accept_one(listener, address):
            pass
        while waiting := self._accepted or self._silent:
            self._connect(*waiting.pop())

    def accept(self, listener: socket.socket, address: Address) -> None:
        """Accepts connections as fast as they come, and begins with probes: they do not wait for a burst.

        Accepting takes a fraction of the time that a connection takes altogether. If several processes share the
        socket, each accepts one at a time, so that connections are spread over all of them, and more during a burst.
        """
        until = time.monotonic() + ACCEPT_SECONDS
        for _ in range(self._accepts):
            if not self._accept_one(listener, address):
                self._accepts = 1 if self._processes > 1 else ACCEPTS_PER_TURN
                break
            if time.monotonic() >= until:
                break
        else:
            self._accepts = min(2 * self._accepts, ACCEPTS_PER_TURN)
        if not self._is_beginning:
            self._begin()

    def _begin(self) -> None:
        """Begins to serve accepted connections, those that have sent something first; the rest in later iterations."""
        until = time.monotonic() + BEGIN_SECONDS
        while (waiting := self._accepted or self._silent) and time.monotonic() < until:
            self._connect(*waiting.pop())
        self._is_beginning = bool(self._accepted or self._silent)
        if self._is_beginning:
            self._loop.call_soon(self._begin)

    def _accept_one(self, listener: socket.socket, address: Address) -> bool:
        """Accepts one connection; returns whether there was one."""
        try:
            sock, peer = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                raise
            self._make_room()
            return False
        if self._table.count >= self._max_connections and not self._make_room():
            sock.close()
            return True
        while self._table.count >= self._max_connections + GRACE_CONNECTIONS and self._make_room():
            pass
        self._table.count += 1
        sock.setblocking(False)
        start = _peek(sock)
        if start.startswith(_PROBE_STARTS):
            self._connect(sock, peer, address)
        elif start:
            self._accepted.append((sock, peer, address))
        else:
            self._silent.append((sock, peer, address))
        return True

    def _make_room(self) -> bool:
        """Closes a connection that waits to be served, if there are many, or evicts an open one."""
        while len(self._accepted) + len(self._silent) > KEPT_ACCEPTED:
            sock, peer, address = (self._silent or self._accepted).popleft()
            if _peek(sock).startswith(_PROBE_STARTS):  # it has arrived in the meantime
                self._connect(sock, peer, address)
                continue
            sock.close()
            self._table.count -= 1
            count_eviction(Phase.NEW.value)
            return True
        return self._evict()


def _peek(sock: socket.socket) -> bytes:
    """Returns the first bytes that have arrived, which stay in the socket; none if there are none yet."""
    try:
        return sock.recv(16, socket.MSG_PEEK)
    except OSError:
        return b""
