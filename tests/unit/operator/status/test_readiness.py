"""The Ready condition: an observation, and the resulting reason and message."""

from __future__ import annotations

from dataclasses import replace

import pytest

from face_comparison_operator.observation import Observed, ProbeResult
from face_comparison_operator.refusals import Refusal
from face_comparison_operator.resource import FaceComparison
from face_comparison_operator.spec import Spec
from face_comparison_operator.status import status
from support.status_objects import (
    ADMITTED,
    NOW,
    PENDING,
    READY,
    SERVES,
    URL,
    conditions,
    deployment,
    leaving,
    message,
    pod,
    resource,
    unschedulable,
    written,
)

# Description; observation; Ready; words of its message.
READINESS: list[tuple[str, Observed, tuple[str, str], str]] = [
    ("all pods serve", SERVES, READY, URL),
    ("nothing is made yet", Observed(ADMITTED), ("False", "Deploying"), "starting"),
    ("the controller has not seen the change", Observed(ADMITTED, deployment(observed=0)), ("False", "Deploying"), ""),
    ("no pod serves yet", Observed(ADMITTED, deployment(1, 1, 0)), ("False", "Deploying"), "starting"),
    ("some pods of three serve", Observed(ADMITTED, deployment(3, 3, 2, wanted=3)), ("False", "Deploying"), ""),
    (
        "the old version still runs beside the new one",
        Observed(ADMITTED, deployment(2, 1, 2)),
        ("False", "Deploying"),
        "the previous version is still serving",
    ),
    (
        "no node has the device",
        Observed(ADMITTED, deployment(1, 1, 0), pods=[unschedulable()]),
        ("False", "Unschedulable"),
        "3 Insufficient nvidia.com/gpu",
    ),
    (
        "trouble of pods of an earlier version is not that of this one",
        Observed(ADMITTED, deployment(2, 1, 1), pods=[unschedulable("before"), pod()]),
        ("False", "Deploying"),
        "",
    ),
    (
        "trouble of a pod that is leaving is none",
        Observed(ADMITTED, deployment(1, 1, 0), pods=[leaving(unschedulable())]),
        ("False", "Deploying"),
        "",
    ),
    ("the route has no address", Observed(PENDING, deployment()), ("False", "AddressPending"), "no address"),
    (
        "the URL leads elsewhere",
        replace(SERVES, probe=ProbeResult("unexpected", "it answers 404")),
        ("False", "EndpointUnreachable"),
        "404",
    ),
    ("the URL answers", replace(SERVES, probe=ProbeResult("ok", version="m")), READY, ""),
    (
        "the URL is out of the operator's reach",
        replace(SERVES, probe=ProbeResult("unverifiable", "timeout")),
        READY,
        "",
    ),
    (
        "no pods are wanted",
        Observed(ADMITTED, deployment(0, 0, 0, wanted=0)),
        ("False", "ScaledToZero"),
        "replicas is 0",
    ),
    (
        "a quota is used up",
        Observed(
            ADMITTED,
            deployment(0, 0, 0, conditions=[{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]),
        ),
        ("False", "PodCreationFailed"),
        "exceeded quota",
    ),
    (
        "an optional API is missing",
        replace(SERVES, refusals=[Refusal("ServiceMonitor", "ApiNotInstalled", "no ServiceMonitor")]),
        READY,
        "",
    ),
    (
        "the API of the route is missing",
        replace(SERVES, refusals=[Refusal("HTTPRoute", "ApiNotInstalled", "no HTTPRoute")]),
        ("False", "ApiNotInstalled"),
        "no HTTPRoute",
    ),
]


@pytest.mark.parametrize(
    ("observed", "ready", "words"), [case[1:] for case in READINESS], ids=[case[0] for case in READINESS]
)
def test_readiness(observed: Observed, ready: tuple[str, str], words: str) -> None:
    result = status(resource(), observed, NOW)
    assert conditions(result)["Ready"] == ready
    assert words in message(result)


# Later events of a ready resource: Ready stays true while the URL responds for this version.
LATER: list[tuple[str, Observed, tuple[str, str], str]] = [
    ("one of three pods is lost", Observed(ADMITTED, deployment(3, 3, 2, wanted=3)), READY, "2 of 3 pods are ready"),
    ("it is scaled up", Observed(ADMITTED, deployment(4, 4, 1, wanted=4)), READY, "1 of 4"),
    (
        "it is scaled up beyond the cluster",
        Observed(ADMITTED, deployment(4, 4, 1, wanted=4), pods=[unschedulable()]),
        READY,
        "Insufficient nvidia.com/gpu",
    ),
    ("all pods are lost", Observed(ADMITTED, deployment(1, 1, 0)), ("False", "Deploying"), ""),
    (
        "another version is rolled out",
        Observed(ADMITTED, deployment(2, 1, 1)),
        ("False", "Deploying"),
        "previous version",
    ),
    ("the route is lost", Observed(PENDING, deployment()), ("False", "AddressPending"), ""),
]


@pytest.mark.parametrize(("observed", "ready", "words"), [case[1:] for case in LATER], ids=[case[0] for case in LATER])
def test_readiness_later(observed: Observed, ready: tuple[str, str], words: str) -> None:
    result = status(resource(written=written()), observed, NOW)
    assert conditions(result)["Ready"] == ready
    assert words in message(result)


def test_serving_resource_is_available_despite_problems() -> None:
    result = status(resource(), Observed(PENDING, deployment(2, 1, 1), pods=[unschedulable()]), NOW)
    assert conditions(result)["Available"] == ("True", "PodsAvailable")


def test_unreadable_spec_is_reported_in_status() -> None:
    broken = FaceComparison("faces", "ns", "u", 3, Spec(), {})
    observed = Observed(ADMITTED, refusals=[Refusal("FaceComparison", "InvalidSpec", "what is wrong")])
    assert conditions(status(broken, observed, NOW))["Ready"] == ("False", "InvalidSpec")


def test_failing_probes_are_reported_before_the_deadline() -> None:
    started = {"name": "service", "state": {"running": {"startedAt": "2026-01-02T03:03:00Z"}}}
    event = {
        "reason": "Unhealthy",
        "message": "Startup probe failed: connection refused",
        "involvedObject": {"uid": "p", "fieldPath": "spec.containers{service}"},
        "metadata": {},
    }
    observed = Observed(ADMITTED, deployment(1, 1, 0), pods=[pod(containerStatuses=[started])], events=[event])
    result = status(resource(), observed, NOW)
    assert conditions(result)["Ready"] == ("False", "ProbeFailed")
    loading = {**event, "message": "Startup probe failed: HTTP probe failed with statuscode: 503"}
    result = status(resource(), replace(observed, events=[loading]), NOW)
    assert conditions(result)["Ready"] == ("False", "Deploying")
    assert "statuscode: 503" in message(result)
