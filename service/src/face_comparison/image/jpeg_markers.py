"""Parses the structure of a JPEG, its markers and segments in order, without decoding a pixel.

Parsing tolerates whatever does not affect the pixels (fill bytes, stray bytes, damaged metadata). Its cost is bounded
for any data: the number of segments and scans is limited, and a single search skips the bytes between two of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from face_comparison.errors import CorruptImage, UnsupportedFormat
from face_comparison.image.exif import orientation_of

START, END = b"\xff\xd8", b"\xff\xd9"

SOS, EOI, _SOI = 0xDA, 0xD9, 0xD8
DQT, DHT, DRI = 0xDB, 0xC4, 0xDD
APP0, APP1, APP14 = 0xE0, 0xE1, 0xEE
SOF = frozenset(range(0xC0, 0xD0)) - {DHT, 0xC8, 0xCC}
_DECODED_SOF = (0xC0, 0xC1, 0xC2)  # baseline, sequential, progressive
_LOSSLESS_SOF = frozenset({0xC3, 0xC7, 0xCB, 0xCF})
_ARITHMETIC_SOF = frozenset({0xC9, 0xCA})
_JPEG_LS_SOF = 0xF7
_PROGRESSIVE = 0xC2
_BARE = frozenset((0x01, *range(0xD0, 0xD9)))
"""Markers without a payload: TEM (temporary), RST0-RST7 (restart), SOI (start of image)."""
_METADATA = frozenset((*range(APP0, APP0 + 16), 0xFE))
"""Application segments (APP0-APP15) and comments (COM)."""
_EXIF = b"Exif\0\0"

_MAX_SEGMENTS = 4096
"""The largest color profile takes 255 segments, and 20 MB of extended metadata take about 300."""
_MAX_SCANS = 64
_USUAL_SCANS, _MAX_SCANNED = 24, 128_000_000
"""Every scan is a pass over the whole image, however few bytes it has. Encoders write 10 scans, at most about 20. More
are accepted as long as scans times pixels stays within this maximum."""

# The pattern starts with a single literal byte: the regex engine then skips entropy-coded data twenty times as fast as
# with "\xff+".
_MARKER = re.compile(rb"\xff([^\x00\xff])", re.DOTALL)
_MARKER_AFTER_SCAN = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)

ALL_COEFFICIENTS = (1 << 64) - 1
"""One bit per coefficient of a block."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A marker and its payload, without the length field."""

    marker: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Coded:
    """The byte range of a scan's entropy-coded data, restart markers included.

    The segment before it is the scan header.
    """

    start: int
    end: int


