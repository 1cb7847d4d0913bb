"""Slow, silent, disconnected, or misbehaving clients do not keep others from being served."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.served import LIMIT, Served, img, raw_request, read_reply, serving, until

QUEUE = 8


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two slots and a small queue, which a few bad clients could fill."""
    with serving(tmp_path_factory.mktemp("live"), threads=2, queue=QUEUE, request_seconds=20) as served:
        yield served.wait_ready()


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, threads=2, queue=QUEUE, request_seconds=1) as served:
        yield served.wait_ready()


@contextlib.contextmanager
def many(service: Served, count: int, first_bytes: bytes) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(service.connect()) for _ in range(count)]
        for sock in sockets:
            sock.sendall(first_bytes)
        yield sockets


@pytest.mark.parametrize(
    "first_bytes",
    [b"", b"POST /prod/face_", b"POST /prod/face_comparison HTTP/1.1\r\nHost: x\r\nContent-Le"],
    ids=["silent", "half a line", "half a head"],
)
def test_idle_clients_use_no_thread(service: Served, first_bytes: bytes) -> None:
    """More than there are threads, so that one thread each would leave none."""
    with many(service, 300, first_bytes):
        assert service.detect(b"quick").status == 200


def test_slow_senders_use_no_slot(service: Served) -> None:
    with many(service, 3 * QUEUE, raw_request(b"quick", length=5000)):
        until(lambda: service.metric("face_comparison_connections") >= 3 * QUEUE, "the slow senders are connected")
        for _ in range(QUEUE):
            assert service.detect(b"quick").status == 200
        assert service.get("/livez").status == 200


def test_memory_of_aborted_upload_is_released(service: Served) -> None:
    name = "face_comparison_memory_reserved_bytes"
    for _ in range(3):
        with many(service, QUEUE, raw_request(b"quick" + bytes(100_000), length=500_000)):
            until(lambda: service.metric(name) > QUEUE * 100_000, "the bodies are being received")
        until(lambda: service.metric(name) == 0, "nothing is held any more")
    assert service.detect(b"quick").status == 200


def test_endless_body_is_rejected_at_the_deadline(quick: Served) -> None:
    with quick.connect() as sock:
        sock.sendall(raw_request(b"quick", length=5000))
        status, _, body = read_reply(sock)
    assert (status, json.loads(body)["error"]["code"]) == (504, "deadline_exceeded")


def test_trickled_body_is_rejected_at_the_deadline(quick: Served) -> None:
    """An occasional byte does not extend the deadline, which applies to the whole request."""
    began = time.monotonic()
    with quick.connect() as sock:
        sock.sendall(raw_request(b"quick", length=100_000))
        sock.settimeout(0.05)
        reply = b""
        while not reply:
            assert time.monotonic() < began + LIMIT
            with contextlib.suppress(TimeoutError):
                reply = sock.recv(100)
                break
            sock.sendall(b" ")
    assert reply.startswith(b"HTTP/1.1 504 ")


@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "in chunks"])
def test_endless_head_is_dropped_at_the_deadline(quick: Served, chunked: bool) -> None:
    with quick.connect() as sock:
        if chunked:
            sock.settimeout(0.05)
            end = time.monotonic() + LIMIT
            with pytest.raises((BrokenPipeError, ConnectionResetError, EOFError)):
                while time.monotonic() < end:
                    sock.sendall(b"X")
                    with contextlib.suppress(TimeoutError):
                        if not sock.recv(100):
                            raise EOFError
        else:
            sock.sendall(b"GET /livez HTT")
            assert sock.recv(100) == b""


def test_client_that_does_not_close_delays_no_other(service: Served) -> None:
    """After `Connection: close`, the server waits for the client to close, but not in its only event loop."""
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            sock = stack.enter_context(service.connect())
            sock.sendall(raw_request(b"quick", close=True))
            assert read_reply(sock)[0] == 200
        for _ in range(20):
            assert service.get("/livez").status == 200
        assert time.monotonic() - began < 20  # one after the other, this would take 40 s


