"""Reads a pod's status: what it waits for, what runs, and for how long."""

from __future__ import annotations

import re
from datetime import datetime

from face_comparison_operator.resource import TEMPLATE_ANNOTATION, Object

# Time that a scheduler or a node may take to act on a pod, and that a pod may outlive its grace period, before that is
# reported.
SILENCE_SECONDS = 10.0
# Details that the scheduler adds about claims and preemption, which users cannot act on.
_SCHEDULER_TAIL = re.compile(r",? no new claims to deallocate|\.? preemption:|\. not found$")


def template_of(pod: Object) -> str | None:
    """Returns the digest of the pod template that a pod was created from."""
    digest: str | None = pod["metadata"].get("annotations", {}).get(TEMPLATE_ANNOTATION)
    return digest


def is_ready(pod: Object) -> bool:
    """Returns whether the pod is ready."""
    return condition(pod, "Ready").get("status") == "True"


def unschedulable_message(pod: Object) -> str | None:
    """Returns what the pod lacks, according to the scheduler; None if it has a node or has not been considered yet."""
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") != "False" or scheduled.get("reason") != "Unschedulable":
        return None
    return _SCHEDULER_TAIL.split(scheduled.get("message") or "")[0].rstrip(",. ")


def silence(pod: Object, now: datetime) -> float | None:
    """Returns the seconds until the lack of any action on the pod has to be reported; None if there was some.

    There is no action as long as no scheduler has considered the pod, or its node has reported none of its containers.
    """
    status = pod.get("status", {})
    # Once a scheduler has considered a pod, the pod has either a node or a reason why not.
    if status.get("phase", "Pending") != "Pending" or container_statuses(status):
        return None
    scheduled = condition(pod, "PodScheduled")
    if scheduled and scheduled.get("status") != "True":
        return None
    since = scheduled.get("lastTransitionTime") or pod["metadata"].get("creationTimestamp")
    return SILENCE_SECONDS - (now - datetime.fromisoformat(since)).total_seconds() if since else None


def overdue(pod: Object, now: datetime) -> float | None:
    """Returns the seconds until a pod that is still terminating has to be reported; None if it is not terminating."""
    deadline = pod["metadata"].get("deletionTimestamp")  # the end of its grace period
    return SILENCE_SECONDS - (now - datetime.fromisoformat(deadline)).total_seconds() if deadline else None


def awaits_volumes(pod: Object) -> bool:
    """Returns whether the pod has a node but no started container; if this lasts, only events explain why."""
    status = pod.get("status", {})
    states = [each.get("state", {}) for each in container_statuses(status)]
    waiting = all(
        state.get("waiting", {}).get("reason") in ("ContainerCreating", "PodInitializing") for state in states
    )
    return status.get("phase") == "Pending" and condition(pod, "PodScheduled").get("status") == "True" and waiting


def runs_unready(pod: Object) -> bool:
    """Returns whether a container of the pod is running but not ready; only events explain why its probes fail."""
    statuses = container_statuses(pod.get("status", {}))
    return any("running" in (each.get("state") or {}) and not each.get("ready") for each in statuses)


def running_since(pod: Object) -> datetime | None:
    """Returns the start time of the pod's container that has been running longest without being ready, if any."""
    statuses = container_statuses(pod.get("status", {}))
    states = [(each.get("state") or {}).get("running") or {} for each in statuses if not each.get("ready")]
    started = [state["startedAt"] for state in states if state.get("startedAt")]
    return datetime.fromisoformat(min(started)) if started else None


def condition(pod: Object, kind: str) -> Object:
    """Returns a condition of the pod; empty if it has none of this kind."""
    conditions = pod.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each.get("type") == kind), {})


def container_statuses(status: Object) -> list[Object]:
    """Returns the statuses of all containers, those of init containers first."""
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def has_ended(pod: Object) -> bool:
    """Returns whether the pod has terminated for good."""
    return pod.get("status", {}).get("phase") in ("Failed", "Succeeded")


def seems_ready(status: Object) -> bool:
    """Returns whether, according to the kubelet's last report, every container is ready."""
    containers = status.get("containerStatuses") or []
    return status.get("phase") == "Running" and bool(containers) and all(each.get("ready") for each in containers)
