"""Finds the worst of thousands of connections without examining all of them each time.

Finding the slowest of 2,000 connections takes a millisecond, and every new connection requires it. A client that opens
connections quickly could otherwise keep the event loop busy.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT = 64
"""Number of the worst items that are found at once."""

VALID_SECONDS = 0.1
"""How long these count as the worst items, although others may have become worse since."""


class Ranking(Generic[T]):
    """Keeps track of the worst items.

    Args:
        badness: Returns how bad an item is now; the largest is the worst.
        is_member: Returns whether an item is still one of those that are ranked.
        clock: Returns monotonic seconds.
    """

    def __init__(
        self, badness: Callable[[T], float], is_member: Callable[[T], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._badness, self._is_member, self._clock = badness, is_member, clock
        self._worst: list[T] = []
        self._until = 0.0

    def worst(self, items: Callable[[], Iterable[T]], count: int) -> T | None:
        """Returns the worst item, or None if there are no items.

        Args:
            items: Returns all items; called only to rank them again.
            count: Number of items; a few items are ranked again each time.
        """
        if count <= KEPT or self._clock() >= self._until:
            self._worst.clear()
        while self._worst and not self._is_member(self._worst[-1]):
            self._worst.pop()
        if not self._worst:
            self._worst = heapq.nlargest(KEPT, items(), key=self._badness)[::-1]
            self._until = self._clock() + VALID_SECONDS
        return self._worst[-1] if self._worst else None
