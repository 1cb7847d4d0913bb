"""Bounds the concurrent fetches of one process, and shares them fairly by cancelling a caller's slowest fetch.

Not thread-safe: the owner must hold a lock during every call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from face_comparison.errors import Overloaded

if TYPE_CHECKING:
    from face_comparison.serving.admission import Clock
    from face_comparison.serving.permit import Permit

MIN_FETCH_SECONDS = 1.0
"""Minimum age at which a fetch is cancelled in favor of another one of the same caller."""


class FetchSlots:
    """The fetch slots of one process.

    Args:
        limit: Maximum concurrent fetches.
        report_eviction: Called when a fetch is cancelled to make room.
        clock: Clock of the fetches' ages.
    """

    def __init__(self, limit: int, report_eviction: Callable[[str], None], clock: Clock) -> None:
        self.limit = limit
        self._report_eviction, self._clock = report_eviction, clock
        self._fetching: dict[object, tuple[Permit, float]] = {}

    def make_room(self, permit: Permit) -> None:
        """Makes room for a fetch of this request.

        Raises:
            Overloaded: There are too many fetches, and none is slow.
        """
        if len(self._fetching) >= self.limit:
            self._cancel_slowest(permit)

    def begin(self, permit: Permit) -> object:
        """Counts a fetch, and returns the key to end it with."""
        key = object()
        self._fetching[key] = (permit, self._clock())
        return key

    def end(self, key: object) -> Permit | None:
        """Ends a fetch, and returns the permit of its request; None if the fetch was cancelled to make room."""
        return self._fetching.pop(key, (None, 0.0))[0]

    def has(self, permit: Permit) -> bool:
        """Returns whether a request is fetching."""
        return any(other is permit for other, _ in self._fetching.values())

    def _cancel_slowest(self, permit: Permit) -> None:
        counts: dict[str, int] = {permit.caller.key: 0}
        for other, _ in self._fetching.values():
            counts[other.caller.key] = counts.get(other.caller.key, 0) + 1
        heaviest = max(counts, key=lambda key: counts[key])
        key, (slowest, began) = next(
            (key, entry) for key, entry in self._fetching.items() if entry[0].caller.key == heaviest
        )
        if counts[heaviest] <= counts[permit.caller.key] + 1 and self._clock() - began < MIN_FETCH_SECONDS:
            raise Overloaded("the service is overloaded: it is fetching as many images as it can; retry later")
        del self._fetching[key]
        self._report_eviction("slow_fetch")
        slowest.cancel(
            Overloaded(
                "the service is overloaded: it is fetching as many images as it can, and this was the slowest; "
                "retry later, or send the image itself"
            )
        )
