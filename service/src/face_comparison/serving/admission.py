"""Admission control: bounds requests in flight, concurrent inferences and concurrent fetches, and shares them fairly.

A request is admitted once it has been received completely, so that a slow sender does not occupy a place. While it
waits for the server of an image, it gives up its place and takes a fetch slot instead; if there are too many fetches,
the slowest one is cancelled. Callers take turns for inference slots. If the queue is full, a request of the caller with
the most requests is evicted in favor of a caller with fewer. The queue is that of the whole service: a worker does not
reject a request while another worker has room. This module knows nothing about HTTP, models or other processes, and
the clock is an argument.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from face_comparison.errors import BodyTooLarge, ClientDisconnected, FaceComparisonError, Overloaded
from face_comparison.serving.fetch_slots import FetchSlots
from face_comparison.serving.inference_queue import InferenceQueue, Waiter
from face_comparison.serving.memory_budget import MemoryBudget
from face_comparison.serving.permit import ANYBODY, MIB, Caller, Permit, deadline_exceeded, memory_in_use

Clock = Callable[[], float]
"""Returns the seconds of a monotonic clock, such as `time.monotonic`."""

ReportInFlight = Callable[[int], int]
"""Takes the number of places in use in this process, and returns that in all processes of the service."""

MAX_RETRY_SECONDS = 30

UNLIMITED = MemoryBudget(2**62)


class Admission:
    """Applies the limits of one process, and its part in those of the whole service. Thread-safe."""

    def __init__(  # noqa: PLR0913 (limits, and what they are measured with)
        self,
        slots: int,
        queue: int,
        processes: int = 1,
        *,
        fetches: int = 64,
        fetch_bytes: int = 0,
        per_caller: int | None = None,
        report_in_flight: ReportInFlight = lambda in_flight: in_flight,
        report_eviction: Callable[[str], None] = lambda reason: None,
        budget: MemoryBudget = UNLIMITED,
        clock: Clock = time.monotonic,
    ) -> None:
        """Sets the limits.

        Args:
            slots: Maximum concurrent inferences per process.
            queue: Maximum further requests in all processes together.
            processes: Number of processes of the service.
            fetches: Maximum concurrent fetches per process.
            fetch_bytes: Maximum memory of a fetch, in bytes.
            per_caller: Maximum requests in flight per caller and process; None: no limit per caller.
            report_in_flight: Exchanges the number of places in use with the other processes.
            report_eviction: Called with what was evicted to make room: `slow_fetch` or `queued_request`.
            budget: Memory budget of this process.
            clock: Clock of all deadlines.
        """
        self.slots, self._fetch_bytes = slots, fetch_bytes
        self._capacity = slots * processes + queue
        self._per_caller = per_caller
        self._report_in_flight, self._report_eviction = report_in_flight, report_eviction
        self._budget, self._clock = budget, clock
        self._lock = threading.RLock()
        self._permits: dict[Permit, None] = {}
        self._places = 0
        self._images = InferenceQueue(slots, budget)
        self._fetches = FetchSlots(fetches, report_eviction, clock)

    @property
    def in_flight(self) -> int:
        """Number of requests that this process has admitted and not yet responded to."""
        return len(self._permits)

    @property
    def queue_depth(self) -> int:
        """Number of images that wait for an inference slot."""
        return len(self._images)

    @property
    def retry_after(self) -> int:
        """Seconds after which a rejected caller should retry, a whole number from 1 to MAX_RETRY_SECONDS."""
        backlog = self.in_flight * self._images.seconds_per_slot / self.slots
        return min(MAX_RETRY_SECONDS, max(1, math.ceil(backlog)))

    @contextmanager
    def admit(self, deadline: float, caller: Caller = ANYBODY) -> Iterator[Permit]:
        """Admits a request, which holds a place within the context.

        Args:
            deadline: Deadline of the whole request, on the clock of this object.
            caller: The sender of the request.

        Yields:
            The permit of the request.

        Raises:
            Overloaded: The queue is full, or the caller has reached its limit.
        """
        permit = Permit(self, deadline, caller)
        with self._lock:
            self._make_place(caller)
            self._permits[permit] = None
        try:
            yield permit
        finally:
            # Other threads may still be working for the request: they must stop now, and not take a place again.
            permit.cancel(ClientDisconnected("the request is over"))
            with self._lock:
                del self._permits[permit]
                self._leave_place(permit)
            self._budget.release(permit.charged_bytes)

    def check_room(self, caller: Caller) -> None:
        """Checks whether a request of this caller would be admitted now, before its body is received.

        Raises:
            Overloaded: It would be rejected.
        """
        with self._lock:
            self._check_caller(caller)
            if self._report_in_flight(self._places) >= self._capacity and self._heaviest(caller) is None:
                raise self._queue_full(caller)

    # --- places ---

    def _make_place(self, caller: Caller) -> None:
        self._check_caller(caller)
        # Reported before the place is taken: if two processes compete for the last one, both reject rather than both
        # admit.
        if self._report_in_flight(self._places + 1) > self._capacity:
            evicted = self._heaviest(caller)
            if evicted is None:
                self._report_in_flight(self._places)
                raise self._queue_full(caller)
            self._leave_place(evicted)
            self._report_eviction("queued_request")
            evicted.cancel(
                Overloaded(
                    f"the service is overloaded, and {evicted.caller.label} had more requests in its queue than "
                    "others; retry after Retry-After seconds"
                )
            )
            self._report_in_flight(self._places + 1)
        self._places += 1

    def _check_caller(self, caller: Caller) -> None:
        limit = self._per_caller
        if limit is not None and self._count(caller) >= limit:
            raise Overloaded(f"{caller.label} has reached its limit of {limit} requests in flight; retry later")

    def _queue_full(self, caller: Caller) -> Overloaded:
        return Overloaded(
            f"the service is overloaded (queue full: {self._count(caller)} of {self._capacity} requests in flight come "
            f"from {caller.label}); retry after Retry-After seconds"
        )

    def _leave_place(self, permit: Permit) -> None:
        if permit.has_place:
            permit.has_place = False
            self._places -= 1
            self._report_in_flight(self._places)

    def _count(self, caller: Caller) -> int:
        return sum(permit.caller.key == caller.key for permit in self._permits)

    def _heaviest(self, caller: Caller) -> Permit | None:
        """Returns the newest waiting request of the caller with the most requests.

        Returns None if there is none, or if evicting it would not be fair: its caller must have at least two requests
        more than `caller`.
        """
        counts: dict[str, int] = {}
        for permit in self._permits:
            if permit.has_place:
                counts[permit.caller.key] = counts.get(permit.caller.key, 0) + 1
        if not counts:
            return None
        heaviest = max(counts, key=lambda key: counts[key])
        if counts[heaviest] <= counts.get(caller.key, 0) + 1:
            return None
        for permit in reversed(self._permits):
            if permit.caller.key == heaviest and permit.has_place and not permit.started:
                return permit
        return None

    # --- fetches, for Permit ---

    def _begin_fetch(self, permit: Permit) -> object:
        with self._lock:
            permit.check()
            self._fetches.make_room(permit)
            if not self._budget.hold(self._fetch_bytes):
                raise memory_in_use()
            self._leave_place(permit)
            return self._fetches.begin(permit)

    def _end_fetch(self, key: object) -> None:
        with self._lock:
            self._budget.release(self._fetch_bytes)
            permit = self._fetches.end(key)
            if permit is None or permit.cancelled:
                return
            if not permit.has_place and not self._fetches.has(permit):
                # The request has been admitted, so it gets its place back even if the capacity is exceeded for a while.
                permit.has_place = True
                self._places += 1
                self._report_in_flight(self._places)

    # --- inference slots, for Permit ---

    def _acquire(self, permit: Permit, cost: int) -> None:
        if cost > self._budget.max_computation:
            raise BodyTooLarge(
                f"decoding the image takes {cost // MIB} MiB of memory, more than this service can spare "
                f"({self._budget.max_computation // MIB} MiB): send a smaller image"
            )
        waiter = Waiter(permit, cost)
        with self._lock:
            permit.check()
            self._images.add(waiter)
        waiter.turn.wait(max(0.0, permit.deadline - self._clock()))
        with self._lock:
            if waiter.granted:  # possibly just after the wait timed out: the slot is used nevertheless
                return
            self._images.forget(waiter)
        permit.check()
        raise deadline_exceeded()

    def _release(self, cost: int, seconds: float) -> None:
        with self._lock:
            self._images.release(cost, seconds)

    def _cancel(self, permit: Permit, error: FaceComparisonError) -> None:
        with self._lock:
            if permit.cancelled is not None:
                return
            permit.cancelled = error
            self._images.cancel(permit)
            callbacks = permit.take_callbacks()
        for callback in callbacks:
            callback()
