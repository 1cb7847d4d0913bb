"""Workers that are replaced: after a crash, on reload. What is not in flight on a crashed worker is not lost."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.served import LIMIT, Served, serving, until


@contextmanager
def load(service: Served, clients: int = 8) -> Iterator[Counter[str]]:
    """Clients that send requests one after the other, each on a new connection; what became of these."""
    outcomes: Counter[str] = Counter()
    ended, lock = threading.Event(), threading.Lock()

    def client() -> None:
        while not ended.is_set():
            try:
                outcome = str(service.detect(b"sleep 0.005", headers={"Connection": "close"}).status)
            except Exception as error:  # it is what the test looks for
                outcome = repr(error)
            with lock:
                outcomes[outcome] += 1

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: outcomes["200"] > 50, "requests are being served")
        yield outcomes
        served = outcomes["200"]
        until(lambda: outcomes["200"] > served + 50, "requests are still being served")
    finally:
        ended.set()
        for thread in threads:
            thread.join(LIMIT)


@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_is_lost_on_reload(tmp_path: Path, workers: int) -> None:
    with serving(tmp_path, workers=workers, threads=2, queue=64, LIVE_LOAD_SECONDS=1) as service:
        service.wait_ready()
        with load(service) as outcomes:
            for _ in range(2):
                before = service.workers()
                service.signal(signal.SIGHUP)
                until(lambda: len(service.workers()) == 2 * workers, "both generations run")
                until(lambda: not set(before) & set(service.workers()), "the old workers have gone")  # noqa: B023
                assert service.get("/readyz").status == 200
        assert outcomes.keys() == {"200"}
        answered = service.metric('face_comparison_requests_total{code="200",route="face_comparison"}')
        assert answered == outcomes["200"]  # what the old workers counted is not forgotten


def test_a_reload_that_fails_leaves_the_old_workers(tmp_path: Path) -> None:
    with serving(tmp_path, workers=2) as service:
        service.wait_ready()
        before = service.workers()
        (tmp_path / "sabotage").write_text("the new bundle is damaged")
        service.signal(signal.SIGHUP)
        until(lambda: any("damaged" in line["message"] for line in service.lines), "the log says why")
        until(lambda: service.workers() == before, "only the old workers run")
        assert service.detect(b"quick").status == 200
        assert service.get("/readyz").status == 200

        (tmp_path / "sabotage").unlink()
        service.signal(signal.SIGHUP)
        until(lambda: not set(before) & set(service.workers()), "the next reload works")
        service.signal(signal.SIGTERM)
        assert service.wait_end() == 0
        assert service.errors == ""


@pytest.mark.parametrize("workers", [1, 2])
def test_of_a_killed_worker_only_what_is_in_flight_fails(tmp_path: Path, workers: int) -> None:
    """Whoever comes while a worker is being replaced waits, or is served by another; nobody hears `not_ready`."""
    with serving(tmp_path, workers=workers, threads=2, LIVE_LOAD_SECONDS=0.5) as service:
        service.wait_ready()
        with ThreadPoolExecutor(8) as pool:
            doomed = pool.submit(service.detect, b"hold %s" % bytes(tmp_path / "never"))
            until((tmp_path / "never.begun").exists, "a request computes")
            before = service.workers()
            os.kill(int(until((tmp_path / "never.begun").read_text, "the worker tells who it is")), signal.SIGKILL)
            later = [pool.submit(service.detect, b"quick") for _ in range(7)]
            assert [reply.result(LIMIT).status for reply in later] == [200] * 7
            assert doomed.exception(LIMIT) is not None
        until(lambda: len(service.workers()) == workers and service.workers() != before, "it is replaced")
        assert service.get("/readyz").status == 200
        assert service.metric("face_comparison_in_flight") == 0  # what the dead worker had inside is not counted


def test_metrics_are_those_of_all_workers(tmp_path: Path) -> None:
    with serving(tmp_path, workers=2) as service:
        service.wait_ready()
        for _ in range(40):  # on new connections: some go to either worker
            service.session.clear()
            assert service.detect(b"quick").status == 200
        pids = {line["pid"] for line in service.lines if line["message"] == "ready"}
        assert pids == set(service.workers())
        for _ in range(10):
            name = 'face_comparison_requests_total{code="200",route="face_comparison"}'
            assert service.metric(name) == 40
