"""Brings the children of one resource to the desired state: decides what to apply, what to retain, what to prune."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from face_comparison_operator import reasons
from face_comparison_operator.api_resources import (
    AUTOSCALER,
    CHILDREN,
    DEPLOYMENT,
    HTTP_ROUTE,
    INGRESS,
    POD,
    SCALED_OBJECT,
    SERVICE,
    SERVICE_ACCOUNT,
    ApiResource,
    kind_of,
)
from face_comparison_operator.cache import Key, ObjectCache
from face_comparison_operator.child_applier import ChildApplier
from face_comparison_operator.child_client import ChildClient
from face_comparison_operator.child_drift import find_drift
from face_comparison_operator.child_history import ChildHistory
from face_comparison_operator.child_refusals import misdirected, unfinished_prune
from face_comparison_operator.diff import with_desired_digest
from face_comparison_operator.errors import ApiNotInstalled
from face_comparison_operator.objects import desired
from face_comparison_operator.objects.strategy import with_room_made
from face_comparison_operator.ownership import Ownership, is_terminating, ownership
from face_comparison_operator.refusals import Refusal, blocking
from face_comparison_operator.resource import FaceComparison, Object
from face_comparison_operator.rollout import rollout
from face_comparison_operator.room import room
from face_comparison_operator.routing import Gateways, RouteState, route_state
from face_comparison_operator.settings import Settings

# Message of KEDA's admission webhook (2.20) for a ScaledObject whose target an autoscaler already scales.
MANAGED_BY_AUTOSCALER = "already managed by the hpa"
# Time that the deletion of a child that is no longer desired may take before it is reported: others may have to clean
# up first, as KEDA does.
PRUNE_GRACE = timedelta(seconds=10)
# Children that refer to another child by name. The same name may belong to somebody else's object: pods must not run
# with another ServiceAccount, routes must not publish another Service, and autoscalers must not scale another
# Deployment.
REFERENTS = {
    DEPLOYMENT: SERVICE_ACCOUNT,
    INGRESS: SERVICE,
    HTTP_ROUTE: SERVICE,
    AUTOSCALER: DEPLOYMENT,
    SCALED_OBJECT: DEPLOYMENT,
}
# The finalizer of what is deleted after its own children (`kubectl delete --cascade=foreground`).
FOREGROUND = "foregroundDeletion"

log = logging.getLogger(__name__)


class Children:
    """Creates, repairs, adopts, and prunes children."""

    def __init__(
        self,
        client: ChildClient,
        cache: ObjectCache,
        settings: Settings,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        self._client, self._cache, self._settings, self._now, self._clock = client, cache, settings, now, clock
        self._applier = ChildApplier(client, cache, clock)

    def owned(self, resource: FaceComparison, key: Key, kind: ApiResource) -> Object | None:
        """Returns the live child of a kind, or None if there is none or it is not ours."""
        live = self._cache.get(kind, key, resource.child)
        return live if live and ownership(resource, live) is Ownership.OWNED else None

    def remaining(self, key: Key) -> list[str]:
        """Lists the children that still exist, with the finalizers that they wait for."""
        descriptions = []
        for kind in CHILDREN:
            for live in self._cache.all(kind, key):
                finalizers = [each for each in live["metadata"].get("finalizers") or [] if each != FOREGROUND]
                descriptions.append(f"{kind.name} ({', '.join(finalizers)})" if finalizers else kind.name)
        return descriptions

    def until_overdue(self, key: Key) -> float | None:
        """Returns the seconds until a deletion takes so long that it is to be reported; None if there is none."""
        terminating = [live for kind in CHILDREN for live in self._cache.all(kind, key) if is_terminating(live)]
        left = [self._grace_left(live).total_seconds() for live in terminating]
        return min((each for each in left if each >= 0), default=None)

    def _grace_left(self, live: Object) -> timedelta:
        return PRUNE_GRACE - (self._now() - datetime.fromisoformat(live["metadata"]["deletionTimestamp"]))

    def route(self, resource: FaceComparison, key: Key, gateways: Gateways) -> RouteState:
        """Returns the state of the resource's route."""
        live = self.owned(resource, key, HTTP_ROUTE if resource.spec.route.gateway else INGRESS)
        return route_state(resource, live, gateways, self.owned(resource, key, SERVICE))

    def stored_differently(self, resource: FaceComparison, history: ChildHistory) -> list[str]:
        """Describes the children that the API server, or an admission rule, has stored in a different form."""
        return [f"{kind} {resource.child}: {settled.text}" for kind, settled in sorted(history.settled.items())]

    async def converge(
        self, resource: FaceComparison, key: Key, history: ChildHistory, gateways: Gateways
    ) -> list[Refusal]:
        """Brings the children to the desired state.

        Args:
            resource: The resource.
            key: Its key.
            history: The history of its children.
            gateways: The Gateways that its route references.

        Returns:
            The changes that failed; for a paused resource, the pending changes.

        Raises:
            ClusterError: A request failed in a way that has to be retried.
        """
        bodies = [
            with_desired_digest(self._with_room(resource, key, body)) for body in desired(resource, self._settings)
        ]
        if resource.spec.paused:
            return self._pending_changes(resource, key, history, bodies)
        began = self._clock()
        results = await self._apply_in_order(resource, key, history, bodies)
        if history.changed_at >= began:
            history.seconds = self._clock() - began
        for result in results:
            if isinstance(result, BaseException):
                raise result
        refusals = [result for result in results if isinstance(result, Refusal)]
        unwanted = set(CHILDREN) - {kind_of(body) for body in bodies}
        unwanted -= self._children_to_retain(resource, key, refusals, gateways)
        return [*refusals, *await self._prune(resource, key, history, unwanted)]

    async def _apply_in_order(
        self, resource: FaceComparison, key: Key, history: ChildHistory, bodies: Sequence[Object]
    ) -> list[Refusal | BaseException | None]:
        """Applies each child after the one it refers to, and only if that one is the resource's own."""
        results: dict[ApiResource, Refusal | BaseException | None] = {}
        waiting = {kind_of(body): body for body in bodies}
        while waiting:
            ready = {kind: body for kind, body in waiting.items() if REFERENTS.get(kind) not in waiting}
            waiting = {kind: body for kind, body in waiting.items() if kind not in ready}
            for kind in list(ready):
                referent = REFERENTS.get(kind)
                if referent in results and not self.owned(resource, key, referent):
                    results[kind] = misdirected(resource, kind, referent, results[referent])
                    del ready[kind]
            applied = (self._applier.apply(resource, key, history, body) for body in ready.values())
            results.update(zip(ready, await asyncio.gather(*applied, return_exceptions=True), strict=True))
        return list(results.values())

    def _with_room(self, resource: FaceComparison, key: Key, body: Object) -> Object:
        if kind_of(body) != DEPLOYMENT or resource.spec.strategy is not None:
            return body
        live = self.owned(resource, key, DEPLOYMENT)
        place = room(live, self._cache.all(POD, key), self._now())
        return with_room_made(body, live, lacking=place.make, rolling=not rollout(live).pure)

    def _pending_changes(
        self, resource: FaceComparison, key: Key, history: ChildHistory, bodies: Sequence[Object]
    ) -> list[Refusal]:
        """Returns the changes that are pending for a paused resource."""
        pending = []
        for body in bodies:
            kind = kind_of(body)
            live = self.owned(resource, key, kind)
            if live is None or find_drift(kind, body, live, history):
                message = (
                    f"reconciliation is paused (spec.paused); the {kind.name} {resource.child} does not match the spec"
                )
                pending.append(Refusal(kind.name, reasons.PAUSED, message))
        return pending

    def _children_to_retain(
        self, resource: FaceComparison, key: Key, refusals: Sequence[Refusal], gateways: Gateways
    ) -> set[ApiResource]:
        """Returns the kinds whose objects are retained for now, because their replacements do not serve yet."""
        if any(each.kind == SCALED_OBJECT.name and MANAGED_BY_AUTOSCALER in each.message for each in refusals):
            return set(CHILDREN) - {AUTOSCALER}
        if blocking(refusals) is not None:
            return set(CHILDREN)
        retained = set()
        if not self.route(resource, key, gateways).admitted:
            retained |= {INGRESS, HTTP_ROUTE}
        if not rollout(self.owned(resource, key, DEPLOYMENT)).complete:
            retained.add(SERVICE_ACCOUNT)  # running pods may still use it
        return retained

    async def _prune(
        self, resource: FaceComparison, key: Key, history: ChildHistory, unwanted: set[ApiResource]
    ) -> list[Refusal]:
        """Deletes children that are no longer desired; returns those whose deletion something delays."""
        delayed = []
        for kind in (each for each in CHILDREN if each in unwanted):
            for live in self._cache.all(kind, key):
                if ownership(resource, live) is not Ownership.OWNED:
                    continue
                if not is_terminating(live):
                    log.info("%s/%s: pruning %s: no longer desired", *key, kind.name)
                    with suppress(ApiNotInstalled):  # the object went with its API
                        await self._client.delete(kind, live)
                    history.forget(kind.name)
                elif self._grace_left(live) < timedelta():
                    delayed.append(unfinished_prune(resource, kind, live))
        return delayed
