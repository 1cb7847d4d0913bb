"""A scripted server and a client of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from face_comparison.client import (
    Client,
)
from support.scripted_server import Answer, Script


@pytest.fixture
def script() -> Iterator[Script]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            played.paths.append(self.path)
            played.headers.append({name.lower(): value for name, value in self.headers.items()})
            played.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            answer = played.answers.pop(0) if len(played.answers) > 1 else played.answers[0]
            if not answer.status:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            body = answer.body if isinstance(answer.body, bytes) else msgspec.msgpack.encode(answer.body)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.headers["Content-Length"] = "0"
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        played = Script(f"http://127.0.0.1:{server.server_port}/prod", [Answer()])
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        yield played
        server.shutdown()
        thread.join()


@pytest.fixture
def client(script: Script) -> Iterator[Client]:
    with Client(script.url, timeout=30) as created:
        yield created
