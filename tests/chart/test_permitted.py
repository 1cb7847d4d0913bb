"""Users who may only create FaceComparison resources gain only what the chart's values permit.

Tested on the real API server, as such a user, with the operator's own account and the options that the chart renders.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from devtools import ROOT
from devtools.helm import RELEASE, Helm, of_kind
from devtools.k8s.api import Api, Faces, until
from devtools.k8s.controlplane import ControlPlane, KubectlFailed
from devtools.k8s.operating import Operator
from devtools.k8s.rights import kubeconfig
from face_comparison_operator.api_resources import AUTOSCALER, DEPLOYMENT, INGRESS
from face_comparison_operator.resource import parse

pytestmark = pytest.mark.cluster

USER = "author"
# Including those that are permitted by default.
CLOSED = (
    "allowed.hosts={*.faces.example.com}",
    "allowed.configMaps={none}",
    "allowed.volumeClaims={none}",
    "allowed.runtimeClasses={none}",
    "allowed.ingressClasses={internal}",
)
CPU: dict[str, Any] = {"accelerator": {"type": "cpu"}}


def with_host(name: str, **spec: Any) -> dict[str, Any]:
    return CPU | {"route": {"host": f"{name}.faces.example.com"}} | spec


SECRET = {"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": {"secretKeyRef": {"name": "others-secret", "key": "token"}}}
FOREIGN = {"name": "web", "namespace": "infra"}
SNIPPET = {"nginx.ingress.kubernetes.io/server-snippet": "return 200;"}
# The spec, and the value of the chart that permits it.
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "image": (with_host("image", image="registry.example.com/theirs:1"), "allowed.images={registry.example.com/*}"),
    "account": (with_host("account", serviceAccountName="builder"), "allowed.serviceAccounts={builder}"),
    "secret": (with_host("secret", env=[SECRET]), "allowed.secrets={others-*}"),
    "volume": (
        with_host("volume", volumes=[{"name": "x", "mountPath": "/x", "secret": {"secretName": "others-key"}}]),
        "allowed.secrets={others-*}",
    ),
    "variable": (
        with_host("variable", env=[{"name": "PYTHONPATH", "value": "/models"}]),
        "allowed.variables={PYTHON*}",
    ),
    "priority": (
        with_host("priority", priorityClassName="system-node-critical"),
        "allowed.priorityClasses={system-*}",
    ),
    "config-map": (
        with_host("config-map", volumes=[{"name": "x", "mountPath": "/x", "configMap": {"name": "theirs"}}]),
        "allowed.configMaps={theirs*}",
    ),
    "program": (
        with_host("program", volumes=[{"name": "x", "mountPath": "/opt/face-comparison", "emptyDir": {}}]),
        "allowed.images={*}",
    ),
    "ingress-class": (
        CPU | {"route": {"host": "class.faces.example.com", "ingress": {"className": "public"}}},
        "allowed.ingressClasses={public}",
    ),
    "hosts-file": (
        with_host("hosts-file", volumes=[{"name": "x", "mountPath": "/etc/hosts", "configMap": {"name": "theirs"}}]),
        "allowed.images={*}",
    ),
    "home": (
        with_host("home", volumes=[{"name": "x", "mountPath": "/tmp/", "configMap": {"name": "theirs"}}]),
        "allowed.images={*}",
    ),
    "authorities": (with_host("authorities", caBundle={"configMapName": "theirs-ca"}), "allowed.configMaps={theirs*}"),
    "claim": (with_host("claim", model={"volumeClaim": {"claimName": "theirs"}}), "allowed.volumeClaims={theirs}"),
    "store": (
        with_host("store", collections={"embedded": {"volumeClaim": {"claimName": "theirs"}}}),
        "allowed.volumeClaims={theirs}",
    ),
    "runtime": (
        with_host("runtime", accelerator={"type": "gpu", "runtimeClassName": "kata"}),
        "allowed.runtimeClasses={kata}",
    ),
    "host": (CPU | {"route": {"host": "bank.example.com"}}, "allowed.hosts={*.example.com}"),
    "every-host": (CPU, "allowed.hosts={*}"),
    "pod-annotation": (
        with_host("pod", podAnnotations={"sidecar.istio.io/inject": "true"}),
        "allowed.annotations={sidecar.istio.io/*}",
    ),
    "ingress-annotation": (
        CPU | {"route": {"host": "ingress.faces.example.com", "ingress": {"annotations": SNIPPET}}},
        "allowed.annotations={nginx.ingress.kubernetes.io/*}",
    ),
    "name-server": (
        with_host("name-server", dnsPolicy="None", dnsConfig={"nameservers": ["192.0.2.53"]}),
        "allowed.dns={192.0.2.*}",
    ),
    "search-domain": (
        with_host("search-domain", dnsConfig={"searches": ["theirs.example.com"]}),
        "allowed.dns={theirs.*}",
    ),
    "host-alias": (
        with_host("host-alias", hostAliases=[{"ip": "192.0.2.1", "hostnames": ["store.example.com"]}]),
        "allowed.dns={store.*}",
    ),
    "device": (
        with_host("device", resources={"limits": {"devices.kubevirt.io/kvm": "1"}}),
        "allowed.devices={devices.kubevirt.io/*}",
    ),
    "accelerator": (
        with_host("accelerator", accelerator={"type": "gpu", "resourceName": "smarter-devices/mem"}),
        "allowed.devices={smarter-devices/*}",
    ),
    "device-claim": (
        with_host("device-claim", resourceClaims=[{"name": "gpu", "resourceClaimName": "theirs"}]),
        "allowed.resourceClaims={theirs}",
    ),
    "label": (
        with_host("label", podLabels={"sidecar.istio.io/inject": "true"}),
        "allowed.labels={sidecar.istio.io/*}",
    ),
    "child-label": (
        with_host("child-label", childMetadata={"labels": {"azure.workload.identity/use": "true"}}),
        "allowed.labels={azure.workload.identity/*}",
    ),
    "monitor-label": (
        with_host("monitor-label", monitoring={"labels": {"argocd.argoproj.io/instance": "theirs"}}),
        "allowed.labels={argocd.argoproj.io/*}",
    ),
    "endpoint": (
        with_host("endpoint", env=[{"name": "AWS_ENDPOINT_URL", "value": "http://192.0.2.1"}]),
        "allowed.variables={AWS_ENDPOINT_URL}",
    ),
    "gateway": (
        CPU | {"route": {"host": "gw.faces.example.com", "gateway": {"parentRefs": [FOREIGN]}}},
        "allowed.gateways={infra/*}",
    ),
}  # fmt: skip


def options(*values: str) -> list[str]:
    """Returns the operator's options as the chart renders them for these values."""
    (container,) = of_kind(Helm().template(*(f"--set={each}" for each in values)), "Deployment")["spec"]["template"][
        "spec"
    ]["containers"]
    prefix = "FACE_COMPARISON_OPERATOR_ALLOWED_"
    found = [
        f"--allowed-{each['name'].removeprefix(prefix).lower().replace('_', '-')}={each['value']}"
        for each in container["env"]
        if each["name"].startswith(prefix)
    ]
    assert found
    return found


