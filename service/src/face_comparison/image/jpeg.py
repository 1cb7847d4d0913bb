"""JPEG: libjpeg-turbo in its strict mode, with the few faults mended first that cameras and clients really produce.

Tolerated, because every pixel is still there: a missing end marker, anything after it, stray bytes before a marker.
Everything else that libjpeg merely warns of (data that ends early, a code that no table holds) means pixels made up,
and is an error. So is a picture whose later scans are missing: libjpeg shows such a picture without complaint,
coarse or without its colours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from face_comparison.errors import CorruptImage, UnsupportedFormat
from face_comparison.image.orientation import orientation_of

SIGNATURE = b"\xff\xd8"

_SOF = range(0xC0, 0xD0)
_NOT_SOF = (0xC4, 0xC8, 0xCC)  # Huffman tables, a reserved marker and arithmetic tables stand amid the frame markers
_DECODED_SOF = (0xC0, 0xC1, 0xC2)  # baseline, sequential, progressive
_PROGRESSIVE, _EOI, _SOS, _APP1 = 0xC2, 0xD9, 0xDA, 0xE1
_BARE = (0x01, *range(0xD0, 0xD9))
"""Markers without content: temporary, restart, start of a picture."""
_END = b"\xff\xd9"
_EXIF = b"Exif\0\0"
_ALL_BANDS = (1 << 64) - 1
"""One bit for each coefficient of a block."""

_MAX_MARKERS = 4096
"""Bounds the time for walking a file of empty segments. The biggest colour profile has 255, and 20 MB of extended
metadata have some 300."""
_MAX_SCANS = 100
"""Every scan is a pass over the whole picture, however few bytes it has. Encoders write 10, at most some 30."""
_MAX_STRAY = 1024
"""Bytes between two markers that may belong to nothing. Cameras pad with a few; where thousands are left over, the
picture's size or its data is wrong."""
_MAX_MENDS = 16
"""Attempts to find the scan that stray bytes follow."""

