"""How pods are replaced by those of a changed spec."""

from __future__ import annotations

from face_comparison_operator.resource import FaceComparison, Object, Strategy

_NOTHING = (0, "0", "0%")
# Pods one after the other give their room to their successors.
REPLACE_IN_PLACE: Object = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}


def strategy(resource: FaceComparison) -> Object:
    """How pods are replaced: after their successors are ready, unless the spec says otherwise; see `room.py`."""
    asked = resource.spec.strategy or Strategy()
    # Two processes must never open one embedded store.
    if asked.type == "Recreate" or resource.spec.collections.embedded:
        return {"type": "Recreate"}
    surge, unavailable = asked.max_surge, asked.max_unavailable
    if surge is None and unavailable is None:
        surge = 1
    if unavailable is None:
        unavailable = 1 if surge in _NOTHING else 0
    if surge is None:
        surge = 1 if unavailable in _NOTHING else 0
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": surge}}


def with_room_made(body: Object, live: Object | None, *, lacking: bool, rolling: bool) -> Object:
    """Lets the previous pods make room for the new ones where there is none beside them.

    Args:
        body: the desired Deployment.
        live: the live one.
        lacking: whether a new pod waits for room that a previous one would leave it.
        rolling: whether a rollout is under way; one that was begun so is ended so.
    """
    if body["spec"]["strategy"]["type"] != "RollingUpdate":
        return body
    begun = live is not None and rolling and live["spec"].get("strategy") == REPLACE_IN_PLACE
    if not (lacking or begun):
        return body
    return {**body, "spec": {**body["spec"], "strategy": REPLACE_IN_PLACE}}
