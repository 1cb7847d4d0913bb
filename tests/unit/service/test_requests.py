"""Bodies as values: above all, that cutting images out of JSON before it is parsed is never noticed."""

from __future__ import annotations

import base64
import json
import tracemalloc

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from face_comparison.errors import FaceComparisonError, InvalidFaceHash, InvalidJson, InvalidParameter
from face_comparison.wire import requests
from face_comparison.wire.formats import detect_fields, form_of
from face_comparison.wire.formats import json as json_form

KEYS = st.sampled_from(["img", "url", "max_faces", "x", '"img', 'img"', '\\"img\\":\\"', "source", "targets"])
TEXTS = st.one_of(
    st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode()),
    st.binary(max_size=40).map(lambda data: "data:image/jpeg;base64," + base64.b64encode(data).decode()),
    st.sampled_from(["", '"img":"AAAA"', 'img":"AAAA', "\\", "data:image/jpeg;base64,", "AAAA\n", "é", '"', ',"img":']),
)
VALUES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers(-9, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def spelled(draw):
    """A JSON object with a repeated key here and there, odd white space, and sometimes a piece cut out."""
    pairs = draw(st.lists(st.tuples(KEYS, VALUES), max_size=5))
    colon = draw(st.sampled_from([":", " : ", "\n:\t"]))
    text = "{" + ",".join(
        json.dumps(key) + colon + json.dumps(value, ensure_ascii=draw(st.booleans())) for key, value in pairs
    ) + "}"  # fmt: skip
    at, length = draw(st.integers(0, len(text))), draw(st.sampled_from([0, 0, 1, 2]))
    return (text[:at] + text[at + length :]).encode()


def outcome(read):
    """What it returns or which error it raises, images decoded."""
    try:
        return read()
    except FaceComparisonError as error:
        return error.code


def told(value):
    """A request as something that can be compared."""
    if isinstance(value, FaceComparisonError):
        return value.code
    return value.vector.tobytes() if isinstance(value, requests.FaceHash) else value


def detect(body):
    request = requests.detect_request(body, "application/json", {})
    return request.image, request.max_faces, request.min_confidence


def compare(body):
    request = requests.compare_request(body, "application/json", "v")
    return told(request.source), [told(target) for target in request.targets], request.threshold


@settings(max_examples=400)
@given(body=spelled())
@example(body=b'{"img":"AAAA","img":"BBBB"}')
@example(body=b'{"x":{"img":"AAAA"},"img":"BBBB"}')
@example(body=b'{"x":"\\"img":"AAAA"}')
@example(body=b'{"url":"img","img":"AAAA"')
@example(body=b'{"img":"data:image\\/png;base64,AAAA"}')
@example(body=b'{"img"  "AAAA"}')
@example(body=b'{"img":"AAAA')
@example(body=b'{"img":')
def test_extracting_images_does_not_change_result(body):
    for read in (detect, compare):
        found = {}
        for least in (1, 10**9):
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(json_form, "MIN_EXTRACT_BYTES", least)
                found[least] = outcome(lambda read=read: read(body))
        assert found[1] == found[10**9]


def test_only_long_images_are_extracted():
    data = bytes(range(256)) * 200
    for text in (base64.b64encode(data), b"data:image/jpeg;base64," + base64.b64encode(data)):
        parsed = json_form.JsonBody(b'{"img":"%s"}' % text)
        assert parsed._images == [data]
        assert len(parsed._body) < 100
    assert json_form.JsonBody(b'{"img":"AAAA"}')._images == []


def test_caller_cannot_forge_placeholder():
    fields = detect_fields(json.dumps({"img": "!0123:0", "url": None}).encode(), "application/json")
    with pytest.raises(FaceComparisonError, match="base64"):
        fields["img"].data()


REJECTIONS = {"invalid_json", "invalid_parameter", "missing_image", "invalid_base64"}


@given(
    body=st.binary(max_size=200),
    content_type=st.sampled_from(
        ["", "application/json", "application/msgpack", "image/png", "multipart/form-data; boundary=x", "text/plain"]
    ),
)
def test_arbitrary_body_is_parsed_or_rejected(body, content_type):
    found = outcome(lambda: requests.detect_request(body, content_type, {}))
    assert isinstance(found, requests.DetectRequest) or found in REJECTIONS
    found = outcome(lambda: requests.compare_request(body, content_type, "v"))
    assert isinstance(found, requests.CompareRequest) or found in REJECTIONS


@pytest.mark.parametrize(
    "body",
    [
        b'{"x": [' + b"[]," * 1_000_000 + b"[]]}",
        b'{"url": [' + b"[]," * 1_000_000 + b"[]]}",
        b'{"face_hash": [' + b"1," * 1_000_000 + b"1]}",
        b'{"targets": [' + b"1," * 1_000_000 + b'1], "source": {}}',
        b'{"targets": [{"face_hash": [' + b"1," * 1_000_000 + b'1]}], "source": {}}',
        b"\x81\xa1x\xdd\x00\x0f\x42\x40" + b"\x90" * 1_000_000,
        b"\x82\xa6source\x80\xa7targets\xdd\x00\x0f\x42\x40" + b"\x90" * 1_000_000,
    ],
    ids=["unknown", "url", "face_hash", "targets", "a target's face_hash", "unknown in MessagePack", "packed targets"],
)
def test_body_of_many_small_values_is_bounded_in_memory(body):
    content_type = "application/json" if body.startswith(b"{") else "application/msgpack"
    tracemalloc.start()
    try:
        for read in (
            lambda: requests.detect_request(body, content_type, {}),
            lambda: requests.compare_request(body, content_type, "v"),
        ):
            outcome(read)
        assert tracemalloc.get_traced_memory()[1] < 3 * len(body) + 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("content_type", "body", "form"),
    [
        ("image/gif", b"GIF89a", "image"), ("IMAGE/JPEG; q=1", b"x", "image"), ("", b"\xff\xd8\xff", "image"),
        ("text/plain", b"[1]", "json"), ("", b"", "json"), ("image/png", b'\xef\xbb\xbf {"a', "json"),
        ("application/x-msgpack", b"\x80", "msgpack"), ("multipart/form-data; boundary=x", b"--x", "multipart"),
        ("multipart/form-data", b'{"img', "json"), ("application/octet-stream", b"P6 2 2 255", "image"),
        ("application/octet-stream", b'{"img', "json"),
    ],
)  # fmt: skip
def test_body_format_is_detected(content_type, body, form):
    assert form_of(content_type, body) == form


