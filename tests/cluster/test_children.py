"""From a resource to its children on a real API server: created, accepted, ready, and completely removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from devtools import golden_objects
from devtools.k8s import programs
from devtools.k8s.api import CRD, GARBAGE_SECONDS, Api, Faces, install, permissive_crd, until
from devtools.k8s.operating import Operator
from face_comparison_operator.api_resources import (
    CHILDREN,
    DEPLOYMENT,
    GATEWAY,
    HTTP_ROUTE,
    INGRESS,
    POD,
    RESOURCE,
    SCALED_OBJECT,
    SERVICE_MONITOR,
    ApiResource,
    kind_of,
)
from face_comparison_operator.diff import difference
from face_comparison_operator.objects import desired
from face_comparison_operator.resource import child_name, parse
from support.drift_rules import meaning

pytestmark = pytest.mark.cluster

CLAIM = ApiResource("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
VOLUME = ApiResource("v1", "PersistentVolume", "persistentvolumes")
GATEWAY_KINDS = ("HTTPRoute", "Gateway")
SAMPLES = Path(__file__).resolve().parents[2] / "manifests" / "samples"


@pytest.fixture(scope="module", autouse=True)
def optional_apis(api: Api) -> Iterator[None]:
    """The real Gateway API, and permissive CRDs for KEDA and the Prometheus operator; removed after this module."""
    definitions = [permissive_crd(SCALED_OBJECT), permissive_crd(SERVICE_MONITOR)]
    for path in programs.data("gateway-crds"):
        found = [each for each in yaml.safe_load_all(path.read_text()) if each]
        definitions += [each for each in found if each.get("spec", {}).get("names", {}).get("kind") in GATEWAY_KINDS]
    for definition in definitions:
        install(api, definition)
    yield
    for definition in definitions:
        api.delete(CRD, None, definition["metadata"]["name"])


@pytest.mark.parametrize("case", golden_objects.cases())
def test_case_has_its_golden_children(faces: Faces, case: str) -> None:
    body = golden_objects.resource(case)
    name = body["metadata"]["name"]
    created = faces.create(name, **body["spec"])
    expected = {kind_of(each): each for each in desired(parse(created), golden_objects.SETTINGS)}

    until(faces.children, lambda found: len(found) >= len(expected), f"{len(expected)} children")
    found = {kind_of(each): each for each in faces.children()}
    assert found.keys() == expected.keys()
    assert {kind.name: difference(expected[kind], found[kind]) for kind in expected} == dict.fromkeys(
        kind.name for kind in expected
    )
    accepted = until(lambda: faces.condition(name, "SpecAccepted"), bool, "the spec is judged")
    assert (accepted["status"], accepted["message"]) == ("True", "all children exist as specified")


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_sample_becomes_ready_and_is_deleted(faces: Faces, path: Path) -> None:
    documents = [each for each in yaml.safe_load_all(path.read_text()) if each]
    resources = [each for each in documents if each["kind"] == RESOURCE.name]
    claims = [each for each in documents if each["kind"] == CLAIM.name]
    assert resources
    assert len(resources) + len(claims) == len(documents)
    for claim in claims:
        provide(faces, claim)
    for body in resources:
        name = body["metadata"]["name"]
        faces.create(name, **body["spec"])
        faces.publish(name)
        ready = faces.wait_for(name, "Deployed")
        status = faces.get(name)["status"]
        assert ready["status"] == "True"
        assert status["url"].endswith("/face_comparison")
        assert status["readyReplicas"] >= 1
        faces.api.delete(RESOURCE, faces.namespace, name)
    until(lambda: faces.children((*CHILDREN, POD)), lambda left: not left, "nothing is left", GARBAGE_SECONDS)


def provide(faces: Faces, claim: dict[str, Any]) -> None:
    """Creates a claim, and the volume that a cluster's default storage class would provision for it."""
    name, spec = f"{faces.namespace}-{claim['metadata']['name']}", claim["spec"]
    reference = {"kind": CLAIM.name, "namespace": faces.namespace, "name": claim["metadata"]["name"]}
    volume = {
        "capacity": spec["resources"]["requests"],
        "accessModes": spec["accessModes"],
        "claimRef": reference,
        "hostPath": {"path": "/nonexistent"},
    }
    faces.api.create(VOLUME, {"metadata": {"name": name}, "spec": volume})
    metadata = {**claim["metadata"], "namespace": faces.namespace}
    faces.api.create(CLAIM, {"metadata": metadata, "spec": {**spec, "storageClassName": ""}})


