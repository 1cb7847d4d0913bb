"""State that the arbiter and its workers share, in memory that fork keeps common.

gunicorn passes on signals and exit codes only. Four things must also be known: whether SIGTERM to a worker means that
the whole service stops, which workers have loaded their models, how many places of the queue each has taken, and why a
start failed.
"""

from __future__ import annotations

import mmap

_STOPPING = 0
_READY = 1
_AGES = 255
_IN_FLIGHT = _READY + _AGES
_FAILURE = _IN_FLIGHT + 2 * _AGES
_SIZE = 4096


class SharedWorkerState:
    """Created by the arbiter before it forks. Every write is one number, or is made by one process about to end."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SIZE)
        self._in_flight = memoryview(self._memory)[_IN_FLIGHT:_FAILURE].cast("H")

    # --- by the arbiter, for the workers

    @property
    def stopping(self) -> bool:
        """Whether the whole service is stopping, so that requests are rejected rather than left to another worker."""
        return self._memory[_STOPPING] != 0

    def stop(self) -> None:
        """Tells every process that the service is stopping."""
        self._memory[_STOPPING] = 1

    # --- by each worker, for the arbiter and the other workers; age: gunicorn's running number of a worker

    def register(self, age: int) -> None:
        """Called before a worker starts."""
        self._memory[_READY + age % _AGES] = 0
        self.unregister(age)

    def unregister(self, age: int) -> None:
        """Called when a worker has ended, and its requests with it."""
        self._in_flight[age % _AGES] = 0

    def set_in_flight(self, age: int, in_flight: int) -> int:
        """Set how many places a worker has taken; returns how many all of them have."""
        self._in_flight[age % _AGES] = in_flight
        return self.in_flight

    @property
    def in_flight(self) -> int:
        """Places taken by all workers."""
        return sum(self._in_flight)

    def mark_ready(self, age: int) -> None:
        """A worker has loaded its models and tried them."""
        self._memory[_READY + age % _AGES] = 1

    def ready_count(self) -> int:
        """How many workers have been ready so far, those included that have ended since."""
        return sum(self._memory[_READY:_IN_FLIGHT])

    # --- by a worker that cannot start

    def fail(self, message: str) -> None:
        """Set why. Only the first reason is kept, because the others fail of the same."""
        if not self.failure:
            text = message.encode()[: _SIZE - _FAILURE - 1]
            self._memory[_FAILURE : _FAILURE + len(text)] = text

    @property
    def failure(self) -> str:
        """Why a worker could not start; empty when none failed."""
        return self._memory[_FAILURE:].rstrip(b"\0").decode(errors="replace")
