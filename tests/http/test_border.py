"""What holds for every reply: the table of errors, request ids, CORS, paths and methods, and the order of checks."""

from __future__ import annotations

import gzip
import io
import math
import threading

import msgspec
import pytest

from face_comparison.errors import FaceComparisonError
from face_comparison.web import error_table
from support.analyzer import image
from support.running import COMPARE, DETECT, img

CONTRACT = {
    400: {"invalid_json", "invalid_parameter", "missing_image", "invalid_base64", "unsupported_format",
          "corrupt_image", "image_too_large", "url_not_allowed", "no_face"},
    401: {"unauthorized"}, 403: {"forbidden"}, 404: {"not_found", "collections_disabled"}, 405: {"method_not_allowed"},
    409: {"collection_exists", "model_mismatch", "collection_full", "user_exists"},
    413: {"body_too_large"}, 422: {"hash_version_mismatch", "invalid_face_hash"}, 429: {"overloaded"},
    502: {"url_fetch_failed"}, 503: {"not_ready", "draining", "store_unavailable"},
    504: {"url_fetch_timeout", "deadline_exceeded"},
}  # fmt: skip


def family(error):
    return {error}.union(*(family(child) for child in error.__subclasses__()))


def test_every_error_has_status():
    assert set(error_table.ERRORS) == family(FaceComparisonError)


def test_error_table_matches_contract():
    found: dict[int, set[str]] = {}
    for error in error_table.public():
        if error is not FaceComparisonError:
            found.setdefault(error_table.ERRORS[error].status, set()).add(error.code)
    assert found == CONTRACT


class Unread(io.RawIOBase):
    """A body that nobody may read."""

    def readinto(self, _):
        raise AssertionError("the body was read")


def post_unread(client, path=DETECT, length=1000):
    return client.post(path, environ_overrides={"wsgi.input": Unread(), "CONTENT_LENGTH": str(length)})


def code(response, status):
    assert response.status_code == status, response.text
    assert response.content_type == "application/json"
    assert response.json["error"]["request_id"] == response.headers["X-Request-Id"]
    return response.json["error"]["code"]


# --- order of the checks


@pytest.mark.parametrize("path", [DETECT, COMPARE, "/invocations"])
def test_unready_service_rejects_before_reading(start, path):
    response = post_unread(start(ready=False).client, path)
    assert code(response, 503) == "not_ready"
    assert int(response.headers["Retry-After"]) >= 1


def test_draining_service_rejects_before_reading(running):
    running.readiness.drain()
    response = post_unread(running.client)
    assert code(response, 503) == "draining"
    assert int(response.headers["Retry-After"]) >= 1


def test_full_queue_rejects_before_reading(start):
    running = start(slots=1, queue=1)
    running.analyzer.go.clear()
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(running.detect(**img("anna")))) for _ in range(2)]
    try:
        threads[0].start()
        assert running.analyzer.started.acquire(timeout=20)
        threads[1].start()
        while running.admission.in_flight < 2:
            threads[1].join(0.01)
            assert threads[1].is_alive()
        response = post_unread(running.client)
        assert code(response, 429) == "overloaded"
        assert int(response.headers["Retry-After"]) >= 1
        assert running.client.get("/livez").status_code == 200
    finally:
        running.analyzer.go.set()
        for thread in threads:
            thread.join(20)
    assert [reply.status_code for reply in replies] == [200, 200]


def test_oversized_declared_body_is_not_read(start):
    assert code(post_unread(start(max_body_bytes=1024).client, length=1025), 413) == "body_too_large"


def test_error_releases_admission(start):
    running = start(slots=1, queue=0)
    for _ in range(3):
        assert code(running.detect(img=5), 400) == "invalid_parameter"
    assert running.admission.in_flight == 0


def test_request_that_queues_too_long_is_504(start):
    running = start(slots=1, queue=1, request_seconds=0.5)
    with running.admission.admit(math.inf) as first, first.inference_slot():
        assert code(running.detect(**img("anna")), 504) == "deadline_exceeded"


# --- every reply


@pytest.mark.parametrize("given", ["a", "5f0c-6a.52:b1/d9+4c=5e_@", "x" * 128])
def test_valid_request_id_is_kept(running, given):
    for response in (
        running.client.post(DETECT, json={}, headers={"X-Request-Id": given}),
        running.client.get("/nowhere", headers={"X-Request-Id": given}),
    ):
        assert response.headers["X-Request-Id"] == response.json["error"]["request_id"] == given


@pytest.mark.parametrize("given", ["", " ", "x" * 129, "a b", "<script>", '"', "ä", "-x"])
def test_invalid_request_id_is_replaced(running, given):
    one, other = (running.client.get(DETECT, headers={"X-Request-Id": given}).headers["X-Request-Id"] for _ in "ab")
    assert one != other
    assert given not in (one, other)


EVERYTHING = [
    ("POST", DETECT, 200), ("POST", COMPARE, 400), ("GET", DETECT, 200), ("GET", "/prod/openapi.json", 200),
    ("GET", "/prod/", 200), ("GET", "/prod", 308), ("GET", "/prod/nothing", 404),
    ("GET", "/prod/explorer/nothing", 404),
    ("PUT", DETECT, 405), ("GET", COMPARE, 405), ("DELETE", "/prod/openapi.json", 405), ("POST", "/prod/", 405),
    ("HEAD", DETECT, 200), ("OPTIONS", DETECT, 200), ("OPTIONS", COMPARE, 200), ("OPTIONS", "/prod/openapi.json", 200),
    ("OPTIONS", "/prod/nothing", 404),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "status"), EVERYTHING)
