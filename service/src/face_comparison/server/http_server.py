"""The HTTP server of a worker process: accepts connections, bounds their number and memory, and evicts the worst.

It knows the event loop, a WSGI application, and the threads that call it, but nothing about gunicorn.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from face_comparison.observability import metrics
from face_comparison.server.background_work import BackgroundWork
from face_comparison.server.connection import Connection
from face_comparison.server.phases import Phase
from face_comparison.server.priority import give_way
from face_comparison.server.ranking import Ranking
from face_comparison.server.wsgi_call import Reply, call_application
from face_comparison.serving.memory_budget import SMALL_BYTES
from face_comparison.web import environ as keys
from face_comparison.web.collection_paths import is_collection_path

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from face_comparison.serving.memory_budget import MemoryBudget

T = TypeVar("T")

LIVENESS = "/livez"
"""Path whose GET requests the event loop handles itself: under load, a thread would wait for Python's interpreter lock
several times. Handling them neither blocks nor logs."""

METRICS = "/metrics"

PROBES = frozenset({LIVENESS, "/readyz", "/ping"})
"""Paths handled by threads of their own, which scrapes of metrics never delay."""

PROBE_THREADS = 2

READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
READ_THREADS = 12
"""Threads for documents: a thousand clients who ask for them at once do not delay requests with an image.

Reads of collections run in the threads of requests with an image, because they may wait for the store.
"""

ACCEPTS_PER_TURN = 64

GRACE_CONNECTIONS = 64
"""Connections allowed beyond the limit while evicted clients are sent an error; beyond that, connections are closed
without one."""

SCRATCH_BYTES = 256 * 1024
"""Maximum number of bytes received from a connection at once, except for a body to keep."""

DEFERRED_SECONDS = 0.002
"""How long the event loop spends on deferred work before it serves all connections again."""

_CLOSE_ORDER = (Phase.NEW, Phase.LINGERING, Phase.DISCARDING, Phase.HEAD, Phase.IDLE)


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Limits of one process.

    Attributes:
        request_seconds: Maximum time from the first byte of a request to its response, and for sending the response.
        max_body_bytes: Maximum size of a request body.
        connections: Maximum number of open connections.
        threads: Maximum number of requests in the application at the same time; further ones wait.
        processes: Number of processes that share the listening socket.
    """

    request_seconds: float
    max_body_bytes: int
    connections: int
    threads: int
    processes: int = 1


