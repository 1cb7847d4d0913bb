"""How much of a body is taken, from streams that behave like a server's. Real connections: `tests/live`."""

from __future__ import annotations

import io
import time

import pytest

from face_comparison.errors import BodyTooLarge, InvalidParameter
from face_comparison.web import environ, request_body
from face_comparison.web.environ import Body
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


def test_body_of_known_length_is_read_at_once():
    stream = Stream(b"abc")
    assert received(sized(stream, 3), 3) == b"abc"
    assert stream.asked == [3]


def test_reads_at_most_declared_length():
    assert received(sized(io.BytesIO(b"abcdef"), 3), 10) == b"abc"


def test_declared_length_above_limit_is_rejected_unread():
    stream = Stream()
    with pytest.raises(BodyTooLarge, match="2 bytes"):
        received(sized(stream, 3), 2)
    assert stream.asked == []


def test_body_of_unknown_length_is_limited():
    assert received(chunked(Stream(b"abcde")), 5) == b"abcde"
    stream = Stream(b"abcdef")
    with pytest.raises(BodyTooLarge):
        received(chunked(stream), 5)
    assert stream.asked == [6]


@pytest.mark.parametrize("headers", [{}, {"CONTENT_LENGTH": ""}, {"CONTENT_LENGTH": "0"}, {"CONTENT_LENGTH": "-5"}])
def test_missing_length_means_no_body(headers):
    assert received({"wsgi.input": Stream(), **headers}, 10) == b""


def test_truncated_body_reports_length():
    with pytest.raises(InvalidParameter, match="3 of 5"):
        received(sized(Stream(b"abc"), 5), 10)


def test_collected_body_is_not_copied():
    collected = bytearray(b"abc")
    assert received(sized(Body(collected), 3), 3) is collected


def test_collected_body_excludes_bytes_already_read():
    body = Body(bytearray(b"abcdef"))
    assert body.read(2) == b"ab"
    assert body.take() == b"cdef"
    assert body.read() == b""


def test_server_deadline_is_used():
    assert request_body.deadline({environ.DEADLINE: 12.5}, 30) == 12.5
    assert request_body.deadline({}, 30) == pytest.approx(time.monotonic() + 30, abs=1)
