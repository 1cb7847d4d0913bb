"""Damaged and hostile images, derived from valid ones by a seed: the same ones in every run.

The worst that any of them may cause is its rejection.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.random import Generator
from PIL import Image

from devtools.photos.kinds import jpeg, png, png_chunk

_Damage = Callable[[bytearray, Generator], None]

HEADER = 64
"""Bytes in which the headers of all three formats, or the beginning of them, lie."""


def damaged(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Returns `count` images, each with one to four faults of mixed kinds."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        victim = bytearray(data)
        for _ in range(rng.integers(1, 5)):
            _DAMAGES[rng.integers(len(_DAMAGES))](victim, rng)
        yield bytes(victim)


def _place(victim: bytearray, rng: Generator) -> int:
    """Returns a random position, half of the time near the beginning, where errors have the most effect."""
    return int(rng.integers(max(1, min(len(victim), HEADER) if rng.integers(2) else len(victim))))


def _flip_a_bit(victim: bytearray, rng: Generator) -> None:
    if victim:
        victim[_place(victim, rng)] ^= 1 << rng.integers(8)


def _set_a_byte(victim: bytearray, rng: Generator) -> None:
    if victim:
        victim[_place(victim, rng)] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF, *range(0xC0, 0xE2)]))


def _set_a_number(victim: bytearray, rng: Generator) -> None:
    """Overwrites a length, size, or offset: two or four bytes of either byte order, with overflowing values."""
    at = _place(victim, rng)
    number = int(rng.choice([0, 1, 2, 3, 255, 4096, 4097, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]))
    width = int(rng.choice([2, 4]))
    packed = (number & ((1 << 8 * width) - 1)).to_bytes(width, "big" if rng.integers(2) else "little")
    victim[at : at + width] = packed


def _cut_off(victim: bytearray, rng: Generator) -> None:
    del victim[_place(victim, rng) :]


def _cut_out(victim: bytearray, rng: Generator) -> None:
    at = _place(victim, rng)
    del victim[at : at + int(rng.integers(1, 40))]


def _repeat_a_part(victim: bytearray, rng: Generator) -> None:
    at, source = _place(victim, rng), _place(victim, rng)
    victim[at:at] = victim[source : source + int(rng.integers(1, 200))]


def _put_in_noise(victim: bytearray, rng: Generator) -> None:
    at = _place(victim, rng)
    victim[at:at] = rng.bytes(int(rng.integers(1, 40)))


_DAMAGES: tuple[_Damage, ...] = (
    _flip_a_bit,
    _set_a_byte,
    _set_a_number,
    _cut_off,
    _cut_out,
    _repeat_a_part,
    _put_in_noise,
)


def polyglots(images: Sequence[bytes]) -> Iterator[bytes]:
    """Returns images that begin as one format and continue as another: appended, spliced, or with a foreign header."""
    for first in images:
        for second in images:
            if first is not second:
                yield first + second
                yield first[: len(first) // 2] + second
                yield second[:2] + first[2:]
                yield second[:8] + first


def first_scan(data: bytes) -> int:
    """Returns the offset of a JPEG's first scan, wherever else its marker's bytes may occur."""
    at = 2
    while data[at + 1] != 0xDA:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at


def stray_bytes(data: bytes, stray: bytes, before: bytes = rb"\xff[\xc4\xd9\xda]") -> bytes:
    """Returns a JPEG with `stray` before every marker, from its first scan on, that matches an expression."""
    start = first_scan(data)
    return data[:start] + re.sub(before, lambda found: stray + found[0], data[start:], flags=re.DOTALL)


# --- hostile: small files that demand many resources -----------------------------------------------------------------


def png_bomb(inflated: int) -> bytes:
    """Returns a PNG of 16 pixels whose stream inflates to `inflated` zeros."""
    return png(np.zeros((4, 4, 3), np.uint8), 8, 2, stream=_zeros(inflated))


def png_text_bomb(inflated: int) -> bytes:
    """Returns a valid image with texts and a color profile that inflate to `inflated` zeros each."""
    zeros = _zeros(inflated)
    texts = {"zTXt": b"a\0\0" + zeros, "iTXt": b"a\0\1\0\0\0" + zeros, "iCCP": b"a\0\0" + zeros}
    return png(np.zeros((4, 4, 3), np.uint8), 8, 2, interlaced=False, **texts)


def png_of_empty_chunks(count: int) -> bytes:
    """Returns a PNG with `count` empty chunks before its pixels."""
    data = png(np.zeros((4, 4, 3), np.uint8), 8, 2)
    return data[:33] + png_chunk(b"teSt") * count + data[33:]


def jpeg_of_empty_segments(count: int) -> bytes:
    """Returns a JPEG with `count` empty segments."""
    data = jpeg()
    return data[:2] + b"\xff\xef\0\2" * count + data[2:]


def jpeg_of_bare_markers(count: int) -> bytes:
    """Returns a JPEG with `count` markers that have no segment."""
    data = jpeg()
    return data[:2] + b"\xff\x01" * count + data[2:]


def jpeg_that_claims(width: int, height: int) -> bytes:
    """Returns a JPEG whose header claims this size, with the pixels of a tiny image."""
    data = jpeg(Image.linear_gradient("L").resize((64, 64)))
    size_at = data.index(b"\xff\xc0") + 5
    return data[:size_at] + struct.pack(">HH", height, width) + data[size_at + 4 :]


def png_that_claims(width: int, height: int) -> bytes:
    """Returns a PNG whose header claims this size, with the pixels of a tiny image."""
    data = png(np.zeros((64, 64, 3), np.uint8), 8, 2)
    return data[:8] + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + data[33:]


def jpeg_of_many_scans(side: int, count: int) -> bytes:
    """Returns a progressive JPEG of side x side gray pixels that repeats its last scan `count` times."""
    data = jpeg(Image.new("L", (side, side)), progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def _zeros(inflated: int) -> bytes:
    """Returns a compressed stream of zeros: one independent block of 16 MiB, repeated."""
    squeezer, zeros, checksum = zlib.compressobj(9), bytes(1 << 24), 1
    head = squeezer.flush(zlib.Z_FULL_FLUSH)
    block = squeezer.compress(zeros) + squeezer.flush(zlib.Z_FULL_FLUSH)
    for _ in range(inflated >> 24):
        checksum = zlib.adler32(zeros, checksum)
    return head + block * (inflated >> 24) + b"\3\0" + checksum.to_bytes(4, "big")


def bmp_run_bomb(side: int, count: int) -> bytes:
    """Returns a run-length coded BMP whose rows are painted `count` times."""
    body = b"\xff\x01\0\0" * count + b"\0\1"
    fields = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(body), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 1078 + len(body), 0, 0, 1078) + fields + bytes(1024) + body


def bmp_of_moves(side: int, count: int) -> bytes:
    """Returns a run-length coded BMP with `count` steps that paint nothing."""
    body = b"\0\2\0\0" * count + b"\0\1"
    fields = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(body), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 1078 + len(body), 0, 0, 1078) + fields + bytes(1024) + body
