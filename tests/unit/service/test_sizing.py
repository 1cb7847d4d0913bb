"""How many worker processes, threads, and copies of the networks suit the cores and the memory."""

from __future__ import annotations

import pytest

from face_comparison.server.memory import MIB
from face_comparison.server.sizing import Sizing, choose_sizing
from face_comparison.settings import Settings

GIB = 1024 * MIB


def size(cores: int, memory: float, *, workers: int | None = None, threads: int | None = None) -> Sizing:
    return choose_sizing(Settings(workers=workers, threads=threads), cores, int(memory * GIB))


@pytest.mark.parametrize(
    ("cores", "memory", "slots", "copies"),
    [
        (1, 0.5, 2, 1),
        (1, 3, 2, 1),
        (2, 1, 3, 1),
        (2, 2, 3, 2),
        (2, 3, 3, 2),
        (4, 3, 5, 3),
        (16, 3, 17, 5),
        (64, 3, 65, 5),
        (64, 8, 65, 17),
    ],
)
def test_threads_and_copies_suit_cores_and_memory(cores: int, memory: float, slots: int, copies: int) -> None:
    sizing = size(cores, memory)
    assert (sizing.workers, sizing.slots, sizing.copies) == (1, slots, copies)


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("cores", [1, 2, 3, 4, 8, 16, 64, 256])
@pytest.mark.parametrize("memory", [2, 3, 4, 8, 64])
def test_further_copies_leave_memory_for_requests(cores: int, memory: float, workers: int) -> None:
    sizing = size(cores, memory, workers=workers)
    networks = 480 * MIB + (sizing.copies - 1) * 216 * MIB
    assert sizing.copies == 1 or networks <= 0.55 * sizing.worker_bytes
    assert workers * sizing.worker_bytes <= 0.9 * memory * GIB


def test_workers_share_cores_and_memory() -> None:
    one, two = size(4, 3), size(4, 3, workers=2)
    assert (two.workers, two.slots, two.copies) == (2, 3, 2)
    assert two.worker_bytes == one.worker_bytes // 2


def test_settings_take_precedence() -> None:
    sizing = size(2, 3, workers=3, threads=5)
    assert (sizing.workers, sizing.slots) == (3, 5)
