"""The fault matrix: what can be broken about a resource, which reason and words report it, and what heals it.

`make fault-matrix` breaks and heals every row on the real node and writes docs/data/fault-matrix.json; CI does so with
those of `IN_CI`.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from devtools.local_cluster import config
from devtools.local_cluster.addons import GATEWAY

Object = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One fault.

    Attributes:
        name: a name for tests, which is also part of the namespace's.
        broken: what is wrong, for people.
        reason: what the condition then says.
        words: parts of its message.
        spec: the spec with the fault.
        given: objects that are there beforehand; NAMESPACE stands for the namespace, HOST for the host of the row.
        add: objects that heal it.
        delete: objects that heal it by going, as `kubectl delete` names them.
        mended: the spec that heals it; None: the spec is right, and something else was wrong.
        condition: which condition reports it.
        healing: what heals it, for people, where that does not follow from the rest.
    """

    name: str
    broken: str
    reason: str
    words: Sequence[str] = ()
    spec: Object = field(default_factory=dict)
    given: Sequence[Object] = ()
    add: Sequence[Object] = ()
    delete: Sequence[str] = ()
    mended: Object | None = None
    condition: str = "Ready"
    healing: str = ""

    @property
    def heals(self) -> str:
        """What heals it, for people."""
        if self.healing:
            return self.healing
        return "a corrected spec" if self.mended is not None else "by itself, once that is put right"


def secret(name: str, kind: str = "Opaque", **values: str) -> Object:
    """A Secret; underscores in the names of values stand for dashes."""
    data = {key.replace("_", "-"): base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind, "data": data}


def config_map(name: str, **values: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": values}


def rejecting(plural: str, group: str, version: str, expression: str, message: str) -> list[Object]:
    """An admission policy of the namespace: objects of a kind must meet a CEL expression."""
    rules = [
        {"apiGroups": [group], "apiVersions": [version], "operations": ["CREATE", "UPDATE"], "resources": [plural]}
    ]
    spec = {
        "matchConstraints": {"resourceRules": rules},
        "validations": [{"expression": expression, "message": message}],
    }
    return _policy("ValidatingAdmissionPolicy", spec, {"validationActions": ["Deny"]})


def mutating(expression: str, field: str = "applyConfiguration", patch: str = "ApplyConfiguration") -> list[Object]:
    """An admission policy of the namespace that changes pods, as an injector of sidecars does."""
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    mutation = {"patchType": patch, field: {"expression": expression}}
    spec = {"matchConstraints": {"resourceRules": rules}, "mutations": [mutation], "reinvocationPolicy": "Never"}
    return _policy("MutatingAdmissionPolicy", spec, {})


def _policy(kind: str, spec: Object, binding: Object) -> list[Object]:
    of = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "NAMESPACE"}}}
    api = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": "NAMESPACE"}}
    bound = {"policyName": "NAMESPACE", "matchResources": of, **binding}
    return [
        {**api, "kind": kind, "spec": {"failurePolicy": "Fail", **spec}},
        {**api, "kind": f"{kind}Binding", "spec": bound},
    ]


VALIDATING = ("validatingadmissionpolicybinding/NAMESPACE", "validatingadmissionpolicy/NAMESPACE")
MUTATING = ("mutatingadmissionpolicybinding/NAMESPACE", "mutatingadmissionpolicy/NAMESPACE")
# kubectl deletes what made the pods bad; bad pods are made again only with another template.
AGAIN: Object = {"podLabels": {"again": "yes"}}


def sidecar(image: str, more: str = "") -> list[Object]:
    """A policy that adds a container to every pod."""
    container = f'Object.spec.containers{{name: "sidecar", image: "{image}"{more}}}'
    return mutating(f"Object{{spec: Object.spec{{containers: [{container}]}}}}")


