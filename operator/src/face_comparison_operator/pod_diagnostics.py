"""Determines why pods are not ready, from reports of the scheduler, the kubelet, and the containers.

Users never have to inspect pods to find out. Details that vary while a pod is retried (restart count, time, the
kubelet's alternating messages) are omitted, so that the same problem always has the same message.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from face_comparison_operator.container_problems import container_problems
from face_comparison_operator.pod_events import event_problems, last_seen
from face_comparison_operator.pod_problems import (
    CONTAINER_FAILED,
    EVICTED,
    NODE_NOT_READY,
    POD_CREATION_FAILED,
    POD_TERMINATING,
    PROBE_FAILED,
    UNSCHEDULABLE,
    Problem,
)
from face_comparison_operator.pod_status import (
    awaits_volumes,
    condition,
    has_ended,
    is_ready,
    overdue,
    seems_ready,
    silence,
    unschedulable_message,
)
from face_comparison_operator.readiness_problems import unready_problems
from face_comparison_operator.resource import Object

_EVICTING = "TerminationByKubelet"  # reason of the condition DisruptionTarget
_ENDED_SILENTLY = "the node terminated the pod, and its status gives no reason"
DEFAULT_SCHEDULER = "default-scheduler"


def overdue_problem(pods: Sequence[Object], now: datetime) -> Problem | None:
    """Returns what blocks the deletion of a pod that should no longer exist; None if there is no such pod."""
    for pod in pods:
        remaining = overdue(pod, now)
        if remaining is None or remaining > 0:
            continue
        finalizers = ", ".join(pod["metadata"].get("finalizers") or [])
        why = f"it waits for {finalizers}" if finalizers else "its node has not ended it"
        return Problem(POD_TERMINATING, f"the pod {pod['metadata']['name']} is still being deleted: {why}")
    return None


def ended_silently(pod: Object) -> bool:
    """Returns whether the pod has terminated without giving a reason.

    Pods of a Deployment never exit on their own. If all containers of an evicted pod exit with 0, its phase is
    Succeeded and its status has lost the reason, which only events report.
    """
    return pod.get("status", {}).get("phase") == "Succeeded" and not any(
        each.reason == EVICTED for each in _pod_problems(pod)
    )


def diagnose(pods: Sequence[Object], events: Sequence[Object] = (), now: datetime | None = None) -> Problem | None:
    """Finds the most specific problem of `pods`.

    Args:
        pods: The pods of the current version.
        events: Warnings about these pods; they have the lowest priority, because they outlive the problems they report.
        now: The time, for problems that count only if they last; None: they have lasted.

    Returns:
        The problem, or None if the pods are fine or do not exist yet.
    """
    problems: list[Problem] = []
    # Evicted pods remain as a record next to their replacements.
    for pod in sorted(pods, key=has_ended):
        if is_ready(pod):
            continue
        # If the node has evicted a pod, the exit status of its containers is meaningless.
        checks = (_pod_problems, container_problems) if has_ended(pod) else (container_problems, _pod_problems)
        for check in checks:
            problems.extend(check(pod))
    if silent := {pod["metadata"].get("uid") for pod in pods if ended_silently(pod)}:
        relevant = [each for each in events if each.get("involvedObject", {}).get("uid") in silent]
        why = [each for each in relevant if each.get("reason") == EVICTED and each.get("message")]
        message = max(why, key=last_seen)["message"] if why else _ENDED_SILENTLY
        problems.append(Problem(EVICTED, message.strip()))
    stuck = {pod["metadata"].get("uid") for pod in pods if awaits_volumes(pod)}
    relevant = [event for event in events if event.get("involvedObject", {}).get("uid") in stuck]
    for event in sorted(relevant, key=last_seen, reverse=True):
        problems.extend(event_problems(event))
    for pod in pods:
        problems.extend(unready_problems(pod, events, now))
        problems.extend(_silence_problems(pod, now))
    return next((each for each in problems if not each.starting), problems[0] if problems else None)


def _pod_problems(pod: Object) -> Iterator[Problem]:
    missing = unschedulable_message(pod)
    scheduled = condition(pod, "PodScheduled")
    if missing is not None:
        yield Problem(UNSCHEDULABLE, f"no node can take the pod: {missing}")
    elif scheduled.get("status") == "False":  # held by scheduling gates, or the scheduler has failed
        explanation = scheduled.get("message") or scheduled.get("reason", "")
        yield Problem(UNSCHEDULABLE, f"the pod is not scheduled: {explanation}")
    status = pod.get("status", {})
    if has_ended(pod):
        explanation = status.get("message") or "no message"
        target = condition(pod, "DisruptionTarget")
        by_kubelet = target.get("status") == "True" and target.get("reason") == _EVICTING
        if status.get("reason") == EVICTED or by_kubelet:
            yield Problem(EVICTED, (target.get("message") if by_kubelet else None) or explanation)
        elif status["phase"] == "Failed":
            yield Problem(
                POD_CREATION_FAILED, f"the node rejects the pod: {status.get('reason', 'no reason')}: {explanation}"
            )
    gate = condition(pod, "Ready")
    if gate.get("status") == "False" and gate.get("reason") == "ReadinessGatesNotReady":
        yield Problem(PROBE_FAILED, f"containers are ready, but not the pod: {gate.get('message', '')}")
    elif gate.get("status") in ("False", "Unknown") and seems_ready(status):
        # The kubelet has stopped reporting, so the control plane has marked the pod as not ready.
        yield Problem(NODE_NOT_READY, "the pod's node has stopped reporting; the pod will be replaced after a while")


def _silence_problems(pod: Object, now: datetime | None) -> Iterator[Problem]:
    """Yields the problem of a pod on which neither a scheduler nor its node has acted for too long."""
    remaining = silence(pod, now) if now else None
    if remaining is None or remaining > 0 or "deletionTimestamp" in pod["metadata"]:
        return
    if condition(pod, "PodScheduled"):
        message = "the pod has a node, which has started no container of it yet"
        yield Problem(CONTAINER_FAILED, message, starting=True)
    else:
        yield Problem(UNSCHEDULABLE, _unscheduled_message(pod.get("footprint", {})))


def _unscheduled_message(footprint: Object) -> str:
    """Explains why a pod has no node although no scheduler has reported on it."""
    claims, scheduler = footprint.get("claims"), footprint.get("scheduler") or DEFAULT_SCHEDULER
    if claims and scheduler == DEFAULT_SCHEDULER:
        # Once it has chosen a node, the scheduler waits silently for minutes, as if it did not run.
        waits = f"waits for the volume of the claim {', '.join(claims)}"
        return f"the pod has no node yet: the scheduler does not run, or {waits}"
    return f'no scheduler has looked at the pod: is the scheduler "{scheduler}" running?'
