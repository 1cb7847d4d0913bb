"""Why pods do not start, from what the scheduler, the kubelet and the container itself say: one reason, one sentence.

The user never has to look at pods to learn it. What changes by itself while a pod is tried again and again (number of
restarts, time, the kubelet's alternating words) is left out, so that the same trouble always reads the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from face_comparison_operator.resource import CONTAINER, TEMPLATE_ANNOTATION, Object

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
VOLUME_FAILED = "VolumeFailed"
CONTAINER_FAILED = "ContainerFailed"
PODS_REFUSED = "PodsRefused"

_IMAGE_REASONS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
_CONTAINER_REASONS = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreCreateHookError")

# The service says why it stops with one line `code: message`.
_CODES = {
    "accelerator_unavailable": ACCELERATOR_UNAVAILABLE,
    "invalid_bundle": MODEL_INVALID,
    "model_download_failed": MODEL_DOWNLOAD_FAILED,
    "invalid_settings": SETTINGS_INVALID,
    "out_of_memory": OUT_OF_MEMORY,  # only a part of the container was killed, so that the kubelet says nothing of it
}
_LAST_WORDS = re.compile(rf"^\W*({'|'.join(_CODES)}): *(.+)$", re.MULTILINE)
_MISSING_SECRET = re.compile(
    r'secret "?([^"\s]+)"? not found|references non-existent secret key: (\S+)|find key (\S+) in Secret'
)


@dataclass(frozen=True, slots=True)
class Problem:
    """What keeps pods from serving: a named reason for programs and a sentence for people."""

    reason: str
    message: str


def template_of(pod: Object) -> str | None:
    """The digest of the pod template that a pod was made from."""
    digest: str | None = pod["metadata"].get("annotations", {}).get(TEMPLATE_ANNOTATION)
    return digest


def is_ready(pod: Object) -> bool:
    """Whether the pod serves."""
    return _condition(pod, "Ready").get("status") == "True"


def awaits_volumes(pod: Object) -> bool:
    """Whether the pod has a node but none of its containers was made: only events can tell why, if it lasts."""
    status = pod.get("status", {})
    states = [each.get("state", {}) for each in _container_statuses(status)]
    waiting = all(
        state.get("waiting", {}).get("reason") in ("ContainerCreating", "PodInitializing") for state in states
    )
    return status.get("phase") == "Pending" and _condition(pod, "PodScheduled").get("status") == "True" and waiting


def diagnosis(pods: Sequence[Object], events: Sequence[Object] = ()) -> Problem | None:
    """The most telling problem of `pods`; None when they are fine or simply not there yet.

    `events` are warnings about these pods; they are looked at last, because they outlive what they tell of.
    """
    problems: list[Problem] = []
    # Pods that the node has put out stay as a record beside those that take their place.
    for pod in sorted(pods, key=_has_failed):
        if not is_ready(pod):
            problems.extend(_container_problems(pod))
            problems.extend(_pod_problems(pod))
    stuck = {pod["metadata"].get("uid") for pod in pods if awaits_volumes(pod)}
    told = [event for event in events if event.get("involvedObject", {}).get("uid") in stuck]
    for event in sorted(told, key=_last_seen, reverse=True):
        problems.extend(_event_problems(event))
    return problems[0] if problems else None


# --- what containers say --------------------------------------------------------------------------------------------


def _container_problems(pod: Object) -> Iterator[Problem]:
    for status in _container_statuses(pod.get("status", {})):
        image, name = status.get("image", ""), status.get("name", "")
        waiting = status.get("state", {}).get("waiting", {})
        reason, message = waiting.get("reason", ""), waiting.get("message", "")
        if reason in _IMAGE_REASONS:
            detail = message.rpartition("ErrImagePull: ")[2] or reason
            yield Problem(IMAGE_PULL_FAILED, f"image {image} cannot be pulled: {detail}")
        elif reason in _CONTAINER_REASONS:
            yield _secret_problem(message) or Problem(CONTAINER_FAILED, f"container {name} cannot start: {message}")
        ended = status.get("state", {}).get("terminated") or status.get("lastState", {}).get("terminated")
        if ended and not status.get("ready") and (ended.get("exitCode") or ended.get("signal")):
            yield _ended(name, ended)


def _ended(name: str, ended: Object) -> Problem:
    text = ended.get("message", "").strip()
    if ended.get("reason") == "OOMKilled":
        return Problem(
            OUT_OF_MEMORY, f"container {name} needs more memory than its limit: raise resources.limits.memory"
        )
    found = _LAST_WORDS.findall(text)
    if found:
        code, message = found[-1]
        return Problem(_CODES[code], message.strip())
    last = text.splitlines()[-1] if text else ended.get("reason", "no message")
    what = f"signal {ended['signal']}" if ended.get("signal") else f"code {ended.get('exitCode')}"
    if name == CONTAINER:
        return Problem(CRASH_LOOPING, f"container {name} ends with {what}: {last}")
    return Problem(MODEL_INVALID, f"the model is not there or not right, container {name} ends with {what}: {last}")


def _secret_problem(message: str) -> Problem | None:
    found = _MISSING_SECRET.search(message)
    if not found:
        return None
    name, *keys = found.groups()
    key = next((key for key in keys if key), None)
    text = f"the Secret {name} does not exist in this namespace" if name else f"the Secret has no key {key}"
    return Problem(SECRET_NOT_FOUND, text)


# --- what the scheduler and the kubelet say -------------------------------------------------------------------------


def _pod_problems(pod: Object) -> Iterator[Problem]:
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        told = scheduled.get("message", "").partition(" preemption:")[0].rstrip(". ")
        yield Problem(UNSCHEDULABLE, f"no node can take the pod: {told}")
    status = pod.get("status", {})
    if _has_failed(pod):
        told = status.get("message") or "no message"
        if status.get("reason") == EVICTED:
            yield Problem(EVICTED, told)
        else:
            yield Problem(PODS_REFUSED, f"the node refuses the pod: {status.get('reason', 'no reason')}: {told}")


def _event_problems(event: Object) -> Iterator[Problem]:
    message = event.get("message", "")
    if event.get("reason") in ("FailedMount", "FailedAttachVolume", "FailedMapVolume"):
        yield _secret_problem(message) or Problem(VOLUME_FAILED, f"a volume cannot be mounted: {message}")
    elif event.get("reason") == "FailedCreatePodSandBox":
        yield Problem(CONTAINER_FAILED, f"the pod cannot be set up on its node: {message}")


def _container_statuses(status: Object) -> list[Object]:
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _condition(pod: Object, kind: str) -> Object:
    conditions = pod.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each.get("type") == kind), {})


def _has_failed(pod: Object) -> bool:
    return bool(pod.get("status", {}).get("phase") == "Failed")


def _last_seen(event: Object) -> str:
    seen = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    return str(seen or "")
