"""Collections under attack: lines, ids, tokens and metadata that are made to cost, and exports that nobody takes.

The first server had none.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hostile.conftest import QUEUE, SLOTS
from support.hostile import MIB, PATIENCE, head, measured, probe, victim
from support.served import LIMIT, Served, read_reply, serving, until

BASE = "/prod/face_comparison/collections"
FACES = 600


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """With a collection `staff` whose export is larger than all buffers between the service and a client."""
    folder = tmp_path_factory.mktemp("collections")
    with serving(folder, threads=SLOTS, queue=QUEUE, collections=f"sqlite:{folder / 'store'}") as served:
        served.wait_ready()
        assert call(served, "POST", "", json.dumps({"CollectionId": "staff"}).encode())[0] == 200
        lines = b"".join(
            json.dumps({"face_hash": [number + 1, *[1] * 767], "FaceModelVersion": "fake-1"}).encode() + b"\n"
            for number in range(FACES)
        )
        status, report = call(served, "POST", "/staff/import", lines)
        assert (status, report["ImportedFaceCount"]) == (200, FACES)
        yield served


def call(service: Served, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, object]]:
    with service.connect() as sock:
        sock.sendall(head(BASE + path, method, content_length=len(body)) + body)
        status, _, received = read_reply(sock)
    return status, json.loads(received)


@pytest.mark.parametrize(
    "body",
    [
        b"x\n" * 8_000_000,
        b"\n" * 16_000_000,
        b"{}\r\n" * 4_000_000,
        b"[" * 16_000_000,
        b'{"face_hash":[' + b"1," * 8_000_000 + b"1]}",
        (b'{"FaceModelVersion":"other","face_hash":[' + b"0," * 767 + b"0]}\n") * 10_000,
        (b'{"UserId":"' + b"\\u202e" * 10_000 + b'"}\n') * 250,
        b'{"FaceModelVersion":"fake-1","face_hash":[1e400' + b",1" * 767 + b"]}\n",
    ],
    ids=["lines", "blank lines", "objects", "nesting", "one vector", "another model", "names", "numbers"],
)
def test_import_lines_are_cheap(service: Served, body: bytes) -> None:
    """16 MB each; ten million lines that hold no face took 30 s of the only lock that all threads share."""
    with measured(service) as usage:
        status, report = call(service, "POST", "/staff/import", body)
    assert status == 400 or (status == 200 and report["ImportedFaceCount"] == 0)
    assert usage.cpu_seconds < 3
    assert usage.peak_growth < 250 * MIB


@pytest.mark.parametrize(
    "name",
    [
        "a\0b",
        "\ud800",
        "\u202egnp.exe",
        "a/../b",
        "..",
        "",
        "a" * 256,
        "a\nb",
        "'; DROP TABLE faces; --",
        "%00",
        "é",
        "😀",
    ],
    ids=[
        "NUL",
        "surrogate",
        "right to left",
        "path",
        "parent",
        "empty",
        "long",
        "line feed",
        "SQL",
        "percent",
        "accent",
        "emoji",
    ],
)
def test_ambiguous_names_are_rejected(service: Served, name: str) -> None:
    for path, fields in (("", {"CollectionId": name}), ("/staff/users", {"UserId": name})):
        status, reply = call(service, "POST", path, json.dumps(fields).encode())
        assert status == 400, reply
    quoted = "".join(f"%{byte:02x}" for byte in name.encode("utf-8", "surrogatepass"))
    for path in (f"/{quoted}", f"/staff/users/{quoted}", f"/{quoted}/faces", f"/staff/faces/{quoted}"):
        assert call(service, "DELETE", path)[0] in (400, 404, 405)
    assert call(service, "GET", "/staff")[1]["FaceCount"] == FACES


@pytest.mark.parametrize(
    "metadata",
    [
        b'{"a":"' + b"x" * 16_000_000 + b'"}',
        b"[" * 8_000_000,
        b'{"a":' * 3_000_000,
        b'{"a":' + b"9" * 16_000_000 + b"}",
        b'{"a":1e400}',
        b'{"a":NaN}',
        b"{" + b",".join(b'"%d":0' % number for number in range(1_000_000)) + b"}",
        b'{"a":0,' * 1_500_000,
        b'{"a":"\\ud800"}',
        b'{"a":"\\u0000"}',
    ],
    ids=["text", "lists", "objects", "digits", "exponent", "NaN", "keys", "open", "surrogate", "NUL"],
)
def test_oversized_metadata_is_rejected_cheaply(service: Served, metadata: bytes) -> None:
    with measured(service) as usage:
        status, _ = call(service, "POST", "/staff/users", b'{"UserId":"anna","Metadata":' + metadata + b"}")
    assert status == 400
    assert usage.cpu_seconds < 2
    assert usage.peak_growth < 200 * MIB


@pytest.mark.parametrize(
    "start",
    [b"'; SELECT 1; --", b"\xff\xfe", b"\0", b"~" * 5000, "\U0010ffff".encode() * 1000, b"", b"%s%n{0}"],
    ids=["SQL", "no UTF-8", "NUL", "long", "beyond", "empty", "format"],
)
@pytest.mark.parametrize("path", ["", "/staff/faces", "/staff/users"])
def test_forged_page_tokens_reveal_nothing(service: Served, path: str, start: bytes) -> None:
    token = base64.urlsafe_b64encode(start).decode().rstrip("=")
    for text in (token, token[:-1] + "A", "=" + token, token + "="):
        status, reply = call(service, "GET", f"{path}?NextToken={text}&MaxResults=5")
        assert status in (200, 400)
        if status == 200:
            assert all(len(items) <= 5 for items in reply.values() if isinstance(items, list))


def test_unread_exports_do_not_block_others(service: Served) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(2 * (SLOTS + QUEUE)):
            sock = stack.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", service.port))
            sock.sendall(head(f"{BASE}/staff/export", "GET"))
        for number in range(5):
            assert answered_elsewhere(service, f"127.0.0.{number + 2}") == 200
            assert probe(service) < PATIENCE
    until(lambda: service.metric("face_comparison_requests_in_flight") == 0, "their places are free again")
    assert victim(service) < PATIENCE


def answered_elsewhere(service: Served, address: str) -> int:
    """The status of a search from another address."""
    body = json.dumps({"face_hash": [1] * 768}).encode()
    with socket.create_connection(("127.0.0.1", service.port), PATIENCE, (address, 0)) as sock:
        sock.sendall(head(f"{BASE}/staff/search", content_length=len(body)) + body)
        return read_reply(sock)[0]


def test_search_burst_does_not_starve_others(service: Served, tmp_path: Path) -> None:
    """Each names ten thousand people."""
    users = [f"{number:0128}" for number in range(10_000)]
    body = json.dumps({"face_hash": [1] * 768, "UserIds": users}).encode()
    with ThreadPoolExecutor(20) as pool:
        storm = [pool.submit(call, service, "POST", "/staff/search", body) for _ in range(60)]
        others = [answered_elsewhere(service, f"127.0.0.{number + 2}") for number in range(5)]
        assert probe(service) < PATIENCE
        outcomes = Counter(done.result(LIMIT)[0] for done in storm)
    assert others == [200] * 5
    assert outcomes.keys() <= {200, 429}
