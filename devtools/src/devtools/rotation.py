"""Measures how well the default bundle recognizes rotated faces, of the same person and of different people.

Every sample photograph is rotated in steps of 15 degrees, as taken and with its largest face scaled to 60 and to 80
pixels in 1920x1080.
Run as a program, it writes docs/data/rotation.json.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from devtools import ROOT, accuracy
from devtools.photos import samples
from devtools.recall import HARD_PORTRAITS
from face_comparison.vision import embedding
from face_comparison.vision.analyzer import Analyzer
from face_comparison.vision.types import Face

RECORD = ROOT / "docs" / "data" / "rotation.json"
STEP = 15
ANGLES = tuple(range(-180 + STEP, 181, STEP))
SIZES: Mapping[str, float] = {"as taken": 0.0, "80 px": 80.0, "60 px": 60.0}
"""Height of an image's largest face in pixels by the name of the measurement; 0: as taken."""

PEOPLE = {name: people for name, people in (samples.PEOPLE | samples.FURTHER_PEOPLE).items() if name != "hanks_112.png"}
"""A face that fills its photograph would lose its corners in rotation."""

EASY = tuple(name for name in PEOPLE if name not in HARD_PORTRAITS)

NEAR = 0.4
"""How far a face may be from where it should be, in heights of the face."""


@dataclass(frozen=True)
class Seen:
    """A face of a rotated photograph, or None if it was not detected."""

    person: str
    photograph: str
    face: Face | None
    upright: Face


@dataclass(frozen=True)
class Row:
    """The results of all faces at one angle.

    Attributes:
        faces: Number of faces.
        lost: Faces that were not detected.
        rejected: Detected faces that do not match their upright version.
        mean: Mean distance to the same face upright.
        worst: Maximum distance to the same face upright.
        pairs: Pairs of different people.
        accepted: Pairs of different people that match at this angle.
        new_accepted: Those of them that do not match upright.
    """

    faces: int
    lost: int
    rejected: int
    mean: float
    worst: float
    pairs: int
    accepted: int
    new_accepted: int
    roll_error: float


def rotate(image: NDArray[np.uint8], degrees: float, height: float, wanted: float) -> tuple[NDArray[np.uint8], Any]:
    """Returns the photograph rotated clockwise on a gray canvas, and the 2x3 matrix of that transform.

    Args:
        image: The photograph.
        height: Height of its faces in pixels.
        degrees: Angle, clockwise.
        wanted: Height of the faces in a canvas of 1920x1080; 0 keeps their size, on a canvas that contains the whole
            photograph.
    """
    scale = wanted / height if wanted else 1.0
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
    rows, columns = small.shape[:2]
    matrix = np.asarray(cv2.getRotationMatrix2D((columns / 2, rows / 2), -degrees, 1.0), np.float64)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    width, length = (
        (1920, 1080) if wanted else (int(rows * sine + columns * cosine), int(rows * cosine + columns * sine))
    )
    matrix[:, 2] += (width - columns) / 2, (length - rows) / 2
    canvas = cv2.warpAffine(small, matrix, (width, length), flags=cv2.INTER_CUBIC, borderValue=(127, 127, 127))
    matrix[:, :2] *= scale
    return np.asarray(canvas, np.uint8), matrix


def faces_at(analyzer: Analyzer, degrees: float, wanted: float, names: Sequence[str] = tuple(PEOPLE)) -> Iterator[Seen]:
    """Returns every sample face at an angle."""
    for name in names:
        data = accuracy.degrade(analyzer, name, "as taken")
        found = analyzer.analyze(data, max_faces=len(PEOPLE[name])).faces
        upright = sorted(found, key=lambda face: face.box.left)
        image = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)
        height = max(face.box.height for face in upright)
        turned, matrix = rotate(image, degrees, height, wanted)
        seen = analyzer.analyze(cv2.imencode(".png", turned, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()).faces
        for person, face in zip(PEOPLE[name], upright, strict=True):
            yield Seen(person, name, _nearest(seen, face, matrix), face)


def _nearest(seen: Sequence[Face], upright: Face, matrix: Any) -> Face | None:
    box = upright.box
    place = matrix @ [box.left + box.width / 2, box.top + box.height / 2, 1.0]
    reach = NEAR * box.height * float(np.hypot(matrix[0, 0], matrix[1, 0]))

    def distance(face: Face) -> float:
        x, y = face.box.left + face.box.width / 2, face.box.top + face.box.height / 2
        return float(np.hypot(x - place[0], y - place[1]))

    best = min(seen, key=distance, default=None)
    return best if best is not None and distance(best) <= reach else None


def summarize(seen: Sequence[Seen], degrees: float, threshold: float) -> Row:
    """Counts the errors at one angle."""
    found = [each for each in seen if each.face is not None]
    same = [embedding.distance(each.face.hash, each.upright.hash) for each in found if each.face]
    rolls = [
        abs((each.face.quality.roll - each.upright.quality.roll - degrees + 180) % 360 - 180)
        for each in found
        if each.face
    ]
    pairs = accepted = new = 0
    for one, other in itertools.combinations(found, 2):
        if one.person != other.person and one.face and other.face:
            pairs += 1
            if embedding.distance(one.face.hash, other.face.hash) <= threshold:
                accepted += 1
                new += embedding.distance(one.upright.hash, other.upright.hash) > threshold
    return Row(
        faces=len(seen),
        lost=len(seen) - len(found),
        rejected=sum(distance > threshold for distance in same),
        mean=round(float(np.mean(same)), 3),
        worst=round(max(same), 3),
        pairs=pairs,
        accepted=accepted,
        new_accepted=new,
        roll_error=round(float(np.median(rolls)), 1),
    )


def measure(analyzer: Analyzer, threshold: float) -> dict[str, dict[str, Row]]:
    """Returns the rows by size and angle, of all photographs but the hard portraits."""
    return {
        size: {
            str(angle): summarize(list(faces_at(analyzer, angle, expected, EASY)), angle, threshold) for angle in ANGLES
        }
        for size, expected in SIZES.items()
    }


def measure_hard(analyzer: Analyzer, threshold: float) -> dict[str, dict[str, int]]:
    """Returns the counts of the hard portraits by size, over all angles."""
    counts = {}
    for size, expected in SIZES.items():
        seen = [each for angle in ANGLES for each in faces_at(analyzer, angle, expected, HARD_PORTRAITS)]
        found = [embedding.distance(each.face.hash, each.upright.hash) for each in seen if each.face]
        counts[size] = {
            "faces": len(seen),
            "lost": len(seen) - len(found),
            "rejected": sum(distance > threshold for distance in found),
        }
    return counts


def main() -> None:
    """Measures the default bundle on rotated faces, and writes the record."""
    from face_comparison.models import bundle_store
    from face_comparison.vision.analyzer import build_analyzer

    bundle = bundle_store.ensure_bundle("default", bundle_store.bundles_folder())
    analyzer = build_analyzer(bundle, device="cpu", every_bucket=False)
    rows = measure(analyzer, analyzer.model.threshold)
    record = {
        "model": analyzer.model.version,
        "threshold": analyzer.model.threshold,
        "sizes": {size: {angle: vars(row) for angle, row in each.items()} for size, each in rows.items()},
        "hard": measure_hard(analyzer, analyzer.model.threshold),
    }
    lines = json.dumps(record, indent=1)
    RECORD.write_text(lines + "\n")
    print(f"wrote {RECORD.relative_to(ROOT)}; `make generate` updates the table")


if __name__ == "__main__":
    main()
