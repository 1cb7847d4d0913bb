"""Reads warnings about pods, which report what statuses do not: volumes and sandboxes that fail."""

from __future__ import annotations

from collections.abc import Iterator

from face_comparison_operator.container_problems import secret_problem
from face_comparison_operator.pod_problems import CONTAINER_FAILED, VOLUME_FAILED, Problem
from face_comparison_operator.resource import Object

_ONE_NODE_HINT = "; it can be used on one node at a time: strategy.type Recreate lets the previous pod release it first"


def event_problems(event: Object) -> Iterator[Problem]:
    """Yields what a warning reports about volumes and the sandbox of a pod."""
    message = event.get("message", "")
    if event.get("reason") in ("FailedMount", "FailedAttachVolume", "FailedMapVolume"):
        hint = _ONE_NODE_HINT if "Multi-Attach" in message else ""
        yield secret_problem(message) or Problem(VOLUME_FAILED, f"a volume cannot be mounted: {message}{hint}")
    elif event.get("reason") == "FailedCreatePodSandBox":
        yield Problem(CONTAINER_FAILED, f"the pod sandbox cannot be created on its node: {message}")


def last_seen(event: Object) -> str:
    """Returns when an event was last seen, RFC 3339 in UTC."""
    timestamp = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    return str(timestamp or "")
