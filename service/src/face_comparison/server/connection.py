"""A client connection: HTTP/1.1 with h11 in the event loop, which never waits for a single client.

Heads and bodies are collected as they arrive, responses are sent as fast as the client reads them, and a thread is used
only while the application processes a request. Every phase has a time limit, and the memory that a connection holds is
charged to the server's budget. `OpenConnection` knows the phases, `Responder` the responses, this module the requests.
"""

from __future__ import annotations

import select
import time

import h11

from face_comparison.errors import BodyTooLarge, DeadlineExceeded, FaceComparisonError, InvalidParameter, Overloaded
from face_comparison.server.incoming_body import ChunkedBody, DeclaredBody
from face_comparison.server.phases import HALF_CLOSE_SECONDS, HEAD_SECONDS, LINGER_SECONDS, Phase
from face_comparison.server.request_head import parse_head
from face_comparison.server.responder import Responder
from face_comparison.web import environ as keys
from face_comparison.web.environ import Body

HEAD_READ_BYTES = 32 * 1024
"""Maximum bytes received at once while a head is expected: what follows the request stays in memory until it ends."""

MAX_PIPELINED_BYTES = 16 * 1024
"""Number of bytes of the next requests that are read ahead while one is being processed: then reading pauses."""

HANG_UP_SECONDS = 0.5
"""How often to look whether the client has disconnected while reading is paused, which hides it from the event loop."""

_CLOSED_BY_CLIENT = getattr(select, "POLLRDHUP", 0)  # known on Linux only


class Connection(Responder):
    """A connection, which `HttpServer` creates for each accepted socket."""

    def get_buffer(self, sizehint: int) -> memoryview:
        """Returns where the kernel writes the next data: to a body to keep, or to memory shared by all connections."""
        body = self._body
        if self.phase is Phase.BODY and isinstance(body, DeclaredBody) and self._grow(body):
            self._filled = body
            return body.room()
        self._filled = None
        if self.phase in (Phase.NEW, Phase.IDLE, Phase.HEAD):
            return self._server.scratch[:HEAD_READ_BYTES]
        if self.phase in (Phase.HANDLING, Phase.SENDING) and (body is None or body.is_complete):
            return self._server.scratch[: max(1, MAX_PIPELINED_BYTES - self._ahead_bytes)]
        return self._server.scratch

    def buffer_updated(self, nbytes: int) -> None:
        if self._filled is None:
            self._receive(self._server.scratch[:nbytes])
            return
        self._filled.fill(nbytes)
        if self._filled.is_complete:
            self._complete_body()

    def eof_received(self) -> bool:
        """Handles a client that has closed its side of the connection; returns whether our side stays open."""
        self._half_closed = True
        if self._read_ahead:
            self._receive(b"")
        if self.phase is Phase.BODY:
            declared = "an unknown number" if self._request is None else self._request.length
            arrived = 0 if self._body is None else self._body.received
            self._reject(InvalidParameter(f"the body ended after {arrived} of {declared} bytes"))
        elif self.phase is Phase.HANDLING:
            self._loop.call_later(HALF_CLOSE_SECONDS, self._client.mark_gone)
        return self.phase in (Phase.HANDLING, Phase.SENDING)

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
            self._receive_chunks(self._body, data)
        elif self._protocol.their_state in (h11.DONE, h11.MIGHT_SWITCH_PROTOCOL):  # type: ignore[attr-defined]
            self._receive_ahead(data)
        # Otherwise, the request was malformed, and what follows it is ignored.

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

    def _receive_chunks(self, body: ChunkedBody, data: bytes | memoryview) -> None:
        if self._discard or self._charge(len(data)):
            body.add(data)
            self._parse_chunks(body)

    def _parse_chunks(self, body: ChunkedBody) -> None:
        try:
            content = body.parse()
        except FaceComparisonError as error:
            self._reject(error)
            return
        limit = self._server.max_body_bytes
        if body.received > limit:
            self._reject(BodyTooLarge(f"the body is larger than {limit} bytes: send a smaller image, or its URL"))
        elif not self._discard:
            body.keep(content)
        if body.is_complete:
            rest = body.rest()
            self._complete_body()
            if rest and self.phase is not Phase.CLOSED:
                self._receive(rest)
        elif body.has_more and self.phase is not Phase.CLOSED and not self._close_after:
            self._transport.pause_reading()
            self._server.defer(lambda: self._parse_further(body))

    def _parse_further(self, body: ChunkedBody) -> None:
        if self._body is body and not self._close_after:
            self._transport.resume_reading()
            self._parse_chunks(body)

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

    def _grow(self, body: DeclaredBody, count: int = 1) -> bool:
        """Makes room for `count` more bytes of a body; returns whether there is enough memory."""
        growth = body.growth(count)
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
        if self._ahead_bytes >= MAX_PIPELINED_BYTES:
            self._transport.pause_reading()
            if self.phase is Phase.HANDLING:
                self._set_timer(HANG_UP_SECONDS, self._check_connected)

    def _check_connected(self) -> None:
        """Ends the request of a client that has disconnected while reading was paused."""
        events = hang_up_events(self._transport.get_extra_info("socket").fileno())
        if events & (select.POLLERR | select.POLLHUP):
            self.abort()
        elif events:
            self.eof_received()
        else:
            self._set_timer(HANG_UP_SECONDS, self._check_connected)

    def _time_out_body(self) -> None:
        self._reject(DeadlineExceeded("the body did not arrive within the time limit of a request"))


def hang_up_events(fd: int) -> int:
    """Returns which of POLLERR, POLLHUP and POLLRDHUP hold for a socket, which needs no reading."""
    poll = select.poll()
    poll.register(fd, _CLOSED_BY_CLIENT)
    return next((events for _, events in poll.poll(0)), 0)