def test_responses_have_cors_headers(running, method, path, status):
    body = {"json": img("anna")} if method == "POST" else {}
    response = running.client.open(path, method=method, headers={"Origin": "https://example.com"}, **body)
    assert response.status_code == status
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "X-Request-Id" in response.headers["Access-Control-Expose-Headers"]
    assert "Retry-After" in response.headers["Access-Control-Expose-Headers"]


def test_client_errors_have_cors_headers(start):
    not_ready, small = start(ready=False), start(max_body_bytes=1024)
    closed = (not_ready.detect(**img("anna")), small.detect(img="A" * 2000))
    assert [response.status_code for response in closed] == [503, 413]
    assert all(response.headers["Access-Control-Allow-Origin"] == "*" for response in closed)


def test_internal_error_has_cors_headers(running):
    response = running.client.post(DETECT, data=b"bug", content_type="image/jpeg")
    assert code(response, 500) == "internal"
    assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("path", "methods"), [(DETECT, {"GET", "HEAD", "OPTIONS", "POST"}), (COMPARE, {"OPTIONS", "POST"})]
)
def test_preflight_lists_methods_and_headers(running, path, methods):
    response = running.client.options(
        path,
        headers={"Origin": "https://example.com", "Access-Control-Request-Method": "POST",
                 "Access-Control-Request-Headers": "content-type, x-api-key"},
    )  # fmt: skip
    assert response.status_code == 200
    assert response.data == b""
    assert set(response.headers["Access-Control-Allow-Methods"].split(", ")) == methods
    allowed = response.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"content-type", "x-api-key", "authorization", "accept", "x-request-id"} <= set(allowed)


def test_preflight_permits_aws_sdk_headers(running):
    response = running.client.options("/prod/rekognition", headers={"Origin": "https://example.com"})
    allowed = response.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {
        "amz-sdk-invocation-id", "amz-sdk-request", "authorization", "content-type", "x-amz-content-sha256",
        "x-amz-date", "x-amz-security-token", "x-amz-target", "x-amz-user-agent",
    } <= set(allowed)  # fmt: skip
    exposed = response.headers["Access-Control-Expose-Headers"].lower().split(", ")
    assert {"x-amzn-requestid", "x-amzn-errortype"} <= set(exposed)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/ping", "/metrics", "/nothing", "/productive"])
def test_other_paths_have_no_cors_headers(running, path):
    assert "Access-Control-Allow-Origin" not in running.client.get(path).headers


@pytest.mark.parametrize(("method", "path", "status"), [entry for entry in EVERYTHING if entry[2] in (404, 405)])
def test_unknown_paths_and_methods_are_reported_in_json(running, method, path, status):
    response = running.client.open(path, method=method)
    assert code(response, status) == {404: "not_found", 405: "method_not_allowed"}[status]
    assert (status == 405) == ("Allow" in response.headers)


@pytest.mark.parametrize("path", ["/nothing", "//prod/face_comparison", "/dev/face_comparison", "/prod//", "/%00"])
def test_other_paths_are_not_found(running, path):
    response = running.client.post(path)
    assert response.status_code in (404, 405)
    assert response.content_type == "application/json"


def test_stage_is_configurable(start):
    client = start(stage="test").client
    assert client.post("/test/face_comparison", json=img("anna")).status_code == 200
    assert client.post(DETECT, json=img("anna")).status_code == 404
    assert client.post("/invocations", json=img("anna")).status_code == 200


def test_previous_stage_is_served(start):
    client = start(stage="v2", former_stage="prod").client
    for stage in ("v2", "prod"):
        response = client.post(f"/{stage}/face_comparison", json=img("anna"))
        assert response.status_code == 200
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert client.get(f"/{stage}/openapi.json").status_code == 200
    assert client.post("/prod-eu/face_comparison", json=img("anna")).status_code == 404


@pytest.mark.parametrize("stage", ["livez", "readyz", "ping", "metrics"])
def test_stage_names_do_not_hide_probes(start, stage):
    client = start(stage=stage).client
    assert client.get(f"/{stage}").status_code == 200
    assert client.post(f"/{stage}/face_comparison", json=img("anna")).status_code == 200


def test_compressed_body_is_rejected(running):
    response = running.client.post(DETECT, data=gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})
    assert code(response, 400) == "invalid_parameter"
    assert "Content-Encoding" in response.json["error"]["message"]
    assert running.client.post(DETECT, json=img("anna"), headers={"Content-Encoding": "identity"}).status_code == 200


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [(None, "application/json"), ("*/*", "application/json"), ("application/*", "application/json"),
     ("text/html", "application/json"), ("application/json, application/msgpack", "application/json"),
     ("application/msgpack", "application/msgpack"), ("application/x-msgpack", "application/msgpack"),
     ("application/msgpack, */*;q=0.1", "application/msgpack"),
     ("application/json;q=0.5, application/msgpack", "application/msgpack")],
)  # fmt: skip
def test_response_format_follows_accept(running, accept, media_type):
    headers = {} if accept is None else {"Accept": accept}
    for response in (
        running.client.post(DETECT, data=image("anna"), content_type="image/jpeg", headers=headers),
        running.client.post(DETECT, data=b"GIF", content_type="image/gif", headers=headers),
    ):
        assert response.content_type == media_type
        assert "Accept" in response.headers["Vary"]
        decode = msgspec.msgpack.decode if media_type == "application/msgpack" else msgspec.json.decode
        assert set(decode(response.data)) in ({"Faces", "FaceModelVersion"}, {"error"})


def test_responses_forbid_caching_and_sniffing(running):
    response = running.detect(**img("anna"))
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_server_timing_lists_phases(running):
    stages = dict(entry.split(";dur=") for entry in running.detect(**img("anna")).headers["Server-Timing"].split(", "))
    assert set(stages) == {"read", "queue", "decode", "detect", "embed"}
    assert float(stages["embed"]) == 3.0