def test_oversized_body_is_rejected_before_it_is_sent(service: Served) -> None:
    size = 100 * 2**20
    with service.connect() as sock:
        sock.sendall(f"POST /prod/face_comparison HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(size // 2**20):  # a client that sends everything before it reads anything
            sock.sendall(bytes(2**20))
        status, _, body = read_reply(sock)
    assert (status, json.loads(body)["error"]["code"]) == (413, "body_too_large")


def test_connection_can_be_reused_after_a_rejection_during_upload(service: Served, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        holders = [stack.enter_context(service.connect()) for _ in range(QUEUE + 2)]
        for sock in holders:
            sock.sendall(raw_request(b"hold %s" % bytes(tmp_path / "go")))
        until(lambda: service.metric("face_comparison_requests_in_flight") == QUEUE + 2, "the service is full")
        refused = stack.enter_context(service.connect())
        refused.sendall(raw_request(b"quick" + b" " * 5_000_000))
        status, headers, body = read_reply(refused)
        assert (status, json.loads(body)["error"]["code"]) == (429, "overloaded")
        assert int(headers["retry-after"]) >= 1
        assert headers["connection"] == "keep-alive"
        (tmp_path / "go").touch()
        assert [read_reply(sock)[0] for sock in holders] == [200] * (QUEUE + 2)
        refused.sendall(raw_request(b"quick"))
        assert read_reply(refused)[0] == 200


def test_pipelined_requests_are_answered_in_order(service: Served) -> None:
    with service.connect() as sock:
        sock.sendall(raw_request(b"faces 1") + raw_request(b"faces 2") + b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        buffered = b""
        while buffered.count(b"HTTP/1.1 200") < 3 or not buffered.endswith(b"}"):
            buffered += sock.recv(65536)
    assert [part.count(b"face_hash") for part in buffered.split(b"HTTP/1.1 200 OK")[1:]] == [1, 2, 0]


def test_chunked_body_keeps_the_connection(service: Served) -> None:
    body = json.dumps(img(b"faces 1")).encode()
    request = b"POST /prod/face_comparison HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    request += b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:])) + b"0\r\n\r\n"
    with service.connect() as sock:
        for _ in range(2):
            sock.sendall(request)
            status, headers, reply = read_reply(sock)
            assert (status, headers["connection"], len(json.loads(reply)["Faces"])) == (200, "keep-alive", 1)


def test_request_sent_byte_by_byte(service: Served) -> None:
    request = raw_request(b"faces 1")
    with service.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for index in range(len(request)):
            sock.sendall(request[index : index + 1])
        assert read_reply(sock)[0] == 200


def test_expect_100_continue(service: Served) -> None:
    head, _, body = raw_request(b"quick").partition(b"\r\n\r\n")
    with service.connect() as sock:
        sock.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
        sock.sendall(body)
        assert read_reply(sock)[0] == 200


@pytest.mark.parametrize("junk", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"\r\n\r\n\r\n\r\n", b"A" * 100_000])
def test_invalid_http_is_rejected(service: Served, junk: bytes) -> None:
    with service.connect() as sock:
        sock.sendall(junk)
        sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            assert b"HTTP/1.1 5" not in sock.recv(1000)
    assert service.get("/livez").status == 200


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"GET /livez HTTP/1.1\r\nx-api-key hidden-4711\r\n\r\n", "malformed HTTP"),
        (b"POST /prod/face_comparison HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "malformed HTTP"),
        (b"GET /prod/?hidden-4711" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", "too long"),
        (b"GET /livez HTTP/1.1\r\nX-Long: hidden-4711" + b"x" * 70_000 + b"\r\n\r\n", "too long"),
    ],
    ids=["no header", "two lengths", "long URL", "long header"],
)
def test_malformed_head_is_reported_in_json_and_not_logged(service: Served, head: bytes, says: str) -> None:
    with service.connect() as sock:
        sock.sendall(head)
        status, headers, body = read_reply(sock)
    error = json.loads(body)["error"]
    assert (status, error["code"], error["request_id"]) == (400, "invalid_parameter", headers["x-request-id"])
    assert says in error["message"]
    assert headers["access-control-allow-origin"] == "*"  # a path under the stage may be what was too long
    until(lambda: any(line.get("id") == error["request_id"] for line in service.lines), "the refusal is logged")
    assert "hidden-4711" not in json.dumps(service.lines)
