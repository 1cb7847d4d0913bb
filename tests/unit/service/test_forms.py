"""Forms as clients really send them, and as hostile ones do: the content of a part decides, and work is bounded."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest

from devtools.photos import kinds
from face_comparison.errors import FaceComparisonError, InvalidBase64, InvalidParameter, MissingImage, UrlNotAllowed
from face_comparison.wire import requests
from face_comparison.wire.formats import multipart

JPEG = kinds.jpeg()
IMAGES = {
    name: sample.data
    for name, sample in kinds.samples().items()
    if name in {"jpeg 4:2:0", "png color 8 bits", "bmp 24 bits", "webp lossy"}
}
BOUNDARY = "----boundary"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
DISPOSITION = 'Content-Disposition: form-data; name="{}"'
MIB = 1 << 20


def part(content: bytes, *headers: str) -> bytes:
    return "\r\n".join((f"--{BOUNDARY}", *headers, "", "")).encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def detected(body: bytes, content_type: str = CONTENT_TYPE) -> requests.DetectRequest:
    return requests.detect_request(body, content_type, {})


HEADERS = {
    "no file name": (DISPOSITION.format("img"),),
    "unquoted name": ("Content-Disposition: form-data; name=img",),
    "empty file name": (DISPOSITION.format("img") + '; filename=""',),
    "file name": (DISPOSITION.format("img") + '; filename="a.jpg"', "Content-Type: image/jpeg"),
    "text type": (DISPOSITION.format("img"), "Content-Type: text/plain; charset=utf-8"),
    "type first": ("Content-Type: application/octet-stream", DISPOSITION.format("img")),
    "lower case": ("content-disposition: form-data; name=img; filename*=UTF-8''a.jpg", "content-type: application/pdf"),
}


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("data", IMAGES.values(), ids=IMAGES)
def test_distinguishes_bytes_from_base64_by_content(data: bytes, headers: tuple[str, ...]) -> None:
    for content in (data, base64.b64encode(data), b"data:image/png;base64," + base64.urlsafe_b64encode(data)):
        assert detected(form(part(content, *headers))).image == data


@pytest.mark.parametrize(
    ("text", "number"), [(".5", 0.5), ("1.", 1), ("+1", 1), ("01", 1), ("5e-1", 0.5), (" .25 ", 0.25), ("0", 0)]
)
def test_parses_numbers_in_common_spellings(text: str, number: float) -> None:
    value = part(text.encode(), DISPOSITION.format("min_confidence"))
    assert detected(form(part(JPEG, *HEADERS["file name"]), value)).min_confidence == number
    query = {"min_confidence": text}
    assert requests.detect_request(JPEG, "image/jpeg", query).min_confidence == number
    body = urlencode({"img": base64.b64encode(JPEG), "min_confidence": text}).encode()
    assert detected(body, "application/x-www-form-urlencoded").min_confidence == number


@pytest.mark.parametrize(
    "text", ["nan", "inf", "1e999", "1_0", "0x1", "\u0661", ".", "-.5", "1,0", "true", "+-1", "e1"]
)
def test_text_that_is_not_number_is_rejected(text: str) -> None:
    with pytest.raises(InvalidParameter, match="min_confidence"):
        requests.detect_request(JPEG, "image/jpeg", {"min_confidence": text})


def test_other_content_is_passed_unchanged() -> None:
    """What it is instead is said by the reader of images."""
    file = DISPOSITION.format("img") + '; filename="a.txt"'
    assert detected(form(part(b"plain text", file))).image == b"plain text"
    assert detected(form(part(b"\x89\0\xff not text", DISPOSITION.format("img")))).image == b"\x89\0\xff not text"
    with pytest.raises(InvalidBase64):
        detected(form(part(b"not base64!", DISPOSITION.format("img"))))


@pytest.mark.parametrize(
    "other",
    [
        part(
            b"%PDF-1.7 \xff\xfe", DISPOSITION.format("document") + '; filename="a.pdf"', "Content-Type: application/pdf"
        ),
        part(JPEG, DISPOSITION.format("thumbnail"), "Content-Type: image/jpeg"),
        part(b"\xff\xfe\0", DISPOSITION.format("note")),
        part(b"", DISPOSITION.format("")),
        part(b"x" * 70_000, DISPOSITION.format("token")),
    ],
    ids=range(5),
)
def test_unknown_parts_are_ignored(other: bytes) -> None:
    img, faces = part(JPEG, DISPOSITION.format("img")), part(b"3", DISPOSITION.format("max_faces"))
    request = detected(form(other, img, other, faces))
    assert (request.image, request.max_faces) == (JPEG, 3)
    subjects = [part(JPEG, DISPOSITION.format(name)) for name in ("source", "target")]
    compared = requests.compare_request(form(other, *subjects, other), CONTENT_TYPE, "v")
    assert (compared.source, compared.targets) == (JPEG, (JPEG,))


@pytest.mark.parametrize("encoding", ["latin-1", "gbk", "cp1251", "shift_jis", "utf-8"])
def test_file_name_encoding_is_ignored(encoding: str) -> None:
    letters = {"latin-1": "é", "gbk": "照片", "cp1251": "фото", "shift_jis": "写真", "utf-8": "é"}[encoding]
    headers = (DISPOSITION.format("img") + f'; filename="{letters}.jpg"', "Content-Type: image/jpeg")
    content = part(JPEG, *headers).replace(letters.encode(), letters.encode(encoding), 1)
    other = part(b"x", DISPOSITION.format(letters)).replace(letters.encode(), letters.encode(encoding), 1)
    faces = part(b"3", DISPOSITION.format("max_faces"))
    for body in (form(content, other, faces), form(other, content, faces)):
        request = detected(body)
        assert (request.image, request.max_faces) == (JPEG, 3)


@pytest.mark.parametrize("kind", ["mixed", "related", "Form-Data", "alternative"])
def test_recognizes_form_with_wrong_content_type(kind: str) -> None:
    """OkHttp calls it multipart/mixed by default."""
    body = form(part(JPEG, DISPOSITION.format("img") + '; filename="a.jpg"'))
    assert detected(body, f"multipart/{kind}; boundary={BOUNDARY}").image == JPEG
    with pytest.raises(InvalidParameter, match="not valid multipart"):  # its parts have no names
        detected(form(part(JPEG, "Content-Type: image/jpeg")), f"multipart/{kind}; boundary={BOUNDARY}")


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/octet-stream", "image/jpeg"])
def test_base64_body_is_image(content_type: str) -> None:
    text = base64.b64encode(JPEG)
    for body in (text, b"data:image/jpeg;base64," + text, b"\n" + base64.encodebytes(JPEG)):
        assert detected(body, content_type).image == JPEG


@pytest.mark.parametrize("name", ["image", "file", "photo", "img2"])
def test_misnamed_part_is_reported(name: str) -> None:
    with pytest.raises(MissingImage, match=f"img.*'{name}'"):
        detected(form(part(JPEG, DISPOSITION.format(name) + '; filename="a.jpg"')))


def test_distinguishes_sources_from_targets_by_content() -> None:
    text = base64.b64encode(JPEG)
    contents = {"source": text, "target": b"https://example.org/a.jpg", "targets": JPEG}
    body = form(*(part(content, DISPOSITION.format(name)) for name, content in contents.items()))
    compared = requests.compare_request(body, CONTENT_TYPE, "v")
    assert compared.source == JPEG
    assert compared.targets == (requests.Url("https://example.org/a.jpg"), JPEG)


# --- forms without parts --------------------------------------------------------------------------------------------

URLENCODED = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("content_type", [URLENCODED, URLENCODED + "; charset=UTF-8"])
def test_urlencoded_form_with_url(content_type: str) -> None:
    request = detected(b"url=https%3A%2F%2Fexample.org%2Fa+b.jpg&max_faces=2&other=%FF", content_type)
    assert (request.image, request.max_faces) == (requests.Url("https://example.org/a b.jpg"), 2)
    assert detected(b"url=http://example.org/?a=b", content_type).image == requests.Url("http://example.org/?a=b")


@pytest.mark.parametrize("quoted", [quote_plus, quote, lambda text: text, lambda text: text.replace("+", "%2b")])
def test_urlencoded_form_with_base64(quoted: Callable[[str], str]) -> None:
    for prefix in ("", "data:image/jpeg;base64,"):
        body = f"max_faces=5&img={quoted(prefix + base64.b64encode(JPEG).decode())}".encode()
        assert detected(body, URLENCODED).image == JPEG


def test_urlencoded_form_without_image_is_explained() -> None:
    for body in (b"", b"img=", b"image=abc", b"&&&", b"\xff\xfe"):
        with pytest.raises(MissingImage):
            detected(body, URLENCODED)
    with pytest.raises(InvalidParameter, match="fields"):
        detected(urlencode([("url", "a")] * 100).encode(), URLENCODED)
    with pytest.raises(InvalidParameter, match="two images"):
        requests.compare_request(b"source=a", URLENCODED, "v")


def test_content_decides_kind_of_part() -> None:
    assert detected(JPEG, URLENCODED).image == JPEG
    assert detected(json.dumps({"url": "http://a/"}).encode(), URLENCODED).image == requests.Url("http://a/")
    assert detected(base64.b64encode(JPEG), "image/jpeg").image == JPEG


# --- base64 -----------------------------------------------------------------------------------------------------------


def with_many_pluses() -> bytes:
    return b"\xff\xd8\xff" + bytes([0xFB, 0xEF, 0xBE, 0x10] * 300)


@pytest.mark.parametrize("prefix", ["", "data:image/jpeg;base64,"])
@pytest.mark.parametrize("data", [with_many_pluses(), JPEG, with_many_pluses()[:-1], with_many_pluses()[:-2]])
def test_spaces_are_decoded_as_plus_signs(prefix: str, data: bytes) -> None:
    text = base64.b64encode(data).decode()
    assert "+" in text
    body = json.dumps({"img": prefix + text.replace("+", " ")}).encode()
    assert detected(body, "").image == data
    assert detected(b"img=" + prefix.encode() + text.encode(), URLENCODED).image == data


@pytest.mark.parametrize("width", [16, 64, 76])
@pytest.mark.parametrize("end", [" ", "\n ", " \r\n", "\n    "])
def test_spaces_between_lines_are_ignored(width: int, end: str) -> None:
    data = b"\xff\xd8\xff" + bytes(range(256)) * 9
    text = base64.urlsafe_b64encode(data).decode().replace("-", "A").replace("_", "A")
    expected = base64.b64decode(text)
    folded = end.join(text[at : at + width] for at in range(0, len(text), width))
    assert detected(json.dumps({"img": folded}).encode(), "").image == expected


@pytest.mark.parametrize("url", ["data:image/jpeg;base64,{}", "DATA:image/png;base64,{}", " data:;base64,{}"])
@pytest.mark.parametrize("size", [30, 9_000, 200_000])
def test_image_given_as_url_is_reported(url: str, size: int) -> None:
    text = url.format(base64.b64encode(bytes(size)).decode())
    with pytest.raises(UrlNotAllowed, match="send it as img"):
        detected(json.dumps({"url": text}).encode(), "")


@pytest.mark.parametrize("address", ["https://example.org/a.jpg", "http://a", "s3://bucket/key", "HTTPS://EXAMPLE.org"])
def test_url_given_as_image_is_reported(address: str) -> None:
    bodies = [
        (json.dumps({"img": address}).encode(), ""),
        (form(part(address.encode(), DISPOSITION.format("img"))), CONTENT_TYPE),
        (urlencode({"img": address}).encode(), URLENCODED),
    ]
    for body, content_type in bodies:
        with pytest.raises(InvalidBase64, match="send it as url"):
            detected(body, content_type)


# --- hostile ----------------------------------------------------------------------------------------------------------

IMG = DISPOSITION.format("img")
HOSTILE: dict[str, Callable[[], tuple[bytes, str]]] = {
    "parameters of a part": lambda: (form(part(JPEG, IMG + "; " + 'a="b";' * 2_800_000)), CONTENT_TYPE),
    "escaped parameters": lambda: (form(part(JPEG, IMG + "; a*=" + "%41" * 5_000_000)), CONTENT_TYPE),
    "headers of a part": lambda: (form(part(JPEG, IMG, *["X: y"] * 2_800_000)), CONTENT_TYPE),
    "a header without end": lambda: (f"--{BOUNDARY}\r\nX: ".encode() + b"x" * (16 * MIB), CONTENT_TYPE),
    "parts": lambda: (form(part(b"", DISPOSITION.format("x")) * 200_000), CONTENT_TYPE),
    "dashes at line ends": lambda: (form(part(b"\r\n--" * (4 * MIB), IMG)), CONTENT_TYPE),
    "carriage returns": lambda: (form(part(b"\r" * (16 * MIB), IMG)), CONTENT_TYPE),
    "blanks behind boundaries": lambda: (
        form(part((b"\r\n--" + BOUNDARY.encode() + b" " * 80_000) * 200, IMG)),
        CONTENT_TYPE,
    ),
    "targets": lambda: (b'{"source":{"url":"http://a"},"targets":[' + b"1," * 70_000 + b"1]}", "application/json"),
    "parts with long headers": lambda: (
        form(part(b"", DISPOSITION.format("x") + ";" + ' a="b";' * 500) * 190),
        CONTENT_TYPE,
    ),
    "line ends": lambda: (form(part(b"\r\n" * (8 * MIB), IMG)), CONTENT_TYPE),
    "half a boundary again and again": lambda: (form(part(b"\r\n------bound" * MIB, IMG)), CONTENT_TYPE),
    "a boundary within lines": lambda: (form(part(b"x----boundary" * MIB, IMG)), CONTENT_TYPE),
    "nothing but line ends": lambda: (b"\n" * (16 * MIB), CONTENT_TYPE),
    "keys of images": lambda: (b'{"a":[' + b'"img","x",' * 1_500_000 + b"0]}", "application/json"),
    "short images": lambda: (b'{"a":[' + b'{"img":"AAAA"},' * 1_000_000 + b"0]}", "application/json"),
    "nesting": lambda: (b"[" * (16 * MIB), "application/json"),
    "nested objects": lambda: (b'{"a":' * (3 * MIB), "application/json"),
    "nested maps": lambda: (b"\x81\xa1a" * (5 * MIB), "application/msgpack"),
    "keys of a map": lambda: (b"\xdf\0\x30\0\0" + b"\xa1a\xc0" * (3 * MIB), "application/msgpack"),
    "fields": lambda: (b"a=b&" * (4 * MIB), URLENCODED),
    "escapes": lambda: (b"img=" + b"%41" * (5 * MIB), URLENCODED),
    "escapes of plus signs": lambda: (b"img=" + b"%2B" * (5 * MIB), URLENCODED),
    "blanks": lambda: (json.dumps({"img": "A " * (8 * MIB)}).encode(), "application/json"),
    "line ends in base64": lambda: (json.dumps({"img": "A\n" * (5 * MIB)}).encode(), "application/json"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_adversarial_bodies_are_cheap(name: str) -> None:
    """Seconds of the processor for bodies of some 16 MiB; 11 at first for the parameters of a part."""
    body, content_type = HOSTILE[name]()
    started = time.thread_time()
    for read in (
        lambda: requests.detect_request(body, content_type, {}),
        lambda: requests.compare_request(body, content_type, "v"),
    ):
        try:
            read()
        except FaceComparisonError as error:
            assert error.message
    assert time.thread_time() - started < 1


@pytest.mark.parametrize("length", [multipart.MAX_PART_HEADER_BYTES - 200, multipart.MAX_PART_HEADER_BYTES + 1])
def test_part_headers_are_limited(length: int) -> None:
    body = form(part(JPEG, IMG + f'; filename="{"x" * length}"'))
    if length < multipart.MAX_PART_HEADER_BYTES:
        assert detected(body).image == JPEG
    else:
        with pytest.raises(InvalidParameter, match="headers of a part"):
            detected(body)


@pytest.mark.parametrize("line_break", [b"\r\n", b"\n", b"\r"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\n",
        b"--",
        b"x--" + BOUNDARY.encode(),
        b"\r\n--" + BOUNDARY.encode() + b"y",
        b"\r\n--\r\n",
        b"\n\n\r\rx",
    ],
)
def test_content_resembling_delimiter_is_kept(content: bytes, line_break: bytes) -> None:
    data = JPEG + content
    head = line_break.join([f"--{BOUNDARY} \t".encode(), IMG.encode(), b"Content-Type: image/jpeg", b"", b""])
    body = head + data + line_break + f"--{BOUNDARY}--".encode() + b"ignored"
    assert detected(body).image == data


def test_excess_boundaries_are_rejected() -> None:
    with pytest.raises(InvalidParameter, match="more than 200 parts"):
        detected(form(part(f"x--{BOUNDARY}".encode() * 300, IMG)))


@pytest.mark.parametrize("count", [101, 70_000])
def test_targets_are_counted_before_parsing(count: int) -> None:
    body = b'{"source":{"url":"http://a"},"targets":[' + b",".join([b"1"] * count) + b"]}"
    with pytest.raises(InvalidParameter, match=f"at most 100 objects, not {count}"):
        requests.compare_request(body, "application/json", "v")


@pytest.mark.parametrize("parts", [multipart.MAX_PARTS - 1, multipart.MAX_PARTS])
def test_parts_are_limited(parts: int) -> None:
    body = form(part(JPEG, IMG), *[part(b"", DISPOSITION.format("x"))] * parts)
    if parts < multipart.MAX_PARTS:
        assert detected(body).image == JPEG
    else:
        with pytest.raises(InvalidParameter, match="parts"):
            detected(body)


def test_truncated_form_is_rejected() -> None:
    body = form(part(b"5", DISPOSITION.format("max_faces")), part(JPEG, *HEADERS["file name"]))
    for size in range(0, len(body) - 4, 17):
        with pytest.raises((InvalidParameter, MissingImage)):
            detected(body[:size])
