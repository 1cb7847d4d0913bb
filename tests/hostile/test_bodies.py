"""Bodies that are declared and not sent, slow, or mostly framing: memory and places are for what has arrived."""

from __future__ import annotations

import json
import time

import pytest

from support.hostile import MIB, PATIENCE, connections, head, measured, probe, victim, wait_connected
from support.served import Served, read_reply, until

DECLARED = 20 * MIB


@pytest.mark.parametrize("content_type", ["application/json", "image/jpeg", "multipart/form-data; boundary=b"])
@pytest.mark.parametrize("sent", [0, 1, 70_000])
def test_declared_bodies_cost_only_what_arrives(service: Served, content_type: str, sent: int) -> None:
    request = head(content_length=DECLARED, content_type=content_type) + b"x" * sent
    with measured(service) as usage, connections(service, 66, request):
        wait_connected(service, 66)
        assert victim(service) < PATIENCE
        assert probe(service) < PATIENCE
    assert usage.peak_growth < 66 * 2 * sent + 60 * MIB


def test_endless_chunked_bodies_take_no_capacity(service: Served) -> None:
    with connections(service, 66, head(transfer_encoding="chunked") + b"10000\r\n" + b"x" * 1000):
        wait_connected(service, 66)
        assert victim(service) < PATIENCE


@pytest.mark.parametrize(
    "request_bytes",
    [
        head(content_length=DECLARED, expect="100-continue"),
        head(transfer_encoding="chunked", expect="100-continue"),
        head("/livez", "GET", content_length=0) + head(content_length=1000) + b"x" * 500,
        head("/invocations", content_length=DECLARED, content_type="image/jpeg") + b"\xff\xd8\xff" * 1000,
        head("/prod/rekognition", content_length=DECLARED) + b'{"Image":{"Bytes":"',
    ],
    ids=["asks and sends nothing", "asks and sends no chunk", "behind another request", "another route", "AWS"],
)
def test_missing_bodies_take_no_capacity(service: Served, request_bytes: bytes) -> None:
    """The first server had no route for AWS's clients; the others kept everybody out of it."""
    with measured(service) as usage, connections(service, 66, request_bytes):
        wait_connected(service, 66)
        assert victim(service) < PATIENCE
        assert probe(service) < PATIENCE
    assert usage.peak_growth < 60 * MIB


def chunked(size: int, total: int, extension: bytes = b"") -> bytes:
    one = b"%x%s\r\n%s\r\n" % (size, extension, b"x" * size)
    return one * (total // size) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("wire", "accepted"),
    [
        (chunked(1, 2 * MIB), False),
        (chunked(3, 2 * MIB), False),
        (chunked(100, MIB, b";" + b"e" * 400), False),
        (chunked(1000, 2 * MIB, b";" + b"e" * 15_000), False),
        (b"000000000000000001\r\nx\r\n" * 400_000, False),
        (b"4\r\nabcd\r\n0\r\n" + b"T: x\r\n" * 100_000 + b"\r\n", False),
        (chunked(1, 1000), True),
        (chunked(200, 200_000), True),
        (chunked(8192, 2 * MIB), True),
    ],
    ids=[
        "1 byte",
        "3 bytes",
        "extensions",
        "long extensions",
        "zeros",
        "trailers",
        "few",
        "200 bytes",
        "8 kB",
    ],
)
def test_excessive_framing_is_rejected(service: Served, wire: bytes, accepted: bool) -> None:
    with measured(service) as usage, service.connect() as sock:
        sock.sendall(head(transfer_encoding="chunked"))
        try:
            sock.sendall(wire)
        except (BrokenPipeError, ConnectionResetError):
            assert not accepted
        status, headers, body = read_reply(sock)
    error = json.loads(body)["error"]
    if accepted:
        assert error["code"] == "invalid_json"
    else:
        assert (status, error["code"], headers["connection"]) == (400, "invalid_parameter", "close")
    assert usage.cpu_seconds < 1.5


@pytest.mark.parametrize("reject", ["too large", "too small chunks"])
def test_rejected_body_is_drained_cheaply(service: Served, reject: str) -> None:
    wire = chunked(65536, 40 * MIB) if reject == "too large" else chunked(1, 8 * MIB)
    with measured(service) as usage, service.connect() as sock:
        sock.sendall(head(transfer_encoding="chunked"))
        try:
            sock.sendall(wire)
        except (BrokenPipeError, ConnectionResetError):
            return
        assert read_reply(sock)[0] in (400, 413)
    assert usage.cpu_seconds < 3
    assert usage.peak_growth < 120 * MIB


def test_trickling_body_ends_at_deadline(impatient: Served) -> None:
    began = time.monotonic()
    with connections(impatient, 30, head(content_length=1000) + b"x") as sockets:
        for sock in sockets:
            status, headers, _ = read_reply(sock)
            assert (status, headers["connection"]) == (504, "close")
    assert time.monotonic() - began < PATIENCE
    until(lambda: impatient.metric("face_comparison_memory_reserved_bytes") == 0, "their memory is given back")
