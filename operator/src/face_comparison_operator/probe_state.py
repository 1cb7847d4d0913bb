"""State of the probe of a resource's URL: its last result, when the next one is due, and whether it is conclusive.

Routers learn about a ready pod or a new path a moment after the operator. So an unexpected response is conclusive only
after it has been repeated, which happens quickly; an expected one is conclusive immediately.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from face_comparison_operator.observation import ProbeResult

# Delays after the first unexpected responses, and after each further one.
FIRST_RETRY_DELAYS = (0.2, 0.4, 0.8, 1.0)
RETRY_DELAY = 3.0
# Interval while the URL responds; longer with many resources, so that there are at most 20 probes per second in total.
MIN_INTERVAL, MAX_INTERVAL, SECONDS_PER_RESOURCE = 2.0, 60.0, 0.05

NEVER = float("-inf")


def probe_interval(resources: int) -> float:
    """Returns the seconds between two probes of a URL that responds, given the number of resources."""
    return min(MAX_INTERVAL, max(MIN_INTERVAL, resources * SECONDS_PER_RESOURCE))


@dataclass(slots=True)
class ProbeState:
    """The state of a probe. Times are seconds of the caller's clock."""

    subject: tuple[str, str] | None = None
    result: ProbeResult | None = None
    finished_at: float = NEVER
    failures: int = 0
    """Number of consecutive unexpected responses."""
    task: asyncio.Task[None] | None = None
    """The probe in progress."""

    def reset_for(self, subject: tuple[str, str]) -> None:
        """Resets the state for another route or generation."""
        if self.subject != subject:
            self.clear()
            self.subject = subject

    def clear(self) -> None:
        """Forgets everything, because nothing can respond at present."""
        self.stop()
        self.subject, self.result, self.finished_at, self.failures = None, None, NEVER, 0

    def expire(self) -> None:
        """Makes the next probe due now, because something about the address has changed."""
        self.finished_at = NEVER

    def stop(self) -> None:
        """Cancels the probe in progress."""
        if self.task:
            self.task.cancel()
            self.task = None

    def record(self, result: ProbeResult, now: float) -> bool:
        """Stores the result of the probe in progress.

        Returns:
            Whether the result differs from the previous one, or the probe has to be repeated soon.
        """
        news = result != self.result or result.outcome == "unexpected"
        self.failures = self.failures + 1 if result.outcome == "unexpected" else 0
        self.result, self.finished_at, self.task = result, now, None
        return news

    def due(self, now: float, interval: float) -> float:
        """Returns the seconds until the next probe; negative if it is overdue."""
        delays = (interval, *FIRST_RETRY_DELAYS, RETRY_DELAY)
        return self.finished_at + delays[min(self.failures, len(delays) - 1)] - now

    @property
    def is_conclusive(self) -> bool:
        """Returns whether there is a result to report."""
        return self.result is not None and (self.failures == 0 or self.failures > len(FIRST_RETRY_DELAYS))
