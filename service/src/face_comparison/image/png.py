"""Decodes PNG. Every checksum and the whole compressed stream are verified before OpenCV's decoder gets a byte.

The stream is inflated here, once, checked against the exact size that the header announces, and passed on uncompressed
with only the chunks that affect the pixels. So no other part of a file costs time or memory (text and profiles that
inflate without end, animation frames); damage never reaches libpng, which would decode a part and write to standard
error; and a faster inflater than libpng's own does the work.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from zlib_ng import zlib_ng

from face_comparison.errors import CorruptImage, UnsupportedFormat
from face_comparison.image.alpha import on_white
from face_comparison.image.exif import orientation_of

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_AT = len(SIGNATURE) + 8

_MAX_CHUNKS = 16_384
"""Bounds the time to walk a file of empty chunks. 20 MB in data chunks of the smallest usual size (8 kB) are 2,500."""

_GRAY, _RGB, _PALETTE, _GRAY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
_SAMPLES = {_GRAY: 1, _RGB: 3, _PALETTE: 1, _GRAY_ALPHA: 2, _RGB_ALPHA: 4}
_DEPTHS = {_GRAY: (1, 2, 4, 8, 16), _RGB: (8, 16), _PALETTE: (1, 2, 4, 8), _GRAY_ALPHA: (8, 16), _RGB_ALPHA: (8, 16)}
"""Bits per sample that each color type allows."""
_KEY_SIZES = {_GRAY: 2, _RGB: 6}
"""Size in bytes of the color key (the one transparent color), for the color types that allow one."""

_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column and row, and the steps between columns and rows, of the seven passes of an interlaced image."""

_LAST_FILTER = 4
_INFLATE_IN = 1 << 16
_INFLATE_OUT = 0xFFFF  # capacity of a stored block in a deflate stream
_ZLIB_BEGIN, _STORED_END = b"\x78\x01", b"\x01\x00\x00\xff\xff"


