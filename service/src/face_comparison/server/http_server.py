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
from face_comparison.server.open_connection import OpenConnection
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

_Address = tuple[Any, ...]
_Accepted = tuple[socket.socket, _Address, _Address]
"""A socket, the address of its client, and that of the listening socket."""

LIVENESS = "/livez"
"""Path whose GET requests the event loop handles itself: under load, a thread would wait for Python's interpreter lock
several times. Handling them neither blocks nor logs."""

METRICS = "/metrics"

PROBES = frozenset({LIVENESS, "/readyz", "/ping"})
"""Paths handled by threads of their own, which scrapes of metrics never delay."""

_PROBE_STARTS = tuple(f"GET {path}".encode() for path in PROBES)

PROBE_THREADS = 2

READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
READ_THREADS = 12
"""Threads for documents: a thousand clients who ask for them at once do not delay requests with an image.

Reads of collections run in the threads of requests with an image, because they may wait for the store.
"""

ACCEPTS_PER_TURN = 256
ACCEPT_SECONDS = BEGIN_SECONDS = 0.002
"""How long the event loop spends per iteration on accepting connections, and on beginning to serve them."""

FRESH_SECONDS, MANY_NEW = 1.0, 64
"""How long a connection that has just been accepted is kept, if another one can be closed: a probe may have sent its
request, which the event loop reads in one of its next iterations. It does not apply to a crowd that sends nothing."""

KEPT_ACCEPTED = 512
"""Accepted connections that wait to be served; further ones are closed when there are too many connections."""

