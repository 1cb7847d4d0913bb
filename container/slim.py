"""Removes from an environment what the images never use: about a third of its size, and what scanners would report.

    python container/slim.py /opt/face-comparison

Libraries are built for every use; here models run on the processor, or on a GPU by CUDA, S3 is the only AWS service,
images are decoded and videos are not, and the Kubernetes client reads credentials. What is removed is named by pattern.
A pattern that matches nothing although its package is there is an error, because then the package has a new layout and
the image would grow unnoticed.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from elf import SharedLibrary

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
    # The official client logs the operator in; the operator asks the API server by itself.
    "kubernetes": ["kubernetes/aio", "kubernetes/client/api"],
    "numpy": ["numpy/**/tests", "numpy/_core/include", "numpy/_core/lib", "numpy/f2py"],
}
# What packages for other processors than x86 do not have: there a pattern may match nothing.
ONLY_FOR_X86 = re.compile(r"openvino/libs/(libopenvino_intel_|cache\.json)")
AWS_SERVICES = {"s3", "s3control", "sts", "sso", "sso-oidc", "signin"}
# FFmpeg reads videos for OpenCV; the others are what FFmpeg alone needs, an OpenSSL of its own among them.
FFMPEG = re.compile(r"lib(avcodec|avformat|avutil|avdevice|avfilter|swscale|swresample)-")
FOR_FFMPEG = re.compile(r"lib(ssl|crypto|vpx|drm)-")


def main(environment: Path) -> None:
    """Removes from an environment what the images do not use, and prints both sizes."""
    (packages,) = environment.glob("lib/python3*/site-packages")
    before = size(packages)
    for package, patterns in UNUSED.items():
        if (packages / package).exists():
            for pattern in patterns:
                remove(packages, pattern)
    if (packages / "cv2").exists():
        remove_ffmpeg(packages)
    if (packages / "onnxruntime").exists():
        remove_second_onnxruntime(packages)
    if (packages / "botocore").exists():
        for folder in (packages / "botocore" / "data").iterdir():
            if folder.is_dir() and folder.name not in AWS_SERVICES:
                shutil.rmtree(folder)
    sys.stdout.write(f"{before / 1e6:.0f} MB of packages, {size(packages) / 1e6:.0f} MB are kept\n")


def remove(packages: Path, pattern: str) -> None:
    """Remove what matches, which must be something on every processor that the package has it for."""
    found = list(packages.glob(pattern))
    for_x86 = any(packages.glob("openvino/libs/libopenvino_intel_cpu_plugin.so"))
    if not found and (for_x86 or not ONLY_FOR_X86.match(pattern)):
        raise SystemExit(f"nothing in {packages} matches {pattern}: has the package changed?")
    for path in found:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def remove_ffmpeg(packages: Path) -> None:
    """Remove FFmpeg from OpenCV, together with what only FFmpeg needs."""
    (folder,) = packages.glob("opencv_python*.libs")
    modules = list((packages / "cv2").glob("cv2*.so"))
    for module in modules:
        library = SharedLibrary(module)
        if not library.drop(lambda name: bool(FFMPEG.match(name))):
            raise SystemExit(f"{module} does not need FFmpeg: has the package changed?")
        library.save()
    for path in folder.iterdir():
        if FFMPEG.match(path.name) or FOR_FFMPEG.match(path.name):
            path.unlink()
    for path in (*modules, *folder.iterdir()):
        missing = [name for name in SharedLibrary(path).needed() if FFMPEG.match(name) or FOR_FFMPEG.match(name)]
        if missing:
            raise SystemExit(f"{path} needs {', '.join(missing)}, which only FFmpeg should: has the package changed?")


def remove_second_onnxruntime(packages: Path) -> None:
    """Remove the library for programs in C: Python's module has the same code in it, and does not load the library."""
    folder = packages / "onnxruntime" / "capi"
    for path in folder.glob("libonnxruntime.so*"):
        path.unlink()
    for path in folder.glob("*.so"):
        if any(name.startswith("libonnxruntime.so") for name in SharedLibrary(path).needed()):
            raise SystemExit(f"{path} needs libonnxruntime.so: has the package changed?")


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
