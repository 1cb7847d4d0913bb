"""Bodies above the limit and responses without an end are cut off."""

from __future__ import annotations

import gzip
import time
from dataclasses import replace

import pytest

from face_comparison.errors import (
    BodyTooLarge,
    UrlFetchFailed,
)
from face_comparison.fetching.fetcher import Fetcher
from support.fetching import CHUNKED, IMAGE, LIMIT, POLICY, chunked, endless
from support.servers import Conversation, Server, reply


def test_declared_length_above_limit_is_rejected(fetcher: Fetcher, server: Server) -> None:
    def waits(conversation: Conversation) -> None:
        conversation.send(reply(content_length=str(LIMIT + 1)))
        conversation.silence()

    server.replies["/a"] = waits
    with pytest.raises(BodyTooLarge, match=str(LIMIT)):
        fetcher.fetch(server.url("/a"))


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (reply(content_length=""), bytes(65536)),
        (b"HTTP/1.0 200 OK\r\n\r\n", bytes(65536)),
        (CHUNKED, chunked(bytes(65536))),
        (reply(content_length="", content_encoding="gzip") + gzip.compress(IMAGE), bytes(65536)),
    ],
    ids=["plain", "HTTP/1.0", "chunked", "after gzip"],
)
def test_endless_body_is_cut_off(fetcher: Fetcher, server: Server, start: bytes, more: bytes) -> None:
    server.replies["/a"] = endless(start, more)
    with pytest.raises(BodyTooLarge):
        fetcher.fetch(server.url("/a"))
    # The rest was on its way when the connection was closed: what the system's buffers hold, and no more.
    server.close()
    assert server.conversations[0].sent < LIMIT * 12 + 32 * 2**20


def test_compressed_bomb_is_rejected(fetcher: Fetcher, server: Server) -> None:
    bomb = gzip.compress(bytes(100_000_000))
    assert len(bomb) < LIMIT
    server.replies["/a"] = reply(bomb, content_encoding="gzip")
    with pytest.raises(BodyTooLarge):
        fetcher.fetch(server.url("/a"))


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"HTTP/1.1 200 ", b"x" * 4096),
        (b"HTTP/1.1 200 OK\r\n", b"X-More: yes\r\n" * 100),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 4096),
        (CHUNKED, b"1" * 4096),
        (CHUNKED + b"1;x=", b"1" * 4096),
        (CHUNKED + b"0\r\nX: ", b"x" * 4096),
        (CHUNKED + b"0\r\n", b"X: y\r\n" * 500),
        (CHUNKED + b"-1\r\n", bytes(65536)),
        (CHUNKED, chunked(b"x") * 4096),
        (CHUNKED, (b"1;x=" + b"y" * 1000 + b"\r\nz\r\n") * 100),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    ],
    ids=[
        "status line",
        "headers",
        "header",
        "chunk size",
        "chunk extension",
        "trailer",
        "trailers",
        "chunk of -1",
        "chunks of one byte",
        "chunks of extensions",
        "early hints",
        "continue",
    ],
)
def test_endless_responses_are_cut_off(fetcher: Fetcher, server: Server, start: bytes, more: bytes) -> None:
    server.replies["/a"] = endless(start, more)
    with pytest.raises(UrlFetchFailed):
        fetcher.fetch(server.url("/a"))


def test_one_byte_chunks_are_abandoned(server: Server) -> None:
    """Each takes a parser in Python microseconds, and millions of them would fit below the limit."""
    server.replies["/a"] = endless(CHUNKED, chunked(b"x") * 4096)
    fetcher = Fetcher(replace(POLICY, max_bytes=15 * 2**20))
    started = time.thread_time()
    with pytest.raises(UrlFetchFailed, match="tiny chunks"):
        fetcher.fetch(server.url("/a"))
    assert time.thread_time() - started < 2
