"""Small requests made to cost much, on the real models: what a file or a form says about itself buys no time."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from support.hostile import MIB, measured
from support.served import Served, read_reply

GRAY = np.full((64, 64, 1), 128, np.uint8)
NOISE = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)


def jpeg(pixels: np.ndarray, between: bytes = b"", before_end: bytes = b"") -> bytes:
    """A JPEG with bytes of one's own behind its start, and before its end."""
    data = simplejpeg.encode_jpeg(pixels, colorspace="GRAY" if pixels.shape[2] == 1 else "RGB")
    return data[:2] + between + data[2:-2] + before_end + data[-2:]


def segments(marker: int, content: bytes, count: int) -> bytes:
    one = bytes([0xFF, marker]) + (2 + len(content)).to_bytes(2, "big") + content
    return one * count


def detect(service: Served, body: bytes, content_type: str, query: str = "") -> int:
    """Send one request, and return its status."""
    path = f"/prod/face_comparison{query}"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    with service.connect() as sock:
        sock.sendall(head.encode() + body)
        return read_reply(sock)[0]


EMPTY_TABLES = (b"\x03" + bytes(16)) * 3854
TABLES_OF_ONE_SYMBOL = (b"\x13\0\x01" + bytes(15)) * 3600
FULL_TABLES = (b"\x03" + bytes(15) + b"\xff" + bytes(range(255))) * 240


def stray_intervals() -> bytes:
    """A JPEG with stray bytes at the end of each of its intervals, behind 640 kB of empty tables."""
    stream = io.BytesIO()
    Image.fromarray(GRAY[:, :, 0]).save(stream, "JPEG", restart_marker_blocks=1)
    data = stream.getvalue()
    scan = data.index(b"\xff\xda")
    coded = re.sub(rb"\xff[\xd0-\xd7]", lambda found: b"some stray bytes" + found[0], data[scan:], flags=re.DOTALL)
    return data[:2] + segments(0xC4, EMPTY_TABLES, 10) + data[2:scan] + coded


@pytest.mark.parametrize(
    "data",
    [
        jpeg(GRAY, segments(0xC4, EMPTY_TABLES, 10), b"\x55" * 40),
        jpeg(GRAY, segments(0xC4, TABLES_OF_ONE_SYMBOL, 10), b"\x55" * 40),
        stray_intervals(),
        jpeg(GRAY, segments(0xC4, FULL_TABLES, 10), b"\x55" * 40),
        jpeg(GRAY, segments(0xDB, (b"\x03" + bytes([1]) * 64) * 1000, 10), b"\x55" * 40),
        jpeg(GRAY, segments(0xFE, b"", 160_000), b"\x55" * 40),
        jpeg(GRAY, b"\xff" * 640_000, b"\x55" * 40),
        jpeg(GRAY, b"", b"\xff\xd0\xff\x00" * 160_000),
        jpeg(GRAY, b"", b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 64_000),
    ],
    ids=[
        "empty tables",
        "tables of one symbol",
        "tables and stray intervals",
        "full tables",
        "quantization",
        "comments",
        "fill bytes",
        "restarts",
        "scans",
    ],
)
def test_jpeg_segments_are_cheap(model_service: Served, data: bytes) -> None:
    """640 kB each. The first three took the first server 11 to 16 s; it withstood the others, which guard against a
    regression.
    """
    with measured(model_service) as usage:
        assert detect(model_service, data, "image/jpeg") in (200, 400)
    assert usage.cpu_seconds < 3
    assert usage.peak_growth < 150 * MIB


@pytest.mark.parametrize("pixels", [GRAY[:1, :1], GRAY, NOISE], ids=["1 x 1", "gray", "noise"])
@pytest.mark.parametrize("confidence", ["0", "1e-300"])
def test_low_min_confidence_is_cheap(model_service: Served, pixels: np.ndarray, confidence: str) -> None:
    data = jpeg(pixels)
    with measured(model_service) as usual:
        assert detect(model_service, data, "image/jpeg") == 200
    with measured(model_service) as low:
        assert detect(model_service, data, "image/jpeg", f"?min_confidence={confidence}") == 200
    assert low.cpu_seconds < usual.cpu_seconds + 1.2


DISPOSITION = b'Content-Disposition: form-data; name="img"; '


