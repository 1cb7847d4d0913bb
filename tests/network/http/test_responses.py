"""Well-formed responses are read in every transfer encoding."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor

import pytest

from face_comparison import __version__
from face_comparison.fetching.fetcher import Fetcher
from support.fetching import CHUNKED, IMAGE, POLICY, chunked
from support.servers import Conversation, Server, reply


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


def test_proxy_variables_are_ignored(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.replies["/a"] = reply(IMAGE)
    with Server.on_loopback() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        assert Fetcher(POLICY).fetch(server.url("/a")) == IMAGE
    assert proxy.addresses == []
