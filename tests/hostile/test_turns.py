"""No turn of the event loop is long, whatever a crowd of clients does: probes wait for several turns.

Processor time of the loop's thread is measured, in which neither other programs nor the clients count.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from hostile.test_idle import WAYS, open_many
from support.hostile import head, probe
from support.served import Served, raw_request, serving, until

CROWD = 2_500
LONGEST_TURN, EXCEPTIONS = "0.1", 2
"""A bucket of the histogram, in seconds, and how many turns may be longer: one with a garbage collection, and one on a
machine that is busy. Turns take 0.01 s; without bounds, crowds cause dozens of long ones."""

MORE_WAYS = {
    "malformed requests": b"x y\r\n\r\n",
    "rejected bodies": head("/nowhere", content_length=100_000) + b"x" * 1000,
    "small images": raw_request(b"quick"),
    "probes": b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 10,
    "chunks of a byte": head(transfer_encoding="chunked") + b"1\r\nx\r\n" * 200,
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


@pytest.mark.parametrize("name", [*WAYS, *MORE_WAYS])
def test_crowd_makes_no_turn_long(service: Served, room_for_sockets: int, name: str) -> None:
    """They come as fast as they can, and leave all at once."""
    before = long_turns(service)
    with contextlib.ExitStack() as stack:
        open_many(stack, service, {**WAYS, **MORE_WAYS}[name], CROWD, probe_every=CROWD)
    assert probe(service) > 0
    until(lambda: service.metric("face_comparison_connections") < 100, "they are gone")
    assert long_turns(service) <= before + EXCEPTIONS
