"""Threads that compute give way to the event loop, and so do those that they start."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from face_comparison.server.priority import NICENESS, give_way

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_lowered_priority_is_inherited_by_child_threads() -> None:
    before, found = niceness(), []

    def compute() -> None:
        give_way()
        found.append(niceness())
        started = threading.Thread(target=lambda: found.append(niceness()))
        started.start()
        started.join()

    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    assert found == [min(19, before + NICENESS)] * 2
    assert niceness() == before


def test_lowest_priority_stays_lowest() -> None:
    found = []

    def compute() -> None:
        for _ in range(20):
            give_way()
        found.append(niceness())

    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    assert found == [19]
