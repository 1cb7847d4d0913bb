"""A client connection: HTTP/1.1 with h11 in the event loop, which never waits for a single client.

Heads and bodies are collected as they arrive, responses are sent as fast as the client reads them, and a thread is used
only while the application processes a request. Every phase has a time limit, and the memory that a connection holds is
charged to the server's budget.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import h11

from face_comparison.errors import BodyTooLarge, DeadlineExceeded, FaceComparisonError, InvalidParameter, Overloaded
from face_comparison.server.http_reply import encode_reply
from face_comparison.server.incoming_body import ChunkedBody, DeclaredBody
from face_comparison.server.phases import (
    FIRST_BYTE_SECONDS,
    HALF_CLOSE_SECONDS,
    HEAD_SECONDS,
    KEEPALIVE_SECONDS,
    LINGER_SECONDS,
    Phase,
)
from face_comparison.server.request_head import MAX_HEAD_BYTES, HeadBuffer, RequestHead, parse_head
from face_comparison.web import environ as keys
from face_comparison.web.environ import Body, ClientConnection

if TYPE_CHECKING:
    from face_comparison.server.http_server import HttpServer
    from face_comparison.server.wsgi_call import Parts, Reply

MAX_PIPELINED_BYTES = 64 * 1024
"""Maximum bytes read ahead of the next request while one is being processed."""


class Connection(asyncio.BufferedProtocol):
    """A connection, which `HttpServer` creates for each accepted socket.

    Attributes:
        phase: What the connection is doing.
        since: When the current request, or the wait for the next one, began, in `time.monotonic()` seconds.
        held_bytes: Memory charged to the server's budget.
    """

    def __init__(self, server: HttpServer, peer: tuple[Any, ...], address: tuple[Any, ...]) -> None:
        self._server, self._peer, self._address = server, peer, address
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._half_closed = False
        self._linger_until = 0.0
        self.phase = Phase.NEW
        self.since = time.monotonic()
        self.held_bytes = 0
        self._forget_request()

    def _forget_request(self) -> None:
        self._head = HeadBuffer()
        self._protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._request: RequestHead | None = None
        self._client = ClientConnection()
        self._body: DeclaredBody | ChunkedBody | None = None
        self._filled: DeclaredBody | None = None  # the body whose memory the kernel writes to
        self._ahead_bytes = 0
        self._discard = self._close_after = False
        self._read_ahead = b""
        self._parts: Parts | None = None
        self._computing_part = False

    # --- callbacks of the event loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        transport.set_write_buffer_limits(high=0)  # so that `resume_writing` is called when everything has been sent
        self._set_timer(FIRST_BYTE_SECONDS, self.abort)
        self._server.add(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Returns where the kernel writes the next data: to a body to keep, or to memory shared by all connections."""
        body = self._body
        if self.phase is Phase.BODY and isinstance(body, DeclaredBody) and self._grow(body):
            self._filled = body
            return body.room()
        self._filled = None
        return self._server.scratch

    def buffer_updated(self, nbytes: int) -> None:
        if self._filled is None:
            self._receive(self._server.scratch[:nbytes])
            return
        self._filled.fill(nbytes)
        if self._filled.is_complete:
            self._complete_body()

    def _receive(self, data: bytes | memoryview) -> None:
        if self._read_ahead:
            data, self._read_ahead = self._read_ahead + bytes(data), b""
        if self.phase is Phase.LINGERING:
            self._set_timer(min(LINGER_SECONDS, self._linger_until - time.monotonic()), self.abort)
        elif self._request is None and self.phase in (Phase.NEW, Phase.IDLE, Phase.HEAD):
            self._receive_head(data)
        elif self._discard and self._close_after:
            pass  # the connection closes after this request, so the end of its body need not be found
        elif isinstance(self._body, DeclaredBody) and not self._body.is_complete:
            self._receive_declared(self._body, data)
        elif isinstance(self._body, ChunkedBody) and not self._body.is_complete:
            self._receive_chunks(self._body, bytes(data))
        elif self._protocol.their_state in (h11.DONE, h11.MIGHT_SWITCH_PROTOCOL):  # type: ignore[attr-defined]
            self._receive_ahead(data)
        # Otherwise, the request was malformed, and what follows it is ignored.

    def eof_received(self) -> bool:
        """Handles a client that has closed its side of the connection; returns whether our side stays open."""
        self._half_closed = True
        if self.phase is Phase.BODY:
            wanted = "an unknown number" if self._request is None else self._request.length
            arrived = 0 if self._body is None else self._body.received
            self._reject(InvalidParameter(f"the body ended after {arrived} of {wanted} bytes"))
        elif self.phase is Phase.HANDLING:
            self._loop.call_later(HALF_CLOSE_SECONDS, self._client.mark_gone)
        return self.phase in (Phase.HANDLING, Phase.SENDING)

    def connection_lost(self, error: Exception | None) -> None:
        self._closed()

    def resume_writing(self) -> None:
        if self.phase is Phase.SENDING:
            self._sent()

    # --- for the server ---

    @property
    def bytes_per_second(self) -> float:
        """The average rate at which the body has arrived so far."""
        arrived = 0 if self._body is None else self._body.received
        return arrived / max(1.0, time.monotonic() - self.since)

    @property
    def byte_seconds(self) -> float:
        """The memory that the connection holds, multiplied by the duration of its request in seconds."""
        return self.held_bytes * (time.monotonic() - self.since)

    @property
    def is_rejected(self) -> bool:
        """Whether the current request has been rejected, so that the response is an error."""
        return self._discard

    def abort(self) -> None:
        """Closes the connection immediately."""
        self._closed()
        self._transport.abort()

    def _closed(self) -> None:
        if self.phase is Phase.CLOSED:
            return
        handling = self.phase is Phase.HANDLING
        self._enter(Phase.CLOSED)
        self._client.mark_gone()
        self._body = None
        if not handling:  # otherwise, the application still holds the body, and `_reply` releases its memory
            self._release()
        if self._parts is not None and not self._computing_part:
            self._server.run(self._parts.close)

    def evict(self) -> None:
        """Makes room for others: rejects the request of a client that is uploading; closes any other connection."""
        if self.phase is Phase.BODY:
            self._server.evicted("slow_upload")
            self._reject(
                Overloaded("the service is overloaded: uploads took too much memory and this was the slowest of them")
            )
        else:
            self._server.evicted(self.phase.value)
            self.abort()

    # --- receiving ---

    def _receive_head(self, data: bytes | memoryview) -> None:
        try:
            found = self._head.add(data)
            if self.phase is not Phase.HEAD and (found or len(self._head)):
                self.since = time.monotonic()
                self._enter(Phase.HEAD)
                self._set_timer(min(HEAD_SECONDS, self._server.request_seconds), self.abort)
            if found is None:
                return
            head, rest = found
            self._request = parse_head(self._protocol, head, self._peer, self._address, self._server.multiprocess)
        except FaceComparisonError as error:
            self._reject(error)
            return
        environ = self._request.environ
        environ |= {keys.DEADLINE: self.since + self._server.request_seconds, keys.CLIENT: self._client}
        if not self._request.has_body:
            self._protocol.next_event()  # the end of the message
            self._dispatch()
            if rest:
                self._receive(rest)
            return
        self._body = ChunkedBody(self._protocol) if self._request.length is None else DeclaredBody(self._request.length)
        if (rejection := self._server.head_rejection(environ)) is None:
            self._enter(Phase.BODY)
            self._set_timer(environ[keys.DEADLINE] - time.monotonic(), self._time_out_body)
            if self._protocol.they_are_waiting_for_100_continue:
                self._transport.write(self._protocol.send(h11.InformationalResponse(status_code=100, headers=[])))
        else:
            # A client that sent Expect: 100-continue may or may not send its body after the error.
            environ[keys.ERROR] = rejection
            self._discard = True
            self._close_after = (
                self._protocol.they_are_waiting_for_100_continue
                or (self._request.length or 0) > self._server.max_body_bytes
            )
            self._dispatch()
        if rest:
            self._receive(rest)

    def _receive_declared(self, body: DeclaredBody, data: bytes | memoryview) -> None:
        """Receives a part of a body that is not kept, or that arrived together with the head."""
        part, rest = data[: body.length - body.received], data[body.length - body.received :]
        if not self._discard and self._grow(body, len(part)):
            body.room()[: len(part)] = part
        body.fill(len(part))
        if body.is_complete:
            self._complete_body()
        if rest and self.phase is not Phase.CLOSED:
            self._receive(rest)

    def _receive_chunks(self, body: ChunkedBody, data: bytes) -> None:
        try:
            content, rest = body.parse(data)
        except FaceComparisonError as error:
            self._reject(error)
            return
        limit = self._server.max_body_bytes
        if body.received > limit:
            self._reject(BodyTooLarge(f"the body is larger than {limit} bytes: send a smaller image, or its URL"))
        elif content and not self._discard and self._charge(len(content)):
            body.keep(content)
        if body.is_complete:
            self._complete_body()
            if rest and self.phase is not Phase.CLOSED:
                self._receive(rest)
        elif rest and self.phase is not Phase.CLOSED and not self._close_after:
            self._read_ahead = rest
            self._transport.pause_reading()
            self._server.defer(self._receive_read_ahead)

    def _complete_body(self) -> None:
        assert self._request is not None and self._body is not None  # noqa: S101
        if isinstance(self._body, DeclaredBody):
            self._protocol.next_event()  # the end of the message
        if self._discard:
            if self.phase is Phase.DISCARDING:
                self._finish()
            return
        # Charge the body once more, because decoding it creates a second copy of its content.
        if self._charge(self._body.received):
            self._request.environ["wsgi.input"] = Body(self._body.take())
            self._dispatch()

    def _grow(self, body: DeclaredBody, wanted: int = 1) -> bool:
        """Makes room for `wanted` more bytes of a body; returns whether there is enough memory."""
        growth = body.growth(wanted)
        if not growth:
            return True
        if not self._charge(growth):
            return False
        body.grow(growth)
        return True

    def _charge(self, amount: int) -> bool:
        if self._server.charge(self, amount):
            return True
        if self.phase is Phase.BODY:  # not already rejected, having been evicted itself to make room
            self._reject(Overloaded("the service is overloaded: the memory for request bodies is in use; retry later"))
        return False

    def _receive_ahead(self, data: bytes | memoryview) -> None:
        """Buffers the beginning of further (pipelined) requests until the current one has been processed."""
        self._protocol.receive_data(bytes(data))
        self._ahead_bytes += len(data)
        if self._ahead_bytes > MAX_PIPELINED_BYTES:
            self._transport.pause_reading()

    def _time_out_body(self) -> None:
        self._reject(DeadlineExceeded("the body did not arrive within the time limit of a request"))

    # --- responding ---

    def _reject(self, error: FaceComparisonError) -> None:
        """Lets the application respond with an error, and closes the connection afterward.

        It must be closed because it is unknown where the next request begins. If a response to the request is already
        being produced, the connection is closed after that response.
        """
        self._close_after = True
        if self._discard:
            if self.phase is Phase.DISCARDING:
                self._linger()
            return
        self._discard = True
        if self._body is not None:
            self._body.take()  # drop it to free its memory
        self._release()
        environ = self._server.environ_of_no_request(self._peer) if self._request is None else self._request.environ
        environ[keys.ERROR] = error
        self._dispatch(environ)

    def _dispatch(self, environ: dict[str, Any] | None = None) -> None:
        self._enter(Phase.HANDLING)
        if environ is None:
            assert self._request is not None  # noqa: S101
            environ = self._request.environ
        environ.setdefault("wsgi.input", Body(bytearray()))
        self._server.submit(environ, self._reply)

    def _reply(self, reply: Reply) -> None:
        self._release()
        self._parts = reply.parts
        if self.phase is not Phase.HANDLING:  # the client is gone
            if reply.parts is not None:
                self._server.run(reply.parts.close)
            return
        close = self._close_after or self._server.draining or self._half_closed
        is_head = self._request is not None and self._request.environ["REQUEST_METHOD"] == "HEAD"
        data = encode_reply(self._protocol, reply, close=close, with_body=not is_head)
        self._enter(Phase.SENDING)
        self._write(data)

    def _write(self, data: bytes) -> None:
        """Sends data, and continues with `_sent` when all of it has been sent."""
        self._transport.write(data)
        unsent = self._transport.get_write_buffer_size()
        if not unsent:
            self._sent()
        elif self._server.charge(self, unsent):
            self._set_timer(self._server.request_seconds, self.abort)
        else:
            self.abort()

    def _sent(self) -> None:
        self._release()
        if self._parts is None:
            self._finish()
        elif not self._computing_part:
            self._computing_part = True
            self._set_timer(None)
            self._server.run(self._parts.next_part, self._send_part)

    def _send_part(self, part: bytes | Exception | None) -> None:
        self._computing_part = False
        assert self._parts is not None  # noqa: S101
        if self.phase is not Phase.SENDING:
            self._server.run(self._parts.close)
        elif isinstance(part, Exception):
            self.abort()  # without the end of the body, so that the client can tell that it is incomplete
        elif part is None:
            self._server.run(self._parts.close)
            self._parts = None
            self._write(self._protocol.send(h11.EndOfMessage()) or b"")
        else:
            self._write(self._protocol.send(h11.Data(data=part)) or b"")

    # --- after the response ---

    def _finish(self) -> None:
        """After the response, waits for the next request or for the rest of this request's body, or closes."""
        if (
            self._protocol.our_state is h11.MUST_CLOSE
            or self._close_after
            or self._half_closed
            or self._server.draining
        ):
            self._linger()
        elif self._protocol.their_state is h11.SEND_BODY:
            self._enter(Phase.DISCARDING)
            self._set_timer(max(1.0, self.since + self._server.request_seconds - time.monotonic()), self.abort)
        elif self._protocol.their_state is h11.DONE and self._protocol.our_state is h11.DONE:
            ahead, _ = self._protocol.trailing_data
            self._forget_request()
            self.since = time.monotonic()
            self._enter(Phase.IDLE)
            self._set_timer(KEEPALIVE_SECONDS, self.abort)
            self._transport.resume_reading()
            if ahead:  # deferred, so that a client that pipelines hundreds of requests does not delay the others
                self._read_ahead = bytes(ahead)  # bytes that arrive before then are appended
                self._server.defer(self._receive_read_ahead)
        else:
            self._linger()

    def _receive_read_ahead(self) -> None:
        if self.phase is not Phase.CLOSED and self._read_ahead:
            self._transport.resume_reading()
            self._receive(b"")

    def _linger(self) -> None:
        """Announces the end of the response, and drops incoming data until the client has closed its side as well.

        Closing immediately would make the kernel discard the response as soon as a byte arrives (RFC 9112, 9.6).
        """
        if self._half_closed:
            self._closed()
            self._transport.close()
            return
        self._enter(Phase.LINGERING)
        self._linger_until = time.monotonic() + self._server.request_seconds
        self._set_timer(LINGER_SECONDS, self.abort)
        self._transport.resume_reading()
        self._transport.write_eof()

    # --- bookkeeping ---

    def _enter(self, phase: Phase) -> None:
        self._set_timer(None)
        before, self.phase = self.phase, phase
        self._server.moved(self, before)

    def _set_timer(self, seconds: float | None, callback: Callable[[], None] | None = None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None or callback is None else self._loop.call_later(seconds, callback)

    def _release(self) -> None:
        self._server.release(self)
