"""What is fuzzed: parsers of everything that strangers send, each with starts that get past its first checks.

A target may raise the package's own errors. Anything else it raises is a finding, and so is more processor time than
its share per byte.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from devtools.photos import kinds
from face_comparison import image
from face_comparison.fetching import response_body, urls
from face_comparison.image.decode_cost import estimate_decode_bytes
from face_comparison.wire import requests


@dataclass(frozen=True, slots=True)
class Target:
    """run: takes any bytes. starts: bytes that it accepts. dictionary: pieces that formats are made of."""

    run: Callable[[bytes], object]
    starts: tuple[bytes, ...]
    dictionary: tuple[bytes, ...]


def _decode(data: bytes) -> None:
    header = image.read_header(data, 1024)
    estimate_decode_bytes(data, 1024)
    pixels = image.decode(data, header)
    assert pixels.shape == (header.height, header.width, 3)


def _images(*names: str) -> tuple[bytes, ...]:
    return tuple(sample.data for name, sample in kinds.samples().items() if name.startswith(names))


def _pillow(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(kinds.scene()).save(stream, kind, quality=30)
    return stream.getvalue()


_JPEG = kinds.jpeg()
_FORM = (
    b'--x\r\nContent-Disposition: form-data; name="img"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    + _JPEG[:40]
    + b'\r\n--x\r\nContent-Disposition: form-data; name="max_faces"\r\n\r\n3\r\n--x--\r\n'
)


def _detect(content_type: str) -> Callable[[bytes], object]:
    return lambda body: requests.detect_request(body, content_type, {})


def _compare(content_type: str) -> Callable[[bytes], object]:
    return lambda body: requests.compare_request(body, content_type, "v")


def _read_body(encoding: str) -> Callable[[bytes], object]:
    def run(data: bytes) -> None:
        stream = io.BytesIO(data)
        response_body.read_body(stream.read, None, encoding, 1 << 20)

    return run


_TEXT = base64.b64encode(_JPEG[:60]).decode()
_OBJECT = json.dumps({"img": _TEXT, "url": "http://a/b", "max_faces": 3, "min_confidence": 0.5}).encode()
_COMPARISON = json.dumps(
    {"source": {"img": _TEXT}, "targets": [{"url": "http://a"}, {"face_hash": [0.1] * 9}]}
).encode()

TARGETS: dict[str, Target] = {
    "jpeg": Target(
        _decode,
        _images("jpeg"),
        (*(bytes((0xFF, marker)) for marker in (*range(0xC0, 0xE3), 0xEE, 0xFE, 0)), b"Exif\0\0", b"JFIF\0"),
    ),
    "png": Target(
        lambda data: _decode(kinds.png_with_checksums(data)),
        _images("png"),
        (b"IHDR", b"IDAT", b"IEND", b"PLTE", b"tRNS", b"eXIf", b"acTL"),
    ),
    "bmp": Target(_decode, _images("bmp"), (b"\0\0", b"\0\1", b"\0\2", b"\xff\xff\xff\xff")),
    "webp": Target(_decode, _images("webp"), (b"VP8 ", b"VP8L", b"VP8X", b"ANMF", b"ALPH", b"EXIF")),
    "avif": Target(_decode, (_pillow("AVIF"),), (b"meta", b"ispe", b"irot", b"ipma", b"iref", b"av1C")),
    "json": Target(_detect("application/json"), (_OBJECT,), (b'"img":', b'"url"', b"null", b"[", b"{", b"\\u0000")),
    "json comparison": Target(_compare("application/json"), (_COMPARISON,), (b'"targets"', b'"face_hash"', b"[", b"{")),
    "msgpack": Target(
        _detect("application/msgpack"), (b"\x82\xa3img\xc4\4abcd\xa9max_faces\3",), (b"\xdf", b"\xc6", b"\xdb", b"\xc1")
    ),
    "multipart": Target(
        _detect("multipart/form-data; boundary=x"),
        (_FORM,),
        (b"\r\n--x", b"--\r\n", b"name=", b"filename*=", b";", b'"'),
    ),
    "multipart comparison": Target(
        _compare("multipart/form-data; boundary=x"), (_FORM.replace(b'"img"', b'"source"'),), (b"\r\n--x", b'"target"')
    ),
    "plain form": Target(
        _detect("application/x-www-form-urlencoded"),
        (b"url=http%3A%2F%2Fa&max_faces=3", b"img=AAAA"),
        (b"%", b"&", b"+"),
    ),
    "raw body": Target(_detect("image/jpeg"), (_JPEG, base64.b64encode(_JPEG)), (b"data:image/png;base64,", b" ")),
    "url": Target(
        lambda data: urls.parse(data.decode("utf-8", "replace")),
        (b"http://example.org:80/a?b=c#d", b"s3://bucket/key", b"https://[::1]/"),
        (b"@", b"[", b"]", b"%00", b"\\", b"../"),
    ),
    "gzip": Target(
        _read_body("gzip"), (b"\x1f\x8b\x08\0\0\0\0\0\0\3\3\0\0\0\0\0\0\0\0\0",), (b"\x1f\x8b", b"\x78\x9c")
    ),
}
