"""Whether faces are the same person: every form of source and target, and bad ones among good ones."""

from __future__ import annotations

import dataclasses
import json
import threading
from typing import Any

import msgspec
import numpy as np
import pytest
from urllib3 import encode_multipart_formdata

from support.analyzer import MODEL, WIDTH, FakeAnalyzer, image, vector
from support.running import COMPARE, base64_of, img
from support.servers import Conversation, reply


def numbers(person):
    return {"face_hash": vector(person).tolist()}


def verdicts(response):
    """Of each target: whether it is the same person, or the code of its error."""
    assert response.status_code == 200, response.text
    return [
        target["Error"]["code"] if "Error" in target else target["SamePerson"] for target in response.json["Targets"]
    ]


def code(response, status):
    assert response.status_code == status, response.text
    return response.json["error"]["code"]


def of_model(version):
    analyzer = FakeAnalyzer()
    analyzer.model = dataclasses.replace(MODEL, version=version)
    return analyzer


@pytest.mark.parametrize("path", [COMPARE, COMPARE + "/", "/prod/face-comparison/compare"])
def test_every_path_responds(running, path):
    body = {"source": img("anna"), "targets": [img("anna*"), img("bert")]}
    assert verdicts(running.client.post(path, json=body)) == [True, False]


def test_target_equals_list_of_one(running):
    reply = running.compare(source=img("anna"), target=img("anna*"))
    assert reply.json == running.compare(source=img("anna"), targets=[img("anna*")]).json
    assert verdicts(reply) == [True]


def test_source_uses_largest_face(running):
    # Of the fake's faces the last is the largest.
    reply = running.compare(source=img("bert", "anna"), targets=[img("anna")])
    assert verdicts(reply) == [True]
    assert reply.json["Source"] == {
        "BoundingBox": {"Left": 90 / WIDTH, "Top": 0.05, "Width": 0.06, "Height": 0.12},
        "Confidence": 0.85,
    }


def test_target_faces_are_sorted_by_distance(running):
    target = running.compare(source=img("anna"), targets=[img("bert", "anna*", "carl")]).json["Targets"][0]
    distances = [face["Distance"] for face in target["Faces"]]
    assert len(distances) == 3
    assert distances == sorted(distances)
    assert [face["SamePerson"] for face in target["Faces"]] == [True, False, False]
    assert {name: target[name] for name in ("Distance", "Confidence", "SamePerson", "Verdict")} == {
        name: target["Faces"][0][name] for name in ("Distance", "Confidence", "SamePerson", "Verdict")
    }
    assert target["Faces"][0]["FaceConfidence"] == 0.85
    assert target["Faces"][0]["Distance"] == pytest.approx(
        float(np.linalg.norm(vector("anna") - vector("anna*"))), abs=1e-6
    )


def test_hash_has_no_box(running):
    reply = running.compare(source=numbers("anna"), targets=[numbers("anna"), numbers("bert")]).json
    assert reply["Source"] == {}
    assert [set(face) for target in reply["Targets"] for face in target["Faces"]] == [
        {"Distance", "Confidence", "SamePerson", "Verdict"}
    ] * 2
    assert reply["Targets"][0]["Distance"] == 0.0


def test_hashes_and_images_can_be_mixed(running, images):
    targets = [numbers("anna"), {"url": images.url("/anna.jpg")}, img("anna"), {"url": images.url("/bert.jpg")}]
    assert verdicts(running.compare(source=numbers("anna"), targets=targets)) == [True, True, True, False]


def test_url_precedes_img_and_img_precedes_hash(running, images):
    source = {"url": images.url("/anna.jpg"), **img("bert"), **numbers("bert")}
    assert verdicts(running.compare(source=source, target=img("anna"))) == [True]
    assert verdicts(running.compare(source=img("anna") | numbers("bert"), target=img("anna"))) == [True]


