"""The operator's desired objects, compared as a whole with golden files, and invariants of each of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from devtools import golden_objects
from face_comparison_operator.api_resources import CHILDREN, kind_of
from face_comparison_operator.objects import desired
from face_comparison_operator.resource import child_name, parse
from face_comparison_operator.settings import Settings


@pytest.mark.parametrize("case", golden_objects.cases())
def test_objects_match_golden_files(case: str) -> None:
    assert golden_objects.build(case) == golden_objects.read_golden(case), "run `make golden` and review the diff"


@pytest.mark.parametrize("case", golden_objects.cases())
def test_every_object_belongs_to_its_resource(case: str) -> None:
    body = golden_objects.resource(case)
    for created in golden_objects.build(case):
        (owner,) = created["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == (body["metadata"]["uid"], True)
        assert created["metadata"]["namespace"] == body["metadata"]["namespace"]
        assert created["metadata"]["name"] == child_name(body["metadata"]["name"])
        assert kind_of(created) in CHILDREN


def test_cases_cover_every_kind_of_child() -> None:
    kinds = {kind_of(created) for case in golden_objects.cases() for created in golden_objects.build(case)}
    assert kinds == set(CHILDREN)


def _deployment(settings: Settings = golden_objects.SETTINGS, **spec: object) -> dict:
    body = golden_objects.resource("minimal")
    found = desired(parse({**body, "spec": spec}), settings)
    return next(each for each in found if each["kind"] == "Deployment")


def _env(**spec: Any) -> dict:
    (container,) = _deployment(**spec)["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable.get("value") for variable in container["env"]}


def test_autoscaler_owns_replicas() -> None:
    assert _deployment(replicas=3)["spec"]["replicas"] == 3
    assert _deployment()["spec"]["replicas"] == 1
    assert "replicas" not in _deployment(autoscaling={})["spec"]


def test_zero_replicas_is_not_replaced_by_default() -> None:
    assert _deployment(replicas=0)["spec"]["replicas"] == 0


def test_grace_period_covers_the_last_request() -> None:
    pod = _deployment(limits={"requestSeconds": 77})["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    env = _env(limits={"requestSeconds": 77})
    leaving = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > leaving + int(env["FACE_COMPARISON_DRAIN_SECONDS"])
    assert env["FACE_COMPARISON_DRAIN_SECONDS"] == env["FACE_COMPARISON_REQUEST_SECONDS"] == "77"


def test_caller_limits_and_trusted_proxies_reach_the_service() -> None:
    limits = {"requestsPerCaller": 4, "trustedProxies": ["10.4.0.0/16", "fd00::1"]}
    env = _env(limits=limits)
    assert env["FACE_COMPARISON_REQUESTS_PER_CALLER"] == "4"
    assert env["FACE_COMPARISON_TRUSTED_PROXIES"] == "10.4.0.0/16,fd00::1"
    by_hand = _env(limits=limits, env=[{"name": "FACE_COMPARISON_TRUSTED_PROXIES", "value": "10.9.0.1"}])
    assert by_hand["FACE_COMPARISON_TRUSTED_PROXIES"] == "10.9.0.1"
    assert not {"FACE_COMPARISON_REQUESTS_PER_CALLER", "FACE_COMPARISON_TRUSTED_PROXIES"} & _env().keys()


def test_template_digest_changes_only_with_pods() -> None:
    def digest(**spec: Any) -> str:
        return _deployment(**spec)["spec"]["template"]["metadata"]["annotations"]["facecomparison.dev/template"]

    assert digest() == digest(replicas=4, route={"host": "other.example.com"}, networkPolicy=True)
    assert len({digest(), digest(stage="v2"), digest(podLabels={"a": "b"}), digest(podAnnotations={"a": "b"})}) == 4


def test_building_does_not_mutate_its_input() -> None:
    resource = parse(golden_objects.resource("everything"))
    before = msgspec.json.encode(resource)
    desired(resource, golden_objects.SETTINGS)
    assert msgspec.json.encode(resource) == before


def test_pods_satisfy_restricted_pod_security() -> None:
    pod = next(each for each in golden_objects.build("everything") if each["kind"] == "Deployment")["spec"]["template"][
        "spec"
    ]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    # Clusters that choose the user (OpenShift) reject a pod that names another; the container image has a numeric one.
    assert pod["securityContext"].keys() == {"runAsNonRoot", "seccompProfile"}
    containers = [*pod["containers"], *pod["initContainers"]]
    assert len(containers) == 2
    for container in containers:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize(
    ("accelerator", "image", "expected"),
    [("gpu", None, "for-gpu"), ("cpu", None, "for-cpu"), ("gpu", "own", "own"), ("cpu", "own", "own")],
)
def test_default_image_matches_accelerator(accelerator: str, image: str | None, expected: str) -> None:
    body = golden_objects.resource("minimal")
    spec = {"accelerator": {"type": accelerator}, "image": image}
    settings = Settings(service_image="for-cpu", service_gpu_image="for-gpu")
    created = {each["kind"]: each for each in desired(parse({**body, "spec": spec}), settings)}
    (container,) = created["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == expected


WINDOWS = {"key": "kubernetes.io/os", "operator": "NotIn", "values": ["windows"]}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
ZONE = {"key": "zone", "operator": "In", "values": ["a"]}


@pytest.mark.parametrize(
    ("affinity", "expected"),
    [
        ({}, [{"matchExpressions": [WINDOWS]}]),
        ({"podAffinity": {}}, [{"matchExpressions": [WINDOWS]}]),
        (
            {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [ZONE]}, {"matchFields": []}]}}},
            [{"matchExpressions": [ZONE, WINDOWS]}, {"matchFields": [], "matchExpressions": [WINDOWS]}],
        ),
    ],
)
def test_pods_require_linux(affinity: dict, expected: list) -> None:
    found = _deployment(affinity=affinity)["spec"]["template"]["spec"]["affinity"]
    assert found["nodeAffinity"][REQUIRED]["nodeSelectorTerms"] == expected
    assert found.keys() == {*affinity, "nodeAffinity"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"accelerator": {"type": "cpu"}}, (0, 1)),
        ({}, (0, 1)),
        ({"accelerator": {"type": "auto"}}, (0, 1)),
        ({"strategy": {"maxSurge": 2}}, (0, 2)),
        ({"accelerator": {"type": "cpu"}, "strategy": {"maxUnavailable": "25%"}}, ("25%", 0)),
        ({"strategy": {"maxUnavailable": 0}}, (0, 1)),
        ({"accelerator": {"type": "cpu"}, "strategy": {"maxSurge": "0%"}}, (1, "0%")),
    ],
)
def test_strategy_of_updates(spec: dict, expected: tuple) -> None:
    strategy = _deployment(**spec)["spec"]["strategy"]
    assert strategy["type"] == "RollingUpdate"
    assert (strategy["rollingUpdate"]["maxUnavailable"], strategy["rollingUpdate"]["maxSurge"]) == expected


def test_recreate_on_request_and_for_embedded_store() -> None:
    embedded = {"embedded": {"volumeClaim": {"claimName": "faces"}}}
    specs: tuple[dict[str, Any], ...] = ({"strategy": {"type": "Recreate"}}, {"collections": embedded})
    for spec in specs:
        assert _deployment(**spec)["spec"]["strategy"] == {"type": "Recreate"}


def test_fs_group_can_be_omitted() -> None:
    embedded: dict[str, Any] = {"collections": {"embedded": {"volumeClaim": {"claimName": "faces"}}}}
    assert _pod(**embedded)["securityContext"]["fsGroup"] == 65532
    assert _pod(Settings(store_group=1000), **embedded)["securityContext"]["fsGroup"] == 1000
    assert "fsGroup" not in _pod(Settings(store_group=None), **embedded)["securityContext"]
    assert "fsGroup" not in _pod()["securityContext"]


def _pod(settings: Settings = golden_objects.SETTINGS, **spec: object) -> dict:
    return _deployment(settings, **spec)["spec"]["template"]["spec"]


def test_pod_fields_are_passed_through() -> None:
    aliases = [{"ip": "10.0.0.1", "hostnames": ["a"]}]
    claims = [{"name": "gpu", "resourceClaimTemplateName": "one"}]
    pod = _pod(
        priorityClassName="high",
        schedulerName="volcano",
        dnsPolicy="None",
        dnsConfig={"nameservers": ["10.0.0.2"]},
        hostAliases=aliases,
        resourceClaims=claims,
        resources={"claims": [{"name": "gpu"}]},
    )
    assert (pod["priorityClassName"], pod["schedulerName"], pod["dnsPolicy"]) == ("high", "volcano", "None")
    assert (pod["dnsConfig"], pod["hostAliases"]) == ({"nameservers": ["10.0.0.2"]}, aliases)
    assert pod["resourceClaims"] == claims
    # The claim provides the device, not the extended resource.
    assert pod["containers"][0]["resources"] == {"claims": [{"name": "gpu"}]}


def test_certificate_authorities_reach_every_container() -> None:
    pod = _pod(caBundle={"configMapName": "authorities"}, model={"s3": "s3://models/a"})
    for container in [*pod["containers"], *pod["initContainers"]]:
        variables = {each["name"]: each.get("value") for each in container["env"]}
        assert variables["SSL_CERT_FILE"] == variables["AWS_CA_BUNDLE"] == "/etc/face-comparison/ca/ca.crt"
        assert "/etc/face-comparison/ca" in [each["mountPath"] for each in container["volumeMounts"]]


def test_spec_volumes_do_not_collide_with_own_volumes() -> None:
    pod = _pod(volumes=[{"name": "tmp", "mountPath": "/data", "configMap": {"name": "c"}}])
    names = [each["name"] for each in pod["volumes"]]
    assert len(names) == len(set(names))
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["mountPath"] == "/data"]
    assert mount["readOnly"] is True
    assert mount["name"] in names


def test_numbers_are_quantities() -> None:
    created = _pod(accelerator={"type": "cpu"}, resources={"requests": {"cpu": 0.5, "memory": 1073741824}})
    assert created["containers"][0]["resources"]["requests"] == {"cpu": "0.5", "memory": "1073741824"}


@pytest.mark.parametrize(
    ("collections", "variable", "folder"),
    [
        (
            {"embedded": {"volumeClaim": {"claimName": "faces"}}},
            ("FACE_COMPARISON_COLLECTIONS", "sqlite:/var/lib/face-comparison/collections"),
            "/var/lib/face-comparison/collections",
        ),
        (
            {"postgres": {"secretName": "db"}},
            ("FACE_COMPARISON_COLLECTIONS_FILE", "/etc/face-comparison/collections/uri"),
            "/etc/face-comparison/collections",
        ),
    ],
)
def test_collection_store(collections: dict, variable: tuple[str, str], folder: str) -> None:
    pod = _pod(collections=collections)
    (container,) = pod["containers"]
    assert variable in [(each["name"], each.get("value")) for each in container["env"]]
    assert folder in [each["mountPath"] for each in container["volumeMounts"]]


def _children(settings: Settings, **spec: object) -> dict[str, dict]:
    body = golden_objects.resource("minimal")
    return {each["kind"]: each for each in desired(parse({**body, "spec": spec}), settings)}


def test_labels_and_annotations_reach_every_child() -> None:
    metadata = {"labels": {"team": "vision"}, "annotations": {"example.com/owner": "a"}}
    found = _children(Settings(), childMetadata=metadata, networkPolicy=True, monitoring={"serviceMonitor": True})
    assert len(found) >= 7
    for child in found.values():
        assert child["metadata"]["labels"]["team"] == "vision"
        assert child["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "face-comparison-operator"
        assert child["metadata"]["annotations"]["example.com/owner"] == "a"


def test_service_monitor_has_selector_labels() -> None:
    settings = Settings.from_environ({"FACE_COMPARISON_OPERATOR_SERVICE_MONITOR_LABELS": "release=stack,a=b"})
    created = _children(settings, monitoring={"serviceMonitor": True, "labels": {"a": "c"}})["ServiceMonitor"]
    assert (created["metadata"]["labels"]["release"], created["metadata"]["labels"]["a"]) == ("stack", "c")


def test_keda_authentication() -> None:
    autoscaling = {"metric": "InFlight"}
    environment = {"PROMETHEUS_AUTHENTICATION": "thanos", "PROMETHEUS_AUTH_MODES": "bearer"}
    settings = Settings.from_environ({f"FACE_COMPARISON_OPERATOR_{name}": text for name, text in environment.items()})
    (trigger,) = _children(settings, autoscaling=autoscaling)["ScaledObject"]["spec"]["triggers"]
    assert trigger["authenticationRef"] == {"name": "thanos", "kind": "ClusterTriggerAuthentication"}
    assert trigger["metadata"]["authModes"] == "bearer"
    own = {**autoscaling, "authenticationRef": {"name": "mine", "modes": ["basic", "tls"]}}
    (trigger,) = _children(settings, autoscaling=own)["ScaledObject"]["spec"]["triggers"]
    assert trigger["authenticationRef"] == {"name": "mine", "kind": "TriggerAuthentication"}
    assert trigger["metadata"]["authModes"] == "basic,tls"
    (trigger,) = _children(Settings(), autoscaling=autoscaling)["ScaledObject"]["spec"]["triggers"]
    assert "authenticationRef" not in trigger


def test_operator_pull_secrets_reach_every_pod() -> None:
    settings = Settings.from_environ({"FACE_COMPARISON_OPERATOR_IMAGE_PULL_SECRETS": "registry,own"})
    pod = _children(settings, imagePullSecrets=[{"name": "own"}])["Deployment"]["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "own"}, {"name": "registry"}]


@pytest.mark.parametrize(
    ("route", "tls"),
    [
        ({"host": "a.example.com", "ingress": {"tls": True}}, [{"hosts": ["a.example.com"]}]),
        ({"host": "a.example.com", "ingress": {"tlsSecret": "t"}}, [{"hosts": ["a.example.com"], "secretName": "t"}]),
        ({"ingress": {"tls": True}}, [{}]),
        ({"host": "a.example.com", "ingress": {"tls": False}}, None),
    ],
)
def test_ingress_tls(route: dict, tls: list | None) -> None:
    assert _children(Settings(), route=route)["Ingress"]["spec"].get("tls") == tls


def test_no_route() -> None:
    assert _children(Settings(), route={"none": {}}).keys().isdisjoint({"Ingress", "HTTPRoute"})


def test_auto_prefers_gpu_nodes_without_requesting_gpu() -> None:
    pod = _pod(accelerator={"type": "auto"})
    (container,) = pod["containers"]
    assert {"name": "FACE_COMPARISON_DEVICE", "value": "auto"} in container["env"]
    assert "nvidia.com/gpu" not in container["resources"].get("limits", {})
    (preferred,) = pod["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert preferred["preference"]["matchExpressions"][0]["key"] == "nvidia.com/gpu.present"
