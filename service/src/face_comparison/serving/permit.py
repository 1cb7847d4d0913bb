"""The permit of an admitted request: whether it may go on, and what it holds of the service's capacity."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from face_comparison.errors import BodyTooLarge, DeadlineExceeded, FaceComparisonError, Overloaded
from face_comparison.serving.memory_budget import SMALL_BYTES

if TYPE_CHECKING:
    from face_comparison.serving.admission import Admission


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request; capacity is shared fairly between callers.

    Attributes:
        key: Identifies the caller.
        label: Name of the caller in messages to them, such as "your address".
    """

    key: str = ""
    label: str = "you"


MIB = 2**20

ANYBODY = Caller()
"""The sender of a request where callers are not told apart."""


class Permit:
    """The permit of an admitted request.

    Attributes:
        deadline: Deadline of the whole request, on the clock of its admission.
        caller: The sender of the request.
        has_place: Whether it holds one of the places of the service.
        started: Whether an inference has begun.
        cancelled: Why the request was cancelled; None if it was not.
        body_bytes: Memory that the connection holds for the request's body.
        charged_bytes: Memory charged with `charge`.
    """

    def __init__(self, admission: Admission, deadline: float, caller: Caller) -> None:
        self.deadline, self.caller = deadline, caller
        self.has_place, self.started = True, False
        self.cancelled: FaceComparisonError | None = None
        self.body_bytes = self.charged_bytes = 0
        self._admission = admission
        self._callbacks: dict[object, Callable[[], None]] = {}

    def check(self) -> None:
        """Checks whether to continue working on the request.

        Raises:
            DeadlineExceeded: Its deadline has passed.
            FaceComparisonError: It was cancelled; the error says why.
        """
        if self.cancelled is not None:
            raise self.cancelled.detached()
        if self._admission._clock() >= self.deadline:
            raise deadline_exceeded()

    def cancel(self, error: FaceComparisonError) -> None:
        """Cancels the request, which ends its waits and makes its next `check` raise. Only the first error counts."""
        self._admission._cancel(self, error)

    def take_callbacks(self) -> list[Callable[[], None]]:
        """Returns and clears the callbacks to call when the request is cancelled."""
        callbacks, self._callbacks = list(self._callbacks.values()), {}
        return callbacks

    @contextmanager
    def on_cancel(self, callback: Callable[[], None]) -> Iterator[None]:
        """Calls `callback` from any thread if the request is cancelled within the context, or has been already."""
        key = object()
        with self._admission._lock:
            self._callbacks[key] = callback
            callbacks = [] if self.cancelled is None else self.take_callbacks()
        for each in callbacks:
            each()
        try:
            yield
        finally:
            with self._admission._lock:
                self._callbacks.pop(key, None)

    def charge(self, amount: int) -> None:
        """Holds `amount` more bytes of memory until the request ends. Call it in one thread only.

        Raises:
            BodyTooLarge: The budget never has that much memory.
            Overloaded: Not enough memory is free.
        """
        budget = self._admission._budget
        total = self.body_bytes + self.charged_bytes + amount
        if total > budget.max_transfer:
            raise BodyTooLarge(
                f"reading the body takes {total // MIB} MiB of memory, more than this service can spare "
                f"({budget.max_transfer // MIB} MiB): send a smaller one, or the image itself instead of base64"
            )
        if not budget.hold(amount, small=total <= SMALL_BYTES):
            raise memory_in_use()
        self.charged_bytes += amount

    @contextmanager
    def memory(self, amount: int) -> Iterator[None]:
        """Holds `amount` bytes of memory for a fetched image.

        Raises:
            Overloaded: Not enough memory is free.
        """
        budget = self._admission._budget
        if not budget.hold(amount, small=amount <= SMALL_BYTES):
            raise memory_in_use()
        try:
            yield
        finally:
            budget.release(amount)

    @contextmanager
    def inference_slot(self, cost: int = 0) -> Iterator[None]:
        """Waits for an inference slot and `cost` bytes of memory, and holds both within the context.

        Raises:
            DeadlineExceeded: They did not become free in time.
            BodyTooLarge: The budget never has that much memory.
            FaceComparisonError: The request was cancelled.
        """
        admission = self._admission
        admission._acquire(self, cost)
        started = admission._clock()
        try:
            yield
        finally:
            admission._release(cost, admission._clock() - started)

    @contextmanager
    def fetch_slot(self) -> Iterator[None]:
        """Holds a fetch slot within the context, and gives up the request's place for that time.

        Raises:
            Overloaded: There are too many fetches and none is slow, or the memory for images is in use.
        """
        key = self._admission._begin_fetch(self)
        try:
            yield
        finally:
            self._admission._end_fetch(key)


def memory_in_use() -> Overloaded:
    """Returns the error for an image for which not enough memory is free."""
    return Overloaded("the service is overloaded: the memory for images is in use; retry after Retry-After seconds")


def deadline_exceeded() -> DeadlineExceeded:
    """Returns the error for a request whose deadline has passed."""
    return DeadlineExceeded("request deadline exceeded; retry later or send a smaller request")
