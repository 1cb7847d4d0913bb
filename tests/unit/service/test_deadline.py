"""Limits of time, and calls that are left behind when theirs is over."""

from __future__ import annotations

import gc
import socket
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from face_comparison.errors import DeadlineExceeded, UrlFetchTimeout, UrlNotAllowed
from face_comparison.fetching.deadline import DetachedCalls, TimeLimit
from face_comparison.fetching.fetcher import Fetcher, FetchPolicy

GENEROUS = 30.0
"""Seconds after which a test has failed; none comes near."""


def test_earlier_deadline_is_reported() -> None:
    now = time.monotonic()
    assert TimeLimit.earliest(10, None).error is UrlFetchTimeout
    assert TimeLimit.earliest(10, now + 100).error is UrlFetchTimeout
    assert TimeLimit.earliest(10, now + 5).error is DeadlineExceeded
    assert TimeLimit.earliest(10, now + 5).deadline == now + 5


def test_remaining_is_limited_by_step() -> None:
    limit = TimeLimit.earliest(GENEROUS, None)
    assert 0 < limit.remaining() <= GENEROUS
    assert limit.remaining(maximum=0.5) == 0.5


@pytest.mark.parametrize(("seconds", "error"), [(GENEROUS, DeadlineExceeded), (0, UrlFetchTimeout)])
def test_no_time_remaining(seconds: float, error: type[Exception]) -> None:
    limit = TimeLimit.earliest(seconds, time.monotonic() if error is DeadlineExceeded else None)
    with pytest.raises(error):
        limit.remaining()


def test_call_returns_result_or_raises() -> None:
    calls = DetachedCalls(1)
    limit = TimeLimit.earliest(GENEROUS, None)
    assert calls.call(lambda: threading.current_thread().daemon, limit) is True

    def late() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        calls.call(late, limit)
    assert calls.call(lambda: "free again", limit) == "free again"


def test_failed_call_is_freed_without_garbage_collector() -> None:
    calls = DetachedCalls(1)

    class Body:
        pass

    def fail() -> None:
        raise OSError("no such name")

    def request() -> weakref.ref[Body]:
        body = Body()
        try:
            calls.call(fail, TimeLimit.earliest(GENEROUS, None))
        except OSError:
            return weakref.ref(body)
        raise AssertionError("it did not fail")

    gc.disable()
    try:
        kept = request()
        until = time.monotonic() + GENEROUS  # the thread may still be ending
        while kept() is not None and time.monotonic() < until:
            time.sleep(0.001)
        assert kept() is None
    finally:
        gc.enable()


def test_hung_call_is_abandoned_and_keeps_slot() -> None:
    calls = DetachedCalls(2)
    release = threading.Event()
    try:
        for _ in range(2):
            with pytest.raises(UrlFetchTimeout):
                calls.call(release.wait, TimeLimit.earliest(0.05, None))
        started = threading.Event()
        with pytest.raises(DeadlineExceeded):  # both slots are taken: the third is not even begun
            calls.call(started.set, TimeLimit.earliest(GENEROUS, time.monotonic() + 0.05))
        assert not started.is_set()
    finally:
        release.set()
    assert calls.call(lambda: "free again", TimeLimit.earliest(GENEROUS, None)) == "free again"


def test_owner_of_hanging_calls_leaves_room_for_others() -> None:
    calls, go = DetachedCalls(4, max_per_owner=2), threading.Event()
    for _ in range(3):
        with pytest.raises(UrlFetchTimeout):
            calls.call(go.wait, TimeLimit.earliest(0.05, None), "one")
    assert calls.call(lambda: "served", TimeLimit.earliest(60, None), "another") == "served"
    go.set()
    assert calls.call(lambda: "served", TimeLimit.earliest(60, None), "one") == "served"


def test_hanging_lookups_of_one_caller_delay_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that does not answer holds each look-up for half a minute."""
    go, resolve = threading.Event(), socket.getaddrinfo

    def slow(host: bytes, port: int, **options: Any) -> Any:
        if options.get("flags"):  # it is asked first whether this is an address
            return resolve(host, port, **options)
        if host.endswith(b".slow.example"):
            go.wait()
        return resolve("127.0.0.1", port, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    fetcher = Fetcher(FetchPolicy(seconds=GENEROUS))
    with ThreadPoolExecutor(300) as pool:
        deadline = time.monotonic() + 1
        failed = [
            pool.submit(fetcher.fetch, f"http://{number}.slow.example/", deadline, "attacker") for number in range(300)
        ]
        assert {type(done.exception()) for done in failed} == {DeadlineExceeded}
    with pytest.raises(UrlNotAllowed):  # its name is resolved, to an address that is not public
        fetcher.fetch("http://quick.example/", None, "victim")
    go.set()
