"""What a fault of the matrix is made of: the row, and builders of the objects that inject it."""

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
        name: Name for tests, also part of the namespace's name.
        broken: What is wrong, for people.
        reason: The resulting reason of the condition.
        words: Parts of its message.
        spec: The spec with the fault.
        given: Objects that exist beforehand; NAMESPACE stands for the namespace, HOST for the host of the row.
        add: Objects that fix it.
        delete: Objects whose deletion fixes it, as `kubectl delete` names them.
        mended: The spec that fixes it; None if the spec is correct and something else was wrong.
        condition: The condition that reports it.
        healing: The fix, for people, if it does not follow from the rest.
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
        """The fix, for people."""
        if self.healing:
            return self.healing
        return "a corrected spec" if self.mended is not None else "automatically, once the cause is fixed"


def secret(name: str, kind: str = "Opaque", **values: str) -> Object:
    """Returns a Secret; underscores in the names of values stand for dashes."""
    data = {key.replace("_", "-"): base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind, "data": data}


def config_map(name: str, **values: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": values}


def rejecting(plural: str, group: str, version: str, expression: str, message: str) -> list[Object]:
    """Returns an admission policy of the namespace: objects of a kind must satisfy a CEL expression."""
    rules = [
        {"apiGroups": [group], "apiVersions": [version], "operations": ["CREATE", "UPDATE"], "resources": [plural]}
    ]
    spec = {
        "matchConstraints": {"resourceRules": rules},
        "validations": [{"expression": expression, "message": message}],
    }
    return _policy("ValidatingAdmissionPolicy", spec, {"validationActions": ["Deny"]})


def mutating(expression: str, field: str = "applyConfiguration", patch: str = "ApplyConfiguration") -> list[Object]:
    """Returns an admission policy of the namespace that changes pods, as a sidecar injector does."""
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
# kubectl deletes the cause; faulty pods are only recreated with another template.
AGAIN: Object = {"podLabels": {"again": "yes"}}


def sidecar(image: str, more: str = "") -> list[Object]:
    """Returns a policy that adds a container to every pod."""
    container = f'Object.spec.containers{{name: "sidecar", image: "{image}"{more}}}'
    return mutating(f"Object{{spec: Object.spec{{containers: [{container}]}}}}")


def crashing_sidecar(image: str) -> list[Object]:
    """Returns a policy that adds a container without a program, by JSON patch because commands are lists."""
    container = f'Object.spec.containers{{name: "sidecar", image: "{image}", command: ["/no-such-program"]}}'
    addition = f'[JSONPatch{{op: "add", path: "/spec/containers/-", value: {container}}}]'
    return mutating(addition, "jsonPatch", "JSONPatch")


def variable(name: str, secret: str, key: str) -> Object:
    return {"env": [{"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}]}


PAUSE = config.SANDBOX_IMAGE  # an idle program that is on the node
MESSAGE = "every Service needs the label team"
GATEWAY_OF = {"name": GATEWAY[1], "namespace": GATEWAY[0]}
OTHER_SERVICE: Object = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}}


# A Service that leads to another program, the kubelet.
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
    """Returns a foreign Ingress at the host of the row."""
    backend = {"service": {"name": service, "port": {"number": 80}}}
    rule = {"host": "HOST", "http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend}]}}
    spec = {"ingressClassName": "traefik", "rules": [rule]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "other"}, "spec": spec}


def gateway(name: str, class_name: str = "traefik", **listener: Any) -> Object:
    spec = {"gatewayClassName": class_name, "listeners": [{"name": "web", "port": 80, "protocol": "HTTP", **listener}]}
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


def filled(value: Any, namespace: str, host: str) -> Any:
    """Returns a part of a row with the names of its run filled in."""
    if isinstance(value, dict):
        return {filled(name, namespace, host): filled(each, namespace, host) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [filled(each, namespace, host) for each in value]
    return value.replace("NAMESPACE", namespace).replace("HOST", host) if isinstance(value, str) else value
