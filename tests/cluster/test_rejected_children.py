"""Children that quota, admission, or a conflict of names keeps out are reported, and created once nothing does."""

from __future__ import annotations

import pytest

from devtools.k8s.api import CRD, Faces, Object, Refused, install, permissive_crd, until
from face_comparison_operator.api_resources import (
    AUTOSCALER,
    DEPLOYMENT,
    SCALED_OBJECT,
    SERVICE,
    SERVICE_ACCOUNT,
    ApiResource,
)

pytestmark = pytest.mark.cluster

CPU = {"type": "cpu"}
QUOTA = ApiResource("v1", "ResourceQuota", "resourcequotas")
WEBHOOK = ApiResource(
    "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations"
)
POLICY = ApiResource("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies")
BINDING = ApiResource(
    "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"
)


def in_force(quota: Object | None) -> bool:
    return quota is not None and "hard" in quota.get("status", {})


def test_quota_is_reported(faces: Faces) -> None:
    faces.api.create(
        QUOTA, {"metadata": {"name": "none", "namespace": faces.namespace}, "spec": {"hard": {"pods": "0"}}}
    )
    until(lambda: faces.api.get(QUOTA, faces.namespace, "none"), in_force, "the quota is in force")
    faces.create("faces", accelerator=CPU)
    faces.publish("faces")
    assert "exceeded quota" in faces.wait_for("faces", "PodCreationFailed")["message"]
    faces.api.delete(QUOTA, faces.namespace, "none")
    faces.change("faces", podAnnotations={"example.com/again": "yes"})  # the ReplicaSet's next attempt may take minutes
    faces.wait_for("faces", "Deployed")


@pytest.mark.parametrize("kind", [SERVICE, DEPLOYMENT], ids=lambda kind: kind.name)
def test_name_conflict_is_reported(faces: Faces, kind: ApiResource) -> None:
    labels = {"app": "other"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "other", "image": "other"}]}}
    specs = {"Service": {"ports": [{"port": 9}]}, "Deployment": {"selector": {"matchLabels": labels}, "template": pod}}
    foreign = {"metadata": {"name": "faces", "namespace": faces.namespace}, "spec": specs[kind.name]}
    before = faces.api.create(kind, foreign)
    faces.create("faces", accelerator=CPU)
    ready = faces.wait_for("faces", "NameConflict")
    assert f"{kind.name} faces" in ready["message"]
    after = faces.child(kind, "faces")
    assert after is not None
    assert after["metadata"].get("ownerReferences") is None
    assert (after["spec"], after["metadata"].get("labels")) == (before["spec"], before["metadata"].get("labels"))
    faces.api.delete(kind, faces.namespace, "faces")
    faces.publish("faces")
    faces.wait_for("faces", "Deployed")


def test_child_that_the_api_server_rejects_is_reported(faces: Faces) -> None:
    faces.deploy("faces", accelerator=CPU)
    faces.change("faces", affinity={"podAffinity": {"misspelt": []}})
    ready = faces.wait_for("faces", "ApplyFailed")
    assert "misspelt" in ready["message"]
    assert "the previous version is still serving" in ready["message"]
    faces.change("faces", affinity=None)
    faces.wait_for("faces", "Deployed")


def test_service_account_is_kept_while_pods_use_it(faces: Faces) -> None:
    faces.deploy("faces", accelerator=CPU)
    faces.change("faces", serviceAccountName="not-made-yet")
    assert "not-made-yet" in faces.wait_for("faces", "PodCreationFailed")["message"]
    assert faces.child(SERVICE_ACCOUNT, "faces") is not None
    faces.api.create(SERVICE_ACCOUNT, {"metadata": {"name": "not-made-yet", "namespace": faces.namespace}})
    faces.change("faces", podAnnotations={"example.com/again": "yes"})  # the ReplicaSet's next attempt may take minutes
    faces.wait_for("faces", "Deployed")
    until(lambda: faces.child(SERVICE_ACCOUNT, "faces"), lambda found: found is None, "the account is gone")


