"""Connections by phase, and which of them makes room for others."""

from __future__ import annotations

import time
from itertools import chain

from face_comparison.observability import metrics
from face_comparison.server.open_connection import OpenConnection
from face_comparison.server.phases import Phase
from face_comparison.server.ranking import Ranking

FRESH_SECONDS, MANY_NEW = 1.0, 128
"""How long a connection that has just been accepted is kept, if another one can be closed: a probe may have sent its
request, which the event loop reads in one of its next iterations. It does not apply to a crowd that sends nothing."""

_CLOSE_ORDER = (Phase.NEW, Phase.LINGERING, Phase.DISCARDING, Phase.HEAD, Phase.IDLE)


class Crowd:
    """Some of the connections of a process: all of them, or those of one address.

    Attributes:
        count: Number of connections, including those that are accepted but not served yet.
        held_bytes: Memory that they are charged for.
    """

    def __init__(self) -> None:
        self.count = self.held_bytes = 0
        self._by_phase: dict[Phase, dict[OpenConnection, None]] = {phase: {} for phase in Phase}
        self._slowest = Ranking[OpenConnection](
            lambda each: -each.bytes_per_second, lambda each: each in self._by_phase[Phase.BODY]
        )
        self._largest = Ranking[OpenConnection](lambda each: each.byte_seconds, self._can_free_memory)

    def add(self, connection: OpenConnection) -> None:
        """Adds a connection that is served from now on."""
        self._by_phase[connection.phase][connection] = None

    def move(self, connection: OpenConnection, before: Phase) -> bool:
        """Notes that a connection has left the phase `before`; returns whether it was known.

        Each phase keeps connections in order of entry.
        """
        if self._by_phase[before].pop(connection, True) is not None:
            return False
        if connection.phase is Phase.CLOSED:
            self._slowest.discard(connection)
            self._largest.discard(connection)
        else:
            self._by_phase[connection.phase][connection] = None
        return True

    def in_phase(self, phase: Phase) -> list[OpenConnection]:
        """Returns the connections in a phase, those that have been in it for longest first."""
        return [*self._by_phase[phase]]

    def count_in(self, *phases: Phase) -> int:
        """Returns the number of connections in these phases."""
        return sum(len(self._by_phase[phase]) for phase in phases)

    def evict_one(self, *, respond: bool) -> bool:
        """Evicts the connection whose loss costs its client least; returns False if all are being processed.

        Args:
            respond: Whether a client that is sending or receiving gets an error before its connection is closed.
        """
        for phase in _CLOSE_ORDER:
            oldest = next(iter(self._by_phase[phase]), None)
            if oldest is not None and not (phase is Phase.NEW and self._is_fresh(oldest)):
                oldest.evict()
                return True
        rejected = next((each for each in self._by_phase[Phase.HANDLING] if each.is_rejected), None)
        if rejected is not None:  # thousands of rejected requests may be waiting for their responses
            rejected.evict()
            return True
        receiving = self._by_phase[Phase.BODY]
        # If no body is being received, evict the connection that has been sending its response for longest.
        slowest = (
            self._slowest.worst(receiving.keys, len(receiving))
            or next(iter(self._by_phase[Phase.SENDING]), None)
            or next(iter(self._by_phase[Phase.NEW]), None)
        )
        if slowest is None:
            return False
        if respond:
            slowest.evict()
        else:
            count_eviction(slowest.phase.value)
            slowest.abort()
        return True

    def largest(self) -> OpenConnection | None:
        """Returns the connection with the largest product of memory and duration that can be evicted, if any."""
        receiving, sending = self._by_phase[Phase.BODY], self._by_phase[Phase.SENDING]
        return self._largest.worst(lambda: chain(receiving, sending), len(receiving) + len(sending))

    def _is_fresh(self, oldest: OpenConnection) -> bool:
        """Returns whether new connections, of which this is the oldest, may have sent what has not been read yet."""
        few = len(self._by_phase[Phase.NEW]) <= MANY_NEW
        return few and time.monotonic() - oldest.since < FRESH_SECONDS

    def _can_free_memory(self, connection: OpenConnection) -> bool:
        """Returns whether a connection holds memory, and is not being processed."""
        return connection.held_bytes > 0 and (
            connection in self._by_phase[Phase.BODY] or connection in self._by_phase[Phase.SENDING]
        )


def count_eviction(reason: str) -> None:
    """Counts an eviction for this reason."""
    metrics.EVICTIONS.labels(reason).inc()
