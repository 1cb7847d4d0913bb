"""What the service says of itself, against what it does."""

from __future__ import annotations

import re

import pytest
from jsonschema import Draft202012Validator

from face_comparison.server.bootstrap import Pending
from face_comparison.settings import Settings
from support.analyzer import MODEL, image, vector
from support.running import COMPARE, DETECT, base64_of, img

CARL = {"face_hash": vector("carl").tolist()}
ALIASES = re.compile(r"^/(<stage>|prod)(/face-comparison(/compare)?|/explorer/<path:name>)?$|^/$|^/sample.jpg$")
# Of Rekognition's API, botocore's service model is the description.
FOREIGN = {"/prod/rekognition"}


def test_every_route_is_documented(running):
    rules = {rule.rule for rule in running.client.application.url_map.iter_rules() if not ALIASES.match(rule.rule)}
    assert rules - FOREIGN == set(running.client.get("/prod/openapi.json").json["paths"])


def test_every_documented_method_is_served(running):
    for path, item in running.client.get("/prod/openapi.json").json["paths"].items():
        for method in item:
            assert running.client.open(path, method=method.upper()).status_code not in (404, 405)


def test_documents_wait_for_model(start):
    client = start(ready=False, analyzer=Pending()).client
    for path in ("/prod/openapi.json", DETECT):
        response = client.get(path)
        assert (response.status_code, response.json["error"]["code"]) == (503, "not_ready")
    assert client.get("/prod/").status_code == 200


@pytest.mark.parametrize(
    ("path", "schema", "body"),
    [
        (DETECT, "DetectResponse", img("anna", "bert")),
        (DETECT, "DetectResponse", img()),
        (COMPARE, "CompareResponse", {"source": img("anna"), "targets": [img("anna", "bert"), CARL, {}]}),
        (COMPARE, "CompareResponse", {"source": CARL, "target": img("anna")}),
        (DETECT, "ErrorResponse", {}),
        (COMPARE, "ErrorResponse", {"source": img(), "target": img("anna")}),
    ],
)  # fmt: skip
def test_responses_match_their_schemas(running, path, schema, body):
    components = running.client.get("/prod/openapi.json").json["components"]
    for described in components["schemas"].values():
        if described.get("type") == "object" and "required" in described:
            described.setdefault("additionalProperties", False)
    reply = running.client.post(path, json=body).json
    Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": components}).validate(reply)


@pytest.mark.parametrize(
    ("path", "name"), [(DETECT, "DetectRequest"), (COMPARE, "CompareRequest")], ids=["detect", "compare"]
)
def test_requests_match_their_schemas(running, path, name):
    components = running.client.get("/prod/openapi.json").json["components"]
    body = {"img": base64_of(image("anna")), "max_faces": 3, "min_confidence": None}
    if name == "CompareRequest":
        body = {"source": img("anna"), "targets": [{"url": "http://a/b"}], "threshold": 1}
    Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": components}).validate(body)


def test_description_has_versions_and_limits(start):
    settings = Settings(max_body_bytes=4096, queue=7, fetch_seconds=3)
    running = start(max_body_bytes=4096, queue=7, fetch_seconds=3)
    described = running.client.get(DETECT).json
    assert described["FaceModelVersion"] == MODEL.version
    assert described["auth"] == "none"
    assert described["defaults"] == {
        "min_confidence": 0.5,
        "sure_confidence": 0.75,
        "threshold": 1.128,
        "same_below": MODEL.calibration().same_below,
        "different_above": MODEL.calibration().different_above,
        "max_faces": 100,
    }
    assert "permissions" not in described  # there are no keys
    for name in ("max_body_bytes", "max_fetch_bytes", "queue", "request_seconds", "fetch_seconds"):
        assert described["limits"][name] == getattr(settings, name)
    assert (
        described["limits"] | {"max_side_pixels": 4096, "max_targets": 100, "face_hash_numbers": 768}
        == described["limits"]
    )
    for endpoint in described["endpoints"].values():
        method, path = endpoint.split(" ")
        assert running.client.open(path, method=method).status_code not in (404, 405)


@pytest.mark.parametrize("path", ["/", "/prod"])
def test_root_redirects_to_explorer(running, path):
    response = running.client.get(path)
    assert response.status_code == 308
    assert response.headers["Location"] == "/prod/"


def test_explorer_has_no_external_or_inline_scripts(running):
    response = running.client.get("/prod/")
    assert response.content_type == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert not re.search(r"unsafe|https?:", response.headers["Content-Security-Policy"])
    page = response.text
    assert not re.search(r"<script(?![^>]*\ssrc=)|\son\w+=|\sstyle=|javascript:", page)
    for link in re.findall(r'(?:src|href)="([^"#]+)"', page):
        assert not link.startswith(("http", "//", "data:"))
        assert running.client.get("/prod/" + link).status_code == 200


@pytest.mark.parametrize("name", ["..%2fapp.py", "../app.py", "%2e%2e/app.py", ".", "nothing.js"])
def test_explorer_serves_only_its_files(running, name):
    response = running.client.get("/prod/explorer/" + name)
    assert response.status_code == 404
    assert response.json["error"]["code"] == "not_found"
