"""Changed or deleted children are repaired, undesired ones are pruned, and foreign objects are not touched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devtools.k8s.api import Faces, until
from devtools.k8s.controlplane import ControlPlane
from face_comparison_operator.api_resources import (
    AUTOSCALER,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    INGRESS,
    NETWORK_POLICY,
    POD,
    SERVICE,
    SERVICE_ACCOUNT,
    ApiResource,
    kind_of,
)
from support.drift_rules import meaning

pytestmark = pytest.mark.cluster

CPU = {"type": "cpu"}

EDITS: list[tuple[ApiResource, dict[str, Any]]] = [
    (DEPLOYMENT, {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 7}}}}),
    (DEPLOYMENT, {"spec": {"replicas": 7}}),
    (SERVICE, {"spec": {"selector": {"app.kubernetes.io/instance": "another"}}}),
    (SERVICE, {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}}),
    (SERVICE, {"metadata": {"labels": {"app.kubernetes.io/instance": "another"}}}),
    (INGRESS, {"spec": {"ingressClassName": None, "rules": [{"host": "elsewhere.example.com"}]}}),
    (DISRUPTION_BUDGET, {"spec": {"maxUnavailable": 5}}),
    (NETWORK_POLICY, {"spec": {"egress": [{}]}}),
    (SERVICE_ACCOUNT, {"automountServiceAccountToken": True}),
]


@pytest.mark.parametrize(("kind", "edit"), EDITS, ids=lambda value: getattr(value, "name", None))
def test_edited_child_is_repaired(faces: Faces, kind: ApiResource, edit: dict[str, Any]) -> None:
    faces.create("faces", accelerator=CPU, networkPolicy=True)
    before = until(lambda: faces.child(kind, "faces"), bool, "the child is there")
    faces.api.merge(kind, faces.namespace, "faces", edit)
    until(
        lambda: _own(faces.child(kind, "faces")),
        lambda now: now == _own(before),
        f"the {kind.name} is as before",
        seconds=10,
    )


def test_edit_by_kubectl_is_repaired(
    faces: Faces, control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of its commands: each is another field manager, or another operation of it."""
    faces.deploy("faces", accelerator=CPU, route={"host": "faces.example.com"})
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nexec sed -i 's/maxUnavailable: 1/minAvailable: 1/' \"$1\"\n")
    editor.chmod(0o700)
    monkeypatch.setenv("KUBE_EDITOR", str(editor))
    port = {"name": "http", "port": 80, "protocol": "TCP"}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "faces"}}
    applied = {**service, "spec": {"ports": [{**port, "nodePort": 31017}], "type": "NodePort"}}
    edits: list[tuple[ApiResource, list[str], Any]] = [
        (DISRUPTION_BUDGET, ["edit", "pdb/faces"], None),
        (SERVICE, ["apply", "--server-side", "--force-conflicts", "-f", "-"], applied),
        (SERVICE, ["set", "selector", "service/faces", "app=other"], None),
        (DEPLOYMENT, ["set", "env", "deployment/faces", "FACE_COMPARISON_STAGE=other"], None),
        (DEPLOYMENT, ["set", "env", "deployment/faces", "FACE_COMPARISON_STAGE-"], None),
        (DEPLOYMENT, ["set", "image", "deployment/faces", "service=registry.example/other:1"], None),
        (DEPLOYMENT, ["set", "resources", "deployment/faces", "--limits=cpu=2"], None),
        (DEPLOYMENT, ["scale", "deployment/faces", "--replicas=3"], None),
        (DEPLOYMENT, ["rollout", "pause", "deployment/faces"], None),
        (
            INGRESS,
            ["patch", "ingress/faces", "--type=json", "-p", '[{"op": "remove", "path": "/spec/rules/0/host"}]'],
            None,
        ),
        (INGRESS, ["label", "ingress/faces", "app.kubernetes.io/instance=other", "--overwrite"], None),
    ]
    for kind, command, body in edits:
        before = meaning(faces.child(kind, "faces") or {})
        version = (faces.child(kind, "faces") or {})["metadata"]["resourceVersion"]
        words = [*command, f"--namespace={faces.namespace}"]
        control_plane.kubectl(*words, stdin=json.dumps(body) if body else None)

        def repaired(kind: ApiResource = kind, before: Any = before, version: str = version) -> bool:
            found = faces.child(kind, "faces")
            return bool(found and found["metadata"]["resourceVersion"] != version and meaning(found) == before)

        until(repaired, bool, f"{' '.join(command)}: the {kind.name} is as before")
    faces.wait_for("faces", "Deployed")


def _own(child: dict[str, Any] | None) -> dict[str, Any]:
    assert child is not None
    rest = {name: value for name, value in child.items() if name not in ("metadata", "status")}
    metadata = child["metadata"]
    noted = {name: value for name, value in metadata.get("annotations", {}).items() if "revision" not in name}
    return {**rest, "labels": metadata["labels"], "annotations": noted, "owner": metadata["ownerReferences"]}


@pytest.mark.parametrize(
    "kind", [DEPLOYMENT, SERVICE, INGRESS, SERVICE_ACCOUNT, DISRUPTION_BUDGET], ids=lambda kind: kind.name
)
def test_deleted_child_is_recreated(faces: Faces, kind: ApiResource) -> None:
    faces.create("faces", accelerator=CPU)
    before = until(lambda: faces.child(kind, "faces"), bool, "the child is there")
    assert before is not None
    uid = before["metadata"]["uid"]
    faces.api.delete(kind, faces.namespace, "faces")
    until(
        lambda: faces.child(kind, "faces"),
        lambda now: now and now["metadata"]["uid"] != uid,
        f"the {kind.name} is there again",
        seconds=10,
    )


