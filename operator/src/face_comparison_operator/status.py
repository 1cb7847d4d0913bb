"""The status of a resource: every condition and every reason, decided from what was observed.

`status()` is a function of values: the resource with the status written before, what lives in the cluster, and the
time. Reasons about pods are in `pod_diagnostics.py`, those about routes in `routing.py`; all others are named here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from face_comparison_operator import pod_diagnostics
from face_comparison_operator.pod_diagnostics import PODS_REFUSED, Problem
from face_comparison_operator.resource import TEMPLATE_ANNOTATION, FaceComparison, Object
from face_comparison_operator.routing import RouteState

ACCEPTED = "Accepted"
INVALID_SPEC = "InvalidSpec"
NAME_CONFLICT = "NameConflict"
API_MISSING = "ApiMissing"
CHILD_REFUSED = "ChildRefused"

DEPLOYED = "Deployed"
DEPLOYING = "Deploying"
PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
SCALED_TO_ZERO = "ScaledToZero"
NO_POD_READY = "NoPodReady"
PODS_AVAILABLE = "PodsAvailable"

ANSWERING = "Answering"
NOT_ANSWERING = "NotAnswering"

SCALING = "Scaling"
SCALER_PENDING = "ScalerPending"
METRICS_UNAVAILABLE = "MetricsUnavailable"

_TYPES = ("Ready", "Progressing", "Available", "RouteReady", "AutoscalerReady", "SpecAccepted")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A child that could not be made or changed. `reason` is one of those of SpecAccepted."""

    kind: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request to the URL met. `unreachable` says nothing about the URL: the operator may just be elsewhere."""

    verdict: Literal["answers", "refuses", "unreachable"]
    detail: str = ""
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """What lives in the cluster for one resource."""

    route: RouteState
    deployment: Object | None = None
    pods: Sequence[Object] = ()
    events: Sequence[Object] = ()
    autoscaler: Object | None = None
    refusals: Sequence[Refusal] = ()
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Rollout:
    """How far the Deployment has come. `settled` means that its controller has seen the present template."""

    settled: bool = False
    wanted: int = 1
    replicas: int = 0
    updated: int = 0
    ready: int = 0
    available: int = 0
    problem: Problem | None = None

    @property
    def pure(self) -> bool:
        """No pod of an earlier version is left."""
        return self.settled and self.updated == self.replicas

    @property
    def complete(self) -> bool:
        """Every wanted pod serves, and each is of the present version."""
        return self.pure and self.updated >= self.wanted and self.available >= self.wanted


@dataclass(frozen=True, slots=True)
class _Condition:
    status: bool | None
    reason: str
    message: str


@dataclass(slots=True)
class _Clock:
    """When this deployment began, and how long it took if it is over."""

    now: datetime
    started: datetime
    seconds: int | None
    limit: int
    expired: bool = field(init=False)

    def __post_init__(self) -> None:
        self.expired = self.seconds is None and self.now >= self.started + timedelta(seconds=self.limit)


def rollout(deployment: Object | None, found: Sequence[Object] = (), events: Sequence[Object] = ()) -> Rollout:
    """The state of the Deployment; `found` are its pods, `events` warnings about them: they tell of a problem."""
    if deployment is None:
        return Rollout()
    spec, status = deployment["spec"], deployment.get("status", {})
    template = spec["template"]["metadata"].get("annotations", {}).get(TEMPLATE_ANNOTATION)
    current = [pod for pod in found if pod_diagnostics.template_of(pod) == template and not _is_leaving(pod)]
    problem = pod_diagnostics.diagnosis(current, events)
    if problem is None:
        failure = next((each for each in status.get("conditions", []) if each["type"] == "ReplicaFailure"), None)
        if failure and failure["status"] == "True":
            problem = Problem(PODS_REFUSED, f"the cluster refuses to make pods: {failure.get('message', '')}")
    return Rollout(
        settled=status.get("observedGeneration", 0) >= deployment["metadata"]["generation"],
        wanted=spec.get("replicas", 1),
        replicas=status.get("replicas", 0),
        updated=status.get("updatedReplicas", 0),
        ready=status.get("readyReplicas", 0),
        available=status.get("availableReplicas", 0),
        problem=problem,
    )


def status(resource: FaceComparison, observed: Observed, now: datetime) -> Object:
    """The whole status to write. `now` has a time zone."""
    state = rollout(observed.deployment, observed.pods, observed.events)
    before = {each["type"]: each for each in resource.status.get("conditions", [])}
    clock = _clock(resource, now)
    ready = _ready(resource, observed, state, clock, was_ready=before.get("Ready", {}).get("status") == "True")
    if ready.status and clock.seconds is None:
        clock.seconds = max(0, round((now - clock.started).total_seconds()))
    found: dict[str, _Condition | None] = {
        "Ready": ready,
        "Progressing": _progressing(state, ready, clock),
        "Available": _available(state),
        "RouteReady": _route_ready(observed),
        "AutoscalerReady": _autoscaler_ready(resource, observed),
        "SpecAccepted": _spec_accepted(observed),
    }
    conditions = [
        _condition(kind, condition, before.get(kind), resource.generation, now)
        for kind in _TYPES
        if (condition := found[kind]) is not None
    ]
    version = (
        observed.answer.version if observed.answer and observed.answer.version else resource.status.get("modelVersion")
    )
    result = {
        "observedGeneration": resource.generation,
        "conditions": conditions,
        # Until the new URL was seen to answer, the former one serves, and is told.
        "url": resource.status["url"] if _is_moving(resource, observed) else observed.route.url,
        "replicas": state.replicas,
        "readyReplicas": state.ready,
        "selector": ",".join(f"{name}={value}" for name, value in resource.selector.items()),
        "modelVersion": version,
        "deployStartedAt": _text(clock.started),
        "deploySeconds": clock.seconds,
    }
    return {name: value for name, value in result.items() if value is not None}


def next_look(resource: FaceComparison, result: Object, now: datetime) -> float | None:
    """Seconds until the passing of time alone changes the status `result`: the deadline; None when it does not."""
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
        return _Condition(False, obstacle.reason, obstacle.message + _earlier(state, blocked=True))
    if state.settled and state.wanted == 0:
        return _Condition(False, SCALED_TO_ZERO, "replicas is 0: nothing serves until it is raised")
    # Once deployed, it stays ready while it answers: pods come and go by failure and by scaling.
    if not (state.complete or (was_ready and state.pure and state.available)):
        return _not_deployed(state, clock)
    return _deployed(resource, observed, state)


def _deployed(resource: FaceComparison, observed: Observed, state: Rollout) -> _Condition:
    """Pods serve; whether the URL leads to them."""
    if not observed.route.admitted:
        return _Condition(False, observed.route.reason, observed.route.message)
    if _is_moving(resource, observed):
        moving = f"the route is moving to {observed.route.url}; the earlier URL goes on serving"
        return _Condition(False, DEPLOYING, moving)
    if observed.answer and observed.answer.verdict == "refuses":
        return _Condition(
            False, NOT_ANSWERING, f"{observed.route.url} does not lead to the pods: {observed.answer.detail}"
        )
    if not state.complete:
        because = f": {state.problem.message}" if state.problem else ""
        return _Condition(True, DEPLOYED, f"{state.available} of {state.wanted} pods serve{because}")
    return _Condition(True, DEPLOYED, f"{observed.route.url} serves what the spec asks for")


def _is_moving(resource: FaceComparison, observed: Observed) -> bool:
    """Whether the route leads to two stages, and the new one can be tried but has not answered yet."""
    tried = observed.answer is not None and observed.answer.verdict != "refuses"
    return len(resource.stages) > 1 and observed.route.target is not None and not tried


def blocking(refusals: Sequence[Refusal]) -> Refusal | None:
    """The refusal without which nothing can serve what the spec asks for; a missing optional API is none."""
    order = (NAME_CONFLICT, INVALID_SPEC, CHILD_REFUSED, API_MISSING)
    needed = [each for each in refusals if each.reason != API_MISSING or each.kind == "HTTPRoute"]
    return min(needed, key=lambda each: order.index(each.reason), default=None)


def _not_deployed(state: Rollout, clock: _Clock) -> _Condition:
    if state.problem:
        return _Condition(False, state.problem.reason, state.problem.message + _earlier(state))
    if clock.expired:
        what = (
            f"not ready {clock.limit} s after the change of the spec: {state.updated} of {state.wanted} new pods exist"
        )
        return _Condition(False, PROGRESS_DEADLINE_EXCEEDED, what + _earlier(state))
    return _Condition(False, DEPLOYING, "pods of this version are starting" + _earlier(state))


def _earlier(state: Rollout, *, blocked: bool = False) -> str:
    """What still serves meanwhile: pods are kept until their successors are ready."""
    return "; the earlier version goes on serving" if state.available and (blocked or not state.pure) else ""


def _progressing(state: Rollout, ready: _Condition, clock: _Clock) -> _Condition:
    if clock.expired:
        why = f": {ready.message}" if ready.reason != PROGRESS_DEADLINE_EXCEEDED else ""
        message = f"not ready {clock.limit} s after the change of the spec{why}"
        return _Condition(False, PROGRESS_DEADLINE_EXCEEDED, message)
    if ready.status and state.complete:
        return _Condition(False, DEPLOYED, "nothing is left to do")
    if ready.status or ready.reason == DEPLOYING:
        return _Condition(True, DEPLOYING, "pods are starting")
    return _Condition(ready.reason != SCALED_TO_ZERO, ready.reason, ready.message)


def _available(state: Rollout) -> _Condition:
    if state.available:
        return _Condition(True, PODS_AVAILABLE, "pods serve")
    return _Condition(False, NO_POD_READY, "no pod serves")


def _route_ready(observed: Observed) -> _Condition:
    missing = next((each for each in observed.refusals if each.kind in ("Ingress", "HTTPRoute")), None)
    if missing:
        return _Condition(False, missing.reason, missing.message)
    route, answer = observed.route, observed.answer
    if route.admitted and answer and answer.verdict == "answers":
        return _Condition(True, ANSWERING, "the URL answers")
    if route.admitted and answer and answer.verdict == "refuses":
        return _Condition(False, NOT_ANSWERING, answer.detail)
    return _Condition(route.admitted, route.reason, route.message)


def _autoscaler_ready(resource: FaceComparison, observed: Observed) -> _Condition | None:
    if resource.spec.autoscaling is None:
        return None
    missing = next(
        (each for each in observed.refusals if each.kind in ("HorizontalPodAutoscaler", "ScaledObject")), None
    )
    if missing:
        return _Condition(False, missing.reason, missing.message)
    told = {each["type"]: each for each in (observed.autoscaler or {}).get("status", {}).get("conditions", [])}
    decisive = told.get("ScalingActive") or told.get("Ready")
    able = told.get("AbleToScale", {})
    if able.get("status") == "False":
        decisive = able
    if decisive is None or decisive["status"] == "Unknown":
        return _Condition(None, SCALER_PENDING, "the autoscaler has not looked yet")
    if decisive["status"] == "True":
        return _Condition(True, SCALING, "the autoscaler follows its measure")
    if decisive.get("reason") == "ScalingDisabled":  # of a Deployment with 0 replicas
        return _Condition(False, SCALED_TO_ZERO, decisive.get("message", ""))
    return _Condition(False, METRICS_UNAVAILABLE, f"{decisive.get('reason', '')}: {decisive.get('message', '')}")


def _spec_accepted(observed: Observed) -> _Condition:
    if not observed.refusals:
        return _Condition(True, ACCEPTED, "everything that the spec asks for is there")
    first = blocking(observed.refusals) or observed.refusals[0]
    return _Condition(False, first.reason, "; ".join(each.message for each in observed.refusals))


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


def _is_leaving(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
