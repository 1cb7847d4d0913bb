"""Other statuses, malformed responses, and broken connections are reported and leak nothing."""

from __future__ import annotations

import gzip
import os
import socket
import threading
from pathlib import Path

import pytest

from face_comparison.errors import (
    FaceComparisonError,
    UrlFetchFailed,
)
from face_comparison.fetching.fetcher import Fetcher
from support.fetching import CHUNKED, IMAGE, LIMIT, chunked
from support.servers import Conversation, Server, redirect, reply


@pytest.mark.parametrize(
    "status",
    ["204 No Content", "206 Partial Content", "300 Choices", "304 Not Modified", "401 x", "404 x", "500 x", "999 x"],
)
def test_other_status_is_reported(fetcher: Fetcher, server: Server, status: str) -> None:
    server.replies["/a"] = reply(IMAGE, status=status)
    with pytest.raises(UrlFetchFailed, match=f"127.0.0.1 answered {status[:3]}"):
        fetcher.fetch(server.url("/a"))


@pytest.mark.parametrize(
    "whole",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x0a",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
        reply(IMAGE, content_length=str(len(IMAGE) + 1)),
        CHUNKED + chunked(IMAGE),
        CHUNKED + chunked(IMAGE)[:-1000],
        CHUNKED + b"zz\r\nx\r\n0\r\n\r\n",
        CHUNKED + b"-5\r\nx\r\n0\r\n\r\n",
        CHUNKED + b"5" * 70_000,
        reply(IMAGE, content_encoding="br"),
        reply(IMAGE, content_encoding="gzip"),
        reply(gzip.compress(IMAGE)[:-20], content_encoding="gzip"),
    ],
    ids=[
        "nothing",
        "SSH",
        "TLS alert",
        "no number",
        "long status line",
        "many headers",
        "long header",
        "redirect to nowhere",
        "less than announced",
        "no last chunk",
        "chunk cut off",
        "no chunk size",
        "negative chunk size",
        "long chunk size",
        "brotli",
        "no gzip",
        "gzip cut off",
    ],
)
def test_malformed_response_is_fetch_failure(fetcher: Fetcher, server: Server, whole: bytes) -> None:
    server.replies["/a"] = whole
    with pytest.raises(UrlFetchFailed):
        fetcher.fetch(server.url("/a"))


@pytest.mark.parametrize("end", [-1000, -10, -5], ids=["in a chunk", "in a chunk's end", "before the last chunk"])
def test_chunks_that_end_early_are_called_so(fetcher: Fetcher, server: Server, end: int) -> None:
    server.replies["/a"] = CHUNKED + (chunked(IMAGE) + b"0\r\n\r\n")[:end]
    with pytest.raises(UrlFetchFailed, match="cut off"):
        fetcher.fetch(server.url("/a"))


def test_broken_connection_is_fetch_failure(fetcher: Fetcher, server: Server) -> None:
    def breaks(conversation: Conversation) -> None:
        conversation.send(reply(content_length="1000") + b"abc")
        conversation.reset()

    server.replies["/a"] = breaks
    with pytest.raises(UrlFetchFailed):
        fetcher.fetch(server.url("/a"))


def test_closed_port_is_fetch_failure(fetcher: Fetcher) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(UrlFetchFailed, match="connection refused"):
            fetcher.fetch(f"http://127.0.0.1:{bound.getsockname()[1]}/")


def test_failures_leak_no_connections_or_threads(fetcher: Fetcher, server: Server) -> None:
    server.replies |= {
        "/large": reply(content_length=str(LIMIT + 1)),
        "/cut": reply(content_length="10"),
        "/loop": redirect("/loop"),
        "/closed": redirect("http://127.0.0.2/"),
        "/garbage": b"garbage\r\n",
        "/empty": b"",
    }

    def fail_all() -> None:
        for path in [*server.replies, "/missing"]:
            with pytest.raises(FaceComparisonError):
                fetcher.fetch(server.url(path))

    descriptors = Path(f"/proc/{os.getpid()}/fd")
    fail_all()
    server.close()
    before, threads = len(list(descriptors.iterdir())), threading.active_count()
    with Server.on_loopback() as again:
        again.replies = server.replies
        for _ in range(3):
            for path in again.replies:
                with pytest.raises(FaceComparisonError):
                    fetcher.fetch(again.url(path))
    assert len(list(descriptors.iterdir())) <= before
    assert threading.active_count() <= threads


def test_messages_omit_path_and_query(fetcher: Fetcher, server: Server) -> None:
    server.replies["/SECRET"] = redirect("http://127.0.0.2/SECRET?SECRET")
    for path in ("/SECRET?token=SECRET", "/missing/SECRET?SECRET"):
        with pytest.raises(FaceComparisonError) as failed:
            fetcher.fetch(server.url(path))
        assert "SECRET" not in failed.value.message
