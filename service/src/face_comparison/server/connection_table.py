"""The open connections of a process, shared fairly between addresses: who has many makes room before the others."""

from __future__ import annotations

import time

from face_comparison.server.crowd import Crowd
from face_comparison.server.open_connection import OpenConnection
from face_comparison.server.phases import Phase

CONNECTIONS_SHARE = 0.125
"""Fraction of the maximum number of connections above which an address makes room before all others."""

MEMORY_SHARE = 0.25
"""Fraction of the memory of all connections above which an address makes room before all others."""


class ConnectionTable:
    """The connections of a process.

    Args:
        max_connections: Maximum number of open connections.
    """

    def __init__(self, max_connections: int) -> None:
        self._share = CONNECTIONS_SHARE * max_connections
        self._all = Crowd()
        self._by_address: dict[str, Crowd] = {}

    @property
    def count(self) -> int:
        """The number of connections, including those that are accepted but not served yet."""
        return self._all.count

    def join(self, address: str) -> None:
        """Counts a connection that has been accepted."""
        crowd = self._by_address.get(address)
        if crowd is None:
            crowd = self._by_address[address] = Crowd()
        crowd.count += 1
        self._all.count += 1

    def leave(self, address: str) -> None:
        """Counts the end of a connection."""
        crowd = self._by_address[address]
        crowd.count -= 1
        self._all.count -= 1
        self._forget_if_gone(address, crowd)

    def is_heavy(self, address: str) -> bool:
        """Returns whether an address has more than its share of the connections."""
        crowd = self._by_address.get(address)
        return crowd is not None and crowd.count > self._share

    def add(self, connection: OpenConnection) -> None:
        """Registers a connection that is served from now on, and has joined before."""
        self._all.add(connection)
        self._by_address[connection.caller].add(connection)

    def move(self, connection: OpenConnection, before: Phase) -> None:
        """Registers that a connection has left the phase `before`."""
        if self._all.move(connection, before):
            self._by_address[connection.caller].move(connection, before)
            if connection.phase is Phase.CLOSED:
                self.leave(connection.caller)

    def hold(self, connection: OpenConnection, amount: int) -> None:
        """Counts memory that a connection is charged for, or no longer charged for if negative."""
        connection.held_bytes += amount
        self._all.held_bytes += amount
        crowd = self._by_address[connection.caller]
        crowd.held_bytes += amount
        self._forget_if_gone(connection.caller, crowd)

    def _forget_if_gone(self, address: str, crowd: Crowd) -> None:
        """Forgets an address without connections, once the requests of those that have ended hold no memory either."""
        if not crowd.count and not crowd.held_bytes:
            del self._by_address[address]

    def count_in(self, *phases: Phase) -> int:
        """Returns the number of connections in these phases."""
        return self._all.count_in(*phases)

    def evict_one(self, *, respond: bool) -> bool:
        """Evicts a connection, of the address with the most if that has more than its share (see `Crowd.evict_one`)."""
        heaviest = max(self._by_address.values(), key=lambda crowd: crowd.count, default=self._all)
        if heaviest.count > self._share and heaviest.evict_one(respond=respond):
            return True
        return self._all.evict_one(respond=respond)

    def largest(self) -> OpenConnection | None:
        """Returns the connection to evict if memory is short, if any (see `Crowd.largest`)."""
        heaviest = max(self._by_address.values(), key=lambda crowd: crowd.held_bytes, default=self._all)
        found = heaviest.largest() if heaviest.held_bytes > MEMORY_SHARE * self._all.held_bytes else None
        return self._all.largest() if found is None else found

    def close_idle(self, seconds: float) -> None:
        """Closes connections that have been idle for at least this many seconds."""
        now = time.monotonic()
        for phase in (Phase.NEW, Phase.IDLE):
            for connection in self._all.in_phase(phase):
                if now - connection.since >= seconds:
                    connection.abort()
