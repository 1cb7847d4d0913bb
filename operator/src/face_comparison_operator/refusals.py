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
    """A child that could not be created or changed. `reason` is a reason of the condition SpecAccepted."""

    kind: str
    reason: str
    message: str


def blocking(refusals: Sequence[Refusal]) -> Refusal | None:
    """Returns the most important refusal that prevents the spec from being served; a missing optional API does not."""
    order = (
        *(TERMINATING, NOT_PERMITTED, INVALID_SPEC, NAME_CONFLICT, CHILD_TERMINATING, APPLY_FAILED, PAUSED),
        API_NOT_INSTALLED,
    )
    needed = [each for each in refusals if each.reason != API_NOT_INSTALLED or each.kind == "HTTPRoute"]
    return min(needed, key=lambda each: order.index(each.reason), default=None)
