"""Measures phantoms, detections where there is no face: in generated textures and backgrounds of photographs.

Run as a program, it writes docs/data/phantoms.json.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from devtools import ROOT
from devtools.photos import samples
from face_comparison.vision.analyzer import Analyzer

RECORD = ROOT / "docs" / "data" / "phantoms.json"
SIZES = ((480, 640), (800, 600), (720, 1280), (320, 320), (1080, 1920))
PER_KIND = 17
"""Images of each kind: 12 kinds give 204."""

Image = NDArray[np.uint8]
Random = np.random.Generator
Draw = Callable[[Random, int, int], NDArray[np.floating]]
"""Draws an image (height, width, 3) of values that are clipped to 0-255."""


def _noise(random: Random, height: int, width: int) -> NDArray[np.floating]:
    blurred = cv2.GaussianBlur(random.normal(0, 1, (height, width, 3)), (0, 0), float(random.choice([0.5, 2, 6, 20])))
    return np.asarray(127 + 55 * blurred / blurred.std(), np.float64)


def _clouds(random: Random, height: int, width: int) -> NDArray[np.floating]:
    """Returns noise whose power falls with frequency, as in natural images."""
    rows, columns = np.fft.fftfreq(height)[:, None, None], np.fft.fftfreq(width)[None, :, None]
    spectrum = np.fft.fft2(random.normal(0, 1, (height, width, 3)), axes=(0, 1))
    clouds = np.fft.ifft2(spectrum / np.maximum(np.hypot(rows, columns), 1 / width), axes=(0, 1)).real
    return np.asarray(127 + 50 * clouds / clouds.std(), np.float64)


def _grating(random: Random, height: int, width: int) -> NDArray[np.floating]:
    rows, columns = np.mgrid[0:height, 0:width]
    total = np.zeros((height, width))
    for _ in range(int(random.integers(1, 4))):
        angle, period = random.uniform(0, np.pi), random.uniform(4, 80)
        total += np.sin(2 * np.pi * (rows * np.sin(angle) + columns * np.cos(angle)) / period)
    return _tinted(random, 127 + 60 * total)


def _checkers(random: Random, height: int, width: int) -> NDArray[np.floating]:
    side = int(random.integers(6, 60))
    rows, columns = np.mgrid[0:height, 0:width] // side
    return _tinted(random, 255.0 * ((rows + columns) % 2))


def _text(random: Random, height: int, width: int) -> NDArray[np.floating]:
    page = np.full((height, width, 3), 240, np.uint8)
    scale = float(random.uniform(0.4, 2.0))
    letters = "abcdefghijklmnopqrstuvwxyz ,.;:OQ08%&@   "
    for y in range(int(30 * scale), height, int(32 * scale)):
        line = "".join(random.choice(list(letters), 90))
        font = int(random.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_SCRIPT_SIMPLEX]))
        cv2.putText(page, line, (10, y), font, scale, (20, 20, 20), max(1, int(2 * scale)))
    return page.astype(np.float64)


def _foliage(random: Random, height: int, width: int) -> NDArray[np.floating]:
    image = np.full((height, width, 3), 40, np.uint8)
    for _ in range(2500):
        center = int(random.integers(width)), int(random.integers(height))
        long = int(random.integers(4, 40))
        color = [int(value) for value in random.uniform((20, 70, 10), (110, 220, 90))]
        cv2.ellipse(image, center, (long, max(2, long // 3)), float(random.uniform(0, 360)), 0, 360, color, -1)
    return image.astype(np.float64)


def _circles(random: Random, height: int, width: int) -> NDArray[np.floating]:
    image = np.full((height, width, 3), random.integers(60, 220, 3), np.uint8)
    for _ in range(int(random.integers(20, 200))):
        center = int(random.integers(width)), int(random.integers(height))
        color = [int(value) for value in random.integers(0, 256, 3)]
        cv2.circle(image, center, int(random.integers(3, 60)), color, int(random.choice([-1, 1, 4])), cv2.LINE_AA)
    return image.astype(np.float64)


def _pairs(random: Random, height: int, width: int) -> NDArray[np.floating]:
    """Returns pairs of dark disks with bright centers, as eyes, buttons, and sockets have, on skin colors."""
    image = _skin(random, height, width).clip(0, 255).astype(np.uint8)
    for _ in range(int(random.integers(5, 40))):
        x, y, radius = int(random.integers(width)), int(random.integers(height)), int(random.integers(3, 16))
        for center in ((x, y), (x + 4 * radius, y + int(random.integers(-radius, radius + 1)))):
            cv2.circle(image, center, radius, (40, 30, 25), -1, cv2.LINE_AA)
            cv2.circle(image, center, max(1, radius // 3), (220, 220, 220), -1, cv2.LINE_AA)
    return image.astype(np.float64)


def _skin(random: Random, height: int, width: int) -> NDArray[np.floating]:
    tone = np.array([224, 172, 138]) * random.uniform(0.35, 1.1)
    shade = cv2.GaussianBlur(random.normal(0, 1, (height, width)), (0, 0), width / 8)
    grain = random.normal(0, 4, (height, width, 3))
    return np.asarray(tone + 35 * (shade / shade.std())[:, :, None] + grain, np.float64)


def _bricks(random: Random, height: int, width: int) -> NDArray[np.floating]:
    image = np.full((height, width, 3), 190, np.uint8)
    long = int(random.integers(30, 120))
    for row, y in enumerate(range(0, height, long // 2)):
        for x in range(-long * (row % 2) // 2, width, long):
            color = [int(value) for value in np.array([170, 80, 60]) + random.normal(0, 18, 3)]
            cv2.rectangle(image, (x + 2, y + 2), (x + long - 2, y + long // 2 - 2), color, -1)
    return image + random.normal(0, 8, image.shape)


def _houses(random: Random, height: int, width: int) -> NDArray[np.floating]:
    """Returns fronts with windows and doors, in which people see faces."""
    image = np.full((height, width, 3), (150, 190, 230), np.uint8)
    x = 0
    while x < width:
        wide, high = int(random.integers(60, 220)), int(random.integers(height // 3, height))
        color = [int(value) for value in random.integers(80, 230, 3)]
        cv2.rectangle(image, (x, height - high), (x + wide, height), color, -1)
        pane = max(8, wide // int(random.integers(4, 9)))
        for y in range(height - high + pane, height - pane, 2 * pane):
            for left in range(x + pane, x + wide - pane, 2 * pane):
                cv2.rectangle(image, (left, y), (left + pane, y + pane), (40, 50, 70), -1)
        x += wide + 4
    return image + random.normal(0, 5, image.shape)


def _rings(random: Random, height: int, width: int) -> NDArray[np.floating]:
    rows, columns = np.mgrid[0:height, 0:width]
    distance = np.hypot(rows - random.uniform(0, height), columns - random.uniform(0, width))
    return _tinted(random, 127 + 100 * np.sin(distance / random.uniform(2, 25)))


def _tinted(random: Random, gray: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(gray[:, :, None] * random.uniform(0.6, 1.0, 3), np.float64)


KINDS: Mapping[str, Draw] = {
    "noise": _noise,
    "clouds": _clouds,
    "gratings": _grating,
    "checkers": _checkers,
    "text": _text,
    "foliage": _foliage,
    "circles": _circles,
    "pairs of disks on skin colors": _pairs,
    "skin colors": _skin,
    "bricks": _bricks,
    "houses": _houses,
    "rings": _rings,
}


def textures(per_kind: int = PER_KIND) -> Iterator[tuple[str, Image]]:
    """Returns generated images (height, width, 3) BGR without faces, by kind; the same on every call."""
    for number, (kind, draw) in enumerate(KINDS.items()):
        for index in range(per_kind):
            height, width = SIZES[index % len(SIZES)]
            drawn = draw(np.random.default_rng([number, index]), height, width)
            yield kind, np.clip(drawn, 0, 255).astype(np.uint8)[:, :, ::-1]


def backgrounds(analyzer: Analyzer) -> Iterator[tuple[str, Image]]:
    """Yields the sample photographs with every face painted over, in each of four orientations."""
    for name in samples.PEOPLE:
        data = samples.photographs(name)[name].read_bytes()
        image = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)
        for face in analyzer.analyze(data, min_confidence=0.3).faces:
            box = face.box
            center = round(box.left + box.width / 2), round(box.top + box.height / 2)
            tone = [int(value) for value in image.mean(axis=(0, 1))]
            # Includes hair, ears, and chin: a head without a face may be detected as one.
            cv2.ellipse(image, center, (round(0.75 * box.width), round(0.75 * box.height)), 0, 0, 360, tone, -1)
        for quarters in range(4):
            yield "backgrounds of photographs", np.ascontiguousarray(np.rot90(image, quarters))


def count_faces(analyzer: Analyzer, image: Image) -> int:
    """Returns the number of faces detected in an image (height, width, 3) BGR."""
    return len(analyzer.analyze(cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()).faces)


def main() -> None:
    """Measures the default bundle and writes the record."""
    from face_comparison.models import bundle_store
    from face_comparison.vision.analyzer import build_analyzer

    bundle = bundle_store.ensure_bundle("default", bundle_store.bundles_folder())
    analyzer = build_analyzer(bundle, device="cpu", every_bucket=False)
    images: Counter[str] = Counter()
    faces: Counter[str] = Counter()
    for source in (textures(), backgrounds(analyzer)):
        for kind, image in source:
            images[kind] += 1
            faces[kind] += count_faces(analyzer, image)
    rows = {kind: {"images": count, "faces": faces[kind]} for kind, count in images.items()}
    RECORD.write_text(json.dumps({"model": analyzer.model.version, "kinds": rows}, indent=1) + "\n")
    print(f"wrote {RECORD.relative_to(ROOT)}: {faces.total()} faces in {images.total()} images")


if __name__ == "__main__":
    main()
