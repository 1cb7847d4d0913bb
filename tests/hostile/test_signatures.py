"""Floods of signed requests whose signatures are wrong: they cost no more than others, and good keys go on working.

The first server knew no signatures.
"""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from support.hostile import MIB, PATIENCE, head, measured, probe
from support.served import LIMIT, Served, read_reply, serving

KEY = "reception-key-0123456789"
SLOTS, QUEUE = 2, 8


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("signatures")
    (folder / "keys").write_text(f"reception:{KEY}\n")
    with serving(folder, threads=SLOTS, queue=QUEUE, auth="api-key", api_keys_file=folder / "keys") as served:
        served.wait_ready()
        flood(served, 1, signed(b"{}"))  # imports what verifies signatures
        yield served


def signed(body: bytes, *, key_name: str = "reception", names: str = "host;x-amz-date;x-amz-target") -> bytes:
    """A request that somebody who knows no key has signed."""
    now = datetime.now(UTC)
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={key_name}/{now:%Y%m%d}/us-east-1/rekognition/aws4_request, "
        f"SignedHeaders={names}, Signature={'0' * 64}"
    )
    return (
        head(
            "/prod/rekognition",
            x_amz_date=f"{now:%Y%m%dT%H%M%SZ}",
            x_amz_target="RekognitionService.DetectFaces",
            authorization=authorization,
            content_length=len(body),
        )
        + body
    )


def flood(service: Served, count: int, request: bytes) -> Counter[str]:
    """The kinds of the replies to a request that is sent again and again."""
    kinds: Counter[str] = Counter()
    with service.connect() as sock:
        for _ in range(count):
            sock.sendall(request)
            kinds[json.loads(read_reply(sock)[2])["__type"]] += 1
    return kinds


THROTTLED = "ThrottlingException"
REJECTED = {"InvalidSignatureException", "IncompleteSignatureException", "UnrecognizedClientException", THROTTLED}


@pytest.mark.parametrize(
    ("request_bytes", "limit"),
    [
        (signed(b"{}"), 0.02),
        (signed(b"{}", key_name="stranger"), 0.02),
        (signed(b'{"Image":{"Bytes":"' + b"A" * MIB + b'"}}'), 0.03),
        (signed(b"{}", names=";".join(["host", "x-amz-date", "x-amz-target", *(f"x{n}" for n in range(700))])), 0.02),
        (signed(b"{}", names="host;" * 700 + "x-amz-date;x-amz-target"), 0.02),
    ],
    ids=["wrong key", "unknown name", "a megabyte", "700 headers", "one header 700 times"],
)
def test_wrong_signatures_are_cheap_and_throttled(closed: Served, request_bytes: bytes, limit: float) -> None:
    count = 300
    with measured(closed) as usage:
        kinds = flood(closed, count, request_bytes)
    assert kinds.keys() <= REJECTED
    assert kinds[THROTTLED] > 0
    assert usage.cpu_seconds < count * limit
    assert usage.peak_growth < 60 * MIB


def test_valid_keys_work_during_signature_flood(closed: Served) -> None:
    """Also from the address that the flood comes from."""
    with ThreadPoolExecutor(20) as pool:
        floods = [
            pool.submit(flood, closed, 60, signed(b'{"Image":{"Bytes":"' + b"A" * MIB + b'"}}')) for _ in range(20)
        ]
        for address in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
            with socket.create_connection(("127.0.0.1", closed.port), PATIENCE, (address, 0)) as sock:
                body = b'{"img": "cXVpY2s="}'  # "quick"
                sock.sendall(head(x_api_key=KEY, content_length=len(body)) + body)
                assert read_reply(sock)[0] == 200
        assert probe(closed) < PATIENCE
        for done in floods:
            assert done.result(LIMIT).keys() <= REJECTED


@pytest.mark.parametrize(
    "authorization",
    [
        "AWS4-HMAC-SHA256 " + "Credential=a/" * 1000,
        "AWS4-HMAC-SHA256 Credential=" + "/" * 12_000,
        "AWS4-HMAC-SHA256 Credential=a/20260101/r/s/aws4_request, SignedHeaders=" + "a;" * 6000 + ", Signature=0",
        "AWS4-HMAC-SHA256" + " " * 12_000,
        "AWS4-HMAC-SHA256 Credential=a/20260101/r/s/aws4_request, SignedHeaders=host, Signature=" + "0" * 12_000,
    ],
    ids=["credentials", "slashes", "names", "blanks", "digits"],
)
def test_malformed_signatures_are_cheap(closed: Served, authorization: str) -> None:
    request = head("/prod/rekognition", authorization=authorization, content_length=2) + b"{}"
    with measured(closed) as usage:
        assert flood(closed, 50, request).keys() <= REJECTED
    assert usage.cpu_seconds < 50 * 0.03