def test_foreign_additions_are_kept(faces: Faces) -> None:
    faces.deploy("faces", accelerator=CPU)
    faces.api.merge(SERVICE, faces.namespace, "faces", {"metadata": {"annotations": {"example.com/seen": "yes"}}})
    faces.change("faces", stage="v2")
    until(
        lambda: faces.template("faces")["spec"]["containers"][0]["env"],
        lambda env: {"name": "FACE_COMPARISON_STAGE", "value": "v2"} in env,
        "the change is there",
    )
    service = faces.child(SERVICE, "faces")
    assert service is not None
    assert service["metadata"]["annotations"]["example.com/seen"] == "yes"


def test_children_that_are_no_longer_desired_are_pruned(faces: Faces) -> None:
    faces.create("faces", accelerator=CPU, networkPolicy=True, autoscaling={})
    until(
        lambda: {kind_of(each) for each in faces.children()},
        lambda found: {NETWORK_POLICY, AUTOSCALER} <= found,
        "all are there",
    )
    faces.change("faces", networkPolicy=False, autoscaling=None, disruptionBudget=False, serviceAccountName="default")
    kept = {DEPLOYMENT, SERVICE, INGRESS}
    until(lambda: {kind_of(each) for each in faces.children()}, lambda found: found == kept, "the rest is gone")


def test_fields_that_are_no_longer_desired_are_removed(faces: Faces) -> None:
    annotations = {"example.com/body-size": "20m"}
    faces.create("faces", accelerator=CPU, route={"ingress": {"annotations": annotations}}, podLabels={"a": "b"})
    until(lambda: faces.child(INGRESS, "faces"), bool, "the Ingress is there")
    faces.change("faces", route={"ingress": {"annotations": None}}, podLabels=None)

    def left() -> list[str]:
        ingress = faces.child(INGRESS, "faces")
        assert ingress is not None
        return [
            *(name for name in ingress["metadata"]["annotations"] if name in annotations),
            *(name for name in faces.template("faces")["metadata"]["labels"] if name == "a"),
        ]

    until(left, lambda found: not found, "both are gone")


def test_similar_foreign_object_is_kept(faces: Faces) -> None:
    labels = {"app.kubernetes.io/managed-by": "face-comparison-operator", "app.kubernetes.io/instance": "faces"}
    foreign = {"metadata": {"name": "other", "namespace": faces.namespace, "labels": labels}}
    faces.api.create(SERVICE_ACCOUNT, foreign)
    faces.deploy("faces", accelerator=CPU)
    faces.change("faces", serviceAccountName="default")
    until(lambda: faces.child(SERVICE_ACCOUNT, "faces"), lambda found: found is None, "ours is removed")
    assert faces.child(SERVICE_ACCOUNT, "other") is not None


def test_autoscaler_may_scale(faces: Faces) -> None:
    faces.deploy("faces", accelerator=CPU, autoscaling={"minReplicas": 1, "maxReplicas": 9})
    faces.api.merge(DEPLOYMENT, faces.namespace, "faces", {"spec": {"replicas": 4}}, "scale")
    faces.change("faces", podAnnotations={"example.com/changed": "yes"})  # makes the operator apply the Deployment
    until(
        lambda: faces.template("faces")["metadata"]["annotations"],
        lambda found: "example.com/changed" in found,
        "the change is there",
    )
    assert (faces.child(DEPLOYMENT, "faces") or {})["spec"]["replicas"] == 4
    until(lambda: faces.get("faces")["status"]["readyReplicas"], lambda ready: ready == 4, "four pods serve")


def test_autoscaler_takes_over_running_deployment(faces: Faces) -> None:
    faces.deploy("faces", accelerator=CPU, replicas=3)
    pods = {pod["metadata"]["uid"] for pod in faces.pods()}
    faces.change("faces", replicas=None, autoscaling={"minReplicas": 3, "maxReplicas": 9})
    until(lambda: faces.child(AUTOSCALER, "faces"), bool, "the autoscaler is there")
    faces.wait_for("faces", "Deployed")
    assert (faces.child(DEPLOYMENT, "faces") or {})["spec"]["replicas"] == 3
    assert {pod["metadata"]["uid"] for pod in faces.api.all(POD, faces.namespace)} == pods


def test_autoscaler_takes_over_deployment_scaled_to_zero(faces: Faces) -> None:
    """The autoscaler itself would ignore a Deployment without pods."""
    faces.create("faces", accelerator=CPU, replicas=0)
    faces.publish("faces")
    faces.wait_for("faces", "ScaledToZero")
    faces.change("faces", replicas=None, autoscaling={"minReplicas": 2, "maxReplicas": 4})
    faces.wait_for("faces", "Deployed")
    assert (faces.child(DEPLOYMENT, "faces") or {})["spec"]["replicas"] == 2

    # Whoever scales the Deployment itself to zero wants the autoscaler to pause, also after changes of the spec.
    faces.api.merge(DEPLOYMENT, faces.namespace, "faces", {"spec": {"replicas": 0}})
    faces.wait_for("faces", "ScaledToZero")
    faces.change("faces", podAnnotations={"example.com/changed": "yes"})
    until(
        lambda: faces.template("faces")["metadata"]["annotations"], lambda found: "example.com/changed" in found, "it"
    )
    faces.wait_for("faces", "ScaledToZero")
    assert (faces.child(DEPLOYMENT, "faces") or {})["spec"]["replicas"] == 0
