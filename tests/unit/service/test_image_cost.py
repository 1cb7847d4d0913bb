"""Processor time of files that cost much and show little: linear in their size, and near what decoders take themselves.

Bounds are some five times what was measured, in seconds of the thread itself, so that a busy machine changes nothing.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from devtools.photos import damage, kinds
from face_comparison import image
from face_comparison.errors import FaceComparisonError

GRAY = kinds.jpeg(Image.linear_gradient("L").resize((64, 64)))
CUT = kinds.jpeg(Image.fromarray(kinds.scene(640, 480)), restart_marker_blocks=1)
PNG = kinds.png(np.zeros((4, 4, 3), np.uint8), 8, 2)
AVIF_START = struct.pack(">I", 16) + b"ftypavif" + bytes(4)
MIB = 1 << 20
STRAYED = damage.stray_bytes(
    kinds.jpeg(Image.fromarray(kinds.scene(512, 512)), restart_marker_blocks=1),
    b"some stray bytes",
    rb"\xff[\xd0-\xd7]",
)


def webp(chunks: bytes) -> bytes:
    """A WebP whose image comes behind these chunks."""
    body = b"WEBP" + chunks + kinds.samples()["webp lossless"].data[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tables(marker: int, one: bytes, size: int) -> bytes:
    """Segments of `size` bytes in all, filled with one table again and again."""
    content = one * (65_000 // len(one))
    segment = bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content
    return segment * max(1, size // len(segment))


def with_header(data: bytes, header: bytes, behind: bytes = b"") -> bytes:
    return data[:2] + header + data[2:-2] + behind + data[-2:]


JPEGS: dict[str, Callable[[int], bytes]] = {
    "Huffman tables and stray bytes": lambda n: with_header(GRAY, tables(0xC4, b"\3" + bytes(16), n), b"\x55" * 40),
    "Huffman tables with symbols": lambda n: with_header(GRAY, tables(0xC4, b"\x13\0\1" + bytes(15), n), b"\x55" * 40),
    "Huffman tables and stray intervals": lambda n: with_header(
        damage.stray_bytes(CUT, b"some stray bytes", rb"\xff\xd3"), tables(0xC4, b"\3" + bytes(16), n)
    ),
    "quantization tables": lambda n: with_header(GRAY, tables(0xDB, b"\3" + bytes([1] * 64), n)),
    "comments": lambda n: with_header(GRAY, tables(0xFE, b"z", n)),
    "restart intervals defined": lambda n: with_header(GRAY, b"\xff\xdd\0\4\0\0" * (n // 6)),
    "zeros before the tables": lambda n: GRAY[:2] + bytes(n) + GRAY[2:],
    "guarded bytes before the tables": lambda n: GRAY[:2] + b"\xff\0" * (n // 2) + GRAY[2:],
    "fill bytes before the tables": lambda n: GRAY[:2] + b"\xff" * n + GRAY[2:],
    "guarded bytes behind the pixels": lambda n: with_header(GRAY, b"", b"\xff\0" * (n // 2)),
    "restart markers behind the pixels": lambda n: with_header(GRAY, b"", b"\xff\xd0" * (n // 2)),
    "restart markers and strays": lambda n: with_header(CUT, b"", b"stray\xff\xd0" * (n // 7)),
    "markers behind the pixels": lambda n: with_header(GRAY, b"", b"\xff\xe0\0\2" * (n // 4)),
    "comments and stray intervals": lambda n: with_header(STRAYED, b"\xff\xfe\0\2" * min(4000, n // 4)),
    "restart intervals defined and stray intervals": lambda n: with_header(
        STRAYED, b"\xff\xdd\0\4\0\1" * min(2500, n // 6)
    ),
    "scans behind the pixels": lambda n: with_header(GRAY, b"", b"\xff\xda\0\x08\1\1\0\0\x3f\0" * (n // 10)),
    "EXIF directories": lambda n: with_header(
        GRAY, tables(0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(64_000), n)
    ),
}


def frames_without_image(size: int) -> bytes:
    """Frames of a WebP that hold nothing but transparency, 4,000 times each."""
    chunks = bytes(16) + b"ALPH\0\0\0\0" * 4000
    return webp((b"ANMF" + struct.pack("<I", len(chunks)) + chunks) * max(1, size // len(chunks)))


def chunks_in_turn(*kinds_of_chunks: bytes, count: int) -> bytes:
    return b"".join(map(kinds.png_chunk, kinds_of_chunks)) * (count // len(kinds_of_chunks))


OTHERS: dict[str, Callable[[int], bytes]] = {
    "PNG of empty chunks": lambda n: damage.png_of_empty_chunks(n // 12),
    "PNG of empty pixel chunks": lambda n: PNG[:33] + kinds.png_chunk(b"IDAT") * (n // 12) + PNG[33:],
    "PNG of palettes before and texts behind": lambda n: (
        PNG[:33]
        + chunks_in_turn(b"PLTE", b"tRNS", count=min(8_000, n // 24))
        + kinds.png_chunk(b"IDAT")
        + chunks_in_turn(b"tEXt", b"zTXt", count=min(8_000, n // 24))
        + PNG[33:]
    ),
    "PNG with a stream beyond its rows": lambda n: damage.png_bomb(n * 20 & ~0xFFFFFF),
    "PNG with texts that inflate": lambda n: damage.png_text_bomb(n * 100 & ~0xFFFFFF),
    "PNG of one column": lambda n: kinds.png(np.zeros((4096, 1, 1), np.uint8), 1, 0, tEXt=bytes(n)),
    "PNG of animation frames": lambda n: PNG[:33] + kinds.png_chunk(b"fdAT", bytes(20)) * (n // 32) + PNG[33:],
    "BMP painted over and over": lambda n: damage.bmp_run_bomb(255, n // 4),
    "BMP of moves": lambda n: damage.bmp_of_moves(255, n // 4),
    "WebP of empty chunks": lambda n: webp(b"XXXX\0\0\0\0" * (n // 8)),
    "WebP of frames": lambda n: webp((b"ANMF" + struct.pack("<I", 16) + bytes(16)) * (n // 24)),
    "WebP of frames without an image": frames_without_image,
    "WebP with long EXIF": lambda n: webp(b"EXIF" + struct.pack("<I", n) + b"II*\0\x08\0\0\0\xff\xff" + bytes(n - 10)),
    "AVIF of empty boxes": lambda n: AVIF_START + b"\0\0\0\x08free" * (n // 8),
    "EXIF directory of many entries": lambda n: kinds.png(
        np.zeros((4, 4, 3), np.uint8), 8, 2, eXIf=b"II*\0\x08\0\0\0\xff\xff" + bytes(n)
    ),
}


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("size", [64 << 10, MIB, 8 * MIB])
def test_other_formats_cost_linear_time(make: Callable[[int], bytes], size: int) -> None:
    data = make(size)
    assert seconds(data) < 0.25 + 0.15 * max(size, len(data)) / MIB


EXIF = b"II*\0\x08\0\0\0\xff\xff" + bytes(12 * 0xFFFF)


@pytest.mark.parametrize(
    "data",
    [
        webp((b"EXIF" + struct.pack("<I", len(EXIF)) + EXIF) * 24),
        webp((b"EXIF" + struct.pack("<I", 4810) + EXIF[:4810]) * 4000),
        PNG[:33] + kinds.png_chunk(b"eXIf", EXIF) * 24 + PNG[33:],
        PNG[:33] + kinds.png_chunk(b"eXIf", EXIF[:4810]) * 4000 + PNG[33:],
    ],
    ids=["WebP", "WebP of short ones", "PNG", "PNG of short ones"],
)
def test_only_first_exif_directory_is_read(data: bytes) -> None:
    """19 MB of directories took 0.8 s of Python, an entry at a time."""
    assert seconds(data) < 0.15


def test_repeated_alpha_is_passed_over() -> None:
    """33 kB of empty chunks; 30 ms each time the header is read when all were kept."""
    data = webp(b"ALPH\0\0\0\0" * 4090)
    started = time.thread_time()
    for _ in range(10):
        image.read_header(data)
    assert time.thread_time() - started < 0.15


def seconds(data: bytes) -> float:
    started = time.thread_time()
    with suppress(FaceComparisonError):
        image.decode(data, image.read_header(data))
    return time.thread_time() - started


@pytest.mark.parametrize("make", JPEGS.values(), ids=JPEGS)
@pytest.mark.parametrize("size", [64 << 10, MIB, 8 * MIB])
def test_jpeg_costs_linear_time(make: Callable[[int], bytes], size: int) -> None:
    assert seconds(make(size)) < 0.25 + 0.15 * size / MIB


def test_stray_bytes_cost_bounded_time() -> None:
    """Each of 2,048 intervals is proven by itself: the costliest of what is accepted."""
    data = kinds.jpeg(Image.fromarray(kinds.scene(1024, 1024)), restart_marker_blocks=2)
    strayed = damage.stray_bytes(data, b"some stray bytes", rb"\xff[\xd0-\xd7]")
    assert seconds(strayed) < 1


def test_excess_scans_are_not_decoded() -> None:
    assert seconds(damage.jpeg_of_many_scans(4096, 50)) < 0.5
