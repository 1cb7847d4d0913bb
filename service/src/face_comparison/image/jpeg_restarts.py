"""Verifies that the coded data of a JPEG is complete although libjpeg found stray bytes in it.

libjpeg reports only its first warning. After harmless stray bytes, a missing or damaged part would go unnoticed. So
the restart intervals are decoded in strict mode, a few at a time; after an interval with stray bytes, decoding starts
again at the next interval.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice

from face_comparison.errors import CorruptImage
from face_comparison.image.jpeg_markers import END, Frame

Complaint = Callable[[bytes, int, tuple[int, int]], str]
"""Returns libjpeg's first warning about coded data, empty if there is none. Arguments: the data; coding units between
two restart markers; width and height, in pixels, of what the data shows."""

STRAY = re.compile(r"extraneous bytes before marker 0x([0-9a-f]{2})")
_BEYOND_THE_LAST = re.compile(r"found marker 0xd9 instead of RST")
"""The warning about an image that ends at a restart marker: it has fewer intervals than its header announces."""

_RESTART = re.compile(rb"\xff[\xd0-\xd7]", re.DOTALL)
_PER_PIECE = 8  # restart markers are numbered 0-7, and a warning identifies the marker only by its number
_MAX_INTERVALS = 2048
_MAX_SIDE = 65_000
"""Maximum width that libjpeg accepts, in pixels."""


def verify_intervals(coded: bytes, shape: Frame, interval: int, complaint: Complaint) -> None:
    """Decodes every interval between restart markers.

    Args:
        coded: The coded data of the only scan.
        shape: The frame header of the image.
        interval: Coding units between two restart markers.
        complaint: The strict decoder.

    Raises:
        CorruptImage: An interval is missing, damaged or truncated, or there are too many intervals to verify.
    """
    count = -(-shape.units // interval)
    if count > _MAX_INTERVALS:
        raise CorruptImage("the JPEG has stray bytes, and is cut into too many pieces to tell them from damage")
    marks = [found.start() for found in islice(_RESTART.finditer(coded), count)]
    if len(marks) + 1 < count or any(coded[mark + 1] & 7 != index & 7 for index, mark in enumerate(marks[: count - 1])):
        raise CorruptImage("the JPEG is damaged: restart markers are missing or out of order")
    starts, ends = [0, *(mark + 2 for mark in marks)], [*marks, len(coded)]
    intervals = [coded[start:end] for start, end in zip(starts, ends, strict=True)][:count]

    def count_complete(pieces: list[bytes], interval: int) -> int:
        """Returns how many of the pieces, at least one, are proven complete."""
        joined = b"".join(piece + bytes((0xFF, 0xD0 + index)) for index, piece in enumerate(pieces))[:-2]
        warning = complaint(joined, interval, _size(shape, interval))
        if not warning or _BEYOND_THE_LAST.search(warning):
            return len(pieces)
        stray = STRAY.search(warning)
        if stray is None:
            raise CorruptImage(f"the JPEG is damaged: {warning}")
        marker = int(stray[1], 16)
        return len(pieces) if marker == END[1] else marker - 0xD0 + 1

    at = 0
    while at < count - 1:
        at += count_complete(intervals[at : min(at + _PER_PIECE, count - 1)], interval)
    count_complete(intervals[-1:], shape.units - (count - 1) * interval)  # the last interval may be shorter


def _size(shape: Frame, interval: int) -> tuple[int, int]:
    """Returns width and height of an image with one interval per row of coding units.

    If that is too wide for libjpeg, it returns the size of the whole image.
    """
    across, down = shape.unit
    if interval * across > _MAX_SIDE:
        return shape.width, shape.height
    return interval * across, _PER_PIECE * down
