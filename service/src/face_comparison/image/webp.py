"""Decodes WebP. The container is parsed here; libwebp gets a new container that holds only the image.

Of an animation, the first frame is decoded, at its position on the canvas. Transparent parts are blended onto white.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from face_comparison.errors import CorruptImage
from face_comparison.image.alpha import on_white
from face_comparison.image.exif import orientation_of
from face_comparison.image.vp8l import table_bytes


def matches(start: bytes) -> bool:
    """Returns whether the first bytes are those of a WebP file."""
    return start[:4] == b"RIFF" and start[8:12] == b"WEBP"


_MAX_CHUNKS = 4096
"""Maximum number of chunks in a file: frames of an animation, metadata, and the chunks within frames."""
_LOSSY, _LOSSLESS, _ALPHA, _EXTENDED, _FRAME, _EXIF = b"VP8 ", b"VP8L", b"ALPH", b"VP8X", b"ANMF", b"EXIF"
_ALPHA_FLAG = 0x10
_KEY_FRAME = b"\x9d\x01\x2a"
_BYTES_PER_PIXEL = 13
_LOSSLESS_HEADER, _ALPHA_HEADER, _ALPHA_IS_LOSSLESS = 5, 1, 1


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the image is in the file and on the canvas.

    Attributes:
        width: Width of the canvas, in pixels.
        height: Height of the canvas, in pixels.
        left: Position of the image on the canvas, in pixels.
        top: Position of the image on the canvas, in pixels.
        chunks: Type and content of the alpha chunk, if any, and of the image chunk.
        orientation: EXIF orientation, 1-8.
    """

    width: int
    height: int
    left: int
    top: int
    chunks: tuple[tuple[bytes, bytes], ...]
    orientation: int


def dimensions(data: bytes) -> tuple[int, int, int]:
    """Returns width and height as stored, and the EXIF orientation."""
    layout = _layout(data)
    return layout.width, layout.height, layout.orientation


def bytes_per_pixel(data: bytes) -> float:
    """Returns the memory that decoding takes, in bytes per pixel; that of lossless data depends on its codes, too."""
    layout = _layout(data)
    size = _size(*layout.chunks[-1])
    tables = 0
    for kind, content in layout.chunks:
        if kind == _LOSSLESS:
            tables += table_bytes(content[_LOSSLESS_HEADER:], *size)
        elif kind == _ALPHA and content[:1] and content[0] & 3 == _ALPHA_IS_LOSSLESS:
            tables += table_bytes(content[_ALPHA_HEADER:], *size)
    return _BYTES_PER_PIXEL + tables / (layout.width * layout.height)


def pixels(data: bytes, width: int, height: int, reduce: int) -> NDArray[np.uint8]:
    """Decodes to (H, W, 3) uint8 RGB; `reduce` is not used."""
    layout = _layout(data)
    decoded = cv2.imdecode(np.frombuffer(_single_image_file(layout.chunks), np.uint8), cv2.IMREAD_UNCHANGED)
    size = _size(*layout.chunks[-1])
    if decoded is None or decoded.shape[:2] != size[::-1]:
        raise CorruptImage("the WebP's pixels are damaged or end early")
    pixels = on_white(decoded)
    if size == (width, height):
        return pixels
    canvas = np.full((height, width, 3), 255, np.uint8)
    canvas[layout.top : layout.top + size[1], layout.left : layout.left + size[0]] = pixels
    return canvas


def _layout(data: bytes) -> _Layout:
    end = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    if end < 8 + int.from_bytes(data[4:8], "little") - 1:  # the last chunk's padding may be missing
        raise CorruptImage("the WebP ends early")
    canvas, exif = None, None
    left = top = 0
    image: tuple[tuple[bytes, bytes], ...] = ()
    left_to_read = iter(range(_MAX_CHUNKS))
    for kind, content in _chunks(data, 12, end, left_to_read):
        if kind == _EXTENDED and len(content) >= 10:
            canvas = _u24(content, 4) + 1, _u24(content, 7) + 1
        elif kind == _EXIF:
            exif = content if exif is None else exif  # only one is expected; readers may ignore further ones
        elif image and image[-1][0] != _ALPHA:
            continue
        elif kind == _FRAME and len(content) > 16:
            left, top = 2 * _u24(content, 0), 2 * _u24(content, 3)
            image = tuple(_image_chunks(_chunks(content, 16, len(content), left_to_read)))[-2:]
        elif kind in (_ALPHA, _LOSSY, _LOSSLESS):
            image = (*image[-1:], (kind, content))  # of several alpha chunks the last counts
    if not image or image[-1][0] == _ALPHA:
        raise CorruptImage("the WebP holds no image")
    width, height = _size(*image[-1])
    if canvas is None:
        canvas = width, height
    if left + width > canvas[0] or top + height > canvas[1]:
        raise CorruptImage("the WebP's image is larger than its canvas")
    orientation = 1 if exif is None else orientation_of(exif.removeprefix(b"Exif\0\0"))
    return _Layout(*canvas, left, top, image, orientation)


def _image_chunks(chunks: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """Yields the alpha and image chunks up to the first image."""
    for kind, content in chunks:
        if kind in (_ALPHA, _LOSSY, _LOSSLESS):
            yield kind, content
        if kind in (_LOSSY, _LOSSLESS):
            return


def _chunks(data: bytes, at: int, end: int, left: Iterator[int]) -> Iterator[tuple[bytes, bytes]]:
    """Yields type and content of each chunk.

    Args:
        data: What the chunks are in.
        at: Offset of the first chunk.
        end: Offset after the last chunk.
        left: Yields one item per chunk that may still be read; shared by all chunks of a file, nested ones included.

    Raises:
        CorruptImage: A chunk is truncated, or there are too many chunks.
    """
    for _ in left:
        if at + 8 > end:
            return
        kind, size = bytes(data[at : at + 4]), int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + size > end:
            raise CorruptImage("the WebP ends early, or a length in it is wrong")
        yield kind, bytes(data[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
    raise CorruptImage(f"the WebP has more than {_MAX_CHUNKS} chunks")


def _size(kind: bytes, content: bytes) -> tuple[int, int]:
    """Returns width and height from the header of the coded image."""
    if kind == _LOSSY and content[3:6] == _KEY_FRAME and len(content) >= 10:
        width, height = struct.unpack_from("<HH", content, 6)
        if width & 0x3FFF and height & 0x3FFF:
            return width & 0x3FFF, height & 0x3FFF
    if kind == _LOSSLESS and content[:1] == b"\x2f" and len(content) >= 5:
        bits = int.from_bytes(content[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise CorruptImage("the WebP's image has no valid header")


def _single_image_file(chunks: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Returns a WebP file that holds only this image."""
    width, height = _size(*chunks[-1])
    if len(chunks) > 1:
        size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        chunks = ((_EXTENDED, bytes((_ALPHA_FLAG, 0, 0, 0)) + size), *chunks)
    body = b"".join(
        kind + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2) for kind, content in chunks
    )
    return b"RIFF" + (4 + len(body)).to_bytes(4, "little") + b"WEBP" + body


def _u24(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 3], "little")
