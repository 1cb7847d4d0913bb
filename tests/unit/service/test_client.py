"""The client against servers that answer exactly what a test tells them to."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import cv2
import msgspec
import numpy as np
import pytest
from PIL import Image

from face_comparison.api.responses import ErrorReason, Landmark, SourceFace
from face_comparison.client import (
    AsyncClient,
    BoundingBox,
    Client,
    DetectedFace,
    ServiceError,
    ServiceUnreachable,
    TargetError,
    TargetMatch,
    distance,
)
from face_comparison.client.connection import LONGEST_PAUSE_SECONDS, pause
from face_comparison.client.images import image_fields, subject_fields
from face_comparison.wire.requests import compare_request, detect_request
from support.faces import quality

HASH = np.eye(1, 768, 3, dtype=np.float32)[0]
BOX = {"Left": 0.1, "Top": 0.2, "Width": 0.3, "Height": 0.4}
NOTHING = {"Faces": [], "FaceModelVersion": "m-1"}
FACE = {
    "BoundingBox": BOX,
    "Confidence": 0.9,
    "face_hash": HASH.tobytes(),
    "Landmarks": [{"Type": "nose", "X": 0.25, "Y": 0.5}],
    "Quality": {
        "Sharpness": 50.0,
        "Brightness": 60.0,
        "FaceSize": 70.0,
        "Roll": -3.0,
        "Yaw": 12.0,
        "Reliable": False,
        "Reasons": ["LOW_SHARPNESS"],
    },
}


@dataclass(frozen=True)
class Answer:
    """status 0: break the connection. seconds: to wait before."""

    status: int = 200
    body: Any = field(default_factory=lambda: NOTHING)
    headers: dict[str, str] = field(default_factory=dict)


def refusal(status: int, code: str, **headers: str) -> Answer:
    error = {"code": code, "message": "as it is", "request_id": "r1"}
    return Answer(status, {"error": error}, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class Script:
    """A server that gives its answers in turn, and the last one again and again."""

    url: str
    answers: list[Answer]
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


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
    with Client(script.url, timeout=30) as made:
        yield made


ABOUT = {
    "FaceModelVersion": "m-1",
    "name": "face_comparison",
    "version": "0.1.0",
    "endpoints": {"detect": "d", "compare": "c", "openapi": "o", "explorer": "e"},
    "auth": "none",
    "formats": ["jpg"],
    "defaults": {"threshold": 1.25, "min_confidence": 0.5, "sure_confidence": 0.8, "max_faces": 100}
    | {"same_below": 1.1, "different_above": 1.3},
    "limits": {
        **dict.fromkeys(("max_fetch_bytes", "max_side_pixels", "max_faces", "max_targets", "face_hash_numbers"), 1),
        **dict.fromkeys(("request_seconds", "fetch_seconds", "queue"), 1),
        "max_body_bytes": 4096,
    },
}


# --- requests and replies --------------------------------------------------------------------------------------------


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


# --- failures and new tries ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "temporary",
    [
        refusal(429, "overloaded", Retry_After="0"),
        refusal(503, "not_ready", Retry_After="0"),
        refusal(503, "draining", Retry_After="0"),
        Answer(502, b"<h1>Bad Gateway</h1>", {"Retry-After": "0"}),
        Answer(0),
    ],
)
def test_temporary_failure_is_retried(client: Client, script: Script, temporary: Answer) -> None:
    script.answers = [temporary, temporary, Answer()]
    assert client.detect(b"x").faces == ()
    assert len(script.bodies) == 3
    assert len(set(script.bodies)) == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refusal(400, "corrupt_image"), "corrupt_image"),
        (refusal(403, "forbidden"), "forbidden"),
        (refusal(502, "url_fetch_failed"), "url_fetch_failed"),
        (refusal(504, "deadline_exceeded"), "deadline_exceeded"),
        (refusal(500, "internal"), "internal"),
    ],
)
def test_permanent_failure_is_not_retried(client: Client, script: Script, answer: Answer, code: str) -> None:
    script.answers = [answer, Answer()]
    with pytest.raises(ServiceError, match=f"{code}: as it is") as raised:
        client.detect(b"x")
    assert (raised.value.code, raised.value.status, raised.value.request_id) == (code, answer.status, "r1")
    assert len(script.bodies) == 1


def test_honors_retry_after(client: Client, script: Script) -> None:
    script.answers = [refusal(429, "overloaded", Retry_After="1"), Answer()]
    started = time.monotonic()
    client.detect(b"x")
    assert time.monotonic() - started >= 1


def test_retries_are_limited(script: Script) -> None:
    script.answers = [refusal(429, "overloaded", Retry_After="0")]
    with Client(script.url, retries=2) as client, pytest.raises(ServiceError, match="overloaded"):
        client.detect(b"x")
    assert len(script.bodies) == 3


def test_pauses_stay_within_deadline(script: Script) -> None:
    script.answers = [refusal(429, "overloaded", Retry_After="1000")]
    with Client(script.url, timeout=20) as client, pytest.raises(ServiceError, match="overloaded"):
        client.detect(b"x")
    assert len(script.bodies) == 1


def test_silent_server_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/prod"
        with Client(url, timeout=0.3) as client, pytest.raises(ServiceUnreachable, match="does not respond"):
            client.detect(b"x")


def test_unreachable_server_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}/prod", retries=0) as client, pytest.raises(ServiceUnreachable):
        client.detect(b"x")


def test_pauses_grow_with_jitter() -> None:
    assert [pause(attempt, None, 1.0) for attempt in range(3)] == [0.5, 1.0, 2.0]
    assert pause(50, None, 1.0) == LONGEST_PAUSE_SECONDS
    assert pause(0, None, 0.0) == 0.25
    assert pause(7, 3.0, 0.0) == 3.0
    assert pause(0, 3.0, 1.0) > 3.0


# --- images --------------------------------------------------------------------------------------------------------

PIXELS = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)


def decoded(fields: dict[str, Any]) -> np.ndarray[Any, Any]:
    with Image.open(io.BytesIO(fields["img"])) as pillow_image:
        return np.asarray(pillow_image.convert("RGB"))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_image_from_bytes(kind: Callable[[bytes], Any]) -> None:
    assert image_fields(kind(b"abc")) == {"img": b"abc"}


@pytest.mark.parametrize("kind", [str, Path])
def test_image_from_path(tmp_path: Path, kind: Callable[[Path], Any]) -> None:
    (tmp_path / "x.jpg").write_bytes(b"abc")
    assert image_fields(kind(tmp_path / "x.jpg")) == {"img": b"abc"}
    with pytest.raises(FileNotFoundError):
        image_fields(kind(tmp_path / "y.jpg"))


@pytest.mark.parametrize("url", ["https://example.org/x.jpg", "HTTP://example.org/x", "s3://bucket/key"])
def test_image_from_url(url: str) -> None:
    assert image_fields(url) == {"url": url}


def test_pixels_are_sent_losslessly_as_rgb() -> None:
    assert np.array_equal(decoded(image_fields(PIXELS)), PIXELS)
    assert np.array_equal(decoded(image_fields(PIXELS[:, :, 0]))[:, :, 1], PIXELS[:, :, 0])
    pixels = cv2.imdecode(np.frombuffer(image_fields(PIXELS)["img"], np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None and pixels[0, 0, 2] == 0


@pytest.mark.parametrize("pixels", [PIXELS.astype(float), np.zeros((2, 2, 4), np.uint8), np.zeros((0, 3), np.uint8)])
def test_invalid_pixels_are_rejected(pixels: np.ndarray[Any, Any]) -> None:
    with pytest.raises(ValueError, match="pixels must be uint8"):
        image_fields(pixels)


def test_pillow_image_is_sent_upright() -> None:
    pillow_image = Image.fromarray(PIXELS)
    assert np.array_equal(decoded(image_fields(pillow_image)), PIXELS)
    pillow_image.getexif()[274] = 3  # upside down
    assert np.array_equal(decoded(image_fields(pillow_image)), PIXELS[::-1, ::-1])
    assert decoded(image_fields(pillow_image.convert("CMYK"))).shape == PIXELS.shape


def test_face_is_sent_with_version() -> None:
    face = DetectedFace(BoundingBox(0.0, 0.0, 1.0, 1.0), 1.0, HASH, (), quality(1.0, 2.0, 3.0), "m-1")
    assert subject_fields(face) == {"face_hash": HASH.tobytes(), "FaceModelVersion": "m-1"}
    assert subject_fields(HASH.astype(np.float64)) == {"face_hash": HASH.tobytes()}


@pytest.mark.parametrize("thing", [None, 7, {"url": "x"}])
def test_invalid_image_is_rejected(thing: object) -> None:
    with pytest.raises(TypeError, match="an image is a path"):
        image_fields(thing)


# --- the client for event loops, and distances -----------------------------------------------------------------------


def asynchronously(script: Script, use: Callable[[AsyncClient], Awaitable[Any]], **options: Any) -> Any:
    async def run() -> Any:
        async with AsyncClient(script.url, **{"timeout": 30, **options}) as client:
            return await use(client)

    return anyio.run(run)


def test_sync_and_async_clients_agree(client: Client, script: Script, tmp_path: Path) -> None:
    file = tmp_path / "x.jpg"
    file.write_bytes(b"\xff\xd8image")
    script.answers = [Answer(body={"Faces": [FACE], "FaceModelVersion": "m-1"})]
    one = client.detect(file, max_faces=3, min_confidence=0.25)
    other = asynchronously(script, lambda each: each.detect(file, max_faces=3, min_confidence=0.25), api_key="k")
    assert script.bodies[0] == script.bodies[1]
    assert script.paths[0] == script.paths[1]
    assert script.headers[1]["x-api-key"] == "k"
    assert script.headers[1]["accept"] == "application/msgpack"
    assert (one.faces[0].bounding_box, one.faces[0].face_model_version) == (
        other.faces[0].bounding_box,
        other.faces[0].face_model_version,
    )
    script.answers = [Answer(body=ABOUT)]
    assert asynchronously(script, lambda each: each.describe()) == client.describe()


def test_async_client_compares(script: Script) -> None:
    script.answers = [
        Answer(
            body={
                "FaceModelVersion": "m-1",
                "Threshold": 1.0,
                "Source": {},
                "Targets": [{"Error": {"code": "no_face", "message": "none"}}],
            }
        )
    ]
    response = asynchronously(script, lambda each: each.compare(HASH, [HASH, b"image"], threshold=1.0))
    assert response.targets[0].error.code == "no_face"
    read = compare_request(script.bodies[0], "application/msgpack", "m-1")
    assert len(read.targets) == 2


@pytest.mark.parametrize("first", [refusal(503, "not_ready", Retry_After="0"), Answer(0), Answer(502, b"<html>")])
def test_async_client_retries(script: Script, first: Answer) -> None:
    script.answers = [first, Answer()]
    assert asynchronously(script, lambda each: each.detect(b"x")).faces == ()
    assert len(script.bodies) == 2


def test_async_client_gives_up_after_retries(script: Script) -> None:
    script.answers = [refusal(503, "not_ready", Retry_After="0")]
    with pytest.raises(ServiceError, match="not_ready"):
        asynchronously(script, lambda each: each.detect(b"x"), retries=2)
    assert len(script.bodies) == 3
    script.answers = [refusal(400, "corrupt_image")]
    with pytest.raises(ServiceError) as error:
        asynchronously(script, lambda each: each.detect(b"x"))
    assert (error.value.code, error.value.status, len(script.bodies)) == ("corrupt_image", 400, 4)
    script.answers = [refusal(503, "draining", Retry_After="100")]
    with pytest.raises(ServiceError, match="draining"):  # the pause would outlast the deadline
        asynchronously(script, lambda each: each.detect(b"x"))
    with pytest.raises(ValueError, match="http://"):
        AsyncClient("localhost:8080")


def test_async_calls_run_concurrently(script: Script) -> None:
    async def many(client: AsyncClient) -> list[Any]:
        found: list[Any] = []

        async def one() -> None:
            found.append(await client.detect(b"x"))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(one)
        return found

    assert len(asynchronously(script, many)) == 20


def test_async_call_ends_at_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"

        async def ask() -> None:
            async with AsyncClient(url, timeout=0.3) as client:
                await client.describe()

        with pytest.raises(ServiceUnreachable, match="does not respond"):
            anyio.run(ask)


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
    with pytest.raises(ValueError, match="different models do not compare: m-1 and m-2"):
        distance(*faces)
    with pytest.raises(ValueError, match="768 numbers"):
        distance(one, np.zeros((2, 768)))
    with pytest.raises(ValueError, match="768 numbers"):
        distance(one, other[:100])
