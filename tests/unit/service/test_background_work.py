"""Work that the event loop hands over: in order, bounded, and finished at the end."""

from __future__ import annotations

import logging
import threading

import pytest

from face_comparison.server.background_work import BackgroundWork
from support.served import until


def test_functions_run_in_order_to_the_end() -> None:
    done: list[int] = []
    work = BackgroundWork("test")
    for number in range(100):
        work.run(lambda number=number: done.append(number))  # type: ignore[misc]
    work.finish()
    assert done == list(range(100))


def test_failure_does_not_stop_others(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []
    work = BackgroundWork("test")
    work.run(lambda: done.remove("nothing"))
    work.run(lambda: done.append("next"))
    work.finish()
    assert done == ["next"]
    assert "failed" in caplog.text


def test_excess_is_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    done: list[int] = []
    started, go = threading.Event(), threading.Event()
    work = BackgroundWork("test", limit=3)

    def hold() -> None:
        started.set()
        go.wait(60)

    work.run(hold)
    assert started.wait(60)
    for number in range(10):
        work.run(lambda number=number: done.append(number))  # type: ignore[misc]
    work.finish(seconds=0.01)  # nothing ends: nobody waits for long
    go.set()
    until(lambda: len(done) == 3, "what had waited is done")
    work.run(lambda: done.append(99))
    work.finish()
    assert done == [0, 1, 2, 99]
    assert "7 lines were not logged" in caplog.text
