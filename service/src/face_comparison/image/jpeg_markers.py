"""The structure of a JPEG: its markers in order and what they say, without decoding a pixel.

Reading is lenient about what costs no pixel (fill bytes, strays, damaged metadata) and bounded in time for any data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from face_comparison.errors import CorruptImage, UnsupportedFormat
from face_comparison.image.exif import orientation_of

START, END = b"\xff\xd8", b"\xff\xd9"

SOS, EOI = 0xDA, 0xD9
_SOF = range(0xC0, 0xD0)
_NOT_SOF = (0xC4, 0xC8, 0xCC)  # Huffman tables, a reserved marker and arithmetic tables stand amid the frame markers
_DECODED_SOF = (0xC0, 0xC1, 0xC2)  # baseline, sequential, progressive
_PROGRESSIVE, _DRI, _APP1 = 0xC2, 0xDD, 0xE1
_BARE = (0x01, *range(0xD0, 0xD9))
"""Markers without content: temporary, restart, start of a picture."""
_EXIF = b"Exif\0\0"

_MAX_MARKERS = 4096
"""Bounds the time for walking a file of empty segments. The biggest colour profile has 255, and 20 MB of extended
metadata have some 300."""
_MAX_SCANS = 64
"""Every scan is a pass over the whole picture, however few bytes it has. Encoders write 10, at most some 30."""

# One fixed byte first: the expression engine then skips through pixels twenty times as fast as with "\xff+".
_MARKER = re.compile(rb"\xff([^\x00\xff])", re.DOTALL)
_MARKER_AFTER_SCAN = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)

ALL_COEFFICIENTS = (1 << 64) - 1
"""One bit for each coefficient of a block."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A marker and where its content lies."""

    marker: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Walk:
    """The markers of a picture in their order.

    segments: those with content. strays: ranges of bytes between segments that belong to none. scans: the ranges of
    coded data, restart markers included. ended: whether the end marker was met.
    """

    segments: tuple[Segment, ...]
    strays: tuple[tuple[int, int], ...]
    scans: tuple[tuple[int, int], ...]
    ended: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """width, height: pixels as stored. components: their numbers. sampling: blocks of each, across and down, in a
    coding unit."""

    width: int
    height: int
    components: tuple[int, ...]
    sampling: tuple[tuple[int, int], ...]
    progressive: bool

    @property
    def unit(self) -> tuple[int, int]:
        """Pixels across and down of a coding unit of all components."""
        if len(self.components) == 1:
            return 8, 8
        return 8 * max(across for across, _ in self.sampling), 8 * max(down for _, down in self.sampling)


@dataclass(frozen=True, slots=True)
class Scan:
    """Which components get which coefficients (one bit each) at full precision: none while bits are to follow."""

    components: tuple[int, ...]
    coefficients: int


def walk(data: bytes, *, through_scans: bool) -> Walk:
    """The markers up to the first scan's, or through all scans to the end marker or the end of the data."""
    segments: list[Segment] = []
    strays: list[tuple[int, int]] = []
    coded: list[tuple[int, int]] = []
    ended = False
    at = len(START)
    pattern = _MARKER
    for _ in range(_MAX_MARKERS):
        found = pattern.search(data, at)
        if found is None:
            break
        marker = found[1][0]
        start = at + len(bytes(data[at : found.start()]).rstrip(b"\xff"))  # any number of 0xff may lead a marker
        if pattern is _MARKER_AFTER_SCAN:
            coded.append((at, start))
        elif start > at:
            strays.append((at, start))
        if marker == EOI:
            ended = True
            break
        at, pattern = found.end(), _MARKER
        if marker in _BARE:
            continue
        size = int.from_bytes(data[at : at + 2], "big")
        if size < 2 or at + size > len(data):
            raise CorruptImage("the JPEG ends early, or a length in it is wrong")
        segments.append(Segment(marker, at + 2, at + size))
        at += size
        if marker == SOS:
            if not through_scans:
                break
            pattern = _MARKER_AFTER_SCAN
    else:
        raise CorruptImage(f"the JPEG has more than {_MAX_MARKERS} segments")
    if through_scans and not ended and pattern is _MARKER_AFTER_SCAN:
        coded.append((at, len(data)))
    return Walk(tuple(segments), tuple(strays), tuple(coded), ended)


def frame(data: bytes, header: Walk) -> Frame:
    """The picture's frame, of a kind that is decoded; UnsupportedFormat or CorruptImage for any other."""
    frames = [segment for segment in header.segments if segment.marker in _SOF and segment.marker not in _NOT_SOF]
    if not frames or header.segments[-1].marker != SOS:
        raise CorruptImage("the JPEG ends before its pixels begin")
    if len(frames) > 1:
        raise CorruptImage("the JPEG has more than one frame")
    marker, content = frames[0].marker, bytes(data[frames[0].start : frames[0].end])
    if marker not in _DECODED_SOF:
        raise UnsupportedFormat("lossless, hierarchical and arithmetic-coded JPEG are not decoded")
    if len(content) < 6 or len(content) != 6 + 3 * content[5]:
        raise CorruptImage("the JPEG's frame header has a wrong length")
    if content[0] != 8:
        raise UnsupportedFormat(f"JPEG of {content[0]} bits a sample is not decoded, only of 8")
    if content[5] not in (1, 3, 4):
        raise UnsupportedFormat(f"JPEG of {content[5]} components is not decoded, only grey, colour and CMYK")
    height, width = int.from_bytes(content[1:3], "big"), int.from_bytes(content[3:5], "big")
    sampling = tuple((factors >> 4, factors & 15) for factors in content[7::3])
    if any(not 1 <= factor <= 4 for factors in sampling for factor in factors):
        raise CorruptImage("the JPEG's frame header holds a sampling that no JPEG has")
    return Frame(width, height, tuple(content[6::3]), sampling, marker == _PROGRESSIVE)


def orientation(data: bytes, header: Walk) -> int:
    """EXIF orientation, 1-8."""
    for segment in header.segments:
        if segment.marker == _APP1 and data[segment.start : segment.start + len(_EXIF)] == _EXIF:
            return orientation_of(bytes(data[segment.start + len(_EXIF) : segment.end]))
    return 1


def restart_interval(data: bytes, header: Walk) -> int:
    """Units between two restart markers; 0 when there are none."""
    found = [data[segment.start : segment.end] for segment in header.segments if segment.marker == _DRI]
    return int.from_bytes(found[-1], "big") if found else 0


def scans(data: bytes, walked: Walk) -> list[Scan]:
    """The scans that a walk met."""
    found = []
    for segment in walked.segments:
        if segment.marker == SOS:
            content = bytes(data[segment.start : segment.end])
            if len(content) < 4 or len(content) != 4 + 2 * content[0]:
                raise CorruptImage("a scan header of the JPEG has a wrong length")
            first, last, bits_to_follow = content[-3], content[-2], content[-1] & 15
            found.append(Scan(tuple(content[1:-3:2]), 0 if bits_to_follow else (2 << last) - (1 << first)))
    if len(found) > _MAX_SCANS:
        raise CorruptImage(f"the JPEG has more than {_MAX_SCANS} scans")
    return found
