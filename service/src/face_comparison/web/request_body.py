"""Reads the body of a request with a size limit. The server has received it before the application runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from face_comparison.errors import BodyTooLarge, InvalidParameter
from face_comparison.web import environ as keys

Environ = Mapping[str, Any]
Received = bytes | bytearray


def deadline(environ: Environ, seconds: float) -> float:
    """Returns the deadline of the request, in `time.monotonic()` seconds.

    Our own server knows when the first byte arrived. Under any other server, the time counts from now.
    """
    known = environ.get(keys.DEADLINE)
    return known if isinstance(known, float) else time.monotonic() + seconds


def received(environ: Environ, limit: int) -> Received:
    """Returns the whole body, at most `limit` bytes.

    Raises:
        BodyTooLarge: The body, or its declared length, exceeds the limit.
        InvalidParameter: The body is shorter than declared.
    """
    declared = declared_length(environ)
    if declared is not None and declared > limit:
        raise too_large(limit)
    stream = environ["wsgi.input"]
    if isinstance(stream, keys.Body):
        return stream.take()
    body: Received = stream.read(limit + 1 if declared is None else declared)
    if len(body) > limit:
        raise too_large(limit)
    if declared is not None and len(body) < declared:
        raise InvalidParameter(f"the body ended after {len(body)} of {declared} bytes")
    return body


def declared_length(environ: Environ) -> int | None:
    """Returns the Content-Length in bytes, or None if it is missing or invalid."""
    try:
        return max(0, int(environ["CONTENT_LENGTH"]))
    except (KeyError, ValueError):
        return None


def too_large(limit: int) -> BodyTooLarge:
    """Returns the error for a body of more than `limit` bytes."""
    return BodyTooLarge(f"the body is larger than {limit} bytes: send a smaller image, or its URL")
