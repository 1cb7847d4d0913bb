"""Ways of coding a JPEG that are unsupported, and named as such."""

from __future__ import annotations

import struct

import pytest

from devtools.photos import kinds
from face_comparison import image
from face_comparison.errors import UnsupportedFormat
from support.jpegs import decoded


def changed_frame(marker: int = 0xC0, precision: int = 8, sampling: bytes = b"") -> bytes:
    """A JPEG whose frame header says something else; the pixels are those of a baseline one."""
    data = bytearray(kinds.jpeg(subsampling=0))
    frame = data.index(b"\xff\xc0")
    data[frame + 1], data[frame + 4] = marker, precision
    for component, factors in enumerate(sampling):
        data[frame + 11 + 3 * component] = factors
    return bytes(data)


@pytest.mark.parametrize(
    ("kind", "markers"),
    [
        ("lossless", [0xC3, 0xC7, 0xCB, 0xCF]),
        ("hierarchical", [0xC5, 0xC6, 0xCD, 0xCE]),
        ("arithmetic-coded", [0xC9, 0xCA]),
    ],
)
def test_lossless_hierarchical_and_arithmetic_coding_are_unsupported(kind: str, markers: list[int]) -> None:
    for marker in markers:
        with pytest.raises(UnsupportedFormat, match=f"^{kind} JPEG is not supported: save it as"):
            image.read_header(changed_frame(marker))


def test_jpeg_ls_is_unsupported() -> None:
    with pytest.raises(UnsupportedFormat, match=r"^JPEG-LS is not supported: save it as"):
        image.read_header(changed_frame(0xF7))


def test_twelve_bit_samples_are_unsupported() -> None:
    with pytest.raises(UnsupportedFormat, match="12 bits"):
        image.read_header(changed_frame(0xC1, precision=12))


@pytest.mark.parametrize("sampling", [b"\x22\x12\x21", b"\x11\x22\x11", b"\x31\x11\x11"])
def test_unusual_subsampling_is_unsupported(sampling: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match="subsampling"):
        decoded(changed_frame(sampling=sampling))


@pytest.mark.parametrize("count", [2, 5])
def test_other_component_counts_are_unsupported(count: int) -> None:
    data = kinds.jpeg()
    frame = data.index(b"\xff\xc0")
    header = data[frame : frame + 2] + struct.pack(">H", 8 + 3 * count) + data[frame + 4 : frame + 9] + bytes([count])
    components = b"".join(bytes([number, 0x11, 0]) for number in range(count))
    with pytest.raises(UnsupportedFormat, match=f"{count} components"):
        image.read_header(data[:frame] + header + components + data[frame + 19 :])
