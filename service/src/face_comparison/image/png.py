"""PNG: every chunk's checksum and the whole compressed stream are proven before OpenCV's decoder sees a byte.

The decoder gets only the chunks that make pixels. So nothing else in the file can cost time or memory (text and
profiles that inflate without end, animation frames), and no damaged stream makes libpng write to standard error.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from face_comparison.errors import CorruptImage
from face_comparison.image.orientation import orientation_of

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_MAX_CHUNKS = 65_536
"""Bounds the time for walking a file of empty chunks; 20 MB in the smallest usual data chunks (8 kB) are 2,500."""

_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples of a pixel by colour type: grey, RGB, palette, grey with alpha, RGB with alpha."""
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PALETTE = 3

_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column, first row and the steps between columns and rows of the seven passes of an interlaced picture."""

_LAST_FILTER = 4
_INFLATE_IN = 1 << 16
_INFLATE_OUT = 1 << 20


@dataclass(frozen=True, slots=True)
class _Shape:
    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool

    def passes(self) -> Iterator[tuple[int, int]]:
        """Rows and bytes a row (with its filter byte) of each pass that has pixels."""
        steps = _ADAM7 if self.interlaced else ((0, 0, 1, 1),)
        for left, top, across, down in steps:
            columns, rows = -(-(self.width - left) // across), -(-(self.height - top) // down)
            if columns > 0 and rows > 0:
                yield rows, 1 + (columns * self.depth * _SAMPLES[self.colour] + 7) // 8


def dimensions(data: bytes) -> tuple[int, int, int]:
    """Width and height as stored, and EXIF orientation."""
    shape, orientation = None, 1
    for kind, start, end in _chunks(data):
        if kind == b"IHDR" and shape is None:
            shape = _shape(data[start:end])
        elif kind == b"eXIf":
            orientation = orientation_of(bytes(data[start:end]))
    if shape is None:
        raise CorruptImage("the PNG has no header")
    return shape.width, shape.height, orientation


def pixels(data: bytes, width: int, height: int, reduce: int) -> NDArray[np.uint8]:
    """(H, W, 3) RGB; `reduce` is not used."""
    view = memoryview(data)
    kept = [(kind, start, end) for kind, start, end in _chunks(data) if kind in _PIXEL_CHUNKS]
    for kind, start, end in kept:
        if zlib.crc32(view[start - 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise CorruptImage(f"the PNG is damaged: wrong checksum of its {kind.decode()} data")
    shape = _shape(view[kept[0][1] : kept[0][2]])
    _prove_order([kind for kind, _, _ in kept], shape, [end - start for _, start, end in kept])
    _prove_stream([view[start:end] for kind, start, end in kept if kind == b"IDAT"], shape)
    essence = b"".join((SIGNATURE, *(view[start - 8 : end + 4] for _, start, end in kept)))
    decoded = cv2.imdecode(np.frombuffer(essence, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.shape[:2] != (height, width):
        raise CorruptImage("the PNG cannot be decoded")
    return _rgb(decoded)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Type, first and last byte (exclusive) of each chunk's content, up to the one that ends the file."""
    at = len(SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        size, kind = int.from_bytes(data[at : at + 4], "big"), bytes(data[at + 4 : at + 8])
        start, end = at + 8, at + 8 + size
        if end + 4 > len(data):
            raise CorruptImage("the PNG ends early")
        yield kind, start, end
        if kind == b"IEND":
            return
        at = end + 4
    raise CorruptImage(f"the PNG has more than {_MAX_CHUNKS} chunks")


def _shape(content: bytes | memoryview) -> _Shape:
    if len(content) != 13:
        raise CorruptImage("the PNG's header has a wrong length")
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", content)
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise CorruptImage("the PNG's header holds values that no PNG has")
    return _Shape(width, height, depth, colour, bool(interlace))


def _prove_order(kinds: list[bytes], shape: _Shape, sizes: list[int]) -> None:
    """Header, palette, transparency, data, end, each where it belongs."""
    order = [kind for kind, before in zip(kinds, [b"", *kinds], strict=False) if kind != before]
    sound = order in (
        [b"IHDR", b"IDAT", b"IEND"],
        [b"IHDR", b"PLTE", b"IDAT", b"IEND"],
        [b"IHDR", b"tRNS", b"IDAT", b"IEND"],
        [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"],
    )
    if not sound or kinds.count(b"IHDR") != 1 or kinds.count(b"PLTE") > 1 or kinds.count(b"tRNS") > 1:
        raise CorruptImage("the PNG's parts are missing or out of order")
    if shape.colour == _PALETTE and b"PLTE" not in kinds:
        raise CorruptImage("the PNG has no palette but refers to one")


def _prove_stream(parts: list[memoryview], shape: _Shape) -> None:
    """Inflate once without keeping anything: exact length, checksum and known filters, or CorruptImage."""
    inflated = _inflated(parts)
    piece = b""
    for rows, row in shape.passes():
        left = rows * row
        phase = 0  # bytes until the next filter byte
        while left:
            if not piece:
                piece = next(inflated, b"")
                if not piece:
                    raise CorruptImage("the PNG's pixels end early")
            part, piece = piece[:left], piece[left:]
            if max(part[phase::row], default=0) > _LAST_FILTER:
                raise CorruptImage("the PNG's pixels are damaged: unknown filter")
            phase = (phase - len(part)) % row
            left -= len(part)
    if piece or next(inflated, b""):
        raise CorruptImage("the PNG holds more pixels than its header says")


def _inflated(parts: list[memoryview]) -> Iterator[bytes]:
    """The decompressed stream in pieces of at most a megabyte, to its end and its checksum."""
    stream = zlib.decompressobj()
    try:
        for part in parts:
            for at in range(0, len(part), _INFLATE_IN):
                waiting: bytes | memoryview = part[at : at + _INFLATE_IN]
                while waiting and not stream.eof:
                    if piece := stream.decompress(waiting, _INFLATE_OUT):
                        yield piece
                    waiting = stream.unconsumed_tail
        while not stream.eof and (piece := stream.decompress(b"", _INFLATE_OUT)):
            yield piece
    except zlib.error:
        raise CorruptImage("the PNG's compressed data is damaged") from None
    if not stream.eof:
        raise CorruptImage("the PNG's compressed data ends early")


def _rgb(decoded: NDArray[Any]) -> NDArray[np.uint8]:
    """OpenCV's grey, BGR or BGRA of 8 or 16 bits as RGB of 8, transparent parts on white."""
    eight = decoded if decoded.dtype == np.uint8 else cv2.convertScaleAbs(decoded, alpha=255 / 65535)
    if eight.ndim == 2:
        return np.asarray(cv2.cvtColor(eight, cv2.COLOR_GRAY2RGB), np.uint8)
    if eight.shape[2] == 3:
        return np.asarray(cv2.cvtColor(eight, cv2.COLOR_BGR2RGB), np.uint8)
    rgb = cv2.cvtColor(eight, cv2.COLOR_BGRA2RGB)
    alpha = eight[:, :, 3]
    if alpha.min() < 255:
        cover = cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB)
        rgb = cv2.add(cv2.multiply(rgb, cover, scale=1 / 255), 255 - cover)
    return np.asarray(rgb, np.uint8)