def test_threshold_changes_verdict_only(running):
    at = {
        threshold: running.compare(source=img("anna"), target=img("anna*"), threshold=threshold).json
        for threshold in (0, 0.1, 2)
    }
    assert [reply["Targets"][0]["SamePerson"] for reply in at.values()] == [False, False, True]
    assert [reply["Threshold"] for reply in at.values()] == [0, 0.1, 2]
    assert len({reply["Targets"][0]["Confidence"] for reply in at.values()}) == 1
    assert running.compare(source=img("anna"), target=img("anna*")).json["Threshold"] == MODEL.threshold


def test_hash_of_another_model_is_rejected(running):
    mine, other = numbers("anna") | {"FaceModelVersion": "fake-1"}, numbers("anna") | {"FaceModelVersion": "fake-2"}
    assert verdicts(running.compare(source=mine, targets=[mine, other])) == [True, "hash_version_mismatch"]
    assert code(running.compare(source=other, targets=[mine]), 422) == "hash_version_mismatch"


@pytest.mark.parametrize(
    ("own", "given"), [("yunet-sface-4", "yunet-sface-int8-4"), ("yunet-sface-int8-4", "yunet-sface-4")]
)
def test_hashes_of_bundle_in_int8_and_of_default_one_do_not_compare(start, own, given):
    running = start(analyzer=of_model(own))
    other = numbers("anna") | {"FaceModelVersion": given}
    assert code(running.compare(source=other, targets=[img("anna")]), 422) == "hash_version_mismatch"
    reply = running.compare(source=img("anna"), targets=[other, numbers("anna") | {"FaceModelVersion": own}])
    assert verdicts(reply) == ["hash_version_mismatch", True]
    assert reply.json["FaceModelVersion"] == own


def test_bad_target_does_not_fail_others(running, images):
    targets = [
        img("anna"), {}, 5, None, "http://example.com/x.jpg", [], {"img": "%%%"}, {"img": 5},
        {"img": base64_of(b"corrupt")},
        {"img": base64_of(b"GIF89a")}, {"img": base64_of(b"bug")}, img(), {"url": images.url("/nobody.jpg")},
        {"url": "http://10.1.2.3/x.jpg"}, {"url": "gopher://x"}, {"face_hash": [0] * 768}, {"face_hash": [1]},
        {"face_hash": numbers("anna")["face_hash"], "FaceModelVersion": 5}, {"url": 5}, img("bert"),
    ]  # fmt: skip
    assert verdicts(running.compare(source=img("anna"), targets=targets)) == [
        True, "missing_image", "invalid_parameter", "invalid_parameter", "invalid_parameter", "invalid_parameter",
        "invalid_base64", "invalid_parameter", "corrupt_image",
        "unsupported_format", "internal", "no_face", "url_fetch_failed",
        "url_not_allowed", "url_not_allowed", "invalid_face_hash", "invalid_face_hash",
        "invalid_parameter", "invalid_parameter", False,
    ]  # fmt: skip


def test_unexpected_target_error_is_logged_and_not_exposed(running, lines):
    response = running.compare(source=img("anna"), targets=[{"img": base64_of(b"bug")}, {"img": base64_of(b"bundle")}])
    assert verdicts(response) == ["internal", "internal"]
    assert "inside" not in response.text
    failures = [entry for entry in lines.entries if "failure" in entry]
    assert [entry["failure"]["type"] for entry in failures] == ["RuntimeError", "InvalidBundle"]
    assert {entry["id"] for entry in failures} == {response.headers["X-Request-Id"]}


@pytest.mark.parametrize(
    ("source", "status", "expected"),
    [
        (img(), 400, "no_face"),
        ({}, 400, "missing_image"),
        (None, 400, "missing_image"),
        (5, 400, "invalid_parameter"),
        ({"img": "%%%"}, 400, "invalid_base64"),
        ({"img": base64_of(b"corrupt")}, 400, "corrupt_image"),
        ({"face_hash": [0.5]}, 422, "invalid_face_hash"),
        ({"url": "http://10.0.0.1/"}, 400, "url_not_allowed"),
        ({"img": base64_of(b"bug")}, 500, "internal"),
    ],
)
def test_bad_source_fails_request(running, source, status, expected):
    response = running.compare(source=source, targets=[img("anna")])
    assert code(response, status) == expected
    assert expected == "internal" or "source" in response.json["error"]["message"]


