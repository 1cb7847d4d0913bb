"""Makes a folder of photographs as a collector has it from the sample photographs, with the place of every face.

Ten people on ten photographs become a thousand images, each rotated, mirrored, cropped, scaled, darkened, compressed,
or made noisy or gray in a different way, always the same; some show two groups of other people side by side, some
nobody. The places of the faces are derived from the boxes below, so that no detector judges itself.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from filelock import FileLock
from numpy.random import Generator
from numpy.typing import NDArray
from platformdirs import user_cache_path

from devtools.photos import samples

Image = NDArray[np.uint8]

BOXES: dict[str, tuple[tuple[int, int, int, int], ...]] = {
    "obama.jpg": ((369, 91, 250, 324),),
    "obama2.jpg": ((192, 249, 284, 379),),
    "obama3.jpg": ((639, 251, 279, 367),),
    "obama_partial_face.jpg": ((0, 83, 197, 334),),
    "obama_partial_face2.jpg": ((369, 73, 182, 350),),
    "obama2_32bit.png": ((193, 251, 283, 377),),
    "biden.jpg": ((421, 181, 291, 387),),
    "hanks_112.png": ((9, 9, 86, 103),),
    "astronaut.png": ((180, 63, 92, 112),),
    "table.jpg": (
        (57, 266, 115, 135),
        (268, 146, 102, 129),
        (463, 269, 113, 150),
        (745, 344, 102, 131),
        (902, 55, 111, 150),
        (1132, 275, 96, 124),
    ),
}
"""Left, top, width and height of the faces of each photograph, in the order of `samples.PEOPLE`."""

SHOTS = {
    "obama_partial_face.jpg": "obama.jpg",
    "obama_partial_face2.jpg": "obama.jpg",
    "obama2_32bit.png": "obama2.jpg",
}
"""Photographs that are parts or copies of another."""

WHOLE = 0.85
"""Share of a face that an image must show for it to be expected there."""

HEIGHTS = (48, 300)
"""Faces' heights in pixels."""

_TWO_GROUPS, _NOBODY, _GRAY = 0.08, 0.03, 0.1
_SIDES = (480, 1400)


@dataclass(frozen=True, slots=True)
class Place:
    """A face of an image. left, top, right, bottom: fractions of the image. whole: it is expected to be detected."""

    person: str
    shot: str
    left: float
    top: float
    right: float
    bottom: float
    whole: bool


def make_collection(count: int) -> tuple[Path, dict[str, list[Place]]]:
    """Returns a folder with the first `count` images, and the faces of each by its name; kept in the user's cache."""
    photographs = samples.photographs()
    key = hashlib.sha256(Path(__file__).read_bytes() + json.dumps(sorted(photographs)).encode()).hexdigest()[:16]
    folder = user_cache_path("face-comparison") / f"collection-{key}-{count}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock"), timeout=900):
        if not folder.exists():
            fresh = folder.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            (fresh / "images").mkdir(parents=True)
            _make(fresh, photographs, count)
            fresh.replace(folder)
    places = json.loads((folder / "places.json").read_text())
    return folder / "images", {name: [Place(**place) for place in found] for name, found in places.items()}


def _make(folder: Path, photographs: dict[str, Path], count: int) -> None:
    originals = {
        name: np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), np.uint8) for name, path in photographs.items()
    }
    places = {}
    for number in range(count):
        chance = np.random.default_rng((2024, number))
        image, found = _image(originals, chance)
        suffix, options = _format(chance)
        name = f"{number % 7}/{number:04d}{suffix}"
        path = folder / "images" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(cv2.imencode(suffix, _worse(image, chance), options)[1].tobytes())
        places[name] = [asdict(place) for place in found]
    (folder / "places.json").write_text(json.dumps(places))


def _image(originals: dict[str, Image], chance: Generator) -> tuple[Image, list[Place]]:
    kind = chance.random()
    if kind < _NOBODY:
        return _without_faces(originals, chance), []
    shot = str(chance.choice(list(BOXES)))
    groups = [_group(originals, shot, chance)]
    others = [name for name in BOXES if not set(samples.PEOPLE[name]) & set(samples.PEOPLE[shot])]
    if kind <= 1 - _TWO_GROUPS:
        return groups[0]
    groups.append(_group(originals, str(chance.choice(others)), chance))
    height = min(image.shape[0] for image, _ in groups)
    halves = [
        cv2.resize(image, (round(image.shape[1] * height / image.shape[0]), height), interpolation=cv2.INTER_AREA)
        for image, _ in groups
    ]
    width = sum(half.shape[1] for half in halves)
    share = halves[0].shape[1] / width
    first = [_moved(place, 0, share) for place in groups[0][1]]
    second = [_moved(place, share, 1 - share) for place in groups[1][1]]
    return np.hstack(halves), first + second


