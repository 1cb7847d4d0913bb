"""The status of a resource: a description, the observation, and the resulting reason and message."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from face_comparison_operator.observation import CollectionsState, Observed, ProbeResult
from face_comparison_operator.refusals import Refusal, blocking
from face_comparison_operator.resource import FaceComparison, Spec, parse
from face_comparison_operator.routing import RouteState, Target
from face_comparison_operator.status import next_deadline, status

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
URL = "http://faces.example.com/prod/face_comparison"
ADMITTED = RouteState(True, "Admitted", "taken", URL)
PENDING = RouteState(False, "AddressPending", "no address")


def resource(generation: int = 1, written: Any = None, **spec: Any) -> FaceComparison:
    metadata = {"name": "faces", "namespace": "ns", "uid": "u", "generation": generation}
    return parse({"metadata": metadata, "spec": spec, "status": written or {}})


def deployment(
    replicas: int = 1, updated: int = 1, available: int = 1, *, wanted: int = 1, observed: int = 1, **more: Any
) -> dict[str, Any]:
    template = {"metadata": {"annotations": {"facecomparison.dev/template": "now"}}}
    counts = {
        "replicas": replicas,
        "updatedReplicas": updated,
        "availableReplicas": available,
        "readyReplicas": available,
    }
    return {
        "metadata": {"generation": 1},
        "spec": {"replicas": wanted, "template": template},
        "status": {"observedGeneration": observed, **counts, **more},
    }


def pod(template: str = "now", **status_: Any) -> dict[str, Any]:
    return {"metadata": {"uid": "p", "annotations": {"facecomparison.dev/template": template}}, "status": status_}


def unschedulable(template: str = "now") -> dict[str, Any]:
    told = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: 0/3 nodes are available."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": told}
    return pod(template, conditions=[condition])


def leaving(of: dict[str, Any]) -> dict[str, Any]:
    return {**of, "metadata": {**of["metadata"], "deletionTimestamp": "2026-01-02T03:04:05Z"}}


def conditions(of: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each["reason"]) for each in of["conditions"]}


def message(of: dict[str, Any], kind: str = "Ready") -> str:
    return next(each["message"] for each in of["conditions"] if each["type"] == kind)


SERVES = Observed(ADMITTED, deployment())
READY: tuple[str, str] = ("True", "Deployed")

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


def written(**more: Any) -> dict[str, Any]:
    """Returns the status of a resource that was deployed an hour ago."""
    hour_ago = resource()
    return {**status(hour_ago, SERVES, NOW - timedelta(hours=1)), **more}


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


# --- time -------------------------------------------------------------------------------------------------------------


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


# --- the other conditions --------------------------------------------------------------------------------------------


def test_serving_resource_is_available_despite_problems() -> None:
    result = status(resource(), Observed(PENDING, deployment(2, 1, 1), pods=[unschedulable()]), NOW)
    assert conditions(result)["Available"] == ("True", "PodsAvailable")


SCALERS: list[tuple[str, list[dict[str, str]], tuple[str, str]]] = [
    ("it has not looked", [], ("Unknown", "ScalerPending")),
    ("it scales", [{"type": "ScalingActive", "status": "True"}], ("True", "Scaling")),
    (
        "it has no measure",
        [{"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric", "message": "no metrics"}],
        ("False", "MetricsUnavailable"),
    ),
    (
        "it may not scale",
        [
            {"type": "AbleToScale", "status": "False", "reason": "FailedGetScale", "message": "no"},
            {"type": "ScalingActive", "status": "True"},
        ],
        ("False", "MetricsUnavailable"),
    ),
    ("a condition without a status", [{"type": "ScalingActive"}], ("Unknown", "ScalerPending")),
    ("a condition without a type", [{"status": "True"}], ("Unknown", "ScalerPending")),
    ("KEDA is content", [{"type": "Ready", "status": "True"}], ("True", "Scaling")),
]


@pytest.mark.parametrize(("told", "wanted"), [case[1:] for case in SCALERS], ids=[case[0] for case in SCALERS])
def test_autoscaler_condition(told: list[dict[str, str]], wanted: tuple[str, str]) -> None:
    observed = replace(SERVES, autoscaler={"status": {"conditions": told}})
    result = status(resource(autoscaling={}), observed, NOW)
    assert conditions(result)["AutoscalerReady"] == wanted
    assert conditions(result)["Ready"] == READY


def test_autoscaler_with_outdated_observation() -> None:
    active = {"type": "ScalingActive", "status": "True"}
    live = {"metadata": {"generation": 2}, "status": {"observedGeneration": 1, "conditions": [active]}}
    result = status(resource(autoscaling={}), replace(SERVES, autoscaler=live), NOW)
    assert conditions(result)["AutoscalerReady"] == ("Unknown", "ScalerPending")


def test_autoscaler_at_limit_is_reported() -> None:
    told = [
        {"type": "ScalingActive", "status": "True"},
        {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas"},
    ]
    observed = replace(SERVES, autoscaler={"status": {"conditions": told}})
    result = status(resource(autoscaling={"maxReplicas": 3}), observed, NOW)
    (found,) = (each for each in result["conditions"] if each["type"] == "AutoscalerReady")
    assert (found["status"], found["reason"]) == ("True", "Scaling")
    assert "more pods are wanted than maxReplicas (3)" in found["message"]


def test_autoscaler_with_missing_api() -> None:
    observed = replace(SERVES, refusals=[Refusal("ScaledObject", "ApiNotInstalled", "install KEDA")])
    result = status(resource(autoscaling={"metric": "InFlight"}), observed, NOW)
    assert conditions(result)["AutoscalerReady"] == ("False", "ApiNotInstalled")
    assert conditions(result)["SpecAccepted"] == ("False", "ApiNotInstalled")


def test_most_severe_rejection_is_reported_first() -> None:
    missing = Refusal("HTTPRoute", "ApiNotInstalled", "a")
    taken = Refusal("Service", "NameConflict", "b")
    refused = Refusal("Deployment", "ApplyFailed", "c")
    assert blocking([missing, refused, taken]) is taken
    assert blocking([Refusal("ScaledObject", "ApiNotInstalled", "d")]) is None
    result = status(resource(), replace(SERVES, refusals=[missing, taken]), NOW)
    assert message(result, "SpecAccepted") == "a; b"


def test_model_version_is_kept_while_unreachable() -> None:
    result = status(resource(written=written(modelVersion="m-1")), SERVES, NOW)
    assert result["modelVersion"] == "m-1"


def test_unreadable_spec_is_reported_in_status() -> None:
    broken = FaceComparison("faces", "ns", "u", 3, Spec(), {})
    observed = Observed(ADMITTED, refusals=[Refusal("FaceComparison", "InvalidSpec", "what is wrong")])
    assert conditions(status(broken, observed, NOW))["Ready"] == ("False", "InvalidSpec")


@pytest.mark.parametrize(
    ("answer", "ready", "told"),
    [
        (None, ("False", "Deploying"), "prod"),
        (ProbeResult("unexpected", "it answers 404"), ("False", "Deploying"), "prod"),
        (ProbeResult("ok", version="m"), READY, "v2"),
        (ProbeResult("unverifiable", "timeout"), READY, "v2"),
    ],
)
def test_previous_url_is_reported_until_new_one_responds(
    answer: ProbeResult | None, ready: tuple[str, str], told: str
) -> None:
    moved = msgspec.structs.replace(resource(written={"url": URL}, stage="v2"), routed=("v2", "prod"))
    route = RouteState(
        True, "Admitted", "taken", URL.replace("prod", "v2"), Target("192.0.2.1", 80, False, "f", "/v2/face_comparison")
    )
    result = status(moved, Observed(route, deployment(), probe=answer), NOW)
    assert conditions(result)["Ready"] == ready
    assert result["url"] == URL.replace("prod", told)


# --- the previous version, and new resources --------------------------------------------------------------------------

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


# --- probes -----------------------------------------------------------------------------------------------------------

REFUSED = ProbeResult("unexpected", "it leads to the FaceComparison first", other="uid-2")


def test_response_of_another_resource_is_not_ready() -> None:
    result = status(resource(written=written()), replace(SERVES, probe=REFUSED), NOW)
    assert conditions(result)["Ready"] == ("False", "EndpointUnreachable")
    assert conditions(result)["RouteReady"] == ("False", "EndpointUnreachable")
    assert "the FaceComparison first" in message(result)


def test_operator_side_obstacle_is_not_a_failure() -> None:
    stopped = replace(SERVES, probe=ProbeResult("unverifiable", "the ingress responds to the operator with 401"))
    result = status(resource(), stopped, NOW)
    assert conditions(result)["Ready"] == READY
    assert conditions(result)["RouteReady"] == ("True", "Admitted")
    assert "cannot be verified from the operator: the ingress responds to the operator with 401" in message(
        result, "RouteReady"
    )


WRONG = ProbeResult("ok", version="m", certificate="Hostname mismatch")
INGRESS_TLS = {"host": "f.example.com", "ingress": {"tlsSecret": "t"}}
GATEWAY_TLS = {"host": "f.example.com", "gateway": {"parentRefs": [{"name": "g"}]}}


@pytest.mark.parametrize(
    ("route", "ready"),
    [
        (INGRESS_TLS, ("False", "CertificateInvalid")),
        (GATEWAY_TLS, ("False", "CertificateInvalid")),
        ({"host": "f.example.com", "ingress": {"tls": True}}, READY),
    ],
)
def test_certificate_that_clients_reject_is_reported(route: dict[str, Any], ready: tuple[str, str]) -> None:
    result = status(resource(route=route), replace(SERVES, probe=WRONG), NOW)
    assert conditions(result)["Ready"] == ready
    for kind in ("Ready", "RouteReady"):
        assert "clients reject the certificate" in message(result, kind)
        assert "Hostname mismatch" in message(result, kind)


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


# --- pause, permission, store -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "progressing"), [("NotPermitted", "True"), ("Paused", "False"), ("ChildTerminating", "True")]
)
def test_apply_failure_is_reported(reason: str, progressing: str) -> None:
    result = status(resource(), replace(SERVES, refusals=[Refusal("Deployment", reason, "why")]), NOW)
    assert conditions(result)["Ready"] == ("False", reason)
    assert conditions(result)["SpecAccepted"] == ("False", reason)
    assert conditions(result)["Progressing"] == (progressing, reason)


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
