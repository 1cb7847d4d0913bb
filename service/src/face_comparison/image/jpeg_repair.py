"""Bytes in a JPEG that belong to nothing, as some cameras leave them before a marker, and the JPEG without them.

Between two segments they are plain to see. After the coded data of a scan only a decoder can tell: it says how many
bytes it was left with, and before which marker.
"""

from __future__ import annotations

from collections.abc import Sequence

from face_comparison.errors import CorruptImage
from face_comparison.image.jpeg_markers import walk

_MAX_STRAY = 1024
"""Bytes before one marker; cameras pad with a few."""


def are_left_over(fault: str) -> bool:
    """Whether libjpeg complains, in these words, of bytes that it was left with before a marker."""
    return "extraneous bytes before marker" in fault


def without_zeros(data: bytes) -> bytes:
    """A JPEG without the zeros that stand between a scan and the next marker.

    The coded data of a scan is filled up with ones, so it never ends in a zero but the one that guards an 0xff. Other
    bytes than zeros may as well be pixels that damage has left over; they stay.
    """
    zeros = []
    for start, end in walk(data, through_scans=True).scans:
        coded = bytes(data[start:end]).rstrip(b"\0")
        used = start + len(coded) + coded.endswith(b"\xff")
        if used < end:
            zeros.append((used, end, b""))
    return spliced(data, zeros)


def spliced(data: bytes, edits: Sequence[tuple[int, int, bytes]]) -> bytes:
    """`data` with other bytes in place of some ranges; the same object when there is nothing to do."""
    if not edits:
        return data
    if any(end - start > _MAX_STRAY for start, end, _ in edits):
        raise CorruptImage(f"the JPEG has more than {_MAX_STRAY} stray bytes before a marker")
    view, at = memoryview(data), 0
    pieces: list[bytes | memoryview] = []
    for start, end, instead in edits:
        pieces += (view[at:start], instead)
        at = end
    return b"".join((*pieces, view[at:]))
