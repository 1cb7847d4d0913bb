"""The real operator with the chart's permissions: they are sufficient, minimal, and limited to a namespace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from devtools.helm import RELEASE, Helm
from devtools.k8s.api import Api, Faces, install, permissive_crd, until
from devtools.k8s.controlplane import ControlPlane
from devtools.k8s.operating import Operator
from face_comparison_operator.api_resources import (
    CHILDREN,
    DEPLOYMENT,
    GATEWAY,
    HTTP_ROUTE,
    INGRESS,
    SCALED_OBJECT,
    SERVICE,
    SERVICE_MONITOR,
)

pytestmark = pytest.mark.cluster

Rights = set[tuple[str, str, str]]
"""API group, resource, verb."""

EVERY_CHILD: dict[str, Any] = {
    "accelerator": {"type": "cpu"},
    "autoscaling": {"metric": "CPU"},
    "monitoring": {"serviceMonitor": True},
    "networkPolicy": True,
}
# Without every optional part.
FEWEST: dict[str, Any] = {
    "autoscaling": None,
    "monitoring": {"serviceMonitor": False},
    "networkPolicy": False,
    "disruptionBudget": False,
    "serviceAccountName": "default",
}


SCHEDULED = {"type": "PodScheduled", "status": "True"}


@pytest.fixture(scope="module")
def optional_apis(plane: ControlPlane) -> Iterator[Api]:
    """The API server with a permissive CRD for each API that not every cluster has."""
    api = Api(plane.kubeconfig)
    kinds = (HTTP_ROUTE, GATEWAY, SCALED_OBJECT, SERVICE_MONITOR)
    for kind in kinds:
        install(api, permissive_crd(kind))
    yield api
    for kind in kinds:
        group = kind.api_version.partition("/")[0]
        plane.kubectl("delete", "crd", f"{kind.plural}.{group}")


def as_account(plane: ControlPlane, namespace: str, folder: Path) -> Path:
    """Returns a kubeconfig for the operator's ServiceAccount."""
    config = yaml.safe_load(plane.kubeconfig.read_text())
    token = plane.kubectl("create", "token", RELEASE, f"--namespace={namespace}").strip()
    config["users"][0]["user"] = {"token": token}
    config["contexts"][0]["context"]["namespace"] = namespace
    path = folder / "account.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


def answered(plane: ControlPlane, namespace: str, since: int) -> list[dict[str, Any]]:
    """Returns the requests of the operator's ServiceAccount, except discovery, which everybody may use."""
    account = f"system:serviceaccount:{namespace}:{RELEASE}"
    events = plane.audit_events(since)
    return [event for event in events if event["user"]["username"] == account and "objectRef" in event]


def asks(plane: ControlPlane, namespace: str, since: int, resource: str, verb: str) -> bool:
    """Returns whether the operator made such a request."""
    return any(each[1:] == (resource, verb) for each in used(answered(plane, namespace, since)))


def used(events: list[dict[str, Any]]) -> Rights:
    rights = set()
    for event in events:
        about = event["objectRef"]
        resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
        rights.add((about.get("apiGroup", ""), resource, event["verb"]))
    return rights


