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

    deadline: float
    error: type[FaceComparisonError]
    message: str

    @classmethod
    def earliest(cls, seconds: float, deadline: float | None) -> TimeLimit:
        """Returns the earlier of two limits: `seconds` from now, and the deadline of the whole request."""
        own_deadline = time.monotonic() + seconds
        if deadline is not None and deadline < own_deadline:
            return cls(deadline, DeadlineExceeded, "the request's deadline was exceeded while a URL was being fetched")
        return cls(own_deadline, UrlFetchTimeout, f"fetching the URL took longer than {seconds:g} s")

    def remaining(self, maximum: float = float("inf")) -> float:
        """Returns the remaining seconds, above 0 and at most `maximum`. Raises `expired_error()` if none are left."""
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise self.expired_error()
        return min(remaining, maximum)

    def expired_error(self) -> FaceComparisonError:
        """Returns the error to raise after the deadline."""
        return self.error(self.message)


class DetachedCalls:
    """Runs uninterruptible calls, each in its own thread, which is abandoned at the deadline.

    The threads are daemon threads: at exit, a thread pool would wait for a hung call beyond any grace period.

    Args:
        slots: Maximum concurrent calls, including abandoned ones; further calls wait within their own limits.
        max_per_owner: Maximum concurrent calls per owner; None: `slots`.
    """

    def __init__(self, slots: int, max_per_owner: int | None = None) -> None:
        self._slots, self._max_per_owner = slots, slots if max_per_owner is None else max_per_owner
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
        try:
            threading.Thread(
                target=self._run, args=(function, outcome, owner), name="detached-call", daemon=True
            ).start()
        except RuntimeError:  # no further thread can be started
            self._end(owner)
            raise
        try:
            return outcome.result(limit.remaining())
        except TimeoutError:
            if outcome.done():
                raise  # the function itself raised TimeoutError
            raise limit.expired_error() from None
        finally:
            del outcome  # its error refers to this function, and would stay in memory until the next garbage collection

    def _run(self, function: Callable[[], T], outcome: Future[T], owner: str) -> None:
        try:
            outcome.set_result(function())
        except BaseException as error:  # re-raised in the waiting thread
            outcome.set_exception(error)
        finally:
            del outcome  # as above
            self._end(owner)

    def _begin(self, owner: str, limit: TimeLimit) -> None:
        with self._ended:
            while self._running.total() >= self._slots or self._running[owner] >= self._max_per_owner:
                self._ended.wait(limit.remaining())
            self._running[owner] += 1

    def _end(self, owner: str) -> None:
        with self._ended:
            self._running[owner] -= 1
            self._running += Counter()  # forgets owners without calls
            self._ended.notify_all()