MANY_REJECTIONS = 8
"""Number of pending rejections from which on a crowd's connections are closed without a response."""

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
        self._by_phase: dict[Phase, dict[OpenConnection, None]] = {phase: {} for phase in Phase}
        self._slowest = Ranking[OpenConnection](
            lambda each: -each.bytes_per_second, lambda each: each in self._by_phase[Phase.BODY]
        )
        self._largest = Ranking[OpenConnection](lambda each: each.byte_seconds, self._can_make_room)
        self._later = BackgroundWork("log")
        self._accepted: deque[_Accepted] = deque()
        self._silent: deque[_Accepted] = deque()  # those that had not sent anything yet
        self._accepts, self._is_beginning = 1 if limits.processes > 1 else ACCEPTS_PER_TURN, False
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
        self._loop.add_reader(listener, self.accept, listener, listener.getsockname())

    def stop_listening(self, listener: socket.socket) -> None:
        """Accepts the connections that are already established, and then stops accepting."""
        self._loop.remove_reader(listener)
        address = listener.getsockname()
        while self._accept_one(listener, address):
            pass
        while waiting := self._accepted or self._silent:
            self._connect(*waiting.pop())

    def accept(self, listener: socket.socket, address: _Address) -> None:
        """Accepts connections as fast as they come, and begins with probes: they do not wait for a burst.

        Accepting takes a fraction of the time that a connection takes altogether. If several processes share the
        socket, each accepts one at a time, so that connections are spread over all of them, and more during a burst.
        """
        until = time.monotonic() + ACCEPT_SECONDS
        for _ in range(self._accepts):
            if not self._accept_one(listener, address):
                self._accepts = 1 if self._limits.processes > 1 else ACCEPTS_PER_TURN
                break
            if time.monotonic() >= until:
                break
        else:
            self._accepts = min(2 * self._accepts, ACCEPTS_PER_TURN)
        if not self._is_beginning:
            self._begin()

    def _begin(self) -> None:
        """Begins to serve accepted connections, those that have sent something first; the rest in later iterations."""
        until = time.monotonic() + BEGIN_SECONDS
        while (waiting := self._accepted or self._silent) and time.monotonic() < until:
            self._connect(*waiting.pop())
        self._is_beginning = bool(self._accepted or self._silent)
        if self._is_beginning:
            self._loop.call_soon(self._begin)

    def _connect(self, sock: socket.socket, peer: _Address, address: _Address) -> None:
        task = self._loop.create_task(self._loop.connect_accepted_socket(lambda: Connection(self, peer, address), sock))
        task.add_done_callback(self._count_failed)

    def _accept_one(self, listener: socket.socket, address: _Address) -> bool:
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
        sock.setblocking(False)
        start = _peek(sock)
        if start.startswith(_PROBE_STARTS):
            self._connect(sock, peer, address)
        elif start:
            self._accepted.append((sock, peer, address))
        else:
            self._silent.append((sock, peer, address))
        return True

    def _count_failed(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled() or task.exception() is not None:
            self._open -= 1

    def _make_room(self) -> bool:
        """Evicts the connection whose loss costs its client least; returns False if all are being processed."""
        while len(self._accepted) + len(self._silent) > KEPT_ACCEPTED:
            sock, peer, address = (self._silent or self._accepted).popleft()
            if _peek(sock).startswith(_PROBE_STARTS):  # it has arrived in the meantime
                self._connect(sock, peer, address)
                continue
            sock.close()
            self._open -= 1
            self.evicted(Phase.NEW.value)
            return True
        for phase in _CLOSE_ORDER:
            oldest = next(iter(self._by_phase[phase]), None)
            if oldest is not None and not (phase is Phase.NEW and self._is_fresh(oldest)):
                oldest.evict()
                return True
        rejected = next((each for each in self._by_phase[Phase.HANDLING] if each.is_rejected), None)
        if rejected is not None:  # thousands of rejected requests may be waiting for their responses
            rejected.evict()
            return True
        receiving = self._by_phase[Phase.BODY]
        # If no body is being received, evict the connection that has been sending its response for longest.
        slowest = (
            self._slowest.worst(receiving.keys, len(receiving))
            or next(iter(self._by_phase[Phase.SENDING]), None)
            or next(iter(self._by_phase[Phase.NEW]), None)
        )
        if slowest is None:
            return False
        if len(self._deferred) < MANY_REJECTIONS:
            slowest.evict()
        else:  # responding to each takes longer than a crowd takes to connect
            self.evicted(slowest.phase.value)
            slowest.abort()
        return True

    def _is_fresh(self, oldest: OpenConnection) -> bool:
        """Returns whether new connections, of which this is the oldest, may have sent what has not been read yet."""
        few = len(self._by_phase[Phase.NEW]) <= MANY_NEW
        return few and time.monotonic() - oldest.since < FRESH_SECONDS

    def _can_make_room(self, connection: OpenConnection) -> bool:
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

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return self._open

    def add(self, connection: OpenConnection) -> None:
        """Registers a new connection."""
        self._by_phase[connection.phase][connection] = None

    def moved(self, connection: OpenConnection, before: Phase) -> None:
        """Registers that a connection has left the phase `before`. Each phase keeps connections in order of entry."""
        if self._by_phase[before].pop(connection, True) is None:
            if connection.phase is Phase.CLOSED:
                self._open -= 1
                self._slowest.discard(connection)
                self._largest.discard(connection)
            else:
                self._by_phase[connection.phase][connection] = None

    def charge(self, connection: OpenConnection, amount: int) -> bool:
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

    def release(self, connection: OpenConnection) -> None:
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
            self.defer(lambda: self._respond_to_rejected(environ, on_reply))
            return
        if path == LIVENESS and environ["REQUEST_METHOD"] == "GET":
            # Respond in a later iteration: data received together with this request is processed before the response.
            self._loop.call_soon(on_reply, call_application(self._application, environ))
            return
        self._call(
            self._pool(path, environ["REQUEST_METHOD"]), lambda: call_application(self._application, environ), on_reply
        )

    def _respond_to_rejected(self, environ: dict[str, Any], on_reply: Callable[[Reply], None]) -> None:
        reply = call_application(self._application, environ)
        # An error and the functions that it has passed through refer to each other, so that they would stay in memory,
        # with the request, until the next garbage collection: 65 objects each.
        environ[keys.ERROR].__traceback__ = None
        on_reply(reply)

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
        return bool(self._accepted or self._silent) or any(self._by_phase[phase] for phase in phases)

    def finish_background_work(self) -> None:
        """Writes pending log lines; blocks briefly."""
        self._later.finish()

    def close_idle(self, seconds: float) -> None:
        """Closes connections that have been idle for at least this many seconds."""
        now = time.monotonic()
        for phase in (Phase.NEW, Phase.IDLE):
            for connection in [each for each in self._by_phase[phase] if now - each.since >= seconds]:
                connection.abort()


def _peek(sock: socket.socket) -> bytes:
    """Returns the first bytes that have arrived, which stay in the socket; none if there are none yet."""
    try:
        return sock.recv(16, socket.MSG_PEEK)
    except OSError:
        return b""


def _start_threads(pool: ThreadPoolExecutor, count: int) -> None:
    """Starts all threads now, because submitting work that starts a thread blocks the event loop until it runs."""
    everyone = threading.Barrier(count + 1)
    for _ in range(count):
        pool.submit(everyone.wait)
    everyone.wait()
