"""Networks on a CPU by OpenVINO. The only importer of openvino.

Every bucket is compiled for its fixed shape, and every thread at work has an infer request of its own.
"""

from __future__ import annotations

import queue
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_comparison.engines import Session, Shape
from face_comparison.errors import InvalidBundle

# Importing openvino 2026.4 reports that to Google Analytics, and leaves files in the home folder, by a package of its
# own; where that cannot be imported, openvino does without. The one variable that it heeds, CI, says something else.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402


class OpenVinoEngine:
    name = "openvino"
    device = "cpu"

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._core = openvino.Core()

    def session(self, network: Path, shapes: Sequence[Shape], *, exact: bool = False) -> Session:
        try:
            model = self._core.read_model(network)
        except RuntimeError as error:
            raise InvalidBundle(f"{network.name} is not a network that OpenVINO can read") from error
        return _OpenVinoSession(self._core, model, shapes, configuration(self._threads, exact), self._threads)


def cpu(threads: int) -> OpenVinoEngine:
    return OpenVinoEngine(threads)


def configuration(threads: int, exact: bool) -> dict[str, Any]:
    """OpenVINO's properties for a network that `threads` callers run at once."""
    return {
        # One core a request: requests in flight, not the layers of one, keep the cores busy.
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": threads,
        # Pinned streams of several worker processes would all sit on the first cores.
        "ENABLE_CPU_PINNING": False,
        # OpenVINO takes bfloat16 by itself where the processor computes in it.
        **({"INFERENCE_PRECISION_HINT": "f32"} if exact else {}),
    }


class _OpenVinoSession:
    def __init__(
        self,
        core: openvino.Core,
        model: openvino.Model,
        shapes: Sequence[Shape],
        properties: dict[str, Any],
        threads: int,
    ) -> None:
        self._requests: dict[tuple[int, ...], queue.SimpleQueue[openvino.InferRequest]] = {}
        for shape in shapes:
            model.reshape([*shape, 3])
            compiled = core.compile_model(model, "CPU", properties)
            requests: queue.SimpleQueue[openvino.InferRequest] = queue.SimpleQueue()
            for _ in range(threads):
                requests.put(compiled.create_infer_request())
            self._requests[(*shape, 3)] = requests
        self._outputs = len(model.outputs)

    def run(self, pictures: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        requests = self._requests[pictures.shape]
        request = requests.get()
        try:
            request.infer({0: pictures}, share_inputs=True)
            # By position: the names of YuNet's outputs do not survive every version's graph transformations.
            return [np.array(request.get_output_tensor(index).data) for index in range(self._outputs)]
        finally:
            requests.put(request)
