"""An HTTP server that sends exactly what a test defines, byte by byte, and records its clients.

Real servers are too well-behaved: these tests need responses that are cut off, endless, slow, or not HTTP.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

Reply = bytes | Callable[["Conversation"], None]

STOP_SECONDS = 10.0


def reply(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """Returns a whole HTTP response; `content_type="x"` becomes `Content-Type: x`. The length is added unless given."""
    headers = {"content_length": str(len(body)), "connection": "close"} | headers
    lines = [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items() if value]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("utf-8") + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return reply(status=status, location=location)


@dataclass(frozen=True, slots=True)
class Request:
    """A received request. path: with its query. headers: by lower-case name."""

    path: str
    headers: dict[str, str]


class Conversation:
    """One connection, seen from the server."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self._sock = sock
        self._stopping = stopping
        self.sent = 0
        self.ended = threading.Event()

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)
        self.sent += len(data)

    def repeat(self, data: bytes, every: float = 0.0) -> None:
        """Sends `data` repeatedly, at an interval in seconds, until the client disconnects."""
        while not self._stopping.wait(every):
            self.send(data)

    def silence(self) -> None:
        """Sends nothing until the client disconnects."""
        while self._sock.recv(4096):
            pass

    def hang_up(self) -> None:
        with contextlib.suppress(OSError):  # it may have ended already
            self._sock.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Resets the connection."""
        # Closing with a linger time of zero sends RST instead of FIN.
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


class Server:
    """Responds on each connection, in its own thread, with the entry of `replies` for the path without its query.

    Other paths get 404. With `tls`, connections begin with a handshake.
    """

    def __init__(self, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        self.port: int = listener.getsockname()[1]
        self.replies: dict[str, Reply] = {}
        self.greeting: Callable[[Conversation], None] | None = None
        """Takes the place of HTTP when it is set."""
        self.requests: list[Request] = []
        self.addresses: list[str] = []
        """The addresses of this machine that connections came to."""
        self.conversations: list[Conversation] = []
        self._listener = listener
        self._tls = tls
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    @classmethod
    def on_loopback(cls, tls: ssl.SSLContext | None = None) -> Self:
        return cls(socket.create_server(("127.0.0.1", 0)), tls)

    def url(self, path: str) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}{path}"

    def _accept(self) -> None:
        with self._listener, contextlib.suppress(OSError):  # the error with which `close` ends it
            while True:
                sock, _ = self._listener.accept()
                self.addresses.append(sock.getsockname()[0].removeprefix("::ffff:"))
                thread = threading.Thread(target=self._serve, args=[sock], daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket) -> None:
        # A client may close the connection early, which is no failure of the server.
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            stack.enter_context(sock)
            sock.settimeout(STOP_SECONDS)
            if self._tls and self.greeting is None:
                sock = stack.enter_context(self._tls.wrap_socket(sock, server_side=True))
            conversation = Conversation(sock, self._stopping)
            self.conversations.append(conversation)
            stack.callback(conversation.ended.set)
            if self.greeting is not None:
                self.greeting(conversation)
                return
            head = b""
            while b"\r\n\r\n" not in head:
                piece = sock.recv(65536)
                if not piece:
                    return
                head += piece
            request = _request(head.decode("latin-1"))
            self.requests.append(request)
            answer = self.replies.get(request.path.partition("?")[0], reply(status="404 Not Found"))
            if isinstance(answer, bytes):
                conversation.send(answer)
            else:
                answer(conversation)

    def close(self) -> None:
        """Stops responding; idempotent."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join(STOP_SECONDS)  # no thread is added after it
        for conversation in self.conversations:
            conversation.hang_up()
        for thread in self._threads:
            thread.join(STOP_SECONDS)
        assert not any(thread.is_alive() for thread in [self._accepting, *self._threads]), "a thread does not end"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _request(head: str) -> Request:
    first, *lines = head.split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if line)
    return Request(path=first.split(" ")[1], headers={name.lower(): value for name, value in headers.items()})
