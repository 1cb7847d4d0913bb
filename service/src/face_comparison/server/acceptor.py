"""Accepts connections as fast as they come, and begins to serve a few per turn: probes first, crowds last."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from face_comparison.server.connection_table import ConnectionTable
from face_comparison.server.crowd import count_eviction
from face_comparison.server.listener import BACKLOG
from face_comparison.server.phases import Phase
from face_comparison.server.waiting_room import Accepted, Address, WaitingRoom, read_available
from face_comparison.web.request_gate import caller_of_address

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCEPTS_PER_TURN = 512
ACCEPT_SECONDS, BEHIND_SECONDS = 0.002, 0.008
"""How long the event loop spends per iteration on accepting connections, and if that was not enough the last time: a
probe waits behind thousands of other connections."""

BEGINS_PER_TURN = 8
"""Number of connections that the event loop begins to serve per iteration, each of which takes 0.1 ms."""

GRACE_CONNECTIONS = 128
"""Connections allowed beyond the limit: half of them wait to be served, half to be sent an error and closed."""


class Acceptor:
    """Accepts connections, and keeps their number within a limit.

    Args:
        table: The open connections.
        max_connections: Maximum number of connections that are served.
        processes: Number of processes that share the listening socket.
        connect: Begins to serve an accepted socket.
        evict: Evicts an open connection; returns False if all are being processed.
    """

    def __init__(
        self,
        table: ConnectionTable,
        max_connections: int,
        processes: int,
        connect: Callable[[Accepted], None],
        evict: Callable[[], bool],
    ) -> None:
        self._table, self._max_connections, self._processes = table, max_connections, processes
        self._connect, self._evict = connect, evict
        self._loop = asyncio.get_running_loop()
        self._waiting = WaitingRoom(table.is_heavy)
        self._accepts, self._is_beginning = 1 if processes > 1 else ACCEPTS_PER_TURN, False
        self._is_behind = False

    def listen(self, listener: socket.socket) -> None:
        """Starts accepting connections. The socket must be nonblocking."""
        self._loop.add_reader(listener, self.accept, listener, listener.getsockname())

    def stop_listening(self, listener: socket.socket) -> None:
        """Accepts the connections that are already established, and then stops accepting."""
        self._loop.remove_reader(listener)
        address = listener.getsockname()
        for _ in range(BACKLOG):  # during a flood, there would always be one more
            if not self._accept_one(listener, address):
                break
        for accepted in self._take():
            self._connect(accepted)

    def accept(self, listener: socket.socket, address: Address) -> None:
        """Accepts connections as fast as they come, and begins with probes: they do not wait for a burst.

        Accepting takes a fraction of the time that a connection takes altogether. If several processes share the
        socket, each accepts one at a time, so that connections are spread over all of them, and more during a burst.
        """
        until = time.monotonic() + (BEHIND_SECONDS if self._is_behind else ACCEPT_SECONDS)
        self._is_behind = False
        for _ in range(self._accepts):
            if not self._accept_one(listener, address):
                self._accepts = 1 if self._processes > 1 else ACCEPTS_PER_TURN
                break
            if time.monotonic() >= until:
                self._is_behind = True
                break
        else:
            self._accepts = min(2 * self._accepts, ACCEPTS_PER_TURN)
        if not self._is_beginning:
            self._begin()

    def _take(self) -> Iterator[Accepted]:
        while (accepted := self._waiting.take()) is not None:
            yield accepted

    def _begin(self) -> None:
        """Begins to serve a few of the accepted connections; the rest in later iterations."""
        try:
            self._waiting.listen()
            for _, accepted in zip(range(BEGINS_PER_TURN), self._take(), strict=False):
                if self._served() > self._max_connections and not self._evict():
                    self._drop(accepted)
                    continue
                while self._served() > self._max_connections + GRACE_CONNECTIONS // 2 and self._evict():
                    pass
                self._connect(accepted)
        finally:
            self._is_beginning = bool(len(self._waiting))
            if self._is_beginning:
                self._loop.call_soon(self._begin)

    def _served(self) -> int:
        return self._table.count - len(self._waiting)

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
        sock.setblocking(False)
        first = read_available(sock)
        if first == b"":  # the client has left already
            sock.close()
            return True
        accepted = Accepted(sock, peer, address, caller_of_address(peer[0]).key, first or b"")
        self._table.join(accepted.caller)
        self._waiting.add(accepted)
        while self._table.count > self._max_connections + GRACE_CONNECTIONS and self._make_room():
            pass
        return True

    def _make_room(self) -> bool:
        """Closes a connection that waits to be served, or evicts an open one."""
        dropped = self._waiting.drop_of_crowd()
        if dropped is None and len(self._waiting) <= GRACE_CONNECTIONS // 2 and self._evict():
            return True
        dropped = dropped or self._waiting.drop()
        if dropped is None:
            return False
        self._drop(dropped)
        return True

    def _drop(self, accepted: Accepted) -> None:
        with suppress(OSError):
            accepted.sock.close()
        self._table.leave(accepted.caller)
        count_eviction(Phase.NEW.value)
