"""Fetching over HTTP from servers that behave, and from every kind that does not."""

from __future__ import annotations

import gzip
import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from face_comparison import __version__
from face_comparison.errors import (
    BodyTooLarge,
    DeadlineExceeded,
    FaceComparisonError,
    UrlFetchFailed,
    UrlFetchTimeout,
    UrlNotAllowed,
)
from face_comparison.fetching.fetcher import Fetcher, FetchPolicy
from support.servers import Conversation, Server, redirect, reply

IMAGE = bytes(range(256)) * 500
LIMIT = 200_000

# Times that no test waits for, unless what it tests is broken.
POLICY = FetchPolicy(allowed_hosts=("127.0.0.1",), max_bytes=LIMIT, seconds=60, connect_seconds=60, read_seconds=60)
SHORT = 0.4


@pytest.fixture(scope="module")
def fetcher() -> Fetcher:
    return Fetcher(POLICY)


def impatient(**seconds: Any) -> Fetcher:
    return Fetcher(replace(POLICY, **seconds))


# --- replies that are fine ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", ["image/jpeg", "text/html; charset=utf-8", "nonsense", ""])
def test_content_type_of_server_is_ignored(fetcher: Fetcher, server: Server, content_type: str) -> None:
    server.replies["/a.jpg"] = reply(IMAGE, content_type=content_type)
    assert fetcher.fetch(server.url("/a.jpg")) == IMAGE


def test_request_headers_sent_to_server(fetcher: Fetcher, server: Server) -> None:
    server.replies["/two%20words.jpg"] = reply(IMAGE)
    assert fetcher.fetch(server.url("/two words.jpg?signature=a%2Fb&c=d+e#part")) == IMAGE
    (request,) = server.requests
    assert request.path == "/two%20words.jpg?signature=a%2Fb&c=d+e"
    assert request.headers == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": f"face-comparison/{__version__}",
        "accept": POLICY.accept,
        "accept-encoding": "identity",
        "connection": "close",
    }


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x;extension=1\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


CHUNKED = reply(content_length="", transfer_encoding="chunked")


@pytest.mark.parametrize(
    "whole",
    [
        reply(IMAGE, content_length=""),
        b"HTTP/1.0 200\r\n\r\n" + IMAGE,
        CHUNKED + chunked(IMAGE[:1], IMAGE[1:70_000], IMAGE[70_000:]) + b"0\r\nTrailer: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + reply(IMAGE),
        reply(gzip.compress(IMAGE), content_encoding="gzip"),
        reply(IMAGE) + b"more than was announced",
        b"HTTP/1.1 200 OK\nContent-Length: %d\n\n" % len(IMAGE) + IMAGE,
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n" + reply(IMAGE),
        b"HTTP/1.1 102 Processing\r\n\r\n" * 3 + b"HTTP/1.1 100 Continue\r\n\r\n" + reply(IMAGE),
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + reply(IMAGE),
        b"HTTP/1.1 199\r\nX: y\r\n\r\n" + CHUNKED + chunked(IMAGE) + b"0\r\n\r\n",
        reply(IMAGE, status="203 Non-Authoritative Information"),
        reply(IMAGE, content_encoding="aws-chunked"),
        reply(IMAGE, content_encoding="utf-8"),
        reply(IMAGE, content_encoding="none, binary"),
        reply(gzip.compress(IMAGE), content_encoding="aws-chunked, gzip"),
        CHUNKED + chunked(*(IMAGE[at : at + 64] for at in range(0, len(IMAGE), 64))) + b"0\r\n\r\n",
    ],
    ids=[
        "until closed",
        "HTTP/1.0",
        "chunked",
        "continue",
        "gzip",
        "more than announced",
        "bare line feeds",
        "early hints",
        "processing",
        "continue and hints",
        "unknown interim response",
        "non-authoritative",
        "aws-chunked",
        "utf-8",
        "no encoding by name",
        "gzip by a second name",
        "small chunks",
    ],
)
def test_every_transfer_encoding_is_read(fetcher: Fetcher, server: Server, whole: bytes) -> None:
    server.replies["/a.jpg"] = whole
    assert fetcher.fetch(server.url("/a.jpg")) == IMAGE


def test_open_connection_is_not_awaited(fetcher: Fetcher, server: Server) -> None:
    def stays(conversation: Conversation) -> None:
        conversation.send(reply(IMAGE, connection="keep-alive"))
        conversation.silence()

    server.replies["/a.jpg"] = stays
    assert fetcher.fetch(server.url("/a.jpg")) == IMAGE


