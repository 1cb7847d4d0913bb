"""Small images of every kind that must be accepted, each with its correct pixels.

PNG and BMP are written here byte by byte, so that the correct pixels follow from their construction and not from
another decoder. JPEG is lossy: Pillow writes it and decodes the reference.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 45, 31
"""Odd, and no multiple of a block, a byte of small pixels or a pass of an interlaced image."""

Pixels = NDArray[np.uint8]

_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


@dataclass(frozen=True)
class Sample:
    """An encoded image and its pixels, (H, W, 3) RGB; `tolerance`: the maximum difference of a pixel."""

    data: bytes
    pixels: Pixels
    tolerance: int = 0


def scene(width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    """Returns a scene (H, W, 3) RGB that is smooth, colored, and different in every corner."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    red, green, blue = 255 * x, 255 * y, 127 + 127 * np.sin(6 * x + 4 * y)
    return np.stack([red, green, blue], axis=-1).round().astype(np.uint8)


def noise(width: int, height: int, deviation: float) -> Image.Image:
    """Returns a gray image of noise around 128, the same on every call."""
    values = np.random.default_rng(width * height).normal(128, deviation, (height, width))
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def samples() -> dict[str, Sample]:
    """Returns every kind by name; names begin with the format."""
    return dict((*_jpegs(), *_pngs(), *_bmps(), *_webps()))


# --- JPEG ----------------------------------------------------------------------------------------------------------


def jpeg(image: Image.Image | None = None, **options: object) -> bytes:
    """Returns a JPEG as Pillow writes it, by default of the scene."""
    stream = io.BytesIO()
    (image or Image.fromarray(scene())).save(stream, "JPEG", **{"quality": 90, **options})
    return stream.getvalue()


def _jpegs() -> Iterator[tuple[str, Sample]]:
    image = Image.fromarray(scene())
    cmyk = jpeg(image.convert("CMYK"))
    options: dict[str, dict[str, object]] = {
        "4:4:4": {"subsampling": "4:4:4"},
        "4:2:2": {"subsampling": "4:2:2"},
        "4:2:0": {"subsampling": "4:2:0"},
        "4:1:1": {"subsampling": "4:1:1"},
        "progressive": {"progressive": True},
        "optimized": {"optimize": True},
        "restarts": {"restart_marker_blocks": 1},
        "progressive restarts": {"progressive": True, "restart_marker_rows": 1},
        "RGB": {"keep_rgb": True},
        "worst quality": {"quality": 1},
        "best quality": {"quality": 100},
        "profile": {"icc_profile": bytes(range(256)) * 600},
        "comment": {"comment": b"\xff\xd9\xff\xda inside a comment"},
    }
    for name, option in options.items():
        yield f"jpeg {name}", _like_pillow(jpeg(image, **option))
    yield "jpeg gray", _like_pillow(jpeg(image.convert("L")))
    gray = bytearray(jpeg(image.convert("L")))
    gray[gray.index(b"\xff\xc0") + 11] = 0x22  # has no meaning if there is only one component
    yield "jpeg gray, doubly sampled", _like_pillow(bytes(gray))
    yield "jpeg gray progressive", _like_pillow(jpeg(image.convert("L"), progressive=True))
    yield "jpeg CMYK", _like_pillow(cmyk)
    yield "jpeg YCCK", _like_pillow(_as_ycck(cmyk))
    yield "jpeg thumbnail", _like_pillow(_with_thumbnail(jpeg(image), jpeg(image.resize((8, 8)))))


def _like_pillow(data: bytes) -> Sample:
    image = Image.open(io.BytesIO(data))
    tolerance = 1 if image.mode == "CMYK" else 0  # both round products of two bytes, in different ways
    return Sample(data, np.asarray(image.convert("RGB")), tolerance)


def _as_ycck(cmyk: bytes) -> bytes:
    """Marks the same samples as luminance, chroma, and black with Adobe's marker."""
    at = cmyk.index(b"Adobe")
    return cmyk[: at + 11] + b"\x02" + cmyk[at + 12 :]


