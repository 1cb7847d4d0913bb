"""State that the arbiter and its workers share, in memory that fork keeps common.

gunicorn passes on only signals and exit codes. Four more things must be shared: whether SIGTERM to a worker means that
the whole service stops, which workers have loaded their models, how many places in the queue each has taken, and why a
startup failed.
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
        """Returns whether the whole service is stopping, so that no other worker will serve a request."""
        return self._memory[_STOPPING] != 0

    def stop(self) -> None:
        """Marks the service as stopping, for every process."""
        self._memory[_STOPPING] = 1

    # --- by each worker, for the arbiter and the other workers; age: gunicorn's running number of a worker

    def register(self, age: int) -> None:
        """Called before a worker starts."""
        self._memory[_READY + age % _AGES] = 0
        self.unregister(age)

    def unregister(self, age: int) -> None:
        """Called when a worker has exited, and its requests with it."""
        self._in_flight[age % _AGES] = 0

    def set_in_flight(self, age: int, in_flight: int) -> int:
        """Sets the number of places a worker has taken, and returns the total of all workers."""
        self._in_flight[age % _AGES] = in_flight
        return self.in_flight

    @property
    def in_flight(self) -> int:
        """Returns the number of places taken by all workers."""
        return sum(self._in_flight)

    def mark_ready(self, age: int) -> None:
        """Marks that a worker has loaded and tried its models."""
        self._memory[_READY + age % _AGES] = 1

    def ready_count(self) -> int:
        """How many workers have been ready so far, those included that have ended since."""
        return sum(self._memory[_READY:_IN_FLIGHT])

    # --- by a worker that cannot start

    def fail(self, message: str) -> None:
        """Sets the reason. Only the first one is kept, because the others fail for the same reason."""
        if not self.failure:
            text = message.encode()[: _SIZE - _FAILURE - 1]
            self._memory[_FAILURE : _FAILURE + len(text)] = text

    @property
    def failure(self) -> str:
        """Returns why a worker could not start; empty if none failed."""
        return self._memory[_FAILURE:].rstrip(b"\0").decode(errors="replace")
