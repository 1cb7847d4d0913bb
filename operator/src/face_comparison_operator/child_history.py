"""What the operator remembers about the children of a resource; safe to lose."""

from __future__ import annotations

from dataclasses import dataclass, field

from face_comparison_operator.contest import Repaired, RepairLog


@dataclass(frozen=True, slots=True)
class Settled:
    """A child that the API server stores in a different form than applied: applied digest and version, difference."""

    version: tuple[str, str]
    text: str


@dataclass(slots=True)
class ChildHistory:
    """State that saves requests about the children of a resource, and recognizes contests. Times are clock seconds."""

    changed_at: float = float("-inf")
    # Duration of the most recent changes, as a measure of the API server's load.
    seconds: float = 0.0
    # Children that the API server stores in a different form than applied, by kind.
    settled: dict[str, Settled] = field(default_factory=dict)
    # Children that were found correct, by kind: desired digest and version of the live object.
    right: dict[str, tuple[str, str]] = field(default_factory=dict)
    # When a child was last replaced because of a wrong immutable field, by kind.
    replaced_at: dict[str, float] = field(default_factory=dict)
    # Digest of the child that was last applied or found right, by kind: if it differs now, somebody has changed it.
    applied: dict[str, str] = field(default_factory=dict)
    repairs: RepairLog = field(default_factory=RepairLog)

    def note(self, change: Repaired, why: str | None, now: float) -> None:
        """Records that a child has been created or changed: a repair, if it was as desired before.

        Args:
            change: What has been changed.
            why: What was wrong before and is corrected, as text; None if nothing is.
            now: The time.
        """
        self.changed_at = now
        if why is not None and self.applied.get(change.kind) == change.digest:
            self.repairs.note(change, why, now)
        self.applied[change.kind] = change.digest

    def forget(self, kind: str) -> None:
        """Forgets a child that is no longer desired."""
        self.applied.pop(kind, None)
        self.settled.pop(kind, None)
