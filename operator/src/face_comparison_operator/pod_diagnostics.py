"""Determines why pods are not ready, from reports of the scheduler, the kubelet, and the containers.

Users never have to inspect pods to find out. Details that vary while a pod is retried (restart count, time, the
kubelet's alternating messages) are omitted, so that the same problem always has the same message. Container output is
quoted only if it is one of the service's own messages, because a log line could contain a Secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from face_comparison_operator.resource import CONTAINER, MODEL_CONTAINER, TEMPLATE_ANNOTATION, Object

IMAGE_PULL_FAILED = "ImagePullFailed"
SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 (a reason)
UNSCHEDULABLE = "Unschedulable"
ACCELERATOR_UNAVAILABLE = "AcceleratorUnavailable"
MODEL_INVALID = "ModelInvalid"
MODEL_DOWNLOAD_FAILED = "ModelDownloadFailed"
SETTINGS_INVALID = "SettingsInvalid"
OUT_OF_MEMORY = "OutOfMemory"
CRASH_LOOPING = "CrashLooping"
EVICTED = "Evicted"
_EVICTING = "TerminationByKubelet"  # reason of the condition DisruptionTarget
_ENDED_SILENTLY = "the node terminated the pod, and its status gives no reason"
VOLUME_FAILED = "VolumeFailed"
CONTAINER_FAILED = "ContainerFailed"
POD_CREATION_FAILED = "PodCreationFailed"
PROBE_FAILED = "ProbeFailed"
NODE_NOT_READY = "NodeNotReady"
POD_TERMINATING = "PodTerminating"

# Time that a running container may take to become ready before its failing probes are reported, and that the service
# may take to start listening on a slow node.
PROBE_GRACE_SECONDS, LISTEN_SECONDS = 10.0, 30.0
# Time that a scheduler or a node may take to act on a pod, and that a pod may outlive its grace period, before that is
# reported.
SILENCE_SECONDS = 10.0
MESSAGE_LENGTH = 300
DEFAULT_SCHEDULER = "default-scheduler"

_IMAGE_REASONS = (
    *("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"),
    *("ImageInspectError", "SignatureValidationFailed"),
)
# Reasons of a waiting container without a problem; any other reason, known or not, means that the node reports a
# failure.
_WAITING = ("", "ContainerCreating", "PodInitializing")
_CRASH_LOOP = "CrashLoopBackOff"

# The service reports why it exits in one line, `code: message`.
_CODES = {
    "accelerator_unavailable": ACCELERATOR_UNAVAILABLE,
    "invalid_bundle": MODEL_INVALID,
    "model_download_failed": MODEL_DOWNLOAD_FAILED,
    "invalid_settings": SETTINGS_INVALID,
    "out_of_memory": OUT_OF_MEMORY,  # one process in the container was killed, which the kubelet does not report
}
_TERMINATION_MESSAGE = re.compile(rf"^\W*({'|'.join(_CODES)}): *(.+)$", re.MULTILINE)
# Details that the scheduler adds about claims and preemption, which users cannot act on.
_SCHEDULER_TAIL = re.compile(r",? no new claims to deallocate|\.? preemption:|\. not found$")
_QUOTED = re.compile(r"(?<=not )('[^']*'|\"[^\"]*\")")
_SLOW_START = ("connection refused", "Client.Timeout exceeded")
_USER_INFO = re.compile(r"([a-z][a-z0-9+.-]*://)[^\s/@]+@")
_MISSING_SECRET = re.compile(
    r'secret "?([^"\s]+)"? not found|references non-existent secret key: (\S+)|find key (\S+) in Secret'
)


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem that keeps pods from becoming ready. `starting`: normal while a service starts."""

    reason: str
    message: str
    starting: bool = False


def template_of(pod: Object) -> str | None:
    """Returns the digest of the pod template that a pod was created from."""
    digest: str | None = pod["metadata"].get("annotations", {}).get(TEMPLATE_ANNOTATION)
    return digest


def is_ready(pod: Object) -> bool:
    """Returns whether the pod is ready."""
    return _condition(pod, "Ready").get("status") == "True"


