"""The HTTP server of a worker process: bounds the memory of connections, and calls the application for their requests.

It knows the event loop, a WSGI application, and the threads that call it, but nothing about gunicorn.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from face_comparison.observability import metrics
from face_comparison.server.acceptor import Acceptor
from face_comparison.server.application_threads import LIVENESS, METRICS, ApplicationThreads
from face_comparison.server.background_work import BackgroundWork
from face_comparison.server.connection import Connection
from face_comparison.server.connection_table import ConnectionTable
from face_comparison.server.crowd import count_eviction
from face_comparison.server.deferred_work import DeferredWork
from face_comparison.server.phases import Phase
from face_comparison.server.wsgi_call import Reply, call_application
from face_comparison.serving.memory_budget import SMALL_BYTES
from face_comparison.web import environ as keys

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from face_comparison.server.open_connection import OpenConnection
    from face_comparison.server.waiting_room import Accepted
    from face_comparison.serving.memory_budget import MemoryBudget

T = TypeVar("T")

MANY_REJECTIONS = 8
"""Number of pending rejections from which on a crowd's connections are closed without a response."""

SCRATCH_BYTES = 256 * 1024
"""Maximum number of bytes received from a connection at once, except for a body to keep."""


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
    """The connections of one process and the threads that call the application. Call all methods in the event loop.

    Args:
        application: The WSGI application.
        head_rejection: Returns why a request is rejected based on the environ of its head, or None.
        limits: Limits of the process.
        budget: Memory budget of the process.
        note_new: Called with the file of each connection that is served from now on.
    """

    def __init__(
        self,
        application: WSGIApplication,
        head_rejection: Callable[[dict[str, Any]], Exception | None],
        limits: ServerLimits,
        budget: MemoryBudget,
        note_new: Callable[[int], None] = lambda fd: None,
    ) -> None:
        self._application, self.head_rejection = application, head_rejection
        self._limits, self._budget, self._note_new = limits, budget, note_new
        self.scratch = memoryview(bytearray(SCRATCH_BYTES))
        self._loop = asyncio.get_running_loop()
        self._threads = ApplicationThreads(limits.threads)
        self._later = BackgroundWork("log")
        self._deferred = DeferredWork()
        self._table = ConnectionTable(limits.connections)
        self._acceptor = Acceptor(self._table, limits.connections, limits.processes, self._connect, self._evict_one)
        self.draining = False

    # --- accepting ---

    def listen(self, listener: socket.socket) -> None:
        """Starts accepting connections. The socket must be nonblocking."""
        self._acceptor.listen(listener)

    def stop_listening(self, listener: socket.socket) -> None:
        """Accepts the connections that are already established, and then stops accepting."""
        self._acceptor.stop_listening(listener)

    def _connect(self, accepted: Accepted) -> None:
        self._note_new(accepted.sock.fileno())
        task = self._loop.create_task(
            self._loop.connect_accepted_socket(lambda: Connection(self, accepted), accepted.sock)
        )
        task.add_done_callback(lambda done: self._count_failed(done, accepted.caller))

    def _count_failed(self, task: asyncio.Task[Any], caller: str) -> None:
        if task.cancelled() or task.exception() is not None:
            self._table.leave(caller)

    def _evict_one(self) -> bool:
        # Responding to each evicted client takes longer than a crowd takes to connect.
        return self._table.evict_one(respond=len(self._deferred) < MANY_REJECTIONS)

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
        return self._table.count

    def add(self, connection: OpenConnection) -> None:
        """Registers a new connection."""
        self._table.add(connection)

    def moved(self, connection: OpenConnection, before: Phase) -> None:
        """Registers that a connection has left the phase `before`. Each phase keeps connections in order of entry."""
        self._table.move(connection, before)

    def charge(self, connection: OpenConnection, amount: int) -> bool:
        """Charges memory to a connection; returns whether there is enough.

        If there is not, connections that are still receiving a body or sending a response are evicted, starting with
        the one that has the largest product of memory and duration.
        """
        small = connection.held_bytes + amount <= SMALL_BYTES
        while not self._budget.hold(amount, small=small):
            largest = self._table.largest()
            if largest is None or largest is connection:
                return False
            largest.evict()
        self._table.hold(connection, amount)
        return True

    def release(self, connection: OpenConnection) -> None:
        """Releases all memory charged to a connection."""
        if connection.held_bytes:
            self._budget.release(connection.held_bytes)
            self._table.hold(connection, -connection.held_bytes)

    def report(self) -> None:
        """Updates the gauges; doing so at every change would be too slow."""
        metrics.MEMORY_RESERVED.set(self._budget.in_use)
        metrics.CONNECTIONS.set(self._table.count)

    def evicted(self, reason: str) -> None:
        """Counts an eviction for this reason."""
        count_eviction(reason)

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
        method = environ["REQUEST_METHOD"]
        caller = environ.get(keys.CALLER) or environ.get("REMOTE_ADDR", "")
        self._threads.call_for(path, method, caller, lambda: call_application(self._application, environ), on_reply)

    def _respond_to_rejected(self, environ: dict[str, Any], on_reply: Callable[[Reply], None]) -> None:
        reply = call_application(self._application, environ)
        # An error and the functions that it has passed through refer to each other, so that they would stay in memory,
        # with the request, until the next garbage collection: 65 objects each.
        environ[keys.ERROR].__traceback__ = None
        on_reply(reply)

    def run(self, function: Callable[[], T], on_result: Callable[[T], None] = lambda _: None) -> None:
        """Calls a function in a thread, and `on_result` with its result."""
        self._threads.call(function, on_result)

    def defer(self, callback: Callable[[], None]) -> None:
        """Calls a short function in a later iteration of the event loop, after all functions deferred before it."""
        self._deferred.add(callback)

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
        return self._table.count_in(Phase.HANDLING, Phase.SENDING) > 0

    @property
    def busy(self) -> bool:
        """Whether a request is in progress, or may still arrive on a connection that was just accepted."""
        # An accepted connection is in no phase yet, but may already have sent a request.
        return self._table.count > self._table.count_in(Phase.IDLE, Phase.LINGERING)

    def finish_background_work(self) -> None:
        """Writes pending log lines; blocks briefly."""
        self._later.finish()

    def close_idle(self, seconds: float) -> None:
        """Closes connections that have been idle for at least this many seconds."""
        self._table.close_idle(seconds)
