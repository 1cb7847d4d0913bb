"""The time that a deployment takes, and its deadline."""

from __future__ import annotations

from datetime import timedelta

import pytest

from face_comparison_operator.observation import Observed
from face_comparison_operator.status import next_deadline, status
from support.status_objects import (
    ADMITTED,
    NOW,
    SERVES,
    conditions,
    deployment,
    message,
    resource,
    unschedulable,
    written,
)


def test_deployment_time_spans_change_to_response() -> None:
    began = status(resource(), Observed(ADMITTED), NOW)
    assert "deploySeconds" not in began
    done = status(resource(written=began), SERVES, NOW + timedelta(seconds=42))
    assert (done["deployStartedAt"], done["deploySeconds"]) == ("2026-01-02T03:04:05Z", 42)
    kept = status(resource(written=done), SERVES, NOW + timedelta(hours=9))
    assert kept["deploySeconds"] == 42


def test_new_generation_restarts_the_clock() -> None:
    result = status(resource(2, written()), Observed(ADMITTED, deployment(2, 1, 1)), NOW)
    assert result["deployStartedAt"] == "2026-01-02T03:04:05Z"
    assert "deploySeconds" not in result


@pytest.mark.parametrize(("seconds", "reason"), [(59, "Deploying"), (60, "ProgressDeadlineExceeded")])
def test_deadline_uses_wall_clock(seconds: int, reason: str) -> None:
    starting = Observed(ADMITTED, deployment(1, 1, 0))
    began = status(resource(deployDeadlineSeconds=60), starting, NOW)
    later = status(resource(written=began, deployDeadlineSeconds=60), starting, NOW + timedelta(seconds=seconds))
    assert conditions(later)["Ready"] == ("False", reason)
    assert conditions(later)["Progressing"][1] == reason


def test_known_cause_is_reported_past_the_deadline() -> None:
    trouble = Observed(ADMITTED, deployment(1, 1, 0), pods=[unschedulable()])
    began = status(resource(), trouble, NOW)
    later = status(resource(written=began), trouble, NOW + timedelta(seconds=601))
    assert conditions(later)["Ready"] == ("False", "Unschedulable")
    assert conditions(later)["Progressing"] == ("False", "ProgressDeadlineExceeded")
    assert "Insufficient nvidia.com/gpu" in message(later, "Progressing")


def test_requeue_at_the_deadline() -> None:
    body = resource(deployDeadlineSeconds=60)
    began = status(body, Observed(ADMITTED), NOW)
    assert next_deadline(body, began, NOW + timedelta(seconds=20)) == 40
    assert next_deadline(body, began, NOW + timedelta(seconds=61)) is None
    assert next_deadline(body, status(body, SERVES, NOW), NOW) is None
