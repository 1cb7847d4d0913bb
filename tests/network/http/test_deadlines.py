"""Slow and silent servers time out at the nearest deadline."""

from __future__ import annotations

import socket
import time

import pytest

from face_comparison.errors import (
    DeadlineExceeded,
    UrlFetchTimeout,
)
from face_comparison.fetching.fetcher import Fetcher
from support.fetching import CHUNKED, SHORT, chunked, impatient
from support.servers import Conversation, Server, reply

SLOW: dict[str, tuple[bytes, bytes]] = {
    "status line": (b"HTTP/1.1 200 ", b"x"),
    "header": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": (reply(content_length="100000"), b"x"),
    "body until closed": (reply(content_length=""), b"x"),
    "chunk size": (CHUNKED, b"0"),
    "chunks": (CHUNKED, chunked(b"x")),
    "trailer": (CHUNKED + b"0\r\n", b"X: y\r\n"),
}


@pytest.mark.parametrize(("start", "more"), SLOW.values(), ids=SLOW.keys())
def test_trickling_server_is_cut_off(server: Server, start: bytes, more: bytes) -> None:
    def drips(conversation: Conversation) -> None:
        conversation.send(start)
        conversation.repeat(more, every=0.02)

    server.replies["/a"] = drips
    with pytest.raises(UrlFetchTimeout, match=f"longer than {SHORT} s"):
        impatient(seconds=SHORT).fetch(server.url("/a"))


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n", reply(content_length="5") + b"abc", CHUNKED + b"5\r\n"])
def test_silent_server_times_out(server: Server, start: bytes) -> None:
    def stops(conversation: Conversation) -> None:
        conversation.send(start)
        conversation.silence()

    server.replies["/a"] = stops
    with pytest.raises(UrlFetchTimeout, match=r"127\.0\.0\.1 sent nothing for 0\.2 s"):
        impatient(read_seconds=0.2).fetch(server.url("/a"))


@pytest.mark.parametrize("drip", [b"", b"x"])
def test_nearer_deadline_is_reported(fetcher: Fetcher, server: Server, drip: bytes) -> None:
    def stalls(conversation: Conversation) -> None:
        conversation.send(reply(content_length="1000"))
        conversation.repeat(drip, every=0.02)

    server.replies["/a"] = stalls
    with pytest.raises(DeadlineExceeded):
        fetcher.fetch(server.url("/a"), deadline=time.monotonic() + SHORT)


def test_expired_deadline_opens_no_connection(fetcher: Fetcher, server: Server) -> None:
    with pytest.raises(DeadlineExceeded):
        fetcher.fetch(server.url("/a"), deadline=time.monotonic() - 1)
    server.close()
    assert server.addresses == []


def test_unaccepted_connection_times_out() -> None:
    """A listener whose queue is full leaves connections waiting, like a firewall that drops them."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = []
        try:
            for _ in range(4):  # more than the queue takes
                sock = socket.socket()
                sock.setblocking(False)
                sock.connect_ex(address)
                waiting.append(sock)
            with pytest.raises(UrlFetchTimeout, match=r"did not accept a connection within 0\.2 s"):
                impatient(connect_seconds=0.2).fetch(f"http://127.0.0.1:{address[1]}/")
            with pytest.raises(DeadlineExceeded):
                impatient().fetch(f"http://127.0.0.1:{address[1]}/", deadline=time.monotonic() + 0.2)
        finally:
            for sock in waiting:
                sock.close()
