"""Watches: list once, then follow every change into the store and the queue, for ever and whatever happens.

A watch that dies in silence would leave the operator blind while it looks healthy. So each one remembers when it last
heard from the API server, and `/livez` asks for that.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable

from face_comparison_operator.cluster import SILENCE_SECONDS, Cluster
from face_comparison_operator.errors import ApiMissing, ClusterError, Expired
from face_comparison_operator.kinds import Kind
from face_comparison_operator.store import Key, Store

FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 10.0
# How soon an API that was installed later is noticed.
MISSING_SECONDS = 20.0
# Time to break off a silent watch and to begin another before the operator says that it is blind.
LIVE_SECONDS = SILENCE_SECONDS + 15.0

log = logging.getLogger(__name__)


class Watch:
    """One kind in one namespace (None: all)."""

    def __init__(
        self, cluster: Cluster, store: Store, changed: Callable[[Key], None], kind: Kind, namespace: str | None
    ) -> None:
        self.kind = kind
        self.namespace = namespace
        self.synced = asyncio.Event()
        self.missing = False
        self.restarts = 0
        self._cluster, self._store, self._changed = cluster, store, changed
        self._heard = time.monotonic()

    @property
    def silence(self) -> float:
        """Seconds since the API server was last heard of, by an event, a bookmark, a list, or the kind's absence."""
        return time.monotonic() - self._heard

    @property
    def alive(self) -> bool:
        """Whether changes are noticed."""
        return self.silence < LIVE_SECONDS

    async def run(self) -> None:
        """Follow the kind until cancelled."""
        retry = FIRST_RETRY_SECONDS
        while True:
            began = time.monotonic()
            try:
                await self._follow()
            except ApiMissing as error:
                await self._wait_for_api(error)
            except Expired:
                log.info("the history of %s is no longer kept, listing again", self.kind.plural)
                await asyncio.sleep(FIRST_RETRY_SECONDS)
            except ClusterError as error:
                log.warning("watching %s: %s", self.kind.plural, error.message)
                retry = FIRST_RETRY_SECONDS if time.monotonic() - began > LAST_RETRY_SECONDS else retry * 2
                # Not all at once, when many watches lost the same server.
                await asyncio.sleep(min(retry, LAST_RETRY_SECONDS) * random.uniform(0.5, 1))  # noqa: S311
            self.restarts += 1

    async def _wait_for_api(self, error: ApiMissing) -> None:
        if not self.kind.optional:
            log.error("%s cannot be watched: %s", self.kind.plural, error.message)
        else:
            self.missing = True
            self._heard = time.monotonic()
            self.synced.set()
        await asyncio.sleep(MISSING_SECONDS)

    async def _follow(self) -> None:
        since = await self._list()
        while True:
            # The server ends each watch after a while; the next goes on where it ended.
            async for change, body in self._cluster.watch(self.kind, self.namespace, since):
                self._heard = time.monotonic()
                since = body["metadata"]["resourceVersion"]
                if change == "BOOKMARK":
                    continue
                change_store = self._store.remove if change == "DELETED" else self._store.put
                self._tell(change_store(self.kind, body))
            self._heard = time.monotonic()

    async def _list(self) -> str:
        seen: set[tuple[str, str]] = set()
        version = ""
        async for item in self._cluster.listed(self.kind, self.namespace):
            self._heard = time.monotonic()
            if isinstance(item, str):
                version = item
            else:
                seen.add((item["metadata"]["namespace"], item["metadata"]["name"]))
                self._tell(self._store.put(self.kind, item))
        for key in self._store.keep_only(self.kind, self.namespace, seen):
            self._tell(key)
        self.missing = False
        self.synced.set()
        log.info("watching %s in %s: %d", self.kind.plural, self.namespace or "all namespaces", len(seen))
        return version

    def _tell(self, key: Key | None) -> None:
        if key is not None:
            self._changed(key)
