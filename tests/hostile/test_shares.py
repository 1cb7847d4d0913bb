"""An address that takes all it can takes it from itself: others keep their connections, uploads, and probes."""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hostile import MIB, PATIENCE, head
from support.served import Served, img, read_reply, serving, until

CROWD_ADDRESS, OTHER_ADDRESS = "127.0.0.9", "127.0.0.1"
CROWD = 2_400
"""More than may be open."""


def connect(service: Served, address: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), PATIENCE, source_address=(address, 0))


@contextlib.contextmanager
def crowd(service: Served, first: bytes, count: int) -> Iterator[None]:
    """Within the context, an address keeps that many connections open, and replaces each that is closed."""
    ended = threading.Event()
    opened = threading.Event()

    def replace() -> None:
        with selectors.DefaultSelector() as selector:
            while not ended.is_set():
                for _ in range(min(20, count - len(selector.get_map()))):
                    with contextlib.suppress(OSError):
                        sock = connect(service, CROWD_ADDRESS)
                        sock.setblocking(False)
                        selector.register(sock, selectors.EVENT_READ)
                        sock.send(first)
                if len(selector.get_map()) >= count:
                    opened.set()
                for key, _ in selector.select(0.01):
                    sock = key.fileobj  # type: ignore[assignment]
                    with contextlib.suppress(BlockingIOError, ConnectionError):
                        if sock.recv(65536):
                            continue
                    selector.unregister(sock)
                    sock.close()
            for key in [*selector.get_map().values()]:
                key.fileobj.close()  # type: ignore[union-attr]

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        until(lambda: opened.is_set() or service.metric("face_comparison_connections") >= 2000, "the crowd is there")
        yield
    finally:
        ended.set()
        thread.join(60)


@pytest.mark.usefixtures("room_for_sockets")
@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"GET /prod/ HTTP/1.1\r\nHo",
        head(content_length=9) + b"{",
        head(transfer_encoding="chunked") + b"5\r\nab",
        head(content_length=20 * MIB, expect="100-continue"),
        b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["silent", "half a head", "half a body", "half of chunks", "asks first", "probes"],
)
def test_crowd_of_one_address_closes_no_connection_of_others(service: Served, first: bytes) -> None:
    """None of their requests is rejected, either. With all in one crowd, most of them were reset."""
    body = json.dumps(img(b"quick")).encode()
    with connect(service, OTHER_ADDRESS) as idle, crowd(service, first, CROWD):
        for number in range(30):
            with connect(service, OTHER_ADDRESS) as sock:
                sock.sendall(head(content_length=len(body)))
                if number % 10 == 0:
                    time.sleep(0.2)  # the length of a way through the network
                sock.sendall(body)
                assert read_reply(sock)[0] == 200
        idle.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_reply(idle)[0] == 200


def test_small_uploads_of_one_address_push_out_no_large_one(tmp_path: Path) -> None:
    """The large one holds more memory than each of the others, and for longer."""
    size, step, many = 12 * MIB, MIB, 300
    body = b'{"img":"' + b"A" * (size - 12) + b'"}'
    evicted = 'face_comparison_evictions_total{reason="slow_upload"}'
    with serving(tmp_path, threads=2, queue=8, memory_bytes=512 * MIB, request_seconds=60) as service:
        service.wait_ready()
        small = head(content_length=MIB) + b"x" * (MIB - 1)
        with contextlib.ExitStack() as stack, connect(service, OTHER_ADDRESS) as sock:
            sock.sendall(head(content_length=len(body)) + body[:-step])
            for _ in range(many):
                each = stack.enter_context(connect(service, CROWD_ADDRESS))
                with contextlib.suppress(OSError):
                    each.sendall(small)
            until(lambda: service.metric(evicted) > 0, "there is not enough memory for all")
            sock.sendall(body[-step:])
            status, _, answer = read_reply(sock)
            assert status != 429, answer
