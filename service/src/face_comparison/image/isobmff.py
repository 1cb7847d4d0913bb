"""Parses the boxes of a HEIF file (HEIC, AVIF) that describe its primary image: size, orientation, depth, tiles.

Decoders parse the container again, within their own limits. This module reads what must be known before a decoder
starts, and enforces a limit that decoders lack: the number of tiles that a small image may be assembled from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from face_comparison.errors import CorruptImage

_BRANDS_AT, _LONGEST_FTYP = 8, 256
_MAX_BOXES = 1024
_MAX_ASSOCIATIONS = 8192
_MAX_REFERENCES, _PIXELS_PER_REFERENCE = 256, 64 * 64
"""Maximum number of references between items: a fixed number, plus one for each given number of pixels. Phones write
tiles of 512 x 512."""

_ORIENTATIONS = {
    (0, None): 1,
    (1, None): 8,
    (2, None): 3,
    (3, None): 6,
    (0, 1): 2,
    (1, 1): 7,
    (2, 1): 4,
    (3, 1): 5,
    (0, 0): 4,
    (1, 0): 5,
    (2, 0): 2,
    (3, 0): 7,
}
"""EXIF orientation by counterclockwise quarter turns (`irot`) and the axis of the mirroring that follows (`imir`)."""

SWAPPED_ORIENTATIONS = frozenset({5, 6, 7, 8})
"""EXIF orientations that swap width and height."""


@dataclass(frozen=True, slots=True)
class PrimaryImage:
    """The primary image of a HEIC or AVIF file, as its header describes it.

    Attributes:
        width: Width as stored, in pixels.
        height: Height as stored, in pixels.
        shown_width: Width in pixels after cropping to the clean aperture that the file specifies.
        shown_height: Height in pixels after cropping to the clean aperture that the file specifies.
        orientation: 1-8, as in EXIF.
        depth: Bits per sample.
    """

    width: int
    height: int
    shown_width: int
    shown_height: int
    orientation: int
    depth: int


def brands(start: bytes) -> frozenset[bytes]:
    """Returns the major brand and the compatible brands of an ISO media file; empty for other files."""
    if start[4:8] != b"ftyp":
        return frozenset()
    end = min(len(start), int.from_bytes(start[:4], "big"), _LONGEST_FTYP)
    return frozenset(bytes(start[at : at + 4]) for at in (_BRANDS_AT, *range(16, end - 3, 4)))


def primary_image(data: bytes) -> PrimaryImage:
    """Reads the properties of the primary image.

    Raises:
        CorruptImage: There is no primary image, its boxes are damaged, or it has more tiles than an image of its size
            needs.
    """
    meta = first_box(data, 0, len(data), b"meta")
    if meta is None:
        raise CorruptImage("the file holds no still image, or ends early")
    found = {kind: (start, end) for kind, start, end in boxes(data, meta[0] + 4, meta[1])}
    if b"pitm" not in found or b"iprp" not in found:
        raise CorruptImage("the file does not say which image it shows")
    start, end = found[b"pitm"]
    item = int.from_bytes(data[start + 4 : min(end, start + (8 if data[start] else 6))], "big")
    size, crop, depth, turns, axis = (0, 0), (0, 0), 8, 0, None
    for kind, start, end in _properties(data, *found[b"iprp"], item):
        content = bytes(data[start : min(end, start + 16)])
        if kind == b"ispe":
            size = int.from_bytes(content[4:8], "big"), int.from_bytes(content[8:12], "big")
        elif kind == b"clap" and len(content) >= 16:
            crop = _quotient(content[:8]), _quotient(content[8:16])
        elif kind == b"irot" and content:
            turns = content[0] & 3
        elif kind == b"imir" and content:
            axis = content[0] & 1
        elif kind == b"av1C" and len(content) > 2:
            depth = 12 if content[2] & 0x20 else 10 if content[2] & 0x40 else 8
    references = found.get(b"iref", (0, 0))
    if (references[1] - references[0]) // 2 > 2 * (_MAX_REFERENCES + size[0] * size[1] // _PIXELS_PER_REFERENCE):
        raise CorruptImage("the file puts its image together from more tiles than one of its size needs")
    return PrimaryImage(*size, *(crop if all(crop) else size), _ORIENTATIONS[turns, axis], depth)


def _properties(data: bytes, start: int, end: int, item: int) -> Iterator[tuple[bytes, int, int]]:
    """Yields the boxes of the properties associated with an item, in the order of their association."""
    container, associations = first_box(data, start, end, b"ipco"), first_box(data, start, end, b"ipma")
    if container is None or associations is None:
        return
    properties = list(boxes(data, *container))
    at, end = associations
    version, flags = data[at], data[at + 3] if at + 3 < end else 0
    count, at = int.from_bytes(data[at + 4 : at + 8], "big"), at + 8
    for _ in range(min(count, _MAX_ASSOCIATIONS)):
        width = 4 if version else 2
        found = int.from_bytes(data[at : at + width], "big")
        size, number = 2 if flags & 1 else 1, data[at + width] if at + width < end else 0
        at += width + 1
        if at + number * size > end:
            raise CorruptImage("the file ends early, or a length in it is wrong")
        if found == item:
            for place in range(at, at + number * size, size):
                index = int.from_bytes(data[place : place + size], "big") & (0x7FFF if size == 2 else 0x7F)
                if 0 < index <= len(properties):
                    yield properties[index - 1]
            return
        at += number * size


def _quotient(fraction: bytes) -> int:
    """Returns the rounded quotient of two 32-bit numbers; 0 if the denominator is 0."""
    numerator, denominator = int.from_bytes(fraction[:4], "big"), int.from_bytes(fraction[4:], "big")
    return (numerator + denominator // 2) // denominator if denominator else 0


def first_box(data: bytes, start: int, end: int, kind: bytes) -> tuple[int, int] | None:
    """Returns the start and end (exclusive) of the content of the first box of a kind; None if there is none."""
    return next(((first, last) for name, first, last in boxes(data, start, end) if name == kind), None)


def boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yields the type of each box, and the start and end (exclusive) of its content.

    Raises:
        CorruptImage: A box does not fit into its range, or there are too many boxes.
    """
    for _ in range(_MAX_BOXES):
        if at + 8 > end:
            return
        size, kind, header = int.from_bytes(data[at : at + 4], "big"), bytes(data[at + 4 : at + 8]), 8
        if size == 1:
            size, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        elif size == 0:
            size = end - at
        if size < header or at + size > end:
            raise CorruptImage("the file ends early, or a length in it is wrong")
        yield kind, at + header, at + size
        at += size
    raise CorruptImage(f"the file has more than {_MAX_BOXES} boxes")
