"""Calls a WSGI application and returns its reply, whole or, where it is streamed, part by part."""

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
    """What the application answered.

    Attributes:
        status: HTTP status.
        reason: Reason phrase.
        headers: Names and values as the application gave them.
        body: The whole body, or its first part.
        parts: The rest of a streamed body, None when `body` is all of it. Read it with `next_part`.
    """

    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    parts: Parts | None = None


class Parts:
    """The rest of a streamed body. Its parts may be computed in different threads, one after the other."""

    def __init__(self, context: contextvars.Context, parts: Iterator[bytes], close: Callable[[], None]) -> None:
        self._context, self._parts, self._close = context, parts, close

    def next_part(self) -> bytes | Exception | None:
        """Returns the next part, None at the end, the error when there will be no more although this is not the end."""
        try:
            return self._context.run(next, self._parts, None)
        except Exception as error:
            _log.exception("a streamed reply failed")
            return error

    def close(self) -> None:
        """Must be called once, whether or not the end was reached."""
        self._context.run(self._close)


def call_application(application: WSGIApplication, environ: dict[str, Any]) -> Reply:
    """Returns the application's reply; never raises."""
    context = contextvars.copy_context()  # of this request: all parts of a streamed reply are computed in it
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