@pytest.mark.parametrize(
    "wrong",
    [[0.0] * 768, [1e-9] * 768, [0.1] * 767, [0.1] * 769, [], "x", 5, {}, [True] * 768, ["0"] * 768, [None] * 768,
     [1e300] * 768, [10**400] * 768, [[0.1]] * 768, [0.1] * 100_000],
)  # fmt: skip
def test_invalid_hash_is_rejected(running, wrong):
    assert verdicts(running.compare(source=numbers("anna"), target={"face_hash": wrong})) in (
        ["invalid_face_hash"],
        ["invalid_parameter"] if wrong == [10**400] * 768 else ["invalid_face_hash"],
    )


def test_hash_is_normalized_again(running):
    scaled = {"face_hash": (7 * vector("anna")).tolist()}
    reply = running.compare(source=numbers("anna"), target=scaled).json
    assert reply["Targets"][0]["Distance"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("threshold", [-0.1, 2.1, True, "1", [1]])
def test_threshold_out_of_range_is_invalid_parameter(running, threshold):
    response = running.compare(source=img("anna"), target=img("anna"), threshold=threshold)
    assert code(response, 400) == "invalid_parameter"


@pytest.mark.parametrize("targets", [{"targets": []}, {"targets": None}, {"target": None}, {}])
def test_targets_are_required(running, targets):
    assert code(running.compare(source=img("anna"), **targets), 400) == "missing_image"


@pytest.mark.parametrize("targets", ["x", 5, {}, [{}] * 101, [0] * 3_000_000])
def test_targets_must_be_array_of_at_most_100(running, targets):
    assert code(running.compare(source=img("anna"), targets=targets), 400) == "invalid_parameter"


def test_accepts_100_targets(running):
    assert verdicts(running.compare(source=img("anna"), targets=[numbers("bert")] * 99 + [img("anna")])) == [
        *[False] * 99,
        True,
    ]


def test_messagepack_carries_images_and_hashes_as_bytes(running):
    body = {
        "source": {"face_hash": vector("anna").astype("<f4").tobytes()},
        "targets": [{"img": image("anna")}, numbers("bert"), {"face_hash": b"short"}, 5],
    }
    response = running.client.post(COMPARE, data=msgspec.msgpack.encode(body), content_type="application/msgpack")
    assert verdicts(response) == [True, False, "invalid_face_hash", "invalid_parameter"]


@pytest.mark.parametrize("targets", [b"\xdd\xff\xff\xff\xff", msgspec.msgpack.encode([1] * 3_000_000)])
def test_messagepack_targets_are_at_most_100(running, targets):
    body = b"\x82\xa6source" + msgspec.msgpack.encode(numbers("anna")) + b"\xa7targets" + targets
    response = running.client.post(COMPARE, data=body, content_type="application/msgpack")
    assert code(response, 400) == "invalid_parameter"


def test_form_carries_images_as_files_or_urls(running, images):
    body, content_type = encode_multipart_formdata(
        [
            ("target", ("b.jpg", image("anna*"), "image/jpeg")),
            ("source", ("a.jpg", image("anna"), "image/jpeg")),
            ("target", images.url("/bert.jpg")),
            ("threshold", "1.1"),
        ]
    )
    response = running.client.post(COMPARE, data=body, content_type=content_type)
    assert verdicts(response) == [True, False]
    assert response.json["Threshold"] == 1.1


def test_raw_image_cannot_be_compared(running):
    response = running.client.post(COMPARE, data=image("anna"), content_type="image/jpeg")
    assert code(response, 400) == "invalid_parameter"


def test_slow_fetch_fails_its_target_only(start, images):
    running = start(allowed_hosts=("127.0.0.1",), fetch_seconds=0.5)
    images.replies["/slow.jpg"] = Conversation.silence
    targets = [img("anna"), {"url": images.url("/slow.jpg")}, img("bert")]
    assert verdicts(running.compare(source=img("anna"), targets=targets)) == [True, "url_fetch_timeout", False]


def test_deadline_keeps_finished_targets(start, images):
    running = start(allowed_hosts=("127.0.0.1",), request_seconds=3)
    images.replies["/slow.jpg"] = Conversation.silence
    targets = [img("anna"), *[{"url": images.url("/slow.jpg")}] * 9]
    response = running.compare(source=img("anna"), targets=targets)
    assert verdicts(response) == [True, *["deadline_exceeded"] * 9]


def test_late_source_is_504(start, images):
    running = start(allowed_hosts=("127.0.0.1",), request_seconds=0.5)
    images.replies["/slow.jpg"] = Conversation.silence
    response = running.compare(source={"url": images.url("/slow.jpg")}, target=img("anna"))
    assert code(response, 504) == "deadline_exceeded"


def test_bad_source_does_not_wait_for_targets(running, images):
    running.analyzer.go.clear()

    def bad(conversation):
        assert running.analyzer.started.acquire(timeout=20)  # by then the target is being analyzed
        conversation.send(reply(status="404 Not Found"))

    images.replies["/bad.jpg"] = bad
    replies = []
    body = {"source": {"url": images.url("/bad.jpg")}, "target": img("anna")}
    request = threading.Thread(target=lambda: replies.append(running.compare(**body)))
    request.start()
    try:
        request.join(20)
        assert [code(reply, 502) for reply in replies] == ["url_fetch_failed"]
    finally:
        running.analyzer.go.set()
        request.join(20)


def test_request_uses_few_fetch_slots(start):
    running = start(slots=20)
    running.analyzer.go.clear()
    replies = []
    body = {"source": numbers("anna"), "targets": [img("anna")] * 12}
    request = threading.Thread(target=lambda: replies.append(running.compare(**body)))
    request.start()
    try:
        for _ in range(4):
            assert running.analyzer.started.acquire(timeout=20)
        assert not running.analyzer.started.acquire(timeout=0.3)
    finally:
        running.analyzer.go.set()
        request.join(20)
    assert verdicts(replies[0]) == [True] * 12


def test_form_accepts_hash_and_images(running):
    """As the Explorer sends a chosen face: a JSON object in a text part."""
    subject = {"face_hash": vector("anna").tolist(), "FaceModelVersion": MODEL.version}
    form: list[Any] = [
        ("source", json.dumps(subject)),
        ("target", ("anna.jpg", image("anna"), "image/jpeg")),
        ("target", json.dumps(subject)),
    ]
    body, content_type = encode_multipart_formdata(form)
    reply = running.client.post(COMPARE, data=body, content_type=content_type).json
    assert [target["SamePerson"] for target in reply["Targets"]] == [True, True]
    assert reply["Source"] == {}


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("{", 400, "invalid_parameter"),
        ('{"face_hash": [1, 2]}', 422, "invalid_face_hash"),
        ('{"face_hash": ' + "[" * 100_000, 400, "invalid_parameter"),
        ('{"face_hash": [' + "0.25," * 40_000 + "1]}", 422, "invalid_face_hash"),
        ('{"img": "AAAA"}', 400, "missing_image"),
    ],
    ids=["no JSON", "two numbers", "nested", "too long", "an image"],
)
def test_form_with_invalid_object_is_rejected(running, text, status, code):
    form = [("source", text), ("target", ("anna.jpg", image("anna"), "image/jpeg"))]
    body, content_type = encode_multipart_formdata(form)
    response = running.client.post(COMPARE, data=body, content_type=content_type)
    assert (response.status_code, response.json["error"]["code"]) == (status, code)
