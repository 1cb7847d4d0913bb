"""Servers of images that never answer, or trickle: those who wait for them take no place of others."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from hostile.conftest import QUEUE, SLOTS
from support.hostile import PATIENCE, probe, victim
from support.served import LIMIT, Served, raw_request, read_reply, until
from support.servers import Conversation, Server, reply

MANY = 66


def trickle(conversation: Conversation) -> None:
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    conversation.repeat(b"x", every=0.1)


def trickle_headers(conversation: Conversation) -> None:
    conversation.send(b"HTTP/1.1 200 OK\r\nX-A: ")
    conversation.repeat(b"x", every=0.1)


@pytest.fixture
def images() -> Iterator[Server]:
    with Server.on_loopback() as server:
        server.replies["/slow"] = trickle
        server.replies["/headers"] = trickle_headers
        server.replies["/silent"] = lambda conversation: conversation.silence()
        server.replies["/good"] = reply(b"quick", content_type="image/jpeg")
        yield server


def by_url(service: Served, images: Server, path: str) -> tuple[int, str]:
    reply = service.session.request(
        "POST", service.url + "/prod/face_comparison", json={"url": f"http://127.0.0.1:{images.port}{path}"}
    )
    return reply.status, reply.json().get("error", {}).get("code", "")


@pytest.mark.parametrize("path", ["/slow", "/headers", "/silent"])
def test_slow_fetches_do_not_displace_requests(service: Served, images: Server, path: str) -> None:
    with ThreadPoolExecutor(MANY) as pool:
        slow: list[Future[tuple[int, str]]] = [pool.submit(by_url, service, images, path) for _ in range(MANY)]
        until(lambda: len(images.requests) >= SLOTS + QUEUE, "the images are being fetched")

        def served_beside_them() -> bool:
            """Whether a good image is answered while as many wait for images as there are places."""
            status = service.detect(b"quick").status
            return status == 200 and sum(not done.done() for done in slow) >= SLOTS + QUEUE

        until(lambda: served_beside_them() or all(done.done() for done in slow), "slow servers push nobody out")
        assert not all(done.done() for done in slow)
        assert probe(service) < PATIENCE
        for done in slow:
            status, code = done.result(LIMIT)
            assert (status, code) in {(429, "overloaded"), (504, "url_fetch_timeout"), (504, "deadline_exceeded")}
    assert victim(service) < PATIENCE


def test_fast_fetch_succeeds_among_slow_ones(service: Served, images: Server) -> None:
    """Guards against a regression: on the first server others found room as slow fetches ended."""
    with ThreadPoolExecutor(MANY) as pool:
        slow = [pool.submit(by_url, service, images, "/slow") for _ in range(MANY)]
        until(lambda: len(images.requests) >= SLOTS + QUEUE, "the images are being fetched")
        began = time.monotonic()
        found = (0, "")
        while found[0] != 200 and time.monotonic() < began + PATIENCE:
            found = by_url(service, images, "/good")
        assert found == (200, "")
        assert not all(done.done() for done in slow)
        for done in slow:
            done.result(LIMIT)


def test_slow_targets_do_not_displace_requests(service: Served, images: Server) -> None:
    """Comparisons begin again as soon as they end. Whoever comes from another address is served at the first try."""
    slow = {"url": f"http://127.0.0.1:{images.port}/slow"}
    ended = threading.Event()

    def compare() -> set[int]:
        path, statuses = service.url + "/prod/face_comparison/compare", set()
        while not ended.is_set():
            body = json.dumps({"source": slow, "targets": [slow] * 20})
            statuses.add(service.session.request("POST", path, body=body).status)
        return statuses

    with ThreadPoolExecutor(20) as pool:
        comparisons = [pool.submit(compare) for _ in range(20)]
        try:
            until(lambda: len(images.requests) >= SLOTS + QUEUE, "the images are being fetched")
            for number in range(20):
                assert detect_from(service, f"127.0.0.{number + 2}") == 200
            assert probe(service) < PATIENCE
        finally:
            ended.set()
        for done in comparisons:
            assert done.result(LIMIT) <= {429, 502, 504}


def detect_from(service: Served, address: str) -> int:
    """The status of a good image from another address."""
    with socket.create_connection(("127.0.0.1", service.port), PATIENCE, (address, 0)) as sock:
        sock.sendall(raw_request(b"quick"))
        return read_reply(sock)[0]
