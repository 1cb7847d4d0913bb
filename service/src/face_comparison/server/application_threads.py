"""The threads that call the application: probes, metrics, documents, and everything else do not delay one another."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from face_comparison.server.fair_pool import FairPool
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
        self._requests = FairPool(count, "request", give_way)
        self._reads = FairPool(READ_THREADS, "read", give_way)
        self._probes = FairPool(PROBE_THREADS, "probe")
        self._metrics = FairPool(1, "metrics")

    def call_for(
        self, path: str, method: str, caller: str, function: Callable[[], T], on_result: Callable[[T], None]
    ) -> None:
        """Calls a function in a thread for requests with this path and method, and `on_result` with its result.

        Callers take turns.
        """
        self._pool(path, method).call(function, on_result, caller)

    def call(self, function: Callable[[], T], on_result: Callable[[T], None]) -> None:
        """Calls a function in a thread for requests that may take long, and `on_result` with its result."""
        self._requests.call(function, on_result)

    def _pool(self, path: str, method: str) -> FairPool:
        if path == METRICS:
            return self._metrics
        if path in PROBES:
            return self._probes
        return self._reads if method in READ_METHODS and not is_collection_path(path) else self._requests
