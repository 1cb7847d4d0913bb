"""Engines refuse what they cannot run, and say what is missing."""

from pathlib import Path

import pytest

from face_comparison import engines
from face_comparison.errors import AcceleratorUnavailable, InvalidBundle, InvalidSettings


def test_cuda_never_falls_back() -> None:
    """This environment's onnxruntime is the CPU build; `auto` takes that as it is, `cuda` must not."""
    with pytest.raises(AcceleratorUnavailable, match=r"built without CUDA: install face-comparison\[gpu\]"):
        engines.load("auto", "cuda", 1)
    assert engines.load("auto", "auto", 1).device == "cpu"


def test_openvino_has_no_cuda() -> None:
    with pytest.raises(AcceleratorUnavailable, match="openvino has no CUDA provider"):
        engines.load("openvino", "cuda", 1)


def test_the_faster_engine_is_chosen_on_a_cpu() -> None:
    assert engines.load("auto", "cpu", 1).name == "openvino"
    assert engines.load("onnxruntime", "cpu", 1).name == "onnxruntime"


@pytest.mark.parametrize(("name", "device"), [("tensorrt", "cpu"), ("auto", "tpu")])
def test_an_unknown_engine_or_device_lists_the_known(name: str, device: str) -> None:
    with pytest.raises(InvalidSettings, match="engine is one of auto, openvino, onnxruntime, device one of"):
        engines.load(name, device, 1)


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_a_file_that_is_no_network_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a network")
    with pytest.raises(InvalidBundle, match=r"broken\.onnx is not a network"):
        engines.load(name, "cpu", 1).session(path, [(1, 64, 64)])
