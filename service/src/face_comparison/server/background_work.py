"""Runs work in a thread for which the event loop must not wait, such as writing to a log whose reader is stalled."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

MAX_WAITING = 2000
"""Maximum number of waiting functions; further ones are dropped."""

FINISH_SECONDS = 1.0

_log = logging.getLogger(__name__)


class BackgroundWork:
    """Runs functions one at a time. Its methods must be called from a single thread."""

    def __init__(self, name: str, limit: int = MAX_WAITING) -> None:
        self._waiting: queue.Queue[Callable[[], None] | None] = queue.Queue(limit)
        self._dropped = 0
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def run(self, function: Callable[[], None]) -> None:
        """Schedules a function, or drops it if too many are waiting. The function may log and should not raise."""
        try:
            self._waiting.put_nowait(function)
        except queue.Full:
            self._dropped += 1
            return
        if self._dropped:
            count, self._dropped = self._dropped, 0
            self.run(lambda: _log.warning("%d lines were not logged: the log is not read fast enough", count))

    def finish(self, seconds: float = FINISH_SECONDS) -> None:
        """Waits until all functions have run, but not longer than about the timeout."""
        try:
            self._waiting.put(None, timeout=seconds)
        except queue.Full:
            return
        self._thread.join(seconds)

    def _work(self) -> None:
        while (function := self._waiting.get()) is not None:
            try:
                function()
            except Exception:
                _log.exception("background work failed")
