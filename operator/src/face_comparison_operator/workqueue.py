"""Deduplicating work queue with per-key serialization and exponential backoff, like client-go's workqueue.

A key that is added while it is being processed is processed again afterward, so the latest state always wins.
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


class WorkQueue(Generic[K]):
    """The keys to process.

    Args:
        clock: Returns monotonic seconds.
        rest: Minimum seconds before a processed key is processed again, so that changes in between are handled
            together.
    """

    def __init__(self, clock: Callable[[], float], rest: float = 0.0) -> None:
        self._clock, self._rest = clock, rest
        self._done_at: dict[K, float] = {}
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
        """Adds `key`, to be processed as soon as possible."""
        if key in self._working:
            self._due.pop(key, None)
            self._again.add(key)
            return
        remaining = self._done_at.get(key, float("-inf")) + self._rest - self._clock()
        if remaining > 0:
            self.add_after(key, remaining)
            return
        self._due.pop(key, None)
        if key not in self._queued:
            self._queued.add(key)
            self._ready.append(key)
            self._changed.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Adds `key` after `seconds`; this is dropped if the key is added earlier for another reason."""
        due = self._clock() + seconds
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            heapq.heappush(self._timers, (due, next(self._order), key))
            self._changed.set()

    async def get(self) -> K:
        """Waits for the next key and returns it; the caller must call `done` afterward."""
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

    def done(self, key: K) -> None:
        """Ends the processing of `key`; if it has been added in the meantime, it is queued again."""
        self._working.discard(key)
        if self._rest:
            self._note_done(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _note_done(self, key: K) -> None:
        """Records when the key was processed, and drops records older than `rest`."""
        now = self._clock()
        self._done_at.pop(key, None)
        self._done_at[key] = now  # the latest is last
        for each, done_at in list(self._done_at.items()):
            if done_at + self._rest > now:
                break
            del self._done_at[each]

    def add_rate_limited(self, key: K) -> float:
        """Adds `key` after a failure, with exponential backoff; returns the delay in seconds."""
        count = self._failures[key] = self._failures.get(key, 0) + 1
        delay: float = min(FIRST_RETRY_SECONDS * 2 ** (count - 1), LAST_RETRY_SECONDS)
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """Resets the backoff of `key` after a success."""
        self._failures.pop(key, None)

    def _release_due(self) -> None:
        while self._timers and self._timers[0][0] <= self._clock():
            due, _, key = heapq.heappop(self._timers)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key)
