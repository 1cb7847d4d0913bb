"""Why pods do not start: what scheduler, kubelet and container say, and what the user is told."""

from __future__ import annotations

from typing import Any

import pytest

from face_comparison_operator.pod_diagnostics import Problem, awaits_volumes, diagnosis

IMAGE = "registry.example/service:1"
SCHEDULED = {"type": "PodScheduled", "status": "True"}


def pod(*containers: dict[str, Any], init: tuple[dict[str, Any], ...] = (), **status: Any) -> dict[str, Any]:
    statuses = {"containerStatuses": list(containers), "initContainerStatuses": list(init)}
    return {"metadata": {"uid": "u"}, "status": {"phase": "Pending", "conditions": [SCHEDULED], **statuses, **status}}


def waiting(reason: str, message: str = "", name: str = "service", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": IMAGE, "state": {"waiting": {"reason": reason, "message": message}}, **more}


def ended(message: str = "", name: str = "service", code: int = 1, **more: Any) -> dict[str, Any]:
    last = {"lastState": {"terminated": {"exitCode": code, "reason": "Error", "message": message, **more}}}
    return waiting("CrashLoopBackOff", "back-off 5m0s", name, **last)


CASES: list[tuple[str, dict[str, Any], Problem | None]] = [
    ("a pod that starts", pod(waiting("ContainerCreating")), None),
    ("a pod that runs and is not ready yet", pod({"name": "service", "state": {"running": {}}}), None),
    (
        "an image that is not there",
        pod(waiting("ErrImagePull", "rpc error: not found")),
        Problem("ImagePullFailed", f"image {IMAGE} cannot be pulled: rpc error: not found"),
    ),
    (
        "the same image, in the words between two tries",
        pod(waiting("ImagePullBackOff", 'Back-off pulling image "x": ErrImagePull: rpc error: not found')),
        Problem("ImagePullFailed", f"image {IMAGE} cannot be pulled: rpc error: not found"),
    ),
    (
        "a device that is missing",
        pod(ended("Traceback\naccelerator_unavailable: no CUDA driver\n")),
        Problem("AcceleratorUnavailable", "no CUDA driver"),
    ),
    (
        "last words in the format of a log",
        pod(ended("ERROR invalid_settings: x\n  invalid_bundle: digest differs")),
        Problem("ModelInvalid", "digest differs"),
    ),
    (
        "the same, while the container is tried once more",
        pod({"name": "service", "state": {"running": {}}, "lastState": ended("invalid_bundle: bad")["lastState"]}),
        Problem("ModelInvalid", "bad"),
    ),
    (
        "a model that could not be downloaded",
        pod(waiting("PodInitializing"), init=(ended("model_download_failed: 403", "model"),)),
        Problem("ModelDownloadFailed", "403"),
    ),
    (
        "a model container without last words",
        pod(init=(ended("boom", "model", 3),)),
        Problem("ModelInvalid", "the model is not there or not right, container model ends with code 3: boom"),
    ),
    (
        "a model that came at the second try",
        pod(waiting("PodInitializing"), init=({**ended("model_download_failed: 503", "model"), "ready": True},)),
        None,
    ),
    (
        "too little memory",
        pod(ended(reason="OOMKilled", code=137)),
        Problem("OutOfMemory", "container service needs more memory than its limit: raise resources.limits.memory"),
    ),
    ("a crash", pod(ended("a\nb", code=2)), Problem("CrashLooping", "container service ends with code 2: b")),
    (
        "a signal",
        pod(ended(signal=11, code=0)),
        Problem("CrashLooping", "container service ends with signal 11: Error"),
    ),
    (
        "a secret for a variable that is missing",
        pod(waiting("CreateContainerConfigError", 'secret "keys" not found')),
        Problem("SecretNotFound", "the Secret keys does not exist in this namespace"),
    ),
    (
        "a secret without the key",
        pod(waiting("CreateContainerConfigError", "couldn't find key token in Secret ns/keys")),
        Problem("SecretNotFound", "the Secret has no key token"),
    ),
    (
        "a command that is not in the image",
        pod(waiting("RunContainerError", "exec: not found")),
        Problem("ContainerFailed", "container service cannot start: exec: not found"),
    ),
    (
        "a pod that was evicted",
        pod(phase="Failed", reason="Evicted", message="the node was low on disk"),
        Problem("Evicted", "the node was low on disk"),
    ),
    (
        "a pod that the node does not take",
        pod(phase="Failed", reason="UnexpectedAdmissionError", message="no healthy device"),
        Problem("PodsRefused", "the node refuses the pod: UnexpectedAdmissionError: no healthy device"),
    ),
    (
        "a pod that serves although it crashed once",
        pod({**ended("old"), "ready": True}, conditions=[{"type": "Ready", "status": "True"}]),
        None,
    ),
]


@pytest.mark.parametrize(("body", "problem"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_pod(body: dict[str, Any], problem: Problem | None) -> None:
    assert diagnosis([body]) == problem


def test_what_the_scheduler_says_without_its_talk_of_preemption() -> None:
    told = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu. preemption: 0/2 nodes are available: 2 No victims."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": told}
    found = diagnosis([pod(conditions=[condition])])
    expected = "no node can take the pod: 0/2 nodes are available: 2 Insufficient nvidia.com/gpu"
    assert found == Problem("Unschedulable", expected)


def warning(reason: str, message: str, uid: str = "u", seen: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    about = {"involvedObject": {"uid": uid}, "metadata": {}, "lastTimestamp": seen}
    return {"reason": reason, "message": message, **about}


STUCK = pod(waiting("ContainerCreating"))


def test_a_volume_that_cannot_be_mounted() -> None:
    missing = warning("FailedMount", 'MountVolume.SetUp failed for volume "auth" : secret "keys" not found')
    assert diagnosis([STUCK], [missing]) == Problem(
        "SecretNotFound", "the Secret keys does not exist in this namespace"
    )
    key = warning("FailedMount", "references non-existent secret key: api-keys")
    assert diagnosis([STUCK], [key]) == Problem("SecretNotFound", "the Secret has no key api-keys")
    other = diagnosis([STUCK], [warning("FailedMount", "timeout")])
    assert other is not None
    assert other.reason == "VolumeFailed"


def test_the_latest_event_counts() -> None:
    old = warning("FailedMount", "old", seen="2026-01-01T00:00:00Z")
    new = warning("FailedMount", "new", seen="2026-01-01T00:00:01Z")
    found = diagnosis([STUCK], [old, new])
    assert found is not None
    assert "new" in found.message


def test_events_of_other_pods_and_of_pods_that_got_on_do_not_count() -> None:
    event = warning("FailedMount", "timeout")
    assert diagnosis([STUCK], [warning("FailedMount", "timeout", uid="other")]) is None
    assert diagnosis([pod({"name": "service", "state": {"running": {}}}, phase="Running")], [event]) is None


def test_pods_that_wait_for_volumes() -> None:
    assert awaits_volumes(STUCK)
    assert awaits_volumes(pod())
    assert not awaits_volumes(pod(waiting("ErrImagePull")))
    assert not awaits_volumes(pod(conditions=[{"type": "PodScheduled", "status": "False"}]))
    assert not awaits_volumes(pod(phase="Running"))


def test_a_container_speaks_before_the_scheduler_and_both_before_events() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no"}
    found = diagnosis([pod(conditions=[condition]), STUCK], [warning("FailedMount", "timeout")])
    assert found is not None
    assert found.reason == "Unschedulable"


def test_a_pod_that_lives_speaks_before_one_that_was_put_out() -> None:
    gone = pod(phase="Failed", reason="Evicted", message="disk")
    found = diagnosis([gone, pod(waiting("ErrImagePull", "not found"))])
    assert found is not None
    assert found.reason == "ImagePullFailed"
