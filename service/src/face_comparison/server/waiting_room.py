"""Accepted connections that wait to be served, and which of them comes next.

Clients with few connections come before crowds, probes before other requests, those before connections that have sent
nothing; the newest come first, because during a flood, the clients of most of the older ones have left.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from face_comparison.server.application_threads import PROBES

Address = tuple[Any, ...]

FIRST_BYTES = 2048
"""Maximum number of bytes that are read while a connection waits; the rest stays in the kernel."""

LISTENED_TO = 64
"""Number of silent connections that are read again each time; each takes a microsecond."""

_PROBE_STARTS = tuple(f"GET {path}".encode() for path in PROBES)


@dataclass(slots=True)
class Accepted:
    """An accepted connection.

    Attributes:
        sock: Its socket.
        peer: Address of its client.
        address: Address of the listening socket.
        caller: Key of the caller that the client's address stands for.
        first: The first bytes that it has sent.
    """

    sock: socket.socket
    peer: Address
    address: Address
    caller: str
    first: bytes


class WaitingRoom:
    """Accepted connections that are not served yet.

    Args:
        is_heavy: Returns whether a caller has many connections.
    """

    def __init__(self, is_heavy: Callable[[str], bool]) -> None:
        self._is_heavy = is_heavy
        self._light = _Queues()
        self._heavy = _Queues()

    def __len__(self) -> int:
        return len(self._light) + len(self._heavy)

    def add(self, accepted: Accepted) -> None:
        """Adds a connection."""
        (self._heavy if self._is_heavy(accepted.caller) else self._light).add(accepted)

    def listen(self) -> None:
        """Reads what clients have sent in the meantime."""
        for queues in (self._light, self._heavy):
            queues.listen()

    def take(self) -> Accepted | None:
        """Removes and returns the connection to serve next, if there is any."""
        return self._light.newest() or self._heavy.newest()

    def drop_of_crowd(self) -> Accepted | None:
        """Removes and returns the connection of a caller with many whose loss matters least, if there is any."""
        return self._heavy.oldest()

    def drop(self) -> Accepted | None:
        """Removes and returns the connection whose loss matters least, if there is any."""
        return self._heavy.oldest() or self._light.oldest()


class _Queues:
    """Connections that have sent a probe, something else, or nothing yet, in the order of their arrival."""

    def __init__(self) -> None:
        self._probes: deque[Accepted] = deque()
        self._others: deque[Accepted] = deque()
        self._silent: deque[Accepted] = deque()

    def __len__(self) -> int:
        return len(self._probes) + len(self._others) + len(self._silent)

    def add(self, accepted: Accepted) -> None:
        if accepted.first.startswith(_PROBE_STARTS):
            self._probes.append(accepted)
        else:
            (self._others if accepted.first else self._silent).append(accepted)

    def listen(self) -> None:
        newest = [self._silent.pop() for _ in range(min(len(self._silent), LISTENED_TO))]
        for accepted in reversed(newest):
            accepted.first = read_available(accepted.sock) or b""
            self.add(accepted)

    def newest(self) -> Accepted | None:
        queue = self._probes or self._others or self._silent
        return queue.pop() if queue else None

    def oldest(self) -> Accepted | None:
        """Removes and returns the oldest one of the kind of which there are most: that of the flood."""
        while queue := max(self._others, self._silent, self._probes, key=len):
            accepted = queue.popleft()
            if not accepted.first:
                accepted.first = read_available(accepted.sock) or b""
                if accepted.first.startswith(_PROBE_STARTS):
                    self._probes.append(accepted)
                    continue
            return accepted
        return None


def read_available(sock: socket.socket) -> bytes | None:
    """Returns the first bytes that have arrived, none if the client has left; None if there is nothing yet."""
    try:
        return sock.recv(FIRST_BYTES)
    except BlockingIOError:
        return None
    except OSError:
        return b""
