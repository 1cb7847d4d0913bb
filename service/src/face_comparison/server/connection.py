"""Connections of one worker: no client can hold a thread by being slow, silent or gone.

gunicorn's threaded worker reads a request's head in a thread of its pool and without any time limit, and closes
connections in its only event loop, where a client that does not close its own side stops everybody for seconds. Here
the event loop collects heads and waits for late closers without blocking, a thread is taken only for a whole head, and
every byte read or written in a thread counts against a time limit.
"""

from __future__ import annotations

import io
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from gunicorn.http.body import LengthReader
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn

LONGEST_HEAD = 64 * 1024
"""Bytes of a head after which the parser is asked: its own limits are lower, and it says which was passed."""


_UNREAD = bytearray(1024 * 1024)
"""Where systems other than Linux put what nobody will read."""


class TimedSocket(socket.socket):
    """A connected socket on which all blocking calls together end at `deadline`, in `time.monotonic()` seconds."""

    deadline = 0.0
    """Of the request at hand."""
    seconds = 30.0
    """What a request may take to arrive, and a reply to be sent: a reply that comes late is better than none."""

    @classmethod
    def of(cls, plain: socket.socket, seconds: float) -> TimedSocket:
        timed = cls(plain.family, plain.type, plain.proto, plain.detach())
        timed.seconds = seconds
        return timed

    def fill(self, buffer: memoryview) -> int:
        """Read until the buffer is full or the client is done; the number of bytes read. Raises TimeoutError.

        One call that waits in the kernel for everything. Measured on bodies of 3 MB: a third of the time that
        gunicorn's own reading in pieces takes, because each piece waits for Python's interpreter lock.
        """
        self.setblocking(True)
        filled = 0
        while filled < len(buffer):
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the client was too slow to send its request")
            seconds = int(left)
            limit = struct.pack("@ll", seconds, max(1, int((left - seconds) * 1e6)))
            self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            try:
                received = self.recv_into(buffer[filled:], flags=socket.MSG_WAITALL)
            except BlockingIOError:
                continue  # the kernel's time was up: so is ours, or nearly
            if not received:
                break
            filled += received
        return filled

    def discard(self, most: int) -> int:
        """Throw away what has come, at most `most` bytes; how many, 0 once the client has said that it is done.

        On Linux nothing is copied (MSG_TRUNC, tcp(7)), and one call takes all that there is: with 64 clients whose
        images were refused, a probe was answered in half the time.
        """
        return self.recv_into(_UNREAD, min(most, len(_UNREAD)), socket.MSG_TRUNC)

    def sendall(self, data: Any, flags: int = 0) -> None:
        self.settimeout(self.seconds)  # of the whole call, as long as it is set before it
        super().sendall(data, flags)


class _TimedUnreader(SocketUnreader):  # type: ignore[misc]
    """Where gunicorn's parser gets what the event loop has not collected: chunked bodies, mostly."""

    def chunk(self, size_hint: int | None = None) -> bytes:
        left = self.sock.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the client was too slow to send its request")
        self.sock.settimeout(left)
        return bytes(super().chunk(size_hint))


class SizedBody(io.RawIOBase):
    """The body of a request with Content-Length, as `wsgi.input`: reading by lines comes with the base."""

    failed = False  # what gunicorn asks a body before it uses the connection again

    def __init__(self, length: int, unreader: SocketUnreader) -> None:
        super().__init__()
        self.left = length
        self._unreader = unreader

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes, all unless size says fewer; fewer than asked for only when the client has hung up."""
        wanted = self.left if size is None or size < 0 else min(size, self.left)
        if wanted == 0:
            return b""
        head = self._take(wanted)
        if len(head) == wanted:
            return head
        buffer = bytearray(wanted)
        buffer[: len(head)] = head
        filled = len(head) + self._unreader.sock.fill(memoryview(buffer)[len(head) :])
        self.left -= filled - len(head)
        if filled < wanted:
            self.left = 0
        return bytes(memoryview(buffer)[:filled])

    def skip_received(self) -> int:
        """Drop what is left as far as it has come; the number of bytes that have not."""
        self._take(self.left)
        missing, self.left = self.left, 0
        return missing

    def _take(self, size: int) -> bytes:
        """Bytes that came with the head."""
        buffered = self._unreader.take_buffered()
        if len(buffered) > size:
            self._unreader.unread(buffered[size:])
        self.left -= min(size, len(buffered))
        return bytes(buffered[:size])


class Connection(TConn):  # type: ignore[misc]
    """One client. linger: told when the connection is to be closed without cutting off what is on its way."""

    sock: TimedSocket

    def __init__(
        self, cfg: Any, sock: TimedSocket, client: Any, server: Any, linger: Callable[[Connection], None]
    ) -> None:
        super().__init__(cfg, sock, client, server)
        self.data_ready = True  # a thread is given this connection with a whole head, so it never waits for data
        self.began: float | None = None
        """When the first byte of the request at hand came, `time.monotonic()` seconds."""
        self._linger = linger
        self.received = bytearray()
        self.skip = 0
        """Bytes of an earlier request's body that nobody will read, and that have not come yet."""
        self.linger_until = 0.0

    def collect(self) -> bool:
        """Take what has come, without waiting; whether a whole head is there. Raises OSError, EOFError at the end."""
        if self.skip:
            dropped = self.sock.discard(self.skip)
            if not dropped:
                raise EOFError
            self.skip -= dropped
            return False
        data = self.sock.recv(LONGEST_HEAD)
        if not data:
            raise EOFError
        if self.began is None:
            self.began = time.monotonic()
        self.received += data
        return b"\r\n\r\n" in self.received or len(self.received) > LONGEST_HEAD

    def init(self) -> None:
        """Called by gunicorn in the thread that will answer: hand its parser what was collected."""
        self.sock.deadline = (self.began or time.monotonic()) + self.sock.seconds
        self.began = None
        super().init()
        unreader = self.parser.unreader
        if not isinstance(unreader, _TimedUnreader):
            unreader = self.parser.unreader = _TimedUnreader(self.sock)
        unreader.unread(bytes(self.received))
        self.received.clear()

    def take_body(self, request: Any) -> None:
        """Give a request of known length the body that is read in one go."""
        if isinstance(request.body.reader, LengthReader):
            request.body = SizedBody(request.body.reader.length, self.parser.unreader)

    def abandon_body(self, most: int) -> bool:
        """Arrange that what is left of the body is dropped as it comes; False when that is more than `most` bytes."""
        body = self.parser.mesg.body
        if isinstance(body, SizedBody):
            self.skip = body.skip_received()
            return self.skip <= most
        return body.reader.parser is None  # chunked, and of unknown length: its end must have come

    def close(self, graceful: bool = False) -> None:
        if graceful:
            self._linger(self)
        else:
            super().close()