@pytest.fixture
def faces(plane: ControlPlane, restricted: str) -> Faces:
    """The resources of a namespace in which USER may create them, and nothing else."""
    plane.kubectl("apply", "--server-side", "-f", str(ROOT / "manifests" / "crd.yaml"))
    plane.kubectl("wait", "--for=condition=Established", "crd/facecomparisons.facecomparison.dev", "--timeout=30s")
    here = f"--namespace={restricted}"
    plane.kubectl("create", "role", "author", "--verb=create", "--resource=facecomparisons.facecomparison.dev", here)
    plane.kubectl("create", "rolebinding", "author", "--role=author", f"--user={USER}", here)
    return Faces(Api(plane.kubeconfig), restricted)


def as_user(plane: ControlPlane, namespace: str, body: dict[str, Any]) -> str:
    """Creates an object as USER; at first, the API server may not know of the binding yet."""
    words = ("create", f"--as={USER}", f"--namespace={namespace}", "-f", "-")

    def create() -> str:
        try:
            return plane.kubectl(*words, stdin=json.dumps(body))
        except KubectlFailed as refused:
            return str(refused)

    return until(create, lambda message: "forbidden: User" not in message, "the user may create resources")


def create_all(plane: ControlPlane, faces: Faces, names: Sequence[str]) -> None:
    for name in names:
        metadata = {"name": name}
        body = {"apiVersion": "facecomparison.dev/v1alpha1", "kind": "FaceComparison", "metadata": metadata}
        assert "created" in as_user(plane, faces.namespace, body | {"spec": CASES[name][0]})


@pytest.fixture
def account(plane: ControlPlane, tmp_path: Path) -> Iterator[Path]:
    """A kubeconfig of the operator's own account, whose permissions are removed after the test."""
    path = kubeconfig(plane, tmp_path)
    yield path
    policies = "validatingadmissionpolicies,validatingadmissionpolicybindings"
    outside = f"clusterroles,clusterrolebindings,{policies} --selector=app.kubernetes.io/instance={RELEASE}"
    plane.kubectl("delete", *outside.split())
    plane.kubectl("delete", "namespace", path.stem, "--wait=false")


