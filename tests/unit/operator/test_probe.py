"""What an answer at the URL means; the asking itself, of a real server on the loopback address."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from face_comparison_operator.probe import Prober, judged
from face_comparison_operator.routing import RouteState, Target
from face_comparison_operator.status import Answer

DESCRIPTION = {"FaceModelVersion": "m-1", "name": "face_comparison"}
DENIED = {"error": {"code": "unauthorized", "message": "no key"}}


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (200, DESCRIPTION, Answer("answers", version="m-1")),
        (200, {"x-service": DESCRIPTION}, Answer("answers", version="m-1")),
        (401, DENIED, Answer("answers")),
        (403, DENIED, Answer("answers")),
        (200, {"hello": "world"}, Answer("refuses", "it answers 200")),
        (200, "<html>", Answer("refuses", "it answers 200 without the service's JSON")),
        (404, "404 page not found", Answer("refuses", "it answers 404 without the service's JSON")),
        (503, {"error": {"code": "not_ready"}}, Answer("refuses", "it answers 503")),
        (401, "who are you?", Answer("refuses", "it answers 401 without the service's JSON")),
    ],
)
def test_judgement(status: int, body: Any, answer: Answer) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    assert judged(status, text.encode()) == answer


@contextmanager
def serving(replies: dict[str, tuple[int, Any]]) -> Iterator[Any]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append((self.headers["Host"], self.path))
            code, content = replies.get(self.path, (404, {}))
            data = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            if code == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(
    port: int, *, address: str = "127.0.0.1", in_cluster: bool = False, service: dict[str, Any] | None = None
) -> Answer:
    target = Target(address, port, False, "faces.example.com", "/prod/face_comparison")

    async def main() -> Answer:
        async with Prober(in_cluster=in_cluster) as prober:
            return await prober.ask(RouteState(True, "Admitted", "", "http://x/", target), service)

    return asyncio.run(main())


def test_the_host_of_the_route_is_asked_for_at_the_published_address() -> None:
    with serving({"/prod/face_comparison": (200, DESCRIPTION)}) as server:
        assert ask(server.server_port) == Answer("answers", version="m-1")
        assert server.asked == [("faces.example.com", "/prod/face_comparison")]


def test_a_reply_that_comes_in_parts() -> None:
    """More than a connection carries at once."""
    with serving({"/prod/face_comparison": (200, {"other": "x" * 600_000, **DESCRIPTION})}) as server:
        assert ask(server.server_port) == Answer("answers", version="m-1")


def test_with_api_keys_the_version_comes_from_the_document_for_everybody() -> None:
    replies = {"/prod/face_comparison": (401, DENIED), "/prod/openapi.json": (200, {"x-service": DESCRIPTION})}
    with serving(replies) as server:
        assert ask(server.server_port) == Answer("answers", version="m-1")


def test_a_redirect_is_not_followed() -> None:
    with serving({"/prod/face_comparison": (302, {}), "/elsewhere": (200, DESCRIPTION)}) as server:
        assert ask(server.server_port).verdict == "refuses"
        assert len(server.asked) == 1


def test_an_address_that_nobody_answers_at_says_nothing_about_the_url() -> None:
    with serving({}) as server:
        port = server.server_port
    assert ask(port).verdict == "unreachable"


@pytest.mark.parametrize("address", ["", "a" * 64, "a..b", "localhost:x"])
def test_an_address_that_is_none_is_out_of_reach(address: str) -> None:
    assert ask(9, address=address).verdict == "unreachable"


def test_services_are_asked_only_inside_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({}) as server:
        nobody = server.server_port
    with serving({"/prod/face_comparison": (200, DESCRIPTION)}) as server:
        monkeypatch.setattr("face_comparison_operator.probe.SERVICE_PORT", server.server_port)
        service = {"spec": {"clusterIP": "127.0.0.1"}}
        assert ask(nobody, in_cluster=True, service=service).version == "m-1"
        assert ask(nobody, in_cluster=True, service=service).verdict == "unreachable"
        before = len(server.asked)
        assert ask(nobody, in_cluster=False, service=service).version is None
        assert ask(nobody, in_cluster=True, service={"spec": {"clusterIP": "None"}}).version is None
        assert len(server.asked) == before
