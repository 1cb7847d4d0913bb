"""Edits of children by somebody else, all of which the operator has to repair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from face_comparison_operator.api_resources import (
    AUTOSCALER,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    INGRESS,
    NETWORK_POLICY,
    SERVICE,
    SERVICE_ACCOUNT,
    ApiResource,
)
from support.reconcile_world import Object


def _container(child: Object, **change: Any) -> Object:
    """Returns a patch of the first container of a Deployment."""
    first, *others = child["spec"]["template"]["spec"]["containers"]
    return _pods(containers=[{**first, **change}, *others])


def _pods(**change: Any) -> Object:
    return {"spec": {"template": {"spec": change}}}


def _variables(child: Object, name: str, variable: Object) -> Object:
    """Returns a patch that sets one variable of the first container."""
    found = child["spec"]["template"]["spec"]["containers"][0]["env"]
    return _container(child, env=[*(each for each in found if each["name"] != name), {"name": name, **variable}])


def sidecar(name: str) -> Object:
    return {"name": name, "image": "registry.example/other:1"}


_EXEC = {"exec": {"command": ["true"]}, "periodSeconds": 1}
_REPLACED_VOLUMES = [{"name": "tmp", "hostPath": {"path": "/"}}]
_ELSEWHERE = {"service": {"name": "elsewhere", "port": {"number": 80}}}


# Description, kind, and patch of a child. Each contradicts the resource.
EDITS: list[tuple[str, ApiResource, Callable[[Object], Object]]] = [
    (
        "a variable's value from a Secret",
        DEPLOYMENT,
        lambda child: _variables(
            child, "FACE_COMPARISON_STAGE", {"valueFrom": {"secretKeyRef": {"name": "other", "key": "stage"}}}
        ),
    ),
    (
        "a variable more",
        DEPLOYMENT,
        lambda child: _variables(child, "FACE_COMPARISON_ALLOWED_HOSTS", {"value": "0.0.0.0/0"}),
    ),
    ("a probe by a command", DEPLOYMENT, lambda child: _container(child, livenessProbe=_EXEC)),
    ("a probe by TCP", DEPLOYMENT, lambda child: _container(child, readinessProbe={"tcpSocket": {"port": 8080}})),
    (
        "a hook by a command",
        DEPLOYMENT,
        lambda child: _container(child, lifecycle={"preStop": {"exec": {"command": ["true"]}}}),
    ),
    ("other arguments", DEPLOYMENT, lambda child: _container(child, args=["--auth=none"])),
    (
        "a port more",
        DEPLOYMENT,
        lambda child: _container(
            child,
            ports=[
                *child["spec"]["template"]["spec"]["containers"][0]["ports"],
                {"containerPort": 9999, "protocol": "TCP"},
            ],
        ),
    ),
    ("a limit more", DEPLOYMENT, lambda child: _container(child, resources={"limits": {"memory": "3Gi", "cpu": "1"}})),
    (
        "a container more",
        DEPLOYMENT,
        lambda child: _pods(containers=[*child["spec"]["template"]["spec"]["containers"], sidecar("sidecar")]),
    ),
    ("an init container", DEPLOYMENT, lambda child: _pods(initContainers=[sidecar("before")])),
    ("a toleration", DEPLOYMENT, lambda child: _pods(tolerations=[{"operator": "Exists"}])),
    ("the network of the node", DEPLOYMENT, lambda child: _pods(hostNetwork=True, hostPID=True)),
    ("another kind of volume", DEPLOYMENT, lambda child: _pods(volumes=_REPLACED_VOLUMES)),
    (
        "a constraint more",
        DEPLOYMENT,
        lambda child: _pods(
            topologySpreadConstraints=[
                {"maxSkew": 1, "topologyKey": "example.com/rack", "whenUnsatisfiable": "DoNotSchedule"}
            ]
        ),
    ),
    ("another strategy", DEPLOYMENT, lambda child: {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}}),
    ("a wait before pods count", DEPLOYMENT, lambda child: {"spec": {"minReadySeconds": 300}}),
    ("another port", SERVICE, lambda child: {"spec": {"ports": [{"name": "http", "port": 81, "targetPort": 9999}]}}),
    ("an address from outside", SERVICE, lambda child: {"spec": {"externalIPs": ["198.51.100.7"]}}),
    ("a port of every node", SERVICE, lambda child: {"spec": {"type": "NodePort"}}),
    ("affinity of sessions", SERVICE, lambda child: {"spec": {"sessionAffinity": "ClientIP"}}),
    ("pods that are not ready", SERVICE, lambda child: {"spec": {"publishNotReadyAddresses": True}}),
    ("a backend for everything", INGRESS, lambda child: {"spec": {"defaultBackend": _ELSEWHERE}}),
    (
        "a resource as the backend",
        INGRESS,
        lambda child: {
            "spec": {
                "rules": [
                    {
                        "http": {
                            "paths": [
                                {
                                    "path": "/prod",
                                    "pathType": "Prefix",
                                    "backend": {"resource": {"kind": "Bucket", "name": "faces"}},
                                }
                            ]
                        }
                    }
                ]
            }
        },
    ),
    (
        "a host that is not asked for",
        INGRESS,
        lambda child: {"spec": {"rules": [{**child["spec"]["rules"][0], "host": "other.example.com"}]}},
    ),
    ("TLS that is not asked for", INGRESS, lambda child: {"spec": {"tls": [{"hosts": ["other.example.com"]}]}}),
    (
        "another kind of target",
        AUTOSCALER,
        lambda child: {
            "spec": {
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "1"}},
                    }
                ]
            }
        },
    ),
    (
        "a metric more",
        AUTOSCALER,
        lambda child: {
            "spec": {
                "metrics": [
                    *child["spec"]["metrics"],
                    {
                        "type": "Resource",
                        "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 5}},
                    },
                ]
            }
        },
    ),
    ("behavior", AUTOSCALER, lambda child: {"spec": {"behavior": {"scaleUp": {"selectPolicy": "Disabled"}}}}),
    (
        "another rule",
        NETWORK_POLICY,
        lambda child: {"spec": {"ingress": [{"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}]}},
    ),
    ("a rule more", NETWORK_POLICY, lambda child: {"spec": {"egress": [*child["spec"]["egress"], {}]}}),
    (
        "other pods",
        NETWORK_POLICY,
        lambda child: {"spec": {"podSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}},
    ),
    ("a share that stays", DISRUPTION_BUDGET, lambda child: {"spec": {"maxUnavailable": None, "minAvailable": "50%"}}),
    (
        "pods that may never go",
        DISRUPTION_BUDGET,
        lambda child: {"spec": {"unhealthyPodEvictionPolicy": "IfHealthyBudget"}},
    ),
    (
        "expressions in a selector",
        DISRUPTION_BUDGET,
        lambda child: {"spec": {"selector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}},
    ),
    ("a token in pods", SERVICE_ACCOUNT, lambda child: {"automountServiceAccountToken": True}),
    ("no owner", SERVICE, lambda child: {"metadata": {"ownerReferences": None}}),
    (
        "an owner that does not control",
        INGRESS,
        lambda child: {
            "metadata": {"ownerReferences": [{**child["metadata"]["ownerReferences"][0], "controller": False}]}
        },
    ),
    (
        "another instance's label",
        DISRUPTION_BUDGET,
        lambda child: {"metadata": {"labels": {"app.kubernetes.io/instance": "another"}}},
    ),
]