def _with_thumbnail(data: bytes, thumbnail: bytes) -> bytes:
    """Embeds a complete JPEG, including markers, in the metadata of another."""
    content = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\0\0\0\0\0" + thumbnail
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content + data[2:]


# --- PNG -----------------------------------------------------------------------------------------------------------

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


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


def _pngs() -> Iterator[tuple[str, Sample]]:
    truth = scene()
    gray = truth[:, :, 1]
    for depth, interlaced in product((1, 2, 4, 8, 16), (False, True)):
        maximum = (1 << depth) - 1
        words = f"{depth} bits" + (" interlaced" if interlaced else "")
        values = (gray.astype(np.uint32) * maximum // 255)[:, :, None]
        shown = np.repeat(_eight(values, maximum), 3, axis=2)
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
    yield f"png palette with alpha {words}", Sample(data, _on_white(colors, cover), 1)


def _color_pngs(depth: int, interlaced: bool, words: str) -> Iterator[tuple[str, Sample]]:
    maximum = (1 << depth) - 1
    values = scene().astype(np.uint32) * maximum // 255
    shown = _eight(values, maximum)
    yield f"png color {words}", Sample(png(values, depth, 2, interlaced=interlaced), shown, 1)
    key = values[5, 7]
    holes = np.where((values == key).all(axis=2, keepdims=True), 255, shown).astype(np.uint8)
    data = png(values, depth, 2, interlaced=interlaced, tRNS=key.astype(">u2").tobytes())
    yield f"png color with a transparent one {words}", Sample(data, holes, 1)
    cover = np.linspace(0, maximum, WIDTH * HEIGHT).round().astype(np.uint32).reshape(HEIGHT, WIDTH, 1)
    for name, color, opaque in (("gray", 4, values[:, :, :1]), ("color", 6, values)):
        data = png(np.concatenate([opaque, cover], axis=2), depth, color, interlaced=interlaced)
        rgb = np.broadcast_to(_eight(opaque, maximum), shown.shape)
        yield f"png {name} with alpha {words}", Sample(data, _on_white(rgb, _eight(cover, maximum)), 2)


def _eight(values: NDArray[np.integer], most: int) -> Pixels:
    return (values * (255 / most)).round().astype(np.uint8)


def _on_white(colors: Pixels, cover: Pixels) -> Pixels:
    share = cover / 255
    return (colors * share + 255 * (1 - share)).round().astype(np.uint8)


# --- BMP -----------------------------------------------------------------------------------------------------------


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


def _bmps() -> Iterator[tuple[str, Sample]]:
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


# --- WebP ----------------------------------------------------------------------------------------------------------


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    """Returns an image as Pillow writes it."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _webps() -> Iterator[tuple[str, Sample]]:
    truth = scene()
    image = Image.fromarray(truth)
    yield "webp lossless", Sample(encode(image, "WEBP", lossless=True), truth)
    cover = np.linspace(0, 255, WIDTH * HEIGHT).round().astype(np.uint8).reshape(HEIGHT, WIDTH, 1)
    clear = Image.fromarray(np.concatenate([truth, cover], axis=2))
    data = encode(clear, "WEBP", lossless=True, exact=True)
    yield "webp lossless with alpha", Sample(data, _on_white(truth, cover), 2)
    frames = [image, Image.new("RGB", image.size, "red")]
    data = encode(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    yield "webp animated", Sample(data, truth)
    for name, options in {"lossy": {"quality": 80}, "lossy with alpha": {"quality": 95}}.items():
        data = encode(clear if "alpha" in name else image, "WEBP", **options)
        with Image.open(io.BytesIO(data)) as shown:
            pixels = np.asarray(shown.convert("RGBA"))
        # Libraries smooth chroma in different ways.
        yield f"webp {name}", Sample(data, _on_white(pixels[:, :, :3], pixels[:, :, 3:]), 12)
