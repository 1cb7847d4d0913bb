"""Files and bodies of kinds that nobody sends by mistake, on the real models: each is answered, quickly and in bounds.

They guard against a regression: when they were written, nothing of them did harm, but for images of many sets of codes,
which took 370 MB, and an AVIF of many frames, which took 7 s.
"""

from __future__ import annotations

import functools
import io
import json
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from support import lossless_webp
from support.hostile import MIB, head, measured, probe
from support.served import Served, read_reply

CPU_SECONDS, GROWTH = 2.5, 200 * MIB
PLAIN = Image.new("RGB", (64, 64), (9, 9, 9))


@functools.cache
def noise(side: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def with_segments(marker: int, contents: list[bytes]) -> bytes:
    data = encoded(PLAIN, "JPEG")
    added = b"".join(bytes([0xFF, marker]) + struct.pack(">H", len(each) + 2) + each for each in contents)
    return data[:2] + added + data[2:]


def with_scans(count: int) -> bytes:
    data = encoded(noise(256), "JPEG", progressive=True)
    return data[:-2] + data[data.rindex(b"\xff\xda") : -2] * count + data[-2:]


def claiming(side: int) -> bytes:
    return encoded(PLAIN, "JPEG").replace(struct.pack(">HH", 64, 64), struct.pack(">HH", side, side), 1)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_in_pieces(side: int) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(side * (3 * side + 1)), 0)
    pieces = b"".join(chunk(b"IDAT", pixels[at : at + 1]) + chunk(b"IDAT", b"") for at in range(len(pixels)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pieces + chunk(b"IEND", b"")


def interlaced(side: int) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 1)
    pixels = zlib.compress(bytes(3 * side * side + 14 * side), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def animated_png(frames: int) -> bytes:
    data = encoded(PLAIN, "PNG")
    at = data.index(b"IDAT") - 4
    frame = chunk(b"fcTL", bytes(26)) + chunk(b"fdAT", bytes(20))
    return data[:at] + chunk(b"acTL", struct.pack(">II", frames, 0)) + frame * frames + data[at:]


def bmp(width: int, height: int) -> bytes:
    size = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 32, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + size


def avif_of_frames(side: int, count: int) -> bytes:
    data = encoded(Image.new("RGB", (side, side), (90, 90, 90)), "AVIF", speed=10)
    at = data.index(b"mdat") + 4
    frame = data.rindex(b"\x32")
    coded = data[at:frame] + data[frame:] * count
    length = data.index(struct.pack(">I", len(data) - at), data.index(b"iloc"))
    start = data[:length] + struct.pack(">I", len(coded)) + data[length + 4 : at - 8]
    return start + struct.pack(">I", len(coded) + 8) + b"mdat" + coded


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
EXIF_LOOP = b"Exif\0\0II*\0" + struct.pack("<IHHHIII", 8, 1, 0x8769, 4, 1, 8, 8)
EXIF_ENTRIES = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 4000) + struct.pack(">HHII", 0x112, 3, 1, 0xFFFF0000) * 4000

IMAGES: dict[str, Callable[[], bytes]] = {
    "GIF of many frames": lambda: encoded(PLAIN, "GIF", save_all=True, append_images=[noise(64)] * 200),
    "TIFF whose directory is its own next": lambda: b"II*\0" + struct.pack("<IHI", 8, 0, 8) + bytes(1000),
    "icon of 60,000 images": lambda: b"\0\0\1\0" + struct.pack("<H", 60_000) + b"\xff" * 960_000,
    "SVG with entities": lambda: b'<svg xmlns="x"><!DOCTYPE a [<!ENTITY a "' + b"b" * 10**5 + b'">]>' + b"&a;" * 10**5,
    "EXIF directory in itself": lambda: with_segments(0xE1, [EXIF_LOOP]),
    "EXIF of 4,000 orientations": lambda: with_segments(0xE1, [EXIF_ENTRIES]),
    "color profile in 4,000 parts": lambda: with_segments(0xE2, [b"ICC_PROFILE\0\1\xff" + b"x" * 100] * 4000),
    "progressive noise": lambda: encoded(noise(1024), "JPEG", progressive=True, quality=95),
    "50 more scans": lambda: with_scans(50),
    "500 more scans": lambda: with_scans(500),
    "JPEG that claims 65,500": lambda: claiming(65_500),
    "JPEG that claims 4,096": lambda: claiming(4096),
    "JPEG of 12 components": lambda: encoded(PLAIN, "JPEG").replace(b"\xff\xc0\0\x11", b"\xff\xc0\0\x29", 1),
    "animated WebP": lambda: encoded(PLAIN, "WEBP", save_all=True, append_images=[noise(64)] * 50, lossless=True),
    "WebP of 65,536 sets of codes": lambda: lossless_webp.many_codes(1024, 1024),
    "transparency of 65,536 sets of codes": lambda: lossless_webp.many_codes_of_alpha(1024, 1024),
    "AVIF of 58 frames": lambda: avif_of_frames(4096, 58),
    "animated PNG": lambda: animated_png(5000),
    "PNG in bytes": lambda: png_in_pieces(64),
    "interlaced PNG": lambda: interlaced(2000),
    "BMP upside down": lambda: bmp(4096, -4096),
    "BMP of 2**31": lambda: bmp(2**31 - 1, 2**31 - 1),
    "HEIC of empty boxes": lambda: HEIC + bytes(40_000),
    "HEIC of metadata in itself": lambda: HEIC + b"\0\0\xff\xffmeta\0\0\0\0" * 5000,
    "ZIP": lambda: b"PK\3\4" + bytes(100_000),
}

FORM = "multipart/form-data; boundary=b"
PART = b"--b\r\nContent-Disposition: form-data; "
BODIES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "objects in objects": ("", lambda: b'{"img":"AAAA","a":' + b'{"a":' * 10**6 + b"1" + b"}" * 10**6 + b"}"),
    "repeated fields": ("", lambda: b"{" + b'"max_faces":1,' * 200_000 + b'"img":"AAAA"}'),
    "escaped fields": ("", lambda: b"{" + b'"\\u0069\\u006d\\u0067":"AAAA",' * 100_000 + b'"a":1}'),
    "a long field": ("", lambda: b'{"' + b"k" * 15_000_000 + b'":1}'),
    "infinity": ("", lambda: b'{"img":"AAAA","max_faces":1e999}'),
    "NaN": ("", lambda: b'{"img":"AAAA","min_confidence":NaN}'),
    "a long exponent": ("", lambda: b'{"img":"AAAA","max_faces":1e' + b"9" * 60_000 + b"}"),
    "UTF-16 of spaces": ("", lambda: (" " * 4_000_000).encode("utf-16")),
    "UTF-7": ("application/json; charset=utf-7", lambda: b"{+AAA-}" * 100_000),
    "2,000 parameters": ("multipart/form-data; " + "a=b; " * 2000 + "boundary=x", lambda: b"{}"),
    "a long boundary": ("multipart/form-data; boundary=" + "x" * 7000, lambda: b"--" + b"x" * 7000 + b"\r\n"),
    "almost boundaries": (FORM, lambda: b"\r\n--bb" * 3_000_000),
    "a name in 300 pieces": (
        FORM, lambda: PART + b"".join(b'name*%d="a"; ' % number for number in range(300)) + b"\r\n\r\nx\r\n--b--"
    ),
    "a form in a form": (
        FORM, lambda: PART + b"name=img\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n" + b"--c\r\n" * 200_000
        + b"\r\n--b--",
    ),
    "a field of pluses": ("application/x-www-form-urlencoded", lambda: b"img=" + b"+" * 5_000_000),
    "an extension": ("application/msgpack", lambda: b"\x81\xa3img\xc7\xff\x01" + b"x" * 255),
    "4 GB of text": ("application/msgpack", lambda: b"\x81\xdb\xff\xff\xff\xff"),
    "maps in maps": ("application/msgpack", lambda: b"\x81\xa3url" + b"\x81\xa1a" * 500_000),
}  # fmt: skip


def check(service: Served, body: bytes, content_type: str, statuses: set[int]) -> None:
    with measured(service) as usage, service.connect() as sock:
        sock.sendall(head(content_length=len(body), content_type=content_type or "application/json") + body)
        status, _, reply = read_reply(sock)
    assert status in statuses, reply[:200]
    assert json.loads(reply).get("error", {}).get("code") != "internal"
    assert usage.cpu_seconds < CPU_SECONDS
    assert usage.peak_growth < GROWTH
    assert probe(service) > 0


@pytest.mark.parametrize("name", IMAGES)
def test_strange_image_is_cheap(model_service: Served, name: str) -> None:
    # 413: the size that the file claims does not fit into the memory of this small service.
    check(model_service, IMAGES[name](), "image/jpeg", {200, 400, 413})


@pytest.mark.parametrize("name", BODIES)
def test_strange_body_is_rejected_cheaply(model_service: Served, name: str) -> None:
    content_type, make = BODIES[name]
    check(model_service, make(), content_type, {400})
