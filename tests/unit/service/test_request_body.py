"""How much of a body is taken, from streams that behave like a server's. Real connections: `tests/live`."""

from __future__ import annotations

import io
import socket
import time

import pytest

from face_comparison.errors import BodyTooLarge, DeadlineExceeded, InvalidParameter
from face_comparison.web import request_body
from face_comparison.web.request_body import received


class Stream:
    """Gives pieces, whatever size is asked for at most; an exception among them is raised."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)
        self.asked = []

    def read(self, size):
        self.asked.append(size)
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, Exception):
            raise piece
        assert len(piece) <= size
        return piece


def sized(stream, length):
    return {"wsgi.input": stream, "CONTENT_LENGTH": str(length)}


def chunked(stream):
    return {"wsgi.input": stream, "HTTP_TRANSFER_ENCODING": "chunked"}


def test_a_body_of_known_length_is_read_in_one_go():
    stream = Stream(b"abc")
    assert received(sized(stream, 3), 3) == b"abc"
    assert stream.asked == [3]


def test_no_more_than_the_declared_length_is_taken():
    assert received(sized(io.BytesIO(b"abcdef"), 3), 10) == b"abc"


def test_a_declared_length_above_the_limit_is_refused_unread():
    stream = Stream()
    with pytest.raises(BodyTooLarge, match="2 bytes"):
        received(sized(stream, 3), 2)
    assert stream.asked == []


def test_a_body_in_chunks_may_have_the_limit_and_not_a_byte_more():
    assert received(chunked(Stream(b"abc", b"de")), 5) == b"abcde"
    stream = Stream(b"abc", b"def", b"never asked for")
    with pytest.raises(BodyTooLarge):
        received(chunked(stream), 5)
    assert stream.pieces == [b"never asked for"]
    assert stream.asked == [6, 3]


@pytest.mark.parametrize("environ", [{}, {"CONTENT_LENGTH": ""}, {"CONTENT_LENGTH": "0"}, {"CONTENT_LENGTH": "-5"}])
def test_without_a_length_there_is_no_body(environ):
    assert received({"wsgi.input": Stream(), **environ}, 10) == b""


def test_a_body_that_ends_early_says_how_early():
    with pytest.raises(InvalidParameter, match="3 of 5"):
        received(sized(Stream(b"abc"), 5), 10)


@pytest.mark.parametrize("make", [chunked, lambda stream: sized(stream, 9)])
@pytest.mark.parametrize(
    ("raised", "error"),
    [(TimeoutError(), DeadlineExceeded), (ConnectionResetError(), InvalidParameter), (ValueError(), InvalidParameter)],
)
def test_what_the_stream_raises_is_the_clients_doing(make, raised, error):
    with pytest.raises(error):
        received(make(Stream(raised)), 10)


def test_the_deadline_is_the_connections_own_when_it_has_one():
    class Connection(socket.socket):
        deadline = 12.5

    with Connection() as connection:
        assert request_body.deadline({"gunicorn.socket": connection}, 30) == 12.5
    with socket.socket() as plain:
        for environ in ({}, {"gunicorn.socket": plain}):
            assert request_body.deadline(environ, 30) == pytest.approx(time.monotonic() + 30, abs=1)
