"""Runs networks on a CPU by OpenVINO. The only importer of openvino.

Each bucket is compiled for its fixed shape when it is first run; each thread uses its own infer request.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from face_comparison.engines import Session, Shape
from face_comparison.errors import InvalidBundle

# Importing openvino 2026.4 sends telemetry to Google Analytics and writes files to the home folder, by a package of its
# own; without that package, it does not. The only variable that disables it, CI, has other effects.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402

Requests: TypeAlias = "queue.SimpleQueue[_Request]"


class OpenVinoEngine:
    """OpenVINO on the CPU, with a given number of threads; see `Engine`."""

    name = "openvino"
    device = "cpu"

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._core = openvino.Core()
        # OpenVINO 2026.4 can deadlock if two threads run a network for the first time.
        self._first = threading.Lock()

    def session(self, network: Path, shapes: Sequence[Shape], *, exact: bool = False) -> Session:
        """Reads a network; each bucket is compiled when it is first run.

        Raises:
            InvalidBundle: The file is not a network that OpenVINO can read.
        """
        model = self._read(network)
        return _OpenVinoSession(partial(self._compile, model, configuration(self._threads, exact)), shapes, self._first)

    def exact_session(self, network: Path) -> Session | None:
        """Reads a network for images of any size, if the CPU computes in bfloat16 by itself.

        Raises:
            InvalidBundle: The file is not a network that OpenVINO can read.
        """
        if self._core.get_property("CPU", "INFERENCE_PRECISION_HINT") == openvino.Type.f32:
            return None
        model = self._read(network)
        model.reshape([1, -1, -1, 3])
        # Code is kept for two sizes instead of all: 65 MB instead of 90, and 10 ms more when the size changes.
        properties = {**configuration(1, exact=True), "CPU_RUNTIME_CACHE_CAPACITY": 128}
        return _AnySizeSession(
            lambda: self._core.compile_model(model, "CPU", properties).create_infer_request(), self._first
        )

    def _read(self, network: Path) -> openvino.Model:
        try:
            return self._core.read_model(network)
        except RuntimeError as error:
            raise InvalidBundle(f"{network.name} is not a network that OpenVINO can read") from error

    def _compile(self, model: openvino.Model, properties: dict[str, Any], shape: tuple[int, ...]) -> Requests:
        model.reshape(list(shape))
        compiled = self._core.compile_model(model, "CPU", properties)
        requests: Requests = queue.SimpleQueue()
        for _ in range(self._threads):
            requests.put(_Request(compiled.create_infer_request()))
        return requests


def cpu(threads: int) -> OpenVinoEngine:
    """Returns the engine for the CPU."""
    return OpenVinoEngine(threads)


def configuration(threads: int, exact: bool) -> dict[str, Any]:
    """Returns OpenVINO's properties for a network with `threads` concurrent callers."""
    return {
        # One core per request: concurrent requests, not the layers of one, use the cores.
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": threads,
        # Pinned streams of several worker processes would share the first cores.
        "ENABLE_CPU_PINNING": False,
        # OpenVINO takes bfloat16 by itself where the processor computes in it.
        **({"INFERENCE_PRECISION_HINT": "f32"} if exact else {}),
    }


class _Request:
    """An infer request of a fixed shape. Its output tensors do not move, so they are looked up once."""

    def __init__(self, request: openvino.InferRequest) -> None:
        self._request = request
        # By position: the names of YuNet's outputs do not survive every version's graph transformations.
        self._outputs = [output.data for output in request.output_tensors]

    def run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        self._request.infer({0: images}, share_inputs=True, share_outputs=True)
        return [output.copy() for output in self._outputs]


class _OpenVinoSession:
    """compiled: makes a bucket ready. first: held while a bucket is made ready and runs for the first time."""

    def __init__(
        self, compiled: Callable[[tuple[int, ...]], Requests], shapes: Sequence[Shape], first: threading.Lock
    ) -> None:
        self._compile, self._first = compiled, first
        self._waiting = {(*shape, 3) for shape in shapes}
        self._ready: dict[tuple[int, ...], Requests] = {}

    def run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        shape = images.shape
        if shape not in self._ready:
            with self._first:
                if shape not in self._ready:
                    return self._first_run(images)
        return _run(self._ready[shape], images)

    def _first_run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        if images.shape not in self._waiting:
            raise ValueError(f"no bucket has the shape {images.shape}")
        requests = self._compile(images.shape)
        outputs = _run(requests, images)
        self._ready[images.shape] = requests
        self._waiting.remove(images.shape)
        if not self._waiting:
            del self._compile  # the network's weights go with it
        return outputs


class _AnySizeSession:
    """One infer request for images of any size; a size that is new takes 10 to 40 ms longer. Arguments as above."""

    def __init__(self, compiled: Callable[[], openvino.InferRequest], first: threading.Lock) -> None:
        self._compile, self._first = compiled, first
        self._request: openvino.InferRequest | None = None
        self._seen: set[tuple[int, ...]] = set()
        self._running = threading.Lock()

    def run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        with self._running:
            if images.shape in self._seen:
                return self._infer(images)
            with self._first:
                outputs = self._infer(images)
            self._seen.add(images.shape)
            return outputs

    def _infer(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        if self._request is None:
            self._request = self._compile()
        self._request.infer({0: images}, share_inputs=True, share_outputs=True)
        # Unlike those of a fixed shape, the output tensors move.
        return [output.data.copy() for output in self._request.output_tensors]


def _run(requests: Requests, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
    request = requests.get()
    try:
        return request.run(images)
    finally:
        requests.put(request)
