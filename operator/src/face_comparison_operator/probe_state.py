"""What the URL of one resource answered, when it is asked again, and when an answer is news.

Routers hear of a ready pod or a new path a moment after the operator. So a refusal is no news until it was repeated,
which it is quickly; an answer is at once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from face_comparison_operator.status import Answer

# How soon the URL is tried again after its first refusals, after each further one, and while it answers.
FIRST_SECONDS = (0.2, 0.4, 0.8, 1.6)
REFUSING_SECONDS, ANSWERING_SECONDS = 3.0, 60.0

NEVER = float("-inf")


@dataclass(slots=True)
class Inquiry:
    """Times are seconds of a clock that is the caller's."""

    about: tuple[str, str] | None = None
    answer: Answer | None = None
    answered_at: float = NEVER
    refusals: int = 0
    """How often in a row the URL has refused."""
    task: asyncio.Task[None] | None = None
    """The question that is under way."""

    def turn_to(self, about: tuple[str, str]) -> None:
        """Ask about something else from now on: another route, another generation."""
        if self.about != about:
            self.about, self.answered_at, self.refusals = about, NEVER, 0
            self.answer = self.answer if self.answer and self.answer.verdict == "answers" else None
            self.stop()

    def stop(self) -> None:
        """Want no answer any more."""
        if self.task:
            self.task.cancel()
            self.task = None

    def take(self, answer: Answer, now: float) -> None:
        """Note the answer to the question under way."""
        self.refusals = self.refusals + 1 if answer.verdict == "refuses" else 0
        self.answer, self.answered_at, self.task = answer, now, None

    def due(self, now: float) -> float:
        """Seconds until the next question."""
        pauses = (ANSWERING_SECONDS, *FIRST_SECONDS, REFUSING_SECONDS)
        return self.answered_at + pauses[min(self.refusals, len(pauses) - 1)] - now

    @property
    def is_news(self) -> bool:
        """Whether there is an answer to be told."""
        return self.answered_at != NEVER and (self.refusals == 0 or self.refusals > len(FIRST_SECONDS))
