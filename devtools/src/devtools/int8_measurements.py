"""Measures what the embedder in int8 gains and costs beside the default bundle's: time per face, and moved hashes.

Run as a program it writes docs/data/int8.json; `make accuracy ARGS=yunet-sface-int8` measures its pairs of people.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devtools import ROOT, int8_bundle, stability
from face_comparison import engines
from face_comparison.engines import Session
from face_comparison.models import bundle_store
from face_comparison.vision.bundle import Bundle

RECORD = ROOT / "docs" / "data" / "int8.json"
ROUNDS, RUNS = 20, 5


def sessions(default: Bundle, int8: Bundle) -> Mapping[str, Session]:
    """The embedder by engine and precision, one face at once."""
    shapes = [(1, default.manifest.embedder.side, default.manifest.embedder.side)]
    openvino, onnxruntime = (engines.load(name, "cpu", 1) for name in ("openvino", "onnxruntime"))
    return {
        "OpenVINO, float32": openvino.session(default.embedder, shapes, exact=True),
        "OpenVINO, bfloat16": openvino.session(default.embedder, shapes),
        "OpenVINO, int8": openvino.session(int8.embedder, shapes, exact=True),
        "onnxruntime, float32": onnxruntime.session(default.embedder, shapes),
        "onnxruntime, int8": onnxruntime.session(int8.embedder, shapes),
    }


def milliseconds(contenders: Mapping[str, Session], face: NDArray[np.uint8]) -> dict[str, float]:
    """Processor time per face by contender: the smallest of many short turns, which they take alternately."""
    best = dict.fromkeys(contenders, np.inf)
    for _ in range(ROUNDS):
        for name, session in contenders.items():
            session.run(face)
            start = time.process_time()
            for _ in range(RUNS):
                session.run(face)
            best[name] = min(best[name], (time.process_time() - start) / RUNS * 1000)
    return {name: round(value, 1) for name, value in best.items()}


def distances(default: Bundle, int8: Bundle, progress: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """How far hashes are from the default bundle's in float32; the detector computes in float32 for both."""
    reference, other = (stability.build(each, stability.Precision()) for each in (default, int8))
    found: dict[str, list[float]] = {}
    for kind, data, count in stability.images(reference):
        progress(kind)
        expected = reference.analyze(data, max_faces=count).faces
        found.setdefault(kind, []).extend(
            stability.hash_distances(expected, other.analyze(data, max_faces=count).faces)
        )
    found["all"] = [each for distances in found.values() for each in distances]
    return {
        kind: {
            "faces": len(each),
            "mean": round(float(np.mean(each)), 3),
            "percentile_95": round(float(np.percentile(each, 95)), 3),
            "maximum": round(max(each), 3),
        }
        for kind, each in found.items()
    }


def main() -> None:
    """Measures both and records them."""
    default, int8 = (
        bundle_store.ensure_bundle(name, bundle_store.bundles_folder()) for name in ("default", int8_bundle.NAME)
    )
    side = default.manifest.embedder.side
    face = np.random.default_rng(1).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    record = {
        "model": int8.manifest.version,
        "milliseconds": milliseconds(sessions(default, int8), face),
        "bytes": {name: bundle.embedder.stat().st_size for name, bundle in (("float32", default), ("int8", int8))},
        "distances": distances(default, int8),
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    print(f"wrote {RECORD.relative_to(ROOT)}; `make generate` makes tables of it")


if __name__ == "__main__":
    main()