def test_unavailable_admission_webhook_is_reported(faces: Faces) -> None:
    faces.deploy("faces", accelerator=CPU)
    here = {"matchLabels": {"kubernetes.io/metadata.name": faces.namespace}}
    rule = {"apiGroups": ["networking.k8s.io"], "apiVersions": ["*"], "resources": ["ingresses"]}
    webhook = {
        "name": "validate.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [{**rule, "operations": ["CREATE", "UPDATE"]}],
        "namespaceSelector": here,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1,
    }
    faces.api.create(WEBHOOK, {"metadata": {"name": faces.namespace}, "webhooks": [webhook]})
    try:
        faces.change("faces", route={"host": "faces.example.com"})
        ready = faces.wait_for("faces", "ApplyFailed")
        assert "validate.example.com" in ready["message"]
        assert "the previous version is still serving" in ready["message"]
    finally:
        faces.api.delete(WEBHOOK, None, faces.namespace)
    faces.wait_for("faces", "Deployed")


def test_autoscaler_kinds_replace_each_other(faces: Faces) -> None:
    """KEDA's admission webhook rejects a ScaledObject for a target with an autoscaler; here a policy rejects all."""
    install(faces.api, permissive_crd(SCALED_OBJECT))
    name = faces.namespace
    rule = {"apiGroups": ["keda.sh"], "apiVersions": ["*"], "resources": ["scaledobjects"], "operations": ["CREATE"]}
    policy = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "false", "message": "not today"}],
    }
    binding = {
        "policyName": name,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}},
    }
    try:
        faces.deploy("faces", accelerator=CPU, autoscaling={})
        assert faces.child(AUTOSCALER, "faces") is not None
        faces.api.create(POLICY, {"metadata": {"name": name}, "spec": policy})
        faces.api.create(BINDING, {"metadata": {"name": name}, "spec": binding})
        until(lambda: refused(faces), bool, "the policy is in force")
        faces.change("faces", autoscaling={"metric": "InFlight"})
        assert "not today" in faces.wait_for("faces", "ApplyFailed")["message"]
        assert faces.child(AUTOSCALER, "faces") is not None, "it was not in the way"
        validations = [{"expression": "false", "message": "the workload is already managed by the hpa 'faces'"}]
        faces.api.merge(POLICY, None, name, {"spec": {"validations": validations}})
        until(lambda: faces.child(AUTOSCALER, "faces"), lambda found: found is None, "the autoscaler is gone")
        faces.api.delete(BINDING, None, name)
        until(lambda: faces.child(SCALED_OBJECT, "faces"), bool, "the ScaledObject is there", seconds=60)
        faces.wait_for("faces", "Deployed")
    finally:
        faces.api.delete(POLICY, None, name)
        faces.api.delete(CRD, None, f"{SCALED_OBJECT.plural}.keda.sh")


def refused(faces: Faces) -> bool:
    """Returns whether a ScaledObject is rejected for anybody here."""
    try:
        body = {"metadata": {"name": "any", "namespace": faces.namespace}, "spec": {}}
        faces.api.create(SCALED_OBJECT, body, dryRun="All")
    except Refused as refusal:
        return "not today" in str(refusal)
    return False


def test_policy_that_requires_labels_can_be_met(faces: Faces) -> None:
    message = "every object needs the label team"
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"]}
    rules = [{**rule, "resources": ["services", "deployments", "ingresses"]}]
    validation = {"expression": "has(object.metadata.labels) && 'team' in object.metadata.labels", "message": message}
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": faces.namespace}}}
    metadata = {"name": faces.namespace}
    spec = {"matchConstraints": {"resourceRules": rules}, "validations": [validation]}
    faces.api.create(POLICY, {"metadata": metadata, "spec": spec})
    binding = {"policyName": faces.namespace, "validationActions": ["Deny"], "matchResources": here}
    faces.api.create(BINDING, {"metadata": metadata, "spec": binding})

    def in_force() -> bool:
        body = {"metadata": {"name": "any", "namespace": faces.namespace}, "spec": {"ports": [{"port": 80}]}}
        try:
            faces.api.create(SERVICE, body, dryRun="All")
        except Refused:
            return True
        return False

    try:
        until(in_force, bool, "the policy is in force")
        faces.create("faces", accelerator=CPU)
        assert message in faces.wait_for("faces", "ApplyFailed")["message"]
        faces.change("faces", childMetadata={"labels": {"team": "vision"}})
        faces.publish("faces")
        faces.wait_for("faces", "Deployed")
    finally:
        faces.api.delete(BINDING, None, faces.namespace)
        faces.api.delete(POLICY, None, faces.namespace)
