"""Determines each condition of a resource from what was observed. Pure; `status.py` combines them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from face_comparison_operator.observation import Observed
from face_comparison_operator.pod_problems import UNSCHEDULABLE
from face_comparison_operator.reasons import (
    ACCEPTED,
    CERTIFICATE_INVALID,
    COLLECTIONS_AVAILABLE,
    COLLECTIONS_PENDING,
    DEPLOYED,
    DEPLOYING,
    ENDPOINT_REACHABLE,
    ENDPOINT_UNREACHABLE,
    METRICS_UNAVAILABLE,
    NO_POD_READY,
    PAUSED,
    PODS_AVAILABLE,
    PROGRESS_DEADLINE_EXCEEDED,
    SCALED_TO_ZERO,
    SCALER_PENDING,
    SCALING,
    STORE_UNAVAILABLE,
    TERMINATING,
)
from face_comparison_operator.refusals import blocking
from face_comparison_operator.resource import FaceComparison, Object
from face_comparison_operator.rollout import Rollout
from face_comparison_operator.room import Room
from face_comparison_operator.routing import CLUSTER_INTERNAL


@dataclass(frozen=True, slots=True)
class Condition:
    """The state of a condition. `status` None: unknown."""

    status: bool | None
    reason: str
    message: str


@dataclass(slots=True)
class Clock:
    """The times of the current deployment.

    Attributes:
        now: The time.
        started: When the deployment began.
        seconds: Its duration; None while it has not finished.
        limit: Deadline in seconds.
        expired: Whether the deadline has passed before the deployment finished.
    """

    now: datetime
    started: datetime
    seconds: int | None
    limit: int
    expired: bool = field(init=False)

    def __post_init__(self) -> None:
        self.expired = self.seconds is None and self.now >= self.started + timedelta(seconds=self.limit)


def ready(
    resource: FaceComparison, observed: Observed, state: Rollout, place: Room, clock: Clock, *, was_ready: bool
) -> Condition:
    """Determines whether this resource's own pods respond at the URL for the current spec."""
    obstacle = blocking(observed.refusals)
    if obstacle:
        return Condition(False, obstacle.reason, obstacle.message + _still_serving(resource, observed, state))
    if state.settled and state.desired == 0:
        return Condition(False, SCALED_TO_ZERO, "replicas is 0: no pods run until it is raised")
    # Once deployed, it stays ready as long as it responds, even while pods fail, scale, or restart.
    if not (state.complete or (was_ready and state.pure and state.available)):
        return _not_deployed(state, place, clock)
    return _deployed(resource, observed, state)


def _deployed(resource: FaceComparison, observed: Observed, state: Rollout) -> Condition:
    """Determines whether the URL leads to the pods, given that they are ready."""
    route, probe = observed.route, observed.probe
    if not route.admitted:
        return Condition(False, route.reason, route.message)
    if is_migrating(resource, observed):
        return Condition(False, DEPLOYING, f"the route is moving to {route.url}; the previous URL is still serving")
    if probe and probe.outcome == "unexpected":
        return Condition(False, ENDPOINT_UNREACHABLE, f"{route.url} does not lead to the pods: {probe.detail}")
    if probe and probe.certificate and _names_certificate(resource):
        return Condition(False, CERTIFICATE_INVALID, _certificate_message(observed, probe.certificate))
    remark = f"; but {_certificate_message(observed, probe.certificate)}" if probe and probe.certificate else ""
    if not state.complete:
        because = f": {state.problem.message}" if state.problem else ""
        return Condition(True, DEPLOYED, f"{state.available} of {state.desired} pods are ready{because}{remark}")
    return Condition(True, DEPLOYED, f"{route.url} serves the current spec{remark}")


def is_migrating(resource: FaceComparison, observed: Observed) -> bool:
    """Returns whether the route serves two stages and the new one can be probed but has not responded yet."""
    answered = observed.probe is not None and observed.probe.outcome != "unexpected"
    return len(resource.stages) > 1 and observed.route.target is not None and not answered


def _names_certificate(resource: FaceComparison) -> bool:
    """Returns whether the spec or a Gateway's listener names the certificate, so that it has to be valid.

    `tls: true` alone requests the controller's default certificate, whatever host that is for.
    """
    route = resource.spec.route
    return route.gateway is not None or bool(route.ingress and route.ingress.tls_secret)


def _certificate_message(observed: Observed, problem: str) -> str:
    host = observed.route.target.host if observed.route.target else ""
    return f"clients reject the certificate presented for {host}: {problem}"


def _not_deployed(state: Rollout, place: Room, clock: Clock) -> Condition:
    remark = "; the previous version is still serving" if state.available and not state.pure else ""
    problem = state.problem
    if problem and not problem.starting:
        hint = f": {place.hint}" if place.hint and remark and problem.reason == UNSCHEDULABLE else ""
        return Condition(False, problem.reason, problem.message + remark + hint)
    detail = f": {problem.message}" if problem else ""
    if clock.expired:
        new_pods = f"{state.updated} of {state.desired} new pods exist"
        what = f"not ready {clock.limit} s after the spec change: {new_pods}{detail}"
        return Condition(False, PROGRESS_DEADLINE_EXCEEDED, what + remark)
    return Condition(False, DEPLOYING, f"pods of this version are starting{detail}{remark}")


