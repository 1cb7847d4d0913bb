"""Bodies as they arrive: their memory grows with what is there, and few chunks are parsed at once."""

from __future__ import annotations

import h11
import pytest

from face_comparison.errors import InvalidParameter
from face_comparison.server.incoming_body import MIN_GROWTH_BYTES, ChunkedBody, DeclaredBody

MIB = 2**20


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


def chunked_body() -> tuple[ChunkedBody, h11.Connection]:
    protocol = h11.Connection(h11.SERVER)
    protocol.receive_data(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    protocol.next_event()
    return ChunkedBody(protocol), protocol


def parse_all(body: ChunkedBody, wire: bytes) -> int:
    """Parses data that has arrived at once; returns how many turns it took."""
    body.add(wire)
    turns, body.has_more = 0, True
    while body.has_more:
        body.keep(body.parse())
        turns += 1
    return turns


def chunks(size: int, count: int) -> bytes:
    return b"%x\r\n%s\r\n" % (size, b"x" * size) * count


END = b"0\r\n\r\n"


@pytest.mark.parametrize("steps", [1, 7, 8191, 10**6])
@pytest.mark.parametrize("following", [b"", b"GET / HTTP/1.1\r\n" * 2000])
def test_chunked_body_equals_sent_body(steps: int, following: bytes) -> None:
    wire = chunks(5000, 3) + chunks(400, 9) + b"3;a=b\r\nyes\r\n0\r\nT: x\r\n\r\n"
    body, protocol = chunked_body()
    for start in range(0, len(wire), steps):
        assert not body.is_complete
        part = wire[start : start + steps]
        parse_all(body, part + following if start + steps >= len(wire) else part)
    assert body.is_complete
    assert protocol.trailing_data[0] + body.rest() == following
    assert body.take() == b"x" * 18_600 + b"yes"
    assert body.received == 18_603


def test_turn_parses_few_chunks_however_many_have_arrived() -> None:
    """Also after a large chunk, whose size permits much framing."""
    small = 10_000
    body, _ = chunked_body()
    body.add(chunks(20 * MIB, 1) + chunks(1, small) + END)
    turns_with_small = 0
    while not body.is_complete:
        before = body.received
        body.parse()
        turns_with_small += body.received > 20 * MIB
        assert body.received - before <= MIB
    assert turns_with_small > small / 100


def test_large_chunks_take_few_turns() -> None:
    body, _ = chunked_body()
    assert parse_all(body, chunks(65536, 4) + END) <= 3


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (b"x\r\n", "malformed"),
        (chunks(1, 10_000), "too small"),
        (b"1;" + b"e" * 15_000 + b"\r\nx\r\n", "too small"),
        (chunks(1, 1) + b"0\r\n" + b"T: x\r\n" * 10_000 + b"\r\n", "malformed|too small"),
        (b"1;" + b"e" * 100_000, "malformed|too small"),
    ],
    ids=["no size", "chunks of one byte", "extensions", "trailers", "an extension without end"],
)
def test_invalid_or_excessive_framing_is_rejected(wire: bytes, message: str) -> None:
    body, _ = chunked_body()
    with pytest.raises(InvalidParameter, match=message):
        parse_all(body, wire)
