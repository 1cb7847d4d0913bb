"""A folder per person, made from the sample photographs: ten people, each as taken and in several variants."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from devtools.photos import collection, samples

MARGIN = 0.6
"""Of a face's longer side, around the face on each side."""

PHOTOGRAPHS = ("obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "hanks_112.png", "astronaut.png", "table.jpg")


def make(folder: Path, variants: int = 3) -> Path:
    """Writes `variants` images of each face of each photograph into a folder per person."""
    photographs = samples.photographs()
    for name in PHOTOGRAPHS:
        photograph = cv2.imread(str(photographs[name]), cv2.IMREAD_COLOR)
        assert photograph is not None
        for person, box in zip(samples.PEOPLE[name], collection.BOXES[name], strict=True):
            face = _cut(photograph, box)
            for variant in range(variants):
                path = folder / person / f"{Path(name).stem}-{variant}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), _changed(face, variant), [cv2.IMWRITE_JPEG_QUALITY, 92 - 20 * variant])
    return folder


def _cut(photograph: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    left, top, width, height = box
    around = round(MARGIN * max(width, height))
    return photograph[max(0, top - around) : top + height + around, max(0, left - around) : left + width + around]


def _changed(face: np.ndarray, variant: int) -> np.ndarray:
    if variant == 0:
        return face
    noise = np.random.default_rng(variant).normal(0, 10 * variant, face.shape)
    changed = np.clip(face * (1 - 0.2 * variant) + noise, 0, 255).astype(np.uint8)
    return cv2.flip(changed, 1) if variant % 2 else changed
