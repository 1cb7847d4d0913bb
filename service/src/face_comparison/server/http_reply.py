"""Encodes the application's responses as HTTP/1.1."""

from __future__ import annotations

from email.utils import formatdate
from typing import TYPE_CHECKING

import h11

if TYPE_CHECKING:
    from face_comparison.server.wsgi_call import Reply

_HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"te", b"trailer"})


def encode_reply(protocol: h11.Connection, reply: Reply, *, close: bool, with_body: bool) -> bytes:
    """Returns the bytes of a response's head and of its body, or of the first part of a streamed body.

    Args:
        protocol: State of the connection, which is advanced.
        reply: The application's response. The end of a streamed body is not part of the result.
        close: Whether the connection will be closed after the response.
        with_body: False for the response to a HEAD request.
    """
    headers = [(name, value) for name, value in reply.headers if name.lower() not in _HOP_BY_HOP]
    headers.append((b"Date", formatdate(usegmt=True).encode()))
    headers.append((b"Connection", b"close" if close else b"keep-alive"))
    head = h11.Response(status_code=reply.status, reason=reply.reason, headers=headers)
    data = protocol.send(head) or b""
    if reply.body and with_body:
        data += protocol.send(h11.Data(data=reply.body)) or b""
    if reply.parts is None:
        data += protocol.send(h11.EndOfMessage()) or b""
    return data
