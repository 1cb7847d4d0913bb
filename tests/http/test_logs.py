"""The line of a request: what it tells, and that neither images, vectors, URLs nor keys are ever in the log."""

from __future__ import annotations

import base64

import pytest

from support.analyzer import image, vector
from support.running import COMPARE, DETECT, base64_of, img
from support.servers import Conversation


def test_request_is_logged_on_one_line(running, lines):
    response = running.client.post(DETECT, json=img("anna", "bert"), headers={"X-Request-Id": "of-mine"})
    [entry] = lines.requests
    assert {name: entry[name] for name in ("id", "method", "route", "status", "outcome", "images", "faces")} == {
        "id": "of-mine", "method": "POST", "route": "face_comparison", "status": 200, "outcome": "ok", "images": 1,
        "faces": 2,
    }  # fmt: skip
    assert entry["bytes_in"] == int(response.request.headers["Content-Length"])
    assert entry["bytes_out"] == len(response.data)
    assert set(entry["phases"]) == {"read", "queue", "decode", "detect", "embed"}
    assert 0 <= entry["phases"]["queue"] <= entry["seconds"]


def test_comparison_log_counts_targets_images_and_faces(running, lines):
    running.compare(source=img("anna"), targets=[img("anna", "bert"), {"face_hash": vector("anna").tolist()}, {}])
    [entry] = lines.requests
    assert (entry["route"], entry["targets"], entry["images"], entry["faces"]) == ("compare", 3, 2, 3)
    assert entry["phases"]["embed"] == pytest.approx(0.006)


def test_rejected_request_logs_reason(running, lines):
    running.detect(img=5)
    running.client.get("/prod/nothing?secret=1")
    assert [(entry["status"], entry["outcome"], entry["route"]) for entry in lines.requests] == [
        (400, "invalid_parameter", "face_comparison"),
        (404, "not_found", "unmatched"),
    ]


def test_only_failed_probes_are_logged(start, lines):
    for ready in (True, False):
        client = start(ready=ready).client
        for path in ("/livez", "/readyz", "/ping", "/metrics"):
            client.get(path)
    assert [(entry["route"], entry["status"]) for entry in lines.requests] == [("readyz", 503), ("ping", 503)]


def test_log_contains_no_request_data(start, lines, images, tmp_path):
    """Every way in, with good and bad requests, at the most talkative level, and then a search through all of it."""
    key = "key-of-mine-0123456789"
    (tmp_path / "keys").write_text(f"anna:{key}\n")
    running = start(
        auth="api-key", api_keys_file=str(tmp_path / "keys"), allowed_hosts=("127.0.0.1",), fetch_seconds=0.5
    )
    images.replies["/secret-path/slow.jpg"] = Conversation.silence
    images.replies["/secret-path/anna.jpg"] = images.replies["/anna.jpg"]
    query = "token=secret-in-query"
    hash_ = vector("anna").tolist()
    urls = [images.url(f"/secret-path/{name}?{query}") for name in ("anna.jpg", "slow.jpg", "nobody.jpg")]
    urls += [
        f"http://10.0.0.1/secret-path?{query}",
        f"http://secret-user:secret-pw@nowhere.invalid/?{query}",
        "\0secret",
    ]
    bodies = [
        *[{"url": url} for url in urls],
        img("anna", "secret-person"),
        {"img": base64_of(b"bug")},
        {"img": base64_of(b"secret-corrupt" * 50)},
        {"img": "secret-base64!" * 50},
        {"source": {"face_hash": hash_}, "targets": [{"url": url} for url in urls] + [{"img": base64_of(b"bug")}]},
        {"source": {"face_hash": hash_, "FaceModelVersion": "secret-version"}, "target": {"face_hash": hash_}},
        {"source": {"face_hash": ["secret-number"] * 768}, "target": img("secret-person")},
    ]
    for presented in (key, key + "-wrong"):
        for path in (DETECT, COMPARE, f"{DETECT}?{query}"):
            for body in bodies:
                running.client.post(path, json=body, headers={"x-api-key": presented})
            running.client.post(path, data=image("secret-person"), content_type="image/jpeg",
                                headers={"Authorization": f"Bearer {presented}"})  # fmt: skip
            running.client.post(path, data=b'{"secret-json', headers={"x-api-key": presented})
    statuses = {entry["status"] for entry in lines.requests}
    assert statuses >= {200, 400, 403, 422, 500, 502, 504}
    text = lines.text
    assert not [line for line in text.splitlines() if "secret" in line]
    assert key not in text
    assert "127.0.0.1" not in text
    for word in (image("secret-person"), b"bug", b"secret-corrupt" * 50):
        assert base64.b64encode(word).decode() not in text
    assert not [number for number in hash_ if number and str(number) in text]
