"""The published URL is requested: what responds there decides whether the resource is ready."""

from __future__ import annotations

import http.server
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from devtools.k8s.api import Faces, until
from devtools.k8s.certificates import self_signed
from face_comparison_operator.api_resources import DEPLOYMENT, INGRESS
from face_comparison_operator.resource import IDENTITY_HEADER
from support.reported_reasons import reported_reasons
from support.server_thread import in_thread

pytestmark = pytest.mark.cluster

CPU = {"type": "cpu"}


@contextmanager
def answering(
    status: int, body: object, headers: dict[str, str] | None = None, certificate: Path | None = None
) -> Iterator[Any]:
    """A server on the loopback address, to which a test points the Ingress; its `reply` can be changed.

    With an `identity`, it represents the pods of the resource with that UID; with a `certificate` (PEM), it uses TLS.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.paths.append((self.headers["Host"], self.path))
            code, content = server.first.pop() if server.first else server.reply
            data = json.dumps(content).encode()
            self.send_response(code)
            if server.identity and code == 200:
                self.send_header(IDENTITY_HEADER, server.identity)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Logs nothing."""

    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.reply, server.first, server.paths, server.identity = (status, body), [], [], None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with in_thread(server):
        yield server


def test_url_not_leading_to_pods_is_not_ready(faces: Faces) -> None:
    with answering(404, {"message": "no such route"}) as server:
        faces.create("faces", accelerator=CPU, stage="v9", route={"host": "faces.example.com"})
        faces.publish("faces", port=server.server_port)
        ready = faces.wait_for("faces", "EndpointUnreachable")
        assert "404" in ready["message"]
        assert faces.condition("faces", "RouteReady")["status"] == "False"
        server.reply = (200, {"FaceModelVersion": "test-7"})
        until(
            lambda: faces.condition("faces")["message"],
            lambda message: "another face-comparison service" in message,
            "a service that answers there is not taken for its own",
        )
        server.identity = faces.get("faces")["metadata"]["uid"]
        faces.wait_for("faces", "Deployed")
        assert faces.condition("faces", "RouteReady")["reason"] == "EndpointReachable"
        status = faces.get("faces")["status"]
        assert status["modelVersion"] == "test-7"
        assert status["url"] == f"http://faces.example.com:{server.server_port}/v9/face_comparison"
        assert set(server.paths) == {("faces.example.com", "/v9/face_comparison")}


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (308, {"Location": "https://login.example.com/"}),
        (302, {"Location": "/oauth2/start"}),
        (401, {"WWW-Authenticate": "Basic"}),
        (403, {}),
        (511, {}),
    ],
)
def test_what_stops_only_the_operator_is_no_fault(faces: Faces, status: int, headers: dict[str, str]) -> None:
    """A redirect, a login, an allow-list at the ingress: those who may come in are served."""
    with answering(status, {}, headers) as server:
        faces.create("faces", accelerator=CPU, route={"host": "faces.example.com"})
        faces.publish("faces", port=server.server_port)
        faces.wait_for("faces", "Deployed")
        route = faces.condition("faces", "RouteReady")
        assert (route["status"], route["reason"]) == ("True", "Admitted")
        assert "cannot be verified from the operator" in route["message"]


@pytest.mark.parametrize(
    ("name", "days", "words"),
    [("ingress.default", 9, "not valid for 'faces.example.com'"), ("faces.example.com", -1, "expired")],
)
def test_certificate_that_clients_reject_is_reported(
    faces: Faces, tmp_path: Path, name: str, days: int, words: str
) -> None:
    """For example, because the Secret of `tlsSecret` does not exist, and the controller presents its own."""
    certificate = tmp_path / "server.pem"
    certificate.write_bytes(b"".join(self_signed(name, days)))
    with answering(200, {"FaceModelVersion": "test-7"}, certificate=certificate) as server:
        route = {"host": "faces.example.com", "ingress": {"tlsSecret": "no-such-secret"}}
        server.identity = faces.create("faces", accelerator=CPU, route=route)["metadata"]["uid"]
        faces.publish("faces", port=server.server_port)
        assert words in faces.wait_for("faces", "CertificateInvalid")["message"]
        assert faces.condition("faces", "RouteReady")["status"] == "False"


def test_only_responding_resource_of_a_shared_url_is_ready(faces: Faces) -> None:
    """Whichever is older: the ingress controller decides."""
    with answering(200, {"FaceModelVersion": "test-7"}) as server:
        server.identity = faces.create("first", accelerator=CPU)["metadata"]["uid"]
        faces.publish("first", port=server.server_port)
        faces.wait_for("first", "Deployed")
        other = faces.create("second", accelerator=CPU)["metadata"]["uid"]
        faces.publish("second", port=server.server_port)
        ready = faces.wait_for("second", "EndpointUnreachable")
        assert "the FaceComparison first" in ready["message"]
        assert faces.condition("first")["status"] == "True"
        server.identity = other
        faces.wait_for("second", "Deployed")
        assert "the FaceComparison second" in faces.wait_for("first", "EndpointUnreachable")["message"]


def test_brief_router_delay_is_not_reported(faces: Faces) -> None:
    with answering(200, {"FaceModelVersion": "test-7"}) as server:
        server.first = [(503, {}), (404, {})]
        created = faces.create("faces", accelerator=CPU, route={"host": "faces.example.com"})
        server.identity = created["metadata"]["uid"]
        faces.publish("faces", port=server.server_port)
        faces.wait_for("faces", "Deployed")
        assert server.first == []
        assert "EndpointUnreachable" not in reported_reasons(faces)


def test_url_moves_to_new_stage_once_it_responds(faces: Faces) -> None:
    def paths() -> list[str]:
        ingress = faces.child(INGRESS, "faces")
        assert ingress is not None
        return [path["path"] for path in ingress["spec"]["rules"][0]["http"]["paths"]]

    with answering(200, {"FaceModelVersion": "test-7"}) as server:
        server.identity = faces.create("faces", accelerator=CPU)["metadata"]["uid"]
        faces.publish("faces", port=server.server_port)
        faces.wait_for("faces", "Deployed")
        former = faces.get("faces")["status"]["url"]
        assert former.endswith("/prod/face_comparison")

        server.reply = (404, {"message": "no such route"})
        faces.change("faces", stage="v2")
        until(paths, ["/v2", "/prod"].__eq__, "the route leads to both")
        condition = until(
            lambda: faces.condition("faces"),
            lambda ready: "the previous URL is still serving" in ready["message"],
            "it says that the new URL does not answer yet",
        )
        assert (condition["reason"], condition["status"]) == ("Deploying", "False")
        assert faces.get("faces")["status"]["url"] == former

        server.reply = (200, {"FaceModelVersion": "test-7"})
        faces.wait_for("faces", "Deployed")
        assert faces.get("faces")["status"]["url"] == former.replace("/prod/", "/v2/")
        until(paths, ["/v2"].__eq__, "the former path is gone")
        deployment = faces.api.get(DEPLOYMENT, faces.namespace, "faces")
        assert deployment is not None and deployment["metadata"]["generation"] == 2, "pods were replaced once"
