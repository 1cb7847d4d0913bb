"""Storms of requests that are rejected by their heads: cheap to answer, and nobody waits for them or for their log."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hostile.conftest import QUEUE, SLOTS
from support.hostile import MIB, PATIENCE, head, measured, probe, victim
from support.served import LIMIT, Served, read_reply, serving, until

BODY = b'{"img": "' + b"A" * MIB + b'"}'


def reject(service: Served, count: int, request: bytes) -> Counter[int]:
    """Send a request again and again on one connection; the statuses of the replies."""
    statuses: Counter[int] = Counter()
    with service.connect() as sock:
        for _ in range(count):
            sock.sendall(request)
            statuses[read_reply(sock)[0]] += 1
    return statuses


@pytest.mark.parametrize("route", ["full", "nowhere", "compressed"])
def test_rejected_body_costs_only_receiving(service: Served, tmp_path: Path, route: str) -> None:
    """Its bytes are counted and dropped: parsed and copied, 40 bodies of 16 MiB took more than a second.

    Guards against a regression: the first server let the kernel drop them.
    """
    body = b"x" * (16 * MIB)
    path = "/prod/nowhere" if route == "nowhere" else "/prod/face_comparison"
    headers = {"content_encoding": "gzip"} if route == "compressed" else {}
    request = head(path, content_length=len(body), **headers) + body
    with contextlib.ExitStack() as stack:
        if route == "full":
            stack.enter_context(held(service, tmp_path / "go"))
        usage = stack.enter_context(measured(service))
        statuses = reject(service, 40, request)
    assert statuses == {{"full": 429, "nowhere": 404, "compressed": 400}[route]: 40}
    assert usage.cpu_seconds < 0.6
    assert usage.peak_growth < 20 * MIB


@contextlib.contextmanager
def held(service: Served, go: Path) -> Iterator[None]:
    """Within the context all places are taken."""
    with ThreadPoolExecutor(SLOTS + QUEUE) as pool:
        waiting = [pool.submit(service.detect, b"hold %s" % bytes(go)) for _ in range(SLOTS + QUEUE)]
        until(lambda: service.metric("face_comparison_requests_in_flight") == SLOTS + QUEUE, "all places are taken")
        try:
            yield
        finally:
            go.touch()
            assert {done.result(LIMIT).status for done in waiting} == {200}


def test_rejections_do_not_delay_probes(service: Served, tmp_path: Path) -> None:
    """Guards against a regression: the first server answered probes in its event loop, too."""
    request = head(content_length=len(BODY)) + BODY
    with held(service, tmp_path / "go"), ThreadPoolExecutor(30) as pool:
        storm = [pool.submit(reject, service, 20, request) for _ in range(30)]
        waits = [probe(service) for _ in range(20)]
        for done in storm:
            assert done.result(LIMIT) == {429: 20}
    assert max(waits) < PATIENCE
    assert victim(service) < PATIENCE


def test_rejections_do_not_wait_for_log(tmp_path: Path) -> None:
    """They are answered in the event loop, which must not wait for a full pipe."""
    count = 3000  # lines of 200 bytes; a pipe holds 64 kB
    with serving(tmp_path) as service:
        service.wait_ready()
        service.log_is_read.clear()
        assert reject(service, count, head("/prod/nowhere", content_length=1) + b"x") == {404: count}
        assert probe(service) < PATIENCE
        service.log_is_read.set()
        until(lambda: any("were not logged" in line["message"] for line in dropped(service)), "it is said in the log")


def dropped(service: Served) -> list[dict[str, str]]:
    """The lines of the log, after one more request that writes one."""
    reject(service, 1, head("/prod/nowhere", content_length=1) + b"x")
    return service.lines
