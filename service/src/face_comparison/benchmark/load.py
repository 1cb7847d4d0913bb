"""A closed-loop load generator: a fixed number of HTTP clients, each waiting for a response before it continues."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

READY_TIMEOUT = 5
"""Seconds to wait for an answer about readiness."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request: path, headers, body, and method, which are sent unchanged."""

    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    method: str = "POST"


@dataclass(slots=True)
class Outcome:
    """The outcome of the requests of a run.

    Attributes:
        seconds: Duration of the whole run.
        latencies: Seconds until each response, in no particular order.
        statuses: Number of responses by status; `lost` counts connections that ended without a response.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int | str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """The number of responses with status 200 per second."""
        return self.statuses[200] / self.seconds

    def add(self, other: Outcome) -> None:
        """Adds the outcome of another run."""
        self.seconds += other.seconds
        self.latencies += other.latencies
        self.statuses += other.statuses

    def quantile(self, share: float) -> float:
        """Returns the latency, in seconds, that this fraction (0-1) of the responses does not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def run(host: str, port: int, calls: Sequence[Call], in_flight: int, total: int) -> Outcome:
    """Sends `total` requests, cycling through the calls, `in_flight` at a time. Failed requests are not retried."""
    outcome, lock, counter = Outcome(), threading.Lock(), itertools.count()

    def client() -> None:
        connection = http.client.HTTPConnection(host, port, timeout=120)
        while (index := next(counter)) < total:
            call = calls[index % len(calls)]
            start = time.perf_counter()
            try:
                connection.request(call.method, call.path, call.body, call.headers)
                reply = connection.getresponse()
                reply.read()
                status: int | str = reply.status
            except (OSError, http.client.HTTPException):
                connection.close()
                status = "lost"
            elapsed = time.perf_counter() - start
            with lock:
                outcome.latencies.append(elapsed)
                outcome.statuses[status] += 1
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(in_flight)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcome.seconds = time.perf_counter() - start
    return outcome


def is_ready(port: int) -> bool:
    """Returns whether the service on this port of the machine is ready, with all its workers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=READY_TIMEOUT)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
