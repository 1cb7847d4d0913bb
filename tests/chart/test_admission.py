"""What the API server lets the operator's account write, tested with that account."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from devtools.helm import Helm, Object
from devtools.k8s.controlplane import ControlPlane, KubectlFailed

pytestmark = pytest.mark.cluster

MANAGED = {"app.kubernetes.io/managed-by": "face-comparison-operator"}
Change = Callable[[Any], object]


def owner(uid: str, **changes: Any) -> Object:
    reference = {"apiVersion": "facecomparison.dev/v1alpha1", "kind": "FaceComparison", "name": "faces", "uid": uid}
    return {**reference, "controller": True, "blockOwnerDeletion": True, **changes}


def container(**changes: Any) -> Object:
    confined = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {"name": "service", "image": "registry.example.com/service:1", "securityContext": confined, **changes}


class Account:
    """kubectl as the operator's ServiceAccount of one release."""

    def __init__(self, plane: ControlPlane, namespace: str, system: str) -> None:
        self.plane, self.namespace = plane, namespace
        self.user = f"system:serviceaccount:{system}:face-comparison"

    def answer(self, *arguments: str, body: Object | None = None, namespace: str = "") -> str:
        """Returns kubectl's output, whether it succeeds or fails."""
        stdin = None if body is None else json.dumps(body)
        words = (*arguments, f"--as={self.user}", f"--namespace={namespace or self.namespace}")
        try:
            return self.plane.kubectl(*words, stdin=stdin)
        except KubectlFailed as refused:
            return str(refused)

    def create(self, body: Object, namespace: str = "") -> str:
        return self.answer("create", "--dry-run=server", "-f", "-", body=body, namespace=namespace)


@pytest.fixture(scope="module")
def system(plane: ControlPlane) -> Iterator[str]:
    """The operator's own namespace, with the chart in it, and the resource `faces` in `teams`."""
    releases = Helm(plane.kubeconfig)
    for name in ("system", "teams"):
        plane.kubectl("create", "namespace", name)
    releases.install("system", '--set-json=allowed.serviceAccounts=["robot-*","ci[0-9]"]')
    faces = {"apiVersion": "facecomparison.dev/v1alpha1", "kind": "FaceComparison", "metadata": {"name": "faces"}}
    plane.kubectl("create", "--namespace=teams", "-f", "-", stdin=json.dumps(faces))
    yield "system"
    releases.uninstall("system")
    plane.kubectl("delete", "namespace", "teams", "system", "--wait=false")
    plane.kubectl("delete", "crd", "facecomparisons.facecomparison.dev")


@pytest.fixture(scope="module")
def uid(plane: ControlPlane, system: str) -> str:
    return plane.kubectl("get", "facecomparison", "faces", "--namespace=teams", "-o=jsonpath={.metadata.uid}")


@pytest.fixture(scope="module")
def account(plane: ControlPlane, system: str) -> Account:
    """Returned once the policies are in force, a moment after their creation."""
    account = Account(plane, "teams", system)
    foreign = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "foreign"}}
    plane.wait_for("the policies", lambda: "that a FaceComparison controls" in account.create(foreign))
    return account


