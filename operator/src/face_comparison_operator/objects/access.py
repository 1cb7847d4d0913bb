"""The pods' ServiceAccount without rights, the NetworkPolicy, and the ServiceMonitor."""

from __future__ import annotations

from face_comparison_operator.resource import FaceComparison, Object
from face_comparison_operator.settings import Settings


def service_account(resource: FaceComparison) -> list[Object]:
    """The ServiceAccount of the pods, unless the resource names one."""
    if resource.spec.service_account_name:
        return []
    return [{"apiVersion": "v1", "kind": "ServiceAccount", "automountServiceAccountToken": False}]


def network_policy(resource: FaceComparison) -> list[Object]:
    """The NetworkPolicy: in by the service's port, out to everything but link-local addresses (metadata of clouds)."""
    if not resource.spec.network_policy:
        return []
    outside = [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}},
        {"ipBlock": {"cidr": "::/0", "except": ["fe80::/10", "fd00:ec2::254/128"]}},
    ]
    return [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "spec": {
                "podSelector": {"matchLabels": resource.selector},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"ports": [{"port": "http", "protocol": "TCP"}]}],
                "egress": [
                    # Resolvers on the node listen on link-local addresses.
                    {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
                    {"to": outside},
                ],
            },
        }
    ]


def service_monitor(resource: FaceComparison, settings: Settings) -> list[Object]:
    """The ServiceMonitor of the Prometheus operator, with the labels by which a Prometheus selects it."""
    if not resource.spec.monitoring.service_monitor:
        return []
    common = dict(pair.split("=", 1) for pair in settings.service_monitor_labels)
    return [
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "ServiceMonitor",
            "metadata": {"labels": {**common, **resource.spec.monitoring.labels}},
            "spec": {
                "selector": {"matchLabels": resource.selector},
                "endpoints": [{"port": "http", "path": "/metrics", "interval": "15s"}],
            },
        }
    ]
