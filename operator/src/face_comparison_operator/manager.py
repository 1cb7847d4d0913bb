"""The composition root: what is noticed fills the store and the queue, workers empty it, the Lease says who works.

Here is also the one table from errors to what happens next.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from face_comparison_operator.api_client import Access, Cluster
from face_comparison_operator.api_resources import Kind
from face_comparison_operator.cache import Key, Store
from face_comparison_operator.errors import (
    ApiMissing,
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
from face_comparison_operator.leader_election import Lease
from face_comparison_operator.metrics import Metrics
from face_comparison_operator.probe import Prober
from face_comparison_operator.reconcile import Reconciler
from face_comparison_operator.resource import Object
from face_comparison_operator.settings import Settings
from face_comparison_operator.watch_monitor import Watches
from face_comparison_operator.workqueue import Queue

# Looks at different resources at once. With more, each would take longer, and be repeated for every change that comes
# meanwhile: of 128 a burst of 100 resources took twice the processor time, and half of them had their children later.
WORKERS = 16
FORGET_DELETIONS_SECONDS = 300.0

# What a failed look at a resource leads to: all are tried again, later each time; what is to be expected is logged low.
LOGGED: Mapping[type[OperatorError], int] = {
    OperatorError: logging.ERROR,
    InvalidSettings: logging.ERROR,
    InvalidSpec: logging.ERROR,
    ClusterError: logging.ERROR,
    ClusterUnavailable: logging.WARNING,
    Conflict: logging.DEBUG,  # the store is a moment behind; the watch brings what is missing
    NotFound: logging.DEBUG,  # deleted in between
    ApiMissing: logging.WARNING,
    Forbidden: logging.WARNING,
    Rejected: logging.WARNING,
}

log = logging.getLogger(__name__)


class Operator:
    """One operator process, apart from the framework that feeds it."""

    def __init__(self, settings: Settings, access: Access) -> None:
        self._settings = settings
        self._metrics = Metrics()
        self._store = Store()
        self._queue: Queue[Key] = Queue(time.monotonic)
        self._working = asyncio.Event()
        self.cluster = Cluster(access, self._metrics.request)
        self.watches = Watches(
            self.cluster,
            self._store,
            self._queue.add,
            settings.namespaces,
            report=self._metrics.request,
            clock=time.monotonic,
        )

    def notice(self, kind: Kind, body: Object, *, gone: bool) -> None:
        """An object was made, changed or (`gone`) deleted."""
        key = self._store.remove(kind, body) if gone else self._store.put(kind, body)
        if key is not None:
            self._queue.add(key)

    async def work(self) -> None:
        """Work until cancelled; ends by itself when the framework has to be started anew."""
        async with AsyncExitStack() as stack:
            cluster = await stack.enter_async_context(self.cluster)
            prober = await stack.enter_async_context(Prober(in_cluster=cluster.access.in_cluster))
            endpoints = Endpoints(
                self._metrics.registry, live=self.watches.dead, ready=self.watches.unready, refresh=self._refresh
            )
            ports = await endpoints.start(self._settings.metrics_port, self._settings.health_port)
            stack.push_async_callback(endpoints.stop)
            log.info("metrics on port %d, health on port %d", *ports)
            reconciler = Reconciler(
                cluster,
                self._store,
                self._settings,
                ask=prober.ask,
                again=self._queue.add,
                listener=self._metrics,
                now=lambda: datetime.now(UTC),
                clock=time.monotonic,
            )
            async with asyncio.TaskGroup() as tasks:
                others = [tasks.create_task(each) for each in (self._lead(), self._work(reconciler), self._tidy())]
                await self.watches.run()
                for other in others:
                    other.cancel()

    def _refresh(self) -> None:
        self._metrics.queue_depth.set(len(self._queue))
        self._metrics.watch_silence.set(self.watches.silence)

    async def _lead(self) -> None:
        if not self._settings.leader_election:
            self._changed(True)
            return
        namespace = self._settings.lease_namespace or self.cluster.access.namespace
        identity = f"{socket.gethostname()}_{uuid.uuid4()}"
        await Lease(self.cluster, namespace, self._settings.lease_name, identity, self._changed).run()

    def _changed(self, leading: bool) -> None:
        self._metrics.leader.set(leading)
        if leading:
            self._working.set()
        else:
            self._working.clear()

    async def _work(self, reconciler: Reconciler) -> None:
        """Keep workers while this operator leads and has seen everything once; stop them at once when it does not."""
        await self.watches.synced.wait()
        log.info("everything is listed")
        while True:
            await self._working.wait()
            # Whoever led before may have stopped halfway: look at everything.
            for key, _ in self._store.resources():
                self._queue.add(key)
            workers = [asyncio.create_task(self._worker(reconciler)) for _ in range(WORKERS)]
            try:
                while self._working.is_set():
                    await asyncio.sleep(0.2)
                    for worker in workers:
                        if worker.done():
                            worker.result()  # a mistake in this program: end, and be started anew
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    async def _worker(self, reconciler: Reconciler) -> None:
        while True:
            key = await self._queue.take()
            began = time.monotonic()
            failed = True
            try:
                later = await reconciler.reconcile(key)
                failed = False
                if later is not None:
                    self._queue.add_after(key, later)
                self._metrics.reconciles.labels("done").inc()
            except OperatorError as error:
                self._metrics.reconciles.labels(error.code).inc()
                log.log(LOGGED[type(error)], "%s/%s: %s, trying again", *key, error.message)
            finally:
                self._queue.done(key, failed=failed)
                self._metrics.reconcile_seconds.observe(time.monotonic() - began)

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(FORGET_DELETIONS_SECONDS)
            self._store.forget_deletions()
