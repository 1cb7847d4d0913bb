"""What a response at the URL proves; and probing itself, of real servers on the loopback address."""

from __future__ import annotations

import asyncio
import http.server
import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devtools.k8s.certificates import self_signed
from face_comparison_operator import probe as probe_module
from face_comparison_operator.observation import CollectionsState, Expectation, ProbeResult
from face_comparison_operator.probe import Prober, classify_response, collections_state
from face_comparison_operator.resource import IDENTITY_HEADER
from face_comparison_operator.routing import RouteState, Target
from support.server_thread import in_thread

DESCRIPTION = {"FaceModelVersion": "m-1", "name": "face_comparison"}
DENIED = {"error": {"code": "unauthorized", "message": "no key"}}
MINE = Expectation("uid-1")
KEYS = Expectation("uid-1", authenticated=True)
SHARED = Expectation("uid-1", shared=True)
OWN, OTHER = {IDENTITY_HEADER: "uid-1"}, {IDENTITY_HEADER: "uid-2"}

# Description; expectation; status, headers, and body; outcome; words of the detail.
RESPONSES: list[tuple[str, Expectation, int, dict[str, str], Any, str, str]] = [
    ("the own description", MINE, 200, OWN, DESCRIPTION, "ok", ""),
    ("the own document", MINE, 200, OWN, {"x-service": DESCRIPTION}, "ok", ""),
    ("own pods that ask for a key", KEYS, 401, OWN, DENIED, "ok", ""),
    ("own pods that are busy", MINE, 429, OWN, DENIED, "ok", ""),
    ("own pods that drain", MINE, 503, OWN, DENIED, "ok", ""),
    ("own pods that do not know the path", MINE, 404, OWN, DENIED, "unexpected", "404"),
    ("own pods without the key that the spec asks for", KEYS, 200, OWN, DESCRIPTION, "unexpected", "API key"),
    ("another resource", MINE, 200, OTHER, DESCRIPTION, "unexpected", "another face-comparison service"),
    ("another resource that asks for a key", MINE, 401, OTHER, DENIED, "unexpected", "another"),
    ("another resource, for a resource with keys", KEYS, 200, OTHER, DESCRIPTION, "unexpected", "another"),
    ("a service that no operator started", MINE, 200, {}, DESCRIPTION, "unexpected", "another"),
    ("a canary beside it", SHARED, 200, OTHER, DESCRIPTION, "unverifiable", "shared"),
    ("a login", MINE, 401, {}, "who are you?", "unverifiable", "401"),
    ("an allow-list", MINE, 403, {}, "<html>", "unverifiable", "403"),
    ("a rate limit of the ingress", MINE, 429, {}, "", "unverifiable", "429"),
    ("a client certificate", MINE, 400, {}, "No required SSL certificate was sent", "unverifiable", "400"),
    ("a proxy that asks for a login", MINE, 407, {}, "", "unverifiable", "407"),
    ("foreign JSON", MINE, 200, {}, {"hello": "world"}, "unexpected", "200"),
    ("a foreign page", MINE, 200, {}, "<html>", "unexpected", "without the service's JSON"),
    ("no such route", MINE, 404, {}, "404 page not found", "unexpected", "404"),
    ("no endpoints", MINE, 503, {}, "no available server", "unexpected", "503"),
    ("a bad gateway", MINE, 502, {}, "", "unexpected", "502"),
]