def crashing_sidecar(image: str) -> list[Object]:
    """A policy that adds a container without its program: commands are lists, which only a JSON patch can set."""
    container = f'Object.spec.containers{{name: "sidecar", image: "{image}", command: ["/no-such-program"]}}'
    addition = f'[JSONPatch{{op: "add", path: "/spec/containers/-", value: {container}}}]'
    return mutating(addition, "jsonPatch", "JSONPatch")


def variable(name: str, secret: str, key: str) -> Object:
    return {"env": [{"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}]}


PAUSE = config.SANDBOX_IMAGE  # a program that does nothing, and is on the node
MESSAGE = "every Service needs the label team"
GATEWAY_OF = {"name": GATEWAY[1], "namespace": GATEWAY[0]}
OTHER_SERVICE: Object = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}}


# A Service that leads to another program: the kubelet.
ELSEWHERE: list[Object] = [
    {**OTHER_SERVICE, "metadata": {"name": "elsewhere"}},
    {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "elsewhere", "labels": {"kubernetes.io/service-name": "elsewhere"}},
        "addressType": "IPv4",
        "ports": [{"port": 10250, "protocol": "TCP"}],
        "endpoints": [{"addresses": [config.ADDRESS], "conditions": {"ready": True}}],
    },
]


def ingress(path: str, service: str = "elsewhere") -> Object:
    """Somebody else's Ingress at the host of the row."""
    backend = {"service": {"name": service, "port": {"number": 80}}}
    rule = {"host": "HOST", "http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend}]}}
    spec = {"ingressClassName": "traefik", "rules": [rule]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "other"}, "spec": spec}


def gateway(name: str, **listener: Any) -> Object:
    spec = {"gatewayClassName": "traefik", "listeners": [{"name": "web", "port": 80, "protocol": "HTTP", **listener}]}
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": name}, "spec": spec}


def http_route(**parent: Any) -> Object:
    return {"route": {"host": "HOST", "gateway": {"parentRefs": [parent]}}}


def quota(**hard: str) -> Object:
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "quota"}, "spec": {"hard": hard}}


LIMITS: Object = {
    "apiVersion": "v1",
    "kind": "LimitRange",
    "metadata": {"name": "limits"},
    "spec": {"limits": [{"type": "Container", "max": {"memory": "64Mi"}}]},
}
WEBHOOK: Object = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingWebhookConfiguration",
    "metadata": {"name": "NAMESPACE"},
    "webhooks": [
        {
            "name": "down.example.com",
            "clientConfig": {"url": "https://127.0.0.1:9/"},
            "rules": [
                {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
            ],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "NAMESPACE"}},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
    ],
}
RUNTIME_CLASS: Object = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "NAMESPACE"},
    "handler": "no-such-handler",
}
KEYS = secret("keys", api_keys="alice:a-key-only-for-this-row-0123456789\n")
NO_HEADROOM = {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "200Mi"}}
SMALL = {"cpu": "50m", "memory": "300Mi"}

