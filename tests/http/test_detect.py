"""Faces of one image: every form of request, every field, and what is wrong with bad ones."""

from __future__ import annotations

import io
import json
from typing import Any

import msgspec
import numpy as np
import pytest

from support.analyzer import BUG, image, vector
from support.running import DETECT, base64_of, img


def names(response):
    """The people whose hashes a reply holds, out of those the tests use."""
    assert response.status_code == 200, response.text
    known = {name: vector(name) for name in ("anna", "bert", "carl")}
    hashes = [np.array(face["face_hash"], np.float32) for face in response.json["Faces"]]
    return [next(name for name, known_hash in known.items() if np.array_equal(found, known_hash)) for found in hashes]


def code(response, status=400):
    assert response.status_code == status, response.text
    error = response.json["error"]
    assert set(error) == {"code", "message", "request_id"}
    assert error["request_id"] == response.headers["X-Request-Id"]
    return error["code"]


@pytest.mark.parametrize(
    "path", [DETECT, DETECT + "/", "/prod/face-comparison", "/prod/face-comparison/", "/invocations"]
)
def test_every_path_responds(running, path):
    assert names(running.client.post(path, json=img("anna"))) == ["anna"]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/x-www-form-urlencoded",
        "text/plain",
        "image/jpeg",
        "multipart/form-data; boundary=x",
        "application/msgpack",
        "nonsense",
        "",
    ],
)
def test_json_is_accepted_with_any_content_type(running, content_type):
    body = b" \r\n" + json.dumps(img("anna")).encode()
    assert names(running.client.post(DETECT, data=body, content_type=content_type)) == ["anna"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_json_in_other_unicode_encodings_is_accepted(running, encoding):
    assert names(running.client.post(DETECT, data=json.dumps(img("anna")).encode(encoding))) == ["anna"]


def test_escapes_in_json_base64_are_decoded(running):
    text = base64_of(image("anna"))
    body = '{"img": "data:image\\/jpeg;base64,' + "".join(f"\\u{ord(c):04x}" for c in text) + '"}'
    assert names(running.client.post(DETECT, data=body)) == ["anna"]


@pytest.mark.parametrize("content_type", ["image/jpeg", "image/png", "image/bmp", "application/x-image"])
def test_raw_image_is_accepted(running, content_type):
    response = running.client.post(DETECT + "?max_faces=1", data=image("anna", "bert"), content_type=content_type)
    assert names(response) == ["bert"]


@pytest.mark.parametrize(
    "begin",
    [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n", b"BM", b"GIF89a", b"RIFF\x24\0\0\0WEBP", b"II*\0", b"MM\0*",
     b"\0\0\0\x20ftypheic", b"\0\0\0\x1cftypavif"],
)  # fmt: skip
def test_image_signature_overrides_content_type(running, begin):
    # The fake analyzer knows no such image, which shows that it was given these bytes.
    assert (
        code(running.client.post(DETECT, data=begin, content_type="application/octet-stream")) == "unsupported_format"
    )


def test_form_with_file_is_accepted(running):
    form = {"img": (io.BytesIO(image("anna", "bert")), "photo.jpg"), "max_faces": "1", "min_confidence": "0.1"}
    assert names(running.client.post(DETECT, data=form)) == ["bert"]


def test_form_with_base64_text_is_accepted(running):
    assert names(
        running.client.post(DETECT, data={"img": base64_of(image("anna"))}, content_type="multipart/form-data")
    ) == ["anna"]


def test_form_with_url_is_accepted(running, images):
    form = {"url": images.url("/anna.jpg")}
    assert names(running.client.post(DETECT, data=form, content_type="multipart/form-data")) == ["anna"]


def test_messagepack_carries_bytes_both_ways(running):
    body = msgspec.msgpack.encode({"img": image("anna"), "max_faces": 3})
    response = running.client.post(
        DETECT, data=body, content_type="application/msgpack", headers={"Accept": "application/msgpack"}
    )
    assert response.content_type == "application/msgpack"
    reply = msgspec.msgpack.decode(response.data)
    assert reply["Faces"][0]["face_hash"] == vector("anna").astype("<f4").tobytes()
    as_json = running.detect(**img("anna")).json
    assert [{**face, "face_hash": None} for face in reply["Faces"]] == [
        {**face, "face_hash": None} for face in as_json["Faces"]
    ]


@pytest.mark.parametrize("accept", ["application/msgpack" + ";a=b" * 3000, "application/msgpack," + "a/b," * 3000])
def test_long_accept_header_is_ignored(running, accept):
    reply = running.client.post(DETECT, json=img("anna"), headers={"Accept": accept})
    assert (reply.status_code, reply.content_type) == (200, "application/json")


def test_form_with_too_many_parts_is_rejected(running):
    part = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n'
    last = b'--b\r\nContent-Disposition: form-data; name="img"; filename="a"\r\n\r\n' + image("anna") + b"\r\n--b--\r\n"

    def post(parts):
        return running.client.post(DETECT, data=part * parts + last, content_type="multipart/form-data; boundary=b")

    assert names(post(100)) == ["anna"]
    assert code(post(201)) == "invalid_parameter"


def test_hash_numbers_have_float32_digits(running):
    text = running.detect(**img("anna")).text
    digits = json.loads(text, parse_float=str)["Faces"][0]["face_hash"]
    assert np.array_equal(np.array(digits, np.float32), vector("anna"))
    assert digits == [str(number) for number in vector("anna")]


def test_messagepack_may_carry_base64_text(running):
    body = msgspec.msgpack.encode(img("anna"))
    assert names(running.client.post(DETECT, data=body, content_type="application/msgpack")) == ["anna"]


def test_url_precedes_img(running, images):
    assert names(running.detect(url=images.url("/anna.jpg"), **img("bert"))) == ["anna"]


@pytest.mark.parametrize("empty", [None, ""])
def test_empty_url_is_ignored(running, empty):
    assert names(running.detect(url=empty, **img("bert"))) == ["bert"]


def test_faces_are_sorted_by_confidence_and_cut_by_size(running):
    assert names(running.detect(**img("anna", "bert", "carl"))) == ["anna", "bert", "carl"]
    assert names(running.detect(max_faces=2, **img("anna", "bert", "carl"))) == ["bert", "carl"]


def test_min_confidence_is_passed_to_analyzer(running):
    assert names(running.detect(min_confidence=0.9, **img("anna", "bert"))) == ["anna"]
    assert names(running.detect(min_confidence=0, **img("anna", "bert"))) == ["anna", "bert"]


def test_integer_may_be_written_as_float(running):
    body = b'{"img": "%s", "max_faces": 1.0}' % base64_of(image("anna", "bert")).encode()
    assert names(running.client.post(DETECT, data=body)) == ["bert"]


def test_image_without_faces_is_not_error(running):
    assert running.detect(**img()).json == {"Faces": [], "FaceModelVersion": "fake-1"}


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"1", b'"a"', b"true", b"{", b"{]", b'{"img": "AAAA"', b'{"img": "AAAA"} x', b"NaN",
     b'{"max_faces": NaN}', b'{"url": "\xff"}', b'{"url": "\\ud800"}', b"\xff\xfe\x00", b"\x00",
     b'{"a": ' + b"[" * 100_000,
     b'{"url": ' + b"[" * 100_000, b"\xef\xbb\xbf", "{}".encode("utf-16")[:-1], b"{'img': 'x'}"],
)  # fmt: skip
def test_body_that_is_not_object_is_invalid_json(running, body):
    assert code(running.client.post(DETECT, data=body, content_type="application/json")) == "invalid_json"


