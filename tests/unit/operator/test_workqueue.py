"""Which key is next: one worker per key, again after a change during processing, later after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from face_comparison_operator.workqueue import LAST_RETRY_SECONDS, WorkQueue


class Clock:
    """A clock that the test controls."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def run(test: Callable[[WorkQueue[str], Clock], Awaitable[Any]], rest: float = 0.0) -> None:
    async def main() -> None:
        clock = Clock()
        async with asyncio.timeout(10):
            await test(WorkQueue(clock, rest), clock)

    asyncio.run(main())


async def nothing_ready(queue: WorkQueue[str]) -> bool:
    """Returns whether a worker would have to wait."""
    task = asyncio.create_task(queue.get())
    for _ in range(5):
        await asyncio.sleep(0)
    waits = not task.done()
    task.cancel()
    return waits


def test_key_added_repeatedly_is_queued_once() -> None:
    async def test(queue: WorkQueue[str], _: Clock) -> None:
        for key in ("a", "b", "a"):
            queue.add(key)
        assert [await queue.get(), await queue.get()] == ["a", "b"]
        assert await nothing_ready(queue)

    run(test)


def test_key_added_during_processing_is_processed_again() -> None:
    async def test(queue: WorkQueue[str], _: Clock) -> None:
        queue.add("a")
        await queue.get()
        queue.add("a")
        queue.add("a")
        assert await nothing_ready(queue), "nobody else works on it meanwhile"
        queue.done("a")
        assert await queue.get() == "a"
        queue.done("a")
        assert await nothing_ready(queue)

    run(test)


def test_delayed_key_is_processed_once_when_due() -> None:
    async def test(queue: WorkQueue[str], clock: Clock) -> None:
        queue.add_after("a", 60)
        queue.add_after("a", 30)
        queue.add_after("a", 90)
        clock.now = 29
        assert await nothing_ready(queue)
        clock.now = 31
        assert await queue.get() == "a"
        queue.done("a")
        clock.now = 100
        assert await nothing_ready(queue)

    run(test)


def test_earlier_processing_drops_the_delayed_key() -> None:
    async def test(queue: WorkQueue[str], clock: Clock) -> None:
        queue.add_after("a", 30)
        queue.add("a")
        await queue.get()
        queue.done("a")
        clock.now = 31
        assert await nothing_ready(queue)

    run(test)


def test_failures_are_retried_with_bounded_exponential_backoff() -> None:
    async def test(queue: WorkQueue[str], clock: Clock) -> None:
        pauses = []
        queue.add("a")
        for _ in range(12):
            assert await queue.get() == "a"
            pause = queue.add_rate_limited("a")
            queue.done("a")
            assert pause is not None
            pauses.append(pause)
            clock.now += pause
        assert pauses == sorted(pauses)
        assert (pauses[0], pauses[1], pauses[-1]) == (0.2, 0.4, LAST_RETRY_SECONDS)
        queue.forget("a")
        assert queue.add_rate_limited("a") == pauses[0], "a success ends the backoff"

    run(test)


def test_waiting_worker_is_woken() -> None:
    async def test(queue: WorkQueue[str], _: Clock) -> None:
        task = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        queue.add("a")
        assert await task == "a"

    run(test)


def test_key_is_throttled_between_reconciliations() -> None:
    async def test(queue: WorkQueue[str], clock: Clock) -> None:
        queue.add("a")
        assert await queue.get() == "a", "the first look is at once"
        queue.add("a")
        queue.done("a")
        for _ in range(3):
            queue.add("a")
        assert await nothing_ready(queue)
        queue.add("b")
        assert await queue.get() == "b", "others do not wait for it"
        queue.done("b")
        clock.now = 0.1
        assert await queue.get() == "a", "all changes meanwhile are one"
        queue.done("a")
        assert await nothing_ready(queue)
        clock.now = 0.2
        queue.add("a")
        assert await queue.get() == "a", "a rested key is looked at at once"

    run(test, rest=0.1)


def test_throttled_keys_are_forgotten() -> None:
    async def test(queue: WorkQueue[str], clock: Clock) -> None:
        for number in range(100):
            clock.now = float(number)
            queue.add(str(number))
            queue.done(await queue.get())
        assert len(queue._done_at) == 1

    run(test, rest=0.1)