def test_defaults_match_contract():
    request = requests.detect_request(b'{"url": "http://a/b"}', "", {})
    assert (request.image, request.max_faces, request.min_confidence) == (requests.Url("http://a/b"), 100, None)
    comparison = requests.compare_request(b'{"source": {"url": "a"}, "target": {"url": "b"}}', "", "v")
    assert (comparison.source, comparison.targets, comparison.threshold) == (
        requests.Url("a"),
        (requests.Url("b"),),
        None,
    )


def test_query_supplies_missing_fields():
    image = b"\xff\xd8\xff"
    silent = requests.detect_request(image, "image/jpeg", {"max_faces": "3", "min_confidence": "0.25"})
    assert (silent.max_faces, silent.min_confidence) == (3, 0.25)
    body = b'{"url": "a", "max_faces": 5, "min_confidence": 0}'
    spoken = requests.detect_request(body, "", {"max_faces": "3", "min_confidence": "0.25"})
    assert (spoken.max_faces, spoken.min_confidence) == (5, 0)


@pytest.mark.parametrize(
    "query",
    [
        {"max_faces": "0"},
        {"max_faces": "x"},
        {"max_faces": "1.5"},
        {"max_faces": "true"},
        {"min_confidence": "nan"},
        {"min_confidence": "2"},
    ],
)
def test_invalid_query_is_rejected(query):
    with pytest.raises(InvalidParameter):
        requests.detect_request(b'{"url": "a", "max_faces": 5, "min_confidence": 0}', "", query)


@given(seed=st.integers(0, 999), exponent=st.integers(-30, 30), zeros=st.integers(0, 767))
def test_hash_is_normalized(seed, exponent, zeros):
    direction = np.random.default_rng(seed).normal(size=768).astype(np.float32)
    direction[768 - zeros :] = 0
    numbers = direction.astype(np.float64) * 10.0**exponent
    if np.linalg.norm(numbers) < 1e-6:
        with pytest.raises(InvalidFaceHash):
            requests.face_hash(numbers.tolist())
        return
    vector = requests.face_hash(numbers.tolist())
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert np.allclose(vector, direction / np.linalg.norm(direction), atol=1e-6)


