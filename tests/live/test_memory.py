"""A service that has answered many requests, good and bad, keeps no more than one that has answered some.

What is measured is what is allocated, not what the process holds: memory that was freed and not given back would hide
a leak for as long as it lasts.
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
    """A large image, a long response, a rejection, bytes that are not JSON, and two clients that hang up."""
    service.detect(b"quick" + b" " * 1_000_000)
    service.detect(b"faces 20")
    service.session.request("POST", service.url + "/prod/face_comparison", body=os.urandom(100_000))
    service.session.request("GET", service.url + "/nothing/here")
    for sent in (raw_request(b"quick", length=9000), b"POST /prod/fa"):
        with contextlib.suppress(OSError), service.connect() as sock:
            sock.sendall(sent)


def growth(service: Served, pool: ThreadPoolExecutor, folder: Path, rounds: int, leak: int = 0) -> float:
    """Bytes per turn that are allocated more after the best of some rounds, the first good one of which ends it."""

    def after(turns: int) -> int:
        list(pool.map(lambda number: turn(service, number), range(turns)))
        if leak:
            list(pool.map(lambda _: service.detect(b"leak %d" % leak), range(turns)))
        until(lambda: service.metric("face_comparison_requests_in_flight") == 0, "nothing is left inside")
        service.detect(b"memory %s" % bytes(folder / "memory"))
        return int((folder / "memory").read_text())

    before, least = after(TURNS), float("inf")
    for _ in range(rounds):
        now = after(TURNS)
        least, before = min(least, (now - before) / TURNS), now
        if least < LEAK_BYTES:
            break
    return least


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
    """What the measure above is worth."""
    with (
        serving(tmp_path, threads=2, queue=16, PYTHONMALLOC="malloc") as service,
        ThreadPoolExecutor(8) as pool,
    ):
        service.wait_ready()
        assert growth(service, pool, tmp_path, rounds=2, leak=2 * LEAK_BYTES) >= LEAK_BYTES
