"""Measures how many faces are detected in groups, and in small versions, of the sample photographs.

Run as a program, it writes docs/data/recall.json. The file's column of an earlier commit is kept: it was measured once,
on the same images.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from devtools import ROOT
from devtools.photos import samples
from face_comparison.vision.analyzer import Analyzer
from face_comparison.vision.types import Face

RECORD = ROOT / "docs" / "data" / "recall.json"

PORTRAITS = ("obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "astronaut.png")
HARD_PORTRAITS = ("tongue.jpg", "lenna.png")
"""Portraits in which the detector finds the face with difficulty: one with the tongue out, one turned to the side."""

CANVASES: Mapping[str, tuple[tuple[int, int], Sequence[int]]] = {
    "640x480": ((480, 640), (24, 28, 32, 40)),
    "1920x1080": ((1080, 1920), (40, 48, 60)),
}
"""Height and width of an image, and the heights of the faces in it, pixels."""

PLACES = ((0.2, 0.25), (0.5, 0.5), (0.77, 0.7))
"""Where the face is in the image, as fractions of width and height."""

GROUP_HEIGHTS = (24, 32, 40, 60)
"""Heights of the smallest face at the table, pixels."""

NEAR = 0.4
"""How far a face may be from where it should be, in heights of the face."""


@dataclass(frozen=True)
class Scene:
    """An image (height, width, 3) BGR and its faces: center x, center y, and height in pixels."""

    kind: str
    image: NDArray[np.uint8]
    faces: tuple[tuple[float, float, float], ...]


def scenes(analyzer: Analyzer, kinds: Sequence[str] = ()) -> Iterator[Scene]:
    """Yields every image of the named kinds, by default of all; the analyzer detects the originals' faces."""
    table = read("table.jpg")
    seated = _faces(analyzer, "table.jpg")
    lowest = min(face.box.height for face in seated)
    for height in (*GROUP_HEIGHTS, lowest):
        scale = height / lowest
        kind = "group of six, as taken" if scale == 1 else f"group of six, smallest face {height} px"
        if kinds and kind not in kinds:
            continue
        image = table if scale == 1 else cv2.resize(table, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        places = tuple((*_center(face, scale), face.box.height * scale) for face in seated)
        yield Scene(kind, np.asarray(image, np.uint8), places)
    for name in (*PORTRAITS, *HARD_PORTRAITS):
        photo, (face, *_) = read(name), _faces(analyzer, name)
        for label, (size, heights) in CANVASES.items():
            for height in heights:
                kind = f"{height} px in {label}" + (", hard" if name in HARD_PORTRAITS else "")
                if kinds and kind not in kinds:
                    continue
                scale = height / face.box.height
                small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                x, y = _center(face, scale)
                for across, down in PLACES:
                    matrix = np.array([[1.0, 0.0, round(across * size[1] - x)], [0.0, 1.0, round(down * size[0] - y)]])
                    # The photograph's own edge is extended, as a background would be.
                    image = cv2.warpAffine(small, matrix, size[::-1], borderMode=cv2.BORDER_REFLECT_101)
                    image = _without_reflections(np.asarray(image, np.uint8), small.shape[:2], matrix)
                    place = (x + matrix[0, 2], y + matrix[1, 2], float(height))
                    yield Scene(kind, image, (place,))


def count_found(scene: Scene, faces: Sequence[Face]) -> int:
    """Returns how many of the scene's faces were detected."""

    def found(x: float, y: float, height: float) -> bool:
        return any(
            np.hypot(face.box.left + face.box.width / 2 - x, face.box.top + face.box.height / 2 - y) < NEAR * height
            for face in faces
        )

    return sum(found(*place) for place in scene.faces)


def measure(analyzer: Analyzer, kinds: Sequence[str] = ()) -> dict[str, dict[str, int]]:
    """Returns the number of faces, of detected faces, and of further detections, by kind; by default, of all kinds."""
    counts: dict[str, Counter[str]] = {}
    for scene in scenes(analyzer, kinds):
        faces = analyzer.analyze(cv2.imencode(".png", scene.image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()).faces
        found = count_found(scene, faces)
        counts.setdefault(scene.kind, Counter()).update(faces=len(scene.faces), found=found, others=len(faces) - found)
    return {kind: dict(count) for kind, count in counts.items()}


def read(name: str) -> NDArray[np.uint8]:
    """Returns the named sample photograph (height, width, 3) BGR."""
    return np.asarray(cv2.imread(str(samples.photographs(name)[name]), cv2.IMREAD_COLOR), np.uint8)


def _faces(analyzer: Analyzer, name: str) -> tuple[Face, ...]:
    people = (samples.PEOPLE | samples.FURTHER_PEOPLE)[name]
    return analyzer.analyze(samples.photographs(name)[name].read_bytes(), max_faces=len(people)).faces


def _center(face: Face, scale: float) -> tuple[float, float]:
    return scale * (face.box.left + face.box.width / 2), scale * (face.box.top + face.box.height / 2)


def _without_reflections(
    image: NDArray[np.uint8], size: tuple[int, int], matrix: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Blurs the image except for the photograph of this size, because its reflections contain faces, too."""
    mask = cv2.warpAffine(np.full(size, 255, np.uint8), matrix, image.shape[1::-1])[:, :, None] > 0
    coarse = cv2.resize(image, None, fx=1 / 16, fy=1 / 16, interpolation=cv2.INTER_AREA)
    rest = cv2.resize(cv2.GaussianBlur(coarse, (0, 0), 4), image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.where(mask, image, rest).astype(np.uint8)


def main() -> None:
    """Measures the default bundle and writes the record."""
    from face_comparison.models import bundle_store
    from face_comparison.vision.analyzer import build_analyzer

    bundle = bundle_store.ensure_bundle("default", bundle_store.bundles_folder())
    analyzer = build_analyzer(bundle, device="cpu", every_bucket=False)
    earlier = json.loads(RECORD.read_text())["earlier"] if RECORD.exists() else {}
    record = {"model": analyzer.model.version, "kinds": measure(analyzer), "earlier": earlier}
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    print(f"wrote {RECORD.relative_to(ROOT)}; `make generate` updates the table")


if __name__ == "__main__":
    main()
