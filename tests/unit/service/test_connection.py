"""A connection's time limits and its ways of reading a body, on real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from gunicorn.http.unreader import SocketUnreader

from face_comparison.server.connection import SizedBody, TimedSocket

LONG = 30.0


@pytest.fixture
def pair() -> Iterator[tuple[TimedSocket, socket.socket]]:
    ours, theirs = socket.socketpair()
    timed = TimedSocket.of(ours, LONG)
    timed.deadline = time.monotonic() + LONG
    with timed, theirs:
        yield timed, theirs


def body(sock: TimedSocket, length: int, came_with_the_head: bytes = b"") -> SizedBody:
    unreader = SocketUnreader(sock)
    unreader.unread(came_with_the_head)
    return SizedBody(length, unreader)


def test_a_body_is_what_came_with_the_head_and_what_follows(pair: tuple[TimedSocket, socket.socket]) -> None:
    sock, client = pair
    read = body(sock, 11, b"hello ")
    client.sendall(b"worldGET /next")
    assert read.read(11) == b"hello world"
    assert read.read(11) == b""
    assert sock.recv(100) == b"GET /next"


def test_the_next_request_is_left_alone(pair: tuple[TimedSocket, socket.socket]) -> None:
    sock, _ = pair
    read = body(sock, 5, b"helloGET /next")
    assert read.read() == b"hello"
    assert read._unreader.take_buffered() == b"GET /next"


def test_reading_in_pieces_and_lines(pair: tuple[TimedSocket, socket.socket]) -> None:
    sock, client = pair
    client.sendall(b"one\ntwo\nthree, and more")
    read = body(sock, 13)
    assert read.read(2) == b"on"
    assert read.readline() == b"e\n"
    assert read.readline(2) == b"tw"
    assert list(read) == [b"o\n", b"three"]


def test_a_large_body_is_read_whole_while_it_trickles_in(pair: tuple[TimedSocket, socket.socket]) -> None:
    sock, client = pair
    sent = bytes(range(256)) * 8192

    def send() -> None:
        for start in range(0, len(sent), 100_000):
            client.sendall(sent[start : start + 100_000])

    sender = threading.Thread(target=send)
    sender.start()
    assert body(sock, len(sent)).read(len(sent)) == sent
    sender.join(LONG)


def test_a_client_that_hangs_up_leaves_a_short_body(pair: tuple[TimedSocket, socket.socket]) -> None:
    sock, client = pair
    client.sendall(b"half")
    client.shutdown(socket.SHUT_WR)
    read = body(sock, 8)
    assert read.read(8) == b"half"
    assert read.read(8) == b""


def test_the_deadline_is_that_of_all_reads_together(pair: tuple[TimedSocket, socket.socket]) -> None:
    """A byte now and then resets no clock."""
    sock, client = pair
    sock.deadline = time.monotonic() + 0.2
    stop = threading.Event()

    def trickle() -> None:
        while not stop.wait(0.01):
            client.sendall(b".")

    sender = threading.Thread(target=trickle)
    sender.start()
    try:
        with pytest.raises(TimeoutError):
            body(sock, 10_000).read(10_000)
    finally:
        stop.set()
        sender.join(LONG)


def test_a_client_that_reads_nothing_is_given_up(pair: tuple[TimedSocket, socket.socket]) -> None:
    sock, _ = pair
    sock.seconds = 0.2
    with pytest.raises(TimeoutError):
        sock.sendall(bytes(50_000_000))


def test_what_nobody_reads_is_dropped_as_far_as_it_has_come(pair: tuple[TimedSocket, socket.socket]) -> None:
    sock, _ = pair
    refused = body(sock, 1000, b"x" * 300)
    assert refused.skip_received() == 700
    assert refused.read(1) == b""
    refused = body(sock, 300, b"x" * 300 + b"GET /next")
    assert refused.skip_received() == 0
    assert refused._unreader.take_buffered() == b"GET /next"


def test_what_is_thrown_away_ends_where_the_next_request_begins() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        accepted, _ = listener.accept()
        with TimedSocket.of(accepted, LONG) as sock:
            client.sendall(b"refused" * 100_000 + b"GET /next")
            client.shutdown(socket.SHUT_WR)
            left = len(b"refused") * 100_000
            while left:
                dropped = sock.discard(left)
                assert dropped
                left -= dropped
            assert sock.recv(100, socket.MSG_WAITALL) == b"GET /next"
            assert sock.discard(100) == 0
