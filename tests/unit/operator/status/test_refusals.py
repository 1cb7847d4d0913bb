"""What the API server or another resource refuses, and the previous version meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from face_comparison_operator.observation import Observed
from face_comparison_operator.refusals import Refusal, blocking
from face_comparison_operator.status import status
from support.status_objects import ADMITTED, NOW, READY, SERVES, conditions, deployment, message, pod, resource, written


def test_most_severe_rejection_is_reported_first() -> None:
    missing = Refusal("HTTPRoute", "ApiNotInstalled", "a")
    taken = Refusal("Service", "NameConflict", "b")
    refused = Refusal("Deployment", "ApplyFailed", "c")
    assert blocking([missing, refused, taken]) is taken
    assert blocking([Refusal("ScaledObject", "ApiNotInstalled", "d")]) is None
    result = status(resource(), replace(SERVES, refusals=[missing, taken]), NOW)
    assert message(result, "SpecAccepted") == "a; b"


TAKEN = replace(SERVES, refusals=[Refusal("Service", "NameConflict", "the name is taken")])


@pytest.mark.parametrize(("generation", "reported"), [(1, False), (2, True)])
def test_only_a_changed_spec_has_a_previous_version(generation: int, reported: bool) -> None:
    result = status(resource(generation), TAKEN, NOW)
    assert conditions(result)["Ready"] == ("False", "NameConflict")
    assert ("the previous version is still serving" in message(result)) is reported


def test_pods_of_earlier_template_are_previous_version() -> None:
    result = status(resource(), replace(TAKEN, deployment=deployment(2, 1, 1)), NOW)
    assert "the previous version is still serving" in message(result)


def test_restart_of_the_current_version_stays_ready() -> None:
    """After `kubectl rollout restart`, there are two ReplicaSets whose pods serve the same spec."""
    restarted = Observed(ADMITTED, deployment(2, 1, 1), pods=[pod(), {**pod(), "metadata": pod()["metadata"]}])
    assert conditions(status(resource(written=written()), restarted, NOW))["Ready"] == READY
    changed = replace(restarted, pods=[pod(), pod("before")])
    assert conditions(status(resource(written=written()), changed, NOW))["Ready"] == ("False", "Deploying")


@pytest.mark.parametrize(
    ("reason", "progressing"), [("NotPermitted", "True"), ("Paused", "False"), ("ChildTerminating", "True")]
)
def test_apply_failure_is_reported(reason: str, progressing: str) -> None:
    result = status(resource(), replace(SERVES, refusals=[Refusal("Deployment", reason, "why")]), NOW)
    assert conditions(result)["Ready"] == ("False", reason)
    assert conditions(result)["SpecAccepted"] == ("False", reason)
    assert conditions(result)["Progressing"] == (progressing, reason)
