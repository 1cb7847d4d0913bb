"""The status of a resource: every condition and every reason, decided from what was observed.

`status()` is pure: it takes the resource with the status written before, what lives in the cluster, and the time.
Reasons about pods are in `pod_diagnostics.py`, those about routes in `routing.py`; all others are named here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from face_comparison_operator import pod_diagnostics
from face_comparison_operator.pod_diagnostics import POD_CREATION_FAILED, UNSCHEDULABLE, Problem
from face_comparison_operator.resource import (
    PLACEMENT_ANNOTATION,
    TEMPLATE_ANNOTATION,
    FaceComparison,
    Object,
)
from face_comparison_operator.routing import CLUSTER_INTERNAL, RouteState

ACCEPTED = "Accepted"
INVALID_SPEC = "InvalidSpec"
NOT_PERMITTED = "NotPermitted"
NAME_CONFLICT = "NameConflict"
CHILD_TERMINATING = "ChildTerminating"
API_NOT_INSTALLED = "ApiNotInstalled"
APPLY_FAILED = "ApplyFailed"
PAUSED = "Paused"

DEPLOYED = "Deployed"
DEPLOYING = "Deploying"
PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
SCALED_TO_ZERO = "ScaledToZero"
NO_POD_READY = "NoPodReady"
PODS_AVAILABLE = "PodsAvailable"

ENDPOINT_REACHABLE = "EndpointReachable"
ENDPOINT_UNREACHABLE = "EndpointUnreachable"
CERTIFICATE_INVALID = "CertificateInvalid"

SCALING = "Scaling"
SCALER_PENDING = "ScalerPending"
METRICS_UNAVAILABLE = "MetricsUnavailable"

COLLECTIONS_AVAILABLE = "CollectionsAvailable"
COLLECTIONS_PENDING = "CollectionsPending"
STORE_UNAVAILABLE = "StoreUnavailable"

# How long a new pod waits for room before the previous one has to make it.
ROOM_GRACE = timedelta(seconds=20)

_TYPES = ("Ready", "Progressing", "Available", "RouteReady", "AutoscalerReady", "CollectionsReady", "SpecAccepted")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A child that could not be created or changed. `reason` is one of those of SpecAccepted."""

    kind: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a response of the resource's own pods is like."""

    identity: str
    authenticated: bool = False
    """Whether a request without an API key is rejected."""
    shared: bool = False
    """Whether the route shares its address on purpose, as a canary does."""
    collections: bool = False


