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

EVENTS_PER_TURN = 24
_NEWEST = 10
_OLDEST = 6
"""Of the events of a turn: those of the loop itself and of the listening sockets, which were registered first."""


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
        self._registered: dict[int, int] = {}
        self._count = 0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Registers a file."""
        key: selectors.SelectorKey = super().register(fileobj, events, data)
        self._count += 1
        self._registered[key.fd] = self._count
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Removes a file."""
        key: selectors.SelectorKey = super().unregister(fileobj)
        self._registered.pop(key.fd, None)
        return key

    def select(self, timeout: float | None = None) -> Events:
        """Waits for events, and returns at most `EVENTS_PER_TURN`. The others are returned again next time."""
        if self._began is not None:
            self._report_turn(self._clock() - self._began)
        ready: Events = super().select(timeout)
        self._began = self._clock()
        return ready if len(ready) <= EVENTS_PER_TURN else self._chosen(ready)

    def _chosen(self, ready: Events) -> Events:
        def registered(event: tuple[selectors.SelectorKey, int]) -> int:
            return self._registered[event[0].fd]

        ordered = sorted(ready, key=registered)
        newest_first = ordered[: -_NEWEST - 1 : -1]
        others = random.sample(ordered[_OLDEST:-_NEWEST], EVENTS_PER_TURN - _OLDEST - _NEWEST)
        return ordered[:_OLDEST] + newest_first + others
