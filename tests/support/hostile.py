"""The cost of hostile clients to the service and its other clients."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psutil

from support.served import LIMIT, Served, raw_request, read_reply, until

MIB = 2**20
PATIENCE = 15.0
"""Seconds that a good request may take although the machine does other things: half of what the attacks cost it."""


def victim(service: Served, order: bytes = b"quick") -> float:
    """Sends one good image as another client would, retrying on 429; returns the seconds until its response.

    A client with the address that fills the queue may have to retry.
    """
    began = time.monotonic()
    replies: list[tuple[int, bytes]] = []

    def is_answered() -> bool:
        with service.connect() as sock:
            sock.settimeout(PATIENCE)
            sock.sendall(raw_request(order, close=True))
            status, _, body = read_reply(sock)
        replies.append((status, body))
        return status != 429

    until(is_answered, "a good image is answered", seconds=PATIENCE)
    status, body = replies[-1]
    assert status == 200, body
    return time.monotonic() - began


def probe(service: Served) -> float:
    """Requests `/livez` on a new connection; returns the seconds until the response."""
    began = time.monotonic()
    with service.connect() as sock:
        sock.settimeout(PATIENCE)
        sock.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert read_reply(sock)[0] == 200
    return time.monotonic() - began


@dataclass
class Usage:
    """Resource usage of all processes of a service during a period."""

    cpu_seconds: float = 0.0
    peak_growth: int = 0
    """Resident bytes, above what there was at the beginning."""
    samples: list[int] = field(default_factory=list)


@contextlib.contextmanager
def measured(service: Served) -> Iterator[Usage]:
    """Measures the service's usage during a block; complete after it."""
    processes = [psutil.Process(service.process.pid), *psutil.Process(service.process.pid).children(recursive=True)]

    def resident() -> int:
        return int(sum(process.memory_info().rss for process in processes))

    def seconds() -> float:
        return float(sum(sum(process.cpu_times()[:2]) for process in processes))

    usage, ended = Usage(), threading.Event()
    before_bytes, before_seconds = resident(), seconds()

    def watch() -> None:
        while not ended.wait(0.01):
            usage.samples.append(resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield usage
    finally:
        ended.set()
        watcher.join(LIMIT)
        usage.cpu_seconds = seconds() - before_seconds
        usage.peak_growth = max([*usage.samples, before_bytes]) - before_bytes


@contextlib.contextmanager
def connections(service: Served, count: int, first_bytes: bytes = b"") -> Iterator[list[socket.socket]]:
    """Yields open connections that have sent something each, including those that the service closes."""
    with contextlib.ExitStack() as stack:
        sockets = []
        for _ in range(count):
            sock = stack.enter_context(service.connect())
            sockets.append(sock)
            with contextlib.suppress(OSError):
                sock.sendall(first_bytes)
        yield sockets


def wait_connected(service: Served, count: int) -> None:
    until(lambda: service.metric("face_comparison_connections") >= count, f"{count} clients are connected")


def head(path: str = "/prod/face_comparison", method: str = "POST", **headers: str | int) -> bytes:
    """Returns a request's head; `content_length=5` becomes `Content-Length: 5`."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x"]
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()
