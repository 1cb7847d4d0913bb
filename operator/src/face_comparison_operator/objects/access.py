"""Builds the pods' ServiceAccount, which has no permissions, the NetworkPolicy, and the ServiceMonitor."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from face_comparison_operator.resource import FaceComparison, Object
from face_comparison_operator.settings import Settings


def service_account(resource: FaceComparison) -> list[Object]:
    """Builds the ServiceAccount of the pods, unless the resource names one."""
    if resource.spec.service_account_name:
        return []
    return [{"apiVersion": "v1", "kind": "ServiceAccount", "automountServiceAccountToken": False}]


METADATA = (
    "100.64.0.0/10",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "192.0.0.0/24",
    "fd00:ec2::254/128",
    "fd20:ce::254/128",
    "fe80::/10",
)
"""Cloud metadata addresses, the same as in the service's own guard (a test compares them)."""


def network_policy(resource: FaceComparison) -> list[Object]:
    """Builds the NetworkPolicy: ingress to the service's port, egress to everything except cloud metadata.

    Egress to addresses in `limits.allowedHosts` is permitted even if they are in the blocked ranges.
    """
    if not resource.spec.network_policy:
        return []
    outside: list[Object] = [
        {
            "ipBlock": {
                "cidr": everything,
                "except": [block for block in METADATA if (":" in block) == (":" in everything)],
            }
        }
        for everything in ("0.0.0.0/0", "::/0")
    ]
    outside += [{"ipBlock": {"cidr": cidr}} for cidr in _allowed_among_metadata(resource.spec.limits.allowed_hosts)]
    return [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "spec": {
                "podSelector": {"matchLabels": resource.selector},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"ports": [{"port": "http", "protocol": "TCP"}]}],
                "egress": [
                    # DNS resolvers on the node listen on link-local addresses.
                    {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
                    {"to": outside},
                ],
            },
        }
    ]


def _allowed_among_metadata(allowed_hosts: Iterable[str]) -> list[str]:
    """Returns the allowed networks that the policy would otherwise block; host names are ignored."""
    closed = [ipaddress.ip_network(block) for block in METADATA]
    allowed = []
    for entry in allowed_hosts:
        try:
            network = ipaddress.ip_network(entry, strict=False)
        except ValueError:
            continue
        if any(network.version == block.version and network.overlaps(block) for block in closed):
            allowed.append(str(network))
    return allowed


def service_monitor(resource: FaceComparison, settings: Settings) -> list[Object]:
    """Builds the ServiceMonitor, with the labels by which Prometheus selects it."""
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
