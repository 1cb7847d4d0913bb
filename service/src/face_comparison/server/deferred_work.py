"""Short work that the event loop does in turns, between which it serves all connections."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

DEFERRED_SECONDS = 0.002
"""How long the event loop spends on deferred work before it serves all connections again."""


class DeferredWork:
    """Functions to call in later iterations of the event loop, in order."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_scheduled = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, callback: Callable[[], None]) -> None:
        """Calls a short function in a later iteration of the event loop, after all functions added before it."""
        self._waiting.append(callback)
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        until = time.monotonic() + DEFERRED_SECONDS
        try:
            while self._waiting and time.monotonic() < until:
                self._waiting.popleft()()
        finally:
            self._is_scheduled = bool(self._waiting)
            if self._is_scheduled:
                self._loop.call_soon(self._run)
