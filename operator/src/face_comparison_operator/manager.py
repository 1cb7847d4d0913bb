"""Manager: watch events fill the cache and the work queue; workers reconcile while this replica is leader.

It also maps errors to log levels.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack

from face_comparison_operator.api_client import Access, Cluster
from face_comparison_operator.api_resources import ApiResource
from face_comparison_operator.cache import Key, ObjectCache
from face_comparison_operator.errors import (
    ApiNotInstalled,
    ClusterError,
    ClusterUnavailable,
    Conflict,
    Forbidden,
    InvalidSettings,
    InvalidSpec,
    NotFound,
    OperatorError,
    Rejected,
)
from face_comparison_operator.health import Endpoints
from face_comparison_operator.leader_election import LeaderElector
from face_comparison_operator.metrics import Metrics
from face_comparison_operator.probe import Prober
from face_comparison_operator.reconcile import Reconciler
from face_comparison_operator.resource import Object
from face_comparison_operator.settings import Settings
from face_comparison_operator.watch_monitor import WatchMonitor
from face_comparison_operator.workqueue import WorkQueue

# Concurrent reconciles. With fewer, a burst of resources would wait here instead of at the API server.
WORKERS = 96
# A resource and its children change in bursts: changes within this time after a reconcile are handled together.
REST_SECONDS = 0.1
TOMBSTONE_SECONDS = 300.0

# Log levels of failed reconciles. All are requeued with backoff; failures that are expected have a low level.
LOGGED: Mapping[type[OperatorError], int] = {
    OperatorError: logging.ERROR,
    InvalidSettings: logging.ERROR,
    InvalidSpec: logging.ERROR,
    ClusterError: logging.ERROR,
    ClusterUnavailable: logging.WARNING,
    Conflict: logging.DEBUG,  # the cache is slightly behind; the watch will update it
    NotFound: logging.DEBUG,  # the object was deleted in between
    ApiNotInstalled: logging.WARNING,
    Forbidden: logging.WARNING,
    Rejected: logging.WARNING,
}

log = logging.getLogger(__name__)


class Operator:
    """The operator process, independent of the framework that feeds it events."""

    def __init__(self, settings: Settings, access: Access) -> None:
        self._settings = settings
        self._metrics = Metrics()
        self._store = ObjectCache()
        self._queue: WorkQueue[Key] = WorkQueue(time.monotonic, REST_SECONDS)
        self._is_leader = asyncio.Event()
        self.cluster = Cluster(access, self._metrics.request)
        self.watches = WatchMonitor(
            self.cluster,
            self._store,
            self._queue.add,
            settings.namespaces,
            report=self._metrics.request,
            clock=time.monotonic,
        )

    def on_watch_event(self, kind: ApiResource, body: Object, *, gone: bool) -> None:
        """Handles a watch event: an object has been created, changed, or, if `gone`, deleted."""
        key = self._store.remove(kind, body) if gone else self._store.put(kind, body)
        if key is not None:
            self._queue.add(key)

    async def work(self) -> None:
        """Runs the manager until it is cancelled; returns by itself if the framework has to be restarted."""
        async with AsyncExitStack() as stack:
            cluster = await stack.enter_async_context(self.cluster)
            prober = await stack.enter_async_context(Prober(in_cluster=cluster.access.in_cluster))
            endpoints = Endpoints(
                self._metrics.registry,
                live=self.watches.liveness_error,
                ready=self.watches.readiness_error,
                refresh=self._refresh,
            )
            ports = await endpoints.start(self._settings.metrics_port, self._settings.health_port)
            stack.push_async_callback(endpoints.stop)
            log.info("metrics on port %d, health on port %d", *ports)
            reconciler = Reconciler(
                cluster,
                self._store,
                self._settings,
                probe=prober.probe,
                requeue=self._queue.add,
                metrics=self._metrics,
                now=cluster.clock.now,
                clock=time.monotonic,
            )
            async with asyncio.TaskGroup() as tasks:
                others = [
                    tasks.create_task(each)
                    for each in (self._run_leader_election(), self._work(reconciler), self._expire_tombstones())
                ]
                await self.watches.run()
                for other in others:
                    other.cancel()

    def _refresh(self) -> None:
        self._metrics.work_queue_depth.set(len(self._queue))
        self._metrics.watch_staleness.set(self.watches.seconds_since_response)

    async def _run_leader_election(self) -> None:
        if not self._settings.leader_election:
            self._on_leadership_change(True)
            return
        namespace = self._settings.lease_namespace or self.cluster.access.namespace
        identity = f"{socket.gethostname()}_{uuid.uuid4()}"
        await LeaderElector(
            self.cluster, namespace, self._settings.lease_name, identity, self._on_leadership_change
        ).run()

    def _on_leadership_change(self, leading: bool) -> None:
        self._metrics.leader.set(leading)
        if leading:
            self._is_leader.set()
        else:
            self._is_leader.clear()

    async def _work(self, reconciler: Reconciler) -> None:
        """Runs workers while this replica is leader and its caches are synced; stops them immediately otherwise."""
        await self.watches.synced.wait()
        log.info("caches synced")
        while True:
            await self._is_leader.wait()
            # The previous leader may have stopped in the middle of its work: reconcile everything.
            for key, _ in self._store.resources():
                self._queue.add(key)
            workers = [asyncio.create_task(self._worker(reconciler)) for _ in range(WORKERS)]
            try:
                while self._is_leader.is_set():
                    await asyncio.sleep(0.2)
                    for worker in workers:
                        if worker.done():
                            worker.result()  # a bug: exit and be restarted
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    async def _worker(self, reconciler: Reconciler) -> None:
        while True:
            key = await self._queue.get()
            began = time.monotonic()
            failed = True
            try:
                result = await reconciler.reconcile(key)
                failed = False
                if result.requeue_after is not None:
                    self._queue.add_after(key, result.requeue_after)
                self._metrics.reconciles.labels("done").inc()
            except OperatorError as error:
                self._metrics.reconciles.labels(error.code).inc()
                log.log(LOGGED[type(error)], "reconcile %s/%s failed: %s; requeued with backoff", *key, error.message)
            finally:
                if failed:
                    self._queue.add_rate_limited(key)
                else:
                    self._queue.forget(key)
                self._queue.done(key)
                self._metrics.reconcile_duration_seconds.observe(time.monotonic() - began)

    async def _expire_tombstones(self) -> None:
        while True:
            await asyncio.sleep(TOMBSTONE_SECONDS)
            self._store.expire_tombstones()