@pytest.mark.parametrize("fields", [{}, {"url": None}, {"url": "", "img": ""}, {"img": None}, {"max_faces": 3}])
def test_request_without_image_is_missing_image(running, fields):
    assert code(running.client.post(DETECT, json=fields)) == "missing_image"


BAD_MAX_FACES: tuple[Any, ...] = (0, 101, -1, 1.5, True, "5", [1], {}, 10**30)


@pytest.mark.parametrize(
    "fields",
    [{"max_faces": value} for value in BAD_MAX_FACES]
    + [{"min_confidence": value} for value in (-0.1, 1.1, True, "0.5", [0.5])]
    + [{"img": value} for value in (5, True, ["AAAA"], {"x": 1})]
    + [{"url": value} for value in (5, False, ["http://x"], "h" * 9000, "h" * 90_000)],
)
def test_value_out_of_range_is_invalid_parameter(running, fields):
    assert code(running.client.post(DETECT, json=img("anna") | fields)) == "invalid_parameter"


def test_huge_number_is_invalid_parameter(running):
    assert code(running.client.post(DETECT, data=b'{"img": "AAAA", "max_faces": 1e999}')) == "invalid_parameter"


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc1", b"\x90", b"\x01", b"\xc0", b"\x81\xa3img", b"\x80\x80", b"\x81\x01\x02",
     b"\x81\xa1x" + b"\x91" * 100_000,
     msgspec.msgpack.encode({"img": b"x", "max_faces": float("nan")}), b"\x81\xa3url\xd9\x01\xff",
     msgspec.msgpack.encode({"img": 5}), b"\x81\xa3img\xdd\xff\xff\xff\xff"],
)  # fmt: skip
def test_malformed_messagepack_is_invalid_parameter(running, body):
    assert code(running.client.post(DETECT, data=body, content_type="application/msgpack")) == "invalid_parameter"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("multipart/form-data", b"--x"), ("multipart/form-data; boundary=x", b"nothing"),
     ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="img"\r\n\r\nAAAA'),
     ("multipart/form-data; boundary=x",
      b"--x\r\n" + b'Content-Disposition: form-data; name="a"\r\n\r\n\r\n--x\r\n' * 500 + b"--x--"),
     ("multipart/form-data; boundary=x",
      b'--x\r\nContent-Disposition: form-data; name="url"\r\n\r\n\xff\r\n--x--\r\n')],
)  # fmt: skip
def test_malformed_form_is_invalid_parameter(running, content_type, body):
    assert code(running.client.post(DETECT, data=body, content_type=content_type)) == "invalid_parameter"


