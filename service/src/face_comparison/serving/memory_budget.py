"""The memory of one process, divided between what clients send and receive and what computations need.

Transfers (request bodies, images fetched, replies not taken yet) never get so much that no computation fits, and a
part of their share is kept for small ones. Computations may use all that transfers leave.
"""

from __future__ import annotations

import threading

TRANSFER_SHARE = 0.5
"""Of the whole, at most, for transfers."""

SMALL_SHARE = 0.125
"""Of the transfers' share, only for small ones."""

SMALL_BYTES = 2**20
"""A request that holds no more is small."""


class MemoryBudget:
    """Counts bytes that are, or will be, in use. Safe from any thread."""

    def __init__(self, total: int) -> None:
        self._lock = threading.Lock()
        self._transfers = 0
        self._computations = 0
        self._peak = 0
        self.resize(total)

    def resize(self, total: int) -> None:
        """Sets the whole; what is in use stays in use."""
        self.total = total
        self._max_transfers = int(total * TRANSFER_SHARE)
        self._kept_for_small = int(self._max_transfers * SMALL_SHARE)

    @property
    def max_computation(self) -> int:
        """The largest computation that can always get its memory some time."""
        return self.total - self._max_transfers

    @property
    def in_use(self) -> int:
        """Bytes that are reserved now."""
        return self._transfers + self._computations

    def take_peak(self) -> int:
        """Returns the most that was in use at once since the last call, bytes."""
        with self._lock:
            peak, self._peak = self._peak, self.in_use
            return peak

    def hold(self, amount: int, *, small: bool = False) -> bool:
        """Takes memory for a transfer; returns whether there is enough."""
        with self._lock:
            kept = 0 if small else self._kept_for_small
            after = self._transfers + amount
            if after + kept > self._max_transfers or after + kept + self._computations > self.total:
                return False
            self._transfers = after
            self._peak = max(self._peak, self.in_use)
            return True

    def release(self, amount: int) -> None:
        """Gives back memory of a transfer."""
        with self._lock:
            self._transfers -= amount

    def reserve(self, amount: int) -> bool:
        """Takes memory for a computation; returns whether there is enough."""
        with self._lock:
            after = self._computations + amount
            transfers = min(self._transfers + self._kept_for_small, self._max_transfers)
            if after + transfers > self.total:
                return False
            self._computations = after
            self._peak = max(self._peak, self.in_use)
            return True

    def unreserve(self, amount: int) -> None:
        """Gives back memory of a computation."""
        with self._lock:
            self._computations -= amount