@pytest.mark.parametrize(
    ("expected", "status", "headers", "body", "outcome", "words"),
    [each[1:] for each in RESPONSES],
    ids=[each[0] for each in RESPONSES],
)
def test_classification(
    expected: Expectation, status: int, headers: dict[str, str], body: Any, outcome: str, words: str
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    result = classify_response(status, headers, text.encode(), expected)
    assert result.outcome == outcome
    assert words in result.detail
    assert result.other == (headers[IDENTITY_HEADER] if headers == OTHER else None)
    assert result.version == ("m-1" if (status, outcome) == (200, "ok") else None)


@contextmanager
def serving(
    replies: dict[str, tuple[int, Any]], identity: str | None = "uid-1", tls: ssl.SSLContext | None = None
) -> Iterator[Any]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append((self.headers["Host"], self.path))
            code, content = replies.get(self.path, (404, {}))
            location = content.get("location") if code in (301, 302, 308) else None
            data = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            if location:
                self.send_header("Location", location)
            elif identity:
                self.send_header(IDENTITY_HEADER, identity)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Logs nothing."""

    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # a client that rejects the certificate
    server.asked = []
    with in_thread(server):
        yield server


def probe(
    port: int,
    *,
    address: str = "127.0.0.1",
    in_cluster: bool = False,
    service: dict[str, Any] | None = None,
    expected: Expectation = MINE,
    tls: bool = False,
    host: str = "faces.example.com",
    further: tuple[str, ...] = (),
) -> ProbeResult:
    target = Target(address, port, tls, host, "/prod/face_comparison", further)

    async def main() -> ProbeResult:
        async with Prober(in_cluster=in_cluster) as prober:
            return await prober.probe(RouteState(True, "Admitted", "", "http://x/", target), service, expected)

    return asyncio.run(main())


def test_probe_requests_route_host_at_published_address() -> None:
    with serving({"/prod/face_comparison": (200, DESCRIPTION)}) as server:
        assert probe(server.server_port) == ProbeResult("ok", version="m-1")
        assert server.asked == [("faces.example.com", "/prod/face_comparison")]


def test_second_address_is_tried_if_first_is_unreachable() -> None:
    """For example, if the operator's network lacks the family of the first address."""
    with serving({"/prod/face_comparison": (200, DESCRIPTION)}) as server:
        found = probe(server.server_port, address="127.0.0.2", further=("127.0.0.1",))
        assert found == ProbeResult("ok", version="m-1")


def test_response_of_first_address_is_final() -> None:
    with serving({}, identity=None) as elsewhere:
        assert probe(elsewhere.server_port, further=("127.0.0.2",)).outcome == "unexpected"
        assert elsewhere.asked == [("faces.example.com", "/prod/face_comparison")]


def test_response_in_parts() -> None:
    """More than one read returns."""
    with serving({"/prod/face_comparison": (200, {"other": "x" * 600_000, **DESCRIPTION})}) as server:
        assert probe(server.server_port) == ProbeResult("ok", version="m-1")


def test_login_at_ingress_falls_back_to_service(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({PATH: (200, DESCRIPTION)}) as pods, serving({PATH: (401, {})}, identity=None) as ingress:
        monkeypatch.setattr("face_comparison_operator.probe.SERVICE_PORT", pods.server_port)
        result = probe(ingress.server_port, in_cluster=True, service={"spec": {"clusterIP": "127.0.0.1"}})
        assert (result.outcome, result.version) == ("unverifiable", "m-1")


def test_version_is_public_with_api_keys() -> None:
    replies = {"/prod/face_comparison": (401, DENIED), "/prod/openapi.json": (200, {"x-service": DESCRIPTION})}
    with serving(replies) as server:
        assert probe(server.server_port, expected=KEYS) == ProbeResult("ok", version="m-1")


PATH = "/prod/face_comparison"


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("https://login.example.com/?next=x", "login.example.com"),
        ("/oauth2/start", "login"),
        ("https://other.example.com/prod/face_comparison", "other.example.com"),
        ("", "login"),
    ],
)
def test_foreign_redirect_is_inconclusive(location: str, words: str) -> None:
    with serving({PATH: (302, {"location": location or " "}), "/oauth2/start": (200, DESCRIPTION)}) as server:
        result = probe(server.server_port)
        assert (result.outcome, words in result.detail) == ("unverifiable", True)
        assert len(server.asked) == 1


def test_redirect_of_the_same_host_and_path_is_followed() -> None:
    with serving({PATH + "/": (200, DESCRIPTION)}) as server:
        location = f"http://faces.example.com:{server.server_port}{PATH}/"
        with serving({PATH: (308, {"location": location})}) as first:
            assert probe(first.server_port).outcome == "ok"


def test_redirects_are_limited() -> None:
    with serving({PATH: (308, {"location": PATH})}) as server:
        assert probe(server.server_port).outcome == "unexpected"
        assert len(server.asked) <= 4


def test_unreachable_address_is_inconclusive() -> None:
    with serving({}) as server:
        port = server.server_port
    assert probe(port).outcome == "unverifiable"


@pytest.mark.parametrize("address", ["", "a" * 64, "a..b", "localhost:x"])
def test_invalid_address_is_unreachable(address: str) -> None:
    assert probe(9, address=address).outcome == "unverifiable"


