"""Builds the events of a resource: one per transition of `Ready`."""

from __future__ import annotations

from datetime import datetime

from face_comparison_operator import reasons
from face_comparison_operator.resource import API_VERSION, KIND, MANAGER, FaceComparison, Object

_CALM = (reasons.DEPLOYED, reasons.DEPLOYING, reasons.SCALED_TO_ZERO, reasons.TERMINATING)


def announcement(resource: FaceComparison, result: Object, now: datetime) -> Object | None:
    """Builds the event about the transition to a new status.

    Args:
        resource: The resource, with its previous status.
        result: The new status.
        now: The time.

    Returns:
        The event, or None if the status and reason of `Ready` are unchanged, or a new resource is being deployed.
    """
    ready, before = ready_of(result), ready_of(resource.status)
    previous = (before.get("status", "False"), before.get("reason", reasons.DEPLOYING))
    if (ready["status"], ready["reason"]) == previous:
        return None
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{resource.name}.", "namespace": resource.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": resource.name,
            "namespace": resource.namespace,
            "uid": resource.uid,
        },
        "reason": ready["reason"],
        "message": ready["message"],
        "type": "Normal" if ready["reason"] in _CALM else "Warning",
        "source": {"component": MANAGER},
        "reportingComponent": MANAGER,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }


def ready_of(value: Object) -> Object:
    """Returns the condition `Ready` of a status; empty if it has none."""
    return next((each for each in value.get("conditions", []) if each["type"] == "Ready"), {})