@dataclass(frozen=True, slots=True)
class CollectionsState:
    """What the pods report of the store of collections."""

    ready: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a request to the URL met.

    Attributes:
        outcome: `ok`: this resource's pods answered; `unexpected`: something else did, for every caller;
            `unverifiable`: nothing is known, because the operator cannot come through, where callers may.
        detail: what the response was, for people.
        version: the model version that this resource's pods report.
        other: the identity in a response of another resource's pods.
        certificate: why clients refuse the certificate, if they do.
        collections: what the pods report of their store.
    """

    outcome: Literal["ok", "unexpected", "unverifiable"]
    detail: str = ""
    version: str | None = None
    other: str | None = None
    certificate: str | None = None
    collections: CollectionsState | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """What lives in the cluster for one resource."""

    route: RouteState
    deployment: Object | None = None
    pods: Sequence[Object] = ()
    events: Sequence[Object] = ()
    autoscaler: Object | None = None
    refusals: Sequence[Refusal] = ()
    probe: ProbeResult | None = None


@dataclass(frozen=True, slots=True)
class Rollout:
    """The progress of the Deployment. `settled`: its controller has seen the present template."""

    settled: bool = False
    wanted: int = 1
    replicas: int = 0
    updated: int = 0
    ready: int = 0
    available: int = 0
    problem: Problem | None = None
    same_template: bool = False
    """Whether every pod is of the present template; after `kubectl rollout restart` of both ReplicaSets."""

    @property
    def pure(self) -> bool:
        """No pod of an earlier version is left."""
        return self.settled and (self.updated == self.replicas or self.same_template)

    @property
    def complete(self) -> bool:
        """Every wanted pod is available, and each is of the present version."""
        return self.pure and self.replicas >= self.wanted and self.available >= self.wanted


@dataclass(frozen=True, slots=True)
class _Condition:
    status: bool | None
    reason: str
    message: str


@dataclass(slots=True)
class _Clock:
    """When this deployment began, and how long it took once it is over."""

    now: datetime
    started: datetime
    seconds: int | None
    limit: int
    expired: bool = field(init=False)

    def __post_init__(self) -> None:
        self.expired = self.seconds is None and self.now >= self.started + timedelta(seconds=self.limit)


def rollout(
    deployment: Object | None,
    found: Sequence[Object] = (),
    events: Sequence[Object] = (),
    now: datetime | None = None,
) -> Rollout:
    """Reads the state of the Deployment.

    Args:
        deployment: the live Deployment.
        found: the pods of the resource.
        events: warnings about them.
        now: the time, for problems that count only when they last.
    """
    if deployment is None:
        return Rollout()
    spec, status = deployment["spec"], deployment.get("status", {})
    template = spec["template"]["metadata"].get("annotations", {}).get(TEMPLATE_ANNOTATION)
    staying = [pod for pod in found if not _is_terminating(pod)]
    current = [pod for pod in staying if pod_diagnostics.template_of(pod) == template]
    problem = pod_diagnostics.diagnose(current, events, now)
    failure = next((each for each in status.get("conditions", []) if each["type"] == "ReplicaFailure"), None)
    if failure and failure["status"] == "True" and (problem is None or problem.starting):
        problem = Problem(POD_CREATION_FAILED, f"pod creation failed: {failure.get('message', '')}")
    return Rollout(
        settled=status.get("observedGeneration", 0) >= deployment["metadata"]["generation"],
        wanted=spec.get("replicas", 1),
        replicas=status.get("replicas", 0),
        updated=status.get("updatedReplicas", 0),
        ready=status.get("readyReplicas", 0),
        available=status.get("availableReplicas", 0),
        problem=problem,
        same_template=bool(current) and len(current) == len(staying),
    )


def lacks_room(deployment: Object | None, found: Sequence[Object], now: datetime) -> bool:
    """Returns whether a new pod has waited a while for room that a ready pod of the previous version would leave it."""
    if deployment is None:
        return False
    annotations = deployment["spec"]["template"]["metadata"].get("annotations", {})
    staying = [pod for pod in found if not _is_terminating(pod)]
    current = [pod for pod in staying if pod_diagnostics.template_of(pod) == annotations.get(TEMPLATE_ANNOTATION)]
    if any(now < _time(pod["metadata"]["creationTimestamp"]) + ROOM_GRACE for pod in current):
        return False  # a node may be on its way, or a pod that was about to leave
    problem = pod_diagnostics.diagnose(current)
    placement = annotations.get(PLACEMENT_ANNOTATION)
    return (
        problem is not None
        and problem.reason == UNSCHEDULABLE
        and "Insufficient" in problem.message
        and placement is not None
        and any(
            pod["metadata"].get("annotations", {}).get(PLACEMENT_ANNOTATION) == placement
            for pod in staying
            if pod not in current and pod_diagnostics.is_ready(pod)
        )
    )


def status(resource: FaceComparison, observed: Observed, now: datetime) -> Object:
    """Builds the whole status to write. `now` has a time zone."""
    state = rollout(observed.deployment, observed.pods, observed.events, now)
    before = {each["type"]: each for each in resource.status.get("conditions", [])}
    clock = _clock(resource, now)
    ready = _ready(resource, observed, state, clock, was_ready=before.get("Ready", {}).get("status") == "True")
    if ready.status and clock.seconds is None:
        clock.seconds = max(0, round((now - clock.started).total_seconds()))
    found: dict[str, _Condition | None] = {
        "Ready": ready,
        "Progressing": _progressing(state, ready, clock),
        "Available": _available(state),
        "RouteReady": _route_ready(resource, observed),
        "AutoscalerReady": _autoscaler_ready(resource, observed),
        "CollectionsReady": _collections_ready(resource, observed, before.get("CollectionsReady")),
        "SpecAccepted": _spec_accepted(observed),
    }
    conditions = [
        _condition(kind, condition, before.get(kind), resource.generation, now)
        for kind in _TYPES
        if (condition := found[kind]) is not None
    ]
    version = observed.probe.version if observed.probe else None
    result = {
        "observedGeneration": resource.generation,
        "conditions": conditions,
        # Until the new URL was seen to answer, the previous one serves, and is published.
        "url": resource.status["url"] if _is_migrating(resource, observed) else observed.route.url,
        "replicas": state.replicas,
        "readyReplicas": state.ready,
        "selector": ",".join(f"{name}={value}" for name, value in resource.selector.items()),
        "modelVersion": version or resource.status.get("modelVersion"),
        "deployStartedAt": _text(clock.started),
        "deploySeconds": clock.seconds,
    }
    return {name: value for name, value in result.items() if value is not None}


def next_deadline(resource: FaceComparison, result: Object, now: datetime) -> float | None:
    """Returns the seconds until time alone changes the status `result`: its deadline; None when it does not."""
    if "deploySeconds" in result:
        return None
    deadline = _time(result["deployStartedAt"]) + timedelta(seconds=resource.spec.deploy_deadline_seconds)
    return max(0.0, (deadline - now).total_seconds()) if deadline > now else None


# --- the conditions -------------------------------------------------------------------------------------------------


def _ready(
    resource: FaceComparison, observed: Observed, state: Rollout, clock: _Clock, *, was_ready: bool
) -> _Condition:
    obstacle = blocking(observed.refusals)
    if obstacle:
        return _Condition(False, obstacle.reason, obstacle.message + _still_serving(resource, observed, state))
    if state.settled and state.wanted == 0:
        return _Condition(False, SCALED_TO_ZERO, "replicas is 0: no pods run until it is raised")
    # Once deployed, it stays ready while it answers: pods come and go by failure, scaling and restarts.
    if not (state.complete or (was_ready and state.pure and state.available)):
        return _not_deployed(resource, state, clock)
    return _deployed(resource, observed, state)


def _deployed(resource: FaceComparison, observed: Observed, state: Rollout) -> _Condition:
    """Pods are ready; whether the URL leads to them."""
    route, probe = observed.route, observed.probe
    if not route.admitted:
        return _Condition(False, route.reason, route.message)
    if _is_migrating(resource, observed):
        return _Condition(False, DEPLOYING, f"the route is moving to {route.url}; the previous URL is still serving")
    if probe and probe.outcome == "unexpected":
        return _Condition(False, ENDPOINT_UNREACHABLE, f"{route.url} does not lead to the pods: {probe.detail}")
    if probe and probe.certificate and _names_certificate(resource):
        return _Condition(False, CERTIFICATE_INVALID, _certificate_message(observed, probe.certificate))
    remark = f"; but {_certificate_message(observed, probe.certificate)}" if probe and probe.certificate else ""
    if not state.complete:
        because = f": {state.problem.message}" if state.problem else ""
        return _Condition(True, DEPLOYED, f"{state.available} of {state.wanted} pods are ready{because}{remark}")
    return _Condition(True, DEPLOYED, f"{route.url} serves the present spec{remark}")


def _is_migrating(resource: FaceComparison, observed: Observed) -> bool:
    """Whether the route serves two stages, and the new one can be probed but has not answered yet."""
    answered = observed.probe is not None and observed.probe.outcome != "unexpected"
    return len(resource.stages) > 1 and observed.route.target is not None and not answered


def _names_certificate(resource: FaceComparison) -> bool:
    """Whether the spec, or a Gateway's listener, names the certificate: then a wrong one is a fault of the route.

    With `tls: true` alone, the controller's default certificate is what was asked for, whatever it is for.
    """
    route = resource.spec.route
    return route.gateway is not None or bool(route.ingress and route.ingress.tls_secret)


def _certificate_message(observed: Observed, problem: str) -> str:
    host = observed.route.target.host if observed.route.target else ""
    return f"clients refuse the certificate presented for {host}: {problem}"


def blocking(refusals: Sequence[Refusal]) -> Refusal | None:
    """Returns the refusal that keeps the spec from being served; a missing optional API is none."""
    order = (NOT_PERMITTED, INVALID_SPEC, NAME_CONFLICT, CHILD_TERMINATING, APPLY_FAILED, PAUSED, API_NOT_INSTALLED)
    needed = [each for each in refusals if each.reason != API_NOT_INSTALLED or each.kind == "HTTPRoute"]
    return min(needed, key=lambda each: order.index(each.reason), default=None)


def _not_deployed(resource: FaceComparison, state: Rollout, clock: _Clock) -> _Condition:
    remark = "; the previous version is still serving" if state.available and not state.pure else ""
    problem = state.problem
    if problem and not problem.starting:
        hint = ""
        if problem.reason == UNSCHEDULABLE and remark and "Insufficient" in problem.message:
            hint = (
                "; set strategy.maxUnavailable: 1 to replace pods where there is no room for one more"
                if resource.spec.strategy
                else "; if it can make room, it will be replaced soon"
            )
        return _Condition(False, problem.reason, problem.message + remark + hint)
    detail = f": {problem.message}" if problem else ""
    if clock.expired:
        what = (
            f"not ready {clock.limit} s after the spec change: {state.updated} of {state.wanted} new pods exist{detail}"
        )
        return _Condition(False, PROGRESS_DEADLINE_EXCEEDED, what + remark)
    return _Condition(False, DEPLOYING, f"pods of this version are starting{detail}{remark}")


def _still_serving(resource: FaceComparison, observed: Observed, state: Rollout) -> str:
    """What serves while a child cannot be applied; nothing for a resource that never had an earlier spec."""
    outdated = state.available and not state.pure
    earlier = resource.generation > 1 and state.available and observed.route.admitted
    return "; the previous version is still serving" if outdated or earlier else ""


def _progressing(state: Rollout, ready: _Condition, clock: _Clock) -> _Condition:
    if clock.expired:
        why = f": {ready.message}" if ready.reason != PROGRESS_DEADLINE_EXCEEDED else ""
        message = f"not ready {clock.limit} s after the spec change{why}"
        return _Condition(False, PROGRESS_DEADLINE_EXCEEDED, message)
    if ready.status and state.complete:
        return _Condition(False, DEPLOYED, "rollout complete")
    if ready.status or ready.reason == DEPLOYING:
        return _Condition(True, DEPLOYING, "pods are starting")
    return _Condition(ready.reason not in (SCALED_TO_ZERO, PAUSED), ready.reason, ready.message)


def _available(state: Rollout) -> _Condition:
    if state.available:
        return _Condition(True, PODS_AVAILABLE, "pods are ready")
    return _Condition(False, NO_POD_READY, "no pod is ready")


def _route_ready(resource: FaceComparison, observed: Observed) -> _Condition:
    missing = next((each for each in observed.refusals if each.kind in ("Ingress", "HTTPRoute")), None)
    if missing:
        return _Condition(False, missing.reason, missing.message)
    route, probe = observed.route, observed.probe
    if not route.admitted or probe is None:
        return _Condition(route.admitted, route.reason, route.message)
    if probe.outcome == "unexpected":
        return _Condition(False, ENDPOINT_UNREACHABLE, probe.detail)
    if probe.certificate and _names_certificate(resource):
        return _Condition(False, CERTIFICATE_INVALID, _certificate_message(observed, probe.certificate))
    if probe.outcome == "unverifiable":
        message = f"{route.message}; the URL cannot be verified from the operator: {probe.detail}"
        return _Condition(True, route.reason, message)
    remark = f", but {_certificate_message(observed, probe.certificate)}" if probe.certificate else ""
    reason = CLUSTER_INTERNAL if route.reason == CLUSTER_INTERNAL else ENDPOINT_REACHABLE
    return _Condition(True, reason, f"this resource's pods answer at the URL{remark}")


def _collections_ready(resource: FaceComparison, observed: Observed, before: Object | None) -> _Condition | None:
    collections = resource.spec.collections
    if not (collections.embedded or collections.postgres):
        return None
    found = observed.probe.collections if observed.probe else None
    if found is None:
        if before and before["status"] != "Unknown":
            return _Condition(before["status"] == "True", before["reason"], before["message"])
        return _Condition(None, COLLECTIONS_PENDING, "no pod has reported on the store of collections yet")
    if found.ready:
        return _Condition(True, COLLECTIONS_AVAILABLE, found.message or "the store of collections is available")
    return _Condition(False, STORE_UNAVAILABLE, found.message or "the store of collections is not available")


def _autoscaler_ready(resource: FaceComparison, observed: Observed) -> _Condition | None:
    if resource.spec.autoscaling is None:
        return None
    missing = next(
        (each for each in observed.refusals if each.kind in ("HorizontalPodAutoscaler", "ScaledObject")), None
    )
    if missing:
        return _Condition(False, missing.reason, missing.message)
    live = observed.autoscaler or {}
    told = {each["type"]: each for each in live.get("status", {}).get("conditions") or []}
    decisive = told.get("ScalingActive") or told.get("Ready")
    able = told.get("AbleToScale", {})
    if able.get("status") == "False":
        decisive = able
    if decisive is None or decisive["status"] == "Unknown":
        return _Condition(None, SCALER_PENDING, "the autoscaler has not evaluated its metric yet")
    if decisive["status"] == "True":
        return _Condition(True, SCALING, "scaling on the configured metric")
    if decisive.get("reason") == "ScalingDisabled":  # of a Deployment with 0 replicas
        return _Condition(False, SCALED_TO_ZERO, decisive.get("message", ""))
    return _Condition(False, METRICS_UNAVAILABLE, f"{decisive.get('reason', '')}: {decisive.get('message', '')}")


def _spec_accepted(observed: Observed) -> _Condition:
    if not observed.refusals:
        return _Condition(True, ACCEPTED, "all children exist as the spec asks")
    first = blocking(observed.refusals) or observed.refusals[0]
    return _Condition(False, first.reason, "; ".join(dict.fromkeys(each.message for each in observed.refusals)))


# --- times ----------------------------------------------------------------------------------------------------------


def _clock(resource: FaceComparison, now: datetime) -> _Clock:
    before, limit = resource.status, resource.spec.deploy_deadline_seconds
    if before.get("observedGeneration") != resource.generation or "deployStartedAt" not in before:
        return _Clock(now, now, None, limit)
    return _Clock(now, _time(before["deployStartedAt"]), before.get("deploySeconds"), limit)


def _condition(kind: str, found: _Condition, before: Object | None, generation: int, now: datetime) -> Object:
    value = {True: "True", False: "False", None: "Unknown"}[found.status]
    kept = before["lastTransitionTime"] if before and before["status"] == value else _text(now)
    return {
        "type": kind,
        "status": value,
        "reason": found.reason,
        "message": found.message[:1024],
        "lastTransitionTime": kept,
        "observedGeneration": generation,
    }


def _is_terminating(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
