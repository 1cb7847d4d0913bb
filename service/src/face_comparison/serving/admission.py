"""Who may enter, who may compute, and until when: the queue, as one worker process sees it.

A request is admitted before its body is read, so that what waits in memory is bounded; it then takes a slot only while
the models work on one of its images, so that a slow sender or a slow server of images never keeps a core idle.
Slots are handed over in the order of arrival. The queue is that of the whole service: a worker refuses nobody while
another has room. Nothing here knows of HTTP, of models or of other processes, and the clock is an argument.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from face_comparison.errors import DeadlineExceeded, Overloaded

Clock = Callable[[], float]
"""Seconds on a clock that never jumps, such as `time.monotonic`."""

Tally = Callable[[int], int]
"""Told how many requests are inside this process; answers how many are inside all processes of the service."""

LONGEST_RETRY_SECONDS = 30


class Admission:
    """At most `slots` computations at once in each of `processes`, and `queue` more requests inside all of them.

    All methods are safe from any thread.
    """

    def __init__(
        self,
        slots: int,
        queue: int,
        processes: int = 1,
        tally: Tally = lambda inside: inside,
        clock: Clock = time.monotonic,
    ) -> None:
        self.slots = slots
        self._places = slots * processes + queue
        self._tally = tally
        self._clock = clock
        self._lock = threading.Lock()
        self._in_flight = 0
        self._computing = 0
        self._waiting: deque[threading.Event] = deque()
        self._seconds_per_slot = 0.0

    @property
    def in_flight(self) -> int:
        """Requests inside this process: admitted, not yet answered."""
        return self._in_flight

    @property
    def queue_depth(self) -> int:
        """Images that are ready and wait for a slot."""
        return len(self._waiting)

    @contextmanager
    def admit(self, deadline: float) -> Iterator[Ticket]:
        """Enter, or raise Overloaded. deadline: on the clock of this object, of the whole request."""
        with self._lock:
            # Said before it is so: two processes that find the last place free both refuse, rather than both let in.
            if self._tally(self._in_flight + 1) > self._places:
                self._tally(self._in_flight)
                raise Overloaded("the service has as many requests as it can hold: send the request again later")
            self._in_flight += 1
        try:
            yield Ticket(self, deadline)
        finally:
            with self._lock:
                self._in_flight -= 1
                self._tally(self._in_flight)

    @property
    def retry_after(self) -> int:
        """Whole seconds after which a refused caller may find room, 1 to LONGEST_RETRY_SECONDS."""
        backlog = self._in_flight * self._seconds_per_slot / self.slots
        return min(LONGEST_RETRY_SECONDS, max(1, math.ceil(backlog)))

    # --- for Ticket ---

    def _take(self, deadline: float) -> None:
        with self._lock:
            if self._clock() >= deadline:
                raise _too_late()
            if self._computing < self.slots:  # then nobody waits: a freed slot goes to the first in line at once
                self._computing += 1
                return
            turn = threading.Event()
            self._waiting.append(turn)
        if turn.wait(max(0.0, deadline - self._clock())):
            return
        with self._lock:
            if turn.is_set():  # the slot was handed over in the instant in which the wait ended: use it
                return
            self._waiting.remove(turn)
        raise _too_late()

    def _give(self, seconds: float) -> None:
        with self._lock:
            # A moving average over about the last eight images.
            self._seconds_per_slot += (seconds - self._seconds_per_slot) / 8
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._computing -= 1


class Ticket:
    """One request inside."""

    def __init__(self, admission: Admission, deadline: float) -> None:
        self.deadline = deadline
        self._admission = admission

    @contextmanager
    def compute(self) -> Iterator[None]:
        """Hold a slot; waits for one until the deadline, then raises DeadlineExceeded."""
        admission = self._admission
        admission._take(self.deadline)
        started = admission._clock()
        try:
            yield
        finally:
            admission._give(admission._clock() - started)


def _too_late() -> DeadlineExceeded:
    return DeadlineExceeded("the request took longer than a request may take: send it again later or make it smaller")
