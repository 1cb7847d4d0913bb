"""Which resource is looked at next: each at most once at a time, failures later and later, and nothing forgotten.

A key that is added while it is being worked on is worked on once more afterwards, so the last state always wins.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

FIRST_RETRY_SECONDS = 0.2
LAST_RETRY_SECONDS = 60.0

K = TypeVar("K")


class Queue(Generic[K]):
    """Keys to be worked on. `clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ready: deque[K] = deque()
        self._queued: set[K] = set()
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._failures: dict[K, int] = {}
        self._due: dict[K, float] = {}
        self._timers: list[tuple[float, int, K]] = []
        self._order = itertools.count()
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, key: K) -> None:
        """Look at `key` as soon as possible."""
        self._due.pop(key, None)
        if key in self._working:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._ready.append(key)
            self._changed.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Look at `key` in `seconds` at the latest; an earlier look makes this one unnecessary."""
        due = self._clock() + seconds
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            heapq.heappush(self._timers, (due, next(self._order), key))
            self._changed.set()

    async def take(self) -> K:
        """The next key, as soon as there is one; `done` must follow."""
        while True:
            self._release_due()
            if self._ready:
                key = self._ready.popleft()
                self._queued.discard(key)
                self._working.add(key)
                return key
            self._changed.clear()
            wait = self._timers[0][0] - self._clock() if self._timers else None
            try:
                await asyncio.wait_for(self._changed.wait(), wait)
            except TimeoutError:
                continue

    def done(self, key: K, *, failed: bool = False) -> float | None:
        """End the work on `key`; after a failure it comes again, later each time. Seconds until then."""
        self._working.discard(key)
        retry = None
        if failed:
            count = self._failures[key] = self._failures.get(key, 0) + 1
            retry = min(FIRST_RETRY_SECONDS * 2 ** (count - 1), LAST_RETRY_SECONDS)
            self.add_after(key, retry)
        else:
            self._failures.pop(key, None)
        if key in self._again:
            self._again.discard(key)
            self.add(key)
        return retry

    def _release_due(self) -> None:
        while self._timers and self._timers[0][0] <= self._clock():
            due, _, key = heapq.heappop(self._timers)
            if self._due.get(key) == due:
                self.add(key)
