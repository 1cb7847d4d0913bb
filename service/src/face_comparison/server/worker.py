"""The gunicorn worker class of this service: an asyncio loop that serves connections, and a graceful shutdown.

gunicorn starts, monitors, and replaces workers; only its documented base class for workers is used. SIGTERM means one
of two things. If the whole service stops, nobody else will accept connections: the worker continues to respond, with
`draining` to all new requests, until all workers have finished their accepted requests. If only this worker is no
longer needed, it stops accepting connections immediately and finishes the requests that it has.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from gunicorn.workers.base import Worker as BaseWorker

from face_comparison.server import memory
from face_comparison.server.fair_selector import FairSelector
from face_comparison.server.garbage import CollectionPolicy
from face_comparison.server.listener import block_new_connections

if TYPE_CHECKING:
    from face_comparison.server.http_server import HttpServer

DRAIN_SECONDS = 1.0
"""How long a stopping worker continues to reject requests when it has nothing left to do: load balancers need time to
remove it."""

HANDSHAKE_SECONDS = 0.25
"""How long a connection may take to be established: those begun before new connections were blocked are still
accepted."""

LAST_REQUEST_SECONDS = 0.5
"""How long a client whose connection was accepted at the very end may take to send its request, which is then properly
rejected."""

HEARTBEAT_SECONDS = 1.0

SWITCH_SECONDS = 0.0005
"""Interval after which a computing thread releases Python's lock if another thread waits for it. The event loop needs
the lock after every system call: with Python's default of 5 ms, a hundred clients that send at the same time delay the
loop by half a second."""

TRIM_SECONDS = 1.0

_POLL_SECONDS = 0.05


LONG_TURN_SECONDS = 0.005
"""Shorter turns of the event loop are not counted: there are thousands per second."""


def _observe_turn(seconds: float) -> None:
    if seconds >= LONG_TURN_SECONDS:
        from face_comparison.observability import metrics  # noqa: PLC0415 (after its folder has been set)

        metrics.LOOP_TURN_SECONDS.observe(seconds)


class Worker(BaseWorker):  # type: ignore[misc]
    """A worker whose application must be a `gunicorn_app.Application`."""

    _loop: asyncio.AbstractEventLoop | None = None
    _asked_to_stop = False

    def run(self) -> None:
        """Serves connections; gunicorn calls it in the new process after loading the application."""
        sys.setswitchinterval(SWITCH_SECONDS)
        self._selector = FairSelector(_observe_turn)
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(self._selector)) as runner:
            runner.run(self._serve())

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Starts a graceful shutdown, on SIGTERM."""
        self._asked_to_stop = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)

    def handle_quit(self, sig: int, frame: Any) -> None:
        """Exits immediately, on SIGINT or SIGQUIT, without waiting for threads that may be computing."""
        os._exit(0)

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        server: HttpServer = self.app.http_server(self._selector.note_new)
        for listener in self.sockets:
            listener.setblocking(False)
            server.listen(listener)
        tasks = [asyncio.create_task(self._beat(server)), asyncio.create_task(self._return_memory(server))]
        if not (self._asked_to_stop or self.app.shared.stopping):  # either may have happened before the loop started
            await self._stop.wait()
        if self.app.shared.stopping:
            await self._drain(server)
        await self._finish(server)
        for task in tasks:
            task.cancel()
        server.finish_background_work()
        # Not sys.exit, which would wait for threads that are still computing, and would unload the inference libraries
        # in an order that can crash some of them.
        logging.shutdown()
        os._exit(0)

    async def _beat(self, server: HttpServer) -> None:
        """Reports to gunicorn that the event loop is running, and stops this worker when the arbiter has died."""
        while self.ppid == os.getppid():
            self.notify()
            server.report()
            await asyncio.sleep(HEARTBEAT_SECONDS)
        self._stop.set()

    async def _return_memory(self, server: HttpServer) -> None:
        """Collects garbage, and returns the allocator's free memory to the system after each burst."""
        policy, garbage_policy = memory.TrimPolicy(), CollectionPolicy()
        while True:
            await asyncio.sleep(TRIM_SECONDS)
            if garbage_policy.is_due(server.connections):
                gc.collect()
            if policy.is_due(self.app.budget.take_peak(), memory.resident_bytes(), self.app.memory_per_worker):
                server.run(memory.return_freed_memory)

    async def _drain(self, server: HttpServer) -> None:
        """Rejects new requests until no worker has any request in flight, or the grace period is over."""
        began = time.monotonic()
        server.draining = True
        self.app.process.drain()
        while True:
            now = time.monotonic()
            # All workers exit together: one that has nothing left to do rejects requests while the others finish.
            idle = now >= began + DRAIN_SECONDS and self.app.shared.in_flight == 0 and not server.answering
            if idle or now >= began + self.app.settings.grace_seconds:
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def _finish(self, server: HttpServer) -> None:
        """Stops accepting connections, and finishes the requests on those that were accepted."""
        if self.app.shared.stopping:
            for listener in self.sockets:
                block_new_connections(listener)
            await asyncio.sleep(HANDSHAKE_SECONDS)
        for listener in self.sockets:
            server.stop_listening(listener)
            listener.close()
        server.draining = True
        deadline = time.monotonic() + LAST_REQUEST_SECONDS
        if not self.app.shared.stopping:
            deadline += self.app.settings.request_seconds
        server.close_idle(DRAIN_SECONDS)
        while server.busy and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)
            server.close_idle(LAST_REQUEST_SECONDS)
