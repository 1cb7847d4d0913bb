"""Measures how far a hash moves when networks compute in lower precision than float32, the reference.

Run as a program, it writes docs/data/stability.json.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from devtools import ROOT, accuracy
from devtools.photos import samples
from face_comparison import engines
from face_comparison.engines import Engine, Session, Shape
from face_comparison.vision import embedding
from face_comparison.vision.analyzer import Analyzer, ImageAnalyzer, assemble_analyzer
from face_comparison.vision.bundle import Bundle
from face_comparison.vision.types import Face

RECORD = ROOT / "docs" / "data" / "stability.json"

NOISY_OUTPUT = 2.0**-7
"""Relative error, standard deviation, that stands for a detector in int8: several times that of bfloat16."""

HEIGHTS = (60, 44)
SEEDS = (1, 2, 3, 4, 5)
SCALES = (0.85, 0.6)


@dataclass(frozen=True, slots=True)
class Precision:
    """The parts that compute in lower precision than float32.

    Attributes:
        view: The detector on whole images, in bfloat16 if the CPU supports it.
        embedder: Likewise for the embedder.
        noise: Relative error that is added to the detector's output for whole images.
    """

    view: bool = False
    embedder: bool = False
    noise: float = 0.0


SETTINGS: Mapping[str, Precision] = {
    "detector on whole images, bfloat16": Precision(view=True),
    "detector on whole images, outputs 1 % off (as int8)": Precision(noise=NOISY_OUTPUT),
    "embedder, bfloat16": Precision(embedder=True),
    "both in bfloat16 (the default where the CPU supports it)": Precision(view=True, embedder=True),
}


class _Noisy:
    def __init__(self, session: Session, noise: float) -> None:
        self._session, self._noise = session, noise

    def run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        random = np.random.default_rng(int(images.sum(dtype=np.int64)))
        return [
            output * (1 + self._noise * random.standard_normal(output.shape, np.float32))
            for output in self._session.run(images)
        ]


class _Precise:
    """An engine with other precisions than its default."""

    def __init__(self, engine: Engine, precision: Precision, detector: Path) -> None:
        self._engine, self._precision, self._detector = engine, precision, detector
        self._view_shapes: Sequence[Shape] = ()
        self.name, self.device = engine.name, engine.device

    def session(self, network: Path, shapes: Sequence[Shape], *, exact: bool = False) -> Session:
        of_view = network == self._detector and not exact
        if of_view:
            self._view_shapes = shapes
        low = self._precision.view if of_view else self._precision.embedder and network != self._detector
        session = self._engine.session(network, shapes, exact=not low)
        return _Noisy(session, self._precision.noise) if of_view and self._precision.noise else session

    def exact_session(self, network: Path) -> Session | None:
        if self._precision.noise:
            return self._engine.session(network, self._view_shapes, exact=True)
        return self._engine.exact_session(network) if self._precision.view else None


def build(bundle: Bundle, precision: Precision) -> ImageAnalyzer:
    """Returns an analyzer with these precisions on this machine's CPU."""
    engine = _Precise(engines.load("auto", "cpu", 1), precision, bundle.detector)
    return assemble_analyzer(bundle, engine, every_bucket=False)


def images(analyzer: Analyzer, names: Sequence[str] = tuple(samples.PEOPLE)) -> Iterator[tuple[str, bytes, int]]:
    """Yields kind, encoded image, and number of faces: as taken, small, noisy, dark, and resized."""
    for name in names:
        data = samples.photographs(name)[name].read_bytes()
        photo = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
        count = len(samples.PEOPLE[name])
        height = max(face.box.height for face in analyzer.analyze(data, max_faces=count).faces)
        yield "as taken", data, count
        for wanted in HEIGHTS if name not in accuracy.CUT else ():
            yield "small", _jpeg(accuracy.shrink_faces(wanted)(photo, height)), count
        for seed in SEEDS:
            random = np.random.default_rng(seed)
            yield "noisy", _jpeg(photo + random.normal(0, 45, photo.shape)), count
            yield "dark", _jpeg(photo / 4 + random.normal(0, 12, photo.shape)), count
        for scale in SCALES:
            resized = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            yield "resized", _jpeg(resized), count


def _jpeg(image: NDArray[np.generic]) -> bytes:
    pixels = np.clip(image, 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def hash_distances(reference: Sequence[Face], faces: Sequence[Face]) -> Iterator[float]:
    """Returns the distance of each hash from that of the same face, matched by landmarks; 2 for a lost face."""
    for face in reference:

        def apart(other: Face, face: Face = face) -> float:
            return float(np.abs(other.landmarks - face.landmarks).mean())

        nearest = min(faces, key=apart, default=None)
        near = nearest is not None and apart(nearest) < face.box.height / 2
        yield embedding.distance(face.hash, nearest.hash) if nearest is not None and near else 2.0


def measure(
    bundle: Bundle,
    settings: Mapping[str, Precision] = SETTINGS,
    names: Sequence[str] = tuple(samples.PEOPLE),
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, list[float]]:
    """Returns the distances by setting, one for each face."""
    reference = build(bundle, Precision())
    others = {name: build(bundle, precision) for name, precision in settings.items()}
    distances: dict[str, list[float]] = {name: [] for name in settings}
    for kind, data, count in images(reference, names):
        progress(kind)
        expected = reference.analyze(data, max_faces=count).faces
        for name, other in others.items():
            distances[name] += hash_distances(expected, other.analyze(data, max_faces=count).faces)
    return distances


def main() -> None:
    """Measures all faces with the default bundle and writes the record."""
    from face_comparison.models import bundle_store

    bundle = bundle_store.ensure_bundle("default", bundle_store.bundles_folder())
    rows = {
        name: {
            "faces": len(distances),
            "mean": round(float(np.mean(distances)), 4),
            "percentile_95": round(float(np.percentile(distances, 95)), 4),
            "maximum": round(max(distances), 4),
            "moved": sum(distance > 1e-3 for distance in distances),
        }
        for name, distances in measure(bundle).items()
    }
    RECORD.write_text(json.dumps({"model": bundle.manifest.version, "settings": rows}, indent=1) + "\n")
    print(f"wrote {RECORD.relative_to(ROOT)}; `make generate` updates the table")


if __name__ == "__main__":
    main()
