"""State that the arbiter and its workers share, in memory that stays shared across forks.

gunicorn only passes on signals and exit codes. Four more facts must be shared: whether SIGTERM to a worker means that
the whole service stops, which workers have loaded their models, how many requests each worker has in flight, and why a
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
    """The shared state, which the arbiter creates before it forks.

    It needs no lock: every write is a single number, or is made by a process that is about to exit.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SIZE)
        self._in_flight = memoryview(self._memory)[_IN_FLIGHT:_FAILURE].cast("H")

    # --- written by the arbiter, for the workers

    @property
    def stopping(self) -> bool:
        """Whether the whole service is stopping, so that no other worker will serve requests."""
        return self._memory[_STOPPING] != 0

    def stop(self) -> None:
        """Marks the service as stopping, for every process."""
        self._memory[_STOPPING] = 1

    # --- written by each worker, for the arbiter and the other workers; `age` is gunicorn's sequence number of a worker

    def register(self, age: int) -> None:
        """Resets the state of a worker; called before it starts."""
        self._memory[_READY + age % _AGES] = 0
        self.unregister(age)

    def unregister(self, age: int) -> None:
        """Resets the number of requests in flight of a worker; called after it has exited."""
        self._in_flight[age % _AGES] = 0

    def set_in_flight(self, age: int, in_flight: int) -> int:
        """Sets the number of requests that a worker has in flight, and returns the total of all workers."""
        self._in_flight[age % _AGES] = in_flight
        return self.in_flight

    @property
    def in_flight(self) -> int:
        """The number of requests in flight in all workers."""
        return sum(self._in_flight)

    def mark_ready(self, age: int) -> None:
        """Marks that a worker has loaded and tried its models."""
        self._memory[_READY + age % _AGES] = 1

    def ready_count(self) -> int:
        """Returns how many workers have become ready so far, including those that have exited since."""
        return sum(self._memory[_READY:_IN_FLIGHT])

    # --- written by a worker that cannot start

    def fail(self, message: str) -> None:
        """Records why a worker could not start. Only the first reason is kept: other workers fail for the same one."""
        if not self.failure:
            text = message.encode()[: _SIZE - _FAILURE - 1]
            self._memory[_FAILURE : _FAILURE + len(text)] = text

    @property
    def failure(self) -> str:
        """Why a worker could not start; empty if none failed."""
        return self._memory[_FAILURE:].rstrip(b"\0").decode(errors="replace")