def test_status_reports_deployment(faces: Faces) -> None:
    faces.create("faces", accelerator={"type": "cpu"}, replicas=2, route={"host": "faces.example.com"})
    pending = faces.wait_for("faces", "AddressPending")
    assert "no ingress controller" in pending["message"]
    assert faces.condition("faces", "Available")["status"] == "True"
    faces.publish("faces")
    faces.wait_for("faces", "Deployed")
    body = faces.get("faces")
    status = body["status"]
    assert status["url"] == "http://faces.example.com/prod/face_comparison"
    assert (status["replicas"], status["readyReplicas"]) == (2, 2)
    assert status["observedGeneration"] == body["metadata"]["generation"]
    assert 0 <= status["deploySeconds"] < 60
    conditions = {each["type"]: each["status"] for each in status["conditions"]}
    assert conditions == {
        "Ready": "True",
        "Progressing": "False",
        "Available": "True",
        "RouteReady": "True",
        "SpecAccepted": "True",
    }
    assert "finalizers" not in body["metadata"]
    assert "annotations" not in body["metadata"]


def test_scale_subresource_changes_pods(faces: Faces) -> None:
    faces.deploy("faces", accelerator={"type": "cpu"}, replicas=1)
    faces.api.merge(RESOURCE, faces.namespace, "faces", {"spec": {"replicas": 3}}, "scale")
    until(lambda: faces.get("faces")["status"].get("readyReplicas"), lambda ready: ready == 3, "three pods serve")
    found = faces.api.all(POD, faces.namespace, faces.get("faces")["status"]["selector"])
    assert len(found) == 3
    assert faces.condition("faces")["status"] == "True"


def test_zero_replicas_keep_other_children(faces: Faces) -> None:
    faces.deploy("faces", accelerator={"type": "cpu"})
    before = {kind_of(each) for each in faces.children()}
    faces.change("faces", replicas=0)
    faces.wait_for("faces", "ScaledToZero")
    assert {kind_of(each) for each in faces.children()} == before
    faces.change("faces", replicas=1)
    faces.wait_for("faces", "Deployed")


def test_recreated_resource_gets_new_children(faces: Faces) -> None:
    faces.deploy("faces", accelerator={"type": "cpu"})
    faces.api.delete(RESOURCE, faces.namespace, "faces")
    uid = faces.deploy("faces", accelerator={"type": "cpu"})["metadata"]["uid"]
    owners = {owner["uid"] for each in faces.children() for owner in each["metadata"]["ownerReferences"]}
    assert owners == {uid}


def test_names_invalid_as_labels_get_children(faces: Faces) -> None:
    name = "7.faces"
    faces.create(name, accelerator={"type": "cpu"})
    until(lambda: faces.child(DEPLOYMENT, child_name(name)), bool, "the Deployment is there")


