"""Replacing crashed workers loses only requests in flight on them."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.served import LIMIT, serving, until


def test_sighup_is_ignored(tmp_path: Path) -> None:
    with serving(tmp_path, workers=2) as service:
        service.wait_ready()
        before = service.workers()
        service.signal(signal.SIGHUP)
        until(lambda: any("SIGHUP is ignored" in line["message"] for line in service.lines), "the log says so")
        assert service.workers() == before
        assert service.detect(b"quick").status == 200


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_worker_loses_only_requests_in_flight(tmp_path: Path, workers: int) -> None:
    """Clients that come during the replacement wait, or another worker serves them; none gets `not_ready`."""
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
        assert service.metric("face_comparison_requests_in_flight") == 0  # the dead worker's requests are not counted


def test_metrics_cover_all_workers(tmp_path: Path) -> None:
    with serving(tmp_path, workers=2) as service:
        service.wait_ready()
        for _ in range(40):  # on new connections, which reach either worker
            service.session.clear()
            assert service.detect(b"quick").status == 200
        pids = {line["pid"] for line in service.lines if line["message"] == "ready"}
        assert pids == set(service.workers())
        for _ in range(10):
            name = 'face_comparison_requests_total{code="200",route="face_comparison"}'
            assert service.metric(name) == 40