@pytest.mark.parametrize(
    "headers",
    [
        DISPOSITION + b'a="b";' * 2_800_000,
        DISPOSITION + b"a*=UTF-8''" + b"%41" * 5_500_000,
        DISPOSITION + b"\r\n" + b"X: y\r\n" * 2_800_000,
        b"X: " + b"x" * 17_000_000,
    ],
    ids=["parameters", "escapes", "headers", "a header"],
)
def test_part_headers_are_cheap(model_service: Served, headers: bytes) -> None:
    """17 MB each; the parameters took 11 s and 660 MiB. The first server read a single long header at little cost."""
    body = b"--b\r\n" + headers + b"\r\n\r\nx\r\n--b--\r\n"
    with measured(model_service) as usage:
        assert detect(model_service, body, "multipart/form-data; boundary=b") == 400
    assert usage.cpu_seconds < 3
    assert usage.peak_growth < 200 * MIB


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (
            b"--b\r\n" + DISPOSITION + b"\r\n\r\n" + b"\r\n" * 8_000_000 + b"\r\n--b--",
            "multipart/form-data; boundary=b",
        ),
        (b'{"img":"AAAA",' + b'"img":"",' * 1_800_000 + b'"a":1}', "application/json"),
        (b'{"img":"AAAA","a":' + b"[" * 17_000_000, "application/json"),
        (b'{"img":"AAAA","max_faces":' + b"1" * 17_000_000 + b"}", "application/json"),
        (b'{"img":"' + b"\\ud800" * 2_800_000 + b'"}', "application/json"),
        (b'{"img":"' + b"\\u0000" * 2_800_000 + b'"}', "application/json"),
        (b"\x81\xa3img" + b"\x91" * 17_000_000, "application/msgpack"),
        (b"img=" + b"%2B" * 5_600_000, "application/x-www-form-urlencoded"),
        (b'{"url":"data:image/png;base64,' + b"A" * 17_000_000 + b'"}', "application/json"),
        (b'{"url":"http://a/' + b"\\u0001" * 2_800_000 + b'"}', "application/json"),
        (b"\xdf\xff\xff\xff\xff" + b"\xa3img\xc0" * 3_400_000, "application/msgpack"),
        (b"\x81\xa3img\xc6\xff\xff\xff\xff" + b"x" * 17_000_000, "application/msgpack"),
        (b"\x81\xa3img\xc9\x00\xff\xff\xff\x05" + b"x" * 0xFFFFFF, "application/msgpack"),
        (b"\x81\xa3img\xdd\x00\xff\xff\xff" + b"\xd6\xff\0\0\0\0" * 2_800_000, "application/msgpack"),
        (b"\x81" * 17_000_000, "application/msgpack"),
        (
            (b"--b\r\n" + DISPOSITION + b"\r\n\r\n\r\n") * 280_000 + b"--b--",
            "multipart/form-data; boundary=b",
        ),
        (b"--b" * 5_600_000, "multipart/form-data; boundary=b"),
        (b"max_faces=1&" * 1_400_000, "application/x-www-form-urlencoded"),
        (b'{"img":"AAAA","img":"BBBB","max_faces":1,"max_faces":1e999}', "application/json"),
    ],
    ids=[
        "line breaks", "keys", "nesting", "digits", "surrogates", "NUL", "maps", "escapes", "data URL", "URL",
        "huge map", "huge bytes", "extension", "timestamps", "keys that are maps", "parts", "boundaries", "fields",
        "duplicates",
    ],
)  # fmt: skip
def test_repetitive_bodies_are_cheap(model_service: Served, body: bytes, content_type: str) -> None:
    """17 MB each: some 0.2 s. They guard against a regression, but for the form of line breaks, which took 1 s."""
    with measured(model_service) as usage:
        assert detect(model_service, body, content_type) == 400
    assert usage.cpu_seconds < 2
    assert usage.peak_growth < 200 * MIB


def test_excess_targets_are_not_parsed(model_service: Served) -> None:
    """150 kB; half a second when each got an error of its own."""
    body = b'{"source":{"url":"http://a"},"targets":[' + b"1," * 75_000 + b"1]}"
    head = f"POST /prod/face_comparison/compare HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with measured(model_service) as usage, model_service.connect() as sock:
        for _ in range(10):
            sock.sendall(head + body)
            assert read_reply(sock)[0] == 400
    assert usage.cpu_seconds < 2
