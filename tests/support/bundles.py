"""Makes a bundle unlike the default one: the same published detector at another size, a 512-wide embedder."""

import hashlib
import json
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from face_comparison.models import bundle_store
from face_comparison.models.onnx_conversion import Preprocessing, convert
from face_comparison.models.published import fetch_origin
from face_comparison.vision.bundle import parse_manifest


def published_embedder(width: int, side: int) -> bytes:
    """Returns a network with fixed random weights in a common published form: float BGR images, centered, batch 1."""
    rng = np.random.default_rng(9)
    cells = (side // 8) ** 2 * 4
    constants = {
        "filters": rng.normal(size=(4, 3, 8, 8)).astype(np.float32),
        "weights": rng.normal(size=(width, cells)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "filters"], ["features"], strides=[8, 8]),
        helper.make_node("Flatten", ["features"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights"], ["embedding"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "embedder",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, side, side])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, width])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def recipe(folder: Path, width: int = 512, side: int = 128) -> Path:
    """Writes a manifest with the files that it names beside it, and returns its path."""
    default = parse_manifest(bundle_store.known_manifests()[bundle_store.DEFAULT], "default")
    assert default.detector.origin is not None
    detector = fetch_origin(default.detector.origin, folder)
    embedder = published_embedder(width, side)
    (folder / "detector-published.onnx").write_bytes(detector)
    (folder / "embedder-published.onnx").write_bytes(embedder)

    def origin(name: str, content: bytes, **inputs: object) -> dict[str, object]:
        return {
            "project": "made by a test",
            "file": name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "sources": [{"path": name}],
            **inputs,
        }

    def digest(content: bytes, preprocessing: Preprocessing) -> str:
        return hashlib.sha256(convert(content, preprocessing)).hexdigest()

    manifest = {
        "name": "second",
        "revision": "7",
        "detector": {
            "architecture": "yunet",
            "file": "finder.onnx",
            "sha256": digest(detector, Preprocessing("BGR", 0, 1, 0, 0)),
            "sides": [320],
            "min_confidence": 0.5,
            "nms_iou_threshold": 0.4,
            "licence": "MIT",
            "origin": origin("detector-published.onnx", detector, color="BGR"),
        },
        "embedder": {
            "alignment": "arcface",
            "file": "numbers.onnx",
            "sha256": digest(embedder, Preprocessing("BGR", 127.5, 1 / 127.5, side, side)),
            "side": side,
            "width": width,
            "licence": "CC0-1.0",
            "origin": origin("embedder-published.onnx", embedder, color="BGR", mean=127.5, scale=1 / 127.5),
        },
        "comparison": {"threshold": 0.9, "scale": 0.1},
    }
    path = folder / "second.json"
    path.write_text(json.dumps(manifest))
    return path
