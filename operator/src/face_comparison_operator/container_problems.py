"""Determines why containers do not start or exit, from what the kubelet reports about them.

Container output is quoted only if it is one of the service's own messages, because a log line could contain a Secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from face_comparison_operator.pod_problems import (
    ACCELERATOR_UNAVAILABLE,
    CONTAINER_FAILED,
    CRASH_LOOPING,
    IMAGE_PULL_FAILED,
    MODEL_DOWNLOAD_FAILED,
    MODEL_INVALID,
    OUT_OF_MEMORY,
    SECRET_NOT_FOUND,
    SETTINGS_INVALID,
    Problem,
)
from face_comparison_operator.pod_status import container_statuses
from face_comparison_operator.resource import CONTAINER, MODEL_CONTAINER, Object

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
_QUOTED = re.compile(r"(?<=not )('[^']*'|\"[^\"]*\")")
_USER_INFO = re.compile(r"([a-z][a-z0-9+.-]*://)[^\s/@]+@")
_MISSING_SECRET = re.compile(
    r'secret "?([^"\s]+)"? not found|references non-existent secret key: (\S+)|find key (\S+) in Secret'
)
_LOGS = "kubectl logs --previous --container={} POD"


def container_problems(pod: Object) -> Iterator[Problem]:
    """Yields why containers of the pod wait or have exited."""
    for status in container_statuses(pod.get("status", {})):
        image, name = status.get("image", ""), status.get("name", "")
        of = "" if name == CONTAINER else f" of container {name}"
        waiting = status.get("state", {}).get("waiting", {})
        reason, message = waiting.get("reason", ""), waiting.get("message", "")
        if reason in _IMAGE_REASONS:
            detail = message.rpartition("ErrImagePull: ")[2] or reason
            yield Problem(IMAGE_PULL_FAILED, f"image {image}{of} cannot be pulled: {detail}")
        elif reason not in (*_WAITING, _CRASH_LOOP):
            explanation = message or reason
            yield secret_problem(message) or Problem(CONTAINER_FAILED, f"container {name} cannot start: {explanation}")
        ended = status.get("state", {}).get("terminated") or status.get("lastState", {}).get("terminated")
        # A container that repeatedly exits without an error has failed, too.
        failed = ended and (ended.get("exitCode") or ended.get("signal") or reason == _CRASH_LOOP)
        if ended and failed and not status.get("ready"):
            yield _terminated_problem(name, ended)


def secret_problem(message: str) -> Problem | None:
    """Returns the problem if a message of the kubelet is about a missing Secret or a missing key of one."""
    match = _MISSING_SECRET.search(message)
    if not match:
        return None
    name, *keys = match.groups()
    key = next((key for key in keys if key), None)
    text = f"the Secret {name} does not exist in this namespace" if name else f"the Secret has no key {key}"
    return Problem(SECRET_NOT_FOUND, text)


def _terminated_problem(name: str, ended: Object) -> Problem:
    text = (ended.get("message") or "").strip()
    if ended.get("reason") == "OOMKilled":
        return Problem(
            OUT_OF_MEMORY, f"container {name} needs more memory than its limit: raise resources.limits.memory"
        )
    own_messages = _TERMINATION_MESSAGE.findall(text) if name in (CONTAINER, MODEL_CONTAINER) else []
    if own_messages:
        code, message = own_messages[-1]
        return Problem(_CODES[code], _without_values(message.strip()))
    what = f"signal {ended['signal']}" if ended.get("signal") else f"code {ended.get('exitCode')}"
    if ended.get("reason") in ("StartError", "ContainerCannotRun"):
        what = f"{what}: {text}"  # the container runtime's message
    if name == MODEL_CONTAINER:
        return Problem(MODEL_INVALID, f"the model is missing or invalid: container {name} exits with {what}")
    return Problem(CRASH_LOOPING, f"container {name} exits with {what}; its log says why: {_LOGS.format(name)}")


def _without_values(message: str) -> str:
    """Returns a message of the service without quoted values, which may come from a Secret."""
    return _QUOTED.sub("'…'", _USER_INFO.sub(r"\1…@", message))
