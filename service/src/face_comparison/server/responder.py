"""Responds on a client connection, as fast as the client reads, and decides what follows the response."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import h11

from face_comparison.errors import FaceComparisonError
from face_comparison.server.http_reply import encode_reply
from face_comparison.server.open_connection import OpenConnection
from face_comparison.server.phases import KEEPALIVE_SECONDS, Phase
from face_comparison.web import environ as keys
from face_comparison.web.environ import Body

if TYPE_CHECKING:
    from face_comparison.server.wsgi_call import Reply


class Responder(OpenConnection):
    """A connection whose requests are handled by the application, which sends its responses."""

    def _dispatch(self, environ: dict[str, Any] | None = None) -> None:
        self._enter(Phase.HANDLING)
        if environ is None:
            assert self._request is not None  # noqa: S101
            environ = self._request.environ
        environ.setdefault("wsgi.input", Body(bytearray()))
        self._server.submit(environ, self._reply)

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

    def resume_writing(self) -> None:
        """Continues after everything has been sent."""
        if self.phase is Phase.SENDING:
            self._sent()

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
            if ahead:  # deferred, so that a client that pipelines hundreds of requests does not delay the others
                self._read_ahead = bytes(ahead)  # bytes that arrive before then are appended
                self._server.defer(self._receive_read_ahead)
            else:
                self._transport.resume_reading()
        else:
            self._linger()

    def _receive_read_ahead(self) -> None:
        if self.phase is not Phase.CLOSED and self._read_ahead:
            self._transport.resume_reading()
            self._receive(b"")
