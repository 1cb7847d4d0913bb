"""What a service's networks need is allocated before it is ready, not by its first requests."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from face_comparison.vision.analyzer import _run_everywhere


class Meeting:
    """A session whose runs after the first end only when `threads` of them are at work at the same time."""

    def __init__(self, threads: int) -> None:
        self.runs = 0
        self._lock, self._together = threading.Lock(), threading.Barrier(threads)

    def run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        with self._lock:
            self.runs += 1
            first = self.runs == 1
        if not first:
            self._together.wait(10)
        return []


@pytest.mark.parametrize(("threads", "runs"), [(1, 1), (2, 3), (8, 9)])
def test_warm_up_runs_in_every_thread(threads: int, runs: int) -> None:
    session = Meeting(threads)
    _run_everywhere(session, np.zeros((1, 8, 8, 3), np.uint8), threads)
    assert session.runs == runs
