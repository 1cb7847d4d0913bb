"""Measures a bundle on real photographs, both as taken and degraded.

Every face of a degraded photograph is compared with every face of every photograph as taken, and with every face that
was degraded in the same way. Run as a program, it writes docs/data/accuracy.json (accuracy-NAME.json for a bundle other
than the default), from which the tables of the documentation are generated, and prints the worst pairs and what the
bundle's manifest states about strangers.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from devtools import ROOT
from devtools.photos import samples
from face_comparison.models import bundle_store
from face_comparison.vision import embedding
from face_comparison.vision.analyzer import Analyzer, ModelInfo, build_analyzer
from face_comparison.vision.types import Face

RECORD = ROOT / "docs" / "data" / "accuracy.json"
FRACTIONS = (0.001, 0.01, 0.1, 0.5)
"""Of the pairs of strangers, whose distances a manifest states."""

FRAME = (1080, 1920)

PARTIAL = ("obama_partial_face.jpg", "obama_partial_face2.jpg")
CUT = (*PARTIAL, "hanks_112.png", "tongue.jpg")
"""Faces that the edge of the photograph cuts, or that reach it: on a larger canvas it becomes a straight line through a
face, which no camera takes, so these are not shrunk into a frame."""

NOT_FOUND_SMALL = ("lenna.png",)
"""Half in profile, under a hat: not found at 60 pixels."""

SAME_SHOT = {frozenset({"obama2.jpg", "obama2_32bit.png"}), *(frozenset({"obama.jpg", name}) for name in PARTIAL)}


@dataclass(frozen=True)
class Pair:
    """Two faces that were compared.

    Attributes:
        variant: How the first photograph, or both, were degraded.
        one: Person and photograph of the first face.
        other: Person and photograph of the second face.
        same: Whether both are the same person.
        distance: Euclidean distance (0-2) between their hashes.
    """

    variant: str
    one: str
    other: str
    same: bool
    distance: float

    def margin(self, threshold: float) -> float:
        """Distance to the threshold, positive on the correct side and negative for a wrong decision."""
        return threshold - self.distance if self.same else self.distance - threshold


def shrink_faces(face_height: float) -> Callable[[np.ndarray, float], np.ndarray]:
    """Returns a function that scales a photograph to faces of `face_height` pixels and puts it on a gray frame."""

    def apply(image: np.ndarray, height: float) -> np.ndarray:
        scale = face_height / height
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        small = small[: FRAME[0], : FRAME[1]]
        canvas = np.full((*FRAME, 3), 127, np.uint8)
        top, left = (FRAME[0] - small.shape[0]) // 3, (FRAME[1] - small.shape[1]) // 3
        canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
        return canvas

    return apply


def darken(image: np.ndarray, height: float) -> np.ndarray:
    """Returns the image at a quarter of its brightness, with noise (standard deviation 12 of 255)."""
    noise = np.random.default_rng(1).normal(0, 12, image.shape)
    return np.clip(image / 4 + noise, 0, 255).astype(np.uint8)


def add_noise(image: np.ndarray, height: float) -> np.ndarray:
    """Returns the image with strong noise (standard deviation 45 of 255)."""
    noise = np.random.default_rng(2).normal(0, 45, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


VARIANTS: dict[str, tuple[Callable[[np.ndarray, float], np.ndarray], int]] = {
    "as taken": (lambda image, height: image, 0),
    "face 60 px high in 1920x1080": (shrink_faces(60), 95),
    "face 44 px high in 1920x1080": (shrink_faces(44), 95),
    "a quarter of the light, noise 12": (darken, 95),
    "noise of standard deviation 45": (add_noise, 95),
    "JPEG quality 20": (lambda image, height: image, 20),
}
"""Change by name, with the JPEG quality that the changed image is encoded with (0: the original bytes)."""


def degrade(analyzer: Analyzer, name: str, variant: str) -> bytes:
    """Returns a photograph, degraded as one of the `VARIANTS`, encoded."""
    data = samples.photographs(name)[name].read_bytes()
    if name.endswith(".ppm"):  # which is not read
        data = cv2.imencode(".png", _decode(data))[1].tobytes()
    change, quality = VARIANTS[variant]
    if not quality:
        return data
    image = _decode(data)
    height = max(face.box.height for face in analyzer.analyze(data).faces)
    _, encoded = cv2.imencode(".jpg", change(image, height), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()


def _decode(data: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def people(analyzer: Analyzer, variant: str) -> dict[tuple[str, str], Face]:
    """Returns each face by (photograph, person). Raises LookupError if a photograph lacks an expected face."""
    found = {}
    for name, people in (samples.PEOPLE | samples.FURTHER_PEOPLE).items():
        if name in (*CUT, *NOT_FOUND_SMALL) and variant in (
            "face 60 px high in 1920x1080",
            "face 44 px high in 1920x1080",
        ):
            continue
        faces = analyzer.analyze(degrade(analyzer, name, variant), max_faces=len(people)).faces
        if len(faces) != len(people):
            raise LookupError(f"{name}, {variant}: {len(faces)} faces of {len(people)}")
        for person, face in zip(people, sorted(faces, key=lambda face: face.box.left), strict=True):
            found[name, person] = face
    return found


def pairs(analyzer: Analyzer) -> Iterator[Pair]:
    """Yields every pair of faces: each variant with the photographs as taken, and with itself."""
    taken = people(analyzer, "as taken")
    for variant in VARIANTS:
        changed = people(analyzer, variant)
        for (one, first), (other, second) in itertools.product(changed.items(), taken.items()):
            if one[0] != other[0] and (variant != "as taken" or one < other):
                yield _pair(variant, one, first, other, second)
        if variant != "as taken":
            for (one, first), (other, second) in itertools.combinations(changed.items(), 2):
                yield _pair(f"{variant}, both", one, first, other, second)


def _pair(variant: str, one: tuple[str, str], first: Face, other: tuple[str, str], second: Face) -> Pair:
    return Pair(
        variant, "/".join(one), "/".join(other), one[1] == other[1], embedding.distance(first.hash, second.hash)
    )


def measure_distances(rows: list[Pair], model: ModelInfo) -> dict[str, Any]:
    """Returns the distances of all pairs by variant, nearest first, as docs/data/accuracy.json stores them."""
    groups: dict[str, dict[str, list[float]]] = {}
    for row in sorted(rows, key=lambda row: row.distance):
        group = groups.setdefault(row.variant, {"same": [], "different": []})
        group["same" if row.same else "different"].append(round(row.distance, 4))
    return {"model": model.version, "threshold": model.threshold, "pairs": dict(sorted(groups.items()))}


def strangers(record: dict[str, Any]) -> dict[str, Any]:
    """Returns `comparison.strangers` of a bundle's manifest, from the distances of all pairs of different people."""
    distances = np.concatenate([kinds["different"] for kinds in record["pairs"].values()])
    cosines = 1 - distances**2 / 2
    people = {person for shown in (samples.PEOPLE | samples.FURTHER_PEOPLE).values() for person in shown}
    return {
        "people": len(people),
        "pairs": len(distances),
        "cosine_mean": round(float(cosines.mean()), 4),
        "cosine_deviation": round(float(cosines.std()), 4),
        "quantiles": [
            {"fraction": fraction, "distance": round(float(np.quantile(distances, fraction)), 3)}
            for fraction in FRACTIONS
        ],
    }


