"""The program that `helm test` runs in the operator's container image, against fake operators and services."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prometheus_client import generate_latest

from devtools.helm import CHART
from face_comparison_operator.metrics import Metrics

PROGRAM = (CHART / "files" / "helm-test.py").read_text()


class Answers(ThreadingHTTPServer):
    """Status and text by path."""

    pages: dict[str, tuple[int, bytes]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Answers

    def do_GET(self) -> None:
        status, text = self.server.pages.get(self.path, (404, b""))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def cluster() -> Iterator[Answers]:
    """A working operator and a ready service."""
    server = Answers(("127.0.0.1", 0), _Handler)
    server.pages = {"/metrics": (200, exposition(1)), "/readyz": (200, b"{}")}
    threading.Thread(target=server.serve_forever, args=(0.05,)).start()
    yield server
    server.shutdown()
    server.server_close()


def exposition(leader: int) -> bytes:
    """Returns the real exposition of an operator that is, or is not, the leader."""
    metrics = Metrics()
    metrics.leader.set(leader)
    return generate_latest(metrics.registry)


def run(cluster: Answers, service: bool = True) -> subprocess.CompletedProcess[str]:
    addresses = {"OPERATOR_METRICS": f"{cluster.url}/metrics"} | ({"SERVICE": cluster.url} if service else {})
    # The proxy does not exist: in-cluster addresses are requested directly.
    environment = os.environ | addresses | {"SECONDS": "0", "http_proxy": "http://192.0.2.1:3128"}
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("service", [True, False])
def test_passes_if_everything_responds(cluster: Answers, service: bool) -> None:
    if not service:
        del cluster.pages["/readyz"]
    result = run(cluster, service)
    assert result.returncode == 0, result.stderr
    assert "an operator works" in result.stdout
    assert ("the service is ready" in result.stdout) is service


@pytest.mark.parametrize(
    ("path", "page", "complaint"),
    [
        ("/metrics", (200, exposition(0)), "an operator works"),
        ("/metrics", (404, b""), "HTTP Error 404"),
        ("/readyz", (503, b""), "the service is ready"),
    ],
)
def test_fails_and_names_what_does_not_respond(
    cluster: Answers, path: str, page: tuple[int, bytes], complaint: str
) -> None:
    cluster.pages[path] = page
    result = run(cluster)
    assert result.returncode == 1
    assert complaint in result.stderr


def test_fails_without_server(cluster: Answers) -> None:
    cluster.shutdown()
    cluster.server_close()
    result = run(cluster)
    assert result.returncode == 1
    assert "an operator works" in result.stderr
