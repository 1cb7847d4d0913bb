"""Bytes in a JPEG that belong to nothing, as some cameras leave them before a marker: where they are, and without them.

Between two segments they are plain to see. After the coded data of a scan only a decoder can tell them from pixels;
it says how many it was left with, and before which marker.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from face_comparison.errors import CorruptImage
from face_comparison.image.jpeg_markers import END, Frame, Walk, restart_interval, walk

MAX_STRAY = 1024
"""Bytes before one marker. Cameras pad with a few; where thousands are left over, the picture's size or its data is
wrong."""
_MAX_INTERVALS = 16_384
"""Each is decoded by a call of its own. Cameras write one or a few a row of blocks, at most 512 rows."""

_LIBJPEG_WARNING = re.compile(r"(\d+) extraneous bytes before marker 0x([0-9a-f]{2})")
_RESTART = re.compile(rb"\xff([\xd0-\xd7])", re.DOTALL)


def left_over(fault: str) -> tuple[int, int] | None:
    """How many bytes libjpeg was left with, and before which marker; None when it complains of anything else."""
    warning = _LIBJPEG_WARNING.search(fault)
    return (int(warning[1]), int(warning[2], 16)) if warning else None


def place(data: bytes, left: tuple[int, int], after: int) -> tuple[int, int] | None:
    """The first range from `after` on that may be what was left over: before the right marker, at a scan's end."""
    count, marker = left
    ends = (end for kind, end in walk(data, through_scans=True).scan_ends if kind == marker and end - count > after)
    end = next(ends, None)
    return None if end is None else (end - count, end)


def without(data: bytes, ranges: Sequence[tuple[int, int]], tail: bytes = b"") -> bytes:
    """`data` without some ranges of bytes, and with a tail; the same object when nothing changes."""
    if not ranges and not tail:
        return data
    if any(end - start > MAX_STRAY for start, end in ranges):
        raise CorruptImage(f"the JPEG has more than {MAX_STRAY} stray bytes before a marker")
    starts, ends = (0, *(end for _, end in ranges)), (*(start for start, _ in ranges), len(data))
    view = memoryview(data)
    return b"".join((*(view[start:end] for start, end in zip(starts, ends, strict=True)), tail))


def intervals(data: bytes, header: Walk, frame: Frame) -> list[bytes]:
    """Each restart interval of a picture of one scan as a JPEG of its own, one row of coding units high.

    Strays before restart markers are reported late by the decoder, so that their place cannot be told; but whether
    each interval alone is whole can. Raises CorruptImage when the intervals are not those that the header announces.
    """
    units = restart_interval(data, header)
    across, down = frame.unit
    total = -(-frame.width // across) * -(-frame.height // down)
    head, size_at = bytes(data[: header.segments[-1].end]), frame.size_at
    scan_end = walk(data, through_scans=True).scan_ends[0][1]
    marks = list(_RESTART.finditer(data, len(head), scan_end))
    numbered = all(mark[1][0] & 7 == index & 7 for index, mark in enumerate(marks))
    if not numbered or not units or len(marks) + 1 != -(-total // units) or len(marks) >= _MAX_INTERVALS:
        raise CorruptImage("the JPEG is damaged: restart markers are missing or doubled")
    starts, ends = (len(head), *(mark.end() for mark in marks)), (*(mark.start() for mark in marks), scan_end)
    found = []
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        width = across * min(units, total - index * units)
        size = down.to_bytes(2, "big") + min(width, 0xFFFF).to_bytes(2, "big")
        found.append(b"".join((head[:size_at], size, head[size_at + 4 :], data[start:end], END)))
    return found
