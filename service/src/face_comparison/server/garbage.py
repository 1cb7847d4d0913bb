"""Decides when Python's garbage collector looks at all objects, during which the event loop waits.

With 2,000 open connections, that took 60 to 110 ms of processor time, and everything else in a turn of the loop 15.
Young objects, which are most of the garbage, are still collected automatically.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

CALM_CONNECTIONS = 200
"""Maximum number of connections with which a collection takes only a few milliseconds."""

CALM_SECONDS, CROWDED_SECONDS = 10.0, 120.0
"""Minimum time between two collections, with few and with many connections."""

_NEVER = 2**31 - 1


def keep_loaded() -> None:
    """Excludes everything that has been loaded from collections, and full collections from automatic ones."""
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _NEVER)
    gc.collect()
    gc.freeze()


class CollectionPolicy:
    """When to look at all objects.

    Args:
        clock: Seconds of a monotonic clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()

    def is_due(self, connections: int) -> bool:
        """Returns whether to collect now, with this number of open connections."""
        pause = CALM_SECONDS if connections <= CALM_CONNECTIONS else CROWDED_SECONDS
        if self._clock() - self._last < pause:
            return False
        self._last = self._clock()
        return True
