"""gunicorn's threaded worker, made to fit: clients never hold the event loop, and a stop refuses before it cuts off.

Two signals look alike to gunicorn's worker. When a successor takes over (reload, one worker less), it stops accepting
at once and finishes what it has. When the whole service stops, nobody else will accept: it answers on, `draining` to
everything new, until what it had accepted is finished, and leaves no connection behind in the socket's queue.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import sys
import threading
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from gunicorn import util
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import ThreadWorker

from face_comparison.errors import InvalidParameter
from face_comparison.server.connection import Connection, TimedSocket
from face_comparison.server.listener import block_new_connections
from face_comparison.wire import responses

_log = logging.getLogger(__name__)

DRAIN_SECONDS = 1.0
"""How long a stopping worker goes on refusing when it has nothing left to do: routers need a moment to look away."""

HANDSHAKE_SECONDS = 0.25
"""How long a connection may take to come about: what began before the door was shut is still let in."""

LIVENESS = b"GET /livez "
"""How a probe's question begins."""

LINGER_SECONDS = 2.0
"""How long a closed connection may be silent before it is dropped: its client has read the reply, or never will."""


class Worker(ThreadWorker):  # type: ignore[misc]
    """Expects `app.process` (a `wsgi.Process`), `app.board` (a `Board`) and `app.settings` of its application."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lingering: set[Connection] = set()
        self._drain_began: float | None = None
        self._shut: float | None = None

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """All threads at once, not each with its first request: the event loop would wait until each has begun to run,
        which takes longest when many requests come at the same moment."""
        pool: ThreadPoolExecutor = super().get_thread_pool()
        everyone = threading.Barrier(self.cfg.threads + 1)
        for _ in range(self.cfg.threads):
            pool.submit(everyone.wait)
        everyone.wait()
        return pool

    # --- connections: heads are collected by the event loop

    def accept(self, listener: Any) -> None:
        """Take every connection that waits, as far as there is room.

        With one in each turn of the loop, as gunicorn has it, whoever comes after a burst of 64 waits for 64 turns, be
        it a probe. Where there are several workers it stays at one, because the others shall have their share.
        """
        while self.nr_conns < self.worker_connections and self._accepted(listener) and self.cfg.workers == 1:
            pass

    def _accepted(self, listener: Any) -> bool:
        """Take one connection; whether there was one."""
        try:
            plain, client = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        sock = TimedSocket.of(plain, self.app.settings.request_seconds)
        conn = Connection(self.cfg, sock, client, listener.getsockname(), self._linger)
        self.nr_conns += 1
        conn.set_timeout()
        self.pending_conns.append(conn)
        self.poller.register(sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))
        return True

    def on_pending_socket_readable(self, conn: Connection, client: TimedSocket) -> None:
        """The next bytes of a first request, or of one that did not come whole."""
        if self._collected(conn):
            self._forget(conn)
            self.enqueue_req(conn)

    def on_client_socket_readable(self, conn: Connection, client: TimedSocket) -> None:
        """The first bytes of a further request, or what nobody will read of the last one."""
        whole = self._collected(conn)
        if conn not in self.keepalived_conns:  # it has ended
            return
        if whole or conn.received:
            self._forget(conn)
            if whole:
                self.enqueue_req(conn)
                return
            self.pending_conns.append(conn)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def _collected(self, conn: Connection) -> bool:
        first = conn.began is None
        try:
            whole = conn.collect()
        except BlockingIOError:
            return False
        except (OSError, EOFError):
            self._forget(conn)
            self.nr_conns -= 1
            util.close(conn.sock)
            return False
        if first and conn.began is not None:
            conn.timeout = conn.began + conn.sock.seconds
        return whole

    def _forget(self, conn: Connection) -> None:
        """Watch an idle connection no longer."""
        self.poller.unregister(conn.sock)
        (self.keepalived_conns if conn in self.keepalived_conns else self.pending_conns).remove(conn)

    # --- requests: in threads

    def enqueue_req(self, conn: Connection) -> None:
        """Answer whether the service is alive here and now, and give every other request to a thread.

        Among many requests a thread waits for its turn at Python's lock several times over. Only as the first of its
        connection, as probes ask it: nothing that was sent before can then keep the reply from leaving.
        """
        if conn.initialized or not conn.received.startswith(LIVENESS):
            super().enqueue_req(conn)
            return
        answered: Future[bool] = Future()
        try:
            answered.set_result(self.handle(conn))
        except Exception as error:  # as of a thread's
            answered.set_exception(error)
        self.finish_request(conn, answered)

    def handle_request(self, req: Any, conn: Connection) -> bool:
        conn.take_body(req)
        return bool(super().handle_request(req, conn))

    def handle_error(self, req: Any, client: TimedSocket, addr: Any, exc: Exception) -> None:
        """Answer what gunicorn's parser refuses, and the application never sees, like every other bad request."""
        if not isinstance(exc, ParseException):
            super().handle_error(req, client, addr, exc)
            return
        request_id = uuid.uuid4().hex
        # No more of it: what stands in a broken head could be a key.
        _log.warning("refused a malformed request", extra={"fields": {"id": request_id, "type": type(exc).__name__}})
        long = isinstance(exc, LimitRequestLine | LimitRequestHeaders)
        failure = InvalidParameter("the request's URL or headers are too long" if long else "this is no valid HTTP/1.1")
        body = responses.encoded(responses.error_reply(failure, request_id), responses.JSON)
        head = (
            f"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: {responses.JSON}\r\n"
            f"Content-Length: {len(body)}\r\nX-Request-Id: {request_id}\r\nAccess-Control-Allow-Origin: *\r\n\r\n"
        )
        with contextlib.suppress(OSError):  # gone, or not reading
            util.write_nonblock(client, head.encode() + body)

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:
        # As much as any accepted body is dropped without a thread, so that a client that was refused while it was
        # still sending gets to read why, and may use its connection again.
        return keepalive and conn.abandon_body(self.app.settings.max_body_bytes)

    # --- closing: in the event loop, without waiting

    def _linger(self, conn: Connection) -> None:
        """Say that nothing more will be sent, and drop what still comes until the client has closed, too.

        Closing at once would make the kernel throw away the reply as soon as a byte arrives (RFC 9112, 9.6).
        """
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            util.close(conn.sock)
            return
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + LINGER_SECONDS
        conn.linger_until = time.monotonic() + conn.sock.seconds
        self.nr_conns += 1
        self._lingering.add(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._drop, conn))

    def _drop(self, conn: Connection, client: TimedSocket) -> None:
        try:
            if client.discard(sys.maxsize):
                conn.timeout = min(conn.linger_until, time.monotonic() + LINGER_SECONDS)
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._end_lingering(conn)

    def _end_lingering(self, conn: Connection) -> None:
        self._lingering.remove(conn)
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        util.close(conn.sock)

    def murder_pending(self) -> None:
        """Called by gunicorn in every turn of its loop."""
        now = time.monotonic()
        for conn in [conn for conn in self.pending_conns if conn.timeout <= now]:
            self._forget(conn)
            self.nr_conns -= 1
            util.close(conn.sock)
        for conn in [conn for conn in self._lingering if conn.timeout <= now]:
            self._end_lingering(conn)

    # --- stopping

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM."""
        if self.app.board.stopping:
            self.method_queue.defer(self._begin_drain)
        else:
            super().handle_exit(sig, frame)

    def handle_quit(self, sig: int, frame: Any) -> None:
        """SIGINT, SIGQUIT: now. Threads may wait for clients, so nothing waits for threads."""
        os._exit(0)

    def _begin_drain(self) -> None:
        if self._drain_began is None:
            self._drain_began = time.monotonic()
            self.max_keepalived = 0  # gunicorn then announces the end of every connection that it answers on
            self.app.process.drain()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        if self._drain_began is None:
            super().wait_for_and_dispatch_events(timeout)
            return
        super().wait_for_and_dispatch_events(min(timeout, 0.05))
        now = time.monotonic()
        if self._shut is not None:
            self.alive = now < self._shut + HANDSHAKE_SECONDS
            return
        # All workers end together: whoever has nothing left to do answers for those that have.
        idle = now >= self._drain_began + DRAIN_SECONDS and self.app.board.inside == 0
        if idle or now >= self._drain_began + self.app.settings.grace_seconds:
            self._shut = now
            for listener in self.sockets:
                block_new_connections(listener)

    def run(self) -> None:
        if self.app.board.stopping:  # told before this process listened to signals
            self._begin_drain()
        super().run()
        # All requests are answered, or have run out of time. Not sys.exit, which would wait for threads that wait for
        # clients, and would take the inference libraries apart in an order that they do not all survive.
        logging.shutdown()
        os._exit(0)

    def set_accept_enabled(self, enabled: bool) -> None:
        if not self.alive and self._drain_began is not None:
            # Whoever connected is answered; then the door is shut, instead of letting more gather behind it.
            for listener in self.sockets:
                while self._accepted(listener):
                    pass
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.close()

    def _cap_keepalive(self, deadline: float) -> None:
        if self._drain_began is not None:  # idle clients have had DRAIN_SECONDS already
            deadline = time.monotonic()
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline + LINGER_SECONDS)
