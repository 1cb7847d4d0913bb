"""Whatever a body contains, the memory that its request takes is charged to the budget."""

from __future__ import annotations

import base64
import json
import tracemalloc
from collections.abc import Callable, Iterator

import msgspec
import pytest
from flask import Flask

from face_comparison.server.wsgi_call import Reply
from face_comparison.serving.admission import Admission
from face_comparison.serving.memory_budget import MemoryBudget
from support.wsgi import collections_app, post

MIB = 2**20
SIZE = 4 * MIB
SPARE = MIB
"""For everything whose size does not follow from the body."""

DETECT, COMPARE = "/prod/face_comparison", "/prod/face_comparison/compare"
STAFF = "/prod/face_comparison/collections/staff"
FORM = "multipart/form-data; boundary=b"
PLAIN_FORM = "application/x-www-form-urlencoded"
PACKED = "application/msgpack"
AWS = "/prod/rekognition"

TEXT = base64.b64encode(bytes(range(256)) * (SIZE // 256 * 3 // 4))
LINES = base64.encodebytes(bytes(range(256)) * (SIZE // 256 * 3 // 4))


def part(name: str, content: bytes, more: str = "") -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"


def targets(count: int, one: bytes) -> bytes:
    return b'{"source":{"img":"AAAA"},"targets":[' + b",".join([one] * count) + b"]}"


def in_encoding(text: str, encoding: str) -> bytes:
    return text.encode(encoding)


BODIES: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "base64": (DETECT, "", lambda: b'{"img":"' + TEXT + b'"}'),
    "data URL": (DETECT, "", lambda: b'{"img":"data:image/png;base64,' + TEXT + b'"}'),
    "lines": (DETECT, "", lambda: json.dumps({"img": LINES.decode()}).encode()),
    "spaces": (DETECT, "", lambda: b'{"img":"' + TEXT.replace(b"+", b" ") + b'"}'),
    "URL-safe": (DETECT, "", lambda: b'{"img":"' + TEXT.replace(b"+", b"-").replace(b"/", b"_") + b'"}'),
    "no padding": (DETECT, "", lambda: b'{"img":"' + TEXT[:-1] + b'"}'),
    "escaped slashes": (DETECT, "", lambda: b'{"img":"' + TEXT.replace(b"/", b"\\/") + b'"}'),
    "escaped in Unicode": (DETECT, "", lambda: b'{"img":"' + b"\\u0041" * (SIZE // 6) + b'"}'),
    "percent": (DETECT, "", lambda: b'{"img":"' + TEXT.replace(b"+", b"%2B").replace(b"/", b"%2F") + b'"}'),
    "wide characters": (DETECT, "", lambda: b'{"img":"' + b"\\ud83d\\ude00" + b"A" * SIZE + b'"}'),
    "blanks around": (DETECT, "", lambda: b" " * 8 + b'{"img":" ' + TEXT + b' "}' + b" " * SIZE),
    "unknown field": (DETECT, "", lambda: b'{"other":"' + TEXT + b'","img":"AAAA"}'),
    "image as url": (DETECT, "", lambda: b'{"url":"data:image/png;base64,' + TEXT + b'"}'),
    "many images": (DETECT, "", lambda: b'{"img":"' + b'","img":"'.join([TEXT[: 20 * 1024]] * 200) + b'"}'),
    "ASCII in UTF-16": (DETECT, "", lambda: in_encoding('{"img":"' + TEXT.decode()[: SIZE // 2] + '"}', "utf-16")),
    "ASCII in UTF-16, no mark": (
        DETECT, "", lambda: in_encoding('{"img":"' + TEXT.decode()[: SIZE // 2] + '"}', "utf-16-be")
    ),
    "ASCII in UTF-32": (DETECT, "", lambda: in_encoding('{"img":"' + TEXT.decode()[: SIZE // 4] + '"}', "utf-32")),
    "Chinese in UTF-16": (DETECT, "", lambda: in_encoding('{"a":"' + "\u4e2d" * (SIZE // 2) + '"}', "utf-16")),
    "one emoji in UTF-16": (
        DETECT, "", lambda: in_encoding('{"a":"' + "\u4e2d" * (SIZE // 2) + '\U0001f600"}', "utf-16")
    ),
    "emoji in UTF-32": (DETECT, "", lambda: in_encoding('{"a":"' + "\U0001f600" * (SIZE // 4) + '"}', "utf-32")),
    "byte order mark": (DETECT, "", lambda: b"\xef\xbb\xbf" + b'{"img":"' + TEXT + b'"}'),
    "digits": (DETECT, "", lambda: b'{"img":"AAAA","max_faces":' + b"1" * SIZE + b"}"),
    "targets": (COMPARE, "", lambda: targets(100, b'{"img":"' + TEXT[: SIZE // 100] + b'"}')),
    "many targets": (COMPARE, "", lambda: targets(SIZE // 3, b"{}")),
    "hashes": (COMPARE, "", lambda: targets(100, b'{"face_hash":[' + b",".join([b"0.1234567890123456"] * 768) + b"]}")),
    "hashes of lists": (COMPARE, "", lambda: targets(100, b'{"face_hash":[' + b",".join([b"[]"] * 21_000) + b"]}")),
    "hashes of integers": (COMPARE, "", lambda: targets(100, b'{"face_hash":[' + b",".join([b"1"] * 32_000) + b"]}")),
    "values of objects": (
        COMPARE, "", lambda: targets(100, b'{"FaceModelVersion":[' + b",".join([b"{}"] * 21_000) + b"]}")
    ),
    "URLs of objects": (COMPARE, "", lambda: targets(100, b'{"url":[' + b",".join([b"{}"] * 21_000) + b"]}")),
    "file part": (DETECT, FORM, lambda: part("img", bytes(SIZE), '; filename="a"') + b"--b--"),
    "text part": (DETECT, FORM, lambda: part("img", TEXT) + b"--b--"),
    "text part of lines": (DETECT, FORM, lambda: part("img", LINES) + b"--b--"),
    "file part of base64": (DETECT, FORM, lambda: part("img", TEXT, '; filename="a"') + b"--b--"),
    "text part in Latin-1": (DETECT, FORM, lambda: part("img", b"\xe9" * SIZE) + b"--b--"),
    "url part": (DETECT, FORM, lambda: part("url", b"http://a/" + b"x" * SIZE) + b"--b--"),
    "wide url part": (DETECT, FORM, lambda: part("url", "\U0001f600".encode() + b"x" * SIZE) + b"--b--"),
    "number part": (DETECT, FORM, lambda: part("max_faces", b"1" * SIZE) + part("img", b"x") + b"--b--"),
    "unknown part": (DETECT, FORM, lambda: part("other", TEXT) + part("img", b"x") + b"--b--"),
    "parts": (DETECT, FORM, lambda: part("img", bytes(SIZE // 190)) * 190 + b"--b--"),
    "target parts": (
        COMPARE, FORM, lambda: part("source", b"x") + part("targets", TEXT[: SIZE // 100]) * 100 + b"--b--"
    ),
    "target part in JSON": (
        COMPARE, FORM, lambda: part("source", b"x") + part("target", b'{"img":"' + TEXT + b'"}') + b"--b--"
    ),
    "field": (DETECT, PLAIN_FORM, lambda: b"img=" + TEXT.replace(b"+", b"%2B").replace(b"/", b"%2F")),
    "field of escapes": (DETECT, PLAIN_FORM, lambda: b"img=" + b"%41" * (SIZE // 3)),
    "field of spaces": (DETECT, PLAIN_FORM, lambda: b"img=" + TEXT.replace(b"+", b" ")),
    "fields": (DETECT, PLAIN_FORM, lambda: b"&".join([b"img=" + TEXT[: SIZE // 64]] * 64)),
    "packed image": (DETECT, PACKED, lambda: msgspec.msgpack.encode({"img": bytes(SIZE)})),
    "packed text": (DETECT, PACKED, lambda: msgspec.msgpack.encode({"img": TEXT.decode()})),
    "packed lines": (DETECT, PACKED, lambda: msgspec.msgpack.encode({"img": LINES.decode()})),
    "packed wide text": (DETECT, PACKED, lambda: msgspec.msgpack.encode({"img": "\U0001f600" + TEXT.decode()})),
    "packed targets": (
        COMPARE, PACKED,
        lambda: msgspec.msgpack.encode({"source": {"img": b"x"}, "targets": [{"img": bytes(SIZE // 100)}] * 100}),
    ),
    "packed hashes of lists": (
        COMPARE, PACKED,
        lambda: msgspec.msgpack.encode({"source": {"img": b"x"}, "targets": [{"face_hash": [[]] * 65_000}] * 60}),
    ),
    "packed hashes of short lists": (
        COMPARE, PACKED,
        lambda: msgspec.msgpack.encode({"source": {"img": b"x"}, "targets": [{"face_hash": [[[]] * 85] * 768}] * 60}),
    ),
    "packed URLs of maps": (
        COMPARE, PACKED,
        lambda: msgspec.msgpack.encode({"source": {"img": b"x"}, "targets": [{"url": [{}] * 65_000}] * 60}),
    ),
    "packed people": (
        f"{STAFF}/search", PACKED, lambda: msgspec.msgpack.encode({"img": b"x", "UserIds": [[]] * 1_300_000})
    ),
    "packed unknown": (DETECT, PACKED, lambda: msgspec.msgpack.encode({"a": [[]] * SIZE, "img": b"x"})),
    "raw image": (DETECT, "image/png", lambda: b"\x89PNG\r\n\x1a\n" + bytes(SIZE)),
    "raw base64": (DETECT, "image/png", lambda: TEXT),
    "raw lines": (DETECT, "", lambda: LINES),
    "enrollment": (f"{STAFF}/faces", "", lambda: b'{"img":"' + TEXT + b'"}'),
    "enrollment in UTF-16": (
        f"{STAFF}/faces", "", lambda: in_encoding('{"img":"' + TEXT.decode()[: SIZE // 2] + '"}', "utf-16")
    ),
    "search for people": (
        f"{STAFF}/search", "",
        lambda: json.dumps({"face_hash": [1] * 768, "UserIds": [f"{n:0120}" for n in range(10_000)]}).encode(),
    ),
    "search form": (f"{STAFF}/search", FORM, lambda: part("img", TEXT) + b"--b--"),
    "people of lists": (
        f"{STAFF}/search", "", lambda: b'{"img":"AAAA","UserIds":[' + b",".join([b"[]"] * 450_000) + b"]}"
    ),
    "people in a form": (
        f"{STAFF}/search", FORM, lambda: part("img", b"x") + part("UserIds", b"a," * (SIZE // 2)) + b"--b--"
    ),
    "metadata": (f"{STAFF}/users", "", lambda: b'{"UserId":"a","Metadata":{"a":"' + TEXT + b'"}}'),
    "face ids": (f"{STAFF}/faces/delete", "", lambda: b'{"FaceIds":[' + b'"a",' * (SIZE // 4) + b'"a"]}'),
    "import": (
        f"{STAFF}/import", "",
        lambda: (json.dumps({"face_hash": [1] * 768, "FaceModelVersion": "fake-1"}).encode() + b"\n") * (SIZE // 2400),
    ),
    "import of one line": (f"{STAFF}/import", "", lambda: b'{"face_hash":[' + b"1," * (SIZE // 2) + b"1]}"),
    "import of other models": (
        f"{STAFF}/import", "",
        lambda: (b'{"FaceModelVersion":"x","face_hash":[' + b"1," * 767 + b"1]}\n") * (SIZE // 1600),
    ),
    "Rekognition": (AWS, "DetectFaces", lambda: b'{"Image":{"Bytes":"' + TEXT + b'"}}'),
    "Rekognition, escaped": (AWS, "DetectFaces", lambda: b'{"Image":{"Bytes":"' + TEXT.replace(b"/", b"\\/") + b'"}}'),
    "Rekognition, two": (
        AWS, "CompareFaces",
        lambda: b'{"SourceImage":{"Bytes":"' + TEXT[: SIZE // 2] + b'"},"TargetImage":{"Bytes":"' + TEXT[: SIZE // 2]
        + b'"}}',
    ),
    "Rekognition, enrollment": (
        AWS, "IndexFaces", lambda: b'{"CollectionId":"staff","Image":{"Bytes":"' + TEXT + b'"}}'
    ),
    "Rekognition, objects": (
        AWS, "DetectFaces", lambda: b'{"Image":{"Bytes":"AAAA"},"Attributes":[' + b",".join([b"{}"] * 170_000) + b"]}"
    ),
    "Rekognition, ids": (
        AWS, "DeleteFaces", lambda: b'{"CollectionId":"staff","FaceIds":[' + b'"a",' * (SIZE // 4) + b'"a"]}'
    ),
}  # fmt: skip


class TransferBudget(MemoryBudget):
    """Does not count what decoding an image would take, which nobody does here."""

    def reserve(self, amount: int) -> bool:
        return True

    def unreserve(self, amount: int) -> None:
        pass


@pytest.fixture(scope="module")
def budget() -> MemoryBudget:
    return TransferBudget(1024 * MIB)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, budget: MemoryBudget) -> Iterator[Flask]:
    with collections_app(tmp_path_factory.mktemp("store"), Admission(2, 8, budget=budget), 100_000) as created:
        yield created


def call(app: Flask, path: str, kind: str, body: bytes) -> Reply:
    if path == AWS:
        target = {"HTTP_X_AMZ_TARGET": f"RekognitionService.{kind}"}
        return post(app, path, "application/x-amz-json-1.1", body, **target)
    return post(app, path, kind, body)


@pytest.mark.parametrize("name", BODIES)
def test_memory_of_body_is_charged(app: Flask, budget: MemoryBudget, name: str) -> None:
    path, kind, make = BODIES[name]
    body = make()
    call(app, path, kind, body)  # imports and caches
    budget.take_peak()
    charged = 2 * len(body)  # by the connection
    assert budget.hold(charged)
    tracemalloc.start()
    try:
        status = call(app, path, kind, body).status
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        budget.release(charged)
    maximum = budget.take_peak()
    assert status < 500
    assert peak <= maximum + SPARE
    assert budget.in_use == 0


def test_body_whose_reading_never_fits_is_too_large(app: Flask, budget: MemoryBudget) -> None:
    path, kind, make = BODIES["URL-safe"]
    body = make()
    total = budget.total
    budget.resize(10 * len(body))  # transfers may take 4.4 times the body; it and its decoding take 5
    try:
        assert call(app, path, kind, body).status == 413
    finally:
        budget.resize(total)
