"""The selector of the event loop: bounds the events of a turn, so that new connections do not wait for thousands.

asyncio handles all events that a selector returns before it looks for new ones. If 2,000 clients close their
connections at the same time, a probe that connects meanwhile would wait for all of them, several times.
"""

from __future__ import annotations

import random
import selectors
import time
from collections.abc import Callable
from typing import Any

Events = list[tuple[selectors.SelectorKey, int]]

MOST_EVENTS, FEWEST_EVENTS = 24, 6
"""Number of events per turn: fewer, the longer the turns become."""

TURN_SECONDS = 0.006
"""Processor time of a turn above which the next one has half as many events; one more is tried below half of it."""

_FIRST = 3
"""Of the events of a turn: those of the loop itself and of the listening sockets, which were registered first. Of the
others, half are those of the newest connections."""


class FairSelector(selectors.DefaultSelector):
    """Returns the events of the newest connections first, and some others at random, so that none starves.

    Args:
        report_turn: Called with the processor seconds of each turn of the loop.
        clock: Processor seconds of the calling thread.
    """

    def __init__(
        self, report_turn: Callable[[float], None] = lambda seconds: None, clock: Callable[[], float] = time.thread_time
    ) -> None:
        super().__init__()
        self._report_turn, self._clock = report_turn, clock
        self._began: float | None = None
        self._order: dict[int, int] = {}
        self._count = 0
        self._limit = MOST_EVENTS

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Registers a file."""
        key: selectors.SelectorKey = super().register(fileobj, events, data)
        if key.fd not in self._order:
            self.note_new(key.fd)
        return key

    def note_new(self, fd: int) -> None:
        """Makes a file the newest.

        Registering it again does not: it happens whenever reading is resumed, and clients who cause that all the time
        would come before those who have just connected.
        """
        self._count += 1
        self._order[fd] = self._count

    def select(self, timeout: float | None = None) -> Events:
        """Waits for events, and returns only some if there are many. The others are returned again next time."""
        if self._began is not None:
            seconds = self._clock() - self._began
            self._report_turn(seconds)
            self._adapt(seconds)
        ready: Events = super().select(timeout)
        self._began = self._clock()
        return ready if len(ready) <= self._limit else self._chosen(ready)

    def _adapt(self, seconds: float) -> None:
        if seconds > TURN_SECONDS:
            self._limit = max(FEWEST_EVENTS, self._limit // 2)
        elif seconds < TURN_SECONDS / 2:
            self._limit = min(MOST_EVENTS, self._limit + 1)

    def _chosen(self, ready: Events) -> Events:
        ordered = sorted(ready, key=lambda event: self._order[event[0].fd])
        newest = (self._limit - _FIRST + 1) // 2
        others = random.sample(ordered[_FIRST:-newest], self._limit - _FIRST - newest)
        return ordered[:_FIRST] + ordered[: -newest - 1 : -1] + others
