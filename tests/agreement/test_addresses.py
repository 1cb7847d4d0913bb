"""The operator's NetworkPolicy blocks the addresses that the service's guard knows as cloud metadata."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from face_comparison.fetching import address_policy
from face_comparison_operator.objects import access
from face_comparison_operator.resource import parse

KNOWN = {
    "Amazon, Azure, Google, OpenStack and others": "169.254.169.254",
    "Amazon, credentials of a task": "169.254.170.2",
    "Amazon, pod identity": "169.254.170.23",
    "Amazon by IPv6": "fd00:ec2::254",
    "Google by IPv6": "fd20:ce::254",
    "Azure's host agent": "168.63.129.16",
    "Alibaba": "100.100.100.200",
    "Oracle": "192.0.0.192",
}


def egress(**limits: Any) -> list[dict[str, Any]]:
    """Returns the blocks to which pods may send on any port."""
    body = {
        "apiVersion": "facecomparison.dev/v1alpha1",
        "kind": "FaceComparison",
        "metadata": {"name": "faces", "namespace": "default", "uid": "1", "generation": 1},
        "spec": {"networkPolicy": True, "limits": limits},
    }
    (policy,) = access.network_policy(parse(body))
    return [block["ipBlock"] for rule in policy["spec"]["egress"] for block in rule.get("to", [])]


def reachable(address: str, blocks: list[dict[str, Any]]) -> bool:
    """Returns whether a policy with these blocks permits a connection, as Kubernetes defines it."""
    target = ipaddress.ip_address(address)

    def holds(cidr: str) -> bool:
        return target in ipaddress.ip_network(cidr)

    return any(holds(each["cidr"]) and not any(map(holds, each.get("except", []))) for each in blocks)


def test_both_variable_lists_match() -> None:
    assert access.METADATA == address_policy.METADATA


@pytest.mark.parametrize("address", KNOWN.values(), ids=KNOWN)
def test_metadata_is_denied_by_both(address: str) -> None:
    assert not address_policy.is_public(ipaddress.ip_address(address))
    assert not reachable(address, egress())


@pytest.mark.parametrize("address", ["1.1.1.1", "10.1.2.3", "2001:db8::1", "fd00::1"])
def test_other_names_are_permitted_by_both(address: str) -> None:
    """Including private addresses: the guard decides about those, by the names that the resource allows."""
    assert reachable(address, egress())


@pytest.mark.parametrize("allowed", ["100.64.10.0/24", "100.64.10.5", "100.64.10.77/24"])
def test_variables_allowed_by_resource_are_permitted(allowed: str) -> None:
    blocks = egress(allowedHosts=[allowed, "images.example.com", "10.0.0.0/8"])
    assert reachable("100.64.10.5", blocks)
    assert not reachable("100.64.11.5", blocks)
    assert not reachable("169.254.169.254", blocks)
    assert {"cidr": "10.0.0.0/8"} not in blocks, "what is open anyway is not named again"
