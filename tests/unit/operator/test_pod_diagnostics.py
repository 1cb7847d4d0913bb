"""Why pods do not start: reports of scheduler, kubelet, and containers, and the resulting message."""

from __future__ import annotations

from typing import Any

import pytest

from face_comparison_operator.pod_diagnostics import diagnose
from face_comparison_operator.pod_problems import Problem
from face_comparison_operator.pod_status import awaits_volumes
from support.pods import (
    IMAGE,
    NOW,
    READY,
    REFUSED,
    ended,
    pod,
    running,
    unhealthy,
    waiting,
    warning,
)

SEE_LOG = "; its log says why: kubectl logs --previous --container=service POD"
CASES: list[tuple[str, dict[str, Any], Problem | None]] = [
    ("a pod that starts", pod(waiting("ContainerCreating")), None),
    (
        "a pod that runs and is not ready yet",
        pod({"name": "service", "state": {"running": {}}}),
        Problem("ProbeFailed", "container service is running, but not ready", starting=True),
    ),
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
        Problem("ModelInvalid", "the model is missing or invalid: container model exits with code 3"),
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
    ("a crash", pod(ended("a\nb", code=2)), Problem("CrashLooping", f"container service exits with code 2{SEE_LOG}")),
    (
        "a signal",
        pod(ended(signal=11, code=0)),
        Problem("CrashLooping", f"container service exits with signal 11{SEE_LOG}"),
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
        Problem("PodCreationFailed", "the node rejects the pod: UnexpectedAdmissionError: no healthy device"),
    ),
    (
        "a pod that serves although it crashed once",
        pod({**ended("old"), "ready": True}, conditions=[{"type": "Ready", "status": "True"}]),
        None,
    ),
]


@pytest.mark.parametrize(("body", "problem"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_diagnosis_of_pod(body: dict[str, Any], problem: Problem | None) -> None:
    assert diagnose([body]) == problem


def test_scheduler_message_omits_preemption_details() -> None:
    reported = (
        "0/2 nodes are available: 2 Insufficient nvidia.com/gpu. preemption: 0/2 nodes are available: 2 No victims."
    )
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": reported}
    found = diagnose([pod(conditions=[condition])])
    expected = "no node can take the pod: 0/2 nodes are available: 2 Insufficient nvidia.com/gpu"
    assert found == Problem("Unschedulable", expected)


STUCK = pod(waiting("ContainerCreating"))


def test_unmountable_volume() -> None:
    missing = warning("FailedMount", 'MountVolume.SetUp failed for volume "auth" : secret "keys" not found')
    assert diagnose([STUCK], [missing]) == Problem("SecretNotFound", "the Secret keys does not exist in this namespace")
    key = warning("FailedMount", "references non-existent secret key: api-keys")
    assert diagnose([STUCK], [key]) == Problem("SecretNotFound", "the Secret has no key api-keys")
    other = diagnose([STUCK], [warning("FailedMount", "timeout")])
    assert other is not None
    assert other.reason == "VolumeFailed"


def test_volume_attached_to_another_node_is_explained() -> None:
    held = 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) faces-1'
    found = diagnose([STUCK], [warning("FailedAttachVolume", held)])
    assert found is not None
    assert found.reason == "VolumeFailed"
    assert found.message.startswith(f"a volume cannot be mounted: {held}; ")
    assert "strategy.type Recreate" in found.message


def test_latest_event_wins() -> None:
    old = warning("FailedMount", "old", seen="2026-01-01T00:00:00Z")
    new = warning("FailedMount", "new", seen="2026-01-01T00:00:01Z")
    found = diagnose([STUCK], [old, new])
    assert found is not None
    assert "new" in found.message


def test_events_of_other_and_recovered_pods_are_ignored() -> None:
    event = warning("FailedMount", "timeout")
    assert diagnose([STUCK], [warning("FailedMount", "timeout", uid="other")]) is None
    running = diagnose([pod({"name": "service", "state": {"running": {}}}, phase="Running")], [event])
    assert running is not None
    assert "timeout" not in running.message


def test_pods_waiting_for_volumes() -> None:
    assert awaits_volumes(STUCK)
    assert awaits_volumes(pod())
    assert not awaits_volumes(pod(waiting("ErrImagePull")))
    assert not awaits_volumes(pod(conditions=[{"type": "PodScheduled", "status": "False"}]))
    assert not awaits_volumes(pod(phase="Running"))


def test_containers_take_precedence_over_the_scheduler_and_both_over_events() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no"}
    found = diagnose([pod(conditions=[condition]), STUCK], [warning("FailedMount", "timeout")])
    assert found is not None
    assert found.reason == "Unschedulable"


def test_running_pod_takes_precedence_over_evicted_pod() -> None:
    gone = pod(phase="Failed", reason="Evicted", message="disk")
    found = diagnose([gone, pod(waiting("ErrImagePull", "not found"))])
    assert found is not None
    assert found.reason == "ImagePullFailed"


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_evicted_pod_that_exited_cleanly(phase: str) -> None:
    """Its phase is Succeeded and its reason is lost if all containers exited with 0; the condition remains."""
    done = {"name": "service", "image": IMAGE, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
    target = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "TerminationByKubelet",
        "message": "the disk is full",
    }
    assert diagnose([pod(done, phase=phase, conditions=[target])]) == Problem("Evicted", "the disk is full")


def test_failed_pod_without_reason() -> None:
    """The status of a pod that exceeded its storage and exited with 0 has no reason, but an event does."""
    done = {"name": "service", "image": IMAGE, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
    gone = pod(done, phase="Succeeded")
    reported = [warning("Evicted", "usage exceeds 1Ki. "), warning("Unhealthy", "503", seen="2026-01-01T00:00:01Z")]
    assert diagnose([gone], reported) == Problem("Evicted", "usage exceeds 1Ki.")
    assert diagnose([gone], [warning("Evicted", "of another", uid="v")]) == Problem(
        "Evicted", "the node terminated the pod, and its status gives no reason"
    )
    for missing in ("reason", "message"):
        partial = {name: value for name, value in warning("Evicted", "usage").items() if name != missing}
        found = diagnose([gone], [partial])
        assert found == Problem("Evicted", "the node terminated the pod, and its status gives no reason")
    found = diagnose([gone, pod(waiting("ErrImagePull", "not found"))], reported)
    assert found is not None
    assert found.reason == "ImagePullFailed"


def test_eviction_is_not_reported_as_crash() -> None:
    killed = {"name": "service", "image": IMAGE, "state": {"terminated": {"exitCode": 137, "reason": "Error"}}}
    gone = pod(killed, phase="Failed", reason="Evicted", message="ephemeral local storage usage exceeds the limit")
    starts = pod(waiting("ContainerCreating"))
    assert diagnose([gone, starts]) == Problem("Evicted", "ephemeral local storage usage exceeds the limit")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (waiting("ImageInspectError", "no manifest"), "ImagePullFailed"),
        (waiting("SignatureValidationFailed", "not signed"), "ImagePullFailed"),
        (waiting("PostStartHookError", "hook failed"), "ContainerFailed"),
        (waiting("SomethingNew", "a word of a later kubelet"), "ContainerFailed"),
        (ended(code=0), "CrashLooping"),
    ],
)
def test_container_waiting_for_other_reason(state: dict[str, Any], reason: str) -> None:
    found = diagnose([pod(state)])
    assert found is not None
    assert found.reason == reason
    assert (state["state"]["waiting"]["message"] in found.message) == (reason != "CrashLooping")


