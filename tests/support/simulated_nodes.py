"""Nodes without a kubelet, and the status of containers that a kubelet would write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from devtools.k8s.api import Api, Object
from face_comparison_operator.api_resources import ApiResource

CPU = {"type": "cpu"}
NODE = ApiResource("v1", "Node", "nodes")


@contextmanager
def node(api: Api, name: str, **labels: str) -> Iterator[None]:
    """A node that no kubelet reports on, for pods that tolerate it."""
    amounts = {"cpu": "32", "memory": "64Gi", "pods": "100"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "posted by the test"}
    status = {"capacity": amounts, "allocatable": amounts, "conditions": [ready]}
    taints = [{"key": "example.com/mute", "effect": "NoSchedule"}]
    metadata = {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}}
    api.create(NODE, {"metadata": metadata, "spec": {"taints": taints}, "status": status})
    yield
    api.delete(NODE, None, name)


def on_node(name: str, **spec: Any) -> dict[str, Any]:
    """Returns a spec whose pods only this node accepts."""
    here = {"nodeSelector": {"kubernetes.io/hostname": name}, "tolerations": [{"operator": "Exists"}]}
    return {"accelerator": CPU, **here, **spec}


def container(name: str = "service", **state: Any) -> Object:
    """Returns the status of a container that is not ready, as the kubelet writes it."""
    image = "registry.example/face-comparison/service:1"
    return {"name": name, "image": image, "imageID": "", "ready": False, "restartCount": 3, **state}


def ended(message: str = "", reason: str = "Error", code: int = 1) -> Object:
    """Returns the states of a container that exits again and again."""
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}
    terminated = {"exitCode": code, "reason": reason, "message": message}
    return {"state": {"waiting": waiting}, "lastState": {"terminated": terminated}}


def waits(reason: str, message: str) -> Object:
    """Returns the state of a container that was not created."""
    return {"state": {"waiting": {"reason": reason, "message": message}}}
