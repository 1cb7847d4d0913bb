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
        cost: Returns how bad an item is now.
        is_member: Returns whether an item still counts.
        clock: Returns seconds, such as `time.monotonic`.
    """

    def __init__(
        self, cost: Callable[[T], float], is_member: Callable[[T], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cost, self._is_member, self._clock = cost, is_member, clock
        self._worst: list[T] = []
        self._until = 0.0

    def worst(self, items: Callable[[], Iterable[T]], count: int) -> T | None:
        """Returns the worst item, or None if there are no items.

        Args:
            items: All that may count; called only when they are ranked anew.
            count: How many they are: few are ranked anew each time.
        """
        if count <= KEPT or self._clock() >= self._until:
            self._worst.clear()
        while self._worst and not self._is_member(self._worst[-1]):
            self._worst.pop()
        if not self._worst:
            self._worst = heapq.nlargest(KEPT, filter(self._is_member, items()), key=self._cost)[::-1]
            self._until = self._clock() + VALID_SECONDS
        return self._worst[-1] if self._worst else None

    def discard(self, item: T) -> None:
        """Forgets an item that has ended, so that its memory is free at once."""
        if item in self._worst:
            self._worst.remove(item)