def test_service_rejects_what_is_not_permitted(
    plane: ControlPlane, faces: Faces, account: Path, tmp_path: Path
) -> None:
    for forbidden in ("deployments.apps", "pods", "ingresses.networking.k8s.io", "services"):
        with pytest.raises(KubectlFailed):
            plane.kubectl("auth", "can-i", "create", forbidden, f"--as={USER}", f"--namespace={faces.namespace}")

    with Operator(account, tmp_path / "closed", f"--namespaces={faces.namespace}", *options(*CLOSED)):
        create_all(plane, faces, list(CASES))
        for name in CASES:
            condition = faces.wait_for(name, "NotPermitted")
            assert condition["status"] == "False"
            assert "is not permitted" in condition["message"]
        assert faces.children() == [], "nothing is made for any of them"

    needed = {"allowed.hosts={*}", "allowed.devices={nvidia.com/*}"}
    permitted = sorted({value for _, value in CASES.values() if "hosts" not in value} | needed)
    values: dict[str, list[str]] = {}
    for value in permitted:
        key, _, pattern = value.partition("=")
        values.setdefault(key, []).append(pattern.strip("{}"))
    joined = [f"{key}={{{','.join(patterns)}}}" for key, patterns in values.items()]
    with Operator(account, tmp_path / "open", f"--namespaces={faces.namespace}", *options(*joined)):
        for name in CASES:
            until(partial(faces.child, DEPLOYMENT, name), bool, f"{name} gets its Deployment")
    pods = {name: faces.template(name)["spec"] for name in CASES}
    assert pods["image"]["containers"][0]["image"] == "registry.example.com/theirs:1"
    assert pods["account"]["serviceAccountName"] == "builder"
    assert SECRET in pods["secret"]["containers"][0]["env"]
    assert pods["name-server"]["dnsConfig"] == {"nameservers": ["192.0.2.53"]}
    assert pods["host-alias"]["hostAliases"][0]["hostnames"] == ["store.example.com"]
    ingress = faces.child(INGRESS, "ingress-annotation")
    assert ingress is not None
    assert ingress["metadata"]["annotations"].items() >= SNIPPET.items()


def test_names_give_no_access_to_objects_of_others(
    plane: ControlPlane, faces: Faces, account: Path, tmp_path: Path
) -> None:
    """A resource called like a ServiceAccount, a Service, or a Deployment does not use it."""
    here = f"--namespace={faces.namespace}"
    plane.kubectl("create", "serviceaccount", "builder", here)
    plane.kubectl("create", "service", "clusterip", "payroll", "--tcp=80", here)
    plane.kubectl("create", "deployment", "shop", "--image=shop", "--replicas=0", here)
    names = ("builder", "payroll", "shop")
    with Operator(account, tmp_path / "logs", f"--namespaces={faces.namespace}", *options(*CLOSED)):
        for name in names:
            body = {"apiVersion": "facecomparison.dev/v1alpha1", "kind": "FaceComparison", "metadata": {"name": name}}
            assert "created" in as_user(plane, faces.namespace, body | {"spec": with_host(name, autoscaling={})})
        for name in names:
            faces.wait_for(name, "NameConflict")
        assert faces.child(DEPLOYMENT, "builder") is None
        assert faces.child(INGRESS, "payroll") is None
        assert faces.child(AUTOSCALER, "shop") is None


def test_revoked_permission_stops_changes(faces: Faces, account: Path, tmp_path: Path) -> None:
    """A running service is left unchanged; only the spec is rejected."""
    with Operator(account, tmp_path / "logs", f"--namespaces={faces.namespace}", *options(*CLOSED)):
        faces.create("faces", **with_host("faces"))
        until(lambda: faces.child(DEPLOYMENT, "faces"), bool, "the Deployment is there")
        before = faces.template("faces")
        faces.change("faces", image="registry.example.com/theirs:1")
        faces.wait_for("faces", "NotPermitted")
        assert faces.template("faces") == before
        faces.change("faces", image=None)
        until(
            lambda: faces.condition("faces").get("reason"),
            lambda reason: reason != "NotPermitted",
            "it heals by itself",
        )


def test_every_case_is_a_valid_resource() -> None:
    for name, (spec, _) in CASES.items():
        metadata = {"name": name, "namespace": "default", "uid": "1", "generation": 1}
        parse(
            {"apiVersion": "facecomparison.dev/v1alpha1", "kind": "FaceComparison", "metadata": metadata, "spec": spec}
        )
