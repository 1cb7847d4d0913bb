"""The operator's load on the API server, counted in the audit log and not in the client."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest

from devtools.k8s.api import Api, Faces, until
from devtools.k8s.controlplane import ControlPlane
from devtools.k8s.operating import Operator
from face_comparison_operator.api_resources import CHILDREN, DEPLOYMENT

pytestmark = pytest.mark.cluster

CPU = {"type": "cpu"}
FIRST_CHILDREN = 12  # requests from the creation of a resource to its last child
STATUS_WRITES = 4  # from the creation of a resource to ready
REST_SECONDS = 20
WRITES = ("create", "update", "patch", "delete", "deletecollection")

SPECS: list[dict[str, Any]] = [
    {},
    {"accelerator": CPU, "replicas": 3},
    {
        "accelerator": CPU,
        "networkPolicy": True,
        "autoscaling": {"minReplicas": 1},
        "auth": {"mode": "ApiKey", "secretName": "keys"},
        "route": {"host": "faces.example.com", "ingress": {"tlsSecret": "certificate"}},
    },
]


class Audit:
    """The operator's requests about one namespace since this was created."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self._plane, self._namespace, self._since = plane, namespace, plane.audit_position()

    def requests(self) -> list[dict[str, Any]]:
        """All except watches, which are open throughout."""
        return [
            each
            for each in self._plane.audit_events(self._since)
            if each["userAgent"].startswith("face-comparison-operator/")
            and each.get("objectRef", {}).get("namespace") == self._namespace
            and each["verb"] != "watch"
        ]

    def writes(self) -> list[str]:
        """Descriptions of all writes."""
        return [
            f"{each['verb']} {each['objectRef']['resource']} {each['objectRef'].get('subresource', '')}".strip()
            for each in self.requests()
            if each["verb"] in WRITES and each["objectRef"]["resource"] != "leases"
        ]


@pytest.mark.parametrize("spec", SPECS, ids=["minimal", "three pods", "everything"])
def test_requests_until_ready(
    control_plane: ControlPlane, api: Api, alone: Operator, namespace: str, spec: dict[str, Any]
) -> None:
    faces = Faces(api, namespace)
    with alone:
        audit = Audit(control_plane, namespace)
        faces.deploy("faces", **spec)
        requests = audit.requests()
        metadata = faces.get("faces")["metadata"]
    assert metadata.keys().isdisjoint({"annotations", "finalizers", "labels"}), "nothing is noted on the resource"
    plurals = {kind.plural for kind in CHILDREN}
    children = [each["objectRef"]["resource"] in plurals for each in requests]
    assert 0 < len(children) - children[::-1].index(True) <= FIRST_CHILDREN
    writes = [each for each in requests if each["objectRef"].get("subresource") == "status"]
    assert 0 < len(writes) <= STATUS_WRITES


def test_spec_change_writes_only_affected_objects(
    control_plane: ControlPlane, api: Api, alone: Operator, namespace: str
) -> None:
    faces = Faces(api, namespace)
    with alone:
        faces.deploy("faces", accelerator=CPU)
        faces.change("faces", podAnnotations={"example.com/a": "b"})
        faces.wait_for("faces", "Deployed")
        audit = Audit(control_plane, namespace)
        faces.change("faces", podAnnotations={"example.com/a": "c"})
        faces.wait_for("faces", "Deployed")
        children = [each for each in audit.writes() if "facecomparisons" not in each and "events" not in each]
        assert children == ["patch deployments"]


def test_nothing_is_written_when_idle_or_after_restart(
    control_plane: ControlPlane, api: Api, alone: Operator, namespace: str
) -> None:
    faces = Faces(api, namespace)
    with alone:
        for number, spec in enumerate(SPECS):
            faces.deploy(f"faces-{number}", **spec)
        # The autoscaler's controller acts every 3 s; here it has nothing to measure.
        faces.wait_for(f"faces-{len(SPECS) - 1}", "MetricsUnavailable", "AutoscalerReady")
        _settle(control_plane, namespace)
        audit = Audit(control_plane, namespace)
        # The absence of writes can only be observed over time.
        time.sleep(REST_SECONDS)
        assert audit.writes() == []

        audit = Audit(control_plane, namespace)
        alone.stop()
        alone.start()
        looked = 'face_comparison_operator_reconciles_total{result="done"}'
        until(alone.metrics, lambda text: _value(text, looked) >= len(SPECS), "it has looked at every resource")
        _settle(control_plane, namespace)
        assert audit.writes() == []


def test_autoscaling_causes_no_writes(control_plane: ControlPlane, api: Api, alone: Operator, namespace: str) -> None:
    faces = Faces(api, namespace)
    with alone:
        faces.deploy("faces", accelerator=CPU, autoscaling={"minReplicas": 1, "maxReplicas": 9})
        audit = Audit(control_plane, namespace)
        for replicas in (3, 2):
            api.merge(DEPLOYMENT, namespace, "faces", {"spec": {"replicas": replicas}}, "scale")
            until(lambda: faces.get("faces")["status"].get("readyReplicas"), replicas.__eq__, f"{replicas} pods serve")
        assert {each for each in audit.writes() if "deployments" in each} == set()


def _settle(plane: ControlPlane, namespace: str, quiet: float = 3.0) -> None:
    """Waits until the operator has written nothing for some seconds, so that the last change is complete."""
    for _ in itertools.count():
        audit, began = Audit(plane, namespace), time.monotonic()
        until(lambda: bool(audit.writes()) or time.monotonic() > began + quiet, bool, "it is quiet", seconds=quiet + 5)  # noqa: B023
        if not audit.writes():
            return


def _value(text: str, sample: str) -> float:
    return next((float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(sample)), 0.0)
