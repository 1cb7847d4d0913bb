import gc
import itertools
import threading
import weakref
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from face_comparison.vision.batching import DirectRunner, MicroBatcher, plan_exact, plan_padded
from support.served import until

SIZES = (1, 2, 4, 8)


class Sums:
    """A network that sums each image, takes only the batches it was loaded for, and can be held at the door."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.busy = threading.Event()

    def run(self, images: np.ndarray) -> Sequence[np.ndarray]:
        assert len(images) in SIZES
        self.busy.set()
        assert self.open.wait(10)
        if images.shape[1] == 13:
            raise RuntimeError("this size breaks")
        return [images.sum(axis=(1, 2, 3)).astype(np.float32), np.full((len(images), 2), 7, np.float32)]


def images(first: int, count: int, side: int = 3) -> np.ndarray:
    return np.stack([np.full((side, side, 3), first + index, np.uint8) for index in range(count)])


@pytest.mark.parametrize("plan", [plan_exact, plan_padded])
@given(count=st.integers(1, 300), more=st.sets(st.integers(2, 40)))
def test_plan_covers_every_image_once(plan: Callable, count: int, more: set[int]) -> None:
    sizes = sorted({1, *more})
    batches = plan(count, sizes)
    ends = [start + size for start, size in batches]
    assert batches[0][0] == 0
    assert [start for start, _ in batches[1:]] == ends[:-1]
    assert ends[-1] >= count > batches[-1][0]
    assert plan is plan_padded or ends[-1] == count
    assert all(size in sizes for _, size in batches)


def test_padding_saves_batches() -> None:
    assert plan_padded(7, SIZES) == [(0, 8)]
    assert plan_exact(7, SIZES) == [(0, 4), (4, 2), (6, 1)]


@pytest.mark.parametrize("kind", [DirectRunner, MicroBatcher])
@pytest.mark.parametrize("count", [1, 3, 8, 19])
def test_results_keep_order_of_images(kind: type, count: int) -> None:
    sizes: list[int] = []
    sums, other = kind(Sums(), SIZES, sizes.append).run(images(1, count))
    np.testing.assert_array_equal(sums, [27 * (1 + index) for index in range(count)])
    assert other.shape == (count, 2)
    assert sum(sizes) == count  # padding is not counted


def test_images_arriving_during_batch_share_next_one() -> None:
    network, sizes = Sums(), list[int]()
    gathered = MicroBatcher(network, SIZES, sizes.append)
    network.open.clear()
    results: dict[int, float] = {}
    threads = [
        threading.Thread(target=lambda i=i: results.update({i: gathered.run(images(i, 1))[0][0]})) for i in range(7)
    ]
    threads[0].start()
    assert network.busy.wait(10)
    for thread in threads[1:]:
        thread.start()
    deadline = threading.Event()
    while gathered._waiting.qsize() < 6:
        assert not deadline.wait(0.01)
    network.open.set()
    for thread in threads:
        thread.join(10)
    assert results == {index: 27.0 * index for index in range(7)}
    assert sizes == [1, 6]


def test_images_of_different_sizes_never_share_batch() -> None:
    gathered = MicroBatcher(Sums(), SIZES, lambda size: None)
    results: dict[tuple[int, int], np.ndarray] = {}

    def ask(index: int, side: int) -> None:
        results[index, side] = gathered.run(images(index, 3, side))[0]

    cases = list(itertools.product(range(1, 9), (2, 3, 5)))
    threads = [threading.Thread(target=ask, args=case) for case in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    for index, side in cases:
        np.testing.assert_array_equal(results[index, side], [(index + k) * side * side * 3 for k in range(3)])


def test_failed_batch_fails_only_its_requests() -> None:
    gathered = MicroBatcher(Sums(), SIZES, lambda size: None)
    with pytest.raises(RuntimeError, match="this size breaks"):
        gathered.run(images(1, 1, side=13))
    assert gathered.run(images(1, 1))[0][0] == 27


class Payload:
    """Something that a waiting request refers to."""


def test_failed_batch_keeps_no_request() -> None:
    """Its requests have an error each, and nothing of them waits for the garbage collector."""
    network = Sums()
    gathered = MicroBatcher(network, SIZES, lambda size: None)
    kept: list[BaseException] = []
    payloads: list[weakref.ref[object]] = []

    def ask() -> None:
        payload, batch = Payload(), images(1, 1, side=13)
        payloads.extend([weakref.ref(payload), weakref.ref(batch)])
        try:
            gathered.run(batch)
        except RuntimeError as error:
            if not kept:
                kept.append(error.with_traceback(None))  # as somebody does who reports it later

    gc.collect()
    gc.disable()
    try:
        network.open.clear()
        threads = [threading.Thread(target=ask) for _ in range(3)]
        threads[0].start()
        assert network.busy.wait(10)
        for thread in threads[1:]:
            thread.start()
        until(lambda: gathered._waiting.qsize() == 2, "both wait")
        network.open.set()
        for thread in threads:
            thread.join(10)
        del threads
        # The batching thread may still be ending the batch.
        until(lambda: [each() for each in payloads] == [None] * 6, "all are freed")
        assert len(kept) == 1
    finally:
        gc.enable()


def test_images_are_freed_after_batch() -> None:
    gathered = MicroBatcher(Sums(), SIZES, lambda size: None)
    batch = images(1, 3)
    alive = weakref.ref(batch)
    gathered.run(batch)
    del batch
    until(lambda: alive() is None, "the images are freed")
