"""The control plane of the tests schedules pods, counts requests, and leaves nothing behind."""

from __future__ import annotations

import pytest

from devtools.k8s.controlplane import ControlPlane, KubectlFailed, attempts

pytestmark = pytest.mark.cluster


def test_pods_become_ready_on_a_suitable_node(control_plane: ControlPlane, namespace: str) -> None:
    pod = {"image": "any", "name": "any", "resources": {"limits": {"nvidia.com/gpu": 2}}}
    overrides = '{"spec": {"containers": [' + str(pod).replace("'", '"') + "]}}"
    control_plane.kubectl("run", "any", "--image=any", f"--namespace={namespace}", f"--overrides={overrides}")
    control_plane.kubectl("wait", "--for=condition=Ready", "pod/any", f"--namespace={namespace}", "--timeout=30s")
    node = control_plane.kubectl("get", "pod", "any", f"--namespace={namespace}", "-o", "jsonpath={.spec.nodeName}")
    assert node == "gpu-0"


def test_every_request_is_in_the_audit_log(control_plane: ControlPlane, namespace: str) -> None:
    before = control_plane.audit_position()
    control_plane.kubectl("create", "configmap", "one", f"--namespace={namespace}")
    mine = [
        event
        for event in control_plane.audit_events(before)
        if event.get("objectRef", {}).get("namespace") == namespace and event["userAgent"].startswith("kubectl")
    ]
    assert [(event["verb"], event["objectRef"]["resource"]) for event in mine] == [("create", "configmaps")]


def test_unknown_fields_are_rejected(control_plane: ControlPlane, namespace: str) -> None:
    service = '{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"prots": []}}'
    with pytest.raises(KubectlFailed, match="unknown field"):
        control_plane.kubectl("create", "--validate=strict", f"--namespace={namespace}", "-f", "-", stdin=service)


def test_api_server_can_restart(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("create", "configmap", "kept", f"--namespace={namespace}")
    control_plane.stop_program("kube-apiserver")
    with pytest.raises(KubectlFailed):
        control_plane.kubectl("get", "configmap", "kept", f"--namespace={namespace}", "--request-timeout=2s")
    control_plane.start_program("kube-apiserver")
    control_plane.wait_ready()
    assert "kept" in control_plane.kubectl("get", "configmaps", f"--namespace={namespace}")


def test_nothing_remains_after_stop() -> None:
    with ControlPlane(nodes=False) as plane:
        pids = [plane.processes.pid(name) for name in ("etcd", "kube-apiserver", "kube-scheduler")]
        directory = plane.directory
    assert not directory.exists()
    for _ in attempts(10):
        if not any(_alive(pid) for pid in pids):
            return
    pytest.fail(f"still there: {[pid for pid in pids if _alive(pid)]}")


def _alive(pid: int) -> bool:
    from pathlib import Path

    return Path(f"/proc/{pid}").exists()
