"""Pods that no node accepts, and pods on a node that stops reporting: scheduler and node controller are real."""

from __future__ import annotations

import pytest

from devtools.k8s.api import Faces
from face_comparison_operator.api_resources import ApiResource
from support.simulated_nodes import container, node, on_node

pytestmark = pytest.mark.cluster

CPU = {"type": "cpu"}
STORAGE_CLASS = ApiResource("storage.k8s.io/v1", "StorageClass", "storageclasses")
CLAIM = ApiResource("v1", "PersistentVolumeClaim", "persistentvolumeclaims")


def test_silent_scheduler_is_reported(faces: Faces) -> None:
    """Of one that does not run, and of one that has chosen a node and waits for the volume there."""
    storage_class = {"provisioner": "example.com/nobody", "volumeBindingMode": "WaitForFirstConsumer"}
    faces.api.create(STORAGE_CLASS, {"metadata": {"name": faces.namespace}, **storage_class})
    amounts = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    spec = {"storageClassName": faces.namespace, **amounts}
    faces.api.create(CLAIM, {"metadata": {"name": "models", "namespace": faces.namespace}, "spec": spec})
    faces.create("other", accelerator=CPU, schedulerName="nobody")
    faces.create("faces", accelerator=CPU, model={"volumeClaim": {"claimName": "models"}})
    for name in ("other", "faces"):
        faces.publish(name)
    assert 'is the scheduler "nobody" running?' in faces.wait_for("other", "Unschedulable")["message"]
    assert (
        "the scheduler does not run, or waits for the volume of the claim models"
        in faces.wait_for("faces", "Unschedulable")["message"]
    )
    faces.api.delete(STORAGE_CLASS, None, faces.namespace)
    faces.change("other", schedulerName=None)
    faces.change("faces", model=None)
    for name in ("other", "faces"):
        faces.wait_for(name, "Deployed")


def test_unavailable_gpu_is_named(faces: Faces) -> None:
    faces.create("faces", accelerator={"type": "gpu", "resourceName": "example.com/gpu"})
    faces.publish("faces")
    assert "example.com/gpu" in faces.wait_for("faces", "Unschedulable")["message"]
    faces.change("faces", accelerator={"resourceName": "nvidia.com/gpu"})
    faces.wait_for("faces", "Deployed")


def test_pods_stay_away_from_windows(faces: Faces) -> None:
    """Even where nothing else keeps them away: the node is asked for by name, and its taints are tolerated."""
    with node(faces.api, "windows", **{"kubernetes.io/os": "windows"}):
        faces.create("faces", **on_node("windows"))
        faces.publish("faces")
        assert "affinity" in faces.wait_for("faces", "Unschedulable")["message"]


def test_node_that_has_stopped_reporting_is_reported(faces: Faces) -> None:
    """The real controller marks its pods as not ready, after most of a minute."""
    with node(faces.api, "lost"):
        faces.create("faces", **on_node("lost"))
        faces.publish("faces")
        ready = {"type": "Ready", "status": "True"}
        runs = {**container(), "ready": True, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
        faces.kubelet_says(faces.pod_of("faces"), phase="Running", conditions=[ready], containerStatuses=[runs])
        faces.wait_for("faces", "Deployed")
        assert "has stopped reporting" in faces.wait_for("faces", "NodeNotReady", seconds=120)["message"]
        faces.change("faces", nodeSelector=None)
        faces.wait_for("faces", "Deployed")
