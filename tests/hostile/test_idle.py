"""Connections that send nothing: they neither keep others out nor stay."""

from __future__ import annotations

import contextlib
import socket

import pytest

from face_comparison.server.acceptor import GRACE_CONNECTIONS
from face_comparison.server.gunicorn_app import MAX_CONNECTIONS
from support.hostile import MIB, PATIENCE, head, measured, probe, victim
from support.served import Served, until

MANY = 2_200
EVICTED = 'face_comparison_evictions_total{reason="new"}'


pytestmark = pytest.mark.usefixtures("room_for_sockets")


WAYS = {
    "silent": b"",
    "half a head": b"GET /livez HTTP/1.1\r\nHost",
    "half a body": head(content_length=9) + b"{",
    "half a large body": head(content_length=20 * MIB) + b"{",
    "an empty line": b"\r\n",
    "half of chunks": head(transfer_encoding="chunked") + b"5\r\nab",
}


def open_many(stack: contextlib.ExitStack, service: Served, first: bytes, count: int, *, probe_every: int) -> None:
    """Opens connections that send `first` and no more; asserts that probes are answered meanwhile."""
    for number in range(1, count + 1):
        sock = stack.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE))
        with contextlib.suppress(OSError):
            sock.sendall(first)
        if number % probe_every == 0:
            assert probe(service) < PATIENCE


@pytest.mark.parametrize("first", [WAYS[name] for name in WAYS], ids=WAYS)
def test_excess_idle_connections_keep_nobody_out(service: Served, first: bytes) -> None:
    with contextlib.ExitStack() as stack:
        open_many(stack, service, first, MANY, probe_every=400)
        assert probe(service) < PATIENCE
        assert victim(service) < PATIENCE
    until(lambda: service.metric("face_comparison_connections") < 100, "they are gone")


def test_oldest_idle_connection_closes_first(service: Served) -> None:
    with contextlib.ExitStack() as stack:
        evicted = service.metric(EVICTED)
        oldest = stack.enter_context(service.connect())
        used = stack.enter_context(service.connect())
        used.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert used.recv(1000)
        for _ in range(MANY):
            stack.enter_context(service.connect())
        assert oldest.recv(1) == b""
        assert service.metric(EVICTED) > evicted  # not only because its time is over
        used.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")  # one that has been of use is kept
        assert used.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("first", [WAYS["silent"], WAYS["half a body"]], ids=["silent", "half a body"])
def test_ten_thousand_connections_keep_nobody_out(service: Served, room_for_sockets: int, first: bytes) -> None:
    """Each that is opened takes the place of another: that must not cost more, the more there are."""
    with contextlib.ExitStack() as stack, measured(service) as usage:
        open_many(stack, service, first, room_for_sockets, probe_every=1000)
        assert victim(service) < PATIENCE
        assert service.metric("face_comparison_connections") <= MAX_CONNECTIONS + GRACE_CONNECTIONS
    assert usage.peak_growth < 100 * MIB
    assert usage.cpu_seconds < 1e-3 * room_for_sockets
