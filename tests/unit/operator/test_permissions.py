"""What a spec may refer to, by the operator's options: nothing by default, except what the samples use."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from devtools import ROOT
from face_comparison_operator.permissions import ORDINARY_VARIABLES, violations
from face_comparison_operator.resource import FaceComparison, parse
from face_comparison_operator.settings import Settings


def resource(**spec: Any) -> FaceComparison:
    metadata = {"name": "faces", "namespace": "ns", "uid": "u", "generation": 1}
    return parse({"metadata": metadata, "spec": spec})


SECRET = {"name": "FACE_COMPARISON_A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}
CONFIG_MAP = {"name": "TZ", "valueFrom": {"configMapKeyRef": {"name": "tuning", "key": "a"}}}
GATEWAY = {"gateway": {"parentRefs": [{"name": "public", "namespace": "edge"}]}}
VOLUME = {"name": "v", "mountPath": "/v"}

# Spec; option and a value that permits it; a value that does not; words of the message.
CLOSED: list[tuple[dict[str, Any], str, str, str, str]] = [
    ({"image": "evil.example/x:1"}, "allowed_images", "evil.example/*", "registry.example/*", "spec.image"),
    ({"image": "r/face:2"}, "allowed_images", "r/face:2", "r/face", "'r/face:2'"),
    ({"serviceAccountName": "admin"}, "allowed_service_accounts", "admin", "adm", "spec.serviceAccountName"),
    ({"env": [SECRET]}, "allowed_secrets", "db", "dbx,other-*", "env[FACE_COMPARISON_A].valueFrom.secretKeyRef: 'db'"),
    (
        {"volumes": [{**VOLUME, "secret": {"secretName": "db"}}]},
        "allowed_secrets",
        "d*",
        "x",
        "volumes[v].secret: 'db'",
    ),
    ({"volumes": [{**VOLUME, "secret": {}}]}, "allowed_secrets", "*", "x", "volumes[v].secret"),
    (
        {"env": [{"name": "TZ", "valueFrom": {"fileKeyRef": {"path": "/a"}}}]},
        "allowed_secrets",
        "*",
        "db",
        "env[TZ].valueFrom.fileKeyRef",
    ),
    *(
        ({"env": [{"name": name, "value": "/models"}]}, "allowed_variables", name, "OTHER", f"spec.env: '{name}'")
        for name in (
            "PYTHONPATH",
            "LD_PRELOAD",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONFIG_FILE",
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_STS",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            "NVIDIA_VISIBLE_DEVICES",
            "PATH",
            "XFACE_COMPARISON_THREADS",
        )
    ),
    *(
        ({"volumes": [{**VOLUME, "mountPath": path, "emptyDir": {}}]}, "allowed_images", "*", "registry/*", "mountPath")
        for path in (
            "/opt/face-comparison",
            "/x/../usr/lib",
            "//opt",
            "/",
            "/etc",
            "/etc/ld.so.preload",
            "/.aws",
            "/home/a",
            "/tmp/",
            "/x/../tmp",
            "/etc/hosts",
            "/etc/resolv.conf",
            "/etc/nsswitch.conf",
            "/etc/ssl",
            "/etc/ssl/openssl.cnf",
            "/etc/ssl/certs/../openssl.cnf",
            "/etc/face-comparison/../python3",
            "/etc/OpenCL/vendors",
        )
    ),
    ({"priorityClassName": "system-node-critical"}, "allowed_priority_classes", "system-*", "faces", "node-critical"),
    ({"podAnnotations": {"inject.example/x": "1"}}, "allowed_annotations", "inject.example/*", "a/*", "podAnnotations"),
    (
        {"route": {"ingress": {"annotations": {"nginx.ingress.kubernetes.io/configuration-snippet": "x"}}}},
        "allowed_annotations",
        "nginx.ingress.kubernetes.io/*",
        "nginx.ingress.kubernetes.io/proxy-*",
        "configuration-snippet",
    ),
    ({"childMetadata": {"annotations": {"a/b": "1"}}}, "allowed_annotations", "a/b", "a/c", "childMetadata"),
    ({"route": GATEWAY}, "allowed_gateways", "edge/*", "other/public", "'edge/public'"),
    ({"dnsConfig": {"nameservers": ["192.0.2.53"]}}, "allowed_dns", "192.0.2.*", "10.*", "dnsConfig.nameservers"),
    ({"dnsConfig": {"searches": ["evil.example"]}}, "allowed_dns", "*.example", "*.svc", "dnsConfig.searches"),
    ({"dnsConfig": {"nameservers": "192.0.2.53"}}, "allowed_dns", "192.0.2.53", "10.*", "'192.0.2.53'"),
    ({"dnsConfig": {"searches": 7}}, "allowed_dns", "*", "10.*", "'7'"),
    (
        {"hostAliases": [{"ip": "192.0.2.1", "hostnames": ["db.example.com"]}]},
        "allowed_dns",
        "db.example.com",
        "*.internal",
        "hostAliases[192.0.2.1]: 'db.example.com'",
    ),
    (
        {"resourceClaims": [{"name": "a", "resourceClaimName": "monitor"}]},
        "allowed_resource_claims",
        "monitor",
        "gpu-*",
        "resourceClaims[a]: 'monitor'",
    ),
    (
        {"resourceClaims": [{"name": "a", "resourceClaimTemplateName": "one-gpu"}]},
        "allowed_resource_claims",
        "one-*",
        "two",
        "'one-gpu'",
    ),
    ({"resourceClaims": [{"name": "a"}]}, "allowed_resource_claims", "*", "two", "resourceClaims[a]"),
    *(
        (
            {"resources": {kind: {"devices.kubevirt.io/kvm": "1", "cpu": "1"}}},
            "allowed_devices",
            "*",
            "nvidia.com/*",
            "kvm",
        )
        for kind in ("requests", "limits")
    ),
    *(
        (
            {"accelerator": {"type": kind, "resourceName": "smarter-devices/mem"}},
            "allowed_devices",
            "smarter-devices/mem",
            "nvidia.com/*",
            "accelerator.resourceName",
        )
        for kind in ("gpu", "auto")
    ),
    (
        {"monitoring": {"labels": {"argocd.argoproj.io/instance": "other"}}},
        "allowed_labels",
        "argocd.argoproj.io/*",
        "team",
        "monitoring.labels: 'argocd.argoproj.io/instance'",
    ),
    ({"podLabels": {"sidecar.istio.io/inject": "true"}}, "allowed_labels", "sidecar.istio.io/*", "team,?*", "inject"),
    (
        {"childMetadata": {"labels": {"azure.workload.identity/use": "true"}}},
        "allowed_labels",
        "azure.workload.identity/use",
        "use",
        "childMetadata.labels: 'azure.workload.identity/use'",
    ),
]
# Permitted by default.
OPEN: list[tuple[dict[str, Any], str, str, str, str]] = [
    ({"env": [CONFIG_MAP]}, "allowed_config_maps", "tuning", "other", "configMapKeyRef"),
    ({"caBundle": {"configMapName": "ca"}}, "allowed_config_maps", "ca", "other", "caBundle"),
    ({"volumes": [{**VOLUME, "configMap": {"name": "c"}}]}, "allowed_config_maps", "c", "other", "configMap: 'c'"),
    ({"model": {"volumeClaim": {"claimName": "m"}}}, "allowed_volume_claims", "m", "other", "'m'"),
    ({"collections": {"embedded": {"volumeClaim": {"claimName": "s"}}}}, "allowed_volume_claims", "s", "other", "'s'"),
    ({"volumes": [{**VOLUME, "persistentVolumeClaim": {"claimName": "p"}}]}, "allowed_volume_claims", "p", "x", "'p'"),
    ({"accelerator": {"runtimeClassName": "kata"}}, "allowed_runtime_classes", "kata", "nvidia", "runtimeClassName"),
    ({"route": {"ingress": {"className": "public"}}}, "allowed_ingress_classes", "public", "internal", "className"),
    ({"route": {"host": "a.example.com"}}, "allowed_hosts", "*.example.com", "*.example.org", "route.host"),
    ({}, "allowed_hosts", "*", "*.example.com", "every host"),
    ({"accelerator": {"resourceName": "nvidia.com/mig-1g.5gb"}}, "allowed_devices", "nvidia.com/*", "amd.com/*", "mig"),
    ({"podLabels": {"team": "vision"}}, "allowed_labels", "team", "example.com/*", "podLabels: 'team'"),
]


@pytest.mark.parametrize(("spec", "option", "permitting", "other", "words"), CLOSED + OPEN)
def test_option_permits_and_denies(spec: dict[str, Any], option: str, permitting: str, other: str, words: str) -> None:
    name = f"FACE_COMPARISON_OPERATOR_{option.upper()}"
    assert violations(resource(**spec), Settings.from_environ({name: permitting})) == []
    (message,) = violations(resource(**spec), Settings.from_environ({name: other}))
    assert words in message
    assert f"--{option.replace('_', '-')}" in message


@pytest.mark.parametrize("spec", [each[0] for each in CLOSED])
def test_closed_without_options(spec: dict[str, Any]) -> None:
    assert violations(resource(**spec), Settings())


@pytest.mark.parametrize("spec", [each[0] for each in OPEN])
def test_open_without_options(spec: dict[str, Any]) -> None:
    assert violations(resource(**spec), Settings()) == []


def test_samples_are_permitted_without_options() -> None:
    samples = [
        body
        for path in sorted((ROOT / "manifests" / "samples").glob("*.yaml"))
        for body in yaml.safe_load_all(path.read_text())
    ]
    assert len(samples) >= 3
    for body in samples:
        assert violations(resource(**body["spec"]), Settings()) == []


def test_own_images_and_namespace_gateways_are_permitted() -> None:
    settings = Settings(service_image="r/service:1", service_gpu_image="r/service-gpu:1")
    for image in ("r/service:1", "r/service-gpu:1"):
        assert violations(resource(image=image), settings) == []
    assert violations(resource(route={"gateway": {"parentRefs": [{"name": "public"}]}}), settings) == []


def test_fields_of_the_pod_itself_are_permitted() -> None:
    field = {"name": "FACE_COMPARISON_NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    assert violations(resource(env=[field, {"name": "TZ", "value": "UTC"}]), Settings()) == []


@pytest.mark.parametrize(
    "path",
    [
        "/models",
        "/data/x",
        "/etc/face-comparison",
        "/etc/ssl/certs",
        "/etc/ssl/certs/ca.crt",
        "/etc/localtime",
        "/mnt/opt",
        "/optional",
        "/tmp/scratch",
    ],
)
def test_volumes_beside_the_program_are_permitted(path: str) -> None:
    assert violations(resource(volumes=[{**VOLUME, "mountPath": path, "emptyDir": {}}]), Settings()) == []


@pytest.mark.parametrize("pattern", ["*/vision/*", "/usr/*", "?*"])
def test_pattern_for_images_permits_no_mount_over_the_program(pattern: str) -> None:
    spec = {"volumes": [{**VOLUME, "mountPath": "/usr/vision/lib", "emptyDir": {}}]}
    assert violations(resource(**spec), Settings(allowed_images=(pattern,)))


def test_a_service_on_cpus_needs_no_device() -> None:
    spec = {"accelerator": {"type": "cpu"}, "resources": {"requests": {"cpu": "1"}, "limits": {"hugepages-2Mi": "4Mi"}}}
    assert violations(resource(**spec), Settings(allowed_devices=())) == []


def test_variables_of_the_service_and_of_s3_are_permitted() -> None:
    env = [{"name": name.replace("*", "THREADS"), "value": "1"} for name in ORDINARY_VARIABLES]
    assert violations(resource(env=env), Settings()) == []


def test_pattern_matches_the_whole_name() -> None:
    settings = Settings.from_environ({"FACE_COMPARISON_OPERATOR_ALLOWED_IMAGES": "registry.example/faces/*"})
    assert violations(resource(image="registry.example.evil/faces/x"), settings)
    assert violations(resource(image="evil.example/registry.example/faces/x"), settings)


OWN = Settings(
    service_image="r.example:5000/face/service:2", service_gpu_image="r.example:5000/face/service-gpu@sha256:ab"
)


@pytest.mark.parametrize(
    ("image", "permitted"),
    [
        ("r.example:5000/face/service:1", True),
        ("r.example:5000/face/service", True),
        ("r.example:5000/face/service:1@sha256:cd", True),
        ("r.example:5000/face/service-gpu:1", True),
        ("r.example:5000/face/service@sha256:cd", True),
        ("r.example:5000/face/service@evil.example/x:1", False),
        ("r.example:5000/face/service:1@evil.example:443/x", False),
        ("r.example:5000/face/service:1:2", False),
        ("r.example:5000/face/service:", False),
        ("r.example:5000/face/service@", False),
        ("R.example:5000/face/service:1", False),
        ("r.example.:5000/face/service:1", False),
        ("r.example:5000//face/service:1", False),
        ("r.example:5000/face/../face/service:1", False),
        ("https://r.example:5000/face/service:1", False),
        ("r.example:5000/face/service-evil:1", False),
        ("r.example:5000/face/service/evil:1", False),
        ("r.example/face/service:1", False),
        ("other.example:5000/face/service:1", False),
        ("face/service:1", False),
    ],
)
def test_other_versions_of_own_images_are_permitted(image: str, permitted: bool) -> None:
    assert (violations(resource(image=image), OWN) == []) is permitted