@pytest.fixture
def deployment(uid: str) -> Object:
    """A Deployment as the operator creates it."""
    labels = {"app.kubernetes.io/instance": "faces", **MANAGED}
    pod = {
        "serviceAccountName": "faces",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "initContainers": [container(name="model")],
        "containers": [container()],
        "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "auth", "secret": {"secretName": "keys"}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "faces", "labels": labels, "ownerReferences": [owner(uid)]},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }


@pytest.fixture
def service(uid: str) -> Object:
    """A Service as the operator creates it."""
    metadata = {"name": "faces", "labels": MANAGED, "ownerReferences": [owner(uid)]}
    spec = {"selector": MANAGED, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def test_children_of_a_resource_are_admitted(account: Account, deployment: Object, service: Object) -> None:
    for body in (deployment, service):
        assert "created" in account.create(body)


def test_restricted_volumes_are_admitted(account: Account, deployment: Object) -> None:
    deployment["spec"]["template"]["spec"]["volumes"] = [
        {"name": "authorities", "configMap": {"name": "authorities"}},
        {"name": "model", "persistentVolumeClaim": {"claimName": "models"}},
        {"name": "merged", "projected": {"sources": [{"configMap": {"name": "authorities"}}]}},
    ]
    assert "created" in account.create(deployment)


@pytest.mark.parametrize("name", ["robot-a", "ci1", "ci.x"])
def test_permitted_service_account_is_admitted(account: Account, deployment: Object, name: str) -> None:
    deployment["spec"]["template"]["spec"]["serviceAccountName"] = name
    assert ("created" in account.create(deployment)) is (name != "ci.x")


def pod(body: Object) -> Any:
    return body["spec"]["template"]["spec"]


NOT_OURS: dict[str, Change] = {
    "no owner": lambda metadata: metadata.pop("ownerReferences"),
    "an owner of another kind": lambda metadata: metadata["ownerReferences"][0].update(
        kind="Deployment", apiVersion="apps/v1"
    ),
    "an owner of another group": lambda metadata: metadata["ownerReferences"][0].update(apiVersion="example.com/v1"),
    "an owner that does not control it": lambda metadata: metadata["ownerReferences"][0].update(controller=False),
    "no label": lambda metadata: metadata.pop("labels"),
    "another manager": lambda metadata: metadata.update(labels={"app.kubernetes.io/managed-by": "Helm"}),
}


@pytest.mark.parametrize("change", NOT_OURS.values(), ids=NOT_OURS)
def test_objects_without_controlling_resource_are_rejected(account: Account, service: Object, change: Change) -> None:
    change(service["metadata"])
    assert "writes only objects that a FaceComparison controls" in account.create(service)


@pytest.mark.parametrize("namespace", ["kube-system", "kube-public", "kube-node-lease"])
def test_system_namespaces_are_rejected(account: Account, deployment: Object, namespace: str) -> None:
    assert "into the namespaces of Kubernetes itself" in account.create(deployment, namespace)


DANGEROUS: dict[str, Change] = {
    "the node's file system": lambda pod: pod["volumes"].append({"name": "root", "hostPath": {"path": "/"}}),
    "a volume from the network": lambda pod: pod["volumes"].append({"name": "n", "nfs": {"server": "x", "path": "/"}}),
    "the node's network": lambda pod: pod.update(hostNetwork=True),
    "the node's processes": lambda pod: pod.update(hostPID=True),
    "the node's shared memory": lambda pod: pod.update(hostIPC=True),
    "a port of the node": lambda pod: pod["containers"][0].update(ports=[{"containerPort": 80, "hostPort": 80}]),
    "root": lambda pod: pod["securityContext"].update(runAsUser=0),
    "no word about root": lambda pod: pod.pop("securityContext"),
    "root in one container": lambda pod: pod["containers"][0]["securityContext"].update(runAsUser=0),
    "root allowed in one container": lambda pod: pod["containers"][0]["securityContext"].update(runAsNonRoot=False),
    "a container that is not confined": lambda pod: pod["containers"][0].pop("securityContext"),
    "an init container that is not confined": lambda pod: pod["initContainers"][0].pop("securityContext"),
    "a capability": lambda pod: pod["containers"][0]["securityContext"]["capabilities"].update(add=["NET_RAW"]),
    "a token": lambda pod: pod.update(automountServiceAccountToken=True),
    "a projected token": lambda pod: pod["volumes"].append(
        {
            "name": "token",
            "projected": {"sources": [{"configMap": {"name": "c"}}, {"serviceAccountToken": {"path": "t"}}]},
        }
    ),
    "a projected token for others": lambda pod: pod["volumes"].append(
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "audience": "vault"}}]}}
    ),
    "no filter of system calls": lambda pod: pod["securityContext"].update(seccompProfile={"type": "Unconfined"}),
    "no word about system calls": lambda pod: pod["securityContext"].pop("seccompProfile"),
    "a container without filter of system calls": lambda pod: pod["containers"][0]["securityContext"].update(
        seccompProfile={"type": "Unconfined"}
    ),
    "no AppArmor": lambda pod: pod["securityContext"].update(appArmorProfile={"type": "Unconfined"}),
    "an init container without AppArmor": lambda pod: pod["initContainers"][0]["securityContext"].update(
        appArmorProfile={"type": "Unconfined"}
    ),
    "another SELinux type": lambda pod: pod["securityContext"].update(seLinuxOptions={"type": "spc_t"}),
    "another SELinux user": lambda pod: pod["containers"][0]["securityContext"].update(
        seLinuxOptions={"user": "system_u"}
    ),
    "kernel parameters": lambda pod: pod["securityContext"].update(
        sysctls=[{"name": "net.ipv4.ip_local_port_range", "value": "1 65535"}]
    ),
    "a probe of something else": lambda pod: pod["containers"][0].update(
        livenessProbe={"httpGet": {"host": "169.254.169.254", "port": 80}}
    ),
    "a hook that calls something else": lambda pod: pod["containers"][0].update(
        lifecycle={"preStop": {"httpGet": {"host": "10.0.0.1", "port": 80}}}
    ),
    "another ServiceAccount": lambda pod: pod.update(serviceAccountName="builder"),
    "a similar ServiceAccount": lambda pod: pod.update(serviceAccountName="my-robot-a"),
    "the default ServiceAccount": lambda pod: pod.pop("serviceAccountName"),
    "a token by default": lambda pod: pod.pop("automountServiceAccountToken"),
}


