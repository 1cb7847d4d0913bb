"""Bodies as they arrive: their memory grows with what is there, and chunks are parsed in bounded slices."""

from __future__ import annotations

import h11
import pytest

from face_comparison.errors import InvalidParameter
from face_comparison.server.incoming_body import MIN_GROWTH_BYTES, ChunkedBody, DeclaredBody


def receive(body: DeclaredBody, data: bytes) -> None:
    """As the event loop does, as much at once as there is room for."""
    while data:
        if growth := body.growth():
            body.grow(growth)
        room = body.room()
        part, data = data[: len(room)], data[len(room) :]
        room[: len(part)] = part
        body.fill(len(part))


@pytest.mark.parametrize("length", [1, 1000, MIN_GROWTH_BYTES, MIN_GROWTH_BYTES + 1, 1_000_003])
@pytest.mark.parametrize("step", [1, 999, 70_000, 2_000_000])
def test_declared_body_equals_sent_body(length: int, step: int) -> None:
    sent = bytes(index % 251 for index in range(length))
    body = DeclaredBody(length)
    for start in range(0, min(length, 1000 * step), step):
        assert not body.is_complete
        receive(body, sent[start : start + step])
    assert body.received == min(length, 1000 * step)
    assert body.is_complete == (body.received == length)
    assert body.take()[: body.received] == sent[: body.received]


def test_memory_grows_with_received_bytes() -> None:
    body, held = DeclaredBody(20 * 2**20), 0
    while not body.is_complete:
        growth = body.growth()
        held += growth
        assert held <= max(MIN_GROWTH_BYTES, 2 * body.received)
        body.grow(growth)
        body.fill(len(body.room()))
    assert held == body.length
    assert len(body.take()) == body.length


def test_buffered_bytes_are_allocated_immediately() -> None:
    body = DeclaredBody(10 * MIN_GROWTH_BYTES)
    assert body.growth(3 * MIN_GROWTH_BYTES) == 3 * MIN_GROWTH_BYTES
    assert body.growth(100 * MIN_GROWTH_BYTES) == 10 * MIN_GROWTH_BYTES
    assert not DeclaredBody(0).growth()


def test_discarded_body_takes_no_memory() -> None:
    body = DeclaredBody(3)
    body.fill(3)
    assert body.is_complete
    assert body.take() == b""


def test_body_can_be_dropped_while_receiving() -> None:
    body = DeclaredBody(100)
    body.grow(body.growth())
    body.room()
    body.take()
    body.fill(50)
    assert (body.received, body.take()) == (50, b"")


def chunked_body() -> ChunkedBody:
    protocol = h11.Connection(h11.SERVER)
    protocol.receive_data(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    protocol.next_event()
    return ChunkedBody(protocol)


def test_chunks_are_parsed_in_slices() -> None:
    wire = b"%x\r\n%s\r\n" % (5000, b"x" * 5000) + b"0\r\n\r\n"
    body, rest, slices = chunked_body(), wire, 0
    while not body.is_complete:
        content, rest = body.parse(rest)
        body.keep(content)
        slices += 1
    assert (body.take(), body.received) == (b"x" * 5000, 5000)
    assert slices > 3


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (b"x\r\n", "malformed"),
        (b"1\r\nx\r\n" * 10_000, "too small"),
        (b"1;" + b"e" * 15_000 + b"\r\nx\r\n", "too small"),
    ],
    ids=["no size", "chunks of one byte", "extensions"],
)
def test_invalid_or_excessive_framing_is_rejected(wire: bytes, message: str) -> None:
    body = chunked_body()
    with pytest.raises(InvalidParameter, match=message):
        while wire:
            _, wire = body.parse(wire)
