"""Applies one desired child: creates it, repairs drift, or adopts it.

Objects are created with `create` and changed with server-side apply. The API server checks at creation whether a name
is taken, so unrelated objects are never overwritten.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from face_comparison_operator import reasons
from face_comparison_operator.api_resources import ApiResource, kind_of
from face_comparison_operator.cache import Key, ObjectCache
from face_comparison_operator.child_client import ChildClient
from face_comparison_operator.child_drift import (
    all_drift,
    find_drift,
    find_repaired,
    spec_fields_of_others,
    version_of,
    with_permitted_changes,
)
from face_comparison_operator.child_history import ChildHistory, Settled
from face_comparison_operator.child_refusals import MISSING, ORPHANED, contest, obstacle, repaired, with_writer
from face_comparison_operator.diff import unchangeable
from face_comparison_operator.errors import (
    NAMESPACE_TERMINATING,
    ApiNotInstalled,
    Conflict,
    Forbidden,
    NotFound,
    Rejected,
)
from face_comparison_operator.field_ownership import others_own_spec
from face_comparison_operator.ownership import Ownership, ownership
from face_comparison_operator.refusals import Refusal
from face_comparison_operator.resource import DIGEST_ANNOTATION, KIND, FaceComparison, Object

# Minimum time between two replacements of a child with a wrong immutable field: something may set it on each new one.
REPLACE_INTERVAL = 600.0

log = logging.getLogger(__name__)


class ChildApplier:
    """Creates, repairs, and adopts children, one at a time."""

    def __init__(self, client: ChildClient, cache: ObjectCache, clock: Callable[[], float]) -> None:
        self._client, self._cache, self._clock = client, cache, clock

    async def apply(self, resource: FaceComparison, key: Key, history: ChildHistory, body: Object) -> Refusal | None:
        """Creates the child `body` or repairs the live one; returns why that failed, or None.

        Raises:
            ClusterError: A request failed in a way that has to be retried.
        """
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
                return self._contested(resource, history, kind)
            try:
                self._cache.put(kind, await self._client.create(kind, body))
            except Conflict:
                pass  # the name is taken, or the cache is slightly behind
            else:
                history.note(repaired(body, MISSING), MISSING.text, self._clock())
                return self._contested(resource, history, kind)
        elif refusal := obstacle(resource, kind, live):
            return refusal
        else:
            orphaned = ownership(resource, live) is Ownership.ORPHANED
            drift = ORPHANED if orphaned else find_drift(kind, body, live, history)
            if drift is None:
                history.applied[kind.name] = body["metadata"]["annotations"][DIGEST_ANNOTATION]
            if drift is None or not history.repairs.is_due(repaired(body, drift), self._clock()):
                return self._contested(resource, history, kind)
            why = drift
            log.info("%s/%s: drift detected, applying %s: %s", *key, kind.name, why.text)
        live = await self._client.read(kind, resource.namespace, resource.child)
        if live is None:
            raise NotFound(f"{kind.name} {resource.child} has just been deleted")
        if (refusal := obstacle(resource, kind, live)) is not None:
            return refusal
        await self._replace_unchangeable(resource, history, body, live)
        applied = await self._change(resource, history, kind, body, live)
        # Not before: a change that the API server rejects is no contest with another program.
        found = find_repaired(why, body, live, applied)
        text = with_writer(found, body, live).text if found else None
        history.note(repaired(body, why), text, self._clock())
        return self._contested(resource, history, kind)

    def _contested(self, resource: FaceComparison, history: ChildHistory, kind: ApiResource) -> Refusal | None:
        """Returns a refusal while a child is contested, also right after it was repaired: it will not stay so."""
        return contest(resource, kind, history.repairs.contested(kind.name, self._clock()))

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
    ) -> Object:
        """Applies `body` to the live child, which has just been read; returns the child as stored."""
        merged = with_permitted_changes(kind, body, live, resource)
        if ownership(resource, live) is Ownership.ORPHANED or spec_fields_of_others(kind, live):
            # After a restore from a backup, the tool that restored the child owns all of its fields.
            applied = await self._client.apply(kind, merged, live, exclusive=True)
        else:
            applied = await self._apply_live(kind, merged, live)
        self._cache.put(kind, applied)
        if difference := next(all_drift(kind, body, applied), None):
            history.settled[kind.name] = Settled(version_of(body, applied), difference.text)
        else:
            history.settled.pop(kind.name, None)
        return applied

    async def _apply_live(self, kind: ApiResource, body: Object, live: Object) -> Object:
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
