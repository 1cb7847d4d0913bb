"""Requests that two programs could frame differently: never is a request answered that stands within another's body."""

from __future__ import annotations

import contextlib
import re

import pytest

from support.served import LIMIT, Served

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
BODY = b"0\r\n\r\n" + SMUGGLED


def statuses(service: Served, sent: bytes, *, half_close: bool = True) -> list[int]:
    """Of all replies to some bytes, until the connection ends.

    half_close: close this side after them, as a client does that waits for one reply only.
    """
    received = b""
    with service.connect() as sock, contextlib.suppress(ConnectionResetError, BrokenPipeError):
        sock.settimeout(LIMIT)
        sock.sendall(sent)
        if half_close:
            with contextlib.suppress(OSError):
                sock.shutdown(1)
        while data := sock.recv(65536):
            received += data
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


def request(*headers: bytes, body: bytes = BODY, line: bytes = b"POST /nowhere HTTP/1.1") -> bytes:
    return b"\r\n".join([line, b"Host: x", *headers, b"", b""]) + body


LENGTH = b"Content-Length: %d" % len(BODY)


@pytest.mark.parametrize(
    "headers",
    [
        [LENGTH, b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: chunked", LENGTH],
        [LENGTH, b"Transfer-Encoding: identity"],
        [b"Transfer-Encoding: identity"],
        [b"Transfer-Encoding: chunked, identity"],
        [b"Transfer-Encoding: gzip, chunked"],
        [b"Transfer-Encoding: xchunked"],
        [b"Transfer-Encoding: chunked;q=1"],
        [b'Transfer-Encoding: "chunked"'],
        [b"Transfer-Encoding: \x0bchunked"],
        [b"Transfer-Encoding:\x00chunked"],
        [b"Transfer-Encoding : chunked"],
        [b"Transfer-Encoding\t: chunked"],
        [b" Transfer-Encoding: chunked"],
        [b"X: y", b"\tTransfer-Encoding: chunked"],
        [b"X: y\nTransfer-Encoding: chunked"],
        [b"X: y\rTransfer-Encoding: chunked"],
        [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding:", LENGTH],
        [b"Content-Length: 5", LENGTH],
        [b"Content-Length: 5, %d" % len(BODY)],
        [b"Content-Length: +%d" % len(BODY)],
        [b"Content-Length: -5"],
        [b"Content-Length: 0x10"],
        [b"Content-Length: 5 5"],
        [b"Content-Length: 1e2"],
        [b"Content-Length: %d" % 2**80],
        [b"Content-Length:"],
        [b"Content-Length : %d" % len(BODY)],
        [b"Content-Length: \xb2"],
        [b"Content-Length: \xef\xbc\x95"],
    ],
    ids=lambda headers: ascii(b"|".join(headers))[2:-1][:60],
)
def test_ambiguous_head_closes_connection(service: Served, headers: list[bytes]) -> None:
    """The first server took a coding before `chunked`, and a length of 25 digits, and answered what it took for a body.

    The others guard against a regression: gunicorn's parser, which it used, rejects them, too.
    """
    assert statuses(service, request(*headers)) == [400]


@pytest.mark.parametrize(
    "chunks",
    [
        b"5\r\nhello\r\n0\r\nX: " + SMUGGLED + b"\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"5 \n hello\r\n0\r\n\r\n",
        b"5\nhello\n0\n\n",
        b"5\rXhello\r\n0\r\n\r\n",
        b"5\r\nhelloXX0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5;a\nb\r\nhello\r\n0\r\n\r\n",
        b"\r\n5\r\nhello\r\n0\r\n\r\n",
        b"%x\r\nhello\r\n0\r\n\r\n" % 2**70,
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"\xef\xbc\x95\r\nhello\r\n0\r\n\r\n",
        b"5_0\r\nhello\r\n0\r\n\r\n",
    ],
    ids=["trailer", "0x", "plus", "line feed", "line feeds", "return", "no end", "half an end", "extension",
         "empty line", "huge", "minus", "wide digit", "underscore"],
)  # fmt: skip
def test_ambiguous_chunks_close_connection(service: Served, chunks: bytes) -> None:
    """Guards against a regression: gunicorn's parser, which the first server used, rejects them, too."""
    sent = request(b"Transfer-Encoding: chunked", body=chunks + SMUGGLED, line=b"POST /prod/face_comparison HTTP/1.1")
    assert statuses(service, sent) == [400]


@pytest.mark.parametrize(
    "headers",
    [
        [b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"],
        [b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Key: AAAA"],
        [b"Upgrade: TLS/1.0", b"Connection: Upgrade"],
        [b"TE: trailers, deflate;q=0.5", b"Connection: TE"],
        [b"Trailer: X"],
        [b"Expect: 200-ok"],
        [b"Connection: content-length"],
        [b"Connection: transfer-encoding"],
        [b"Proxy-Connection: keep-alive", b"Keep-Alive: timeout=1000000"],
        [b"Max-Forwards: 0"],
        [b"X-HTTP-Method-Override: DELETE"],
    ],
    ids=lambda headers: headers[0].decode()[:30],
)
def test_request_preferences_do_not_change_framing(service: Served, headers: list[bytes]) -> None:
    """Guards against a regression: the first server ignored them, but for an unknown `Expect`, which it rejected."""
    next_request = request(b"Connection: close", body=b"", line=b"GET /livez HTTP/1.1")
    assert statuses(service, request(*headers, LENGTH) + next_request, half_close=False) == [404, 200]


@pytest.mark.parametrize("line", [b"PRI * HTTP/2.0", b"GET / HTTP/3", b"\x16\x03\x01\x02\x00\x01", b"SSH-2.0-x", b"{}"])
def test_other_protocols_are_rejected(service: Served, line: bytes) -> None:
    """Guards against a regression: the first server did this, too."""
    assert statuses(service, request(b"Connection: close", body=SMUGGLED, line=line)) == [400]


@pytest.mark.parametrize("expect", [b"100-continue", b"100-Continue", b"100-continue, 100-continue"])
def test_unsolicited_body_belongs_to_its_request(service: Served, expect: bytes) -> None:
    """Whether what follows a rejection is the body cannot be known: the connection ends."""
    found = statuses(service, request(b"Expect: " + expect, LENGTH))
    assert found in ([404], [400])
