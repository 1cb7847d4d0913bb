"""Removes from an environment what the images never use: about a third of its size.

    python container/slim.py /opt/face-comparison

Libraries are built for every use; here models run on the processor, or on a GPU by CUDA, S3 is the only AWS service,
and the Kubernetes client reads credentials. What is removed is named by pattern. A pattern that matches nothing
although its package is there is an error, because then the package has been laid out anew and the image would grow
unseen.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

# Package -> what goes, relative to site-packages.
UNUSED = {
    "openvino": [
        # Devices other than the processor, and readers of model formats other than ONNX and OpenVINO's own.
        "openvino/libs/libopenvino_intel_gpu_plugin.so",
        "openvino/libs/libopenvino_intel_npu_plugin.so",
        "openvino/libs/cache.json",
        "openvino/libs/libopenvino_tensorflow*_frontend.so*",
        "openvino/libs/libopenvino_pytorch_frontend.so*",
        "openvino/libs/libopenvino_paddle_frontend.so*",
        "openvino/libs/libopenvino_gguf_frontend.so*",
        "openvino/libs/libopenvino_jax_frontend.so*",
        "openvino/include",
    ],
    "onnxruntime": ["onnxruntime/transformers", "onnxruntime/quantization", "onnxruntime/tools"],
    # The official client logs the operator in; what it could ask the API server for is not asked by it.
    "kubernetes": ["kubernetes/aio", "kubernetes/client/api"],
    "numpy": ["numpy/**/tests", "numpy/_core/include", "numpy/_core/lib", "numpy/f2py"],
}
AWS_SERVICES = {"s3", "s3control", "sts", "sso", "sso-oidc", "signin"}


def main(environment: Path) -> None:
    (packages,) = environment.glob("lib/python3*/site-packages")
    before = size(packages)
    for package, patterns in UNUSED.items():
        if (packages / package).exists():
            for pattern in patterns:
                remove(packages, pattern)
    if (packages / "botocore").exists():
        for folder in (packages / "botocore" / "data").iterdir():
            if folder.is_dir() and folder.name not in AWS_SERVICES:
                shutil.rmtree(folder)
    sys.stdout.write(f"{before / 1e6:.0f} MB of packages, {size(packages) / 1e6:.0f} MB are kept\n")


def remove(packages: Path, pattern: str) -> None:
    found = list(packages.glob(pattern))
    if not found:
        raise SystemExit(f"nothing in {packages} matches {pattern}: has the package changed?")
    for path in found:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
