"""Heads that are long, slow or begun and never ended: nobody else waits for them."""

from __future__ import annotations

import contextlib
import socket

import pytest

from support.hostile import MIB, PATIENCE, connections, head, measured, probe, victim, wait_connected
from support.served import Served, raw_request, read_reply

LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\n"
WHOLE = LIVEZ + b"\r\n"


def serves_others(service: Served) -> None:
    assert probe(service) < PATIENCE
    assert victim(service) < PATIENCE


@pytest.mark.parametrize(
    "sent",
    [
        LIVEZ + b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(70)),
        LIVEZ + b"X: " + b"a" * 700_000,
        b"GET /livez?" + b"a" * 700_000,
        LIVEZ + b"a: b\r\n" * 100_000,
    ],
    ids=["70 lines of 1 kB", "one long header", "long URL", "100,000 headers"],
)
def test_oversized_head_is_rejected_before_its_end(service: Served, sent: bytes) -> None:
    """On the first server everybody waited for these heads, but for the long URL, whose limit it knew."""
    with service.connect() as sock:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):  # it need not be read to its end
            sock.sendall(sent)
        status, headers, body = read_reply(sock)
        serves_others(service)
    assert (status, headers["connection"]) == (400, "close")
    assert b"too long" in body


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/prod/face_comparison"])
def test_endless_heads_delay_nobody(service: Served, path: str) -> None:
    """Guards against a regression: the first server collected short heads without waiting, too."""
    with connections(service, 200, f"GET {path} HTTP/1.1\r\nHost: x\r\nX: y".encode()):
        wait_connected(service, 200)
        serves_others(service)


@pytest.mark.parametrize(
    "next_bytes",
    [b"G", LIVEZ + b"X: " + b"a" * 8000, b"POST /prod/face_comparison HTTP/1.1\r\nHo", b"\r\n" * 100],
    ids=["one byte", "8 kB of head", "half a head", "empty lines"],
)  # fmt: skip
@pytest.mark.parametrize("first", [WHOLE, raw_request(b"quick")], ids=["probe", "image"])
def test_incomplete_pipelined_request_holds_no_thread(service: Served, first: bytes, next_bytes: bytes) -> None:
    """The first server dropped the empty lines; each of the others held a thread of it for 30 s."""
    with connections(service, 100, first + next_bytes) as sockets:
        for sock in sockets:
            assert read_reply(sock)[0] in (200, 429)
        serves_others(service)


def test_slow_head_is_dropped(impatient: Served) -> None:
    """Guards against a regression: the first server did this, too."""
    with impatient.connect() as sock:
        sock.settimeout(0.05)
        with pytest.raises((ConnectionError, EOFError)):
            while True:
                sock.sendall(b"X")
                with contextlib.suppress(TimeoutError):
                    if not sock.recv(100):
                        raise EOFError


def test_pipelined_requests_share_fairly(service: Served) -> None:
    """Guards against a regression: the first server did this, too."""
    with service.connect() as sock:
        with contextlib.suppress(TimeoutError):
            sock.settimeout(2)
            sock.sendall(WHOLE * 3000)  # more than is read ahead
        serves_others(service)
        sock.settimeout(PATIENCE)
        assert read_reply(sock)[0] == 200


def test_unread_responses_hold_no_thread(service: Served) -> None:
    """Each asks for a long reply again and again and takes none of them.

    Guards against a regression: the first server had threads to spare for 30 of them.
    """
    many = raw_request(b"faces 100") * 3
    with measured(service) as usage, contextlib.ExitStack() as stack:
        for _ in range(30):
            sock = stack.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", service.port))
            sock.sendall(many)
        for _ in range(5):
            serves_others_eventually(service)
    assert usage.peak_growth < 300 * MIB


def serves_others_eventually(service: Served) -> None:
    """The queue may be full of good requests of the same address, which is for a 429; never does anybody wait."""
    assert probe(service) < PATIENCE
    with service.connect() as sock:
        sock.settimeout(PATIENCE)
        sock.sendall(head(content_length=2) + b"{}")
        assert read_reply(sock)[0] in (400, 429)