class HttpServer:
    """The connections of one process and the threads that call the application. Call all methods in the event loop."""

    def __init__(
        self,
        application: WSGIApplication,
        head_rejection: Callable[[dict[str, Any]], Exception | None],
        limits: ServerLimits,
        budget: MemoryBudget,
    ) -> None:
        self._application, self.head_rejection = application, head_rejection
        self._limits, self._budget = limits, budget
        self.scratch = memoryview(bytearray(SCRATCH_BYTES))
        self._loop = asyncio.get_running_loop()
        self._work = ThreadPoolExecutor(limits.threads, "request", initializer=give_way)
        self._reads = ThreadPoolExecutor(READ_THREADS, "read", initializer=give_way)
        self._probes = ThreadPoolExecutor(PROBE_THREADS, "probe")
        self._metrics = ThreadPoolExecutor(1, "metrics")
        self._by_phase: dict[Phase, dict[Connection, None]] = {phase: {} for phase in Phase}
        self._slowest = Ranking[Connection](
            lambda each: -each.bytes_per_second, lambda each: each in self._by_phase[Phase.BODY]
        )
        self._largest = Ranking[Connection](lambda each: each.byte_seconds, self._can_make_room)
        self._later = BackgroundWork("log")
        self._deferred: deque[Callable[[], None]] = deque()
        self._is_deferring = False
        self._open = 0
        self.draining = False
        _start_threads(self._work, limits.threads)
        _start_threads(self._reads, READ_THREADS)
        _start_threads(self._probes, PROBE_THREADS)
        _start_threads(self._metrics, 1)

    # --- accepting ---

    def listen(self, listener: socket.socket) -> None:
        """Starts accepting connections. The socket must be nonblocking."""
        self._loop.add_reader(listener, self.accept, listener)

    def stop_listening(self, listener: socket.socket) -> None:
        """Accepts the connections that are already established, and then stops accepting."""
        self._loop.remove_reader(listener)
        while self._accept_one(listener):
            pass

    def accept(self, listener: socket.socket) -> None:
        """Accepts several connections per iteration of the event loop, or one if several processes share the socket.

        Otherwise, a probe that connects after a burst would wait for one iteration per connection. With several
        processes, each accepts one at a time, so that connections are spread over all of them.
        """
        for _ in range(1 if self._limits.processes > 1 else ACCEPTS_PER_TURN):
            if not self._accept_one(listener):
                return

    def _accept_one(self, listener: socket.socket) -> bool:
        """Accepts one connection; returns whether there was one."""
        try:
            sock, peer = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                raise
            self._make_room()
            return False
        if self._open >= self._limits.connections and not self._make_room():
            sock.close()
            return True
        while self._open >= self._limits.connections + GRACE_CONNECTIONS and self._make_room():
            pass
        self._open += 1
        address = listener.getsockname()
        sock.setblocking(False)
        task = self._loop.create_task(self._loop.connect_accepted_socket(lambda: Connection(self, peer, address), sock))
        task.add_done_callback(self._count_failed)
        return True

    def _count_failed(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled() or task.exception() is not None:
            self._open -= 1

    def _make_room(self) -> bool:
        """Evicts the connection whose loss costs its client least; returns False if all are being processed."""
        for phase in _CLOSE_ORDER:
            for connection in self._by_phase[phase]:
                connection.evict()
                return True
        rejected = next((each for each in self._by_phase[Phase.HANDLING] if each.is_rejected), None)
        if rejected is not None:  # thousands of rejected requests may be waiting for their responses
            rejected.evict()
            return True
        receiving = self._by_phase[Phase.BODY]
        # If no body is being received, evict the connection that has been sending its response for longest.
        slowest = self._slowest.worst(receiving.keys, len(receiving)) or next(iter(self._by_phase[Phase.SENDING]), None)
        if slowest is None:
            return False
        slowest.evict()
        return True

    def _can_make_room(self, connection: Connection) -> bool:
        """Returns whether a connection holds memory, and is not being processed."""
        return connection.held_bytes > 0 and (
            connection in self._by_phase[Phase.BODY] or connection in self._by_phase[Phase.SENDING]
        )

    # --- for connections ---

    @property
    def request_seconds(self) -> float:
        """The maximum duration of a request, in seconds."""
        return self._limits.request_seconds

    @property
    def max_body_bytes(self) -> int:
        """The maximum size of a request body, in bytes."""
        return self._limits.max_body_bytes

    @property
    def multiprocess(self) -> bool:
        """Whether the service has several workers."""
        return self._limits.processes > 1

    def add(self, connection: Connection) -> None:
        """Registers a new connection."""
        self._by_phase[connection.phase][connection] = None

    def moved(self, connection: Connection, before: Phase) -> None:
        """Registers that a connection has left the phase `before`. Each phase keeps connections in order of entry."""
        if self._by_phase[before].pop(connection, True) is None:
            if connection.phase is Phase.CLOSED:
                self._open -= 1
                self._slowest.discard(connection)
                self._largest.discard(connection)
            else:
                self._by_phase[connection.phase][connection] = None

    def charge(self, connection: Connection, amount: int) -> bool:
        """Charges memory to a connection; returns whether there is enough.

        If there is not, connections that are still receiving a body or sending a response are evicted, starting with
        the one that has the largest product of memory and duration.
        """
        small = connection.held_bytes + amount <= SMALL_BYTES
        receiving, sending = self._by_phase[Phase.BODY], self._by_phase[Phase.SENDING]
        while not self._budget.hold(amount, small=small):
            worst = self._largest.worst(lambda: chain(receiving, sending), len(receiving) + len(sending))
            if worst is None or worst is connection:
                return False
            worst.evict()
        connection.held_bytes += amount
        return True

    def release(self, connection: Connection) -> None:
        """Releases all memory charged to a connection."""
        if connection.held_bytes:
            self._budget.release(connection.held_bytes)
            connection.held_bytes = 0

    def report(self) -> None:
        """Updates the gauges; doing so at every change would be too slow."""
        metrics.MEMORY_RESERVED.set(self._budget.in_use)
        metrics.CONNECTIONS.set(self._open)

    def evicted(self, reason: str) -> None:
        """Counts an eviction for this reason."""
        metrics.EVICTIONS.labels(reason).inc()

    def submit(self, environ: dict[str, Any], on_reply: Callable[[Reply], None]) -> None:
        """Calls the application, and `on_reply` with its response."""
        path = environ["PATH_INFO"]
        if path == METRICS:
            self.report()
        if keys.ERROR in environ:
            # Responding takes less time than a thread would need to get Python's lock and hand over the response.
            environ[keys.LATER] = self._later.run
            self.defer(lambda: on_reply(call_application(self._application, environ)))
            return
        if path == LIVENESS and environ["REQUEST_METHOD"] == "GET":
            # Respond in a later iteration: data received together with this request is processed before the response.
            self._loop.call_soon(on_reply, call_application(self._application, environ))
            return
        self._call(
            self._pool(path, environ["REQUEST_METHOD"]), lambda: call_application(self._application, environ), on_reply
        )

    def _pool(self, path: str, method: str) -> ThreadPoolExecutor:
        if path == METRICS:
            return self._metrics
        if path in PROBES:
            return self._probes
        return self._reads if method in READ_METHODS and not is_collection_path(path) else self._work

    def run(self, function: Callable[[], T], on_result: Callable[[T], None] = lambda _: None) -> None:
        """Calls a function in a thread, and `on_result` with its result."""
        self._call(self._work, function, on_result)

    def defer(self, callback: Callable[[], None]) -> None:
        """Calls a short function in a later iteration of the event loop, after all functions deferred before it."""
        self._deferred.append(callback)
        if not self._is_deferring:
            self._is_deferring = True
            self._loop.call_soon(self._run_deferred)

    def _run_deferred(self) -> None:
        until = time.monotonic() + DEFERRED_SECONDS
        try:
            while self._deferred and time.monotonic() < until:
                self._deferred.popleft()()
        finally:
            self._is_deferring = bool(self._deferred)
            if self._is_deferring:
                self._loop.call_soon(self._run_deferred)

    def _call(self, executor: ThreadPoolExecutor, function: Callable[[], T], on_result: Callable[[T], None]) -> None:
        self._loop.run_in_executor(executor, function).add_done_callback(lambda done: on_result(done.result()))

    def environ_of_no_request(self, peer: tuple[Any, ...]) -> dict[str, Any]:
        """Returns an environ for responding to bytes that are not a valid request."""
        return {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": "/",
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": peer[0],
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": self.multiprocess,
            "wsgi.run_once": False,
        }

    # --- stopping ---

    @property
    def answering(self) -> bool:
        """Whether there is a request whose response has not been sent completely."""
        return bool(self._by_phase[Phase.HANDLING] or self._by_phase[Phase.SENDING])

    @property
    def busy(self) -> bool:
        """Whether a request is in progress, or may still arrive on a connection that was just accepted."""
        phases = (Phase.NEW, Phase.HEAD, Phase.BODY, Phase.HANDLING, Phase.SENDING, Phase.DISCARDING)
        return any(self._by_phase[phase] for phase in phases)

    def finish_background_work(self) -> None:
        """Writes pending log lines; blocks briefly."""
        self._later.finish()

    def close_idle(self, seconds: float) -> None:
        """Closes connections that have been idle for at least this many seconds."""
        now = time.monotonic()
        for phase in (Phase.NEW, Phase.IDLE):
            for connection in [each for each in self._by_phase[phase] if now - each.since >= seconds]:
                connection.abort()


def _start_threads(pool: ThreadPoolExecutor, count: int) -> None:
    """Starts all threads now, because submitting work that starts a thread blocks the event loop until it runs."""
    everyone = threading.Barrier(count + 1)
    for _ in range(count):
        pool.submit(everyone.wait)
    everyone.wait()