def unschedulable_message(pod: Object) -> str | None:
    """Returns what the pod lacks, according to the scheduler; None if it has a node or has not been considered yet."""
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") != "False" or scheduled.get("reason") != "Unschedulable":
        return None
    return _SCHEDULER_TAIL.split(scheduled.get("message") or "")[0].rstrip(",. ")


def silence(pod: Object, now: datetime) -> float | None:
    """Returns the seconds until the lack of any action on the pod has to be reported; None if there was some.

    There is no action as long as no scheduler has considered the pod, or its node has reported none of its containers.
    """
    status = pod.get("status", {})
    # Once a scheduler has considered a pod, the pod has either a node or a reason why not.
    if status.get("phase", "Pending") != "Pending" or _container_statuses(status):
        return None
    scheduled = _condition(pod, "PodScheduled")
    if scheduled and scheduled.get("status") != "True":
        return None
    since = scheduled.get("lastTransitionTime") or pod["metadata"].get("creationTimestamp")
    return SILENCE_SECONDS - (now - datetime.fromisoformat(since)).total_seconds() if since else None


def overdue(pod: Object, now: datetime) -> float | None:
    """Returns the seconds until a pod that is still terminating has to be reported; None if it is not terminating."""
    deadline = pod["metadata"].get("deletionTimestamp")  # the end of its grace period
    return SILENCE_SECONDS - (now - datetime.fromisoformat(deadline)).total_seconds() if deadline else None


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


def awaits_volumes(pod: Object) -> bool:
    """Returns whether the pod has a node but no started container; if this lasts, only events explain why."""
    status = pod.get("status", {})
    states = [each.get("state", {}) for each in _container_statuses(status)]
    waiting = all(
        state.get("waiting", {}).get("reason") in ("ContainerCreating", "PodInitializing") for state in states
    )
    return status.get("phase") == "Pending" and _condition(pod, "PodScheduled").get("status") == "True" and waiting


def runs_unready(pod: Object) -> bool:
    """Returns whether a container of the pod is running but not ready; only events explain why its probes fail."""
    statuses = _container_statuses(pod.get("status", {}))
    return any("running" in (each.get("state") or {}) and not each.get("ready") for each in statuses)


def ended_silently(pod: Object) -> bool:
    """Returns whether the pod has terminated without giving a reason.

    Pods of a Deployment never exit on their own. If all containers of an evicted pod exit with 0, its phase is
    Succeeded and its status has lost the reason, which only events report.
    """
    return pod.get("status", {}).get("phase") == "Succeeded" and not any(
        each.reason == EVICTED for each in _pod_problems(pod)
    )


def running_since(pod: Object) -> datetime | None:
    """Returns the start time of the pod's container that has been running longest without being ready, if any."""
    statuses = _container_statuses(pod.get("status", {}))
    states = [(each.get("state") or {}).get("running") or {} for each in statuses if not each.get("ready")]
    started = [state["startedAt"] for state in states if state.get("startedAt")]
    return datetime.fromisoformat(min(started)) if started else None


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
    for pod in sorted(pods, key=_has_ended):
        if is_ready(pod):
            continue
        # If the node has evicted a pod, the exit status of its containers is meaningless.
        looks = (_pod_problems, _container_problems) if _has_ended(pod) else (_container_problems, _pod_problems)
        for look in looks:
            problems.extend(look(pod))
    if silent := {pod["metadata"].get("uid") for pod in pods if ended_silently(pod)}:
        relevant = [each for each in events if each.get("involvedObject", {}).get("uid") in silent]
        why = [each for each in relevant if each.get("reason") == EVICTED and each.get("message")]
        message = max(why, key=_last_seen)["message"] if why else _ENDED_SILENTLY
        problems.append(Problem(EVICTED, message.strip()))
    stuck = {pod["metadata"].get("uid") for pod in pods if awaits_volumes(pod)}
    relevant = [event for event in events if event.get("involvedObject", {}).get("uid") in stuck]
    for event in sorted(relevant, key=_last_seen, reverse=True):
        problems.extend(_event_problems(event))
    for pod in pods:
        problems.extend(_unready_problems(pod, events, now))
        problems.extend(_silence_problems(pod, now))
    return next((each for each in problems if not each.starting), problems[0] if problems else None)


