"""Observations for the status of a resource, and the conditions that follow from them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from face_comparison_operator.observation import Observed
from face_comparison_operator.resource import FaceComparison, parse
from face_comparison_operator.routing import RouteState
from face_comparison_operator.status import status

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
    reported = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: 0/3 nodes are available."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": reported}
    return pod(template, conditions=[condition])


def leaving(of: dict[str, Any]) -> dict[str, Any]:
    return {**of, "metadata": {**of["metadata"], "deletionTimestamp": "2026-01-02T03:04:05Z"}}


def conditions(of: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each["reason"]) for each in of["conditions"]}


def message(of: dict[str, Any], kind: str = "Ready") -> str:
    return next(each["message"] for each in of["conditions"] if each["type"] == kind)


SERVES = Observed(ADMITTED, deployment())
READY: tuple[str, str] = ("True", "Deployed")


def written(**more: Any) -> dict[str, Any]:
    """Returns the status of a resource that was deployed an hour ago."""
    hour_ago = resource()
    return {**status(hour_ago, SERVES, NOW - timedelta(hours=1)), **more}
