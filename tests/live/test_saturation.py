"""With more requests than the service accepts, each gets 200 or 429, and health routes respond throughout."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from face_comparison.server.gunicorn_app import HEADROOM
from support.served import LIMIT, Served, serving, until

IN_FLIGHT, EACH = 64, 8


def probe(service: Served, stop: threading.Event) -> list[float]:
    """Returns the duration of each of several probes in seconds, each on a new connection."""
    seconds: list[float] = []
    while not stop.is_set():
        began = time.monotonic()
        assert service.get("/livez").status == 200
        seconds.append(time.monotonic() - began)
    return seconds


@pytest.mark.parametrize("workers", [1, 2])
def test_64_in_flight_on_a_queue_of_16(tmp_path: Path, workers: int) -> None:
    with serving(tmp_path, workers=workers, threads=2, queue=16) as service, ThreadPoolExecutor(IN_FLIGHT + 1) as pool:
        service.wait_ready()
        stop = threading.Event()
        probes = pool.submit(probe, service, stop)

        def client() -> Counter[int]:
            replies: Counter[int] = Counter()
            for _ in range(EACH):
                reply = service.detect(b"sleep 0.02")
                replies[reply.status] += 1
                if reply.status == 429:
                    assert reply.json()["error"]["code"] == "overloaded"
                    assert int(reply.headers["Retry-After"]) >= 1
            return replies

        replies: Counter[int] = Counter()
        for done in [pool.submit(client) for _ in range(IN_FLIGHT)]:
            replies += done.result(LIMIT)
        stop.set()
        seconds = probes.result(LIMIT)

        assert replies.keys() <= {200, 429}
        assert replies.total() == IN_FLIGHT * EACH
        assert replies[200] >= 18
        assert replies[429] > 0
        assert service.metric('face_comparison_requests_rejected_total{reason="overloaded"}') == replies[429]
        assert seconds, "every probe was answered meanwhile"
        until(lambda: service.metric("face_comparison_requests_in_flight") == 0, "nothing is left inside")


def test_health_responds_at_full_load(tmp_path: Path) -> None:
    """If it queued with the images, it would wait until the test releases them."""
    with serving(tmp_path, threads=1, queue=3) as service, ThreadPoolExecutor(4) as pool:
        service.wait_ready()
        held = [pool.submit(service.detect, b"hold %s" % bytes(tmp_path / "go")) for _ in range(4)]
        until(lambda: service.metric("face_comparison_requests_in_flight") == 4, "every place is taken")
        assert service.detect(b"quick").status == 429
        assert [service.get(path).status for path in ("/livez", "/readyz", "/ping", "/metrics")] == [200] * 4
        assert not any(done.done() for done in held)
        (tmp_path / "go").touch()
        assert [done.result(LIMIT).status for done in held] == [200] * 4


def test_threads_start_before_the_first_request(tmp_path: Path) -> None:
    """Threads started during a first burst would delay health: each start blocks the event loop."""
    with serving(tmp_path, threads=2, queue=16) as service:
        service.wait_ready()
        (worker,) = (psutil.Process(pid) for pid in service.workers())
        assert worker.num_threads() >= 2 + 16 + HEADROOM


def test_no_rejection_while_another_worker_has_capacity(tmp_path: Path) -> None:
    """Connections reach workers at random, so that separate queues would hardly ever fill together."""
    with serving(tmp_path, workers=2, threads=1, queue=14) as service, ThreadPoolExecutor(16) as pool:
        service.wait_ready()
        held = [pool.submit(service.detect, b"hold %s" % bytes(tmp_path / "go")) for _ in range(16)]
        until(
            lambda: service.metric("face_comparison_requests_in_flight") == 16 or any(done.done() for done in held),
            "all hold",
        )
        assert not any(done.done() for done in held)
        assert service.detect(b"quick").status == 429
        (tmp_path / "go").touch()
        assert [done.result(LIMIT).status for done in held] == [200] * 16
        assert service.detect(b"quick").status == 200


def test_queued_requests_are_served_in_order(tmp_path: Path) -> None:
    """Three of four wait behind one that takes longer than their deadline: they are rejected in time."""
    with serving(tmp_path, threads=1, queue=3, request_seconds=3) as service, ThreadPoolExecutor(4) as pool:
        service.wait_ready()
        hold = pool.submit(service.detect, b"hold %s" % bytes(tmp_path / "go"))
        until((tmp_path / "go.begun").exists, "the first computes")
        late = [pool.submit(service.detect, b"quick") for _ in range(3)]
        for reply in late:
            assert reply.result(LIMIT).json()["error"]["code"] == "deadline_exceeded"
        (tmp_path / "go").touch()
        assert hold.result(LIMIT).status == 200
        assert service.detect(b"quick").status == 200
