"""What clients send behind a request that is being processed takes little memory, and does not hide that they leave."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from pathlib import Path

import pytest

from hostile.test_cancellation import Act, assert_clients_leave_queue, reset
from support.hostile import MIB, PATIENCE, head, measured, probe
from support.served import Served, raw_request, serving, until

MANY = 400
BEHIND_BYTES = 400_000


def stuff(sock: socket.socket, data: bytes, seconds: float = 0.5) -> int:
    """Sends as much of the data as the service and the kernel take; returns how much that is."""
    sock.setblocking(False)
    sent, until_ = 0, time.monotonic() + seconds
    while sent < len(data) and time.monotonic() < until_:
        try:
            sent += sock.send(data[sent : sent + 65536])
        except BlockingIOError:
            select.select([], [sock], [], max(0.0, until_ - time.monotonic()))
        except OSError:
            break
    return sent


BEHIND = {
    "posts": raw_request(b"quick"),
    "probes": b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    "documents": b"GET /prod/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n",
    "noise": b"\0",
    "chunks": head(transfer_encoding="chunked") + b"5\r\nabcde\r\n0\r\n\r\n",
}


@pytest.mark.usefixtures("room_for_sockets")
@pytest.mark.parametrize("name", BEHIND)
def test_bytes_behind_request_take_little_memory(service: Served, name: str) -> None:
    """They are read only as far as needed: half a megabyte for each connection made gigabytes."""
    one = BEHIND[name]
    data = raw_request(b"sleep 0.1") + one * (BEHIND_BYTES // len(one))
    with measured(service) as usage, contextlib.ExitStack() as stack:
        for _ in range(MANY):
            sock = stack.enter_context(service.connect())
            with contextlib.suppress(OSError):
                stuff(sock, data, seconds=0)
                sock.send(data[:200_000])
        for _ in range(3):
            assert probe(service) < PATIENCE
    assert usage.peak_growth < MANY * 64 * 1024 + 40 * MIB


@pytest.mark.parametrize(
    ("behind", "leave"),
    [(20_000, socket.socket.close), (20_000, reset), (300_000, reset)],
    ids=["close", "reset", "much"],
)
def test_request_ends_when_client_leaves_bytes_behind(tmp_path: Path, behind: int, leave: Act) -> None:
    """Reading pauses then, so that the end of the connection is not read."""

    def send(sock: socket.socket) -> None:
        sock.sendall(raw_request(b"quick"))
        stuff(sock, b"x" * behind)

    assert_clients_leave_queue(tmp_path, send, leave)


def test_half_closed_client_with_bytes_behind_meets_no_reset(tmp_path: Path) -> None:
    """Closing a connection with unread bytes resets it, and some clients would lose the response."""
    with serving(tmp_path, threads=1, queue=5, request_seconds=3600) as service:
        service.wait_ready()
        with service.connect() as first, service.connect() as sock:
            first.sendall(raw_request(b"hold %s" % bytes(tmp_path / "go")))
            until((tmp_path / "go.begun").exists, "the first computes")
            sock.sendall(raw_request(b"quick") + 50_000 * b"x")
            sock.shutdown(socket.SHUT_WR)
            assert b"Connection: close" in sock.recv(65536)
            assert sock.recv(65536) == b""
