"""The probe of one resource's URL: its last result, when the next one is due, and whether a result is conclusive.

Routers hear of a ready pod or a new path a moment after the operator. So an unexpected response is conclusive only
after it was repeated, which happens quickly; an expected one is at once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from face_comparison_operator.observation import ProbeResult

# Delays after the first unexpected responses, and after each further one.
FIRST_RETRY_DELAYS = (0.2, 0.4, 0.8, 1.0)
RETRY_DELAY = 3.0
# Interval while the URL answers: with many resources, longer, so that there are at most 20 probes a second in all.
MIN_INTERVAL, MAX_INTERVAL, SECONDS_PER_RESOURCE = 2.0, 60.0, 0.05

NEVER = float("-inf")


def probe_interval(resources: int) -> float:
    """Returns the seconds between two probes of a URL that answers, given the number of resources."""
    return min(MAX_INTERVAL, max(MIN_INTERVAL, resources * SECONDS_PER_RESOURCE))


@dataclass(slots=True)
class ProbeState:
    """Times are seconds of a clock that is the caller's."""

    subject: tuple[str, str] | None = None
    result: ProbeResult | None = None
    finished_at: float = NEVER
    failures: int = 0
    """How often in a row the response was unexpected."""
    task: asyncio.Task[None] | None = None
    """The probe that is under way."""

    def reset_for(self, subject: tuple[str, str]) -> None:
        """Makes this the state of another route or generation; nothing that was known holds for it."""
        if self.subject != subject:
            self.clear()
            self.subject = subject

    def clear(self) -> None:
        """Forgets everything, because nothing can answer at present."""
        self.stop()
        self.subject, self.result, self.finished_at, self.failures = None, None, NEVER, 0

    def expire(self) -> None:
        """Makes the next probe due now, because something has changed about the address."""
        self.finished_at = NEVER

    def stop(self) -> None:
        """Cancels the probe under way."""
        if self.task:
            self.task.cancel()
            self.task = None

    def record(self, result: ProbeResult, now: float) -> bool:
        """Keeps the result of the probe under way; returns whether it is news, or to be repeated soon."""
        news = result != self.result or result.outcome == "unexpected"
        self.failures = self.failures + 1 if result.outcome == "unexpected" else 0
        self.result, self.finished_at, self.task = result, now, None
        return news

    def due(self, now: float, interval: float) -> float:
        """Returns the seconds until the next probe."""
        delays = (interval, *FIRST_RETRY_DELAYS, RETRY_DELAY)
        return self.finished_at + delays[min(self.failures, len(delays) - 1)] - now

    @property
    def is_conclusive(self) -> bool:
        """Whether there is a result to report."""
        return self.result is not None and (self.failures == 0 or self.failures > len(FIRST_RETRY_DELAYS))
