"""Running pods that are not ready, and pods that nobody acts on: when and how that is reported."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from face_comparison_operator.api_resources import POD
from face_comparison_operator.cache import strip_unused_fields
from face_comparison_operator.pod_diagnostics import diagnose, overdue_problem
from support.pods import (
    LOADING,
    NOW,
    READY,
    REFUSED,
    SCHEDULED,
    SLOW,
    pod,
    running,
    unhealthy,
    waiting,
)

# Description; container statuses; init container statuses; events; words of the message (None: no problem); starting.
UNREADY: list[tuple[str, list[Any], list[Any], list[Any], str | None, bool]] = [
    ("a startup probe that is refused", [running()], [], [unhealthy(REFUSED)], "connection refused", False),
    ("a probe without a message", [running()], [], [unhealthy("")], "not ready: a probe fails", False),
    ("models are loading", [running()], [], [unhealthy(LOADING)], "statuscode: 503", True),
    (
        "a slow node, on which the service does not listen yet",
        [running(since="2026-01-02T03:04:15Z")],
        [],
        [unhealthy(REFUSED)],
        "connection refused",
        True,
    ),
    (
        "a busy node, on which the service does not respond in time yet",
        [running(since="2026-01-02T03:04:15Z")],
        [],
        [unhealthy(SLOW)],
        "Client.Timeout",
        True,
    ),
    ("a startup probe that never comes through", [running()], [], [unhealthy(SLOW)], "Client.Timeout", False),
    (
        "a sidecar is not ready, and the service only starts",
        [running(since="2026-01-02T03:04:15Z"), running("mesh")],
        [],
        [unhealthy(REFUSED), unhealthy("Readiness probe failed: 503", "mesh")],
        "container mesh is running, but not ready",
        False,
    ),
    ("it has only just started", [running(since="2026-01-02T03:04:25Z")], [], [unhealthy(REFUSED)], None, False),
    (
        "a sidecar is not ready",
        [READY, running("istio-proxy")],
        [],
        [unhealthy("Readiness probe failed: 503", "istio-proxy")],
        "container istio-proxy is running, but not ready: Readiness probe failed",
        False,
    ),
    ("a sidecar without a probe event", [READY, running("mesh")], [], [], "container mesh is running", False),
    (
        "the event of another container is not quoted",
        [READY, running("mesh")],
        [],
        [unhealthy(REFUSED, "service")],
        "container mesh is running, but not ready",
        False,
    ),
    (
        "a native sidecar, which comes before the others",
        [waiting("PodInitializing")],
        [running("proxy")],
        [unhealthy(REFUSED, "proxy", "initContainers")],
        "container proxy is running, but not ready",
        False,
    ),
    (
        "a download takes its time",
        [waiting("PodInitializing")],
        [running("model")],
        [],
        "the init container model is still running",
        True,
    ),
    (
        "a download that has only just begun",
        [waiting("PodInitializing")],
        [running("model", since="2026-01-02T03:04:25Z")],
        [],
        None,
        False,
    ),
]


@pytest.mark.parametrize(
    ("containers", "init", "events", "words", "starting"), [e[1:] for e in UNREADY], ids=[e[0] for e in UNREADY]
)
def test_running_pod_not_ready(
    containers: list[Any], init: list[Any], events: list[Any], words: str | None, starting: bool
) -> None:
    found = diagnose([pod(*containers, init=tuple(init), phase="Running")], events, NOW)
    if words is None:
        assert found is None
    else:
        assert found is not None
        assert (found.reason, found.starting) == ("ProbeFailed", starting)
        assert words in found.message


# Description; pod status; age in seconds; reason and words that are reported (None: nothing).
SILENT: list[tuple[str, dict[str, Any], float, tuple[str, str, bool] | None]] = [
    ("no scheduler has looked", {}, 11, ("Unschedulable", "no scheduler has looked at the pod", False)),
    ("a scheduler may take its time", {}, 9, None),
    ("no node has started it", {"conditions": [SCHEDULED]}, 11, ("ContainerFailed", "started no container", True)),
    ("a node may take its time", {"conditions": [SCHEDULED]}, 9, None),
    (
        "it is held by a gate",
        {
            "conditions": [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "SchedulingGated",
                    "message": "Scheduling is blocked due to non-empty scheduling gates",
                }
            ]
        },
        1,
        ("Unschedulable", "non-empty scheduling gates", False),
    ),
    (
        "the scheduler fails",
        {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulerError", "message": "oops"}]},
        1,
        ("Unschedulable", "the pod is not scheduled: oops", False),
    ),
]


@pytest.mark.parametrize(("status", "age", "reported"), [case[1:] for case in SILENT], ids=[case[0] for case in SILENT])
def test_pod_without_scheduler(status: dict[str, Any], age: float, reported: tuple[str, str, bool] | None) -> None:
    created = (NOW - timedelta(seconds=age)).isoformat()
    body = {"metadata": {"uid": "u", "creationTimestamp": created}, "status": {"phase": "Pending", **status}}
    found = diagnose([body], now=NOW)
    if reported is None:
        assert found is None
    else:
        assert found is not None
        assert (found.reason, found.starting) == (reported[0], reported[2])
        assert reported[1] in found.message


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({}, 'no scheduler has looked at the pod: is the scheduler "default-scheduler" running?'),
        ({"schedulerName": "volcano"}, 'no scheduler has looked at the pod: is the scheduler "volcano" running?'),
        (
            {"schedulerName": "default-scheduler", "volumes": [{"persistentVolumeClaim": {"claimName": "models"}}]},
            "the scheduler does not run, or waits for the volume of the claim models",
        ),
        (
            {"schedulerName": "volcano", "volumes": [{"persistentVolumeClaim": {"claimName": "models"}}]},
            'is the scheduler "volcano" running?',
        ),
    ],
)
def test_silent_scheduler_is_named_with_what_it_may_wait_for(spec: dict[str, Any], words: str) -> None:
    created = (NOW - timedelta(seconds=11)).isoformat()
    body = {"metadata": {"name": "a", "creationTimestamp": created}, "spec": spec, "status": {"phase": "Pending"}}
    found = diagnose([strip_unused_fields(POD, body)], now=NOW)
    assert found is not None
    assert words in found.message


@pytest.mark.parametrize(
    ("seconds", "finalizers", "words"),
    [
        (11, ["example.com/hold"], "is still being deleted: it waits for example.com/hold"),
        (11, [], "its node has not ended it"),
        (9, [], None),
    ],
)
def test_pod_stuck_terminating(seconds: float, finalizers: list[str], words: str | None) -> None:
    metadata = {"name": "faces-1", "deletionTimestamp": (NOW - timedelta(seconds=seconds)).isoformat()}
    found = overdue_problem([{"metadata": {**metadata, "finalizers": finalizers}, "status": {}}], NOW)
    if words is None:
        assert found is None
    else:
        assert found is not None
        assert found.reason == "PodTerminating"
        assert words in found.message


def test_readiness_gate_is_reported() -> None:
    gate = {"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady", "message": "gate example.com/lb"}
    found = diagnose([pod(READY, phase="Running", conditions=[SCHEDULED, gate])], [], NOW)
    assert found is not None
    assert (found.reason, "example.com/lb" in found.message) == ("ProbeFailed", True)


@pytest.mark.parametrize(
    ("ready", "reason", "reported"),
    [
        ({"status": "False"}, True, "NodeNotReady"),
        ({"status": "Unknown", "reason": "NodeStatusUnknown"}, True, "NodeNotReady"),
        ({"status": "False", "reason": "ReadinessGatesNotReady"}, True, "ProbeFailed"),
        ({"status": "False", "reason": "ContainersNotReady"}, False, "ProbeFailed"),
        ({"status": "True"}, True, None),
    ],
)
def test_node_not_reporting(ready: dict[str, str], reason: bool, reported: str | None) -> None:
    """The last status that its kubelet wrote is still shown."""
    container = {"name": "service", "ready": reason, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
    pod = {
        "metadata": {"uid": "p"},
        "status": {"phase": "Running", "containerStatuses": [container], "conditions": [{"type": "Ready", **ready}]},
    }
    found = diagnose([pod])
    assert (found.reason if found else None) == reported
