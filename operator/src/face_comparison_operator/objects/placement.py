"""Pod placement: the affinity in the spec, no Windows nodes, and spreading over nodes and zones."""

from __future__ import annotations

from typing import Any

from face_comparison_operator.resource import FaceComparison, Object

# Nodes with NVIDIA GPU feature discovery have this label.
GPU_NODE_LABEL = "nvidia.com/gpu.present"
NOT_WINDOWS: Object = {"key": "kubernetes.io/os", "operator": "NotIn", "values": ["windows"]}


def affinity(resource: FaceComparison) -> Object:
    """Returns the affinity in the spec, extended to exclude Windows nodes.

    A node without the label of its operating system is assumed to run Linux.
    """
    affinity = resource.spec.affinity
    node = affinity.get("nodeAffinity") or {}
    if not affinity and resource.spec.accelerator.type == "auto":
        gpu = {"matchExpressions": [{"key": GPU_NODE_LABEL, "operator": "In", "values": ["true"]}]}
        node = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": gpu}]}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    # Terms are alternatives, so the requirement is added to each.
    terms = [
        {**term, "matchExpressions": [*(term.get("matchExpressions") or []), NOT_WINDOWS]}
        for term in (node.get(required) or {}).get("nodeSelectorTerms") or [{}]
    ]
    return {**affinity, "nodeAffinity": {**node, required: {**(node.get(required) or {}), "nodeSelectorTerms": terms}}}


def spread(resource: FaceComparison) -> list[Object]:
    """Returns the topology spread constraints in the spec, or spreads over nodes and zones where possible."""
    selector: dict[str, Any] = {"labelSelector": {"matchLabels": resource.selector}}
    if resource.spec.topology_spread_constraints:
        return [{**selector, **constraint} for constraint in resource.spec.topology_spread_constraints]
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            **selector,
            # Each version is spread separately; otherwise, new pods would be packed onto the nodes without old ones.
            "matchLabelKeys": ["pod-template-hash"],
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]
