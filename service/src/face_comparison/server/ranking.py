"""The worst of thousands of connections, without looking at all of them each time.

Whoever opens connections faster than they can be judged would otherwise hold the event loop: with 2,000 of them, to
find the slowest takes a millisecond, and each new one asks for it.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT = 64
"""Found at once, of any number."""

VALID_SECONDS = 0.1
"""How long they count as the worst, which others may have become since."""


class Ranking(Generic[T]):
    """The items with the largest badness.

    Args:
        badness: Of one item now.
        is_member: Whether an item still belongs to those that are ranked.
        clock: Seconds that never jump.
    """

    def __init__(
        self, badness: Callable[[T], float], is_member: Callable[[T], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._badness, self._is_member, self._clock = badness, is_member, clock
        self._worst: list[T] = []
        self._until = 0.0

    def worst(self, items: Callable[[], Iterable[T]], count: int) -> T | None:
        """Returns the worst item; None without any.

        Args:
            items: All that are ranked; called only when they are ranked anew.
            count: How many they are: few are ranked anew each time.
        """
        if count <= KEPT or self._clock() >= self._until:
            self._worst.clear()
        while self._worst and not self._is_member(self._worst[-1]):
            self._worst.pop()
        if not self._worst:
            self._worst = heapq.nlargest(KEPT, items(), key=self._badness)[::-1]
            self._until = self._clock() + VALID_SECONDS
        return self._worst[-1] if self._worst else None
