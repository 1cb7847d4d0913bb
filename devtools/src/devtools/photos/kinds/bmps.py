"""BMP, written byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from devtools.photos.kinds.scenes import HEIGHT, WIDTH, Pixels, Sample, scene


def bmp(
    width: int,
    height: int,
    depth: int,
    body: bytes,
    *,
    compression: int = 0,
    header: int = 40,
    extra: bytes = b"",
) -> bytes:
    """Returns a BMP of stored rows; a negative `height` means rows from top to bottom, `extra` is put before them."""
    if header == 12:
        fields = struct.pack("<IHHHH", 12, width, height, 1, depth)
    else:
        fields = struct.pack("<IiiHHIIiiII", header, width, height, 1, depth, compression, len(body), 2835, 2835, 0, 0)
    offset = 14 + header + len(extra)
    if header > 40:  # later headers contain the masks
        fields, extra = (fields + extra).ljust(header, b"\0"), b""
        offset = 14 + header
    return b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + fields + extra + body


def _rows(values: NDArray[np.uint8]) -> bytes:
    """Returns rows of bytes from bottom to top, each padded to a multiple of four."""
    return np.pad(values, ((0, 0), (0, -values.shape[1] % 4)))[::-1].tobytes()


def samples() -> Iterator[tuple[str, Sample]]:
    """Yields each kind of BMP, named."""
    truth = scene()
    yield "bmp 24 bits", Sample(bmp(WIDTH, HEIGHT, 24, _rows(truth[:, :, ::-1].reshape(HEIGHT, -1))), truth)
    four = np.concatenate([truth[:, :, ::-1], np.zeros((HEIGHT, WIDTH, 1), np.uint8)], axis=2).reshape(HEIGHT, -1)
    yield "bmp 32 bits", Sample(bmp(WIDTH, HEIGHT, 32, _rows(four)), truth)
    yield "bmp 32 bits from the top", Sample(bmp(WIDTH, -HEIGHT, 32, four.tobytes()), truth)
    yield from _mask_bmps(truth)
    for depth in (1, 4, 8):
        yield from _palette_bmps(depth)
    yield from _run_length_bmps()


def _mask_bmps(truth: Pixels) -> Iterator[tuple[str, Sample]]:
    layouts: dict[str, tuple[int, int, tuple[int, int, int], int]] = {
        "16 bits": (16, 0, (0x7C00, 0x03E0, 0x001F), 40),
        "16 bits, 5-6-5": (16, 3, (0xF800, 0x07E0, 0x001F), 40),
        "16 bits, 4-4-4": (16, 6, (0x0F00, 0x00F0, 0x000F), 56),
        "32 bits, red first": (32, 3, (0xFF, 0xFF00, 0xFF0000), 40),
        "32 bits, 10 each": (32, 3, (0x3FF << 20, 0x3FF << 10, 0x3FF), 40),
        "32 bits, version 4": (32, 3, (0xFF0000, 0xFF00, 0xFF), 108),
        "32 bits, version 5": (32, 3, (0xFF000000, 0xFF0000, 0xFF00), 124),
    }
    for name, (depth, compression, masks, header) in layouts.items():
        packed = np.zeros((HEIGHT, WIDTH), np.uint64)
        shown = np.zeros_like(truth)
        for channel, mask in enumerate(masks):
            shift = (mask & -mask).bit_length() - 1
            maximum = mask >> shift
            value = truth[:, :, channel].astype(np.uint64) * maximum // 255
            packed |= value << shift
            shown[:, :, channel] = (value * 255 / maximum).round()
        body = _rows(packed.astype(f"<u{depth // 8}").view(np.uint8))
        extra = struct.pack("<III", *masks) if compression else b""
        yield (
            f"bmp {name}",
            Sample(bmp(WIDTH, HEIGHT, depth, body, compression=compression, header=header, extra=extra), shown),
        )


def _palette_bmps(depth: int) -> Iterator[tuple[str, Sample]]:
    palette, indices = _indexed(depth)
    bits = (indices[:, :, None] >> np.arange(depth - 1, -1, -1)) & 1
    packed = np.packbits(bits.astype(np.uint8).reshape(HEIGHT, -1), axis=1)
    short, long = palette[:, ::-1].tobytes(), np.pad(palette[:, ::-1], ((0, 0), (0, 1))).tobytes()
    yield f"bmp {depth} bits", Sample(bmp(WIDTH, HEIGHT, depth, _rows(packed), extra=long), palette[indices])
    os2 = bmp(WIDTH, HEIGHT, depth, _rows(packed), header=12, extra=short)
    yield f"bmp {depth} bits, first version", Sample(os2, palette[indices])


def _indexed(depth: int) -> tuple[Pixels, NDArray[np.uint8]]:
    palette = np.random.default_rng(depth).integers(0, 256, (1 << depth, 3), dtype=np.uint8)
    return palette, (scene()[:, :, 0] >> (8 - depth)).astype(np.uint8)


def _run_length_bmps() -> Iterator[tuple[str, Sample]]:
    """Yields images with half of each row as runs, the rest as plain indices."""
    coders: dict[int, Callable[[NDArray[np.uint8]], bytes]] = {8: _rle8, 4: _rle4}
    for depth, coder in coders.items():
        palette, indices = _indexed(depth)
        body = b"".join(coder(row) + b"\0\0" for row in indices[::-1])[:-2] + b"\0\1"
        extra = np.pad(palette[:, ::-1], ((0, 0), (0, 1))).tobytes()
        data = bmp(WIDTH, HEIGHT, depth, body, compression=1 if depth == 8 else 2, extra=extra)
        yield f"bmp {depth} bits run-length coded", Sample(data, palette[indices])


def _rle8(row: NDArray[np.uint8]) -> bytes:
    half = len(row) // 2
    runs = b"".join(bytes([1, value]) for value in row[:half])
    plain = row[half:].tobytes()
    return runs + bytes([0, len(plain)]) + plain + b"\0" * (len(plain) % 2)


def _rle4(row: NDArray[np.uint8]) -> bytes:
    half = len(row) // 2
    runs = b"".join(bytes([1, value << 4]) for value in row[:half])
    rest = row[half:]
    nibbles = np.pad(rest, (0, len(rest) % 2))
    plain = (nibbles[0::2] << 4 | nibbles[1::2]).astype(np.uint8).tobytes()
    return runs + bytes([0, len(rest)]) + plain + b"\0" * (len(plain) % 2)
