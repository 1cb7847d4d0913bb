"""The API server rejects invalid specs with a helpful message, and fills in defaults."""

from __future__ import annotations

from typing import Any

import pytest

from devtools.k8s.api import Api, Faces, Refused
from devtools.k8s.controlplane import ControlPlane
from face_comparison_operator.api_resources import RESOURCE

pytestmark = pytest.mark.cluster

CLAIM = {"volumeClaim": {"claimName": "faces"}}

# What is wrong; the spec; words of the rejection.
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("two owners of the number", {"replicas": 2, "autoscaling": {}}, "replicas and autoscaling are mutually exclusive"),
    (
        "bounds the wrong way round",
        {"autoscaling": {"minReplicas": 5, "maxReplicas": 2}},
        "minReplicas must not be above",
    ),
    ("a lower bound above the default upper one", {"autoscaling": {"minReplicas": 5}}, "which defaults to 4"),
    ("a percentage beyond sense", {"autoscaling": {"target": 2000}}, "a percentage of the request"),
    ("an unknown metric", {"autoscaling": {"metric": "Memory"}}, 'Unsupported value: "Memory"'),
    (
        "a model from two places",
        {"model": {"bundle": "a", "s3": "s3://models/a"}},
        "the model must come from a single source",
    ),
    ("a model from elsewhere", {"model": {"s3": "https://models/a"}}, "spec.model.s3"),
    ("a digest cut short", {"model": {"sha256": "abc"}}, "spec.model.sha256"),
    ("a way out of the volume", {"model": {"volumeClaim": {"claimName": "a", "path": "a/../../b"}}}, "stays inside it"),
    ("an absolute path", {"model": {"volumeClaim": {"claimName": "a", "path": "/a"}}}, "no leading /"),
    ("a claim without name", {"model": {"volumeClaim": {}}}, "claimName"),
    ("keys without a secret", {"auth": {"mode": "ApiKey"}}, "auth.mode ApiKey needs auth.secretName"),
    ("a secret without keys", {"auth": {"secretName": "keys"}}, "only used with auth.mode ApiKey"),
    (
        "two routes",
        {"route": {"ingress": {}, "gateway": {"parentRefs": [{"name": "a"}]}}},
        "only one kind of route is possible: set ingress for an Ingress, gateway for an HTTPRoute, or none",
    ),
    ("TLS without a name", {"route": {"ingress": {"tlsSecret": "t"}}}, "TLS requires a host: set route.host"),
    (
        "a parent that is no Gateway",
        {"route": {"gateway": {"parentRefs": [{"kind": "Service", "group": "", "name": "a"}]}}},
        'Unsupported value: "Service"',
    ),
    ("a gateway without parent", {"route": {"gateway": {"parentRefs": []}}}, "at least 1 items"),
    ("a host with a path", {"route": {"host": "faces.example.com/a"}}, "spec.route.host"),
    ("an unknown accelerator", {"accelerator": {"type": "tpu"}}, 'Unsupported value: "tpu"'),
    ("no accelerator at all", {"accelerator": {"count": 0}}, "greater than or equal to 1"),
    ("a device that is no extended resource", {"accelerator": {"resourceName": "gpu"}}, "resourceName"),
    ("a stage of two labels", {"stage": "a/b"}, "spec.stage"),
    ("a stage that is another route", {"stage": "metrics"}, "stage must not be the name of"),
    ("a negative number of pods", {"replicas": -1}, "greater than or equal to 0"),
    ("a body without limit", {"limits": {"bodyBytes": 0}}, "greater than or equal to 1024"),
    ("a proxy that is everyone", {"limits": {"trustedProxies": ["0.0.0.0/0"]}}, "matches everyone"),
    ("a proxy by name", {"limits": {"trustedProxies": ["ingress.svc"]}}, "spec.limits.trustedProxies"),
    ("fewer than no requests", {"limits": {"requestsPerCaller": -1}}, "greater than or equal to 0"),
    ("a label of the operator", {"podLabels": {"app.kubernetes.io/instance": "x"}}, "choose others"),
    (
        "a variable that a field sets",
        {"env": [{"name": "FACE_COMPARISON_DEVICE", "value": "cpu"}]},
        "this variable is set by the operator",
    ),
    ("a variable twice", {"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}, "Duplicate value"),
    ("no amount", {"resources": {"limits": {"memory": "much"}}}, "spec.resources.limits"),
    ("a negative amount", {"resources": {"requests": {"cpu": -1}}}, "greater than or equal to 0"),
    (
        "a store in two places",
        {"collections": {"embedded": CLAIM, "postgres": {"secretName": "db"}}},
        "only one store is possible: set",
    ),
    (
        "a file for two pods",
        {"replicas": 2, "collections": {"embedded": CLAIM}},
        "supports a single pod: use one replica",
    ),
    ("a file for a range of pods", {"autoscaling": {}, "collections": {"embedded": CLAIM}}, "supports a single pod"),
    (
        "a file that two pods would open",
        {"strategy": {"type": "RollingUpdate"}, "collections": {"embedded": CLAIM}},
        "strategy.type must be Recreate",
    ),
    ("an update that never begins", {"strategy": {"maxSurge": 0, "maxUnavailable": "0%"}}, "must not both be 0"),
    ("a surge of nothing", {"strategy": {"type": "Recreate", "maxSurge": 1}}, "require strategy.type RollingUpdate"),
    ("no route and one", {"route": {"none": {}, "gateway": {"parentRefs": [{"name": "a"}]}}}, "only one kind of route"),
    ("a host for nobody", {"route": {"none": {}, "host": "a.example.com"}}, "route.none has no host"),
    (
        "TLS and none",
        {"route": {"host": "a.example.com", "ingress": {"tls": False, "tlsSecret": "t"}}},
        "tls: false contradicts tlsSecret",
    ),
    ("a volume of nothing", {"volumes": [{"name": "a", "mountPath": "/a"}]}, "a volume has exactly one source"),
    (
        "a volume of two things",
        {"volumes": [{"name": "a", "mountPath": "/a", "emptyDir": {}, "secret": {"secretName": "s"}}]},
        "a volume has exactly one source",
    ),
    ("a host path", {"volumes": [{"name": "a", "mountPath": "/a", "hostPath": {"path": "/"}}]}, "hostPath"),
    ("an annotation of the operator", {"podAnnotations": {"facecomparison.dev/template": "x"}}, "choose others"),
    ("the host of the server", {"env": [{"name": "FACE_COMPARISON_HOST", "value": "x"}]}, "as host and port"),
    ("the identity", {"env": [{"name": "FACE_COMPARISON_IDENTITY", "value": "x"}]}, "set by the operator"),
    ("a field that does not exist", {"replica": 2}, 'unknown field "spec.replica"'),
]


@pytest.mark.parametrize(("spec", "words"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_invalid_spec_is_rejected(api: Api, namespace: str, spec: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused) as refusal:
        Faces(api, namespace).create("faces", **spec)
    assert words in str(refusal.value)


@pytest.mark.parametrize("cpu", [0.5, 1, "500m", "0.5", "1e3"])
def test_quantities_match_pods(api: Api, namespace: str, cpu: Any) -> None:
    made = Faces(api, namespace).create("faces", autoscaling={}, resources={"requests": {"cpu": cpu}})
    assert made["spec"]["resources"]["requests"]["cpu"] == cpu


def test_empty_or_missing_spec_gets_defaults(api: Api, namespace: str) -> None:
    metadata = {"name": "none", "namespace": namespace}
    none = api.create(RESOURCE, {"metadata": metadata})
    empty = Faces(api, namespace).create("empty")
    assert none["spec"] == empty["spec"]
    assert none["spec"]["accelerator"] == {"type": "gpu", "resourceName": "nvidia.com/gpu", "count": 1}


def test_status_is_a_subresource(api: Api, namespace: str) -> None:
    faces = Faces(api, namespace)
    faces.create("faces")
    api.merge(RESOURCE, namespace, "faces", {"status": {"url": "http://x/"}})
    # Tools that wait treat an object without a status as ready.
    assert faces.get("faces")["status"] == {"observedGeneration": -1}
    generation = api.merge(RESOURCE, namespace, "faces", {"status": {"url": "http://x/"}}, "status")["metadata"][
        "generation"
    ]
    assert generation == 1


def test_kubectl_lists_and_explains_the_resource(control_plane: ControlPlane, api: Api, namespace: str) -> None:
    Faces(api, namespace).create("faces")
    here = f"--namespace={namespace}"
    explained = control_plane.kubectl("explain", "facecomparison.spec.accelerator.type")
    assert "never falls back to the CPU" in explained
    assert control_plane.kubectl("get", "fc", here).split()[:5] == ["NAME", "READY", "REASON", "URL", "REPLICAS"]
    assert "facecomparison.facecomparison.dev/faces" in control_plane.kubectl("get", "all", here, "--output=name")
    control_plane.kubectl("scale", "fc/faces", "--replicas=3", here)
    assert Faces(api, namespace).get("faces")["spec"]["replicas"] == 3
