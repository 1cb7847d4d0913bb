"""The probes of a kubelet, from a process of their own."""

from __future__ import annotations

import socket
import time
from multiprocessing.connection import Connection

from devtools.soak.requests import exchange
from devtools.soak.service import DEADLINE_SECONDS

PROBES = ("/livez", "/readyz", "/metrics")


def probe(port: int, ended: Connection) -> None:
    """Polls both probes in a separate process until told to end, then returns the times in seconds and problems."""
    seconds: dict[str, list[float]] = {path: [] for path in PROBES}
    problems: list[str] = []
    while not ended.poll(0.1 / len(PROBES)):
        path = PROBES[sum(map(len, seconds.values())) % len(PROBES)]
        began = time.monotonic()
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SECONDS) as sock:
                status, _ = exchange(sock, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        except OSError as error:
            status, answer = 0, repr(error)
        else:
            answer = str(status)
        seconds[path].append(time.monotonic() - began)
        if status != 200:
            problems.append(f"{path} got {answer}")
    ended.send((seconds, problems))


def percentiles(seconds: list[float]) -> dict[str, int]:
    """Returns percentiles of times in seconds, in milliseconds."""
    ordered = sorted(seconds)
    shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {
        name: round(1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))]) for name, share in shares.items()
    }
