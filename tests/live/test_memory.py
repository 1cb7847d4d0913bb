"""A service that has processed many requests, good and bad, uses no more memory than one that has processed a few.

It measures allocated memory, not the process's: memory that was freed but not returned could hide a leak.
"""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from support.served import Served, raw_request, serving, until

TURNS = 300
LEAK_BYTES = 1024
"""Growth per turn, of six requests, that is a leak: each round has it. What threads allocate once is in the first."""


def turn(service: Served, _: int) -> None:
    """Sends a large image, a request with a long response, a rejected one, invalid JSON, and two that are aborted."""
    service.detect(b"quick" + b" " * 1_000_000)
    service.detect(b"faces 20")
    service.session.request("POST", service.url + "/prod/face_comparison", body=os.urandom(100_000))
    service.session.request("GET", service.url + "/nothing/here")
    for sent in (raw_request(b"quick", length=9000), b"POST /prod/fa"):
        with contextlib.suppress(OSError), service.connect() as sock:
            sock.sendall(sent)


def growth(service: Served, pool: ThreadPoolExecutor, folder: Path, rounds: int, leak: int = 0) -> float:
    """Returns the allocated bytes per turn, the minimum of several rounds; the first good round ends it."""

    def after(turns: int) -> int:
        list(pool.map(lambda number: turn(service, number), range(turns)))
        if leak:
            list(pool.map(lambda _: service.detect(b"leak %d" % leak), range(turns)))
        until(lambda: service.metric("face_comparison_requests_in_flight") == 0, "nothing is left inside")
        service.detect(b"memory %s" % bytes(folder / "memory"))
        return int((folder / "memory").read_text())

    before, minimum = after(TURNS), float("inf")
    for _ in range(rounds):
        now = after(TURNS)
        minimum, before = min(minimum, (now - before) / TURNS), now
        if minimum < LEAK_BYTES:
            break
    return minimum


def test_memory_does_not_grow(tmp_path: Path) -> None:
    with (
        serving(tmp_path, threads=2, queue=16, PYTHONMALLOC="malloc") as service,
        ThreadPoolExecutor(8) as pool,
    ):
        service.wait_ready()
        assert growth(service, pool, tmp_path, rounds=6) < LEAK_BYTES
        (worker,) = (psutil.Process(pid) for pid in service.workers())
        assert worker.num_fds() < 100
        assert worker.num_threads() < 2 + 16 + 18 + 16 + 10  # slots, queue, fetches, headroom, others


def test_leak_is_detected(tmp_path: Path) -> None:
    """Checks the measurement above."""
    with (
        serving(tmp_path, threads=2, queue=16, PYTHONMALLOC="malloc") as service,
        ThreadPoolExecutor(8) as pool,
    ):
        service.wait_ready()
        assert growth(service, pool, tmp_path, rounds=2, leak=2 * LEAK_BYTES) >= LEAK_BYTES
