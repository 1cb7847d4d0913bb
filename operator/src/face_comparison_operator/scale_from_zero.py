"""Provides the first pods when an autoscaler takes over a Deployment that the operator has scaled to zero.

An autoscaler never scales a Deployment up from zero, and no field of the resource could create the first pod.
"""

from __future__ import annotations

from face_comparison_operator.resource import MANAGER, Object
from face_comparison_operator.spec import Autoscaling


def with_min_replicas(body: Object, live: Object, scaling: Autoscaling | None) -> Object:
    """Returns the Deployment `body`, with `minReplicas` if the operator had scaled `live` to zero.

    Args:
        body: The desired Deployment.
        live: The live Deployment, with its managed fields. If someone else scaled it to zero, it stays at zero.
        scaling: The autoscaling of the spec.
    """
    if not scaling or not scaling.min_replicas or live["spec"].get("replicas") != 0 or not _set_by_operator(live):
        return body
    return {**body, "spec": {**body["spec"], "replicas": scaling.min_replicas}}


def _set_by_operator(live: Object) -> bool:
    return any(
        each.get("manager") == MANAGER and "f:replicas" in each.get("fieldsV1", {}).get("f:spec", {})
        for each in live["metadata"].get("managedFields", [])
        if not each.get("subresource")
    )