# --- what containers report ------------------------------------------------------------------------------------------


def _container_problems(pod: Object) -> Iterator[Problem]:
    for status in _container_statuses(pod.get("status", {})):
        image, name = status.get("image", ""), status.get("name", "")
        of = "" if name == CONTAINER else f" of container {name}"
        waiting = status.get("state", {}).get("waiting", {})
        reason, message = waiting.get("reason", ""), waiting.get("message", "")
        if reason in _IMAGE_REASONS:
            detail = message.rpartition("ErrImagePull: ")[2] or reason
            yield Problem(IMAGE_PULL_FAILED, f"image {image}{of} cannot be pulled: {detail}")
        elif reason not in (*_WAITING, _CRASH_LOOP):
            explanation = message or reason
            yield _secret_problem(message) or Problem(CONTAINER_FAILED, f"container {name} cannot start: {explanation}")
        ended = status.get("state", {}).get("terminated") or status.get("lastState", {}).get("terminated")
        # A container that repeatedly exits without an error has failed, too.
        failed = ended and (ended.get("exitCode") or ended.get("signal") or reason == _CRASH_LOOP)
        if ended and failed and not status.get("ready"):
            yield _terminated_problem(name, ended)


def _terminated_problem(name: str, ended: Object) -> Problem:
    text = (ended.get("message") or "").strip()
    if ended.get("reason") == "OOMKilled":
        return Problem(
            OUT_OF_MEMORY, f"container {name} needs more memory than its limit: raise resources.limits.memory"
        )
    own = name in (CONTAINER, MODEL_CONTAINER)
    found = _TERMINATION_MESSAGE.findall(text) if own else []
    if found:
        code, message = found[-1]
        return Problem(_CODES[code], _without_values(message.strip()))
    what = f"signal {ended['signal']}" if ended.get("signal") else f"code {ended.get('exitCode')}"
    if ended.get("reason") in ("StartError", "ContainerCannotRun"):
        what = f"{what}: {text}"  # the container runtime's message
    if name == MODEL_CONTAINER:
        return Problem(MODEL_INVALID, f"the model is missing or invalid: container {name} exits with {what}")
    return Problem(CRASH_LOOPING, f"container {name} exits with {what}; its log says why: {_LOGS.format(name)}")


_LOGS = "kubectl logs --previous --container={} POD"


def _without_values(message: str) -> str:
    """Returns a message of the service without quoted values, which may come from a Secret."""
    return _QUOTED.sub("'…'", _USER_INFO.sub(r"\1…@", message))


def _secret_problem(message: str) -> Problem | None:
    found = _MISSING_SECRET.search(message)
    if not found:
        return None
    name, *keys = found.groups()
    key = next((key for key in keys if key), None)
    text = f"the Secret {name} does not exist in this namespace" if name else f"the Secret has no key {key}"
    return Problem(SECRET_NOT_FOUND, text)


# --- what the scheduler and the kubelet report -----------------------------------------------------------------------


def _pod_problems(pod: Object) -> Iterator[Problem]:
    missing = unschedulable_message(pod)
    scheduled = _condition(pod, "PodScheduled")
    if missing is not None:
        yield Problem(UNSCHEDULABLE, f"no node can take the pod: {missing}")
    elif scheduled.get("status") == "False":  # held by scheduling gates, or the scheduler has failed
        explanation = scheduled.get("message") or scheduled.get("reason", "")
        yield Problem(UNSCHEDULABLE, f"the pod is not scheduled: {explanation}")
    status = pod.get("status", {})
    if _has_ended(pod):
        explanation = status.get("message") or "no message"
        target = _condition(pod, "DisruptionTarget")
        by_kubelet = target.get("status") == "True" and target.get("reason") == _EVICTING
        if status.get("reason") == EVICTED or by_kubelet:
            yield Problem(EVICTED, (target.get("message") if by_kubelet else None) or explanation)
        elif status["phase"] == "Failed":
            yield Problem(
                POD_CREATION_FAILED, f"the node rejects the pod: {status.get('reason', 'no reason')}: {explanation}"
            )
    gate = _condition(pod, "Ready")
    if gate.get("status") == "False" and gate.get("reason") == "ReadinessGatesNotReady":
        yield Problem(PROBE_FAILED, f"containers are ready, but not the pod: {gate.get('message', '')}")
    elif gate.get("status") in ("False", "Unknown") and _seems_ready(status):
        # The kubelet has stopped reporting, so the control plane has marked the pod as not ready.
        yield Problem(NODE_NOT_READY, "the pod's node has stopped reporting; the pod will be replaced after a while")


