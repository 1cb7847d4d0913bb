"""Divides the memory of one process between transfers and computations.

Transfers (request bodies, fetched images, unread responses) never take so much that no computation fits, and part of
their memory is reserved for small ones. Computations may use everything that transfers leave over.
"""

from __future__ import annotations

import threading

TRANSFER_SHARE = 0.5
"""Maximum fraction of the budget for transfers."""

SMALL_SHARE = 0.125
"""Fraction of the transfers' memory that is reserved for small ones."""

SMALL_BYTES = 2**20
"""Maximum size of a small transfer, in bytes."""


class MemoryBudget:
    """Counts bytes in use. Thread-safe."""

    def __init__(self, total: int) -> None:
        self._lock = threading.Lock()
        self._transfers = 0
        self._computations = 0
        self._peak = 0
        self.resize(total)

    def resize(self, total: int) -> None:
        """Sets the size of the budget; memory in use is unaffected."""
        self.total = total
        self._max_transfers = int(total * TRANSFER_SHARE)
        self._kept_for_small = int(self._max_transfers * SMALL_SHARE)

    @property
    def max_computation(self) -> int:
        """Maximum memory of a computation, in bytes: what is guaranteed to become free eventually."""
        return self.total - self._max_transfers

    @property
    def max_transfer(self) -> int:
        """Maximum memory of a transfer that is not small, in bytes."""
        return self._max_transfers - self._kept_for_small

    @property
    def in_use(self) -> int:
        """Bytes currently in use."""
        return self._transfers + self._computations

    def take_peak(self) -> int:
        """Returns the peak use since the last call, in bytes."""
        with self._lock:
            peak, self._peak = self._peak, self.in_use
            return peak

    def hold(self, amount: int, *, small: bool = False) -> bool:
        """Takes memory for a transfer; returns whether there is enough."""
        with self._lock:
            reserved = 0 if small else self._kept_for_small
            after = self._transfers + amount
            if after + reserved > self._max_transfers or after + reserved + self._computations > self.total:
                return False
            self._transfers = after
            self._peak = max(self._peak, self.in_use)
            return True

    def release(self, amount: int) -> None:
        """Releases the memory of a transfer."""
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
        """Releases the memory of a computation."""
        with self._lock:
            self._computations -= amount