PODS: list[Row] = [
    Row(
        "gpu",
        "no node has the GPU that is asked for",
        "Unschedulable",
        ["Insufficient nvidia.com/gpu"],
        {"accelerator": {"type": "gpu"}},
        mended={},
    ),
    Row(
        "node-selector",
        "no node has the labels of `nodeSelector`",
        "Unschedulable",
        ["node affinity/selector"],
        {"nodeSelector": {"disk": "ssd"}},
        mended={},
    ),
    Row(
        "cpu",
        "no node has as much CPU as is requested",
        "Unschedulable",
        ["Insufficient cpu"],
        {"resources": {"requests": {"cpu": "64"}}},
        mended={},
    ),
    Row(
        "memory",
        "no node has as much memory as is requested",
        "Unschedulable",
        ["Insufficient memory"],
        {"resources": {"requests": {"memory": "2Ti"}, "limits": {"memory": "2Ti"}}},
        mended={},
    ),
    Row(
        "model-claim",
        "the claim of `model.volumeClaim` does not exist",
        "Unschedulable",
        ['"no-such-claim" not found'],
        {"model": {"volumeClaim": {"claimName": "no-such-claim"}}},
        mended={},
    ),
    Row(
        "store-claim",
        "the claim of `collections.embedded` does not exist",
        "Unschedulable",
        ['"no-such-claim" not found'],
        {"collections": {"embedded": {"volumeClaim": {"claimName": "no-such-claim"}}}},
        mended={},
    ),
    Row(
        "scheduler",
        "the scheduler of `schedulerName` does not run",
        "Unschedulable",
        ["no scheduler has looked at the pod"],
        {"schedulerName": "nobody"},
        mended={},
    ),
    Row(
        "image",
        "the image does not exist",
        "ImagePullFailed",
        ["nowhere/no-such-image:1"],
        {"image": "nowhere/no-such-image:1"},
        mended={},
    ),
    Row(
        "registry",
        "the registry cannot be reached",
        "ImagePullFailed",
        ["registry.invalid/face:1"],
        {"image": "registry.invalid/face:1"},
        mended={},
    ),
    Row(
        "never-pulled",
        "the image is not on the node, and must not be pulled",
        "ImagePullFailed",
        ["is not present"],
        {"image": "registry.invalid/face:1", "imagePullPolicy": "Never"},
        mended={},
    ),
    Row(
        "digest",
        "no image has the digest",
        "ImagePullFailed",
        ["sha256:0000"],
        {"image": f"registry.invalid/face@sha256:{'0' * 64}"},
        mended={},
    ),
    Row(
        "other-program",
        "the image is another program's",
        "CrashLooping",
        ["face-comparison"],
        {"image": PAUSE},
        mended={},
    ),
    Row(
        "variable-secret",
        "the Secret of a variable does not exist",
        "SecretNotFound",
        ["Secret tokens does not exist"],
        variable("TOKEN", "tokens", "token"),
        add=[secret("tokens", token="x")],
    ),
    Row(
        "variable-key",
        "the Secret of a variable lacks the key",
        "SecretNotFound",
        ["has no key token"],
        variable("TOKEN", "tokens", "token"),
        given=[secret("tokens", other="x")],
        add=[secret("tokens", token="x")],
    ),
    Row(
        "keys",
        "the Secret of API keys does not exist",
        "SecretNotFound",
        ["Secret keys does not exist"],
        {"auth": {"mode": "ApiKey", "secretName": "keys"}},
        add=[KEYS],
    ),
    Row(
        "keys-key",
        "the Secret of API keys has no `api-keys`",
        "SecretNotFound",
        ["api-keys"],
        {"auth": {"mode": "ApiKey", "secretName": "keys"}},
        given=[secret("keys", other="x")],
        add=[KEYS],
    ),
    Row(
        "store-secret",
        "the Secret of `collections.postgres` does not exist",
        "SecretNotFound",
        ["Secret db does not exist"],
        {"collections": {"postgres": {"secretName": "db"}}},
        mended={},
    ),
    Row(
        "volume",
        "the ConfigMap of a volume does not exist",
        "VolumeFailed",
        ['"settings" not found'],
        {"volumes": [{"name": "v", "mountPath": "/etc/v", "configMap": {"name": "settings"}}]},
        add=[config_map("settings", a="b")],
    ),
    Row(
        "ca",
        "the ConfigMap of `caBundle` does not exist",
        "VolumeFailed",
        ['"roots" not found'],
        {"caBundle": {"configMapName": "roots"}},
        mended={},
    ),
    Row(
        "ca-key",
        "the ConfigMap of `caBundle` lacks the key",
        "VolumeFailed",
        ["non-existent config key: ca.crt"],
        {"caBundle": {"configMapName": "roots"}},
        given=[config_map("roots", other="x")],
        mended={},
    ),
    Row(
        "variable-map",
        "the ConfigMap of a variable does not exist",
        "ContainerFailed",
        ['"tuning" not found'],
        {"env": [{"name": "T", "valueFrom": {"configMapKeyRef": {"name": "tuning", "key": "t"}}}]},
        add=[config_map("tuning", t="1")],
    ),
    Row(
        "setting",
        "a variable has a value that the service rejects",
        "SettingsInvalid",
        ["FACE_COMPARISON_THREADS"],
        {"env": [{"name": "FACE_COMPARISON_THREADS", "value": "many"}]},
        mended={},
    ),
    Row(
        "option",
        "a variable is no option of the service",
        "SettingsInvalid",
        ["FACE_COMPARISON_NO_SUCH_OPTION"],
        {"env": [{"name": "FACE_COMPARISON_NO_SUCH_OPTION", "value": "1"}]},
        mended={},
    ),
    Row(
        "model-digest",
        "the model is not the one of `model.sha256`",
        "ModelInvalid",
        ["0" * 8],
        {"model": {"sha256": "0" * 64}},
        mended={},
    ),
    Row(
        "bundle",
        "the image has no such bundle",
        "ModelInvalid",
        ["no-such-bundle"],
        {"model": {"bundle": "no-such-bundle"}},
        mended={},
    ),
    Row(
        "bucket",
        "the model's bucket cannot be reached",
        "ModelDownloadFailed",
        ["S3 server cannot be reached"],
        {
            "model": {"s3": "s3://models-of-nobody/bundle"},
            "env": [
                {"name": "AWS_ENDPOINT_URL_S3", "value": "http://127.0.0.1:9"},
                {"name": "AWS_REGION", "value": "eu-central-1"},
                {"name": "AWS_ACCESS_KEY_ID", "value": "x"},
                {"name": "AWS_SECRET_ACCESS_KEY", "value": "y"},
            ],
        },
        mended={},
    ),
    Row(
        "bucket-credentials",
        "there are no credentials for the model's bucket",
        "ModelDownloadFailed",
        ["credentials"],
        {
            "model": {"s3": "s3://models-of-nobody/bundle"},
            "env": [
                {"name": "AWS_ENDPOINT_URL_S3", "value": "http://127.0.0.1:9"},
                {"name": "AWS_REGION", "value": "eu-central-1"},
                {"name": "AWS_EC2_METADATA_DISABLED", "value": "true"},
            ],
        },
        mended={},
    ),
    Row(
        "out-of-memory", "the memory limit is too low", "OutOfMemory", ["memory"], {"resources": NO_HEADROOM}, mended={}
    ),
    Row(
        "crash",
        "the program crashes at its start",
        "CrashLooping",
        ["exits with code 1"],
        {"env": [{"name": "PYTHONHOME", "value": "/nowhere"}]},
        mended={},
    ),
    Row(
        "evicted",
        "the pod writes more to its disk than it may",
        "Evicted",
        ["ephemeral"],
        {"resources": {"requests": SMALL, "limits": {"memory": "1500Mi", "ephemeral-storage": "1Ki"}}},
        mended={},
    ),
    Row(
        "quota",
        "the namespace's quota is used up",
        "PodCreationFailed",
        ["exceeded quota"],
        given=[quota(pods="0")],
        delete=["resourcequota/quota"],
        mended=AGAIN,
    ),
    Row(
        "limit-range",
        "a LimitRange allows less memory",
        "PodCreationFailed",
        ["maximum memory usage"],
        given=[LIMITS],
        delete=["limitrange/limits"],
        mended=AGAIN,
    ),
    Row(
        "priority",
        "the PriorityClass does not exist",
        "PodCreationFailed",
        ["no PriorityClass"],
        {"priorityClassName": "no-such-class"},
        mended={},
    ),
    Row(
        "account",
        "the ServiceAccount does not exist",
        "PodCreationFailed",
        ["nobody"],
        {"serviceAccountName": "nobody"},
        mended={},
    ),
    Row(
        "runtime-class",
        "the RuntimeClass does not exist",
        "PodCreationFailed",
        ["RuntimeClass"],
        {"accelerator": {"type": "cpu", "runtimeClassName": "no-such-class"}},
        mended={},
    ),
    Row(
        "runtime-handler",
        "the node lacks the RuntimeClass' handler",
        "ContainerFailed",
        ["no-such-handler"],
        {"accelerator": {"type": "cpu", "runtimeClassName": "NAMESPACE"}},
        given=[RUNTIME_CLASS],
        delete=["runtimeclass/NAMESPACE"],
        mended={},
    ),
    Row(
        "pod-policy",
        "an admission policy rejects the pods",
        "PodCreationFailed",
        ["not on Mondays"],
        given=rejecting("pods", "", "v1", "false", "not on Mondays"),
        delete=VALIDATING,
        mended=AGAIN,
    ),
    Row(
        "probe",
        "the startup probe does not come through",
        "ProbeFailed",
        ["Startup probe failed", "connection refused"],
        given=mutating(
            'Object{spec: Object.spec{containers: [Object.spec.containers{name: "service", startupProbe: '
            "Object.spec.containers.startupProbe{httpGet: "
            'Object.spec.containers.startupProbe.httpGet{path: "/readyz", port: 9999}}}]}}'
        ),
        delete=MUTATING,
        mended=AGAIN,
    ),
    Row(
        "sidecar-image",
        "the image of a sidecar does not exist",
        "ImagePullFailed",
        ["of container sidecar"],
        given=sidecar("nowhere/no-such-sidecar:1"),
        delete=MUTATING,
        mended=AGAIN,
    ),
    Row(
        "sidecar-not-ready",
        "a sidecar does not become ready",
        "ProbeFailed",
        ["container sidecar", "Readiness probe"],
        given=sidecar(
            PAUSE,
            ", readinessProbe: Object.spec.containers.readinessProbe{tcpSocket: "
            "Object.spec.containers.readinessProbe.tcpSocket{port: 9999}}",
        ),
        delete=MUTATING,
        mended=AGAIN,
    ),
    Row(
        "sidecar-crashes",
        "a sidecar crashes",
        "CrashLooping",
        ["container sidecar"],
        given=crashing_sidecar(PAUSE),
        delete=MUTATING,
        mended=AGAIN,
    ),
    Row(
        "init-image",
        "the image of an added init container does not exist",
        "ImagePullFailed",
        ["of container before"],
        given=mutating(
            'Object{spec: Object.spec{initContainers: [Object.spec.initContainers{name: "before", '
            'image: "nowhere/no-such-image:1"}]}}'
        ),
        delete=MUTATING,
        mended=AGAIN,
    ),
    Row(
        "deadline",
        "it takes longer than `deployDeadlineSeconds`",
        "ProgressDeadlineExceeded",
        ["not ready 1 s after"],
        {"deployDeadlineSeconds": 1},
        healing="by itself, as soon as the pods are ready",
    ),
]

