"""The API server's time, learned from its responses.

The operator compares the time with timestamps that the cluster has written: when a pod was created, when a deletion is
overdue. If the clock of the operator's node is wrong, that must not make a new pod look overdue, or a stuck one new.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# Smaller differences are not corrected: responses give their time in whole seconds, and arrive a moment later.
TOLERANCE = timedelta(seconds=3)


class ServerClock:
    """A clock that follows the API server's.

    Args:
        local: Returns the time of this machine, with a time zone.
    """

    def __init__(self, local: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._local = local
        self._offset = timedelta()

    def learn(self, date: str | None) -> None:
        """Corrects the clock by the header `Date` of a response that has just arrived; ignores an invalid one."""
        try:
            offset = parsedate_to_datetime(date or "").astimezone(UTC) - self._local()
        except (TypeError, ValueError):
            return
        if abs(offset - self._offset) > TOLERANCE:
            self._offset = offset if abs(offset) > TOLERANCE else timedelta()

    def now(self) -> datetime:
        """Returns the time, in UTC."""
        return self._local() + self._offset
