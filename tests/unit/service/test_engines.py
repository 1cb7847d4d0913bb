"""Engines refuse what they cannot run, and say what is missing."""

import subprocess
import sys
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
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


def test_faster_engine_is_chosen_on_cpu() -> None:
    assert engines.load("auto", "cpu", 1).name == "openvino"
    assert engines.load("onnxruntime", "cpu", 1).name == "onnxruntime"


@pytest.mark.parametrize(("name", "device"), [("tensorrt", "cpu"), ("auto", "tpu")])
def test_unknown_engine_or_device_lists_known(name: str, device: str) -> None:
    with pytest.raises(InvalidSettings, match="engine is one of auto, openvino, onnxruntime, device one of"):
        engines.load(name, device, 1)


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_invalid_network_file_is_reported(name: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a network")
    with pytest.raises(InvalidBundle, match=r"broken\.onnx is not a network"):
        engines.load(name, "cpu", 1).session(path, [(1, 64, 64)])


def test_openvino_uses_bfloat16_by_default() -> None:
    from face_comparison.engines import openvino

    assert openvino.configuration(exact=True)["INFERENCE_PRECISION_HINT"] == "f32"
    assert "INFERENCE_PRECISION_HINT" not in openvino.configuration(exact=False)


@pytest.mark.parametrize("exact", [True, False])
def test_cuda_uses_tensorfloat_32_by_default(exact: bool) -> None:
    from face_comparison.engines import onnxruntime as provider

    ((name, options),) = provider._cuda_provider(exact)
    assert (name, options["use_tf32"]) == ("CUDAExecutionProvider", 0 if exact else 1)


class FullGpu:
    """Stands for onnxruntime's session on a GPU whose memory is spent when the network runs, not when it is loaded."""

    def __init__(self, network: bytes, options: Any, providers: list[Any], **given: int) -> None:
        assert given == {"enable_fallback": 0}, "else onnxruntime goes on with a CPU, unasked"
        assert providers[0][0] == "CUDAExecutionProvider"

    def get_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="x")]

    def run(self, outputs: None, inputs: dict[str, Any]) -> None:
        raise RuntimeError("Available memory of 0 is smaller than requested bytes\nmore")


def test_gpu_failure_at_first_run_is_device_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from face_comparison.engines import onnxruntime as provider

    monkeypatch.setattr(onnxruntime, "InferenceSession", FullGpu)
    (tmp_path / "detector.onnx").touch()
    with pytest.raises(AcceleratorUnavailable, match=r"not run detector\.onnx on CUDA: Available memory .* bytes$"):
        provider.OnnxruntimeEngine("cuda").session(tmp_path / "detector.onnx", [(1, 64, 64)])


def test_gpu_probe_runs_on_cpu() -> None:
    probe = resources.files("face_comparison.engines").joinpath("probe.onnx").read_bytes()
    session = onnxruntime.InferenceSession(probe, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"x": np.ones((1, 3, 8, 8), np.float32)})
    np.testing.assert_array_equal(result, np.full((1, 1, 6, 6), 27, np.float32))


def test_serving_does_not_import_bundle_builder() -> None:
    """The images hold neither onnx nor pip."""
    code = "import sys, face_comparison.server.bootstrap, face_comparison.models.loader; "
    code += "import face_comparison.engines.onnxruntime; "
    code += "sys.exit(', '.join(name for name in ('onnx', 'pip') if name in sys.modules) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
