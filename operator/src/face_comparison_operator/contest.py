"""Recognizes children that another program keeps changing back, so that the two do not overwrite each other forever."""

from __future__ import annotations

# LIMIT repairs of the same field within WINDOW seconds are a contest; then, the field is repaired once per PAUSE
# seconds.
LIMIT, WINDOW, PAUSE = 5, 60.0, 10.0


class RepairLog:
    """The latest repairs of a resource's children, by kind and by what was wrong. Times are clock seconds."""

    def __init__(self) -> None:
        self._repairs: dict[tuple[str, str], list[float]] = {}

    def note(self, kind: str, why: str, now: float) -> None:
        """Records a repair.

        Args:
            kind: The kind of the child.
            why: The difference that was repaired.
            now: The time, in clock seconds.
        """
        kept = {key: [each for each in times if each > now - WINDOW] for key, times in self._repairs.items()}
        self._repairs = {key: times for key, times in kept.items() if times}
        self._repairs.setdefault((kind, why), []).append(now)

    def contested(self, kind: str, now: float) -> str | None:
        """Returns the difference that another program keeps restoring in a child of a kind, or None.

        A contest counts as over soon after its last repair.
        """
        for (each, why), times in self._repairs.items():
            recent = [time for time in times if time > now - WINDOW]
            if each == kind and len(recent) >= LIMIT and recent[-1] > now - 2 * PAUSE:
                return why
        return None

    def is_due(self, kind: str, why: str, now: float) -> bool:
        """Returns whether to repair a difference now; during a contest, only after a pause."""
        times = self._repairs.get((kind, why), [])
        return self.contested(kind, now) != why or times[-1] <= now - PAUSE
