"""Reconciles one FaceComparison: observe children, apply the desired state, update the status.

The only state kept is what can be observed again, to save requests: when a status was written, how the URL responded.
So it does not matter why a reconcile was triggered, how many there were, or whether one was missed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from face_comparison_operator import pod_status, reasons
from face_comparison_operator.api_resources import (
    AUTOSCALER,
    DEPLOYMENT,
    HTTP_ROUTE,
    INGRESS,
    POD,
    SCALED_OBJECT,
    SERVICE,
)
from face_comparison_operator.applied_route import with_applied_route
from face_comparison_operator.cache import Key, ObjectCache
from face_comparison_operator.children import FOREGROUND, Children
from face_comparison_operator.errors import (
    ClusterError,
    ClusterUnavailable,
    Forbidden,
    InvalidSpec,
    OperatorError,
)
from face_comparison_operator.gateway_reader import GatewayReader
from face_comparison_operator.observation import Expectation, Observed
from face_comparison_operator.ownership import is_terminating
from face_comparison_operator.permissions import violations
from face_comparison_operator.pod_diagnostics import ended_silently
from face_comparison_operator.pod_problems import UNSCHEDULABLE
from face_comparison_operator.probe_state import probe_interval
from face_comparison_operator.readiness_problems import PROBE_GRACE_SECONDS
from face_comparison_operator.reconcile_context import (
    Client,
    Context,
    EndpointProbe,
    ReconcileMetrics,
    ResourceCache,
    Result,
)
from face_comparison_operator.refusals import Refusal, blocking
from face_comparison_operator.resource import KIND, FaceComparison, Object, parse
from face_comparison_operator.rollout import rollout
from face_comparison_operator.routing import RouteState, Target
from face_comparison_operator.settings import Settings
from face_comparison_operator.spec import Spec
from face_comparison_operator.stage_migration import with_stage_migration
from face_comparison_operator.status_writer import StatusWriter

# Time that the Deployment's controller may take to observe a change before the status reports the lack of it.
OBSERVED_GENERATION_GRACE = 5.0
# Retry delays for a child that could not be applied: the obstacle is not watched, so no event announces its end.
APPLY_RETRY_DELAY, TERMINATING_RETRY_DELAY = 10.0, 1.0
STAGE_MIGRATION_POLL = 1.0
# How often, and after how long, events are read for pods without containers or with failing probes.
EVENTS_POLL, VOLUME_MOUNT_GRACE = 4.0, 2.0
# How often to check whether the previous pod has to make room for a waiting one.
ROOM_POLL = 5.0
# The usual maximum duration of a probe.
PROBE_SECONDS = 0.1
# After this many consecutive failures, the resource's status reports the error.
REPORTED_FAILURES = 3

log = logging.getLogger(__name__)


class Reconciler:
    """Reconciles resources. A key must not be reconciled twice at a time; different keys may be concurrently."""

    def __init__(  # noqa: PLR0913 (the composition root passes every dependency)
        self,
        client: Client,
        cache: ObjectCache,
        settings: Settings,
        *,
        probe: EndpointProbe,
        requeue: Callable[[Key], None],
        metrics: ReconcileMetrics,
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        self._client, self._cache, self._settings = client, cache, settings
        self._probe, self._requeue, self._metrics, self._now, self._clock = probe, requeue, metrics, now, clock
        self._children = Children(client, cache, settings, now=now, clock=clock)
        self._caches: dict[Key, ResourceCache] = {}
        self._gateways = GatewayReader(client, clock)
        self._status = StatusWriter(client, cache, metrics, requeue=requeue, now=now, clock=clock)

    async def reconcile(self, key: Key) -> Result:
        """Reconciles one resource.

        Raises:
            OperatorError: The reconcile failed and has to be retried.
        """
        body = self._cache.resource(key)
        if body is None:
            self._forget(key)
            return Result()
        cached = self._cache_of(key, body["metadata"]["uid"])
        try:
            if is_terminating(body):
                context = Context(key, _parsed(body), cached, refusals=[self._terminating(key, body)])
            else:
                context = await self._converge(key, body, cached)
        except OperatorError as error:
            cached.failures += 1
            if isinstance(error, ClusterUnavailable) or cached.failures < REPORTED_FAILURES:
                raise
            # It is retried, but users have to be able to see why it fails.
            failed = Refusal(KIND, reasons.APPLY_FAILED, f"reconcile failed: {error.message}")
            context = Context(key, parse(body), cached, refusals=[failed])
        else:
            cached.failures = 0
        if context.refusals:
            soon = all(each.reason == reasons.CHILD_TERMINATING and each.required for each in context.refusals)
            context.requeue_after(TERMINATING_RETRY_DELAY if soon else APPLY_RETRY_DELAY)
        observed = await self._observe(context)
        if observed is not None:
            await self._status.write(context, observed)
        return context.result

    def _terminating(self, key: Key, body: Object) -> Refusal:
        """Reports what the deletion of a resource waits for; its children are no longer reconciled."""
        finalizers = body["metadata"].get("finalizers") or []
        waits = [each for each in finalizers if each != FOREGROUND]
        if FOREGROUND in finalizers:
            waits += [f"its {each}" for each in self._children.remaining(key)]
        return Refusal(KIND, reasons.TERMINATING, f"the resource is being deleted; it waits for {', '.join(waits)}")

    def _cache_of(self, key: Key, uid: str) -> ResourceCache:
        cached = self._caches.get(key)
        if cached is None or cached.uid != uid:
            self._forget(key)
            cached = self._caches[key] = ResourceCache(uid)
        return cached

    def _forget(self, key: Key) -> None:
        cached = self._caches.pop(key, None)
        if cached:
            cached.probe.stop()
            self._move(key, cached, None)
        self._metrics.conditions(key, None)

    # --- apply -------------------------------------------------------------------------------------------------------

    async def _converge(self, key: Key, body: Object, cached: ResourceCache) -> Context:
        try:
            resource = parse(body)
            forbidden = violations(resource, self._settings)
        except InvalidSpec as error:
            refusal = Refusal(KIND, reasons.INVALID_SPEC, error.message)
            return Context(key, _without_spec(body), cached, refusals=[refusal])
        deployment = self._children.owned(resource, key, DEPLOYMENT)
        resource = with_stage_migration(resource, deployment, complete=rollout(deployment).complete)
        context = Context(key, resource, cached)
        if forbidden:
            context.refusals = [Refusal(KIND, reasons.NOT_PERMITTED, each) for each in forbidden]
            return context
        context.gateways = await self._gateways.read(context, resource, probe_interval(len(self._caches)))
        context.refusals = await self._children.converge(resource, key, cached.children, context.gateways)
        if (remaining := self._children.until_overdue(key)) is not None:
            context.requeue_after(remaining + 0.1)
        if len(resource.stages) > 1:
            context.requeue_after(STAGE_MIGRATION_POLL)
        return context

    # --- observe -----------------------------------------------------------------------------------------------------

    async def _observe(self, context: Context) -> Observed | None:
        """Observes the live state; returns None while a result is pending that determines what to report."""
        resource, key, cached = context.resource, context.key, context.cached
        deployment = self._children.owned(resource, key, DEPLOYMENT)
        route = await self._route(context)
        autoscaling = resource.spec.autoscaling
        scaler = SCALED_OBJECT if autoscaling and autoscaling.metric == "InFlight" else AUTOSCALER
        pods = self._cache.all(POD, key)
        self._requeue_for_stuck_pods(context, pods)
        observed = Observed(
            route=route,
            deployment=deployment,
            pods=pods,
            events=await self._pod_events(context, pods),
            autoscaler=self._children.owned(resource, key, scaler) if autoscaling else None,
            refusals=context.refusals,
            stored_differently=self._children.stored_differently(resource, cached.children),
        )
        state = rollout(deployment, pods, observed.events, self._now())
        if state.problem and state.problem.reason == UNSCHEDULABLE and not state.pure:
            context.requeue_after(ROOM_POLL)
        readable = not any(each.kind == KIND for each in context.refusals)
        self._move(key, cached, route.target if state.available and readable else None)
        waited = cached.deployment_age(deployment, self._clock())
        if (
            not state.settled
            and resource.has_status
            and blocking(context.refusals) is None
            and waited < OBSERVED_GENERATION_GRACE
        ):
            # The Deployment's controller has not observed the change yet, so its status is outdated.
            context.requeue_after(OBSERVED_GENERATION_GRACE - waited)
            return None
        if not (state.pure and state.available and route.target and readable):
            cached.probe.clear()
            return observed
        return self._with_probe(context, observed)

    async def _route(self, context: Context) -> RouteState:
        """Returns the state of the route, with the URL of the previous route while that is still in effect."""
        key, resource = context.key, context.resource
        ingress, http_route = (self._children.owned(resource, key, kind) for kind in (INGRESS, HTTP_ROUTE))
        if blocking(context.refusals):
            return await self._applied_route(context, ingress, http_route)
        state = self._children.route(resource, key, context.gateways)
        retained = (ingress, None) if resource.spec.route.gateway else (None, http_route)
        if state.admitted or not any(retained):
            return state
        return replace(state, url=(await self._applied_route(context, *retained)).url)

    async def _applied_route(self, context: Context, ingress: Object | None, http_route: Object | None) -> RouteState:
        resource = with_applied_route(context.resource, ingress, http_route)
        return self._children.route(
            resource, context.key, await self._gateways.read(context, resource, probe_interval(len(self._caches)))
        )

    def _requeue_for_stuck_pods(self, context: Context, pods: Sequence[Object]) -> None:
        """Requeues for the time at which to report a pod that nothing acts on, or that is still terminating."""
        now = self._now()
        for pod in pods:
            for remaining in (pod_status.silence(pod, now), pod_status.overdue(pod, now)):
                if remaining is not None and remaining > 0:
                    context.requeue_after(remaining + 0.1)

    async def _pod_events(self, context: Context, pods: Sequence[Object]) -> list[Object]:
        """Reads warnings about pods whose status does not explain the problem: missing volumes, or failing probes."""
        silent = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"] and self._is_silent(context, pod)]
        if not silent:
            return []
        # Pods with the same template have the same problems.
        try:
            return await self._client.warnings(context.resource.namespace, silent[-1]["metadata"]["uid"])
        except (Forbidden, ClusterError) as error:
            log.warning("%s/%s: reading pod events failed: %s", *context.key, error.message)
            return []

    def _is_silent(self, context: Context, pod: Object) -> bool:
        """Returns whether to read events about the pod now; requeues for the time of the next read."""
        if pod_status.awaits_volumes(pod):
            since, grace = datetime.fromisoformat(pod["metadata"]["creationTimestamp"]), VOLUME_MOUNT_GRACE
        elif pod_status.runs_unready(pod) and (started := pod_status.running_since(pod)):
            since, grace = started, PROBE_GRACE_SECONDS
        else:
            return ended_silently(pod)
        remaining = grace - (self._now() - since).total_seconds()
        context.requeue_after(EVENTS_POLL if remaining <= 0 else remaining + 0.1)
        return remaining <= 0

    def _with_probe(self, context: Context, observed: Observed) -> Observed | None:
        """Adds the result of probing the URL; returns None while there is none to report."""
        cached, resource = context.cached, context.resource
        probe = cached.probe
        probe.reset_for((str(observed.route), str(resource.generation)))
        due = probe.due(self._clock(), probe_interval(len(self._caches)))
        if due <= 0 and probe.task is None:
            service = self._children.owned(resource, context.key, SERVICE)
            probe.task = asyncio.create_task(self._run_probe(context, observed.route, service))
        # A probe with a new result triggers a reconcile. Otherwise, the reconcile that starts the next probe is due.
        context.requeue_after(due if probe.task is None else probe_interval(len(self._caches)) + PROBE_SECONDS)
        return replace(observed, probe=probe.result) if probe.is_conclusive else None

    async def _run_probe(self, context: Context, route: RouteState, service: Object | None) -> None:
        expected = expectation(context.resource)
        result = await self._probe(route, service, expected)
        if result.outcome == "unexpected" and result.other:
            result = replace(result, detail=self._explain_other(result.other, context.key))
        if context.cached.probe.record(result, self._clock()):
            self._requeue(context.key)

    def _explain_other(self, identity: str, key: Key) -> str:
        """Describes whose pods responded instead of those of `key`."""
        for (namespace, _), cached in self._caches.items():
            if cached.uid == identity:
                # Users of one namespace should not learn what is in another.
                name = self._name_of(identity, namespace, key) if namespace == key[0] else None
                whose = f"the FaceComparison {name}" if name else "a FaceComparison in another namespace"
                return f"it leads to {whose}: change the host or the stage of one"
        return "it leads to a FaceComparison that this operator does not manage: change the host or the stage of one"

    def _name_of(self, identity: str, namespace: str, key: Key) -> str | None:
        for other_key, cached in self._caches.items():
            if cached.uid == identity and (body := self._cache.resource(other_key)):
                return str(body["metadata"]["name"])
        return None

    def _move(self, key: Key, cached: ResourceCache, target: Target | None) -> None:
        """Records the host and path at which the resource is served.

        Other resources with the same host and path are probed again, because other pods may now respond there.
        """
        if cached.target == target:
            return
        places = {_place(each) for each in (cached.target, target) if each}
        cached.target = target
        for other_key, theirs in self._caches.items():
            if other_key != key and theirs.target and _place(theirs.target) in places:
                theirs.probe.expire()
                self._requeue(other_key)


def expectation(resource: FaceComparison) -> Expectation:
    """Returns what identifies a response from the resource's own pods."""
    ingress = resource.spec.route.ingress
    annotations = ingress.annotations if ingress else {}
    return Expectation(
        identity=resource.uid,
        authenticated=resource.spec.auth.mode == "ApiKey" and not annotations,
        shared=any("canary" in name or "weight" in name for name in annotations),
        collections=bool(resource.spec.collections.embedded or resource.spec.collections.postgres),
    )


def _place(target: Target) -> tuple[str, str]:
    return target.host, target.path


def _parsed(body: Object) -> FaceComparison:
    try:
        return parse(body)
    except InvalidSpec:
        return _without_spec(body)


def _without_spec(body: Object) -> FaceComparison:
    metadata = body["metadata"]
    return FaceComparison(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        spec=Spec(),
        status=body.get("status") or {},
    )