def record_path(bundle: str) -> Path:
    """Returns the path of the record of a bundle's measurements."""
    return RECORD if bundle == bundle_store.DEFAULT else RECORD.with_name(f"accuracy-{bundle}.json")


def to_json(record: dict[str, Any]) -> str:
    """Returns the record as JSON with one line per list of distances."""
    return (
        re.sub(r"\[[^\]{]*\]", lambda found: "[" + " ".join(found[0][1:-1].split()) + "]", json.dumps(record, indent=2))
        + "\n"
    )


def main() -> None:
    """Measures a bundle, writes the record and prints the worst pairs."""
    name = sys.argv[1] if len(sys.argv) > 1 else bundle_store.DEFAULT
    analyzer = build_analyzer(bundle_store.ensure_bundle(name, bundle_store.bundles_folder()), device="cpu")
    rows = list(pairs(analyzer))
    record = measure_distances(rows, analyzer.model)
    path = record_path(name)
    path.write_text(to_json(record))
    print(f"wrote {path.relative_to(Path.cwd())}; `make generate` updates the tables and plots")
    print(f"strangers: {json.dumps(strangers(record))}")
    print("\nworst pairs:")
    for row in sorted(rows, key=lambda row: row.margin(analyzer.model.threshold))[:12]:
        print(f"  {row.distance:.3f} {'same' if row.same else 'different'}: {row.one}, {row.other} ({row.variant})")


if __name__ == "__main__":
    main()