# One fixed byte first: the expression engine then skips through pixels twenty times as fast as with "\xff+".
_MARKER = re.compile(rb"\xff([^\x00\xff])", re.DOTALL)
_MARKER_AFTER_SCAN = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)
_STRAY_WARNING = re.compile(r"(\d+) extraneous bytes before marker 0x([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class _Frame:
    width: int
    height: int
    components: tuple[int, ...]
    progressive: bool


@dataclass(frozen=True, slots=True)
class _Segment:
    """A marker and where its content lies."""

    marker: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Walk:
    """The markers of a picture in their order.

    segments: those with content. strays: ranges of bytes between segments that belong to none. scan_ends: which
    marker follows each scan's data, and where. ended: whether the end marker was met.
    """

    segments: tuple[_Segment, ...]
    strays: tuple[tuple[int, int], ...]
    scan_ends: tuple[tuple[int, int], ...]
    ended: bool


def dimensions(data: bytes) -> tuple[int, int, int]:
    """Width and height as stored, and EXIF orientation."""
    header = _walk(data, through_scans=False)
    frame = _frame(data, header)
    return frame.width, frame.height, _orientation(data, header)


def pixels(data: bytes, width: int, height: int, reduce: int) -> NDArray[np.uint8]:
    """(ceil(H / reduce), ceil(W / reduce), 3) RGB."""
    walk = _walk(data, through_scans=False)
    frame = _frame(data, walk)
    several = frame.progressive or len(_scans(data, walk)[0].components) < len(frame.components)
    ended = data[-2:] == _END
    if several or not ended:
        walk = _walk(data, through_scans=True)
        ended = walk.ended
    if several:
        _prove_complete(_scans(data, walk), frame)
    least = (-(-height // reduce), -(-width // reduce)) if reduce > 1 else (0, 0)
    return _decoded(_without(data, walk.strays, b"" if ended else _END), *least)


def _walk(data: bytes, *, through_scans: bool) -> _Walk:
    """The segments up to the first scan's, or through all scans to the end marker or the end of the data."""
    segments: list[_Segment] = []
    strays: list[tuple[int, int]] = []
    scan_ends: list[tuple[int, int]] = []
    ended = False
    at = len(SIGNATURE)
    pattern = _MARKER
    for _ in range(_MAX_MARKERS):
        found = pattern.search(data, at)
        if found is None:
            break
        marker = found[1][0]
        start = at + len(bytes(data[at : found.start()]).rstrip(b"\xff"))  # any number of 0xff may lead a marker
        if pattern is _MARKER_AFTER_SCAN:
            scan_ends.append((marker, start))
        elif start > at:
            strays.append((at, start))
        if marker == _EOI:
            ended = True
            break
        at, pattern = found.end(), _MARKER
        if marker in _BARE:
            continue
        size = int.from_bytes(data[at : at + 2], "big")
        if size < 2 or at + size > len(data):
            raise CorruptImage("the JPEG ends early, or a length in it is wrong")
        segments.append(_Segment(marker, at + 2, at + size))
        at += size
        if marker == _SOS:
            if not through_scans:
                break
            pattern = _MARKER_AFTER_SCAN
    else:
        raise CorruptImage(f"the JPEG has more than {_MAX_MARKERS} segments")
    return _Walk(tuple(segments), tuple(strays), tuple(scan_ends), ended)


def _frame(data: bytes, header: _Walk) -> _Frame:
    frames = [segment for segment in header.segments if segment.marker in _SOF and segment.marker not in _NOT_SOF]
    if not frames or header.segments[-1].marker != _SOS:
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
        raise UnsupportedFormat(
            f"JPEG of {content[5]} components is not decoded: grey, colour and CMYK have 1, 3 and 4"
        )
    height, width = int.from_bytes(content[1:3], "big"), int.from_bytes(content[3:5], "big")
    return _Frame(width, height, tuple(content[6::3]), marker == _PROGRESSIVE)


def _orientation(data: bytes, header: _Walk) -> int:
    for segment in header.segments:
        if segment.marker == _APP1 and data[segment.start : segment.start + len(_EXIF)] == _EXIF:
            return orientation_of(bytes(data[segment.start + len(_EXIF) : segment.end]))
    return 1


@dataclass(frozen=True, slots=True)
class _Scan:
    """Which components get which coefficients (bits of `band`) at full precision; `band` is 0 while bits are due."""

    components: tuple[int, ...]
    band: int


def _scans(data: bytes, walk: _Walk) -> list[_Scan]:
    scans = []
    for segment in walk.segments:
        if segment.marker == _SOS:
            content = bytes(data[segment.start : segment.end])
            if len(content) < 4 or len(content) != 4 + 2 * content[0]:
                raise CorruptImage("a scan header of the JPEG has a wrong length")
            first, last, bits_due = content[-3], content[-2], content[-1] & 15
            scans.append(_Scan(tuple(content[1:-3:2]), 0 if bits_due else (2 << last) - (1 << first)))
    if len(scans) > _MAX_SCANS:
        raise CorruptImage(f"the JPEG has more than {_MAX_SCANS} scans")
    return scans


def _prove_complete(scans: Sequence[_Scan], frame: _Frame) -> None:
    """Every component must get all its coefficients: in one sequential scan, or in bands over several."""
    arrived = dict.fromkeys(frame.components, 0)
    for scan in scans:
        for component in scan.components:
            arrived[component] = arrived.get(component, 0) | (scan.band if frame.progressive else _ALL_BANDS)
    if any(band & _ALL_BANDS != _ALL_BANDS for band in arrived.values()):
        raise CorruptImage("the JPEG ends early: some of its scans are missing")


def _without(data: bytes, ranges: Sequence[tuple[int, int]], tail: bytes) -> bytes:
    """`data` without some ranges of bytes, and with a tail; the same object when nothing changes."""
    if not ranges and not tail:
        return data
    if any(end - start > _MAX_STRAY for start, end in ranges):
        raise CorruptImage(f"the JPEG has more than {_MAX_STRAY} stray bytes before a marker")
    starts, ends = (0, *(end for _, end in ranges)), (*(start for start, _ in ranges), len(data))
    view = memoryview(data)
    return b"".join((*(view[start:end] for start, end in zip(starts, ends, strict=True)), tail))


def _decoded(data: bytes, min_height: int, min_width: int) -> NDArray[np.uint8]:
    """Decode strictly; bytes left over after a scan are taken out, and all the rest must then be faultless."""
    try:
        return _strictly(data, min_height, min_width)
    except ValueError as error:
        fault = str(error)
    after = 0
    for _ in range(_MAX_MENDS):
        leftover = _leftover(data, fault, after)
        if leftover is None:
            break
        attempt = _without(data, [leftover], b"")
        try:
            return _strictly(attempt, min_height, min_width)
        except ValueError as error:
            if _STRAY_WARNING.search(str(error)):  # right so far, and a later scan has bytes left over too
                data, fault, after = attempt, str(error), leftover[0]
            else:  # this scan needs its bytes: those left over belong to a later one
                after = leftover[1]
    raise CorruptImage(f"the JPEG is damaged: {fault}")


def _strictly(data: bytes, min_height: int, min_width: int) -> NDArray[np.uint8]:
    try:
        return np.asarray(simplejpeg.decode_jpeg(data, "RGB", min_height=min_height, min_width=min_width), np.uint8)
    except KeyError:  # how the library says that it has no name for a chroma subsampling
        raise ValueError("its chroma subsampling is not supported") from None


def _leftover(data: bytes, fault: str, after: int) -> tuple[int, int] | None:
    """Where the bytes may be that a fault names as left over, looked for from `after`; None for any other fault."""
    warning = _STRAY_WARNING.search(fault)
    if warning is None:
        return None
    count, marker = int(warning[1]), int(warning[2], 16)
    ends = (end for kind, end in _walk(data, through_scans=True).scan_ends if kind == marker and end - count > after)
    end = next(ends, None)
    return None if end is None else (end - count, end)
