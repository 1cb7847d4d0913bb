"""The composition root: watches fill the store and the queue, workers empty it, the Lease says who works.

Here is also the one table from errors to what happens next.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from face_comparison_operator.cluster import Cluster
from face_comparison_operator.connection import Connection, connect
from face_comparison_operator.errors import (
    ApiMissing,
    ClusterError,
    ClusterUnavailable,
    Conflict,
    Expired,
    Forbidden,
    InvalidSettings,
    InvalidSpec,
    NotFound,
    OperatorError,
    Rejected,
)
from face_comparison_operator.health import Endpoints
from face_comparison_operator.kinds import WATCHED
from face_comparison_operator.lease import Lease
from face_comparison_operator.metrics import Metrics
from face_comparison_operator.probe import Prober
from face_comparison_operator.queue import Queue
from face_comparison_operator.reconcile import Reconciler
from face_comparison_operator.settings import Settings
from face_comparison_operator.store import Key, Store
from face_comparison_operator.watch import Watch

# Looks at different resources at once. Each waits for the API server most of its time.
WORKERS = 128
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
    Expired: logging.DEBUG,
}

log = logging.getLogger(__name__)


class Operator:
    """One operator process."""

    def __init__(self, settings: Settings, connection: Connection) -> None:
        self._settings, self._connection = settings, connection
        self.metrics = Metrics()
        self.store = Store()
        self.queue: Queue[Key] = Queue(time.monotonic)
        self._working = asyncio.Event()
        self._watches: list[Watch] = []

    async def run(self) -> None:
        """Work until cancelled."""
        async with AsyncExitStack() as stack:
            cluster = await stack.enter_async_context(Cluster(self._connection, self.metrics.request))
            prober = await stack.enter_async_context(Prober(in_cluster=self._connection.in_cluster))
            endpoints = Endpoints(self.metrics.registry, live=self.dead, ready=self.unready, refresh=self._refresh)
            ports = await endpoints.start(self._settings.metrics_port, self._settings.health_port)
            stack.push_async_callback(endpoints.stop)
            log.info("metrics on port %d, health on port %d", *ports)
            self._watches = [
                Watch(cluster, self.store, self.queue.add, kind, namespace)
                for kind in WATCHED
                for namespace in self._settings.namespaces or (None,)
            ]
            reconciler = Reconciler(
                cluster,
                self.store,
                self._settings,
                ask=prober.ask,
                again=self.queue.add,
                listener=self.metrics,
                now=lambda: datetime.now(UTC),
                clock=time.monotonic,
            )
            async with asyncio.TaskGroup() as tasks:
                for watch in self._watches:
                    tasks.create_task(watch.run())
                tasks.create_task(self._lead(cluster))
                tasks.create_task(self._work(reconciler))
                tasks.create_task(self._tidy())

    # --- health ------------------------------------------------------------------------------------------------------

    def dead(self) -> str | None:
        """Why the operator should be restarted: it would not notice a change any more."""
        silent = [watch for watch in self._watches if not watch.alive]
        if not silent:
            return None
        worst = max(silent, key=lambda watch: watch.silence)
        return f"{len(silent)} watches are silent, {worst.kind.plural} for {worst.silence:.0f} s"

    def unready(self) -> str | None:
        """Why the operator cannot work yet or any more."""
        waiting = [watch.kind.plural for watch in self._watches if not watch.synced.is_set()]
        return f"not listed yet: {', '.join(waiting)}" if waiting else self.dead()

    def _refresh(self) -> None:
        self.metrics.queue_depth.set(len(self.queue))
        self.metrics.watch_silence.set(max((watch.silence for watch in self._watches), default=0.0))

    # --- work --------------------------------------------------------------------------------------------------------

    async def _lead(self, cluster: Cluster) -> None:
        if not self._settings.leader_election:
            self._changed(True)
            return
        namespace = self._settings.lease_namespace or self._connection.namespace
        identity = f"{socket.gethostname()}_{uuid.uuid4()}"
        await Lease(cluster, namespace, self._settings.lease_name, identity, self._changed).run()

    def _changed(self, leading: bool) -> None:
        self.metrics.leader.set(leading)
        if leading:
            self._working.set()
        else:
            self._working.clear()

    async def _work(self, reconciler: Reconciler) -> None:
        """Keep workers while this operator leads and has seen everything once; stop them at once when it does not."""
        for watch in self._watches:
            await watch.synced.wait()
        log.info("everything is listed")
        while True:
            await self._working.wait()
            # Whoever led before may have stopped halfway: look at everything.
            for key, _ in self.store.resources():
                self.queue.add(key)
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
            key = await self.queue.take()
            began = time.monotonic()
            failed = True
            try:
                later = await reconciler.reconcile(key)
                failed = False
                if later is not None:
                    self.queue.add_after(key, later)
                self.metrics.reconciles.labels("done").inc()
            except OperatorError as error:
                self.metrics.reconciles.labels(error.code).inc()
                log.log(LOGGED[type(error)], "%s/%s: %s, trying again", *key, error.message)
            finally:
                self.queue.done(key, failed=failed)
                self.metrics.reconcile_seconds.observe(time.monotonic() - began)

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(FORGET_DELETIONS_SECONDS)
            self.store.forget_deletions()


async def run(settings: Settings) -> None:
    """Run the operator until SIGTERM or SIGINT."""
    operator = Operator(settings, connect(os.environ))
    task = asyncio.create_task(operator.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        log.info("stopped")
