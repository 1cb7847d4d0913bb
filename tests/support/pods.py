"""Pods and events as the kubelet and the scheduler write them, for tests of diagnostics."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

IMAGE = "registry.example/service:1"
SCHEDULED = {"type": "PodScheduled", "status": "True"}
NOW = datetime(2026, 1, 2, 3, 4, 30, tzinfo=UTC)
READY = {"name": "service", "image": IMAGE, "ready": True, "state": {"running": {}}}
REFUSED = 'Startup probe failed: Get "http://10.0.0.1:9999/readyz": dial tcp 10.0.0.1:9999: connect: connection refused'
SLOW = (
    'Startup probe failed: Get "http://10.0.0.1:8080/readyz": context deadline exceeded (Client.Timeout exceeded while '
    "awaiting headers)"
)
LOADING = "Startup probe failed: HTTP probe failed with statuscode: 503"


def pod(*containers: dict[str, Any], init: tuple[dict[str, Any], ...] = (), **status: Any) -> dict[str, Any]:
    statuses = {"containerStatuses": list(containers), "initContainerStatuses": list(init)}
    return {"metadata": {"uid": "u"}, "status": {"phase": "Pending", "conditions": [SCHEDULED], **statuses, **status}}


def waiting(reason: str, message: str = "", name: str = "service", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": IMAGE, "state": {"waiting": {"reason": reason, "message": message}}, **more}


def ended(message: str = "", name: str = "service", code: int = 1, **more: Any) -> dict[str, Any]:
    last = {"lastState": {"terminated": {"exitCode": code, "reason": "Error", "message": message, **more}}}
    return waiting("CrashLoopBackOff", "back-off 5m0s", name, **last)


def warning(reason: str, message: str, uid: str = "u", seen: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    about = {"involvedObject": {"uid": uid}, "metadata": {}, "lastTimestamp": seen}
    return {"reason": reason, "message": message, **about}


def running(name: str = "service", since: str = "2026-01-02T03:04:00Z", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": IMAGE, "ready": False, "state": {"running": {"startedAt": since}}, **more}


def unhealthy(message: str, container: str = "service", field: str = "containers") -> dict[str, Any]:
    event = warning("Unhealthy", message)
    return {**event, "involvedObject": {**event["involvedObject"], "fieldPath": f"spec.{field}{{{container}}}"}}
