"""Builds the status of a resource from what was observed: every condition, the URL, the numbers, and the times.

`status()` is pure: it takes the resource with its previous status, the observed state, and the time.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from face_comparison_operator import conditions
from face_comparison_operator.conditions import Clock, Condition
from face_comparison_operator.observation import Observed
from face_comparison_operator.resource import FaceComparison, Object
from face_comparison_operator.rollout import rollout
from face_comparison_operator.room import room

TYPES = ("Ready", "Progressing", "Available", "RouteReady", "AutoscalerReady", "CollectionsReady", "SpecAccepted")


def status(resource: FaceComparison, observed: Observed, now: datetime) -> Object:
    """Builds the complete status to write.

    Args:
        resource: The resource, with its previous status.
        observed: The observed state.
        now: The time, with a time zone.
    """
    state = rollout(observed.deployment, observed.pods, observed.events, now)
    before = {each["type"]: each for each in resource.status.get("conditions", [])}
    clock = _clock(resource, now)
    place = room(observed.deployment, observed.pods, now, chosen=resource.spec.strategy is not None)
    ready = conditions.ready(
        resource, observed, state, place, clock, was_ready=before.get("Ready", {}).get("status") == "True"
    )
    if ready.status and clock.seconds is None:
        clock.seconds = max(0, round((now - clock.started).total_seconds()))
    by_type: dict[str, Condition | None] = {
        "Ready": ready,
        "Progressing": conditions.progressing(state, ready, clock),
        "Available": conditions.available(state),
        "RouteReady": conditions.route_ready(resource, observed),
        "AutoscalerReady": conditions.autoscaler_ready(resource, observed),
        "CollectionsReady": conditions.collections_ready(resource, observed, before.get("CollectionsReady")),
        "SpecAccepted": conditions.spec_accepted(observed),
    }
    written = [
        _condition(kind, condition, before.get(kind), resource.generation, now)
        for kind in TYPES
        if (condition := by_type[kind]) is not None
    ]
    version = observed.probe.version if observed.probe else None
    result = {
        "observedGeneration": resource.generation,
        "conditions": written,
        # Until the new URL has responded, the previous one still serves and stays published.
        "url": resource.status["url"] if conditions.is_migrating(resource, observed) else observed.route.url,
        "replicas": state.replicas,
        "readyReplicas": state.ready,
        "selector": ",".join(f"{name}={value}" for name, value in resource.selector.items()),
        "modelVersion": version or resource.status.get("modelVersion"),
        "deployStartedAt": _text(clock.started),
        "deploySeconds": clock.seconds,
    }
    return {name: value for name, value in result.items() if value is not None}


_FIELDS = (
    *("observedGeneration", "url", "replicas", "readyReplicas", "selector", "modelVersion", "deployStartedAt"),
    "deploySeconds",
)


def is_written(result: Object, live: Object) -> bool:
    """Returns whether the live status contains `result`, regardless of what others have added."""
    conditions = {each["type"]: each for each in live.get("conditions", []) if each["type"] in TYPES}
    desired = {each["type"]: each for each in result["conditions"]}
    return conditions == desired and all(live.get(name) == result.get(name) for name in _FIELDS)


def next_deadline(resource: FaceComparison, result: Object, now: datetime) -> float | None:
    """Returns the seconds until the deadline changes the status `result`, or None if no deadline is pending."""
    if "deploySeconds" in result:
        return None
    deadline = _time(result["deployStartedAt"]) + timedelta(seconds=resource.spec.deploy_deadline_seconds)
    return max(0.0, (deadline - now).total_seconds()) if deadline > now else None


def _clock(resource: FaceComparison, now: datetime) -> Clock:
    before, limit = resource.status, resource.spec.deploy_deadline_seconds
    if before.get("observedGeneration") != resource.generation or "deployStartedAt" not in before:
        return Clock(now, now, None, limit)
    return Clock(now, _time(before["deployStartedAt"]), before.get("deploySeconds"), limit)


def _condition(kind: str, condition: Condition, before: Object | None, generation: int, now: datetime) -> Object:
    value = {True: "True", False: "False", None: "Unknown"}[condition.status]
    transition_time = before["lastTransitionTime"] if before and before["status"] == value else _text(now)
    return {
        "type": kind,
        "status": value,
        "reason": condition.reason,
        "message": condition.message[:1024],
        "lastTransitionTime": transition_time,
        "observedGeneration": generation,
    }


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
