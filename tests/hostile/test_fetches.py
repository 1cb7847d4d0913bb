"""Servers of images that never answer, or trickle: those who wait for them take no place of others."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from hostile.conftest import QUEUE, SLOTS
from support.hostile import PATIENCE, probe, victim
from support.served import LIMIT, Served, until
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
def test_slow_servers_push_nobody_out(service: Served, images: Server, path: str) -> None:
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


def test_a_quick_server_is_heard_although_slow_ones_take_all_fetches(service: Served, images: Server) -> None:
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


def test_a_comparison_of_slow_targets_pushes_nobody_out(service: Served, images: Server) -> None:
    slow = {"url": f"http://127.0.0.1:{images.port}/slow"}

    def compare() -> int:
        path = service.url + "/prod/face_comparison/compare"
        body = json.dumps({"source": slow, "targets": [slow] * 20})
        return service.session.request("POST", path, body=body).status

    with ThreadPoolExecutor(MANY) as pool:
        comparisons = [pool.submit(compare) for _ in range(20)]
        until(lambda: len(images.requests) >= SLOTS + QUEUE, "the images are being fetched")
        # Comparisons that give up hold a place for a moment: a client that retries, as a 429 asks for, is served.
        until(lambda: service.detect(b"quick").status == 200, "a good image is answered", seconds=PATIENCE)
        for done in comparisons:
            assert done.result(LIMIT) in {429, 502, 504}
