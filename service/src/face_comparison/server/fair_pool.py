"""A pool of threads that callers share fairly: when all threads are busy, callers take turns."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")
_Job = tuple[Callable[[], Any], Callable[[Any], None]]


class FairPool:
    """Threads, all of which are started at once. Call its methods in the event loop.

    Args:
        count: Number of threads.
        name: Prefix of their names.
        initializer: Called in each thread.
    """

    def __init__(self, count: int, name: str, initializer: Callable[[], None] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._executor = ThreadPoolExecutor(count, name, initializer=initializer)
        self._free = count
        self._waiting: OrderedDict[str, deque[_Job]] = OrderedDict()
        _start_threads(self._executor, count)

    def call(self, function: Callable[[], T], on_result: Callable[[T], None], caller: str = "") -> None:
        """Calls a function in a thread, and `on_result` with its result in the event loop.

        Args:
            function: The function.
            on_result: Receives its result.
            caller: Key of whom it is called for: a caller's thousands of functions delay another's by one each.
        """
        if self._free:
            self._start(function, on_result)
        else:
            self._waiting.setdefault(caller, deque()).append((function, on_result))

    def _start(self, function: Callable[[], T], on_result: Callable[[T], None]) -> None:
        self._free -= 1
        self._loop.run_in_executor(self._executor, function).add_done_callback(partial(self._finish, on_result))

    def _finish(self, on_result: Callable[[T], None], done: asyncio.Future[T]) -> None:
        self._free += 1
        if self._waiting:
            caller, jobs = next(iter(self._waiting.items()))
            self._start(*jobs.popleft())
            if jobs:
                self._waiting.move_to_end(caller)
            else:
                del self._waiting[caller]
        on_result(done.result())


def _start_threads(pool: ThreadPoolExecutor, count: int) -> None:
    """Starts all threads now, because submitting work that starts a thread blocks the event loop until it runs."""
    everyone = threading.Barrier(count + 1)
    for _ in range(count):
        pool.submit(everyone.wait)
    everyone.wait()