def test_hash_may_be_bytes():
    numbers = np.random.default_rng(1).normal(size=768).astype("<f4")
    assert np.array_equal(requests.face_hash(numbers.tobytes()), requests.face_hash(numbers.tolist()))


def test_hash_bytes_with_nan_are_rejected():
    for wrong in (np.full(768, np.nan, "<f4"), np.full(768, np.inf, "<f4")):
        with pytest.raises(InvalidFaceHash):
            requests.face_hash(wrong.tobytes())


def test_messagepack_nan_is_rejected():
    body = msgspec.msgpack.encode({"url": "a", "min_confidence": float("nan")})
    with pytest.raises(InvalidParameter):
        requests.detect_request(body, "application/msgpack", {})


def test_error_names_position():
    with pytest.raises(InvalidJson, match="byte 8"):
        requests.detect_request(b'{"url": x}', "", {})


MISSPELLED = [("MaxFaces", 1), ("maxFaces", 1), ("MinConfidence", 0.9), ("minConfidence", 0.9)]


@pytest.mark.parametrize(("name", "value"), MISSPELLED)
def test_misspelled_option_of_detection_is_rejected_in_every_form(name: str, value: float) -> None:
    """What is left out silently changes the result; other fields, which clients may need themselves, are ignored."""
    boundary = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    form = boundary % (b"url", b"https://x/a.jpg") + boundary % (name.encode(), str(value).encode()) + b"--b--\r\n"
    for body, content_type, query in [
        (json.dumps({"url": "https://x/a.jpg", name: value}).encode(), "application/json", {}),
        (msgspec.msgpack.encode({"url": "https://x/a.jpg", name: value}), "application/msgpack", {}),
        (form, "multipart/form-data; boundary=b", {}),
        (f"url=https://x/a.jpg&{name}={value}".encode(), "application/x-www-form-urlencoded", {}),
        (b"\xff\xd8\xff", "image/jpeg", {name: str(value)}),
    ]:
        with pytest.raises(InvalidParameter, match="is not a field of this request: did you mean m"):
            requests.detect_request(body, content_type, query)


@pytest.mark.parametrize(
    ("fields", "meant"),
    [
        ({"Threshold": 0.5}, "threshold"),
        ({"source": {"face_hash": [1.0] * 768, "face_model_version": "v"}}, "FaceModelVersion"),
        ({"source": {"face_hash": [1.0] * 768, "faceModelVersion": "v"}}, "FaceModelVersion"),
    ],
)
def test_misspelled_option_of_comparison_is_rejected(fields: dict[str, object], meant: str) -> None:
    whole = {"source": {"url": "a"}, "target": {"url": "b"}, **fields}
    for body, content_type in [
        (json.dumps(whole).encode(), "application/json"),
        (msgspec.msgpack.encode(whole), "application/msgpack"),
    ]:
        with pytest.raises(InvalidParameter, match=f"did you mean {meant}"):
            requests.compare_request(body, content_type, "v")


def test_threshold_in_query_of_comparison_is_rejected() -> None:
    body = b'{"source": {"url": "a"}, "target": {"url": "b"}}'
    with pytest.raises(InvalidParameter, match="threshold belongs in the body"):
        requests.compare_request(body, "application/json", "v", {"threshold": "0.5"})
    assert requests.compare_request(body, "application/json", "v", {"trace": "1"}).threshold is None


def test_empty_option_of_query_says_what_it_must_be() -> None:
    with pytest.raises(InvalidParameter, match="max_faces must be a number from 1 to 100"):
        requests.detect_request(b"\xff\xd8\xff", "image/jpeg", {"max_faces": ""})


@pytest.mark.parametrize("value", [b"\xc7\x0c\xff" + b"\xff" * 4 + b"\x7f" + b"\xff" * 7, b"\xd6\xff\xff\xff\xff"])
def test_message_pack_value_that_cannot_be_decoded_is_named(value: bytes) -> None:
    """A timestamp that is out of range, and one that is cut off."""
    with pytest.raises(InvalidParameter, match="not valid MessagePack"):
        requests.detect_request(b"\x81\xa9max_faces" + value, "application/msgpack", {})
