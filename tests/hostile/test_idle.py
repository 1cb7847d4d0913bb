"""Connections that send nothing: they neither keep others out nor stay."""

from __future__ import annotations

import contextlib
import resource
import socket
from collections.abc import Iterator

import pytest

from support.hostile import PATIENCE, head, probe, victim
from support.served import Served, until

MANY = 2_200


@pytest.fixture(autouse=True)
def room_for_sockets() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < MANY + 500:
        pytest.skip("this process may not open enough files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, MANY + 500), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    "first", [b"", b"GET /livez HTTP/1.1\r\nHost", head(content_length=9) + b"{"],
    ids=["silent", "half a head", "half a body"],
)  # fmt: skip
def test_excess_idle_connections_keep_nobody_out(service: Served, first: bytes) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(MANY):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE))
            with contextlib.suppress(OSError):
                sock.sendall(first)
            if number % 400 == 399:
                assert probe(service) < PATIENCE
        assert probe(service) < PATIENCE
        assert victim(service) < PATIENCE
    until(lambda: service.metric("face_comparison_connections") < 100, "they are gone")


def test_oldest_idle_connection_closes_first(service: Served) -> None:
    with contextlib.ExitStack() as stack:
        oldest = stack.enter_context(service.connect())
        used = stack.enter_context(service.connect())
        used.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert used.recv(1000)
        for _ in range(MANY):
            stack.enter_context(service.connect())
        assert oldest.recv(1) == b""
        used.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")  # one that has been of use is kept
        assert used.recv(1000).startswith(b"HTTP/1.1 200")