def test_services_are_probed_only_inside_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({}) as server:
        nobody = server.server_port
    with serving({"/prod/face_comparison": (200, DESCRIPTION)}) as server:
        monkeypatch.setattr("face_comparison_operator.probe.SERVICE_PORT", server.server_port)
        service = {"spec": {"clusterIP": "127.0.0.1"}}
        assert probe(nobody, in_cluster=True, service=service).version == "m-1"
        assert probe(nobody, in_cluster=True, service=service).outcome == "unverifiable"
        other = replace(MINE, identity="uid-2")
        assert probe(nobody, in_cluster=True, service=service, expected=other).version is None, "it is not its own"
        before = len(server.asked)
        assert probe(nobody, in_cluster=False, service=service).version is None
        assert probe(nobody, in_cluster=True, service={"spec": {"clusterIP": "None"}}).version is None
        assert len(server.asked) == before


# --- certificates ----------------------------------------------------------------------------------------------------


def certificate(folder: Path, name: str, *, days: float = 2) -> ssl.SSLContext:
    """Returns a server's TLS context with a self-signed certificate for `name`, which expires in `days`."""
    path = folder / "server.pem"
    path.write_bytes(b"".join(self_signed(name, days)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.mark.parametrize(
    ("name", "days", "words"),
    [
        ("faces.example.com", 2, None),
        ("*.example.com", 2, None),
        ("traefik.default", 2, "not valid for 'faces.example.com'"),
        ("*.faces.example.com", 2, "not valid for"),
        ("faces.example.com", -1, "expired"),
    ],
)
def test_certificate_is_checked_as_clients_do(tmp_path: Path, name: str, days: int, words: str | None) -> None:
    with serving({PATH: (200, DESCRIPTION)}, tls=certificate(tmp_path, name, days=days)) as server:
        result = probe(server.server_port, tls=True)
    assert (result.outcome, result.version) == ("ok", "m-1")
    assert result.certificate is None if words is None else words in str(result.certificate)


def test_certificate_behind_a_redirect_is_checked(tmp_path: Path) -> None:
    """http redirects to https, where clients end up."""
    with serving({PATH: (200, DESCRIPTION)}, tls=certificate(tmp_path, "traefik.default")) as secure:
        location = f"https://faces.example.com:{secure.server_port}{PATH}"
        with serving({PATH: (301, {"location": location})}, identity=None) as plain:
            result = probe(plain.server_port)
    assert result.outcome == "ok"
    assert "not valid for" in str(result.certificate)


def test_certificate_is_checked_again_when_it_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts: list[str | None] = []

    async def main(port: int) -> None:
        target = Target("127.0.0.1", port, True, "faces.example.com", PATH)
        async with Prober(in_cluster=False) as prober:
            for later in (0.0, 30.0, 90.0):
                clock = SimpleNamespace(monotonic=lambda later=later: 1000.0 + later, time=time.time)
                monkeypatch.setattr("face_comparison_operator.probe.time", clock)
                verdicts.append(await prober._certificate_problem(target))

    checked: list[bytes] = []
    verify = probe_module._verify

    async def counted(target: Target, leaf: bytes) -> tuple[str | None, float]:
        checked.append(leaf)
        return await verify(target, leaf)

    monkeypatch.setattr("face_comparison_operator.probe._verify", counted)
    with serving({}, tls=certificate(tmp_path, "faces.example.com", days=60 / 86400)) as server:
        asyncio.run(main(server.server_port))
    assert verdicts == [None, None, None]
    assert len(checked) == 2, "after a minute, not after ten"


def test_required_client_certificate_is_inconclusive(tmp_path: Path) -> None:
    context = certificate(tmp_path, "faces.example.com")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(tmp_path / "server.pem")
    with serving({PATH: (200, DESCRIPTION)}, tls=context) as server:
        assert probe(server.server_port, tls=True).outcome == "unverifiable"


# --- collections -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "state"),
    [
        ({"status": "ready"}, None),
        (
            {"status": "ready", "collections": {"status": "ready", "schema": 3, "pgvector": "0.8.1"}},
            CollectionsState(True, "pgvector: 0.8.1, schema: 3"),
        ),
        ({"collections": {"status": "unavailable", "message": "no answer"}}, CollectionsState(False, "no answer")),
        ({"collections": {"status": "disabled"}}, CollectionsState(False, "")),
    ],
)
def test_state_of_the_store(content: dict[str, Any], state: CollectionsState | None) -> None:
    assert collections_state(content) == state
