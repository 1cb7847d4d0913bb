"""Applies the desired children of one resource: creates, repairs drift, adopts, prunes.

Objects are created with `create` and changed with server-side apply. The API server checks at creation whether a name
is taken, so unrelated objects are never overwritten.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

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
from face_comparison_operator.child_history import ChildHistory, Settled
from face_comparison_operator.child_refusals import (
    MISSING,
    ORPHANED,
    contest,
    obstacle,
    repaired,
    unfinished_prune,
    with_writer,
)
from face_comparison_operator.diff import Difference, difference, unchangeable, with_desired_digest
from face_comparison_operator.errors import (
    NAMESPACE_TERMINATING,
    ApiNotInstalled,
    Conflict,
    Forbidden,
    NotFound,
    Rejected,
)
from face_comparison_operator.field_ownership import fields_of_others, others_own_spec
from face_comparison_operator.objects import desired
from face_comparison_operator.objects.routes import with_acme_paths, without_acme_paths
from face_comparison_operator.objects.strategy import with_room_made
from face_comparison_operator.ownership import Ownership, is_terminating, ownership
from face_comparison_operator.refusals import Refusal, blocking
from face_comparison_operator.resource import DIGEST_ANNOTATION, KIND, FaceComparison, Object
from face_comparison_operator.rollout import rollout
from face_comparison_operator.room import room
from face_comparison_operator.routing import Gateways, RouteState, route_state
from face_comparison_operator.scale_from_zero import with_min_replicas
from face_comparison_operator.settings import Settings

# Message of KEDA's admission webhook (2.20) for a ScaledObject whose target an autoscaler already scales.
MANAGED_BY_AUTOSCALER = "already managed by the hpa"

# Minimum time between two replacements of a child with a wrong immutable field: something may set it on each new one.
REPLACE_INTERVAL = 600.0
# Time that the deletion of a child that is no longer desired may take before it is reported: others may have to clean
# up first, as KEDA does.
PRUNE_GRACE = timedelta(seconds=10)
# Where a child differs that has fields of others: one repair removes all of them.
_OTHERS_FIELDS = "fields of others"
# The finalizer of what is deleted after its own children (`kubectl delete --cascade=foreground`).
FOREGROUND = "foregroundDeletion"

log = logging.getLogger(__name__)


class ChildClient(Protocol):
    """Requests about children; see `api_client.Cluster`."""

    async def read(self, kind: ApiResource, namespace: str, name: str) -> Object | None:
        """Returns a live object, or None if it does not exist."""
        ...

    async def create(self, kind: ApiResource, body: Object) -> Object:
        """Creates an object and returns it as stored."""
        ...

    async def apply(self, kind: ApiResource, body: Object, live: Object, *, exclusive: bool = False) -> Object:
        """Applies an object by server-side apply.

        Args:
            kind: The API of the object.
            body: The desired object.
            live: The object as it was read.
            exclusive: Whether to remove spec fields that other managers own, unless `body` has them.
        """
        ...

    async def delete(self, kind: ApiResource, live: Object) -> None:
        """Deletes an object, unless it has been replaced by another one with the same name."""
        ...


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

    def owned(self, resource: FaceComparison, key: Key, kind: ApiResource) -> Object | None:
        """Returns the live child of a kind, or None if there is none or it is not ours."""
        live = self._cache.get(kind, key, resource.child)
        return live if live and ownership(resource, live) is Ownership.OWNED else None

    def remaining(self, key: Key) -> list[str]:
        """Lists the children that still exist, with the finalizers that they wait for."""
        found = []
        for kind in CHILDREN:
            for live in self._cache.all(kind, key):
                finalizers = [each for each in live["metadata"].get("finalizers") or [] if each != FOREGROUND]
                found.append(f"{kind.name} ({', '.join(finalizers)})" if finalizers else kind.name)
        return found

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
        bodies = desired(resource, self._settings)
        wanted = [with_desired_digest(self._with_room(resource, key, body)) for body in bodies]
        if resource.spec.paused:
            return self._pending_changes(resource, key, history, wanted)
        began = self._clock()
        results = await asyncio.gather(
            *(self._apply_child(resource, key, history, body) for body in wanted), return_exceptions=True
        )
        if history.changed_at >= began:
            history.seconds = self._clock() - began
        for result in results:
            if isinstance(result, BaseException):
                raise result
        refusals = [result for result in results if isinstance(result, Refusal)]
        unwanted = set(CHILDREN) - {kind_of(body) for body in wanted}
        unwanted -= self._children_to_retain(resource, key, refusals, gateways)
        return [*refusals, *await self._prune(resource, key, history, unwanted)]

    def _with_room(self, resource: FaceComparison, key: Key, body: Object) -> Object:
        if kind_of(body) != DEPLOYMENT or resource.spec.strategy is not None:
            return body
        live = self.owned(resource, key, DEPLOYMENT)
        place = room(live, self._cache.all(POD, key), self._now())
        return with_room_made(body, live, lacking=place.make, rolling=not rollout(live).pure)

    def _pending_changes(
        self, resource: FaceComparison, key: Key, history: ChildHistory, wanted: Sequence[Object]
    ) -> list[Refusal]:
        """Returns the changes that are pending for a paused resource."""
        pending = []
        for body in wanted:
            kind = kind_of(body)
            live = self.owned(resource, key, kind)
            if live is None or self._drift(kind, body, live, history):
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

    async def _apply_child(
        self, resource: FaceComparison, key: Key, history: ChildHistory, body: Object
    ) -> Refusal | None:
        kind = kind_of(body)
        try:
            return await self._ensure(resource, key, history, kind, body)
        except ApiNotInstalled:
            group = kind.api_version.partition("/")[0]
            message = f"the cluster does not have the API {kind.name}: install {group}"
            return Refusal(kind.name, reasons.API_NOT_INSTALLED, message)
        except (Rejected, Forbidden) as error:
            if NAMESPACE_TERMINATING in error.message:
                return Refusal(KIND, reasons.TERMINATING, f"the namespace {resource.namespace} is being deleted")
            return Refusal(kind.name, reasons.APPLY_FAILED, f"{kind.name} {resource.child}: {error.message}")

    async def _ensure(
        self, resource: FaceComparison, key: Key, history: ChildHistory, kind: ApiResource, body: Object
    ) -> Refusal | None:
        """Creates the child `body` or repairs the live one; returns why that is not possible, or None."""
        live = self._cache.get(kind, key, resource.child)
        if live is None:
            why = MISSING
            if not history.repairs.is_due(repaired(body, MISSING), self._clock()):
                return contest(resource, kind, MISSING.text)
            try:
                self._cache.put(kind, await self._client.create(kind, body))
            except Conflict:
                pass  # the name is taken, or the cache is slightly behind
            else:
                history.note(repaired(body, MISSING), MISSING.text, self._clock())
                return None
        elif taken := obstacle(resource, kind, live):
            return taken
        else:
            orphaned = ownership(resource, live) is Ownership.ORPHANED
            drift = ORPHANED if orphaned else self._drift(kind, body, live, history)
            if drift is None:
                history.applied[kind.name] = body["metadata"]["annotations"][DIGEST_ANNOTATION]
                return contest(resource, kind, history.repairs.contested(kind.name, self._clock()))
            why = drift
            if not history.repairs.is_due(repaired(body, why), self._clock()):
                return contest(resource, kind, why.text)
            log.info("%s/%s: drift detected, applying %s: %s", *key, kind.name, why.text)
        live = await self._client.read(kind, resource.namespace, resource.child)
        if live is None:
            raise NotFound(f"{kind.name} {resource.child} has just been deleted")
        taken = obstacle(resource, kind, live)
        if taken is None:
            await self._replace_unchangeable(resource, history, body, live)
            await self._change(resource, history, kind, body, live)
            # Not before: a change that the API server rejects is no contest with another program.
            history.note(repaired(body, why), with_writer(why, body, live).text, self._clock())
        return taken

    async def _replace_unchangeable(
        self, resource: FaceComparison, history: ChildHistory, body: Object, live: Object
    ) -> None:
        """Deletes a child that cannot be corrected in place, so that the next reconcile recreates it."""
        kind = kind_of(body)
        if (why := unchangeable(body, live)) is None:
            return
        if self._clock() - history.replaced_at.get(kind.name, float("-inf")) < REPLACE_INTERVAL:
            return
        history.replaced_at[kind.name] = self._clock()
        log.warning("%s/%s: replacing %s: %s", resource.namespace, resource.child, kind.name, why.text)
        await self._client.delete(kind, live)
        raise Conflict(f"{kind.name} {resource.child} is being replaced: {why.text}")

    async def _change(
        self, resource: FaceComparison, history: ChildHistory, kind: ApiResource, body: Object, live: Object
    ) -> None:
        """Applies `body` to the live child, which has just been read."""
        merged = _merged(kind, body, live, resource)
        if ownership(resource, live) is Ownership.ORPHANED or _fields_of_others(kind, live):
            # After a restore from a backup, the tool that restored the child owns all of its fields.
            applied = await self._client.apply(kind, merged, live, exclusive=True)
        else:
            applied = await self._apply(kind, merged, live)
        self._cache.put(kind, applied)
        if differs := self._drift(kind, body, applied, history):
            history.settled[kind.name] = Settled(_version(body, applied), differs.text)
        else:
            history.settled.pop(kind.name, None)

    async def _apply(self, kind: ApiResource, body: Object, live: Object) -> Object:
        try:
            return await self._client.apply(kind, body, live)
        except Rejected as error:
            if not others_own_spec(live):
                raise
            # The object may be invalid only in combination with a field that someone else has set, such as one of two
            # mutually exclusive fields. Such a field is removed.
            fresh = await self._client.read(kind, live["metadata"]["namespace"], live["metadata"]["name"])
            if fresh is None:
                raise
            log.info("removing fields of other managers from %s: %s", kind.name, error.message)
            return await self._client.apply(kind, body, fresh, exclusive=True)

    def _drift(self, kind: ApiResource, body: Object, live: Object, history: ChildHistory) -> Difference | None:
        seen = (body["metadata"]["annotations"][DIGEST_ANNOTATION], str(live["metadata"]["resourceVersion"]))
        if history.right.get(kind.name) == seen:
            return None
        why = difference(body, without_acme_paths(live) if kind == INGRESS else live) or unchangeable(body, live)
        if why is None and (others := _fields_of_others(kind, live)):
            why = Difference(_OTHERS_FIELDS, f"{', '.join(others[:3])} set by another manager")
        if why is None:
            history.right[kind.name] = seen
            history.settled.pop(kind.name, None)
        settled = history.settled.get(kind.name)
        return None if why is None or (settled and settled.version == _version(body, live)) else why

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
                    await self._client.delete(kind, live)
                    history.forget(kind.name)
                elif self._now() - datetime.fromisoformat(live["metadata"]["deletionTimestamp"]) > PRUNE_GRACE:
                    delayed.append(unfinished_prune(resource, kind, live))
        return delayed


def _merged(kind: ApiResource, body: Object, live: Object, resource: FaceComparison) -> Object:
    """Returns the object to apply: `body` plus what others may write into `live`."""
    if kind == DEPLOYMENT:
        return with_min_replicas(body, live, resource.spec.autoscaling)
    return with_acme_paths(body, live) if kind == INGRESS else body


def _fields_of_others(kind: ApiResource, live: Object) -> list[str]:
    """Returns the spec fields that someone else has added; rules of an Ingress are compared separately."""
    return [each for each in fields_of_others(live) if not (kind == INGRESS and each.startswith("spec.rules"))]


def _version(body: Object, live: Object) -> tuple[str, str]:
    metadata = live["metadata"]
    digest = body["metadata"]["annotations"][DIGEST_ANNOTATION]
    return digest, str(metadata.get("generation") or metadata["resourceVersion"])
