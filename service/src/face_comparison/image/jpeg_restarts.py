"""Proves that the coded data of a JPEG is whole although libjpeg was left with stray bytes in it.

libjpeg names only its first complaint. Behind harmless stray bytes a missing or bad part would go unseen, so each
restart interval is decoded in strict mode for itself: stray bytes at its end are then the last thing to complain of.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice

from face_comparison.errors import CorruptImage
from face_comparison.image.jpeg_markers import END, Frame

Complaint = Callable[[bytes, int, tuple[int, int]], str]
"""libjpeg's first complaint about coded data, empty when it has none. Arguments: the data; coding units between two
restart markers; width and height of what the data shows, pixels."""

STRAY = re.compile(r"extraneous bytes before marker 0x([0-9a-f]{2})")
_BEYOND_THE_LAST = re.compile(r"found marker 0xd9 instead of RST")
"""Said of an image that ends at a restart marker: it has fewer intervals than its header announces."""

_RESTART = re.compile(rb"\xff[\xd0-\xd7]", re.DOTALL)
_PER_PIECE = 8  # numbers of restart markers: a complaint names the marker by its number
_MAX_INTERVALS = 2048
_MAX_SIDE = 65_000
"""Pixels; what libjpeg takes."""


def verify_intervals(coded: bytes, shape: Frame, interval: int, complaint: Complaint) -> None:
    """Decodes every interval between restart markers.

    Args:
        coded: the coded data of the only scan.
        shape: the image's frame.
        interval: coding units between two restart markers.
        complaint: the strict decoder.

    Raises:
        CorruptImage: an interval is missing, damaged or ends early, or there are too many to be checked.
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
        """How many of the pieces, at least one, are whole."""
        joined = b"".join(piece + bytes((0xFF, 0xD0 + index)) for index, piece in enumerate(pieces))[:-2]
        said = complaint(joined, interval, _size(shape, interval))
        if not said or _BEYOND_THE_LAST.search(said):
            return len(pieces)
        stray = STRAY.search(said)
        if stray is None:
            raise CorruptImage(f"the JPEG is damaged: {said}")
        marker = int(stray[1], 16)
        return len(pieces) if marker == END[1] else marker - 0xD0 + 1

    at = 0
    while at < count - 1:
        at += count_complete(intervals[at : min(at + _PER_PIECE, count - 1)], interval)
    count_complete(intervals[-1:], shape.units - (count - 1) * interval)  # the last interval may be shorter


def _size(shape: Frame, interval: int) -> tuple[int, int]:
    """Of an image with one interval in each row of coding units; where that is too wide, the whole image's."""
    across, down = shape.unit
    if interval * across > _MAX_SIDE:
        return shape.width, shape.height
    return interval * across, _PER_PIECE * down