def granted(plane: ControlPlane, namespace: str) -> Rights:
    """Returns what the roles of the release permit."""
    mine = f"--selector=app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component=operator"
    rights: Rights = set()
    for roles in (("clusterroles",), ("roles", f"--namespace={namespace}")):
        for role in json.loads(plane.kubectl("get", *roles, mine, "-o=json"))["items"]:
            if not role["metadata"]["name"].endswith((":view", ":edit")):
                for rule in role["rules"]:
                    rights |= {(g, r, v) for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"]}
    # For clusters that only let those write a blocking owner reference who may write the owner's finalizers, and only
    # those set an owner who may delete the object.
    unasked = {("", "services", "delete"), ("apps", "deployments", "delete")}
    return rights - {("facecomparison.dev", "facecomparisons/finalizers", "update")} - unasked


def test_permissions_are_exactly_those_used(
    plane: ControlPlane, releases: Helm, restricted: str, optional_apis: Api, tmp_path: Path
) -> None:
    releases.install(restricted, "--set=allowed.serviceAccounts={default}")
    plane.kubectl("delete", f"lease/{RELEASE}-operator", f"--namespace={restricted}")  # which the operator recreates
    faces, since = Faces(optional_apis, restricted), plane.audit_position()
    optional_apis.create(GATEWAY, {"metadata": {"name": "web", "namespace": restricted}, "spec": {}})
    permitted = "--allowed-service-accounts=*"
    with Operator(as_account(plane, restricted, tmp_path), tmp_path / "logs", permitted) as operator:
        faces.create("by-cpu", **EVERY_CHILD)
        in_flight = {"autoscaling": {"metric": "InFlight"}}
        faces.create("in-flight", **EVERY_CHILD | in_flight, route={"gateway": {"parentRefs": [{"name": "web"}]}})
        until(
            lambda: kinds_made(faces),
            lambda created: created == {kind.name for kind in CHILDREN},
            "every child is made",
        )

        for kind in CHILDREN:  # somebody edits each: a repair reads and patches
            for child in faces.children((kind,)):
                spoilt = {"metadata": {"labels": {"app.kubernetes.io/part-of": "something-else"}}}
                optional_apis.merge(kind, restricted, child["metadata"]["name"], spoilt)
        until(lambda: parts_of(faces), lambda parts: parts == {"face-comparison"}, "every child is repaired")

        faces.change("by-cpu", **FEWEST, route={"gateway": {"parentRefs": [{"name": "web"}]}})
        faces.change("in-flight", **FEWEST, route={"gateway": None, "ingress": {}})
        minimum = {kind.name for kind in (DEPLOYMENT, SERVICE, INGRESS, HTTP_ROUTE)}
        until(lambda: kinds_made(faces), lambda created: created == minimum, "what is wanted no longer is gone")

        faces.change("by-cpu", route={"gateway": None, "ingress": {}})
        for name in ("by-cpu", "in-flight"):
            faces.publish(name)  # until then, the HTTPRoute serves
        until(lambda: kinds_made(faces), lambda created: HTTP_ROUTE.name not in created, "the HTTPRoute is gone")
        gateway = {"gateway": {"parentRefs": [{"name": "web"}]}, "ingress": None}
        faces.change("in-flight", route={"host": "faces.example.com", **gateway})
        faces.take("in-flight")
        until(lambda: faces.child(INGRESS, "in-flight"), lambda found: found is None, "the Ingress is gone")

        pod = faces.pod_of("by-cpu")  # a volume that cannot be provided: events say why
        faces.kubelet_says(pod, phase="Pending", containerStatuses=[], conditions=[SCHEDULED])
        until(lambda: asks(plane, restricted, since, "events", "list"), bool, "the operator asks for events")
        operator.stop()  # and releases its Lease

    events = answered(plane, restricted, since)
    assert [event["requestURI"] for event in events if event["responseStatus"]["code"] == 403] == []
    assert used(events) - granted(plane, restricted) == set()
    assert granted(plane, restricted) - used(events) == set()


def test_single_namespace_needs_no_outside_permissions(
    plane: ControlPlane, releases: Helm, restricted: str, tmp_path: Path
) -> None:
    plane.kubectl("apply", "--server-side", "-f", str(Path(__file__).parents[2] / "manifests" / "crd.yaml"))
    releases.install(restricted, f"--set=watchNamespaces={{{restricted}}},crds.enabled=false,rbac.aggregate=false")
    faces, since = Faces(Api(plane.kubeconfig), restricted), plane.audit_position()
    account = as_account(plane, restricted, tmp_path)
    with Operator(account, tmp_path / "logs", f"--namespaces={restricted}") as operator:
        faces.deploy("faces", accelerator={"type": "cpu"})
        assert {path: operator.health(path)[0] for path in probes(plane, restricted)} == {"livez": 200, "readyz": 200}

    events = answered(plane, restricted, since)
    assert {event["objectRef"].get("namespace") for event in events} == {restricted}
    assert [event["requestURI"] for event in events if event["responseStatus"]["code"] == 403] == []


def test_uninstall_removes_the_lease(plane: ControlPlane, releases: Helm, restricted: str, tmp_path: Path) -> None:
    lease = ("get", "lease", "--ignore-not-found", "--output=name", f"--namespace={restricted}")
    releases.install(restricted, f"--set=watchNamespaces={{{restricted}}}")
    account = as_account(plane, restricted, tmp_path)
    name = f"--lease-name={RELEASE}-operator"
    with Operator(account, tmp_path / "logs", f"--namespaces={restricted}", name):
        held = (*lease[:-2], "--output=jsonpath={.items[*].spec.holderIdentity}", lease[-1])
        until(lambda: plane.kubectl(*held), bool, "the operator holds the Lease")
        releases.upgrade(restricted, f"--set=watchNamespaces={{{restricted}}},logLevel=debug")
        assert plane.kubectl(*held), "an upgrade does not take it away"
        releases.uninstall(restricted)
        assert plane.kubectl(*lease) == ""
    assert plane.kubectl(*lease) == "", "and who ends afterwards does not bring it back"


def probes(plane: ControlPlane, namespace: str) -> set[str]:
    """Returns the operator's paths that the kubelet probes."""
    deployment = json.loads(plane.kubectl("get", "deployment", RELEASE, f"--namespace={namespace}", "-o=json"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    requested = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
    assert {each["port"] for each in requested} == {"health"}
    return {each["path"].removeprefix("/") for each in requested}


def kinds_made(faces: Faces) -> set[str]:
    return {child["kind"] for child in faces.children()}


def parts_of(faces: Faces) -> set[str]:
    return {child["metadata"]["labels"]["app.kubernetes.io/part-of"] for child in faces.children()}
