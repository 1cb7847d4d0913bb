"""Defines the changes that failed for a resource (refusals), and which of them prevent the spec from being served."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from face_comparison_operator.reasons import (
    API_NOT_INSTALLED,
    APPLY_FAILED,
    CHILD_TERMINATING,
    INVALID_SPEC,
    NAME_CONFLICT,
    NOT_PERMITTED,
    PAUSED,
    TERMINATING,
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A child that could not be created, changed, or deleted.

    Attributes:
        kind: The child's kind.
        reason: A reason of the condition SpecAccepted.
        message: A human-readable description.
        required: Whether the child is needed to serve the spec.
    """

    kind: str
    reason: str
    message: str
    required: bool = True


def blocking(refusals: Sequence[Refusal]) -> Refusal | None:
    """Returns the most important refusal that prevents the spec from being served; a missing optional API does not."""
    order = (
        *(TERMINATING, NOT_PERMITTED, INVALID_SPEC, NAME_CONFLICT, CHILD_TERMINATING, APPLY_FAILED, PAUSED),
        API_NOT_INSTALLED,
    )
    required = (each for each in refusals if each.required)
    needed = [each for each in required if each.reason != API_NOT_INSTALLED or each.kind == "HTTPRoute"]
    return min(needed, key=lambda each: order.index(each.reason), default=None)
