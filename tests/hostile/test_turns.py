"""No turn of the event loop is long, whatever a crowd of clients does: probes wait for several turns.

Processor time of the loop's thread is measured, in which neither other programs nor the clients count.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator

import pytest

from hostile.test_idle import WAYS
from support.hostile import PATIENCE, head, probe
from support.served import Served, raw_request, serving, until

CROWD, FEW = 2_400, 200
"""Number of clients, and of those that send what takes 10 ms to parse."""
LONGEST_TURN, EXCEPTIONS = "0.1", 1
"""A bucket of the histogram, in seconds, and the number of turns that may be longer: one with a garbage collection.
Turns take 0.01 to 0.02 s, twice as much on a busy machine. The bounds cover for one another: without all of them, more
turns are longer."""

MORE_WAYS = {
    "malformed requests": b"x y\r\n\r\n",
    "rejected bodies": head("/nowhere", content_length=100_000) + b"x" * 1000,
    "small images": raw_request(b"quick"),
    "probes": b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 10,
    "chunks of a byte": head(transfer_encoding="chunked") + b"1\r\nx\r\n" * 1_300,
    "long heads": b"GET /nowhere HTTP/1.1\r\nHost: x\r\n" + b"X: %s\r\n" % (b"y" * 120) * 90 + b"\r\n",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("turns"), threads=2, queue=8, request_seconds=30) as served:
        served.wait_ready()
        for first in MORE_WAYS.values():  # the first time, more is imported
            with served.connect() as sock:
                sock.sendall(first)
                assert sock.recv(1)
        yield served


def long_turns(service: Served) -> float:
    """The number of turns that have been long so far."""
    name = "face_comparison_loop_turn_seconds"
    values = dict(line.rsplit(" ", 1) for line in service.get("/metrics").data.decode().splitlines())
    return float(values.get(f"{name}_count", 0)) - float(values.get(f'{name}_bucket{{le="{LONGEST_TURN}"}}', 0))


@contextlib.contextmanager
def stopped(service: Served) -> Iterator[None]:
    """Within the context, the worker does nothing: it finds all that happens meanwhile at once."""
    (worker,) = service.workers()
    os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker, signal.SIGCONT)


@pytest.mark.usefixtures("room_for_sockets")
@pytest.mark.parametrize("name", [*WAYS, *MORE_WAYS])
def test_crowd_makes_no_turn_long(service: Served, name: str) -> None:
    """They come, send, and leave all at once."""
    before = long_turns(service)
    address = ("127.0.0.1", service.port)
    with contextlib.ExitStack() as leaving, contextlib.ExitStack() as crowd:
        with stopped(service):
            for _ in range(CROWD):
                sock = crowd.enter_context(socket.create_connection(address, PATIENCE))
                sock.sendall({**WAYS, **MORE_WAYS}[name])
        assert probe(service) > 0
        leaving.enter_context(stopped(service))
    until(lambda: service.metric("face_comparison_connections") < 100, "they are gone")
    assert long_turns(service) <= before + EXCEPTIONS
