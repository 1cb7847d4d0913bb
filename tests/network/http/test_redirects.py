"""Redirects are followed, limited, and checked."""

from __future__ import annotations

import time

import pytest

from face_comparison.errors import (
    UrlFetchFailed,
    UrlFetchTimeout,
    UrlNotAllowed,
)
from face_comparison.fetching.fetcher import Fetcher
from support.fetching import IMAGE, SHORT, impatient
from support.servers import Conversation, Server, redirect, reply


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


def test_redirects_share_deadline(server: Server) -> None:
    def waits(conversation: Conversation) -> None:
        time.sleep(SHORT / 2)  # the server's own slowness, not the test waiting for something
        conversation.send(redirect("/a"))

    server.replies["/a"] = waits
    with pytest.raises(UrlFetchTimeout, match=f"longer than {SHORT} s"):
        impatient(seconds=SHORT, max_redirects=1000).fetch(server.url("/a"))
