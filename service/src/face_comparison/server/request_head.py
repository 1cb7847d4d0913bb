"""Parses request heads with h11, adds limits and strictness, and converts them to a WSGI environ.

h11 tolerates input that proxies may interpret differently: bare line feeds, folded lines, a length as well as chunks,
repeated singleton headers. It is rejected here, because a request that two programs frame differently can hide another
one (request smuggling).
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import h11

from face_comparison.errors import InvalidParameter

MAX_HEAD_BYTES = 16 * 1024
MAX_HEADER_FIELDS = 100
MAX_REQUEST_LINE_BYTES = 8 * 1024

_END = b"\r\n\r\n"
_LINE_BREAKS = b"\r\n"
_SINGLETONS = frozenset({b"host", b"content-type", b"content-length", b"authorization", b"x-api-key"})
_LENGTH_NAME = b"content-length:"
_LENGTH = re.compile(rb"[ \t]*([0-9]{1,18})[ \t]*")
_TARGET = re.compile(rb"(?:https?://[^/?#]*)?(/[^?#]*|(?=\?)|$)(?:\?(.*))?", re.IGNORECASE | re.DOTALL)


def head_too_long() -> InvalidParameter:
    """Returns the error for a head that exceeds a limit in this module."""
    return InvalidParameter(
        f"the request's URL or headers are too long: at most {MAX_HEAD_BYTES} bytes in all, "
        f"{MAX_REQUEST_LINE_BYTES} of them for the request line, and {MAX_HEADER_FIELDS} headers"
    )


def malformed_request() -> InvalidParameter:
    """Returns the error for a head that is not valid HTTP/1.1, or is ambiguous."""
    return InvalidParameter("malformed HTTP/1.1 request")


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A parsed head.

    Attributes:
        environ: WSGI environ, without body and deadline.
        length: Declared length of the body in bytes; None without Content-Length.
        chunked: Whether the body is chunked.
    """

    environ: dict[str, Any]
    length: int | None
    chunked: bool

    @property
    def has_body(self) -> bool:
        """Whether a body follows the head."""
        return self.chunked or bool(self.length)


class HeadBuffer:
    """Collects the bytes of a head."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def __len__(self) -> int:
        return len(self._buffer)

    def add(self, data: bytes | memoryview) -> tuple[bytes, bytes | memoryview] | None:
        """Adds received bytes.

        Returns:
            The complete head and the rest of `data` after it; None while the head is incomplete.

        Raises:
            InvalidParameter: The head exceeds a limit.
        """
        searched = max(0, len(self._buffer) - len(_END) + 1)
        taken = 0
        if not self._buffer:  # clients may send empty lines between requests (RFC 9112, 2.2)
            taken = len(data) - len(bytes(data).lstrip(_LINE_BREAKS)) if data[:1] in _LINE_BREAKS else 0
        added = data[taken : taken + MAX_HEAD_BYTES + 1 - len(self._buffer)]
        self._buffer += added
        end = self._buffer.find(_END, searched)
        if end < 0 and len(self._buffer) <= MAX_HEAD_BYTES:
            return None
        if not 0 <= end <= MAX_HEAD_BYTES - len(_END):
            raise head_too_long()
        head = bytes(self._buffer[: end + len(_END)])
        rest = data[taken + len(added) - (len(self._buffer) - len(head)) :]
        self._buffer.clear()
        return head, rest


def parse_head(
    protocol: h11.Connection, head: bytes, peer: tuple[Any, ...], server: tuple[Any, ...], multiprocess: bool
) -> RequestHead:
    """Parses a complete head with h11 and builds the environ.

    h11 would copy every byte of a body three times. Therefore, it does not get to see a body with a declared length,
    which is announced to it as empty. Once the whole body has been received, the next event of `protocol` is the end of
    the message.

    Args:
        protocol: State of the connection.
        head: The complete head.
        peer: Address of the client.
        server: Address of the listening socket.
        multiprocess: Whether the service has several workers.

    Raises:
        InvalidParameter: The head exceeds a limit of this module, is not valid HTTP/1.1, or is ambiguous.
    """
    lines = head[: -len(_END)].split(b"\r\n")
    if len(lines[0]) > MAX_REQUEST_LINE_BYTES or len(lines) > MAX_HEADER_FIELDS + 1:
        raise head_too_long()
    lengths = [number for number, line in enumerate(lines) if line[: len(_LENGTH_NAME)].lower() == _LENGTH_NAME]
    folded = any(line[:1] in (b" ", b"\t") for line in lines)
    breaks = head.count(b"\r\n")
    bare = head.count(b"\n") != breaks or head.count(b"\r") != breaks
    if folded or len(lengths) > 1 or bare or b"\0" in head:
        raise malformed_request()
    length = None
    for number in lengths:
        found = _LENGTH.fullmatch(lines[number][len(_LENGTH_NAME) :])
        if found is None:
            raise malformed_request()
        length, lines[number] = int(found[1]), b"Content-Length: 0"
    try:
        protocol.receive_data(b"\r\n".join(lines) + _END)
        request = protocol.next_event()
    except h11.RemoteProtocolError:
        raise malformed_request() from None
    if not isinstance(request, h11.Request) or request.http_version not in (b"1.0", b"1.1"):
        raise malformed_request()
    return _request_head(request, length, _base_environ(request, peer, server, multiprocess))


def _request_head(request: h11.Request, length: int | None, environ: dict[str, Any]) -> RequestHead:
    seen: set[bytes] = set()
    chunked = False
    for name, value in request.headers:
        if name in _SINGLETONS and name in seen:
            raise malformed_request()
        seen.add(name)
        text = value.decode("latin-1")
        if name == b"content-length":
            environ["CONTENT_LENGTH"] = str(length)
        elif name == b"content-type":
            environ["CONTENT_TYPE"] = text
        elif (
            b"_" not in name
        ):  # with an underscore, a name is indistinguishable in an environ from one with a hyphen that a proxy may set
            key = "HTTP_" + name.decode("ascii").upper().replace("-", "_")
            environ[key] = f"{environ[key]},{text}" if key in environ else text
        if name == b"transfer-encoding":
            chunked = True
    if chunked and (length is not None or request.http_version == b"1.0"):
        raise malformed_request()
    return RequestHead(environ, length, chunked)


def _base_environ(
    request: h11.Request, peer: tuple[Any, ...], server: tuple[Any, ...], multiprocess: bool
) -> dict[str, Any]:
    path, query = _split_target(request.target)
    return {
        "REQUEST_METHOD": request.method.decode("ascii"),
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "RAW_URI": request.target.decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{request.http_version.decode('ascii')}",
        "REMOTE_ADDR": peer[0],
        "REMOTE_PORT": str(peer[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.input_terminated": True,
        "wsgi.multithread": True,
        "wsgi.multiprocess": multiprocess,
        "wsgi.run_once": False,
    }


def _split_target(target: bytes) -> tuple[bytes, bytes]:
    """Returns the path and query of an origin-form or absolute-form request target; `*` is returned as the path."""
    if target == b"*":
        return target, b""
    found = _TARGET.fullmatch(target)
    if found is None:
        raise malformed_request()
    return found[1] or b"/", found[2] or b""
