"""The queue of images that wait for an inference slot and memory; callers take turns.

Not thread-safe: the owner must hold a lock during every call.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from face_comparison.serving.memory_budget import MemoryBudget
    from face_comparison.serving.permit import Permit


@dataclass(eq=False, slots=True)
class Waiter:
    """A waiting image.

    Attributes:
        permit: The permit of its request.
        cost: Memory that it needs, in bytes.
        turn: Set when the wait ends, with or without a slot.
        granted: Whether it has received a slot.
    """

    permit: Permit
    cost: int
    turn: threading.Event = field(default_factory=threading.Event)
    granted: bool = False


class InferenceQueue:
    """The inference slots of one process, and the images that wait for one.

    Attributes:
        seconds_per_slot: Moving average of the seconds that an image holds its slot.
    """

    def __init__(self, slots: int, budget: MemoryBudget) -> None:
        self._slots, self._budget = slots, budget
        self._computing = 0
        self._waiting: OrderedDict[str, deque[Waiter]] = OrderedDict()
        self.seconds_per_slot = 0.0

    def __len__(self) -> int:
        """Returns the number of waiting images."""
        return sum(map(len, self._waiting.values()))

    def add(self, waiter: Waiter) -> None:
        """Adds an image, which may get its slot immediately."""
        self._waiting.setdefault(waiter.permit.caller.key, deque()).append(waiter)
        self.grant()

    def grant(self) -> None:
        """Grants free slots: callers take turns, and the images of each caller are served in order of arrival."""
        while self._waiting and self._computing < self._slots:
            key, waiters = next(iter(self._waiting.items()))
            waiter = waiters[0]
            # No image may overtake one that needs more memory, or that one would starve. Its memory becomes free at the
            # latest when all current inferences have ended.
            if not self._budget.reserve(waiter.cost):
                return
            self.forget(waiter)
            if key in self._waiting:
                self._waiting.move_to_end(key)
            self._computing += 1
            waiter.permit.started = waiter.granted = True
            waiter.turn.set()

    def forget(self, waiter: Waiter) -> None:
        """Removes a waiting image."""
        waiters = self._waiting.get(waiter.permit.caller.key)
        if waiters is not None and waiter in waiters:
            waiters.remove(waiter)
            if not waiters:
                del self._waiting[waiter.permit.caller.key]

    def cancel(self, permit: Permit) -> None:
        """Removes all images of a request, and wakes up the threads that wait for them."""
        for waiter in [each for each in self._waiting.get(permit.caller.key, ()) if each.permit is permit]:
            self.forget(waiter)
            waiter.turn.set()
        self.grant()

    def release(self, cost: int, seconds: float) -> None:
        """Releases the slot of an image, which held it for `seconds`."""
        # Exponential moving average over about the last eight images.
        self.seconds_per_slot += (seconds - self.seconds_per_slot) / 8
        self._computing -= 1
        self._budget.unreserve(cost)
        self.grant()
