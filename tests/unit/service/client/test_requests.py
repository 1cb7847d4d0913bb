"""Requests and responses have the service's format; addresses and keys are sent where they belong."""

from __future__ import annotations

import numpy as np
import pytest

from face_comparison.api.responses import ErrorReason, Landmark, SourceFace
from face_comparison.client import (
    BoundingBox,
    Client,
    DetectedFace,
    ServiceUnreachable,
    TargetError,
    TargetMatch,
    distance,
)
from face_comparison.wire.requests import compare_request, detect_request
from support.faces import quality
from support.scripted_server import ABOUT, BOX, FACE, HASH, Answer, Script, refusal


def test_request_matches_service_format(client: Client, script: Script) -> None:
    client.detect(b"\xff\xd8image", max_faces=3, min_confidence=0.25)
    read = detect_request(script.bodies[0], script.headers[0]["content-type"], {})
    assert read.image == b"\xff\xd8image"
    assert (read.max_faces, read.min_confidence) == (3, 0.25)
    assert script.headers[0]["accept"] == "application/msgpack"
    assert "x-api-key" not in script.headers[0]


def test_reads_version_and_limits(client: Client, script: Script) -> None:
    script.answers = [refusal(503, "not_ready", Retry_After="0"), Answer(body=ABOUT)]
    described = client.describe()
    assert described.face_model_version == "m-1"
    assert (described.defaults.threshold, described.defaults.sure_confidence) == (1.25, 0.8)
    assert described.limits.max_body_bytes == 4096
    assert script.paths == ["/prod/face_comparison"] * 2


def test_parses_faces(client: Client, script: Script) -> None:
    script.answers = [Answer(body={"Faces": [FACE], "FaceModelVersion": "m-1"})]
    (face,) = client.detect(b"x").faces
    assert face.bounding_box == BoundingBox(0.1, 0.2, 0.3, 0.4)
    assert (face.confidence, face.face_model_version, face.landmarks) == (0.9, "m-1", (Landmark("nose", 0.25, 0.5),))
    assert (face.quality.sharpness, face.quality.brightness, face.quality.face_size) == (50.0, 60.0, 70.0)
    assert (face.quality.roll, face.quality.yaw, face.quality.reasons) == (-3.0, 12.0, ("LOW_SHARPNESS",))
    assert face.face_hash.dtype == np.float32
    assert np.array_equal(face.face_hash, HASH)


def test_parses_comparison(client: Client, script: Script) -> None:
    verdict = {"Distance": 0.5, "Confidence": 0.99, "SamePerson": True, "Verdict": "same"}
    target = {**verdict, "Faces": [{**verdict, "BoundingBox": BOX, "FaceConfidence": 0.8}, verdict]}
    failure = {"Error": {"code": "no_face", "message": "none"}}
    source = {"BoundingBox": BOX, "Confidence": 0.7}
    reply = {"FaceModelVersion": "m-1", "Threshold": 1.1, "Source": source, "Targets": [target, failure]}
    script.answers = [Answer(body=reply), Answer(body={**reply, "Source": {}})]
    answer = client.compare(b"a", [b"b", "https://example.org/c.jpg"], threshold=1.1)
    found, missing = answer.targets
    assert isinstance(found, TargetMatch)
    assert [match.bounding_box is None for match in found.faces] == [False, True]
    assert (found.verdict, found.faces[0].verdict) == ("same", "same")
    assert missing == TargetError(ErrorReason("no_face", "none"))
    assert [target.same_person for target in answer.targets] == [True, None]
    assert (answer.source.confidence, answer.threshold, answer.face_model_version) == (0.7, 1.1, "m-1")
    assert client.compare(HASH, b"b").source == SourceFace()
    assert script.paths[0] == "/prod/face_comparison/compare"


def test_subjects_match_service_format(client: Client, script: Script) -> None:
    reply = {
        "FaceModelVersion": "m-1",
        "Threshold": 1.1,
        "Source": {},
        "Targets": [{"Error": {"code": "no_face", "message": "none"}}],
    }
    script.answers = [Answer(body={"Faces": [FACE], "FaceModelVersion": "m-1"}), Answer(body=reply)]
    (face,) = client.detect(b"x").faces
    client.compare(face, (subject for subject in (HASH, "s3://bucket/key", b"x")))
    read = compare_request(script.bodies[1], "application/msgpack", "m-1")
    assert np.array_equal(read.source.vector, HASH)  # type: ignore[union-attr]
    assert [type(target).__name__ for target in read.targets] == ["FaceHash", "Url", "bytes"]


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("", "/prod/face_comparison"),
        ("/", "/prod/face_comparison"),
        ("/face_comparison", "/prod/face_comparison"),
        ("/face-comparison/", "/prod/face-comparison"),
    ],
)
def test_address_may_be_stage_or_endpoint(script: Script, url: str, path: str) -> None:
    with Client(script.url + url) as client:
        client.detect(b"x")
    assert script.paths == [path]


@pytest.mark.parametrize("end", ["", "/"])
def test_address_without_path_means_default_stage(script: Script, end: str) -> None:
    with Client(script.url.removesuffix("/prod") + end) as client:
        client.detect(b"x")
    assert script.paths == ["/prod/face_comparison"]


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://localhost/x", "https:///x", ""])
def test_invalid_address_is_rejected(url: str) -> None:
    with pytest.raises(ValueError, match="must begin with http"):
        Client(url)


def test_key_is_sent_to_service_only(script: Script) -> None:
    script.answers = [Answer(307, b"", {"Location": script.url + "/elsewhere"})]
    with Client(script.url, api_key="secret") as client, pytest.raises(ServiceUnreachable, match="status 307"):
        client.detect(b"x")
    assert [headers["x-api-key"] for headers in script.headers] == ["secret"]


def test_distance_matches_service() -> None:
    one, other = np.eye(2, 768, dtype=np.float32)
    assert distance(one, other) == pytest.approx(2**0.5)
    assert distance(one, one.tolist()) == 0
    faces = [
        DetectedFace(
            bounding_box=BoundingBox(0, 0, 1, 1), confidence=1, face_hash=one, landmarks=(),
            quality=quality(1, 1, 1), face_model_version=version,
        )
        for version in ("m-1", "m-2")
    ]  # fmt: skip
    assert distance(faces[0], other) == pytest.approx(2**0.5)
    with pytest.raises(ValueError, match="different models cannot be compared: m-1 and m-2"):
        distance(*faces)
    with pytest.raises(ValueError, match="768 numbers"):
        distance(one, np.zeros((2, 768)))
    with pytest.raises(ValueError, match="768 numbers"):
        distance(one, other[:100])
