"""A closed loop of HTTP clients: so many requests in flight, the next one sent when a reply is whole."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of request: path, headers and body, sent as they are."""

    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    method: str = "POST"


@dataclass(slots=True)
class Outcome:
    """What became of the requests of a run.

    Attributes:
        seconds: Duration of the whole run.
        latencies: Seconds to each response, in no order.
        statuses: Responses by status, and `lost` for connections that ended without one.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int | str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Responses with status 200 per second."""
        return self.statuses[200] / self.seconds

    def add(self, other: Outcome) -> None:
        """Counts another run's replies as well."""
        self.seconds += other.seconds
        self.latencies += other.latencies
        self.statuses += other.statuses

    def quantile(self, share: float) -> float:
        """Seconds within which this share (0-1) of the replies came."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def run(host: str, port: int, calls: Sequence[Call], in_flight: int, total: int) -> Outcome:
    """Sends `total` requests, taking the calls in turn. No request is tried twice."""
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
