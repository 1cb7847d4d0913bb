"""Writes the status of a resource at limited intervals, and posts its events."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from face_comparison_operator import reasons, status
from face_comparison_operator.api_resources import EVENT, RESOURCE
from face_comparison_operator.cache import Key, ObjectCache
from face_comparison_operator.errors import NAMESPACE_TERMINATING, OperatorError
from face_comparison_operator.events import announcement, ready_of
from face_comparison_operator.observation import Observed
from face_comparison_operator.reconcile_context import Client, Context, ReconcileMetrics
from face_comparison_operator.resource import FaceComparison, Object

# Minimum interval between writes that only change numbers and messages; a changed condition is written immediately.
STATUS_UPDATE_INTERVAL = 5.0
# Bounds of the delay of a new resource's first status, so that creating the children of others has priority: the delay
# is as long as creating its own children took. A status that only says that pods are starting is soon outdated, and is
# delayed longer.
INITIAL_STATUS_DELAY, MAX_INITIAL_STATUS_DELAY = 0.5, 5.0
STARTING_STATUS_DELAY, MAX_STARTING_STATUS_DELAY = 2.0, 10.0

log = logging.getLogger(__name__)


class StatusWriter:
    """Writes statuses, within the intervals defined above."""

    def __init__(
        self,
        client: Client,
        cache: ObjectCache,
        metrics: ReconcileMetrics,
        *,
        requeue: Callable[[Key], None],
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        self._client, self._cache, self._metrics = client, cache, metrics
        self._requeue, self._now, self._clock = requeue, now, clock

    async def write(self, context: Context, observed: Observed) -> None:
        """Computes the status, and writes it if it has changed; requeues if the write has to wait."""
        resource, cached, now = context.resource, context.cached, self._now()
        result = status.status(resource, observed, now)
        self._metrics.conditions(context.key, result["conditions"])
        deadline = status.next_deadline(resource, result, now)
        if deadline is not None:
            context.requeue_after(deadline + 0.1)
        if status.is_written(result, resource.status):
            return
        delay = _initial_status_delay(cached.children.seconds, ready_of(result)["reason"])
        if not resource.has_status and cached.children.changed_at > self._clock() - delay:
            context.requeue_after(delay)
            return
        wait = cached.written_at + STATUS_UPDATE_INTERVAL - self._clock()
        if wait > 0 and _significant_fields(result) == _significant_fields(resource.status):
            context.requeue_after(wait)
            return
        written = await self._client.write_status(resource.namespace, resource.name, resource.uid, result)
        cached.written_at = self._clock()
        self._cache.put(RESOURCE, written)
        if written["metadata"].get("generation", 1) != resource.generation:
            self._requeue(context.key)  # the spec has changed since, and the watch has nothing newer to deliver
        await self._announce(resource, result)

    async def _announce(self, resource: FaceComparison, result: Object) -> None:
        event = announcement(resource, result, self._now())
        if event is None:
            return
        if ready_of(result)["status"] == "True" and "deploySeconds" not in resource.status:
            self._metrics.deployed(result["deploySeconds"])
        try:
            await self._client.create(EVENT, event)
        except OperatorError as error:
            expected = NAMESPACE_TERMINATING in error.message
            level = logging.DEBUG if expected else logging.WARNING
            log.log(level, "%s/%s: posting the event failed: %s", resource.namespace, resource.name, error.message)


def _initial_status_delay(seconds: float, reason: str) -> float:
    """Returns the delay in seconds between the creation of the children and the first status.

    Args:
        seconds: Duration of creating the children.
        reason: The reason of Ready.
    """
    if reason == reasons.DEPLOYING:
        return min(max(2 * seconds, STARTING_STATUS_DELAY), MAX_STARTING_STATUS_DELAY)
    return min(max(seconds, INITIAL_STATUS_DELAY), MAX_INITIAL_STATUS_DELAY)


def _significant_fields(value: Object) -> object:
    """Returns the fields of a status whose changes are written immediately."""
    conditions = [(each["type"], each["status"], each["reason"]) for each in value.get("conditions", [])]
    return conditions, [value.get(name) for name in ("observedGeneration", "url", "modelVersion", "selector")]
