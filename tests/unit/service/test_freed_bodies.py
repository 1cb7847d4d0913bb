"""A failed request frees its body at once: not only when the garbage collector runs, long after its charge is released.

An error refers, through its traceback, to the functions that it has passed through, and they to the body.
"""

from __future__ import annotations

import base64
import gc
import json
import time
import tracemalloc
from collections.abc import Callable, Iterator

import msgspec
import pytest
from flask import Flask

from face_comparison.serving.admission import Admission
from face_comparison.web import environ as keys
from support.analyzer import image
from support.wsgi import collections_app, post

SIZE = 4 * 2**20
SPARE = SIZE // 4
SECONDS = 10.0

DETECT, COMPARE = "/prod/face_comparison", "/prod/face_comparison/compare"
STAFF = "/prod/face_comparison/collections/staff"
JSON, PACKED, FORM = "application/json", "application/msgpack", "multipart/form-data; boundary=b"

UNKNOWN = b"?" * SIZE
BUG = b"bug" + UNKNOWN
ANNA = base64.b64encode(image("anna")).decode()


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def comparison(source: str, *targets: object) -> bytes:
    subjects = [each if isinstance(each, dict) else {"img": each} for each in targets]
    return json.dumps({"source": {"img": source}, "targets": subjects}).encode()


def part(name: str, content: bytes) -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="a"\r\n\r\n'
    return head.encode() + content + b"\r\n"


BODIES: dict[str, tuple[int, str, str, Callable[[], bytes]]] = {
    "no image": (400, DETECT, "image/png", lambda: UNKNOWN),
    "no base64": (400, DETECT, JSON, lambda: json.dumps({"img": "#" * SIZE}).encode()),
    "no base64 to enroll": (400, f"{STAFF}/faces", JSON, lambda: json.dumps({"img": "#" * SIZE}).encode()),
    "no base64 to search for": (400, f"{STAFF}/search", JSON, lambda: json.dumps({"img": "#" * SIZE}).encode()),
    "no image as source": (400, COMPARE, JSON, lambda: comparison(in_base64(UNKNOWN), ANNA)),
    "no base64 as source": (400, COMPARE, JSON, lambda: comparison("#" * SIZE, ANNA)),
    "no image as target": (200, COMPARE, JSON, lambda: comparison(ANNA, in_base64(UNKNOWN))),
    "no base64 as target": (200, COMPARE, JSON, lambda: comparison(ANNA, in_base64(UNKNOWN), "#")),
    "URL of a private address": (
        200, COMPARE, JSON, lambda: comparison(ANNA, in_base64(UNKNOWN), {"url": "http://127.0.0.1/"})
    ),
    "packed targets": (
        200, COMPARE, PACKED,
        lambda: msgspec.msgpack.encode({"source": {"img": ANNA}, "targets": [{"img": UNKNOWN}, {"img": "#"}]}),
    ),
    "bug": (500, DETECT, "image/png", lambda: BUG),
    "bug to enroll": (500, f"{STAFF}/faces", "image/png", lambda: BUG),
    "bug to search for": (500, f"{STAFF}/search", JSON, lambda: json.dumps({"img": in_base64(BUG)}).encode()),
    "bug as source": (500, COMPARE, JSON, lambda: comparison(in_base64(BUG), ANNA)),
    "bug as target": (200, COMPARE, JSON, lambda: comparison(ANNA, in_base64(BUG))),
    "bugs everywhere": (500, COMPARE, FORM, lambda: part("source", BUG) + part("targets", BUG) * 2 + b"--b--"),
    "form": (200, COMPARE, FORM, lambda: part("source", image("anna")) + part("targets", UNKNOWN) + b"--b--"),
}  # fmt: skip


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with collections_app(tmp_path_factory.mktemp("store"), Admission(2, 8), 1000) as created:
        yield created


def call(app: Flask, path: str, kind: str, body: bytes, client: keys.ClientConnection) -> int:
    return post(app, path, kind, body, **{keys.CLIENT: client}).status


def is_freed_after(request: Callable[[], int], status: int) -> bool:
    """Returns whether the memory of a request is freed without the garbage collector."""
    assert request() == status  # imports and caches
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        assert request() == status
        until = time.monotonic() + SECONDS  # threads of the request may still be ending
        while (kept := tracemalloc.get_traced_memory()[0]) > SPARE and time.monotonic() < until:
            time.sleep(0.01)
        return kept <= SPARE
    finally:
        tracemalloc.stop()
        gc.enable()


@pytest.mark.parametrize("name", BODIES)
def test_body_of_failed_request_is_freed(app: Flask, name: str) -> None:
    status, path, kind, make = BODIES[name]
    body = make()
    assert is_freed_after(lambda: call(app, path, kind, body, keys.ClientConnection()), status)


@pytest.mark.parametrize("path", [DETECT, f"{STAFF}/faces"])
def test_body_of_cancelled_request_is_freed(app: Flask, path: str) -> None:
    client = keys.ClientConnection()
    client.mark_gone()
    assert is_freed_after(lambda: call(app, path, "image/png", UNKNOWN, client), 504)
