"""Time limits that hold even if a library call blocks.

Socket timeouts apply to each step, so a server that sends one byte per second never reaches them; resolvers and
libraries have their own timeouts. The limits here bound the whole operation.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from face_comparison.errors import DeadlineExceeded, FaceComparisonError, UrlFetchTimeout

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """The deadline of a fetch, in seconds of `time.monotonic()`, and the error that names the limit."""

    ends: float
    error: type[FaceComparisonError]
    message: str

    @classmethod
    def nearer(cls, seconds: float, deadline: float | None) -> TimeLimit:
        """Returns the earlier of two limits: `seconds` from now, and the deadline of the whole request."""
        ends = time.monotonic() + seconds
        if deadline is not None and deadline < ends:
            return cls(deadline, DeadlineExceeded, "the request's deadline was exceeded while a URL was being fetched")
        return cls(ends, UrlFetchTimeout, f"fetching the URL took longer than {seconds:g} s")

    def left(self, at_most: float = float("inf")) -> float:
        """Returns the remaining seconds, above 0 and at most `at_most`. Raises `over()` if none are left."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise self.over()
        return min(left, at_most)

    def over(self) -> FaceComparisonError:
        """Returns the error to raise after the deadline."""
        return self.error(self.message)


class Abandonable:
    """Runs uninterruptible calls, each in its own thread, which is abandoned at the deadline.

    The threads are daemon threads: at exit, a thread pool would wait for a hung call beyond any grace period.

    Args:
        slots: Maximum concurrent calls, including abandoned ones; further calls wait within their own limits.
        share: Maximum concurrent calls per owner; None: `slots`.
    """

    def __init__(self, slots: int, share: int | None = None) -> None:
        self._slots, self._share = slots, slots if share is None else share
        self._running: Counter[str] = Counter()
        self._ended = threading.Condition()

    def call(self, function: Callable[[], T], limit: TimeLimit, owner: str = "") -> T:
        """Calls a function and returns its result, or raises its error.

        Args:
            function: The function.
            limit: Time limit, including the wait for a slot; its error is raised if it is exceeded.
            owner: Key of the owner of the call.
        """
        self._begin(owner, limit)
        outcome: Future[T] = Future()

        def run() -> None:
            try:
                outcome.set_result(function())
            except BaseException as error:  # re-raised in the waiting thread
                outcome.set_exception(error)
            finally:
                self._end(owner)

        try:
            threading.Thread(target=run, name="abandonable", daemon=True).start()
        except RuntimeError:  # no further thread can be started
            self._end(owner)
            raise
        try:
            return outcome.result(limit.left())
        except TimeoutError:
            if outcome.done():
                raise  # the function itself raised TimeoutError
            raise limit.over() from None

    def _begin(self, owner: str, limit: TimeLimit) -> None:
        with self._ended:
            while self._running.total() >= self._slots or self._running[owner] >= self._share:
                self._ended.wait(limit.left())
            self._running[owner] += 1

    def _end(self, owner: str) -> None:
        with self._ended:
            self._running[owner] -= 1
            self._running += Counter()  # forgets owners without calls
            self._ended.notify_all()