def _moved(place: Place, start: float, share: float) -> Place:
    return Place(
        place.person,
        place.shot,
        start + share * place.left,
        place.top,
        start + share * place.right,
        place.bottom,
        place.whole,
    )


def _without_faces(originals: dict[str, Image], chance: Generator) -> Image:
    """Returns clothes and hands: the lowest quarter of a portrait."""
    name = str(chance.choice(["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg"]))
    original = originals[name]
    return original[original.shape[0] * 3 // 4 :]


def _group(originals: dict[str, Image], name: str, chance: Generator) -> tuple[Image, list[Place]]:
    """Returns the photograph rotated, mirrored, resized, and cropped around one of its faces."""
    original, boxes = originals[name], BOXES[name]
    anchor = boxes[int(chance.integers(len(boxes)))]
    height = math.exp(chance.uniform(math.log(HEIGHTS[0]), math.log(HEIGHTS[1])))
    scale = min(height / anchor[3], 2.5)
    center = anchor[0] + anchor[2] / 2, anchor[1] + anchor[3] / 2
    across = np.asarray(cv2.getRotationMatrix2D(center, chance.normal(0, 6), scale), np.float64)
    if chance.random() < 0.5:
        across = np.array([[-1.0, 0, 0], [0, 1, 0]]) @ np.vstack([across, [0, 0, 1]])
    corners = _through(across, 0, 0, original.shape[1], original.shape[0])
    left, top, right, bottom = _window(_through(across, *_corners(anchor)), corners, chance)
    across[:, 2] -= left, top
    size = round(right - left), round(bottom - top)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    if scale < 1:  # warpAffine does not average: scale down first
        small = cv2.resize(original, None, fx=scale, fy=scale, interpolation=method)
        moved = across.copy()
        moved[:, :2] /= scale
        image = cv2.warpAffine(small, moved, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    else:
        image = cv2.warpAffine(original, across, size, flags=method, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(image, np.uint8), list(_places(name, across, *size))


def _window(face: tuple[float, ...], limits: tuple[float, ...], chance: Generator) -> tuple[float, float, float, float]:
    """Returns a rectangle of a usual size that contains the whole face, within the photograph where possible."""
    sides = [math.exp(chance.uniform(math.log(_SIDES[0]), math.log(_SIDES[1]))) for _ in range(2)]
    spans = []
    for axis, expected in enumerate(sides):
        low, high = face[axis], face[axis + 2]
        margin = 0.15 * (high - low)
        first, last = limits[axis], limits[axis + 2]
        low, high = max(first, low - margin), min(last, high + margin)
        side = min(max(expected, high - low), last - first)
        earliest = max(first, high - side)
        start = chance.uniform(earliest, max(earliest, min(low, last - side)))
        spans.append((start, start + side))
    (left, right), (top, bottom) = spans
    return left, top, right, bottom


def _places(name: str, across: NDArray[np.float64], width: int, height: int) -> Iterator[Place]:
    for person, box in zip(samples.PEOPLE[name], BOXES[name], strict=True):
        left, top, right, bottom = _through(across, *_corners(box))
        shown = [max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom)]
        if shown[2] <= shown[0] or shown[3] <= shown[1]:
            continue
        share = (shown[2] - shown[0]) * (shown[3] - shown[1]) / ((right - left) * (bottom - top))
        shot = SHOTS.get(name, name)
        yield Place(
            person, shot, shown[0] / width, shown[1] / height, shown[2] / width, shown[3] / height, share >= WHOLE
        )


def _corners(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    return box[0], box[1], box[0] + box[2], box[1] + box[3]


def _through(across: NDArray[np.float64], left: float, top: float, right: float, bottom: float) -> tuple[float, ...]:
    """Returns the upright rectangle around a rotated rectangle."""
    points = np.array([[left, top, 1], [right, top, 1], [right, bottom, 1], [left, bottom, 1]]) @ across.T
    return (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())


def _worse(image: Image, chance: Generator) -> Image:
    light = chance.choice([1.0, 1.0, 1.25, 0.7, 0.5, 0.3])
    noise = chance.choice([0, 0, 4, 8, 14])
    blur = chance.choice([0, 0, 0.6, 1.1])
    result = image.astype(np.float32)
    if blur:
        result = np.asarray(cv2.GaussianBlur(result, (0, 0), blur), np.float32)
    result = result * light + (chance.standard_normal(image.shape, np.float32) * noise if noise else 0)
    changed: Image = np.clip(result, 0, 255).astype(np.uint8)
    if chance.random() < _GRAY:
        changed = np.asarray(cv2.cvtColor(changed, cv2.COLOR_BGR2GRAY), np.uint8)
    return changed


def _format(chance: Generator) -> tuple[str, list[int]]:
    suffix = str(chance.choice([".jpg", ".png", ".bmp"], p=[0.9, 0.07, 0.03]))
    return suffix, [cv2.IMWRITE_JPEG_QUALITY, int(chance.integers(25, 96))] if suffix == ".jpg" else []
