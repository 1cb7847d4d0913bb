"""Pods for an autoscaler that takes over a Deployment which the operator has scaled to none.

An autoscaler leaves a Deployment without pods as it is, and nothing in the resource could give it the first one.
"""

from __future__ import annotations

from face_comparison_operator.resource import MANAGER, Autoscaling, Object


def awake(body: Object, live: Object, scaling: Autoscaling | None) -> Object:
    """The Deployment `body`, with the least replicas of `scaling` where `live` has none by the operator's will.

    live: as the API server has it, with its managed fields. Whoever else set it to none wants it to stand still.
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
