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
        self.shapes: list[tuple[int, ...]] = []
        self._lock, self._together = threading.Lock(), threading.Barrier(threads)

    def run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        with self._lock:
            first = images.shape not in self.shapes
            self.shapes.append(images.shape)
        if not first:
            self._together.wait(10)
        return []


@pytest.mark.parametrize(("threads", "runs"), [(1, 1), (2, 3), (8, 9)])
def test_warm_up_runs_in_every_thread(threads: int, runs: int) -> None:
    sessions = [Meeting(threads), Meeting(threads)]
    shapes = [(1, 8, 8), (1, 8, 16)]
    _run_everywhere([(session, shape) for session in sessions for shape in shapes], threads)
    for session in sessions:
        assert sorted(session.shapes) == [(*shape, 3) for shape in shapes for _ in range(runs)]


def test_buckets_are_prepared_concurrently() -> None:
    """Compiling takes a core each, and a service is ready sooner when all of them do so."""
    together = threading.Barrier(2)

    class Compiling:
        ready = False

        def run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
            if not self.ready:
                together.wait(10)
                self.ready = True
            return []

    _run_everywhere([(Compiling(), (1, 8, 8)), (Compiling(), (1, 8, 8))], 2)
    assert not together.broken
