"""API keys at the border: who is let in, what stays open, and that keys never leak."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from face_comparison.errors import InvalidSettings
from face_comparison.web import auth
from support.running import COMPARE, DETECT, img

KEY = "k3y-of-anna:with=signs"


@pytest.fixture
def keys_file(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"# for tests\n\nanna:{KEY}\nbert : other-key \n")
    return path


@pytest.fixture
def closed(start, keys_file):
    return start(auth="api-key", api_keys_file=str(keys_file))


def code(response, status):
    assert response.status_code == status, response.text
    return response.json["error"]["code"]


@pytest.mark.parametrize(
    "headers",
    [{"x-api-key": KEY}, {"X-API-KEY": f" {KEY} "}, {"Authorization": f"Bearer {KEY}"},
     {"authorization": f"bearer  {KEY}"}, {"x-api-key": "other-key"},
     {"x-api-key": KEY, "Authorization": "Basic YTpi"}],
)  # fmt: skip
@pytest.mark.parametrize("path", [DETECT, "/invocations"])
def test_known_key_is_accepted(closed, path, headers):
    assert closed.client.post(path, json=img("anna"), headers=headers).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"x-api-key": ""}, {"x-api-key": " "}, {"Authorization": "Basic YTpi"},
                                     {"Authorization": "Bearer"}, {"Authorization": KEY}])  # fmt: skip
@pytest.mark.parametrize("path", [DETECT, COMPARE, "/invocations"])
def test_missing_key_is_unauthorized(closed, path, headers):
    response = closed.client.post(path, json=img("anna"), headers=headers)
    assert code(response, 401) == "unauthorized"
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("key", ["x", KEY + "x", KEY[:-1], "anna", f"anna:{KEY}", "other-key ,", "ä"])
@pytest.mark.parametrize("path", [DETECT, COMPARE, "/invocations"])
def test_unknown_key_is_forbidden(closed, path, key):
    response = closed.client.post(path, json=img("anna"), headers={"x-api-key": key})
    assert code(response, 403) == "forbidden"


def test_unready_service_responds_without_key(closed):
    closed.readiness.drain()
    assert code(closed.client.post(DETECT), 503) == "draining"


def test_endpoint_description_requires_key(closed):
    assert code(closed.client.get(DETECT), 401) == "unauthorized"
    assert closed.client.get(DETECT, headers={"x-api-key": KEY}).status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/ping", "/metrics", "/prod/", "/prod/openapi.json"])
def test_health_and_documents_require_no_key(closed, path):
    assert closed.client.get(path).status_code == 200


def test_preflight_requires_no_key(closed):
    assert closed.client.options(DETECT).status_code == 200


def test_rejections_have_cors_headers(closed):
    response = closed.client.post(DETECT, headers={"Origin": "https://example.com"})
    assert response.status_code == 401
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "x-api-key" in closed.client.options(DETECT).headers["Access-Control-Allow-Headers"].lower()


def test_changed_keys_file_is_reloaded(closed, keys_file):
    def status(key):
        return closed.client.post(DETECT, json=img("anna"), headers={"x-api-key": key}).status_code

    assert (status(KEY), status("new-key")) == (200, 403)
    replacement = keys_file.with_name("new")  # as Kubernetes does it: another file takes the name
    replacement.write_text("carl:new-key\n")
    replacement.replace(keys_file)
    assert (status(KEY), status("new-key")) == (403, 200)


def test_keys_are_ignored_without_authorization(running):
    assert running.client.post(DETECT, json=img("anna"), headers={"x-api-key": "x"}).status_code == 200


def test_bad_keys_file_fails_startup(start, tmp_path):
    with pytest.raises(InvalidSettings):
        start(auth="api-key", api_keys_file=str(tmp_path / "nowhere"))


def test_log_names_key_without_secret(closed, lines):
    closed.client.post(DETECT, json=img("anna"), headers={"x-api-key": KEY})
    closed.client.post(DETECT, json=img("anna"), headers={"x-api-key": KEY + "wrong"})
    closed.client.post(DETECT, json=img("anna"), headers={"Authorization": f"Bearer {KEY}"})
    assert [entry.get("client") for entry in lines.requests] == ["anna", None, "anna"]
    assert KEY not in lines.text


def counted(key, code):
    return REGISTRY.get_sample_value("face_comparison_key_requests_total", {"key": key, "code": code}) or 0.0


def keys_of_metrics():
    (family,) = [each for each in REGISTRY.collect() if each.name == "face_comparison_key_requests"]
    return {sample.labels["key"] for sample in family.samples}


def test_requests_are_counted_by_key_name(closed):
    before = counted("bert", "200"), counted("bert", "400")
    headers = {"x-api-key": "other-key"}
    for body in (img("anna"), img("anna"), {}):
        closed.client.post(DETECT, json=body, headers=headers)
    assert (counted("bert", "200"), counted("bert", "400")) == (before[0] + 2, before[1] + 1)


def test_metrics_have_no_caller_defined_labels(closed):
    signed = "AWS4-HMAC-SHA256 Credential=mallory/20260101/us-east-1/rekognition/aws4_request, SignedHeaders=host, "
    for headers in ({"x-api-key": "mallory"}, {}, {"Authorization": signed + "Signature=" + "0" * 64}):
        assert closed.client.post(DETECT, json=img("anna"), headers=headers).status_code in {400, 401, 403}
    assert not {"mallory", "", "None"} & keys_of_metrics()


def test_metrics_limit_number_of_key_names(start, tmp_path, monkeypatch):
    monkeypatch.setattr(auth, "MAX_LABELS", 2)
    path = tmp_path / "many"
    path.write_text("".join(f"caller-{number}:key-of-{number}\n" for number in range(4)))
    running = start(auth="api-key", api_keys_file=str(path))
    before = counted("other", "200")
    for number in range(4):
        response = running.client.post(DETECT, json=img("anna"), headers={"x-api-key": f"key-of-{number}"})
        assert response.status_code == 200
    assert [counted(f"caller-{number}", "200") for number in range(4)] == [1, 1, 0, 0]
    assert counted("other", "200") == before + 2
