"""Runs networks by onnxruntime, on the CPU or on CUDA. The only importer of onnxruntime."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

# Usage reports are on by default in onnxruntime 1.32, on Linux too; they are read when the library is loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from face_comparison.engines import Session, Shape
from face_comparison.errors import AcceleratorUnavailable, InvalidBundle

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"


class OnnxruntimeEngine:
    """ONNX Runtime on the CPU or on CUDA; see `Engine`."""

    name = "onnxruntime"

    def __init__(self, device: str) -> None:
        self.device = device

    def session(self, network: Path, shapes: Sequence[Shape], *, exact: bool = False) -> Session:
        """Loads a network; on CUDA one session per bucket, each of which is run once.

        Raises:
            InvalidBundle: The file is not a network that ONNX Runtime can load.
            AcceleratorUnavailable: CUDA does not accept it, or lacks memory for a bucket.
        """
        data = network.read_bytes()
        if self.device == "cpu":
            return _OnnxruntimeSession(_open_session(data, network.name, [CPU]))
        opened = {shape: _open_session(data, network.name, _cuda_provider(exact)) for shape in shapes}
        if not all(CUDA in session.get_providers() for session in opened.values()):
            raise AcceleratorUnavailable(f"onnxruntime did not put {network.name} on CUDA: {_describe_missing_cuda()}")
        sessions = _BucketSessions(opened)
        for shape in shapes:  # now, while what fails is told apart from what fails at some request: want of memory
            try:
                sessions.run(np.zeros((*shape, 3), np.uint8))
            except Exception as error:  # as above
                raise AcceleratorUnavailable(
                    f"onnxruntime could not run {network.name} on CUDA: {_first_line(error)}"
                ) from error
        return sessions

    def exact_session(self, network: Path) -> Session | None:
        """Returns None: the CPU computes in float32, CUDA in TensorFloat-32."""
        del network
        return None


def cpu(threads: int) -> OnnxruntimeEngine:
    """Returns the engine for the CPU. Each call runs on one core, in the caller's thread."""
    del threads
    return OnnxruntimeEngine("cpu")


def cuda() -> OnnxruntimeEngine:
    """Returns the engine for CUDA, after a trial run. Raises AcceleratorUnavailable, with what is missing."""
    if CUDA not in onnxruntime.get_available_providers():
        raise AcceleratorUnavailable(
            f"onnxruntime {onnxruntime.__version__} is built without CUDA: install face-comparison[gpu] in place of "
            "face-comparison[cpu], or use the GPU image"
        )
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # CUDA and cuDNN from their Python packages, where they are installed
    # One convolution: it needs the driver, CUDA, cuBLAS and cuDNN, all of which can be missing on their own.
    probe = resources.files("face_comparison.engines").joinpath("probe.onnx").read_bytes()
    try:
        session = _session(probe, _cuda_provider(exact=True))
    except Exception as error:  # onnxruntime raises bare RuntimeException classes of its own
        raise AcceleratorUnavailable(f"onnxruntime could not start CUDA: {_describe_missing_cuda()}") from error
    if CUDA not in session.get_providers():
        raise AcceleratorUnavailable(f"onnxruntime could not start CUDA: {_describe_missing_cuda()}")
    try:
        session.run(None, {"x": np.ones((1, 3, 8, 8), np.float32)})
    except Exception as error:  # as above
        raise AcceleratorUnavailable(f"a first convolution on CUDA failed: {_first_line(error)}") from error
    return OnnxruntimeEngine("cuda")


def _cuda_provider(exact: bool) -> list[Any]:
    options = {
        # Exhaustive search tries every convolution algorithm at each new shape: seconds a bucket.
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
        "use_tf32": int(not exact),
    }
    return [(CUDA, options)]


def _open_session(network: bytes, name: str, providers: list[Any]) -> onnxruntime.InferenceSession:
    """Opens a session.

    Raises:
        InvalidBundle: The data is not a network.
        AcceleratorUnavailable: Only the accelerator does not accept it, for example for lack of memory.
    """
    try:
        return _session(network, providers)
    except Exception as error:  # as above
        if providers == [CPU]:
            raise InvalidBundle(f"{name} is not a network that onnxruntime can load") from error
        _open_session(network, name, [CPU])
        raise AcceleratorUnavailable(f"onnxruntime could not load {name} on CUDA: {_first_line(error)}") from error


def _session(network: bytes, providers: list[Any]) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # requests in flight, not the layers of one, keep the cores busy
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # failures are raised; warnings about node placement are noise
    # Otherwise onnxruntime falls back to the CPU when a provider fails, at startup or at any later run.
    return onnxruntime.InferenceSession(network, options, providers=providers, enable_fallback=0)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _describe_missing_cuda() -> str:
    """Returns why the CUDA provider did not start, if known: the driver, or a missing library."""
    import ctypes  # noqa: PLC0415 - only on the way to an error

    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "the NVIDIA driver (libcuda.so.1) is missing; a Kubernetes node needs the NVIDIA container toolkit"
    count = ctypes.c_int()
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        return "the NVIDIA driver is installed but offers no GPU to this process"
    library = Path(onnxruntime.__file__).parent / "capi" / "libonnxruntime_providers_cuda.so"
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        return f"a library is missing or of another version: {str(error).replace(str(library), library.name)}"
    return "the GPU or its driver is too old for this onnxruntime"


class _OnnxruntimeSession:
    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name

    def run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        return self._session.run(None, {self._input: images})  # type: ignore[no-any-return]


class _BucketSessions:
    """One session per shape.

    Since onnxruntime 1.20, a convolution on CUDA caches the plan of its last shape only, and replans whenever the shape
    changes: a second per run of the detector on an H200, instead of 1 to 6 ms with cached plans.
    https://github.com/microsoft/onnxruntime/issues/23006
    """

    def __init__(self, sessions: Mapping[Shape, onnxruntime.InferenceSession]) -> None:
        self._sessions = {(*shape, 3): _OnnxruntimeSession(session) for shape, session in sessions.items()}

    def run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        return self._sessions[images.shape].run(images)