ROUTES: list[Row] = [
    Row(
        "ingress-class",
        "no controller takes Ingresses of the class",
        "AddressPending",
        ["of the class nobody"],
        {"route": {"host": "HOST", "ingress": {"className": "nobody"}}},
        mended={},
    ),
    Row(
        "gateway",
        "the Gateway does not exist",
        "RouteNotAccepted",
        ["NAMESPACE/public does not exist"],
        http_route(name="public"),
        add=[gateway("public")],
    ),
    Row(
        "listener",
        "the Gateway has no such listener",
        "RouteNotAccepted",
        ["no listener named secure"],
        http_route(**GATEWAY_OF, sectionName="secure"),
        condition="RouteReady",
        mended=http_route(**GATEWAY_OF),
    ),
    Row(
        "listener-host",
        "no listener of the Gateway has the host",
        "RouteNotAccepted",
        ["no listener for HOST"],
        http_route(name="public"),
        given=[gateway("public", hostname="elsewhere.example.com")],
        condition="RouteReady",
        add=[gateway("public")],
    ),
    Row(
        "same-host",
        "another Ingress has the path",
        "EndpointUnreachable",
        ["does not lead to the pods"],
        given=[*ELSEWHERE, ingress("/prod/face_comparison")],
        delete=["ingress/other"],
    ),
    Row(
        "certificate",
        "the Secret of `tlsSecret` does not exist",
        "CertificateInvalid",
        ["clients reject the certificate"],
        {"route": {"host": "HOST", "ingress": {"tlsSecret": "no-such-secret"}}},
        mended={},
    ),
    Row(
        "ip-host",
        "the host is an IP address",
        "ApplyFailed",
        ["must be a DNS name"],
        {"route": {"host": "192.0.2.7"}},
        mended={},
    ),
]

