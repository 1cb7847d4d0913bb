"""Failures of pods are reported with their cause within seconds, running pods keep serving, and fixes take effect.

Scheduler and controllers are real. A node without a kubelet simulates its failures: the test writes the status that a
kubelet would write.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from devtools.k8s.api import Api, Faces, Object, until
from face_comparison_operator.api_resources import POD
from support.simulated_nodes import container, ended, node, on_node, waits

pytestmark = pytest.mark.cluster

CPU = {"type": "cpu"}
MUTE = "mute"


@pytest.fixture(scope="module", autouse=True)
def mute_node(api: Api) -> Iterator[None]:
    """A node that accepts pods and reports nothing about them."""
    with node(api, MUTE):
        yield


def on_mute_node(**spec: Any) -> dict[str, Any]:
    """Returns a spec whose pods only the mute node accepts."""
    return on_node(MUTE, **spec)


def broken(faces: Faces, name: str = "faces", **spec: Any) -> Object:
    """Creates a resource on the mute node and returns its pod."""
    faces.create(name, **on_mute_node(**spec))
    faces.publish(name)
    return faces.pod_of(name)


PULL = 'Back-off pulling image "x": ErrImagePull: rpc error: code = NotFound desc = failed to pull: not found'

# The kubelet's status of containers, and the reason and message that the user must see.
KUBELET: list[tuple[str, Object, str, str]] = [
    ("image", {"containerStatuses": [container(**waits("ImagePullBackOff", PULL))]}, "ImagePullFailed", "not found"),
    ("name", {"containerStatuses": [container(**waits("InvalidImageName", "bad"))]}, "ImagePullFailed", "service:1"),
    (
        "accelerator",
        {"containerStatuses": [container(**ended("accelerator_unavailable: the CUDA driver is missing\n"))]},
        "AcceleratorUnavailable",
        "the CUDA driver is missing",
    ),
    (
        "model",
        {"initContainerStatuses": [container("model", **ended("log\ninvalid_bundle: sha256 of a.onnx differs"))]},
        "ModelInvalid",
        "sha256 of a.onnx differs",
    ),
    (
        "download",
        {"initContainerStatuses": [container("model", **ended("model_download_failed: no bucket models"))]},
        "ModelDownloadFailed",
        "no bucket models",
    ),
    (
        "settings",
        {"containerStatuses": [container(**ended("invalid_settings: FACE_COMPARISON_X is unknown"))]},
        "SettingsInvalid",
        "FACE_COMPARISON_X is unknown",
    ),
    ("memory", {"containerStatuses": [container(**ended(reason="OOMKilled", code=137))]}, "OutOfMemory", "memory"),
    ("crash", {"containerStatuses": [container(**ended("a\nSegmentation fault", code=139))]}, "CrashLooping", "139"),
    (
        "sidecar that ends without an error",
        {"containerStatuses": [container("mesh", **ended(reason="Completed", code=0))]},
        "CrashLooping",
        "container mesh exits with code 0",
    ),
    (
        "hook",
        {"containerStatuses": [container("mesh", **waits("PostStartHookError", "hook of mesh failed"))]},
        "ContainerFailed",
        "container mesh cannot start: hook of mesh failed",
    ),
    (
        "signature",
        {"containerStatuses": [container(**waits("SignatureValidationFailed", "not signed"))]},
        "ImagePullFailed",
        "not signed",
    ),
    (
        "gate",
        {
            "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "held by a queue"}
            ]
        },
        "Unschedulable",
        "held by a queue",
    ),
    (
        "variable",
        {"containerStatuses": [container(**waits("CreateContainerConfigError", 'secret "s3" not found'))]},
        "SecretNotFound",
        "s3",
    ),
]


def test_missing_volume_secret_is_reported(faces: Faces) -> None:
    """The first of this file: after a minute without reports, the node counts as lost and its pods as not ready."""
    pod = broken(faces, auth={"mode": "ApiKey", "secretName": "keys"})
    faces.kubelet_says(pod, containerStatuses=[container(**waits("ContainerCreating", ""))])
    faces.kubelet_warns(pod, "FailedMount", 'MountVolume.SetUp failed for volume "auth" : secret "keys" not found')
    assert "Secret keys does not exist" in faces.wait_for("faces", "SecretNotFound")["message"]
    faces.kubelet_says(pod, phase="Running", conditions=[{"type": "Ready", "status": "True"}])
    faces.wait_for("faces", "Deployed")


@pytest.mark.parametrize(
    ("status", "reason", "words"), [case[1:] for case in KUBELET], ids=[case[0] for case in KUBELET]
)
def test_kubelet_failures_are_reported_and_recover(faces: Faces, status: Object, reason: str, words: str) -> None:
    faces.kubelet_says(broken(faces), phase="Pending", **status)
    ready = faces.wait_for("faces", reason)
    assert ready["status"] == "False"
    assert words in ready["message"]
    faces.change("faces", nodeSelector=None)
    faces.wait_for("faces", "Deployed")


def test_failing_probe_of_a_running_container_is_reported(faces: Faces) -> None:
    """Its status does not say why it is not ready; only an event does."""
    pod = broken(faces)
    runs = container(state={"running": {"startedAt": "2026-01-01T00:00:00Z"}})
    faces.kubelet_says(pod, phase="Running", containerStatuses=[runs])
    refused = (
        'Startup probe failed: Get "http://10.0.0.7:8080/readyz": dial tcp 10.0.0.7:8080: connect: connection refused'
    )
    faces.kubelet_warns(pod, "Unhealthy", refused)
    ready = faces.wait_for("faces", "ProbeFailed")
    assert f"container service is running, but not ready: {refused}" in ready["message"]
    faces.change("faces", nodeSelector=None)
    faces.wait_for("faces", "Deployed")


def test_stuck_terminating_pod_is_reported(faces: Faces) -> None:
    pod = broken(faces, strategy={"type": "Recreate"}, limits={"requestSeconds": 1})
    faces.kubelet_says(pod, phase="Running", conditions=[{"type": "Ready", "status": "True"}])
    faces.wait_for("faces", "Deployed")
    faces.change("faces", stage="v2")
    ready = faces.wait_for("faces", "PodTerminating", seconds=60)
    assert f"the pod {pod['metadata']['name']} is still being deleted: its node has not ended it" in ready["message"]
    faces.change("faces", nodeSelector=None)

    def ready_once_its_pods_are_gone() -> bool:
        """Plays the node, which stops deleted pods."""
        for each in faces.pods():
            if "deletionTimestamp" in each["metadata"]:
                faces.api.delete(POD, faces.namespace, each["metadata"]["name"], gracePeriodSeconds=0)
        return bool(faces.condition("faces").get("reason") == "Deployed")

    until(ready_once_its_pods_are_gone, bool, "it is ready")


def test_running_version_keeps_serving(faces: Faces) -> None:
    faces.deploy("faces", accelerator=CPU)
    first = faces.pod_of("faces")
    faces.change("faces", **on_mute_node(image="registry.example/does-not-exist:1"))
    pod = faces.pod_of("faces", lambda each: each["spec"]["nodeName"] == MUTE)
    faces.kubelet_says(pod, containerStatuses=[container(**waits("ErrImagePull", "not found"))])
    ready = faces.wait_for("faces", "ImagePullFailed")
    assert "the previous version is still serving" in ready["message"]
    assert faces.condition("faces", "Available")["status"] == "True"
    assert first["metadata"]["name"] in {each["metadata"]["name"] for each in faces.pods()}
    faces.change("faces", image=None, nodeSelector=None)
    faces.wait_for("faces", "Deployed")


def test_deadline_follows_wall_clock(faces: Faces) -> None:
    faces.create("faces", **on_mute_node(deployDeadlineSeconds=2))
    faces.publish("faces")
    ready = faces.wait_for("faces", "ProgressDeadlineExceeded")
    assert "not ready 2 s after" in ready["message"]
    assert faces.condition("faces", "Progressing")["reason"] == "ProgressDeadlineExceeded"
    faces.kubelet_says(faces.pod_of("faces"), containerStatuses=[container(**ended("accelerator_unavailable: none"))])
    faces.wait_for("faces", "AcceleratorUnavailable")
    assert "none" in faces.wait_for("faces", "ProgressDeadlineExceeded", "Progressing")["message"]
