"""What the master process and its workers tell each other, in memory that they share across fork.

gunicorn passes on signals and exit codes only. Four things must also be known: whether SIGTERM to a worker means "the
service stops" or "a successor is there", which workers have loaded their models, how many requests are inside each,
and why a start failed.
"""

from __future__ import annotations

import mmap

_STOPPING = 0
_READY = 1
_AGES = 255
_INSIDE = _READY + _AGES
_FAILURE = _INSIDE + 2 * _AGES
_SIZE = 4096


class Board:
    """Made by the master before it forks. Every write is one number, or is made by one process about to end."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SIZE)
        self._inside = memoryview(self._memory)[_INSIDE:_FAILURE].cast("H")

    # --- by the master, for the workers

    @property
    def stopping(self) -> bool:
        """Whether the whole service is ending, so that requests must be refused rather than left to a successor."""
        return self._memory[_STOPPING] != 0

    def stop(self) -> None:
        self._memory[_STOPPING] = 1

    # --- by each worker, for the master and for its siblings; age: gunicorn's running number of a worker

    def enter(self, age: int) -> None:
        """A worker is about to be born."""
        self._memory[_READY + age % _AGES] = 0
        self.leave(age)

    def leave(self, age: int) -> None:
        """A worker has ended, and what was inside it with it."""
        self._inside[age % _AGES] = 0

    def tally(self, age: int, inside: int) -> int:
        """Say how many requests are inside a worker; how many are inside all of them."""
        self._inside[age % _AGES] = inside
        return self.inside

    @property
    def inside(self) -> int:
        """Requests inside all workers: admitted, not yet answered."""
        return sum(self._inside)

    def mark_ready(self, age: int) -> None:
        """A worker has loaded its models and tried them."""
        self._memory[_READY + age % _AGES] = 1

    def is_ready(self, age: int) -> bool:
        return self._memory[_READY + age % _AGES] != 0

    def ready_count(self) -> int:
        """How many workers have been ready so far, those included that have ended since."""
        return sum(self._memory[_READY:_INSIDE])

    # --- by a worker that cannot start

    def fail(self, message: str) -> None:
        """Say why. The first to say so is heard, because the others fail of the same."""
        if not self.failure:
            text = message.encode()[: _SIZE - _FAILURE - 1]
            self._memory[_FAILURE : _FAILURE + len(text)] = text

    def forgive(self) -> None:
        """Forget a failure that ended nothing."""
        self._memory[_FAILURE:] = bytes(_SIZE - _FAILURE)

    @property
    def failure(self) -> str:
        """Why a worker could not start; empty when none failed."""
        return self._memory[_FAILURE:].rstrip(b"\0").decode(errors="replace")
