"""The body of a request: how much of it is taken, and until when. What the server below does is `connections.py`'s."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from face_comparison.errors import BodyTooLarge, DeadlineExceeded, InvalidParameter

_CHUNK = 64 * 1024

Environ = Mapping[str, Any]
Received = bytes | bytearray


def deadline(environ: Environ, seconds: float) -> float:
    """When the whole request must be over, `time.monotonic()` seconds.

    The server's connection knows when the first byte came; without it, the request begins now.
    """
    known = getattr(environ.get("gunicorn.socket"), "deadline", None)
    return known if isinstance(known, float) else time.monotonic() + seconds


def received(environ: Environ, limit: int) -> Received:
    """The whole body, at most `limit` bytes.

    Raises BodyTooLarge (a declared length without reading), DeadlineExceeded, InvalidParameter (the connection broke).
    """
    declared = _declared_length(environ)
    if declared is not None and declared > limit:
        raise _too_large(limit)
    stream = environ["wsgi.input"]
    try:
        if declared is not None:
            body: Received = stream.read(declared)  # in one call: the server then receives into one buffer
        elif "HTTP_TRANSFER_ENCODING" in environ:
            body = _received_in_chunks(stream, limit)
        else:
            body = b""
    except TimeoutError:
        raise DeadlineExceeded("the body did not arrive within the time of a request") from None
    except BodyTooLarge:
        raise
    except Exception as error:  # the server's parser has errors without a common base; these bytes were no body
        raise InvalidParameter("the body ended early, or its chunks are malformed") from error
    if declared is not None and len(body) < declared:
        raise InvalidParameter(f"the body ended after {len(body)} of {declared} bytes")
    return body


def _declared_length(environ: Environ) -> int | None:
    try:
        return max(0, int(environ["CONTENT_LENGTH"]))
    except (KeyError, ValueError):
        return None


def _received_in_chunks(stream: Any, limit: int) -> bytearray:
    body = bytearray()
    while piece := stream.read(min(_CHUNK, limit + 1 - len(body))):
        body += piece
        if len(body) > limit:
            raise _too_large(limit)
    return body


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is larger than {limit} bytes: send a smaller image, or its URL")
