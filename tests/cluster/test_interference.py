"""What other programs do to children of a resource, its namespace, and the cluster's APIs: reported, and repaired."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from devtools.k8s.api import CRD, Faces, Refused, install, permissive_crd, until
from devtools.k8s.controlplane import ControlPlane
from face_comparison_operator.api_resources import (
    AUTOSCALER,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    RESOURCE,
    SCALED_OBJECT,
    ApiResource,
)

pytestmark = pytest.mark.cluster

CPU = {"type": "cpu"}
CONFIG_MAP = ApiResource("v1", "ConfigMap", "configmaps")
NAMESPACE = ApiResource("v1", "Namespace", "namespaces")
ADMISSION = "admissionregistration.k8s.io/v1"
WEBHOOK = ApiResource(ADMISSION, "ValidatingWebhookConfiguration", "validatingwebhookconfigurations")
POLICY = ApiResource(ADMISSION, "MutatingAdmissionPolicy", "mutatingadmissionpolicies")
BINDING = ApiResource(ADMISSION, "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings")


def test_second_autoscaler_of_the_deployment_is_reported(faces: Faces, control_plane: ControlPlane) -> None:
    """As made by `kubectl autoscale deployment`, although the number of pods belongs to the resource."""
    faces.deploy("faces", accelerator=CPU)
    control_plane.kubectl(
        *("autoscale", "deployment/faces", "--name=of-somebody", "--min=3", "--max=5", "--cpu=50%"),
        f"--namespace={faces.namespace}",
    )
    message = faces.wait_for("faces", "ApplyFailed", seconds=90)["message"]
    assert "another program keeps changing the Deployment faces" in message
    assert "spec.replicas is 3 instead of 1" in message
    faces.api.delete(AUTOSCALER, faces.namespace, "of-somebody")
    faces.wait_for("faces", "Deployed", seconds=60)
    assert (faces.child(DEPLOYMENT, "faces") or {})["spec"]["replicas"] == 1


def test_autoscaler_with_the_name_of_the_deployment_is_reported(faces: Faces, control_plane: ControlPlane) -> None:
    """It is the name that `kubectl autoscale` chooses."""
    faces.deploy("faces", accelerator=CPU)
    words = ("autoscale", "deployment/faces", "--min=1", "--max=5", "--cpu=50%", f"--namespace={faces.namespace}")
    control_plane.kubectl(*words)
    faces.change("faces", autoscaling={"maxReplicas": 4})
    message = faces.wait_for("faces", "NameConflict")["message"]
    assert "the name of the HorizontalPodAutoscaler faces is taken" in message
    faces.api.delete(AUTOSCALER, faces.namespace, "faces")
    faces.wait_for("faces", "Deployed")
    assert (faces.child(AUTOSCALER, "faces") or {})["spec"]["maxReplicas"] == 4


def test_second_autoscaler_beside_the_own_one_is_reported(faces: Faces, control_plane: ControlPlane) -> None:
    faces.deploy("faces", accelerator=CPU, autoscaling={"maxReplicas": 4})
    control_plane.kubectl(
        *("autoscale", "deployment/faces", "--name=of-somebody", "--min=1", "--max=5", "--cpu=50%"),
        f"--namespace={faces.namespace}",
    )
    until(
        lambda: faces.condition("faces", "AutoscalerReady").get("message", ""),
        lambda message: "AmbiguousSelector" in message,
        "both are reported",
        seconds=60,
    )
    assert faces.condition("faces", "AutoscalerReady")["status"] == "False"


def test_admission_rule_that_changes_a_child_is_reported(faces: Faces, control_plane: ControlPlane) -> None:
    """It has the last word, so the operator does not write again and again."""
    name = faces.namespace
    rule = {"apiGroups": ["policy"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"]}
    spec = {
        "matchConstraints": {"resourceRules": [{**rule, "resources": ["poddisruptionbudgets"]}]},
        "mutations": [
            {
                "patchType": "ApplyConfiguration",
                "applyConfiguration": {"expression": "Object{spec: Object.spec{maxUnavailable: 5}}"},
            }
        ],
        "reinvocationPolicy": "Never",
        "failurePolicy": "Fail",
    }
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
    faces.deploy("faces", accelerator=CPU)
    faces.api.create(POLICY, {"metadata": {"name": name}, "spec": spec})
    try:
        faces.api.create(BINDING, {"metadata": {"name": name}, "spec": {"policyName": name, "matchResources": here}})

        def in_force() -> bool:
            body = {"metadata": {"name": "trial", "namespace": name}, "spec": {"maxUnavailable": 1}}
            trial = faces.api.create(DISRUPTION_BUDGET, body, dryRun="All")
            return bool(trial["spec"]["maxUnavailable"] == 5)

        until(in_force, bool, "the rule is in force")
        faces.api.merge(DISRUPTION_BUDGET, name, "faces", {"spec": {"maxUnavailable": 3}})
        changed = "an admission rule has changed PodDisruptionBudget faces: spec.maxUnavailable is 5 instead of 1"
        until(
            lambda: faces.condition("faces", "SpecAccepted")["message"],
            lambda message: changed in message,
            "the status says what differs",
        )
        assert faces.condition("faces")["reason"] == "Deployed"
        generation = (faces.child(DISRUPTION_BUDGET, "faces") or {})["metadata"]["generation"]
        faces.change("faces", replicas=2)  # reconciled after everything before
        until(lambda: faces.get("faces")["status"].get("readyReplicas"), (2).__eq__, "two pods serve")
        assert (faces.child(DISRUPTION_BUDGET, "faces") or {})["metadata"]["generation"] == generation
    finally:
        faces.api.delete(BINDING, None, name)
        faces.api.delete(POLICY, None, name)


@contextmanager
def silent_server() -> Iterator[int]:
    """Yields the port of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        connections: list[socket.socket] = []

        def accept() -> None:
            with contextlib.suppress(OSError):  # closed at the end
                while True:
                    connections.append(server.accept()[0])

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for each in connections:
            each.close()


