"""Heads: the environ they become, their limits, and what is rejected because it could be read in two ways."""

from __future__ import annotations

import h11
import pytest

from face_comparison.errors import InvalidParameter
from face_comparison.server.request_head import (
    MAX_HEAD_BYTES,
    MAX_HEADER_FIELDS,
    MAX_REQUEST_LINE_BYTES,
    HeadBuffer,
    RequestHead,
    parse_head,
)

PEER, SERVER = ("192.0.2.1", 40000), ("192.0.2.9", 8080)


def parse(*lines: str | bytes, host: bool = True) -> RequestHead:
    first, *rest = (line if isinstance(line, bytes) else line.encode("latin-1") for line in lines)
    head = b"\r\n".join([first, *([b"Host: x"] if host else []), *rest, b"", b""])
    return parse_head(h11.Connection(h11.SERVER), head, PEER, SERVER, multiprocess=False)


def test_builds_environ() -> None:
    head = parse(
        "POST /a%20b/%C3%A4?q=%41 HTTP/1.1", "Content-Type: text/plain", "Content-Length: 3", "X-Two: a", "x-two: b"
    )
    environ = head.environ
    assert (environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"]) == ("POST", "/a b/Ã¤", "q=%41")
    assert (environ["RAW_URI"], environ["SCRIPT_NAME"], environ["SERVER_PROTOCOL"]) == (
        "/a%20b/%C3%A4?q=%41", "", "HTTP/1.1",
    )  # fmt: skip
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"], environ["HTTP_X_TWO"]) == ("text/plain", "3", "a,b")
    assert (environ["REMOTE_ADDR"], environ["SERVER_PORT"], environ["wsgi.url_scheme"]) == ("192.0.2.1", "8080", "http")
    assert (head.length, head.chunked, head.has_body) == (3, False, True)
    assert not parse("GET / HTTP/1.1").has_body
    assert parse("POST / HTTP/1.1", "Transfer-Encoding: chunked").has_body


@pytest.mark.parametrize(
    ("target", "path"), [("http://host/p?q", "/p"), ("http://host?q", "/"), ("HTTPS://h", "/"), ("*", "*"), ("/?", "/")]
)
def test_parses_absolute_targets(target: str, path: str) -> None:
    assert parse(f"GET {target} HTTP/1.1").environ["PATH_INFO"] == path


@pytest.mark.parametrize(
    "header",
    ["SCRIPT_NAME: /x", "X_Forwarded_For: 1.2.3.4", "Script_Name: /x", "REMOTE_ADDR: 1.2.3.4", "Path_Info: /metrics",
     "X-Forwarded-Proto: https", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: evil", "X-Forwarded-Prefix: /x",
     "Forwarded: for=1.2.3.4;proto=https", "X-Forwarded-Ssl: on", "X-Forwarded-Protocol: ssl"],
)  # fmt: skip
def test_headers_cannot_change_address_scheme_or_root(header: str) -> None:
    plain, with_header = parse("GET /p HTTP/1.1").environ, parse("GET /p HTTP/1.1", header).environ
    changed = {name for name in with_header if with_header[name] != plain.get(name)}
    assert changed <= {"HTTP_" + header.split(":", maxsplit=1)[0].upper().replace("-", "_")}
    if "_" in header.split(":", maxsplit=1)[0]:
        assert not changed


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 1", "Content-Length: 2"],
        ["Content-Length: 1", "Content-Length: 1"],
        ["Content-Length: 1, 1"],
        ["Content-Length: 1", "Transfer-Encoding: chunked"],
        ["Content-Length: -1"],
        ["Content-Length: +1"],
        ["Content-Length: 0x1"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: x"],
        ["Host: y"],
        [" folded: x"],
        ["A: b\nC: d"],
        ["A: b\rC: d"],
        ["A: \0"],
        ["A : b"],
        [": b"],
        ["no colon"],
        ["Content-Type: a", "Content-Type: b"],
        ["X-Api-Key: a", "X-Api-Key: b"],
        ["Authorization: a", "Authorization: b"],
    ],
    ids="|".join,
)
def test_ambiguous_headers_are_rejected(headers: list[str]) -> None:
    with pytest.raises(InvalidParameter, match="malformed"):
        parse("POST / HTTP/1.1", *headers)


@pytest.mark.parametrize(
    "line",
    [
        "GET / HTTP/2.0",
        "GET / HTTP/0.9",
        "GET /",
        "GET  / HTTP/1.1",
        "GET x HTTP/1.1",
        "CONNECT host:80 HTTP/1.1",
        "G ET / HTTP/1.1",
    ],
)
def test_malformed_request_lines_are_rejected(line: str) -> None:
    with pytest.raises(InvalidParameter, match="malformed"):
        parse(line)


def test_chunked_encoding_requires_http_1_1() -> None:
    with pytest.raises(InvalidParameter, match="malformed"):
        parse("POST / HTTP/1.0", "Transfer-Encoding: chunked")


def test_missing_host_is_rejected() -> None:
    with pytest.raises(InvalidParameter):
        parse("GET / HTTP/1.1", host=False)


@pytest.mark.parametrize(
    "lines",
    [("GET /" + "x" * MAX_REQUEST_LINE_BYTES + " HTTP/1.1",), ("GET / HTTP/1.1", *["A: b"] * (MAX_HEADER_FIELDS + 1))],
    ids=["URL", "fields"],
)
def test_head_limits_are_enforced(lines: tuple[str, ...]) -> None:
    with pytest.raises(InvalidParameter, match="too long"):
        parse(*lines)


def test_end_of_head_is_found_across_reads() -> None:
    sent = b"\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\nrest"
    for size in range(1, len(sent) + 1):
        buffer = HeadBuffer()
        for start in range(0, len(sent), size):
            found = buffer.add(sent[start : start + size])
            if found is not None:
                break
        assert found is not None
        head, rest = found
        assert head == b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        assert b"rest".startswith(rest)


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
def test_head_is_limited_in_size(end: bytes) -> None:
    buffer = HeadBuffer()
    assert buffer.add(b"x" * (MAX_HEAD_BYTES - 1)) is None
    with pytest.raises(InvalidParameter, match="too long"):
        buffer.add(b"xx" + end)


def test_empty_lines_between_requests_are_dropped() -> None:
    buffer = HeadBuffer()
    for _ in range(100):
        assert buffer.add(b"\r\n" * 1000) is None
    assert len(buffer) == 0
