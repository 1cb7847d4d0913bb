"""What libjpeg remarks on in a JPEG although it costs no pixel: errors in the header, and what follows the scan."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from devtools.photos import damage, kinds
from face_comparison import image
from support.jpegs import END, JPEGS, PLAIN, SCENE, changed, decoded, refusal


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("reduce", [1, 4])
def test_missing_end_marker_and_trailer_are_ignored(name: str, reduce: image.Reduce) -> None:
    data = JPEGS[name]
    whole = decoded(data, reduce)
    for other in (data[:-2], data[:-1], data + b"\0" * 40, data + b"trailing" * 99, data + data, data + END):
        np.testing.assert_array_equal(decoded(other, reduce), whole)


def scan_parameters(data: bytes) -> int:
    start = damage.first_scan(data)
    return start + int.from_bytes(data[start + 2 : start + 4], "big") - 1


def inserted(data: bytes, marker: int, content: bytes) -> bytes:
    """With a segment behind the start."""
    return data[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content + data[2:]


HEADERS = {
    "first coefficient of the scan": changed(PLAIN, scan_parameters(PLAIN), b"\1"),
    "last coefficient of the scan": changed(PLAIN, scan_parameters(PLAIN) + 1, b"\0"),
    "bits of the scan": changed(PLAIN, scan_parameters(PLAIN) + 2, b"\x11"),
    "JFIF revision 2.01": changed(PLAIN, 11, b"\2\1"),
    "JFIF revision 0": changed(PLAIN, 11, b"\0\0"),
    "JFIF density": changed(PLAIN, 13, b"\x7f\0\0\0\0"),
    "JFIF thumbnail that is not there": changed(PLAIN, 18, b"\xff\xff"),
    "Adobe transform 7": inserted(PLAIN, 0xEE, b"Adobe\0\x64\0\0\0\0\7"),
    "one chunk of a color profile": inserted(PLAIN, 0xE2, b"ICC_PROFILE\0\2\3" + bytes(50)),
    "chunks of a color profile out of order": inserted(PLAIN, 0xE2, b"ICC_PROFILE\0\0\0"),
    "EXIF that is cut off": inserted(PLAIN, 0xE1, b"Exif\0\0MM"),
    "a table that is never used": inserted(PLAIN, 0xDB, b"\3" + bytes([1] * 64)),
    "comment of length 0": PLAIN[:2] + b"\xff\xfe\0\0" + PLAIN[2:],
    "comment of length 1": PLAIN[:2] + b"\xff\xfe\0\1text" + PLAIN[2:],
    "application segment of length 0": PLAIN[:2] + b"\xff\xe5\0\0" * 3 + PLAIN[2:],
    "zeros between segments": PLAIN[:2] + bytes(2000) + PLAIN[2:],
    "text between segments": PLAIN[: damage.first_scan(PLAIN)] + b"z" * 70_000 + PLAIN[damage.first_scan(PLAIN) :],
}


@pytest.mark.parametrize("name", HEADERS)
def test_harmless_header_error_is_accepted(name: str) -> None:
    np.testing.assert_array_equal(decoded(HEADERS[name]), decoded(PLAIN))
    assert refusal(HEADERS[name][: len(HEADERS[name]) * 3 // 4] + END)


TRAILERS = {
    "video": b"\0\0\0\x18ftypmp42" + bytes(300),
    "video with bytes like markers": b"\0\0\0\x18ftypmp42" + np.random.default_rng(5).bytes(50_000),
    "bytes like tables": b"\xff\xc4\0\x10" + bytes(100),
    "bytes like a comment": b"\xff\xfe\xff\xff",
    "another JPEG": PLAIN,
    "text": b"SEFH and SEFT" * 20,
}


@pytest.mark.parametrize("trailer", TRAILERS.values(), ids=TRAILERS)
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 10}], ids=repr)
def test_trailer_without_end_marker_is_ignored(options: dict[str, object], trailer: bytes) -> None:
    data = kinds.jpeg(SCENE, **options)
    np.testing.assert_array_equal(decoded(data[:-2] + trailer), decoded(data))
    assert refusal(data[:-200] + END + trailer)