def _still_serving(resource: FaceComparison, observed: Observed, state: Rollout) -> str:
    """Returns a remark if an earlier spec is still served while a child cannot be applied; otherwise empty."""
    outdated = state.available and not state.pure
    earlier = resource.generation > 1 and state.available and observed.route.admitted
    obstacle = blocking(observed.refusals)
    if obstacle and obstacle.reason == TERMINATING:
        return ""  # a deletion increases the generation, so an earlier generation does not imply an earlier spec
    return "; the previous version is still serving" if outdated or earlier else ""


def progressing(state: Rollout, ready: Condition, clock: Clock) -> Condition:
    """Determines whether a change to the current spec is still being rolled out."""
    if clock.expired:
        why = f": {ready.message}" if ready.reason != PROGRESS_DEADLINE_EXCEEDED else ""
        message = f"not ready {clock.limit} s after the spec change{why}"
        return Condition(False, PROGRESS_DEADLINE_EXCEEDED, message)
    if ready.status and state.complete:
        return Condition(False, DEPLOYED, "rollout complete")
    if ready.status or ready.reason == DEPLOYING:
        return Condition(True, DEPLOYING, "pods are starting")
    return Condition(ready.reason not in (SCALED_TO_ZERO, PAUSED), ready.reason, ready.message)


def available(state: Rollout) -> Condition:
    """Determines whether any pod is ready."""
    if state.available:
        return Condition(True, PODS_AVAILABLE, "pods are ready")
    return Condition(False, NO_POD_READY, "no pod is ready")


def route_ready(resource: FaceComparison, observed: Observed) -> Condition:
    """Determines whether the URL leads to the pods."""
    required = (each for each in observed.refusals if each.required)
    missing = next((each for each in required if each.kind in ("Ingress", "HTTPRoute")), None)
    if missing:
        return Condition(False, missing.reason, missing.message)
    route, probe = observed.route, observed.probe
    if not route.admitted or probe is None:
        return Condition(route.admitted, route.reason, route.message)
    if probe.outcome == "unexpected":
        return Condition(False, ENDPOINT_UNREACHABLE, probe.detail)
    if probe.certificate and _names_certificate(resource):
        return Condition(False, CERTIFICATE_INVALID, _certificate_message(observed, probe.certificate))
    if probe.outcome == "unverifiable":
        message = f"{route.message}; the URL cannot be verified from the operator: {probe.detail}"
        return Condition(True, route.reason, message)
    remark = f", but {_certificate_message(observed, probe.certificate)}" if probe.certificate else ""
    reason = CLUSTER_INTERNAL if route.reason == CLUSTER_INTERNAL else ENDPOINT_REACHABLE
    return Condition(True, reason, f"this resource's pods respond at the URL{remark}")


def collections_ready(resource: FaceComparison, observed: Observed, before: Object | None) -> Condition | None:
    """Determines whether the pods can reach their collection store; None if they have none."""
    collections = resource.spec.collections
    if not (collections.embedded or collections.postgres):
        return None
    store = observed.probe.collections if observed.probe else None
    if store is None:
        if before and before["status"] != "Unknown":
            return Condition(before["status"] == "True", before["reason"], before["message"])
        return Condition(None, COLLECTIONS_PENDING, "no pod has reported on the collection store yet")
    if store.ready:
        return Condition(True, COLLECTIONS_AVAILABLE, store.message or "the collection store is available")
    return Condition(False, STORE_UNAVAILABLE, store.message or "the collection store is not available")


def autoscaler_ready(resource: FaceComparison, observed: Observed) -> Condition | None:
    """Determines whether the autoscaler works; None if there is none."""
    if resource.spec.autoscaling is None:
        return None
    required = (each for each in observed.refusals if each.required)
    missing = next((each for each in required if each.kind in ("HorizontalPodAutoscaler", "ScaledObject")), None)
    if missing:
        return Condition(False, missing.reason, missing.message)
    live = observed.autoscaler or {}
    status = live.get("status", {})
    generation = live.get("metadata", {}).get("generation", 0)
    # KEDA does not report the observed generation.
    current = status.get("observedGeneration", generation) >= generation
    scaler_conditions = {each.get("type"): each for each in status.get("conditions") or []} if current else {}
    decisive = scaler_conditions.get("ScalingActive") or scaler_conditions.get("Ready")
    able = scaler_conditions.get("AbleToScale", {})
    if able.get("status") == "False":
        decisive = able
    if decisive is None or decisive.get("status", "Unknown") == "Unknown":
        return Condition(None, SCALER_PENDING, "the autoscaler has not evaluated its metric yet")
    if decisive.get("status") == "True":
        limited = scaler_conditions.get("ScalingLimited", {})
        at_most = limited.get("status") == "True" and limited.get("reason") == "TooManyReplicas"
        remark = f"; more pods are wanted than maxReplicas ({resource.spec.autoscaling.max_replicas})"
        return Condition(True, SCALING, "scaling on the configured metric" + (remark if at_most else ""))
    if decisive.get("reason") == "ScalingDisabled":  # the Deployment has 0 replicas
        return Condition(False, SCALED_TO_ZERO, decisive.get("message", ""))
    return Condition(False, METRICS_UNAVAILABLE, f"{decisive.get('reason', '')}: {decisive.get('message', '')}")


def spec_accepted(observed: Observed) -> Condition:
    """Determines whether all children match the spec."""
    if not observed.refusals:
        changed = f"; but an admission rule has changed {', '.join(observed.stored_differently)}"
        return Condition(
            True, ACCEPTED, "all children exist as specified" + (changed if observed.stored_differently else "")
        )
    first = blocking(observed.refusals) or observed.refusals[0]
    return Condition(False, first.reason, "; ".join(dict.fromkeys(each.message for each in observed.refusals)))