def _seems_ready(status: Object) -> bool:
    """Returns whether, according to the kubelet's last report, every container is ready."""
    containers = status.get("containerStatuses") or []
    return status.get("phase") == "Running" and bool(containers) and all(each.get("ready") for each in containers)


def _silence_problems(pod: Object, now: datetime | None) -> Iterator[Problem]:
    """Yields the problem of a pod on which neither a scheduler nor its node has acted for too long."""
    remaining = silence(pod, now) if now else None
    if remaining is None or remaining > 0 or "deletionTimestamp" in pod["metadata"]:
        return
    if _condition(pod, "PodScheduled"):
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


def _unready_problems(pod: Object, events: Sequence[Object], now: datetime | None) -> Iterator[Problem]:
    """Yields a problem for each container that is running but not ready, with its probe failures."""
    if not runs_unready(pod) or "deletionTimestamp" in pod["metadata"]:
        return
    uid = pod["metadata"].get("uid")
    mine = [event for event in events if event.get("involvedObject", {}).get("uid") == uid]
    unhealthy = sorted((each for each in mine if each.get("reason") == "Unhealthy"), key=_last_seen, reverse=True)
    for status in _container_statuses(pod.get("status", {})):
        name, running = status.get("name", ""), (status.get("state") or {}).get("running")
        if running is None or status.get("ready"):
            continue
        since = running.get("startedAt")
        runs = (now - datetime.fromisoformat(since)).total_seconds() if now and since else float("inf")
        if runs < PROBE_GRACE_SECONDS:
            continue
        own = [each for each in unhealthy if f"{{{name}}}" in each.get("involvedObject", {}).get("fieldPath", "")]
        relevant = (own or [each for each in unhealthy if not each.get("involvedObject", {}).get("fieldPath")])[:1]
        if not relevant and status in (pod["status"].get("initContainerStatuses") or []):
            # It is still working, for example downloading; the message says which container it is.
            yield Problem(PROBE_FAILED, f"the init container {name} is still running", starting=True)
            continue
        if not relevant:
            yield Problem(PROBE_FAILED, f"container {name} is running, but not ready", starting=name == CONTAINER)
            continue
        message = next(iter((relevant[0].get("message") or "").splitlines()), "a probe fails")[:MESSAGE_LENGTH]
        # At first, the service does not listen, or not in time; then it responds with 503 while it loads its models.
        awaited = any(each in message for each in _SLOW_START) and runs < LISTEN_SECONDS
        loads = "statuscode: 503" in message or awaited
        starting = name == CONTAINER and loads
        yield Problem(PROBE_FAILED, f"container {name} is running, but not ready: {message}", starting=starting)


_ONE_NODE_HINT = "; it can be used on one node at a time: strategy.type Recreate lets the previous pod release it first"


def _event_problems(event: Object) -> Iterator[Problem]:
    message = event.get("message", "")
    if event.get("reason") in ("FailedMount", "FailedAttachVolume", "FailedMapVolume"):
        hint = _ONE_NODE_HINT if "Multi-Attach" in message else ""
        yield _secret_problem(message) or Problem(VOLUME_FAILED, f"a volume cannot be mounted: {message}{hint}")
    elif event.get("reason") == "FailedCreatePodSandBox":
        yield Problem(CONTAINER_FAILED, f"the pod sandbox cannot be created on its node: {message}")


def _container_statuses(status: Object) -> list[Object]:
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _condition(pod: Object, kind: str) -> Object:
    conditions = pod.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each.get("type") == kind), {})


def _has_ended(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") in ("Failed", "Succeeded")


def _last_seen(event: Object) -> str:
    timestamp = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    return str(timestamp or "")