def test_concurrent_fetches_do_not_mix(fetcher: Fetcher, server: Server) -> None:
    for number in range(40):
        server.replies[f"/{number}"] = reply(IMAGE + bytes([number]))
    with ThreadPoolExecutor(16) as threads:
        bodies = list(threads.map(lambda number: fetcher.fetch(server.url(f"/{number}")), range(40)))
    assert bodies == [IMAGE + bytes([number]) for number in range(40)]


# --- redirects ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_redirect_is_followed(fetcher: Fetcher, server: Server, status: str) -> None:
    server.replies["/dir/a"] = redirect("../b.jpg?x=1", status)
    server.replies["/b.jpg"] = reply(IMAGE)
    assert fetcher.fetch(server.url("/dir/a")) == IMAGE
    assert [request.path for request in server.requests] == ["/dir/a", "/b.jpg?x=1"]


def test_redirect_to_non_ascii_path(fetcher: Fetcher, server: Server) -> None:
    server.replies["/a"] = redirect("/grüße.jpg")
    server.replies["/gr%C3%BC%C3%9Fe.jpg"] = reply(IMAGE)
    assert fetcher.fetch(server.url("/a")) == IMAGE


def test_at_most_three_redirects_are_followed(fetcher: Fetcher, server: Server) -> None:
    server.replies |= {f"/{number}": redirect(f"/{number - 1}") for number in range(1, 5)}
    server.replies["/0"] = reply(IMAGE)
    assert fetcher.fetch(server.url("/3")) == IMAGE
    with pytest.raises(UrlFetchFailed, match="more than 3 times"):
        fetcher.fetch(server.url("/4"))
    assert [request.path for request in server.requests] == ["/3", "/2", "/1", "/0", "/4", "/3", "/2", "/1"]


def test_redirect_body_is_not_read(fetcher: Fetcher, server: Server) -> None:
    def endless(conversation: Conversation) -> None:
        conversation.send(reply(status="302 Found", location="/b", content_length=""))
        conversation.repeat(bytes(65536))

    server.replies["/a"] = endless
    server.replies["/b"] = reply(IMAGE)
    assert fetcher.fetch(server.url("/a")) == IMAGE


@pytest.mark.parametrize(
    "location", ["s3://bucket/key", "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "data:,x"]
)
def test_redirect_to_another_scheme_is_rejected(fetcher: Fetcher, server: Server, location: str) -> None:
    server.replies["/a"] = redirect(location)
    with pytest.raises(UrlNotAllowed):
        fetcher.fetch(server.url("/a"))


@pytest.mark.parametrize("location", ["http://127.0.0.2:{port}/b", "//127.1.1:{port}/b", "http://0:{port}/b"])
def test_redirect_target_is_checked(fetcher: Fetcher, server: Server, location: str) -> None:
    server.replies["/a"] = redirect(location.format(port=server.port))
    server.replies["/b"] = reply(IMAGE)
    with pytest.raises(UrlNotAllowed) as refused:
        fetcher.fetch(server.url("/a"))
    assert [request.path for request in server.requests] == ["/a"]
    assert refused.value.message.startswith("a server that 127.0.0.1 redirects to is not on the public Internet")


# --- replies that are not fine --------------------------------------------------------------------------------------


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


# --- too much -------------------------------------------------------------------------------------------------------


def endless(start: bytes, more: bytes) -> Callable[[Conversation], None]:
    def reply_without_end(conversation: Conversation) -> None:
        conversation.send(start)
        conversation.repeat(more)

    return reply_without_end


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


# --- too slow -------------------------------------------------------------------------------------------------------

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


def test_redirects_share_deadline(server: Server) -> None:
    def waits(conversation: Conversation) -> None:
        time.sleep(SHORT / 2)  # the server's own slowness, not the test waiting for something
        conversation.send(redirect("/a"))

    server.replies["/a"] = waits
    with pytest.raises(UrlFetchTimeout, match=f"longer than {SHORT} s"):
        impatient(seconds=SHORT, max_redirects=1000).fetch(server.url("/a"))


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


# --- what stays out, and what stays behind --------------------------------------------------------------------------


def test_proxy_variables_are_ignored(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.replies["/a"] = reply(IMAGE)
    with Server.on_loopback() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        assert Fetcher(POLICY).fetch(server.url("/a")) == IMAGE
    assert proxy.addresses == []


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
