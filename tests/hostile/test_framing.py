"""After a reply that left part of a body unread the connection is closed, or the rest is accounted for."""

from __future__ import annotations

import contextlib
import json
import re
import socket

import pytest

from support.hostile import head
from support.served import LIMIT, Served, raw_request, read_reply

PROBE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


def replies(sock: socket.socket) -> list[int]:
    """Statuses of all replies until the connection ends."""
    received = b""
    sock.settimeout(LIMIT)
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while data := sock.recv(65536):
            received += data
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


@pytest.mark.parametrize("rest", [b"", b"x" * 500 + PROBE * 2, PROBE * 5], ids=["nothing", "rest", "requests"])
def test_late_body_is_not_parsed_as_requests(impatient: Served, rest: bytes) -> None:
    with impatient.connect() as sock:
        sock.sendall(head(content_length=1000) + b"x" * 500)
        status, headers, _ = read_reply(sock)
        assert (status, headers["connection"]) == (504, "close")
        with contextlib.suppress(OSError):
            sock.sendall(rest)
        assert replies(sock) == []


SMUGGLED = b"GET /prod/face_comparison HTTP/1.1\r\nHost: smuggled\r\n\r\n"


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (head("/nowhere", content_length=len(SMUGGLED)), 404),
        (head("/livez", content_length=len(SMUGGLED)), 405),
        (head("/livez", "GET", content_length=len(SMUGGLED)), 200),
        (head("/prod/face_comparison", "DELETE", content_length=len(SMUGGLED)), 405),
        (head(content_length=len(SMUGGLED), content_encoding="gzip"), 400),
        (head(content_length=len(SMUGGLED)), 400),
    ],
    ids=["not found", "method", "GET with a body", "DELETE", "encoding", "not JSON"],
)
def test_unread_body_is_skipped_exactly(service: Served, request_head: bytes, status: int) -> None:
    """Guards against a regression: the first server, which had the faults that these tests are about, did this, too."""
    with service.connect() as sock:
        sock.sendall(request_head)
        sock.sendall(SMUGGLED + PROBE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert replies(sock) == [status, 200]


@pytest.mark.parametrize("sent", [b"", b"x" * 300])
def test_oversized_body_closes_connection(service: Served, sent: bytes) -> None:
    with service.connect() as sock:
        sock.sendall(head(content_length=100 * 2**20) + sent)
        status, headers, _ = read_reply(sock)
        assert (status, headers["connection"]) == (413, "close")
        sock.sendall(PROBE)
        assert replies(sock) == []


def test_expect_continue_is_honored(service: Served) -> None:
    with service.connect() as sock:
        sock.sendall(head("/nowhere", content_length=1000, expect="100-continue"))
        status, headers, _ = read_reply(sock)
        assert (status, headers["connection"]) == (404, "close")


@pytest.mark.parametrize(
    "body",
    [
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\nX\r\n",
        b"-1\r\nx\r\n",
        b"0x5\r\nhello\r\n",
        b"5\r\nhelloX\r\n",
    ],
)
def test_incomplete_chunked_body_closes_connection(service: Served, body: bytes) -> None:
    """The well-formed one guards against a regression."""
    with service.connect() as sock:
        sock.sendall(head(transfer_encoding="chunked") + body)
        status, headers, reply = read_reply(sock)
        whole = body.endswith(b"\r\n0\r\n\r\n")
        assert status == 400
        assert json.loads(reply)["error"]["code"] == ("invalid_json" if whole else "invalid_parameter")
        assert headers["connection"] == ("keep-alive" if whole else "close")


@pytest.mark.parametrize("missing", [1, 10])
def test_truncated_body_closes_connection(service: Served, missing: int) -> None:
    request = raw_request(b"quick")
    with service.connect() as sock:
        sock.sendall(request[:-missing])
        sock.shutdown(socket.SHUT_WR)
        status, headers, body = read_reply(sock)
        assert (status, headers["connection"]) == (400, "close")
        assert b"ended after" in body


def test_half_closed_client_gets_response(service: Served) -> None:
    """Guards against a regression: the first server did this, too."""
    with service.connect() as sock:
        sock.sendall(raw_request(b"quick"))
        sock.shutdown(socket.SHUT_WR)
        assert replies(sock) == [200]


def test_half_closed_client_is_told_which_response_is_the_last(service: Served) -> None:
    """The server need not respond to all requests that it sent at once, but must not announce that it will."""
    with service.connect() as sock:
        sock.sendall(3 * b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)
        received = b""
        while data := sock.recv(65536):
            received += data
    assert received.count(b"HTTP/1.1 200 ") > 0
    assert b"Connection: close" in received.rpartition(b"HTTP/1.1 ")[2]
