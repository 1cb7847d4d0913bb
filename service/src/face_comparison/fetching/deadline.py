"""Limits of time that hold although something below blocks.

Sockets have a timeout of each step, which a server that sends a byte a second never reaches; resolvers and libraries
have their own ideas. What is here bounds the whole.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from face_comparison.errors import DeadlineExceeded, FaceComparisonError, UrlFetchTimeout

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """When a fetch must be over, in `time.monotonic()` seconds, and the failure that says whose limit it was."""

    ends: float
    error: type[FaceComparisonError]
    message: str

    @classmethod
    def nearer(cls, seconds: float, deadline: float | None) -> TimeLimit:
        """Returns the earlier of `seconds` from now and the whole request's deadline."""
        ends = time.monotonic() + seconds
        if deadline is not None and deadline < ends:
            return cls(deadline, DeadlineExceeded, "the time of the whole request was over while a URL was fetched")
        return cls(ends, UrlFetchTimeout, f"fetching the URL took longer than {seconds:g} s")

    def left(self, at_most: float = float("inf")) -> float:
        """Seconds that may still be spent, above 0. Raises `over()` when there are none."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise self.over()
        return min(left, at_most)

    def over(self) -> FaceComparisonError:
        """Returns the failure to raise when time is up."""
        return self.error(self.message)


class Abandonable:
    """Runs calls that cannot be interrupted, each in a thread of its own that is left behind when time is up.

    At most `slots` run at once, abandoned ones included; whoever finds none free waits within its own limit.
    The threads are daemons, because a pool's are waited for when the program ends, and a call that hangs would
    outlast every grace period.
    """

    def __init__(self, slots: int) -> None:
        self._free = threading.BoundedSemaphore(slots)

    def call(self, function: Callable[[], T], limit: TimeLimit) -> T:
        """What `function` returns or raises. Raises the limit's own error when that takes too long."""
        if not self._free.acquire(timeout=limit.left()):
            raise limit.over()
        outcome: Future[T] = Future()

        def run() -> None:
            try:
                outcome.set_result(function())
            except BaseException as error:  # raised again, where somebody waits for it
                outcome.set_exception(error)
            finally:
                self._free.release()

        try:
            threading.Thread(target=run, name="abandonable", daemon=True).start()
        except RuntimeError:  # the machine has no thread left
            self._free.release()
            raise
        try:
            return outcome.result(limit.left())
        except TimeoutError:
            if outcome.done():
                raise  # the call's own
            raise limit.over() from None
