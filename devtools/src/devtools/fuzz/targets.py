"""The fuzz targets: parsers of everything that strangers send, with seeds that pass their first checks.

A target may raise the package's own errors. Any other error is a finding, as is more CPU time than its limit per byte.
"""

from __future__ import annotations

import base64
import contextlib
import io
import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass

import h11
from PIL import Image

from devtools.photos import kinds
from face_comparison import image
from face_comparison.fetching import response_body, urls
from face_comparison.image.av1 import count_frames, largest_frame
from face_comparison.image.decode_cost import estimate_decode_bytes
from face_comparison.image.isobmff_items import coded_items
from face_comparison.image.vp8l import table_bytes
from face_comparison.rekognition.faults import RekognitionFault
from face_comparison.rekognition.service_model import parse_input
from face_comparison.rekognition.signature import parse_authorization
from face_comparison.server.incoming_body import ChunkedBody
from face_comparison.server.request_head import HeadBuffer, parse_head
from face_comparison.web.client_address import client_address
from face_comparison.wire import collection_requests, requests
from face_comparison.wire.transfer import import_lines, split_lines


@dataclass(frozen=True, slots=True)
class Target:
    """A target. run: accepts any bytes. starts: valid inputs. dictionary: fragments of the formats."""

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


_HEAD = b"POST /a%20b?q=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nX-A: b\r\n\r\nabc"


def _head(data: bytes) -> None:
    found = HeadBuffer().add(data)
    if found is not None:
        parse_head(h11.Connection(h11.SERVER), found[0], ("192.0.2.1", 1), ("192.0.2.2", 2), multiprocess=False)


def _chunks(data: bytes) -> None:
    protocol = h11.Connection(h11.SERVER)
    protocol.receive_data(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    protocol.next_event()
    body = ChunkedBody(protocol)
    body.add(data)
    body.has_more = True
    while body.has_more:
        body.keep(body.parse())
    assert len(body.take()) == body.received


def _authorization(data: bytes) -> None:
    with contextlib.suppress(RekognitionFault):
        parse_authorization(data.decode("latin-1"))


def _rekognition(operation: str) -> Callable[[bytes], object]:
    def run(data: bytes) -> None:
        with contextlib.suppress(RekognitionFault):
            parse_input(operation, data)

    return run


def _forwarded(data: bytes) -> None:
    trusted = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]
    client_address("10.0.0.1", data.decode("latin-1"), trusted)


def _user(data: bytes) -> None:
    collection_requests.user_request(data, "application/json")


def _search(content_type: str) -> Callable[[bytes], object]:
    return lambda body: collection_requests.search_request(body, content_type, {}, "v")


def _coded(data: bytes) -> None:
    for item in coded_items(data, b"av01"):
        largest_frame(item)
        count_frames(item)


def _stream(data: bytes) -> bytes:
    """Returns the data of a lossless WebP after its size."""
    return data[data.index(b"VP8L") + 13 :]


_LINE = json.dumps({"face_hash": [0.5] * 768, "FaceModelVersion": "v", "UserId": "anna"}).encode()
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
    "webp codes": Target(
        lambda data: table_bytes(data, 4096, 4096),
        tuple(_stream(data) for data in _images("webp") if b"VP8L" in data),
        (b"\x11", b"\xff" * 8, bytes(8)),
    ),
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
    "head": Target(
        _head,
        (_HEAD,),
        (b"\r\n", b"\n", b":", b" ", b"\t", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n"),
    ),
    "chunks": Target(
        _chunks, (b"3\r\nabc\r\n1;a=b\r\nx\r\n0\r\nT: y\r\n\r\n",), (b"\r\n", b"\n", b";", b"0\r\n\r\n", b"ffffffff")
    ),
    "import": Target(
        lambda data: list(import_lines(split_lines(data), "v")),
        (_LINE + b"\n" + _LINE,),
        (b"\n", b"1e999", b"null", b"NaN", b'"CreationTimestamp":9e99', b'"BoundingBox":{"Left":1}'),
    ),
    "authorization": Target(
        _authorization,
        (
            b"AWS4-HMAC-SHA256 Credential=a/20260101/r/s/aws4_request, SignedHeaders=host;x-amz-date, Signature="
            + b"0" * 64,
        ),
        (b"/", b";", b",", b"Credential=", b"  "),
    ),
    "rekognition image": Target(
        _rekognition("CompareFaces"),
        (
            json.dumps({"SourceImage": {"Bytes": _TEXT}, "TargetImage": {"Bytes": _TEXT}}).encode(),
            b'{"SourceImage":{"S3Object":{"Bucket":"a.b-c","Name":"d/e.jpg"}},"TargetImage":{"Bytes":"AAAA"}}',
        ),
        (b'"S3Object"', b'"SimilarityThreshold":', b"null", b"{", b"[", b"1e999", b"\\ud800"),
    ),
    "rekognition user": Target(
        _rekognition("AssociateFaces"),
        (
            b'{"CollectionId":"a","UserId":"b","FaceIds":["11111111-2222-3333-4444-555555555555"],"ClientRequestToken":"x"}',
        ),
        (b"-" * 40, b"a" * 300, b'"FaceIds":', b"null", b"["),
    ),
    "search": Target(
        _search("application/json"),
        (json.dumps({"img": _TEXT, "UserIds": ["a", "b"], "Threshold": 1.0, "MaxFaces": 3}).encode(),),
        (b'"UserIds":', b'"MaxFalsePositiveRate":', b"null", b"[", b"1e-999", b"\\u0000"),
    ),
    "search form": Target(
        _search("multipart/form-data; boundary=x"),
        (_FORM.replace(b'"max_faces"', b'"UserIds"'),),
        (b"\r\n--x", b'name="UserIds"', b",", b"[", b'"'),
    ),
    "user": Target(
        _user,
        (b'{"UserId":"anna","Metadata":{"a":[1,{"b":"c"}]},"Expires":"2030-01-01T00:00:00Z"}',),
        (b'"Metadata":', b'"Expires":', b"{", b"[", b"1e999", b"\\ud800", b"-9999"),
    ),
    "forwarded": Target(
        _forwarded,
        (b"192.0.2.1, 10.0.0.2", b"[2001:db8::1]:443, fd00::1%eth0, ::ffff:10.0.0.1"),
        (b",", b"[", b"]", b":", b"%", b"::", b"fd00::1"),
    ),
    "coded items": Target(_coded, (_pillow("AVIF"),), (b"iloc", b"iinf", b"infe", b"iref", b"dimg", b"auxl", b"pitm")),
    "gzip": Target(
        _read_body("gzip"), (b"\x1f\x8b\x08\0\0\0\0\0\0\3\3\0\0\0\0\0\0\0\0\0",), (b"\x1f\x8b", b"\x78\x9c")
    ),
}
