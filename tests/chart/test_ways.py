"""Alternatives to `helm install`: rendering and applying, and switching between manifests and Helm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from devtools import ROOT
from devtools.helm import NEEDED, RELEASE, Helm, Object, of_kind
from devtools.k8s.controlplane import ControlPlane, KubectlFailed
from face_comparison_operator.objects import desired
from face_comparison_operator.resource import parse
from face_comparison_operator.settings import Settings

pytestmark = pytest.mark.cluster

INSTALL = str(ROOT / "manifests" / "install.yaml")
SYSTEM = "face-comparison-system"
LEASE = f"lease/{RELEASE}-operator"
FIRST = "--set=faceComparison.create=true,faceComparison.spec.accelerator.type=cpu,faceComparison.spec.stage=v2"


def get(plane: ControlPlane, namespace: str, *what: str) -> Any:
    return json.loads(plane.kubectl("get", *what, f"--namespace={namespace}", "-o=json"))


def apply(plane: ControlPlane, objects: list[Object]) -> str:
    return plane.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(objects))


@pytest.fixture
def manifests(plane: ControlPlane) -> Iterator[str]:
    """An installation from manifests/install.yaml with a user's resource; returns that resource's UID."""
    plane.kubectl("apply", "--server-side", "-f", INSTALL)
    plane.kubectl("wait", "--for=condition=Established", "crd/facecomparisons.facecomparison.dev", "--timeout=30s")
    faces = {"apiVersion": "facecomparison.dev/v1alpha1", "kind": "FaceComparison", "metadata": {"name": "mine"}}
    plane.kubectl("create", f"--namespace={SYSTEM}", "-f", "-", stdin=json.dumps(faces))
    yield get(plane, SYSTEM, "facecomparison", "mine")["metadata"]["uid"]
    plane.kubectl("delete", "--ignore-not-found", "--timeout=60s", "-f", INSTALL)


def test_rendered_manifests_apply_idempotently(plane: ControlPlane, helm: Helm, restricted: str) -> None:
    objects = helm.template(FIRST, "--skip-tests", namespace=restricted)
    (definition,) = [each for each in objects if each["kind"] == "CustomResourceDefinition"]
    apply(plane, [definition])
    plane.kubectl("wait", "--for=condition=Established", "crd/facecomparisons.facecomparison.dev", "--timeout=30s")
    try:
        for _ in range(2):
            apply(plane, objects)
            assert get(plane, restricted, "facecomparison", RELEASE)["spec"]["stage"] == "v2"
    finally:
        plane.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=yaml.safe_dump_all(objects))


def test_from_the_manifests_to_helm(plane: ControlPlane, releases: Helm, manifests: str) -> None:
    before = get(plane, SYSTEM, "deployment", RELEASE)["metadata"]["uid"]
    words = ("--install", "--take-ownership", "--force-conflicts", f"--namespace={SYSTEM}")
    releases.run("upgrade", RELEASE, ROOT / "charts" / RELEASE, *words, *NEEDED)
    try:
        deployment = get(plane, SYSTEM, "deployment", RELEASE)
        assert deployment["metadata"]["uid"] == before
        assert deployment["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
        image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        assert image.startswith("registry.example.com/"), "what Helm says holds"
    finally:
        releases.uninstall(SYSTEM)
    assert get(plane, SYSTEM, "facecomparison", "mine")["metadata"]["uid"] == manifests


def test_from_helm_to_the_manifests(plane: ControlPlane, releases: Helm, restricted: str) -> None:
    """Helm forgets the release; its objects then belong to the manifests."""
    plane.kubectl("create", "namespace", SYSTEM)
    try:
        releases.install(SYSTEM)
        before = get(plane, SYSTEM, "deployment", RELEASE)["metadata"]["uid"]
        plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", INSTALL)
        plane.kubectl("delete", "secret", f"--namespace={SYSTEM}", f"--selector=owner=helm,name={RELEASE}")
        assert releases.run("list", "--short", f"--namespace={SYSTEM}") == ""
        deployment = get(plane, SYSTEM, "deployment", RELEASE)
        assert deployment["metadata"]["uid"] == before
        image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        assert image.startswith("registry.invalid/")
    finally:
        plane.kubectl("delete", "--ignore-not-found", "--timeout=60s", "-f", INSTALL)


class TestLease:
    def test_is_deleted_with_the_release_after_operator_wrote_it(
        self, plane: ControlPlane, releases: Helm, restricted: str
    ) -> None:
        releases.install(restricted)
        self.hold(plane, restricted)
        releases.upgrade(restricted, "--set=logLevel=debug")
        assert get(plane, restricted, LEASE)["spec"]["holderIdentity"] == "operator-0", "an upgrade leaves the holder"
        releases.uninstall(restricted)
        with pytest.raises(KubectlFailed, match="NotFound"):
            plane.kubectl("get", LEASE, f"--namespace={restricted}")

    def test_lease_created_by_operator_is_adopted(self, plane: ControlPlane, releases: Helm, restricted: str) -> None:
        created = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": f"{RELEASE}-operator"}}
        plane.kubectl("create", f"--namespace={restricted}", "-f", "-", stdin=json.dumps(created))
        releases.install(restricted)
        releases.upgrade(restricted, "--set=logLevel=debug")

    def hold(self, plane: ControlPlane, namespace: str) -> None:
        """Writes the Lease as its holder does."""
        spec = {"spec": {"holderIdentity": "operator-0", "leaseDurationSeconds": 12}}
        plane.kubectl("patch", LEASE, f"--namespace={namespace}", "--type=merge", f"--patch={json.dumps(spec)}")


# OpenShift's security context constraint `restricted-v2`: user IDs come from a range.
OF_THE_RANGE = "%s.?runAsUser.orValue(1000680000) >= 1000680000"
RANGE: Object = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "restricted-v2"},
    "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
            ]
        },
        "validations": [
            {"expression": expression, "message": "must be in the ranges: [1000680000, 1000689999]"}
            for expression in (
                OF_THE_RANGE % "object.spec.?securityContext",
                f"object.spec.containers.all(each, {OF_THE_RANGE % 'each.?securityContext'})",
                "object.spec.?securityContext.?fsGroup.orValue(1000680000) >= 1000680000",
            )
        ],
    },
}


class TestOpenShift:
    @pytest.fixture
    def namespace(self, plane: ControlPlane, helm: Helm, restricted: str) -> Iterator[str]:
        """A namespace in which user IDs come from a range."""
        selector = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": restricted}}}
        binding = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": "restricted-v2"},
            "spec": {"policyName": "restricted-v2", "validationActions": ["Deny"], "matchResources": selector},
        }
        apply(plane, [RANGE, binding])
        fixed = self.pod(helm, restricted)
        fixed["spec"]["securityContext"]["runAsUser"] = 65532
        plane.wait_for("the policy", lambda: "must be in the ranges" in self.answer(plane, restricted, fixed))
        yield restricted
        plane.kubectl("delete", "-f", "-", stdin=yaml.safe_dump_all([RANGE, binding]))

    def pod(self, helm: Helm, namespace: str) -> Object:
        """The pod of `helm test`."""
        return of_kind(helm.template(namespace=namespace), "Pod")

    def answer(self, plane: ControlPlane, namespace: str, pod: Object) -> str:
        """Returns the API server's response to such a pod."""
        words = ("create", "--dry-run=server", f"--namespace={namespace}", "-f", "-")
        try:
            return plane.kubectl(*words, stdin=json.dumps(pod))
        except KubectlFailed as refused:
            return str(refused)

    def test_admits_the_operator_and_its_test(
        self, plane: ControlPlane, helm: Helm, releases: Helm, namespace: str
    ) -> None:
        releases.install(namespace)  # returns once its pods are ready
        assert "created" in self.answer(plane, namespace, self.pod(helm, namespace))

    def test_admits_the_pods_of_services(self, plane: ControlPlane, helm: Helm, namespace: str) -> None:
        """Including an embedded store, with the operator's options that the chart sets there."""
        store = {"collections": {"embedded": {"volumeClaim": {"claimName": "faces"}}}}

        def answer(spec: Object, *options: str) -> str:
            (container,) = of_kind(helm.template(*options), "Deployment")["spec"]["template"]["spec"]["containers"]
            settings = Settings.from_environ({each["name"]: each["value"] for each in container["env"]})
            metadata = {"name": "faces", "namespace": namespace, "uid": "u", "generation": 1}
            created = desired(parse({"metadata": metadata, "spec": spec}), settings)
            template = of_kind(created, "Deployment")["spec"]["template"]
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "faces"}, "spec": template["spec"]}
            return self.answer(plane, namespace, pod)

        plane.kubectl("create", "serviceaccount", "faces", f"--namespace={namespace}")
        on_openshift = "--api-versions=security.openshift.io/v1"
        assert "created" in answer({}, on_openshift)
        assert "created" in answer(store, on_openshift)
        assert "must be in the ranges" in answer(store)
