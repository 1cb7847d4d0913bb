"""All conditions of a resource, and when their transition times change."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from face_comparison_operator.observation import CollectionsState, Observed, ProbeResult
from face_comparison_operator.status import status
from support.status_objects import ADMITTED, NOW, READY, SERVES, URL, conditions, deployment, resource, unschedulable


def test_every_condition_of_a_deployed_resource() -> None:
    result = status(resource(), replace(SERVES, probe=ProbeResult("ok", version="m-1")), NOW)
    assert conditions(result) == {
        "Ready": ("True", "Deployed"),
        "Progressing": ("False", "Deployed"),
        "Available": ("True", "PodsAvailable"),
        "RouteReady": ("True", "EndpointReachable"),
        "SpecAccepted": ("True", "Accepted"),
    }
    assert result["modelVersion"] == "m-1"
    assert result["url"] == URL
    assert result["selector"].startswith("app.kubernetes.io/name=face-comparison,")


def test_unchanged_observation_keeps_the_status() -> None:
    once = status(resource(), SERVES, NOW)
    again = status(resource(written=once), SERVES, NOW + timedelta(days=1))
    assert again == once


def test_transition_time_changes_only_with_status() -> None:
    first = status(resource(), Observed(ADMITTED, deployment(1, 1, 0)), NOW)
    trouble = Observed(ADMITTED, deployment(1, 1, 0), pods=[unschedulable()])
    second = status(resource(written=first), trouble, NOW + timedelta(minutes=1))
    third = status(resource(written=second), SERVES, NOW + timedelta(minutes=2))
    times = [
        next(each["lastTransitionTime"] for each in of["conditions"] if each["type"] == "Ready")
        for of in (first, second, third)
    ]
    assert times == ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z", "2026-01-02T03:06:05Z"]


STORE: dict[str, Any] = {"collections": {"postgres": {"secretName": "db"}}}


@pytest.mark.parametrize(
    ("found", "condition"),
    [
        (None, ("Unknown", "CollectionsPending")),
        (CollectionsState(True, "pgvector 0.8"), ("True", "CollectionsAvailable")),
        (CollectionsState(False, "no answer"), ("False", "StoreUnavailable")),
    ],
)
def test_collection_store(found: CollectionsState | None, condition: tuple[str, str]) -> None:
    observed = replace(SERVES, probe=ProbeResult("ok", version="m", collections=found))
    result = status(resource(**STORE), observed, NOW)
    assert conditions(result)["CollectionsReady"] == condition
    assert conditions(result)["Ready"] == READY, "detection and comparison go on"
    assert "CollectionsReady" not in conditions(status(resource(), observed, NOW))
