"""Tries a bundle on the built-in sample: whether it finds the face, and recognizes it in changed images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources

import cv2
import numpy as np
from numpy.typing import NDArray

from face_comparison.errors import InvalidBundle
from face_comparison.vision import embedding
from face_comparison.vision.analyzer import ImageAnalyzer

Pixels = NDArray[np.uint8]

CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
    "half as bright": lambda image: (image // 2).astype(np.uint8),
    "half the size": lambda image: np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)),
    "without color": lambda image: np.repeat(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[:, :, None], 3, axis=2),
}


@dataclass(frozen=True, slots=True)
class Trial:
    """Distances of the sample's face to itself in changed images; None if it was not found in one."""

    distances: dict[str, float | None]
    numbers: int

    @property
    def plausible(self) -> bool:
        """Whether all faces are found, and nearer than strangers on average (a right angle: 1.41)."""
        return all(distance is not None and distance < 1.2 for distance in self.distances.values())


def try_on_sample(analyzer: ImageAnalyzer) -> Trial:
    """Runs every network on the sample and on changed copies of it.

    Raises:
        InvalidBundle: No face is found, or the embedder gives the same numbers for everything.
    """
    analyzer.warm_up()
    data = resources.files("face_comparison").joinpath("sample.jpg").read_bytes()
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None  # noqa: S101 (a file of this package)
    original = _hash(analyzer, data)
    if original is None:
        raise InvalidBundle(
            "the detector finds no face on the built-in sample: architecture, color, mean or scale is wrong"
        )
    distances: dict[str, float | None] = {}
    for name, change in CHANGES.items():
        _, encoded = cv2.imencode(".png", change(np.asarray(image, np.uint8)))
        changed = _hash(analyzer, encoded.tobytes())
        distances[name] = None if changed is None else embedding.distance(original, changed)
    if all(distance is not None and distance < 1e-3 for distance in distances.values()):
        raise InvalidBundle("the embedder gives the same numbers for every image: mean or scale is wrong")
    return Trial(distances, int(np.count_nonzero(original)))


def _hash(analyzer: ImageAnalyzer, data: bytes) -> NDArray[np.float32] | None:
    faces = analyzer.analyze(data).faces
    return max(faces, key=lambda face: face.box.area).hash if faces else None