@pytest.mark.parametrize("change", DANGEROUS.values(), ids=DANGEROUS)
def test_privileged_pods_are_rejected(account: Account, deployment: Object, change: Change) -> None:
    change(pod(deployment))
    assert "of the operator" in account.create(deployment)


def test_annotation_against_apparmor_is_rejected(account: Account, deployment: Object) -> None:
    name = "container.apparmor.security.beta.kubernetes.io/service"
    deployment["spec"]["template"]["metadata"]["annotations"] = {name: "unconfined"}
    assert "keep the confinement" in account.create(deployment)


FURTHER = [
    {"type": "LoadBalancer"},
    {"type": "NodePort"},
    {"type": "ExternalName", "externalName": "x.example.com"},
    {"externalIPs": ["198.51.100.1"]},
]


@pytest.mark.parametrize("change", FURTHER, ids=str)
def test_exposed_services_are_rejected(account: Account, service: Object, change: Object) -> None:
    service["spec"].update(change)
    assert "face-comparison-services.system" in account.create(service)


class TestExisting:
    """Existing objects, created by somebody with all permissions."""

    @pytest.fixture
    def make(self, plane: ControlPlane, service: Object) -> Iterator[Callable[..., str]]:
        created: list[str] = []

        def make(name: str, **changes: Any) -> str:
            body = copy.deepcopy(service)
            body["metadata"].update(name=name, **changes)
            plane.kubectl("create", "--namespace=teams", "-f", "-", stdin=json.dumps(body))
            created.append(name)
            return f"service/{name}"

        yield make
        plane.kubectl("delete", "service", *created, "--namespace=teams", "--ignore-not-found")

    @pytest.fixture
    def write(self, account: Account, uid: str) -> Callable[[str], str]:
        """Takes an object over, as a repair does; returns the API server's response."""
        metadata = {"labels": MANAGED, "ownerReferences": [owner(uid)]}
        patch = json.dumps({"metadata": metadata})
        return functools.partial(account.answer, "patch", "--type=merge", f"--patch={patch}", "--dry-run=server")

    def test_child_of_a_resource_may_be_changed(self, make: Callable[..., str], write: Callable[[str], str]) -> None:
        assert "patched" in write(make("ours"))

    def test_child_with_removed_label_may_be_changed(
        self, make: Callable[..., str], write: Callable[[str], str]
    ) -> None:
        assert "patched" in write(make("unlabelled", labels={}))

    def test_own_orphan_may_be_adopted(self, make: Callable[..., str], write: Callable[[str], str]) -> None:
        assert "patched" in write(make("orphan", ownerReferences=[]))

    @pytest.mark.parametrize("change", ["foreign", "owned", "claimed"])
    def test_foreign_object_may_not_be_changed(
        self, plane: ControlPlane, make: Callable[..., str], write: Callable[[str], str], change: str
    ) -> None:
        there = ("get", "serviceaccount", "default", "--namespace=teams", "-o=jsonpath={.metadata.uid}")
        reference = {"apiVersion": "v1", "kind": "ServiceAccount", "name": "default", "uid": plane.kubectl(*there)}
        other = [{**reference, "controller": True}]
        changes: dict[str, Object] = {
            "foreign": {"labels": {}, "ownerReferences": []},
            "owned": {"labels": {}, "ownerReferences": other},
            "claimed": {"labels": MANAGED, "ownerReferences": other},
        }
        name = make(change, **changes[change])
        assert "changes and deletes only objects" in write(name)

    def test_foreign_deployment_may_not_be_adopted(
        self, plane: ControlPlane, account: Account, deployment: Object, uid: str
    ) -> None:
        deployment["metadata"].update(labels={}, ownerReferences=[], name="theirs")
        plane.kubectl("create", "--namespace=teams", "-f", "-", stdin=json.dumps(deployment))
        patch = json.dumps({"metadata": {"labels": MANAGED, "ownerReferences": [owner(uid)]}})
        message = account.answer(
            "patch", "deployment", "theirs", "--type=merge", f"--patch={patch}", "--dry-run=server"
        )
        assert "changes and deletes only objects" in message

    def test_foreign_service_account_may_not_be_deleted(self, account: Account) -> None:
        assert "changes and deletes only" in account.answer("delete", "serviceaccount", "default", "--dry-run=server")

    def test_existing_external_address_is_tolerated(
        self, plane: ControlPlane, make: Callable[..., str], write: Callable[[str], str]
    ) -> None:
        name = make("external")
        addresses = json.dumps({"spec": {"externalIPs": ["198.51.100.1"]}})
        plane.kubectl("patch", name, "--namespace=teams", "--type=merge", f"--patch={addresses}")
        assert "patched" in write(name)

    @pytest.mark.parametrize(
        ("foreign", "repair"),
        [
            ({"type": "NodePort"}, {"type": "ClusterIP"}),
            ({"type": "ExternalName", "externalName": "x.example.com"}, {"type": "ClusterIP", "externalName": None}),
            ({"externalIPs": ["198.51.100.1", "198.51.100.2"]}, {"externalIPs": ["198.51.100.2"]}),
            ({"externalIPs": ["198.51.100.1"]}, {"externalIPs": None}),
        ],
        ids=["a port of every node", "another name", "one of two addresses", "the only address"],
    )
    def test_opened_object_may_be_closed(
        self, plane: ControlPlane, account: Account, make: Callable[..., str], foreign: Object, repair: Object
    ) -> None:
        name = make("opened")
        for change in (foreign, {}):
            plane.kubectl("patch", name, "--namespace=teams", "--type=merge", f"--patch={json.dumps({'spec': change})}")
        words = ("patch", name, "--type=merge", "--dry-run=server")
        assert "patched" in account.answer(*words, f"--patch={json.dumps({'metadata': {'annotations': {'a': 'b'}}})}")
        assert "patched" in account.answer(*words, f"--patch={json.dumps({'spec': repair})}")
        other = {"externalIPs": ["198.51.100.9"]}
        assert "claims no external" in account.answer(*words, f"--patch={json.dumps({'spec': {**repair, **other}})}")

    def test_opened_pods_may_be_closed(self, plane: ControlPlane, account: Account, deployment: Object) -> None:
        closed = copy.deepcopy(pod(deployment))
        deployment["metadata"]["name"] = pod(deployment)["serviceAccountName"] = "opened"
        deployment["spec"]["replicas"] = 0
        pod(deployment).update(hostNetwork=True)
        pod(deployment)["containers"][0]["securityContext"]["runAsUser"] = 0
        plane.kubectl("create", "--namespace=teams", "-f", "-", stdin=json.dumps(deployment))
        words = ("patch", "deployment/opened", "--type=merge", "--dry-run=server")

        def answer(change: Object) -> str:
            return account.answer(*words, f"--patch={json.dumps(change)}")

        assert "patched" in answer({"metadata": {"annotations": {"a": "b"}}})
        assert "of the operator" in answer({"spec": {"replicas": 1}}), "it starts no such pod"
        template = {"template": {"spec": {"containers": closed["containers"], "hostNetwork": None}}}
        assert "patched" in answer({"spec": template})


def test_other_users_are_not_restricted(plane: ControlPlane, account: Account) -> None:
    """The policies apply to one account only."""
    foreign = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "foreign"}}
    message = plane.kubectl(
        "create", "--namespace=kube-system", "--dry-run=server", "-f", "-", stdin=json.dumps(foreign)
    )
    assert "created" in message