def test_webhook_that_does_not_answer_is_reported(faces: Faces) -> None:
    """And other children are applied in the meantime."""
    rule = {"apiGroups": ["policy"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["poddisruptionbudgets"]}
    with silent_server() as port:
        webhook = {
            "name": "silent.example.com",
            "clientConfig": {"url": f"https://127.0.0.1:{port}/"},
            "rules": [rule],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": faces.namespace}},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 1,
        }
        faces.api.create(WEBHOOK, {"metadata": {"name": faces.namespace}, "webhooks": [webhook]})
        try:

            def in_force() -> bool:
                body = {"metadata": {"name": "trial", "namespace": faces.namespace}, "spec": {"maxUnavailable": 1}}
                with contextlib.suppress(Refused):
                    faces.api.create(DISRUPTION_BUDGET, body, dryRun="All")
                    return False
                return True

            until(in_force, bool, "the webhook is in force")
            faces.create("faces", accelerator=CPU)
            message = faces.wait_for("faces", "ApplyFailed")["message"]
            assert "silent.example.com" in message
            assert "deadline exceeded" in message
            faces.publish("faces")
            assert faces.child(DEPLOYMENT, "faces") is not None
        finally:
            faces.api.delete(WEBHOOK, None, faces.namespace)
    faces.wait_for("faces", "Deployed")


def test_terminating_namespace_is_reported(faces: Faces) -> None:
    """Also while a finalizer of somebody else keeps it; nothing can be created in it."""
    faces.deploy("faces", accelerator=CPU)
    held = {"metadata": {"finalizers": ["example.com/hold"]}}
    faces.api.merge(RESOURCE, faces.namespace, "faces", held)
    faces.api.create(CONFIG_MAP, {"metadata": {"name": "held", "namespace": faces.namespace, **held["metadata"]}})
    faces.api.delete(NAMESPACE, None, faces.namespace)
    until(
        lambda: faces.condition("faces"),
        lambda ready: ready["reason"] == "Terminating" and "example.com/hold" in ready["message"],
        "what keeps the resource is named",
    )
    faces.api.merge(RESOURCE, faces.namespace, "faces", {"metadata": {"finalizers": None}})
    until(lambda: faces.api.get(RESOURCE, faces.namespace, "faces"), lambda found: found is None, "it is gone")
    faces.api.merge(CONFIG_MAP, faces.namespace, "held", {"metadata": {"finalizers": None}})


def test_removed_optional_api_is_reported_until_it_is_back(faces: Faces) -> None:
    install(faces.api, permissive_crd(SCALED_OBJECT))
    name = f"{SCALED_OBJECT.plural}.keda.sh"
    try:
        faces.deploy("faces", accelerator=CPU, autoscaling={"metric": "InFlight"})
        until(lambda: faces.child(SCALED_OBJECT, "faces"), bool, "the ScaledObject is there")
        faces.api.delete(CRD, None, name)
        faces.wait_for("faces", "ApiNotInstalled", "AutoscalerReady", seconds=60)
        faces.wait_for("faces", "ApiNotInstalled", "SpecAccepted")
        assert faces.condition("faces")["reason"] == "Deployed", "it serves"
        until(lambda: faces.api.get(CRD, None, name), lambda found: found is None, "the definition is gone")
        install(faces.api, permissive_crd(SCALED_OBJECT))
        until(lambda: faces.child(SCALED_OBJECT, "faces"), bool, "there is another ScaledObject", seconds=60)
        faces.wait_for("faces", "Accepted", "SpecAccepted")
    finally:
        faces.api.delete(CRD, None, name)


def test_exhausted_quota_of_one_kind_is_reported(faces: Faces, control_plane: ControlPlane) -> None:
    """Of a child that is created last, when pods already run."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "no-budgets", "namespace": faces.namespace},
        "spec": {"hard": {"count/poddisruptionbudgets.policy": "0"}},
    }
    control_plane.kubectl("create", "-f", "-", stdin=json.dumps(quota))
    control_plane.kubectl(
        *("wait", "resourcequota/no-budgets", f"--namespace={faces.namespace}"),
        "--for=jsonpath={.status.hard}",
        "--timeout=30s",
    )
    faces.create("faces", accelerator=CPU)
    faces.publish("faces")
    assert "exceeded quota: no-budgets" in faces.wait_for("faces", "ApplyFailed")["message"]
    control_plane.kubectl("delete", "resourcequota/no-budgets", f"--namespace={faces.namespace}")
    faces.wait_for("faces", "Deployed")
