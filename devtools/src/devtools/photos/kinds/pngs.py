"""PNG, written byte by byte."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from devtools.photos.kinds.scenes import HEIGHT, WIDTH, Sample, on_white, scene, to_bytes

_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def png_chunk(kind: bytes, content: bytes = b"") -> bytes:
    """Returns a chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(values: NDArray[np.integer], depth: int, color: int, *, interlaced: bool = False, **parts: bytes) -> bytes:
    """Returns a PNG.

    Args:
        values: Samples (H, W, channels).
        depth: Bits per sample.
        color: PNG's color type.
        interlaced: Whether the rows are interlaced (Adam7).
        **parts: Content of further chunks before the pixels, or `stream`: the compressed pixels themselves.
    """
    height, width = values.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)
    stream = parts.pop("stream", None) or zlib.compress(png_rows(values, depth, interlaced=interlaced))
    middle = b"".join(png_chunk(kind.encode(), content) for kind, content in parts.items())
    half = len(stream) // 2
    pixels = png_chunk(b"IDAT", stream[:half]) + png_chunk(b"IDAT") + png_chunk(b"IDAT", stream[half:])
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + middle + pixels + png_chunk(b"IEND")


def png_with_checksums(data: bytes) -> bytes:
    """Corrects every checksum of a damaged PNG, so that the damage gets past them."""
    at, pieces = 8, [data[:8]]
    while at + 12 <= len(data):
        size = min(int.from_bytes(data[at : at + 4], "big"), len(data) - at - 12)
        pieces.append(png_chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return b"".join(pieces)


def png_rows(values: NDArray[np.integer], depth: int, *, interlaced: bool = False) -> bytes:
    """Returns the filtered rows, every filter in turn, uncompressed."""
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    return b"".join(_filtered(values[top::down, left::across], depth) for left, top, across, down in passes)


def _filtered(values: NDArray[np.integer], depth: int) -> bytes:
    if not values.size:
        return b""
    flat = values.reshape(len(values), -1)
    if depth == 16:
        rows = flat.astype(">u2").view(np.uint8)
    elif depth == 8:
        rows = flat.astype(np.uint8)
    else:
        bits = (flat[:, :, None] >> np.arange(depth - 1, -1, -1)) & 1
        rows = np.packbits(bits.astype(np.uint8).reshape(len(flat), -1), axis=1)
    step = max(1, values.shape[2] * depth // 8)
    now = rows.astype(np.int16)
    left = np.pad(now, ((0, 0), (step, 0)))[:, : now.shape[1]]
    up = np.pad(now, ((1, 0), (0, 0)))[:-1]
    corner = np.pad(up, ((0, 0), (step, 0)))[:, : now.shape[1]]
    guess = left + up - corner
    away = np.stack([abs(guess - left), abs(guess - up), abs(guess - corner)])
    paeth = np.choose(away.argmin(axis=0), [left, up, corner])
    predicted = np.stack([np.zeros_like(now), left, up, (left + up) // 2, paeth])
    kinds = np.arange(len(now)) % 5
    filtered = (now - predicted[kinds, np.arange(len(now))]) % 256
    return np.column_stack([kinds, filtered]).astype(np.uint8).tobytes()


def samples() -> Iterator[tuple[str, Sample]]:
    """Yields each kind of PNG, named."""
    truth = scene()
    gray = truth[:, :, 1]
    for depth, interlaced in product((1, 2, 4, 8, 16), (False, True)):
        maximum = (1 << depth) - 1
        words = f"{depth} bits" + (" interlaced" if interlaced else "")
        values = (gray.astype(np.uint32) * maximum // 255)[:, :, None]
        shown = np.repeat(to_bytes(values, maximum), 3, axis=2)
        yield f"png gray {words}", Sample(png(values, depth, 0, interlaced=interlaced), shown, 1)
        key = int(values[3, 3, 0])
        holes = np.where(values == key, 255, shown).astype(np.uint8)
        data = png(values, depth, 0, interlaced=interlaced, tRNS=struct.pack(">H", key))
        yield f"png gray with a transparent shade {words}", Sample(data, holes, 1)
        if depth <= 8:
            yield from _palette_pngs(values, depth, interlaced, words)
        if depth >= 8:
            yield from _color_pngs(depth, interlaced, words)


def _palette_pngs(
    values: NDArray[np.integer], depth: int, interlaced: bool, words: str
) -> Iterator[tuple[str, Sample]]:
    palette = np.random.default_rng(depth).integers(0, 256, (1 << depth, 3), dtype=np.uint8)
    colors = palette[values[:, :, 0]]
    yield (
        f"png palette {words}",
        Sample(png(values, depth, 3, interlaced=interlaced, PLTE=palette.tobytes()), colors),
    )
    alpha = np.linspace(0, 255, max(1, len(palette) // 2)).astype(np.uint8)  # the remaining entries are opaque
    cover = np.concatenate([alpha, np.full(len(palette) - len(alpha), 255, np.uint8)])[values]
    data = png(values, depth, 3, interlaced=interlaced, PLTE=palette.tobytes(), tRNS=alpha.tobytes())
    yield f"png palette with alpha {words}", Sample(data, on_white(colors, cover), 1)


def _color_pngs(depth: int, interlaced: bool, words: str) -> Iterator[tuple[str, Sample]]:
    maximum = (1 << depth) - 1
    values = scene().astype(np.uint32) * maximum // 255
    shown = to_bytes(values, maximum)
    yield f"png color {words}", Sample(png(values, depth, 2, interlaced=interlaced), shown, 1)
    key = values[5, 7]
    holes = np.where((values == key).all(axis=2, keepdims=True), 255, shown).astype(np.uint8)
    data = png(values, depth, 2, interlaced=interlaced, tRNS=key.astype(">u2").tobytes())
    yield f"png color with a transparent one {words}", Sample(data, holes, 1)
    cover = np.linspace(0, maximum, WIDTH * HEIGHT).round().astype(np.uint32).reshape(HEIGHT, WIDTH, 1)
    for name, color, opaque in (("gray", 4, values[:, :, :1]), ("color", 6, values)):
        data = png(np.concatenate([opaque, cover], axis=2), depth, color, interlaced=interlaced)
        rgb = np.broadcast_to(to_bytes(opaque, maximum), shown.shape)
        yield f"png {name} with alpha {words}", Sample(data, on_white(rgb, to_bytes(cover, maximum)), 2)
