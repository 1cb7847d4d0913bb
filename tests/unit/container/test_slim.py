"""The container images work without what `container/slim.py` removes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from devtools import ROOT

SLIM = ROOT / "container" / "slim.py"
SAMPLE = ROOT / "service" / "src" / "face_comparison" / "sample.jpg"
VIDEO = ("avcodec", "avformat", "avutil", "swscale", "libssl", "libcrypto")

# The service's uses of OpenCV, in an environment in which the slimmed one is found first.
PROGRAM = f"""
import sys
sys.path.insert(0, sys.argv.pop(1))
import cv2
from importlib.metadata import entry_points
(program,) = entry_points(group="console_scripts", name="face-comparison")
sys.argv = ["face-comparison", "detect", {str(SAMPLE)!r}, "--engine", "onnxruntime"]
try:
    program.load()()
except SystemExit as end:
    assert not end.code
loaded = [line.split()[-1] for line in open("/proc/self/maps") if "opencv" in line or "onnxruntime" in line]
print(cv2.__file__, *sorted(set(loaded)), sep="\\n")
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with only OpenCV and ONNX Runtime in it, slimmed."""
    import cv2
    import onnxruntime

    installed = Path(cv2.__file__).parent
    packages = tmp_path_factory.mktemp("slim") / "lib" / "python3" / "site-packages"
    shutil.copytree(installed, packages / "cv2", copy_function=link)
    (libraries,) = installed.parent.glob("opencv_python*.libs")
    shutil.copytree(libraries, packages / libraries.name, copy_function=link)
    shutil.copytree(Path(onnxruntime.__file__).parent, packages / "onnxruntime", copy_function=link)
    subprocess.run([sys.executable, SLIM, packages.parents[2]], check=True, timeout=60)
    return packages.parents[2]


def link(source: str, target: str) -> str:
    """Creates a hard link if the file system supports it, as package managers do."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def detected(packages: Path) -> tuple[list[dict[str, object]], list[str]]:
    """Returns the detected faces of the sample, and the OpenCV libraries that were loaded."""
    command = [sys.executable, "-c", PROGRAM, str(packages)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    first, *loaded = result.stdout.splitlines()
    faces: list[dict[str, object]] = json.loads(first)["Faces"]
    return faces, loaded


def test_service_decodes_and_infers_without_ffmpeg(environment: Path, tmp_path: Path) -> None:
    (packages,) = environment.glob("lib/python3*/site-packages")
    faces, loaded = detected(packages)
    assert loaded[0].startswith(str(packages)), "the slimmed OpenCV"
    assert [each for each in loaded if any(name in each for name in VIDEO)] == []
    usual, before = detected(tmp_path)
    assert [each for each in before if "avcodec" in each], "which otherwise loads FFmpeg"
    assert faces == usual
    assert faces


def test_unused_onnx_runtime_library_is_removed(environment: Path) -> None:
    (packages,) = environment.glob("lib/python3*/site-packages")
    assert list(packages.glob("onnxruntime/capi/libonnxruntime.so*")) == []
    _, loaded = detected(packages)
    assert [each for each in loaded if each.startswith(str(packages / "onnxruntime"))]


def test_ffmpeg_libraries_are_removed(environment: Path) -> None:
    left = [path.name for path in environment.rglob("*.so*") if any(name in path.name for name in VIDEO)]
    assert left == []


def test_package_manager_files_are_unchanged(environment: Path) -> None:
    """Environments may share files by hard links."""
    import cv2

    module = next(Path(cv2.__file__).parent.glob("cv2*.so"))
    assert b"\0libavcodec-" in module.read_bytes()
    (slimmed,) = environment.rglob("cv2*.so")
    assert slimmed.stat().st_ino != module.stat().st_ino


def test_unexpected_package_layout_is_an_error(tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3" / "site-packages"
    (packages / "numpy").mkdir(parents=True)
    result = subprocess.run([sys.executable, SLIM, tmp_path], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode
    assert "has the package changed?" in result.stderr
