"""Determines how pods are replaced when the spec changes."""

from __future__ import annotations

from face_comparison_operator.resource import FaceComparison, Object
from face_comparison_operator.spec import Strategy

_NOTHING = (0, "0", "0%")
# Pods are removed one by one to make room for their successors.
REPLACE_IN_PLACE: Object = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}


def strategy(resource: FaceComparison) -> Object:
    """Returns the strategy: unless the spec says otherwise, pods are replaced after their successors are ready.

    See `room.py` for the case that there is no room for both.
    """
    strategy_spec = resource.spec.strategy or Strategy()
    # Two processes must never open the same embedded store.
    if strategy_spec.type == "Recreate" or resource.spec.collections.embedded:
        return {"type": "Recreate"}
    surge, unavailable = strategy_spec.max_surge, strategy_spec.max_unavailable
    if surge is None and unavailable is None:
        surge = 1
    if unavailable is None:
        unavailable = 1 if surge in _NOTHING else 0
    if surge is None:
        surge = 1 if unavailable in _NOTHING else 0
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": surge}}


def with_room_made(body: Object, live: Object | None, *, lacking: bool, rolling: bool) -> Object:
    """Returns the Deployment with in-place replacement of pods if there is no room for previous and new ones together.

    Args:
        body: The desired Deployment.
        live: The live Deployment.
        lacking: Whether a new pod waits for room that a previous one would free.
        rolling: Whether a rollout is in progress; a rollout that began with in-place replacement also ends with it.
    """
    if body["spec"]["strategy"]["type"] != "RollingUpdate":
        return body
    in_progress = live is not None and rolling and live["spec"].get("strategy") == REPLACE_IN_PLACE
    if not (lacking or in_progress):
        return body
    return {**body, "spec": {**body["spec"], "strategy": REPLACE_IN_PLACE}}