def test_invalid_base64_is_reported(running):
    assert code(running.detect(img="not base64!")) == "invalid_base64"


@pytest.mark.parametrize("content_type", ["image/jpeg", "image/png"])
def test_empty_raw_image_is_missing_image(running, content_type):
    assert code(running.client.post(DETECT, data=b"", content_type=content_type)) == "missing_image"


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"corrupt", "corrupt_image"), (b"huge", "image_too_large"), (b"GIF89a", "unsupported_format")],
)
def test_analyzer_errors_are_reported(running, data, expected):
    assert code(running.detect(img=base64_of(data))) == expected


def test_fetch_errors_are_reported(running, images):
    assert code(running.detect(url=images.url("/nobody.jpg")), 502) == "url_fetch_failed"
    assert code(running.detect(url="http://10.0.0.1/x")) == "url_not_allowed"
    assert code(running.detect(url="file:///etc/passwd")) == "url_not_allowed"


def test_internal_failure_is_not_exposed(running):
    response = running.detect(img=base64_of(b"bundle"))
    assert code(response, 500) == "internal"
    assert "inside" not in response.text


def test_unexpected_error_is_internal_and_not_exposed(running, lines):
    response = running.detect(img=base64_of(b"bug"))
    assert code(response, 500) == "internal"
    assert "inside" not in response.text
    assert "models" not in response.text
    failure = next(entry for entry in lines.entries if "failure" in entry)
    assert failure["id"] == response.json["error"]["request_id"]
    assert failure["failure"]["type"] == "RuntimeError" and "token" not in lines.text and BUG not in lines.text


def test_oversized_body_is_rejected_before_reading(start):
    running = start(max_body_bytes=2000)
    assert code(running.detect(img="A" * 2000), 413) == "body_too_large"
    assert code(running.client.post(DETECT, data=b"A" * 1999)) == "invalid_json"