def test_event_of_another_container_is_not_quoted() -> None:
    found = diagnose([pod(READY, running("mesh"), phase="Running")], [unhealthy(REFUSED, "service")], NOW)
    assert found is not None
    assert "refused" not in found.message


def test_crashing_sidecar_is_named() -> None:
    found = diagnose([pod(init=(ended("boom", "istio-init"),))])
    assert found is not None
    assert (found.reason, "istio-init" in found.message) == ("CrashLooping", True)


def test_sidecar_image_problem_names_the_container() -> None:
    found = diagnose([pod(READY, waiting("ErrImagePull", "not found", "mesh"))])
    assert found is not None
    assert "of container mesh" in found.message


@pytest.mark.parametrize(
    "message",
    [
        "password=hunter2",
        "invalid_settings: --log-level (FACE_COMPARISON_LOG_LEVEL) must be one of debug, info, not 'hunter2'",
        'invalid_settings: FACE_COMPARISON_COLLECTIONS must be a URI, not "hunter2"',
        "invalid_settings: cannot connect to postgresql://faces:hunter2@db/faces",
    ],
)
def test_container_messages_contain_no_secret(message: str) -> None:
    for name in ("service", "model", "sidecar"):
        found = diagnose([pod(ended(message, name))])
        assert found is not None
        assert "hunter2" not in found.message


def test_error_code_is_read_only_from_own_containers() -> None:
    found = diagnose([pod(ended("invalid_bundle: anything at all", "sidecar"))])
    assert found is not None
    assert (found.reason, "anything" in found.message) == ("CrashLooping", False)


@pytest.mark.parametrize(
    "tail",
    [
        ". preemption: 0/2 nodes are available: 2 No victims.",
        ", no new claims to deallocate, preemption: 0/2 nodes are available.",
        ". no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.",
        ", no new claims to deallocate,",
        ". not found",
    ],
)
def test_scheduler_message_is_cut_after_the_useful_part(tail: str) -> None:
    reported = "0/2 nodes are available: 2 Insufficient cpu"
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": reported + tail}
    assert diagnose([pod(conditions=[condition])]) == Problem("Unschedulable", f"no node can take the pod: {reported}")