RESOURCES: list[Row] = [
    Row(
        "autoscaling-request",
        "`autoscaling` by CPU without a request",
        "InvalidSpec",
        ["set resources.requests.cpu"],
        {"autoscaling": {"maxReplicas": 2}, "resources": {"limits": {"memory": "1500Mi"}}},
        mended={},
    ),
    Row(
        "service-name",
        "a Service of somebody else has the name",
        "NameConflict",
        ["the name of the Service"],
        given=[{**OTHER_SERVICE, "metadata": {"name": "faces"}}],
        delete=["service/faces"],
    ),
    Row(
        "account-name",
        "a ServiceAccount of somebody else has the name",
        "NameConflict",
        ["the name of the ServiceAccount"],
        given=[{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "faces"}}],
        delete=["serviceaccount/faces"],
    ),
    Row(
        "keda",
        "KEDA is not installed",
        "ApiNotInstalled",
        ["does not have the API ScaledObject"],
        {"autoscaling": {"metric": "InFlight"}},
        condition="AutoscalerReady",
        mended={},
    ),
    Row(
        "monitor",
        "the Prometheus operator is not installed",
        "ApiNotInstalled",
        ["ServiceMonitor"],
        {"monitoring": {"serviceMonitor": True}},
        condition="SpecAccepted",
        mended={},
    ),
    Row(
        "policy",
        "an admission policy rejects a child",
        "ApplyFailed",
        [MESSAGE],
        given=rejecting("services", "", "v1", "has(object.metadata.labels.team)", MESSAGE),
        mended={"childMetadata": {"labels": {"team": "vision"}}},
    ),
    Row(
        "webhook",
        "an admission webhook is down",
        "ApplyFailed",
        ["down.example.com"],
        given=[WEBHOOK],
        delete=["validatingwebhookconfiguration/NAMESPACE"],
    ),
    Row(
        "paused",
        "`paused` keeps a change from being made",
        "Paused",
        ["reconciliation is paused"],
        {"paused": True},
        mended={},
    ),
    Row("zero", "`replicas` is 0", "ScaledToZero", ["replicas is 0"], {"replicas": 0}, mended={}),
    Row(
        "store",
        "the PostgreSQL of collections cannot be reached",
        "StoreUnavailable",
        [],
        {"collections": {"postgres": {"secretName": "db"}}},
        condition="CollectionsReady",
        mended={},
        given=[secret("db", uri="postgresql://nobody:nothing@127.0.0.1:9/faces")],
    ),
]

ROWS = [*PODS, *ROUTES, *RESOURCES]
# Part of every run of the tests: what heals without waiting until an admission policy is no longer applied.
IN_CI = ("volume",)


def filled(value: Any, namespace: str, host: str) -> Any:
    """A part of a row with the names of its run."""
    if isinstance(value, dict):
        return {filled(name, namespace, host): filled(each, namespace, host) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [filled(each, namespace, host) for each in value]
    return value.replace("NAMESPACE", namespace).replace("HOST", host) if isinstance(value, str) else value
