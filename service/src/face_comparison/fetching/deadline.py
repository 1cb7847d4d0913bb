"""Time limits that hold even if a library call blocks.

Sockets have timeouts per step, which a server that sends one byte per second never reaches; resolvers and libraries
have timeouts of their own. These limits bound the whole operation.
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
        """Returns the earlier of `seconds` from now and the whole request's deadline."""
        ends = time.monotonic() + seconds
        if deadline is not None and deadline < ends:
            return cls(deadline, DeadlineExceeded, "the request's deadline was exceeded while a URL was being fetched")
        return cls(ends, UrlFetchTimeout, f"fetching the URL took longer than {seconds:g} s")

    def left(self, at_most: float = float("inf")) -> float:
        """Returns the remaining seconds, above 0. Raises `over()` if there are none."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise self.over()
        return min(left, at_most)

    def over(self) -> FaceComparisonError:
        """Returns the error to raise after the deadline."""
        return self.error(self.message)


class Abandonable:
    """Runs calls that cannot be interrupted, each in its own thread, which is abandoned at the deadline.

    At most `slots` run at once, including abandoned ones, and at most `share` of one owner; further calls wait within
    their own limits. The threads are daemons: at exit, a pool would wait for a hung call beyond every grace period.
    """

    def __init__(self, slots: int, share: int | None = None) -> None:
        self._slots, self._share = slots, slots if share is None else share
        self._running: Counter[str] = Counter()
        self._ended = threading.Condition()

    def call(self, function: Callable[[], T], limit: TimeLimit, owner: str = "") -> T:
        """Returns or raises what `function` does. Raises the limit's error if that takes too long."""
        self._begin(owner, limit)
        outcome: Future[T] = Future()

        def run() -> None:
            try:
                outcome.set_result(function())
            except BaseException as error:  # raised again, where somebody waits for it
                outcome.set_exception(error)
            finally:
                self._end(owner)

        try:
            threading.Thread(target=run, name="abandonable", daemon=True).start()
        except RuntimeError:  # the machine has no thread left
            self._end(owner)
            raise
        try:
            return outcome.result(limit.left())
        except TimeoutError:
            if outcome.done():
                raise  # the call's own
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
