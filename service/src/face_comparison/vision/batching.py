"""Runs any number of images through a network that is loaded for a few batch sizes.

`DirectRunner` is for CPUs, where each request's images run on one core. `MicroBatcher` is for accelerators, where a
batch with images from several requests takes little longer than a single image. It does dynamic micro-batching: images
that arrive while a batch runs form the next batch, so no image waits for a batch to fill.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

from face_comparison import cancellation
from face_comparison.engines import Session

Outputs = list[NDArray[np.float32]]
Waiting = tuple[NDArray[np.uint8], Future[Outputs]]


class BatchFailed(RuntimeError):
    """A batch failed; the message has the type and the message of the error."""


def plan_exact(count: int, sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Returns the (start, size) of batches that need no padding, largest first. `sizes` must ascend from 1."""
    batches, start = [], 0
    while start < count:
        size = max(size for size in sizes if size <= count - start)
        batches.append((start, size))
        start += size
    return batches


def plan_padded(count: int, sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Returns the (start, size) of as few batches as possible.

    Uses the largest size while it can be filled, then the smallest size that holds the rest.
    """
    batches, start = [], 0
    while start < count:
        size = next((size for size in sizes if size >= count - start), sizes[-1])
        batches.append((start, size))
        start += size
    return batches


class DirectRunner:
    """Runs batches immediately in the calling thread, without padding, which on a CPU costs as much as real images.

    Args:
        session: The network.
        sizes: Batch sizes.
        observe: Called with the number of images of every batch.
    """

    plan = staticmethod(plan_exact)

    def __init__(self, session: Session, sizes: Sequence[int], observe: Callable[[int], None]) -> None:
        self._session, self._sizes, self._observe = session, tuple(sizes), observe

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Returns the network's outputs for images (N, H, W, 3) uint8 RGB; N must be at least 1."""
        parts = []
        for start, size in self.plan(len(images), self._sizes):
            batch = images[start : start + size]
            real = len(batch)
            if real < size:
                batch = np.concatenate([batch, np.zeros((size - real, *batch.shape[1:]), np.uint8)])
            cancellation.check()
            self._observe(real)
            parts.append([output[:real] for output in self._session.run(batch)])
        return parts[0] if len(parts) == 1 else [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]


class _Padding(DirectRunner):
    plan = staticmethod(plan_padded)


class MicroBatcher:
    """Dynamic micro-batching: a single thread runs all waiting images of the same size together, with padding."""

    def __init__(self, session: Session, sizes: Sequence[int], observe: Callable[[int], None]) -> None:
        self._padded = _Padding(session, sizes, observe)
        self._largest = sizes[-1]
        self._waiting: queue.SimpleQueue[Waiting] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="batches", daemon=True).start()

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Like `DirectRunner.run`, but blocks until the batching thread has run the images."""
        cancellation.check()
        done: Future[Outputs] = Future()
        self._waiting.put((images, done))
        try:
            return done.result()
        finally:
            del done  # its error refers to this function, and would stay in memory until the next garbage collection

    def _work(self) -> None:
        left: list[Waiting] = []
        while True:
            left.extend(self._take(block=not left))
            left = self._run_first(left)

    def _run_first(self, waiting: list[Waiting]) -> list[Waiting]:
        """Runs the first images together with those that fit, and returns the others."""
        shape = waiting[0][0].shape[1:]
        batch: list[Waiting] = []
        rest: list[Waiting] = []
        total = 0
        for item in waiting:
            fits = item[0].shape[1:] == shape and (not batch or total + len(item[0]) <= self._largest)
            (batch if fits else rest).append(item)
            total += len(item[0]) if fits else 0
        self._run(batch)
        return rest

    def _take(self, block: bool) -> list[Waiting]:
        taken = [self._waiting.get()] if block else []
        while not self._waiting.empty():  # safe, since only this thread takes items
            taken.append(self._waiting.get())
        return taken

    def _run(self, batch: list[Waiting]) -> None:
        try:
            outputs = self._padded.run(np.concatenate([images for images, _ in batch]))
        except Exception as error:
            # Each request gets an error of its own: whoever raises a common one adds its own functions, and all that
            # they refer to, to the traceback that the others keep.
            for _, done in batch:
                done.set_exception(BatchFailed(f"{type(error).__name__}: {error}"))
            return
        start = 0
        for images, done in batch:
            done.set_result([output[start : start + len(images)] for output in outputs])
            start += len(images)
