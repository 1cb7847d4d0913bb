"""The threads that call the application: probes, metrics, documents, and everything else do not delay one another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from face_comparison.server.priority import give_way
from face_comparison.web.collection_paths import is_collection_path

T = TypeVar("T")

LIVENESS = "/livez"
"""Path whose GET requests the event loop handles itself: under load, a thread would wait for Python's interpreter lock
several times. Handling them neither blocks nor logs."""

METRICS = "/metrics"

PROBES = frozenset({LIVENESS, "/readyz", "/ping"})
"""Paths handled by threads of their own, which scrapes of metrics never delay."""

PROBE_THREADS = 2

READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
READ_THREADS = 12
"""Threads for documents: a thousand clients who ask for them at once do not delay requests with an image.

Reads of collections run in the threads of requests with an image, because they may wait for the store.
"""


class ApplicationThreads:
    """Pools of threads, all of which are started at once.

    Args:
        count: Number of threads for requests that may take long.
    """

    def __init__(self, count: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._requests = ThreadPoolExecutor(count, "request", initializer=give_way)
        self._reads = ThreadPoolExecutor(READ_THREADS, "read", initializer=give_way)
        self._probes = ThreadPoolExecutor(PROBE_THREADS, "probe")
        self._metrics = ThreadPoolExecutor(1, "metrics")
        _start_threads(self._requests, count)
        _start_threads(self._reads, READ_THREADS)
        _start_threads(self._probes, PROBE_THREADS)
        _start_threads(self._metrics, 1)

    def call_for(self, path: str, method: str, function: Callable[[], T], on_result: Callable[[T], None]) -> None:
        """Calls a function in a thread for requests with this path and method, and `on_result` with its result."""
        self._call(self._pool(path, method), function, on_result)

    def call(self, function: Callable[[], T], on_result: Callable[[T], None]) -> None:
        """Calls a function in a thread for requests that may take long, and `on_result` with its result."""
        self._call(self._requests, function, on_result)

    def _pool(self, path: str, method: str) -> ThreadPoolExecutor:
        if path == METRICS:
            return self._metrics
        if path in PROBES:
            return self._probes
        return self._reads if method in READ_METHODS and not is_collection_path(path) else self._requests

    def _call(self, executor: ThreadPoolExecutor, function: Callable[[], T], on_result: Callable[[T], None]) -> None:
        self._loop.run_in_executor(executor, function).add_done_callback(lambda done: on_result(done.result()))


def _start_threads(pool: ThreadPoolExecutor, count: int) -> None:
    """Starts all threads now, because submitting work that starts a thread blocks the event loop until it runs."""
    everyone = threading.Barrier(count + 1)
    for _ in range(count):
        pool.submit(everyone.wait)
    everyone.wait()