@dataclass(frozen=True, slots=True)
class _Shape:
    """The header chunk (IHDR). `depth` is in bits per sample."""

    width: int
    height: int
    depth: int
    color: int
    interlaced: bool

    def passes(self) -> Iterator[tuple[int, int]]:
        """Yields the rows and the bytes per row (with its filter byte) of each pass that has pixels."""
        for left, top, across, down in _ADAM7 if self.interlaced else ((0, 0, 1, 1),):
            columns, rows = -(-(self.width - left) // across), -(-(self.height - top) // down)
            if columns > 0 and rows > 0:
                yield rows, 1 + (columns * self.depth * _SAMPLES[self.color] + 7) // 8


def dimensions(data: bytes) -> tuple[int, int, int]:
    """Returns width and height as stored, and the EXIF orientation."""
    shape, exif = None, b""
    for kind, start, end, _ in _chunks(data):
        if shape is None:
            if kind == b"CgBI":
                raise UnsupportedFormat("the PNG was made for Apple's devices only (CgBI): save it as a PNG for all")
            if kind != b"IHDR":
                break
            shape = _shape(data[start:end])
        elif kind == b"eXIf":
            exif = exif or bytes(data[start:end])  # PNG allows only one: further ones are ignored
    if shape is None:
        raise CorruptImage("the PNG does not begin with its header")
    return shape.width, shape.height, orientation_of(exif)


def bytes_per_pixel(data: bytes) -> float:
    """Returns the memory that decoding takes, in bytes per pixel.

    It covers the uncompressed rows, which are copied as their buffer grows, and the pixels. Gray with alpha is decoded
    to color with alpha.
    """
    shape = _shape(bytes(data[_HEADER_AT : _HEADER_AT + 13]))
    samples, wide = _SAMPLES[shape.color], shape.depth == 16
    rows = 2 * max(1, samples * shape.depth / 8)
    stored = max(4, (4 if shape.color == _GRAY_ALPHA else samples) * (2 if wide else 1))
    return rows + stored + (4 if wide and samples == 4 else 8)


def pixels(data: bytes, width: int, height: int, reduce: int) -> NDArray[np.uint8]:
    """Decodes to (H, W, 3) uint8 RGB; `reduce` is not used."""
    view = memoryview(data)
    parts: dict[bytes, list[memoryview]] = {b"IHDR": [], b"PLTE": [], b"tRNS": [], b"IDAT": []}
    order: list[bytes] = []
    cut = pixels_begun = False
    for kind, start, end, complete in _chunks(data):
        if kind in parts:
            cut = not complete
            if complete and zlib_ng.crc32(view[start - 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
                raise CorruptImage(f"the PNG is damaged: wrong checksum of its {kind.decode()} chunk")
            parts[kind].append(view[start:end])
        elif kind != b"IEND" and not kind[0] & 0x20:
            raise CorruptImage("the PNG holds a chunk that must be understood and is not")
        pixels_begun = pixels_begun or kind == b"IDAT"
        if kind in parts or pixels_begun:
            order += [kind] if order[-1:] != [kind] else []
    if order.count(b"IDAT") != 1 or any(len(parts[kind]) > 1 for kind in (b"IHDR", b"PLTE", b"tRNS")):
        raise CorruptImage("the PNG's parts are missing, doubled or out of order")
    shape = _shape(parts[b"IHDR"][0])
    palette, transparency = _colors(shape, b"".join(parts[b"PLTE"]), b"".join(parts[b"tRNS"]))
    compressed = b"".join(parts[b"IDAT"])
    return _decode(_rewrite_uncompressed(shape, palette, transparency, compressed, cut=cut), shape, transparency)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int, bool]]:
    """Yields the type of each chunk, start and end (exclusive) of its content, and whether it is complete.

    A complete chunk includes its checksum. The iteration ends with the IEND chunk or, after the pixels have begun, at
    the end of the data: nothing after the pixels is needed.
    """
    at, pixels_begun = len(SIGNATURE), False
    for _ in range(_MAX_CHUNKS):
        start = at + 8
        kind = bytes(data[at + 4 : start])
        end = start + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            if kind == b"IDAT":
                yield kind, start, min(end, len(data)), False
            elif not pixels_begun:
                raise CorruptImage("the PNG ends early")
            return
        yield kind, start, end, True
        if kind == b"IEND":
            return
        pixels_begun = pixels_begun or kind == b"IDAT"
        at = end + 4
    raise CorruptImage(f"the PNG has more than {_MAX_CHUNKS} chunks")


def _shape(content: bytes | memoryview) -> _Shape:
    if len(content) != 13:
        raise CorruptImage("the PNG's header has a wrong length")
    width, height, depth, color, compression, filtering, interlace = struct.unpack(">IIBBBBB", content)
    if depth not in _DEPTHS.get(color, ()) or compression or filtering or interlace > 1:
        raise CorruptImage("the PNG's header holds values that no PNG has")
    return _Shape(width, height, depth, color, bool(interlace))


def _colors(shape: _Shape, palette: bytes, transparency: bytes) -> tuple[bytes, bytes]:
    """Returns the palette and the transparency that the pixels refer to; empty if the color type has none.

    The palette is cut or padded to the number of colors that the pixels can address: a color beyond a short palette is
    black, as in libpng.
    """
    if shape.color == _PALETTE:
        if not palette or len(palette) % 3:
            raise CorruptImage("the PNG's palette is missing or has a wrong length")
        return palette[: 3 << shape.depth].ljust(3 << shape.depth, b"\0"), transparency[: 1 << shape.depth]
    if len(transparency) != _KEY_SIZES.get(shape.color):
        return b"", b""
    max_sample = (1 << shape.depth) - 1  # only as many bits of each number count as a sample has
    numbers = (int.from_bytes(transparency[at : at + 2], "big") & max_sample for at in range(0, len(transparency), 2))
    return b"", b"".join(number.to_bytes(2, "big") for number in numbers)


def _rewrite_uncompressed(
    shape: _Shape, palette: bytes, transparency: bytes, compressed: bytes, *, cut: bool
) -> bytearray:
    """Returns the same image as an uncompressed PNG without anything that a decoder could fail on."""
    plain = bytearray(SIGNATURE)
    header = struct.pack(">IIBBBBB", shape.width, shape.height, shape.depth, shape.color, 0, 0, shape.interlaced)
    for kind, content in ((b"IHDR", header), (b"PLTE", palette), (b"tRNS", transparency), (b"IDAT", _ZLIB_BEGIN)):
        if content:
            _append(plain, kind, content)
    checksum = 1
    for piece in _verify_rows(_inflate(compressed, cut=cut), shape, cut=cut):
        checksum = zlib_ng.adler32(piece, checksum)
        _append(plain, b"IDAT", struct.pack("<BHH", 0, len(piece), len(piece) ^ 0xFFFF), piece)
    _append(plain, b"IDAT", _STORED_END, checksum.to_bytes(4, "big"))
    _append(plain, b"IEND")
    return plain


def _append(plain: bytearray, kind: bytes, *contents: bytes) -> None:
    checksum = zlib_ng.crc32(kind)
    plain += sum(map(len, contents)).to_bytes(4, "big") + kind
    for content in contents:
        checksum = zlib_ng.crc32(content, checksum)
        plain += content
    plain += checksum.to_bytes(4, "big")


def _verify_rows(pieces: Iterator[bytes], shape: _Shape, *, cut: bool) -> Iterator[bytes]:
    """Yields the pieces unchanged, up to the last row that the header announces, and verifies their filter bytes.

    What follows the rows is ignored, unless the file is truncated: the checksums of the chunks have already proven the
    rows.

    Raises:
        CorruptImage: A row has an unknown filter, rows are missing, or data follows the rows of a truncated file.
    """
    passes = shape.passes()
    left = row = phase = 0  # bytes of the pass to come, bytes of its rows, bytes until its next row begins
    for piece in pieces:
        at = 0
        while at < len(piece):
            if not left:
                rows, row = next(passes, (0, 0))
                left, phase = rows * row, 0
                if not rows:
                    if cut:
                        raise CorruptImage("the PNG ends early")
                    yield piece[:at]
                    return
            part = piece[at : at + left]
            if max(part[phase::row], default=0) > _LAST_FILTER:
                raise CorruptImage("the PNG's pixels are damaged: unknown filter")
            phase = (phase - len(part)) % row
            left -= len(part)
            at += len(part)
        yield piece
    if left or next(passes, None):
        raise CorruptImage("the PNG's pixels end early")


def _inflate(compressed: bytes, *, cut: bool) -> Iterator[bytes]:
    """Yields the decompressed stream in pieces. If the file is truncated, the stream must still have its checksum."""
    stream, view = zlib_ng.decompressobj(), memoryview(compressed)
    try:
        for at in range(0, len(view), _INFLATE_IN):
            waiting: bytes | memoryview = view[at : at + _INFLATE_IN]
            while waiting and not stream.eof:
                if piece := stream.decompress(waiting, _INFLATE_OUT):
                    yield piece
                waiting = stream.unconsumed_tail
        while not stream.eof and (piece := stream.decompress(b"", _INFLATE_OUT)):
            yield piece
    except zlib_ng.error:  # type: ignore[misc]  # its stub declares an instance, not a class
        raise CorruptImage("the PNG's compressed data is damaged") from None
    if cut and not stream.eof:
        raise CorruptImage("the PNG ends early")


def _decode(plain: bytearray, shape: _Shape, transparency: bytes) -> NDArray[np.uint8]:
    opaque = not transparency and shape.color in (_GRAY, _RGB, _PALETTE)
    decoded = cv2.imdecode(np.frombuffer(plain, np.uint8), cv2.IMREAD_COLOR_RGB if opaque else cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.shape[:2] != (shape.height, shape.width):
        raise CorruptImage("the PNG cannot be decoded")
    if opaque:
        return np.asarray(decoded, np.uint8)
    del plain  # as large as the image, and what follows needs memory, too
    if decoded.ndim == 2:  # gray with a color key
        max_sample = (1 << shape.depth) - 1
        key = int.from_bytes(transparency, "big")
        decoded[decoded == (key if shape.depth == 16 else key * 255 // max_sample)] = 255 if shape.depth < 16 else 65535
    return on_white(decoded)