def test_gateway_publishes_the_service(faces: Faces) -> None:
    listeners = [{"name": "secure", "protocol": "HTTPS", "port": 8443, "tls": {"certificateRefs": [{"name": "c"}]}}]
    spec = {"gatewayClassName": "test", "listeners": listeners}
    faces.api.create(GATEWAY, {"metadata": {"name": "public", "namespace": faces.namespace}, "spec": spec})
    route = {"host": "faces.example.com", "gateway": {"parentRefs": [{"name": "public", "sectionName": "secure"}]}}
    faces.create("faces", accelerator={"type": "cpu"}, route=route)
    faces.wait_for("faces", "RoutePending")
    answer = {"parentRef": {"name": "public"}, "controllerName": "example.com/test"}
    for status, reason in (("False", "NotAllowedByListeners"), ("True", "Accepted")):
        reported = {
            "type": "Accepted",
            "status": status,
            "reason": reason,
            "message": reason,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        state = {"status": {"parents": [{**answer, "conditions": [reported]}]}}
        faces.api.merge(HTTP_ROUTE, faces.namespace, "faces", state, "status")
        ready = faces.wait_for("faces", "RouteNotAccepted" if status == "False" else "Deployed")
        if status == "False":
            assert reason in ready["message"]
    assert faces.get("faces")["status"]["url"] == "https://faces.example.com:8443/prod/face_comparison"
    assert faces.child(INGRESS, "faces") is None


def test_unaccepted_route_keeps_the_previous_route(faces: Faces) -> None:
    previous = faces.deploy("faces", accelerator={"type": "cpu"})["status"]["url"]
    route = {"host": "faces.example.com", "gateway": {"parentRefs": [{"name": "misspelt"}]}}
    faces.change("faces", route=route)
    missing = faces.wait_for("faces", "RouteNotAccepted")
    assert "misspelt does not exist" in missing["message"]
    assert faces.child(INGRESS, "faces") is not None
    assert faces.get("faces")["status"]["url"] == previous, "it serves until there is another"
    spec = {"gatewayClassName": "test", "listeners": [{"name": "web", "protocol": "HTTP", "port": 80}]}
    faces.api.create(GATEWAY, {"metadata": {"name": "misspelt", "namespace": faces.namespace}, "spec": spec})
    faces.take("faces")
    faces.wait_for("faces", "Deployed")
    assert faces.get("faces")["status"]["url"] == "http://faces.example.com/prod/face_comparison"
    until(lambda: faces.child(INGRESS, "faces"), lambda found: found is None, "the Ingress is gone")


# A sentence, the kind, and what somebody makes of it, as a function of its spec.
OPTIONAL_EDITS: list[tuple[str, ApiResource, Callable[[Any], Any]]] = [
    ("another Gateway", HTTP_ROUTE, lambda spec: {"parentRefs": [{"name": "other"}]}),
    ("a listener of the Gateway", HTTP_ROUTE, lambda spec: {"parentRefs": [{"name": "public", "sectionName": "web"}]}),
    ("a host more", HTTP_ROUTE, lambda spec: {"hostnames": [*spec["hostnames"], "other.example.com"]}),
    ("no host", HTTP_ROUTE, lambda spec: {"hostnames": None}),
    (
        "a redirect instead of the pods",
        HTTP_ROUTE,
        lambda spec: {
            "rules": [
                {
                    "matches": spec["rules"][0]["matches"],
                    "filters": [{"type": "RequestRedirect", "requestRedirect": {"hostname": "other.example.com"}}],
                }
            ]
        },
    ),
    (
        "a filter more",
        HTTP_ROUTE,
        lambda spec: {
            "rules": [
                {
                    **spec["rules"][0],
                    "filters": [{"type": "URLRewrite", "urlRewrite": {"hostname": "other.example.com"}}],
                }
            ]
        },
    ),
    (
        "half of the requests for another Service",
        HTTP_ROUTE,
        lambda spec: {
            "rules": [
                {
                    **spec["rules"][0],
                    "backendRefs": [*spec["rules"][0]["backendRefs"], {"name": "other", "port": 80}],
                }
            ]
        },
    ),
    ("a rule more", HTTP_ROUTE, lambda spec: {"rules": [*spec["rules"], {"backendRefs": [{"name": "b", "port": 80}]}]}),
    ("pods of every namespace", SERVICE_MONITOR, lambda spec: {"namespaceSelector": {"any": True}}),
    ("a label more", SERVICE_MONITOR, lambda spec: {"selector": {"matchLabels": {"track": "canary"}}}),
    (
        "expressions",
        SERVICE_MONITOR,
        lambda spec: {"selector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}},
    ),
    (
        "another path",
        SERVICE_MONITOR,
        lambda spec: {"endpoints": [{**spec["endpoints"][0], "path": "/other"}]},
    ),
    ("an endpoint more", SERVICE_MONITOR, lambda spec: {"endpoints": [*spec["endpoints"], {"port": "other"}]}),
    ("another target", SCALED_OBJECT, lambda spec: {"scaleTargetRef": {"name": "other"}}),
    ("another trigger", SCALED_OBJECT, lambda spec: {"triggers": [{"type": "cpu", "metadata": {"value": "1"}}]}),
    ("a trigger more", SCALED_OBJECT, lambda spec: {"triggers": [*spec["triggers"], {"type": "cron"}]}),
    ("no pods at rest", SCALED_OBJECT, lambda spec: {"idleReplicaCount": 0}),
    ("other bounds", SCALED_OBJECT, lambda spec: {"minReplicaCount": 0, "maxReplicaCount": 99}),
]


def test_edits_of_optional_children_are_repaired(faces: Faces) -> None:
    route = {"host": "faces.example.com", "gateway": {"parentRefs": [{"name": "public"}]}}
    faces.create(
        "faces",
        accelerator={"type": "cpu"},
        route=route,
        monitoring={"serviceMonitor": True},
        autoscaling={"metric": "InFlight"},
    )
    kinds = {HTTP_ROUTE, SERVICE_MONITOR, SCALED_OBJECT}
    until(faces.children, lambda found: {kind_of(each) for each in found} >= kinds, "all are there")
    failed = []
    for sentence, kind, edit in OPTIONAL_EDITS:
        before = faces.child(kind, "faces") or {}
        faces.api.merge(kind, faces.namespace, "faces", {"spec": edit(before["spec"])})
        expected = meaning(before)
        try:
            until(lambda: meaning(faces.child(kind, "faces") or {}), expected.__eq__, sentence, seconds=10)  # noqa: B023
        except AssertionError as late:
            failed.append(f"{kind.name}: {late}")
            faces.api.merge(kind, faces.namespace, "faces", {"spec": before["spec"]})
    assert failed == []


def test_operator_metrics(faces: Faces, operator: Operator) -> None:
    faces.deploy("faces", accelerator={"type": "cpu"})

    def sample(name: str) -> float:
        found = [line for line in operator.metrics().splitlines() if line.startswith(name + " ")]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    prefix = "face_comparison_operator"
    ready = f'{prefix}_resources{{condition="Ready",reason="Deployed",status="True"}}'
    until(lambda: sample(ready), lambda count: count >= 1, "the resource is counted")
    assert sample(f'{prefix}_reconciles_total{{result="done"}}') > 0
    assert sample(f'{prefix}_api_requests_total{{code="201",resource="deployments",verb="create"}}') > 0
    assert sample(f"{prefix}_deploy_duration_seconds_count") > 0
    assert sample(f"{prefix}_leader") == 1
    before = sample(ready)
    faces.api.delete(RESOURCE, faces.namespace, "faces")
    until(lambda: sample(ready), lambda count: count < before, "it is not counted any more")
