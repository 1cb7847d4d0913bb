"""Measures undetected damage by format: `python -m devtools.photos.damage_rates` prints a table.

A photograph in each format gets one fault at a random position behind its header, a thousand times: a flipped bit, a
changed byte, a run of zeros as from a lost sector, or a truncation. Damage is undetected if the image is accepted
although its pixels have changed.
"""

from __future__ import annotations

import io
import sys
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from devtools import ROOT
from devtools.photos import kinds
from face_comparison import image
from face_comparison.errors import FaceComparisonError

SAMPLE = ROOT / "service/src/face_comparison/sample.jpg"
HEADER_BYTES = 1024
"""Damage begins behind the headers: what it does to them is `test_image_damage.py`'s."""


def flip_bit(data: bytearray, at: int, rng: Generator) -> None:
    """Flips one bit of a byte."""
    data[at] ^= 1 << rng.integers(8)


def change_byte(data: bytearray, at: int, rng: Generator) -> None:
    """Sets a byte to another value."""
    data[at] ^= int(rng.integers(1, 256))


def zero_sector(data: bytearray, at: int, rng: Generator) -> None:
    """Sets 512 bytes to zero, as a lost sector does."""
    del rng
    data[at : at + 512] = bytes(len(data[at : at + 512]))


def truncate(data: bytearray, at: int, rng: Generator) -> None:
    """Removes everything after a position."""
    del rng
    del data[at:]


FAULTS: dict[str, Callable[[bytearray, int, Generator], None]] = {
    "one bit": flip_bit,
    "one byte": change_byte,
    "512 zeros": zero_sector,
    "cut off": truncate,
}


def photographs() -> dict[str, bytes]:
    """Returns the built-in sample in every format, by the name of the format."""
    photo = Image.open(SAMPLE).convert("RGB")
    found = {
        "JPEG": kinds.jpeg(photo, quality=90),
        "JPEG, restart markers": kinds.jpeg(photo, quality=90, restart_marker_rows=1),
        "JPEG, progressive": kinds.jpeg(photo, quality=90, progressive=True),
        "PNG": kinds.encode(photo, "PNG"),
        "BMP": kinds.encode(photo, "BMP"),
        "WebP, lossy": kinds.encode(photo, "WEBP", quality=85),
        "WebP, lossless": kinds.encode(photo, "WEBP", lossless=True),
        "AVIF": kinds.encode(photo, "AVIF", quality=85),
    }
    return found | {"HEIC": heic(photo)}


def heic(photo: Image.Image) -> bytes:
    """Returns the image as HEIC."""
    import pillow_heif

    stream = io.BytesIO()
    pillow_heif.from_pillow(photo).save(stream, quality=85)
    return stream.getvalue()


def decode(data: bytes) -> NDArray[np.uint8] | None:
    """Returns upright pixels, or None if the image is rejected."""
    try:
        return image.decode(data, image.read_header(data))
    except FaceComparisonError:
        return None


def count_outcomes(data: bytes, fault: str, count: int, seed: int) -> Counter[str]:
    """Counts the damaged images that are rejected, unchanged (with the pixels of the original), or changed."""
    whole, rng = decode(data), np.random.default_rng(seed)
    assert whole is not None
    found: Counter[str] = Counter()
    for victim in damaged(data, fault, count, rng):
        pixels = decode(victim)
        same = pixels is not None and np.array_equal(pixels, whole)
        found["rejected" if pixels is None else "whole" if same else "changed"] += 1
    return found


def damaged(data: bytes, fault: str, count: int, rng: Generator) -> Iterator[bytes]:
    """Yields copies of the image with one fault each, at different positions."""
    for _ in range(count):
        victim = bytearray(data)
        FAULTS[fault](victim, int(rng.integers(HEADER_BYTES, len(data))), rng)
        yield bytes(victim)


def main(count: int = 1000) -> None:
    """Prints one row per format: the fraction of damaged images that is accepted with changed pixels."""
    print(f"| format | {' | '.join(FAULTS)} |\n|{'---|' * (len(FAULTS) + 1)}")
    for name, data in photographs().items():
        changed = [count_outcomes(data, fault, count, 1)["changed"] / count for fault in FAULTS]
        print(f"| {name} | {' | '.join(f'{each:.1%}' for each in changed)} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
