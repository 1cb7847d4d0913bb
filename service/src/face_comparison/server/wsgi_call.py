"""Calls a WSGI application and returns its response: as a whole, or part by part if it is streamed."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_log = logging.getLogger(__name__)
_WITHOUT_BODY = frozenset({204, 304})


@dataclass(slots=True)
class Reply:
    """The application's response.

    Attributes:
        status: HTTP status.
        reason: Reason phrase.
        headers: Names and values as set by the application.
        body: The whole body, or its first part.
        parts: The rest of a streamed body, to be read with `next_part`; None if `body` is the whole body.
    """

    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    parts: Parts | None = None


class Parts:
    """The rest of a streamed body. Its parts may be computed in different threads, but only one at a time."""

    def __init__(self, context: contextvars.Context, parts: Iterator[bytes], close: Callable[[], None]) -> None:
        self._context, self._parts, self._close = context, parts, close

    def next_part(self) -> bytes | Exception | None:
        """Returns the next part, or None at the end, or the error that ended the body prematurely."""
        try:
            return self._context.run(next, self._parts, None)
        except Exception as error:
            _log.exception("a streamed reply failed")
            return error

    def close(self) -> None:
        """Closes the response. Must be called once, whether or not the end was reached."""
        self._context.run(self._close)


def call_application(application: WSGIApplication, environ: dict[str, Any]) -> Reply:
    """Calls the application and returns its response; an exception becomes a response with status 500."""
    context = contextvars.copy_context()  # the request's context, in which all parts of a streamed body are computed
    try:
        return context.run(_call, application, environ, context)
    except Exception:
        _log.exception("the application failed outside of its own error handling")
        return Reply(500, b"Internal Server Error", [(b"Content-Length", b"0")], b"")


def _call(application: WSGIApplication, environ: dict[str, Any], context: contextvars.Context) -> Reply:
    reply = Reply(500, b"", [], b"")

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Callable[[bytes], Any]:
        code, _, reason = status.partition(" ")
        reply.status, reply.reason = int(code), reason.encode("latin-1")
        reply.headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return _no_write

    result: Iterable[bytes] = application(environ, start_response)
    close = getattr(result, "close", _nothing)
    try:
        parts = iter(result)
        reply.body = next(parts, b"")
        if reply.status in _WITHOUT_BODY or any(name.lower() == b"content-length" for name, _ in reply.headers):
            rest = b"".join(parts)
            reply.body = reply.body + rest if rest else reply.body
        else:
            reply.parts = Parts(context, parts, close)
            close = _nothing
        return reply
    finally:
        close()


def _no_write(_: bytes) -> None:
    raise NotImplementedError("write() of PEP 3333 is not supported: return an iterable")


def _nothing() -> None:
    pass
