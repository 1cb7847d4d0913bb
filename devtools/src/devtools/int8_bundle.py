"""Makes the recipe of the bundle whose embedder computes in int8, from the default bundle's.

What each layer of the embedder reads is measured on faces of people who are in no other photograph here, so that the
accuracy of the result is measured on strangers to it. The recipe states these ranges: whoever fetches the bundle
quantizes the published weights by them, without the photographs. Run as a program it writes the recipe; the
`comparison` that is in it stays.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization.calibrate import CalibrationDataReader, MinMaxCalibrater

from devtools import ROOT, accuracy
from devtools.photos import groups
from face_comparison import engines
from face_comparison.engines import Engine, Session, Shape
from face_comparison.models import bundle_store
from face_comparison.models.quantization import LAYERS, fold_normalization, quantize
from face_comparison.vision.analyzer import assemble_analyzer
from face_comparison.vision.bundle import Bundle

NAME = "yunet-sface-int8"
RECIPE = ROOT / "service" / "src" / "face_comparison" / "bundles" / f"{NAME}.json"

Pixels = NDArray[np.uint8]
Ranges: TypeAlias = dict[str, tuple[float, float]]


class _Recording:
    """A session that keeps what it is given."""

    def __init__(self, session: Session, seen: list[Pixels]) -> None:
        self._session, self._seen = session, seen

    def run(self, images: Pixels) -> Sequence[NDArray[np.float32]]:
        self._seen.extend(images)
        return self._session.run(images)


class _RecordingEngine:
    """An engine that keeps what the embedder is given."""

    def __init__(self, engine: Engine, embedder: Path, seen: list[Pixels]) -> None:
        self._engine, self._embedder, self._seen = engine, embedder, seen
        self.name, self.device = engine.name, engine.device

    def session(self, network: Path, shapes: Sequence[Shape], *, exact: bool = False) -> Session:
        session = self._engine.session(network, shapes, exact=True)
        return _Recording(session, self._seen) if network == self._embedder else session

    def exact_session(self, network: Path) -> None:
        """Returns None: every session is exact."""


def calibration_faces(of: Bundle) -> list[Pixels]:
    """Returns aligned faces (side, side, 3): as taken, mirrored, dark, and noisy."""
    taken: list[Pixels] = []
    engine = _RecordingEngine(engines.load("auto", "cpu", 1), of.embedder, taken)
    analyzer = assemble_analyzer(of, engine, every_bucket=False)
    for path in groups.photographs().values():
        analyzer.analyze(path.read_bytes())
    changes = (
        lambda face: face[:, ::-1],
        lambda face: accuracy.darken(face, 0),
        lambda face: accuracy.add_noise(face, 0),
    )
    return taken + [np.ascontiguousarray(change(face)) for change in changes for face in taken]


class _Faces(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, name: str, faces: Sequence[Pixels]) -> None:
        self._feeds: Iterator[dict[str, Pixels]] = iter([{name: face[None]} for face in faces])

    def get_next(self) -> dict[str, Pixels] | None:
        return next(self._feeds, None)


def measured_ranges(network: bytes, faces: Sequence[Pixels]) -> Ranges:
    """What every layer but the first reads, lowest and highest value, each the mean over the faces.

    The first layer stays in float32: it is a small part of the work, and sees the pixels.
    """
    model = onnx.load_model_from_string(fold_normalization(network))
    layers = [node for node in model.graph.node if node.op_type in LAYERS][1:]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "folded.onnx"
        onnx.save(model, path)
        calibrater = MinMaxCalibrater(path, LAYERS, str(path.with_name("augmented.onnx")), moving_average=True)
        calibrater.augment_graph()
        calibrater.create_inference_session()
        calibrater.collect_data(_Faces(model.graph.input[0].name, faces))
        found = calibrater.compute_data()
    return {layer.output[0]: _rounded(*found[layer.input[0]].range_value) for layer in layers}


def _rounded(low: NDArray[np.float32], high: NDArray[np.float32]) -> tuple[float, float]:
    """Three digits: what processors agree about, and more than a scale of 255 steps deserves."""
    return float(f"{low.item():.3g}"), float(f"{high.item():.3g}")


def recipe(default: dict[str, Any], sha256: str, ranges: Ranges, comparison: dict[str, Any]) -> str:
    """Returns the recipe: the default bundle's with another embedder.

    Args:
        default: The recipe of the default bundle.
        sha256: Digest of the embedder in int8.
        ranges: What its layers read.
        comparison: As measured with it.
    """
    embedder = default["embedder"]
    changes = {"sha256": sha256, "origin": embedder["origin"] | {"int8": ranges}}
    return accuracy.to_json(default | {"name": NAME, "embedder": embedder | changes, "comparison": comparison})


def current_recipe() -> str:
    """Returns the recipe as it is, with what it shares with the default bundle's."""
    default, known = json.loads(bundle_store.known_manifests()[bundle_store.DEFAULT]), json.loads(RECIPE.read_text())
    embedder = known["embedder"]
    return recipe(default, embedder["sha256"], embedder["origin"]["int8"], known["comparison"])


def main() -> None:
    """Measures the ranges and writes the recipe."""
    of = bundle_store.ensure_bundle("default", bundle_store.bundles_folder())
    network = of.embedder.read_bytes()
    ranges = measured_ranges(network, calibration_faces(of))
    digest = hashlib.sha256(quantize(network, ranges)).hexdigest()
    default = json.loads(bundle_store.known_manifests()[bundle_store.DEFAULT])
    comparison = json.loads(RECIPE.read_text())["comparison"] if RECIPE.is_file() else default["comparison"]
    RECIPE.write_text(recipe(default, digest, ranges, comparison))
    print(f"wrote {RECIPE.relative_to(ROOT)}; `make accuracy ARGS={NAME}` measures it")


if __name__ == "__main__":
    main()
