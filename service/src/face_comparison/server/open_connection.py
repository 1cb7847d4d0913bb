"""The lifecycle of a client connection: its phase, the time limit of the phase, and the memory it is charged for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import h11

from face_comparison.server.incoming_body import ChunkedBody, DeclaredBody
from face_comparison.server.phases import FIRST_BYTE_SECONDS, LINGER_SECONDS, Phase
from face_comparison.server.request_head import MAX_HEAD_BYTES, HeadBuffer, RequestHead
from face_comparison.web.environ import ClientConnection

if TYPE_CHECKING:
    from face_comparison.server.http_server import HttpServer
    from face_comparison.server.waiting_room import Accepted
    from face_comparison.server.wsgi_call import Parts


class OpenConnection(asyncio.BufferedProtocol):
    """A connection from its acceptance to its end.

    Attributes:
        caller: Key of the caller that the client's address stands for.
        phase: What the connection is doing.
        since: When the current request, or the wait for the next one, began, in `time.monotonic()` seconds.
        held_bytes: Memory charged to the server's budget.
    """

    def __init__(self, server: HttpServer, accepted: Accepted) -> None:
        self._server, self._peer, self._address = server, accepted.peer, accepted.address
        self.caller, self._first = accepted.caller, accepted.first
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
        self._parser: h11.Connection | None = None
        self._request: RequestHead | None = None
        self._client = ClientConnection()
        self._body: DeclaredBody | ChunkedBody | None = None
        self._filled: DeclaredBody | None = None  # the body whose memory the kernel writes to
        self._ahead_bytes = 0
        self._discard = self._close_after = False
        self._read_ahead = b""
        self._parts: Parts | None = None
        self._computing_part = False

    @property
    def _protocol(self) -> h11.Connection:
        """The parser of the current request, created only when needed: most idle connections never send a head."""
        if self._parser is None:
            self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        return self._parser

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins with what has arrived before, or waits for the first byte."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        transport.set_write_buffer_limits(high=0)  # so that `resume_writing` is called when everything has been sent
        self._set_timer(FIRST_BYTE_SECONDS, self.abort)
        self._server.add(self)
        if self._first:
            first, self._first = self._first, b""
            self._receive(first)

    def _receive(self, data: bytes | memoryview) -> None:
        """Handles data from the client."""
        raise NotImplementedError

    def connection_lost(self, error: Exception | None) -> None:
        """Ends the connection."""
        self._closed()

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

    def evict(self) -> None:
        """Ends the connection or its request to make room for others."""
        raise NotImplementedError

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

    # --- bookkeeping ---

    def _linger(self) -> None:
        """Announces the end of the response, and drops incoming data until the client has closed its side as well.

        Closing immediately would make the kernel discard the response as soon as a byte arrives (RFC 9112, 9.6).
        """
        if self._half_closed and self._transport.is_reading():  # otherwise, there is unread data, as explained above
            self._closed()
            self._transport.close()
            return
        self._enter(Phase.LINGERING)
        self._linger_until = time.monotonic() + self._server.request_seconds
        self._set_timer(LINGER_SECONDS, self.abort)
        self._transport.resume_reading()
        try:
            self._transport.write_eof()
        except OSError:  # the client had left, and has reset the connection when the response arrived
            self.abort()

    def _enter(self, phase: Phase) -> None:
        self._set_timer(None)
        before, self.phase = self.phase, phase
        self._server.moved(self, before)

    def _set_timer(self, seconds: float | None, callback: Callable[[], None] | None = None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = (
            None if seconds is None or callback is None else self._loop.call_later(seconds, self._defer, callback)
        )

    def _defer(self, callback: Callable[[], None]) -> None:
        """Calls `callback` soon: the time of thousands of connections may be over at the same moment."""
        timer = self._timer
        self._server.defer(lambda: callback() if self._timer is timer else None)

    def _release(self) -> None:
        self._server.release(self)
