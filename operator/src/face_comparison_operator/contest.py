"""Recognizes children that another program keeps changing back, so that the two do not overwrite each other forever."""

from __future__ import annotations

from dataclasses import dataclass

# This many repairs of the same field within WINDOW seconds are a contest; from then on, there is at most one per PAUSE
# seconds. An autoscaler of somebody else acts every 15 seconds, other controllers every 30.
LIMIT, WINDOW, PAUSE = 5, 180.0, 10.0


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair concerns, whatever the live value was: another program may write a different one each time.

    Attributes:
        kind: the child's kind.
        where: the path of the wrong field; empty if the child was missing.
        digest: the digest of the desired child; after a change of the spec, it is another one.
    """

    kind: str
    where: str
    digest: str


class RepairLog:
    """The latest repairs of a resource's children. Times are clock seconds."""

    def __init__(self) -> None:
        self._repairs: dict[Repaired, list[tuple[float, str]]] = {}

    def note(self, what: Repaired, why: str, now: float) -> None:
        """Records a repair that has succeeded, and what was wrong before, as text."""
        recent_repairs = {each: self._recent(each, now) for each in self._repairs}
        self._repairs = {each: recent for each, recent in recent_repairs.items() if recent}
        self._repairs.setdefault(what, []).append((now, why))

    def contested(self, kind: str, now: float) -> str | None:
        """Returns what of a kind is changed back again and again, or None; it is forgotten soon after it has ended."""
        for each in self._repairs:
            if each.kind == kind and (ends := self._ends(each, now)) and ends[0] > now:
                return ends[1]
        return None

    def is_due(self, what: Repaired, now: float) -> bool:
        """Returns whether to repair now: at once, or after a pause in a contest."""
        recent = self._recent(what, now)
        return len(recent) < LIMIT or recent[-1][0] <= now - PAUSE

    def _ends(self, what: Repaired, now: float) -> tuple[float, str] | None:
        """Returns when a contest ends, and its latest text: after twice the usual time between two changes."""
        recent = self._recent(what, now)
        if len(recent) < LIMIT:
            return None
        latest, why = recent[-1]
        usual = (latest - recent[-LIMIT][0]) / (LIMIT - 1)
        return latest + 2 * max(PAUSE, usual), why

    def _recent(self, what: Repaired, now: float) -> list[tuple[float, str]]:
        return [(time, why) for time, why in self._repairs.get(what, []) if time > now - WINDOW]