Part = Segment | Coded


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame header (SOF) of a JPEG.

    Attributes:
        width: Width as stored, in pixels.
        height: Height as stored, in pixels.
        components: Component identifiers.
        sampling: Horizontal and vertical sampling factor of each component: its blocks per coding unit.
        progressive: Whether the scans refine one another.
    """

    width: int
    height: int
    components: tuple[int, ...]
    sampling: tuple[tuple[int, int], ...]
    progressive: bool

    @property
    def unit(self) -> tuple[int, int]:
        """Width and height, in pixels, of a coding unit (MCU) of a scan that holds every component."""
        if len(self.components) == 1:
            return 8, 8
        return 8 * max(across for across, _ in self.sampling), 8 * max(down for _, down in self.sampling)

    @property
    def units(self) -> int:
        """Number of coding units in a scan that holds every component."""
        return -(-self.width // self.unit[0]) * -(-self.height // self.unit[1])

    @property
    def blocks(self) -> int:
        """Upper bound of the number of coding units in a scan that holds a single component."""
        return -(-self.width // 8) * -(-self.height // 8)


@dataclass(frozen=True, slots=True)
class Scan:
    """The coefficients that a scan completes, and for which components.

    Attributes:
        components: Component identifiers.
        coefficients: One bit per coefficient that has its full precision after this scan; 0 if further bits of the
            coefficients follow in later scans.
    """

    components: tuple[int, ...]
    coefficients: int


def walk(data: bytes, *, through_scans: bool) -> tuple[Part, ...]:
    """Lists the segments of a JPEG.

    After the first scan's data, the image ends at whatever cannot be parsed as another scan (a trailer, another file).

    Args:
        data: The encoded image.
        through_scans: Whether to include all scans and their coded data; otherwise the list ends with the header of
            the first scan.

    Returns:
        The parts in the order in which they are stored.

    Raises:
        CorruptImage: The data ends before the first scan, or has more segments or scans than any encoder writes.
    """
    parts: list[Part] = []
    at, scans = len(START), 0
    pattern = _MARKER
    for _ in range(_MAX_SEGMENTS):
        found = pattern.search(data, at)
        if pattern is _MARKER_AFTER_SCAN:
            parts.append(Coded(at, found.start() if found else len(data)))
        marker = found[1][0] if found else EOI
        if found is None or marker == EOI or (marker == _SOI and scans):
            break
        at, pattern = found.end(), _MARKER
        if marker in _BARE:
            continue
        size = int.from_bytes(data[at : at + 2], "big")
        if size < 2 and marker in _METADATA:  # invalid: the length includes its own two bytes; decoders skip no payload
            at += 2
            continue
        if size < 2 or at + size > len(data):
            if scans:
                break
            raise CorruptImage("the JPEG ends early, or a length in it is wrong")
        parts.append(Segment(marker, bytes(data[at + 2 : at + size])))
        at += size
        if marker == SOS:
            scans += 1
            if not through_scans:
                break
            if scans > _MAX_SCANS:
                raise CorruptImage(f"the JPEG has more than {_MAX_SCANS} scans")
            pattern = _MARKER_AFTER_SCAN
    else:
        raise CorruptImage(f"the JPEG has more than {_MAX_SEGMENTS} segments")
    last = max((index for index, part in enumerate(parts) if isinstance(part, Coded)), default=len(parts))
    return tuple(parts[: last + 1])


def frame(parts: Sequence[Part]) -> Frame:
    """Returns the frame header of the image.

    Raises:
        UnsupportedFormat: The coding process, the bits per sample or the number of components is not supported.
        CorruptImage: The frame header or the pixels are missing, or the frame header is invalid.
    """
    segments = [part for part in parts if isinstance(part, Segment)]
    frames = [segment for segment in segments if segment.marker in SOF]
    if not frames and any(segment.marker == _JPEG_LS_SOF for segment in segments):
        raise UnsupportedFormat("JPEG-LS is not supported: save it as baseline JPEG or PNG")
    if not frames or all(segment.marker != SOS for segment in segments):
        raise CorruptImage("the JPEG ends before its pixels begin")
    if len(frames) > 1:
        raise CorruptImage("the JPEG has more than one frame")
    marker, content = frames[0].marker, frames[0].content
    if marker not in _DECODED_SOF:
        kind = (
            "lossless"
            if marker in _LOSSLESS_SOF
            else "arithmetic-coded"
            if marker in _ARITHMETIC_SOF
            else "hierarchical"
        )
        raise UnsupportedFormat(f"{kind} JPEG is not supported: save it as baseline JPEG or PNG")
    if len(content) < 6 or len(content) != 6 + 3 * content[5]:
        raise CorruptImage("the JPEG's frame header has a wrong length")
    if content[0] != 8:
        raise UnsupportedFormat(f"JPEG with {content[0]} bits per sample is not supported: save it with 8, or as PNG")
    if content[5] not in (1, 3, 4):
        raise UnsupportedFormat(f"JPEG with {content[5]} components is not supported, only gray, color and CMYK")
    height, width = int.from_bytes(content[1:3], "big"), int.from_bytes(content[3:5], "big")
    sampling = tuple((factors >> 4, factors & 15) for factors in content[7::3])
    if any(not 1 <= factor <= 4 for factors in sampling for factor in factors):
        raise CorruptImage("the JPEG's frame header holds a sampling factor that no JPEG has")
    return Frame(width, height, tuple(content[6::3]), sampling, marker == _PROGRESSIVE)


def orientation(parts: Sequence[Part]) -> int:
    """Returns the EXIF orientation, 1-8; 1 if there is none."""
    for part in parts:
        if isinstance(part, Segment) and part.marker == APP1 and part.content.startswith(_EXIF):
            return orientation_of(part.content[len(_EXIF) :])
    return 1


def restart_interval(parts: Sequence[Part]) -> int:
    """Returns the number of coding units between two restart markers of the first scan; 0 without restart markers."""
    interval = 0
    for part in parts:
        if isinstance(part, Coded):
            break
        if part.marker == DRI:
            interval = int.from_bytes(part.content, "big")
    return interval


def scans(parts: Sequence[Part]) -> list[Scan]:
    """Parses the scan headers among the parts that `walk` returned.

    Raises:
        CorruptImage: A scan header has a wrong length.
    """
    found = []
    for part in parts:
        if isinstance(part, Segment) and part.marker == SOS:
            content = part.content
            if len(content) < 4 or len(content) != 4 + 2 * content[0]:
                raise CorruptImage("a scan header of the JPEG has a wrong length")
            first, last, bits_to_follow = content[-3], content[-2], content[-1] & 15
            found.append(Scan(tuple(content[1:-3:2]), 0 if bits_to_follow else (2 << last) - (1 << first)))
    return found


def require_few_scans(count: int, shape: Frame) -> None:
    """Raises CorruptImage if a JPEG has more scans than an encoder writes for an image of its size."""
    if count > _USUAL_SCANS and count * shape.width * shape.height > _MAX_SCANNED:
        raise CorruptImage(f"the JPEG has {count} scans, more than an encoder writes for an image of this size")
