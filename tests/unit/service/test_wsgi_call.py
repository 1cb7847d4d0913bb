"""Replies of WSGI applications: whole, streamed in threads that change, without a body, broken."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import Any

from face_comparison.server.wsgi_call import Parts, call_application

Respond = Callable[..., Any]
NAME = contextvars.ContextVar("NAME", default="none")


def test_response_of_known_length_is_read_and_closed() -> None:
    closed = []

    class Result(list[bytes]):
        def close(self) -> None:
            closed.append(True)

    def application(environ: dict[str, Any], respond: Respond) -> Result:
        respond("201 Made", [("Content-Length", "4"), ("X-A", "b")])
        return Result([environ["one"], b"cd"])

    reply = call_application(application, {"one": b"ab"})
    assert (reply.status, reply.reason, reply.body, reply.parts) == (201, b"Made", b"abcd", None)
    assert (b"X-A", b"b") in reply.headers
    assert closed == [True]


def test_response_parts_share_one_context() -> None:
    def application(environ: dict[str, Any], respond: Respond) -> Iterator[bytes]:
        respond("200 OK", [])
        token = NAME.set("mine")
        for number in range(3):
            yield f"{NAME.get()} {number}".encode()
        NAME.reset(token)

    reply = call_application(application, {})
    assert reply.body == b"mine 0"
    parts = reply.parts
    assert isinstance(parts, Parts)
    found: list[bytes | Exception | None] = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: found.append(parts.next_part()))
        thread.start()
        thread.join()
    assert found == [b"mine 1", b"mine 2", None]
    parts.close()
    assert NAME.get() == "none"


def test_bodyless_status_has_no_length() -> None:
    def application(environ: dict[str, Any], respond: Respond) -> list[bytes]:
        respond("304 Not Modified", [])
        return []

    assert call_application(application, {}).parts is None


def test_application_error_is_500() -> None:
    def application(environ: dict[str, Any], respond: Respond) -> list[bytes]:
        raise RuntimeError("secret")

    reply = call_application(application, {})
    assert (reply.status, reply.body) == (500, b"")
