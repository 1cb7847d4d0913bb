"""Monitors what kopf's watches do not report: watch liveness, deletions missed in a watch gap, initial cache sync.

kopf watches each API and passes on every change. But a watch whose connection has silently died looks like an idle one,
and when kopf lists again after a gap, it does not report what was deleted in between. Both are detected by observing
the responses that kopf receives: each watch is short and has to get a new response every minute, and whenever kopf
lists an API, this module lists it as well, to drop objects that no longer exist.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from face_comparison_operator.api_client import Cluster, Report
from face_comparison_operator.api_resources import RESOURCE, WATCHED, ApiResource
from face_comparison_operator.cache import Key, ObjectCache
from face_comparison_operator.errors import ApiNotInstalled, ClusterError, Forbidden
from face_comparison_operator.workqueue import WorkQueue

# The server ends each watch after this time, and kopf restarts it.
WATCH_SECONDS = 60
# Time allowed for restarting a watch before the operator reports that it no longer receives changes.
LIVE_SECONDS = WATCH_SECONDS + 35.0
# Polling interval for APIs that are installed later, if kopf may not watch CRDs.
MISSING_SECONDS = 20.0

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Watch:
    """A watch by kopf of one kind in one namespace (None: all)."""

    kind: ApiResource
    namespace: str | None
    last_response_at: float
    listed: bool = False
    missing: bool = False
    refused: bool = False
    """Whether the last response denied access."""


class WatchMonitor:
    """Monitors all watches of kopf.

    Args:
        cluster: Lists objects.
        store: The cache to fill.
        changed: Called with the key of each change.
        namespaces: The watched namespaces; empty: all.
        report: Called for each of kopf's requests with verb, plural name of the kind, and status.
        clock: Returns monotonic seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        store: ObjectCache,
        changed: Callable[[Key], None],
        namespaces: Sequence[str],
        report: Report,
        clock: Callable[[], float],
    ) -> None:
        self._cluster, self._store, self._changed, self._report, self._clock = cluster, store, changed, report, clock
        self._lists: WorkQueue[Watch] = WorkQueue(clock)
        self._discovered = not namespaces
        self._told: set[str | None] = set()
        self.synced = asyncio.Event()
        """Set once every watched kind has been listed."""
        self._watches = {
            kind.path(namespace): Watch(kind, namespace, clock())
            for kind in WATCHED
            for namespace in namespaces or (None,)
        }

    @property
    def seconds_since_response(self) -> float:
        """Returns the seconds since the last response on the quietest watch.

        Watches of optional APIs do not count: they may have ended with their API.
        """
        return self._clock() - self._quietest().last_response_at

    def liveness_error(self) -> str | None:
        """Returns why the operator no longer receives changes; None if it does."""
        if self.seconds_since_response < LIVE_SECONDS:
            return None
        return (
            f"the watch of {self._quietest().kind.plural} has had no response for {self.seconds_since_response:.0f} s"
        )

    def readiness_error(self) -> str | None:
        """Returns why the operator cannot work yet, or can no longer work; None if it can."""
        waiting = [watch.kind.plural for watch in self._waiting()]
        return f"not listed yet: {', '.join(waiting)}" if waiting else self.liveness_error()

    def on_response(self, path: str, query: Mapping[str, str], status: int) -> bool:
        """Records a response that kopf received.

        Args:
            path: Path of the request.
            query: Query parameters of the request.
            status: HTTP status of the response.

        Returns:
            Whether to withhold the response and retry: kopf would stop watching a kind that does not exist.
        """
        watch = self._watches.get(path)
        if watch is None:
            return False
        self._report("watch" if "watch" in query else "list", watch.kind.plural, status)
        if status == HTTPStatus.FORBIDDEN:
            watch.refused = True
            self._note_synced()
        if status < 400:
            watch.last_response_at, watch.refused = self._clock(), False
            if "watch" not in query and "continue" not in query:
                self._lists.add(watch)
        if status == HTTPStatus.NOT_FOUND and watch.kind.optional and not watch.missing:
            self._lists.add(watch)  # the API has been removed, and its objects with it
        self._log_forbidden_namespaces()
        return status == HTTPStatus.NOT_FOUND

    async def run(self) -> None:
        """Lists whatever kopf lists; returns when an API is available that kopf watches only after a restart."""
        for watch in self._watches.values():
            if watch.kind.optional:
                self._lists.add(watch)  # kopf does not list kinds that the cluster does not have
        while True:
            watch = await self._lists.get()
            failed, was_missing = True, watch.missing
            try:
                await self._list(watch)
                failed = False
            except ClusterError as error:
                if isinstance(error, Forbidden):
                    watch.refused = True
                log.warning("listing %s: %s", watch.kind.plural, error.message)
            finally:
                if failed:
                    self._lists.add_rate_limited(watch)
                else:
                    self._lists.forget(watch)
                self._lists.done(watch)
            self._note_synced()
            if self._discovered:
                continue
            if watch.missing:
                self._lists.add_after(watch, MISSING_SECONDS)
            elif was_missing:
                log.info("API %s became available; restarting watches", watch.kind.plural)
                return

    async def _list(self, watch: Watch) -> None:
        """Lists a kind, puts its objects into the cache, and drops those that no longer exist."""
        listed_names: set[tuple[str, str]] = set()
        version = ""
        try:
            async for item in self._cluster.listed(watch.kind, watch.namespace):
                if isinstance(item, str):
                    version = item
                else:
                    listed_names.add((item["metadata"]["namespace"], item["metadata"]["name"]))
                    self._notify(self._store.put(watch.kind, item))
        except ApiNotInstalled:
            if not watch.kind.optional:
                raise
            watch.missing = watch.listed = True
            for key in self._store.replace(watch.kind, watch.namespace, set(), sys.maxsize):
                self._notify(key)
            return
        listed = (watch.kind, watch.namespace, listed_names, int(version))
        if watch.kind != RESOURCE and self._store.stale(*listed):
            # Their resource may have been deleted as well. That has to be known first, or a reconcile would create them
            # again.
            await self._list(self._watches[RESOURCE.path(watch.namespace)])
        for key in self._store.replace(*listed):
            self._notify(key)
        watch.missing, watch.refused, watch.listed = False, False, True
        log.info("listed %s in %s: %d", watch.kind.plural, watch.namespace or "all namespaces", len(listed_names))

    def _log_forbidden_namespaces(self) -> None:
        lost = self._lost()
        for namespace in lost - self._told:
            log.warning("access to namespace %s is forbidden; continuing with the remaining namespaces", namespace)
        self._told = lost

    def _note_synced(self) -> None:
        if not self._waiting():
            self.synced.set()

    def _waiting(self) -> list[Watch]:
        """Returns the watches that have not been listed yet."""
        lost = self._lost()
        return [watch for watch in self._watches.values() if not watch.listed and watch.namespace not in lost]

    def _lost(self) -> set[str | None]:
        """Returns namespaces in which nothing may be read, for example because they were deleted along with the role.

        The other namespaces continue to be managed. If nothing may be read in any namespace, that is a
        misconfiguration, and none counts as lost.
        """
        needed = [watch for watch in self._watches.values() if not watch.kind.optional]
        accessible = {watch.namespace for watch in needed if not watch.refused}
        return {watch.namespace for watch in needed} - accessible if accessible else set()

    def _notify(self, key: Key | None) -> None:
        if key is not None:
            self._changed(key)

    def _quietest(self) -> Watch:
        lost = self._lost()
        needed = (each for each in self._watches.values() if not each.kind.optional and each.namespace not in lost)
        return min(needed, key=lambda each: each.last_response_at)
