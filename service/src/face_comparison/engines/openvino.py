"""Runs networks on a CPU by OpenVINO. The only importer of openvino.

Each bucket is compiled for its fixed shape when it is first run, and threads that run it at the same time use separate
copies, because OpenVINO 2026.4 computes in the calling thread only if a compiled network has one stream of one thread.
Otherwise, it hands every inference to a thread of its own; with eight or more short inferences per image, that leaves
the cores idle for a quarter of the time.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_comparison.cpus import available_cpus
from face_comparison.engines import Session, Shape
from face_comparison.errors import InvalidBundle

# Importing openvino 2026.4 sends telemetry to Google Analytics and writes files to the home folder, by a package of its
# own; without that package, it does not. The only variable that disables it, CI, has other effects.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402

# OpenVINO's binding initializes its table of NumPy types at first use, and two threads that do so at the same time can
# deadlock (2026.4): one holds the table's guard and waits for the interpreter lock, the other one the reverse.
_ = openvino.Tensor(np.zeros(1, np.uint8)).data


MAX_COPIES = 8
"""Maximum number of copies per bucket. All networks of the default bundle take 220 to 260 MiB per copy, and a process
with more threads than these can serve is limited by Python's interpreter lock."""


class OpenVinoEngine:
    """OpenVINO on the CPU, with up to a given number of copies of each network; see `Engine`."""

    name = "openvino"
    device = "cpu"

    def __init__(self, copies: int, *, eager: bool = False) -> None:
        """Starts OpenVINO.

        Args:
            copies: Number of threads that may run the same bucket of a network at the same time; others wait.
            eager: Whether the first run of a bucket makes all its copies. Otherwise, another one is made whenever more
                threads run the bucket at the same time than before.
        """
        self._copies, self._eager = copies, eager
        self._core = openvino.Core()

    def session(self, network: Path, shapes: Sequence[Shape], *, exact: bool = False) -> Session:
        """Reads a network; each bucket is compiled when it is first run.

        Raises:
            InvalidBundle: The file is not a network that OpenVINO can read.
        """
        model = self._read(network)
        properties = configuration(exact)

        def bucket(shape: tuple[int, ...]) -> _Bucket:
            compiled = partial(_compile, self._core, model, shape, properties)
            imported = partial(self._core.import_model, device_name="CPU", config=properties)
            return _Bucket(compiled, imported, shape, self._copies, eager=self._eager)

        return _OpenVinoSession({(*shape, 3): bucket((*shape, 3)) for shape in shapes})

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
        properties = {**configuration(exact=True), "CPU_RUNTIME_CACHE_CAPACITY": 128}
        return _AnySizeSession(lambda: self._core.compile_model(model, "CPU", properties).create_infer_request())

    def _read(self, network: Path) -> openvino.Model:
        try:
            return self._core.read_model(network)
        except RuntimeError as error:
            raise InvalidBundle(f"{network.name} is not a network that OpenVINO can read") from error


def cpu(threads: int, *, eager: bool = False, max_copies: int | None = None) -> OpenVinoEngine:
    """Returns the engine for the CPU, for this many threads; for the other arguments, see `engines.load`."""
    copies = copies_for(threads, available_cpus())
    return OpenVinoEngine(copies if max_copies is None else min(copies, max_copies), eager=eager)


def copies_for(threads: int, cpus: int) -> int:
    """Returns how many copies of each bucket to share between threads.

    No more threads compute at the same time than there are cores, and each of them spends hardly more than half of its
    time in the same network: a simulation with 3 to 16 threads loses at most 1.3 % of the throughput by waiting.
    """
    return min(min(threads, cpus) // 2 + 1, MAX_COPIES)


def configuration(exact: bool) -> dict[str, Any]:
    """Returns OpenVINO's properties for a network that is run by one thread at a time."""
    return {
        # Concurrent requests, not the layers of one, use the cores. OpenVINO computes in the calling thread only if
        # both are 1.
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        # The threads of several worker processes would be pinned to the same first cores.
        "ENABLE_CPU_PINNING": False,
        # OpenVINO takes bfloat16 by itself where the processor computes in it.
        **({"INFERENCE_PRECISION_HINT": "f32"} if exact else {}),
    }


class _OpenVinoSession:
    def __init__(self, buckets: Mapping[tuple[int, ...], _Bucket]) -> None:
        self._buckets = buckets

    def run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        bucket = self._buckets.get(images.shape)
        if bucket is None:
            raise ValueError(f"no bucket has the shape {images.shape}")
        return bucket.run(images)


class _Bucket:
    """A network with a fixed input shape, in as many copies as threads may run it at the same time."""

    def __init__(
        self,
        compiled: Callable[[], openvino.CompiledModel],
        imported: Callable[[openvino.Tensor], openvino.CompiledModel],
        shape: tuple[int, ...],
        copies: int,
        *,
        eager: bool,
    ) -> None:
        self._compile, self._import = compiled, imported
        self._shape, self._copies, self._eager = shape, copies, eager
        self._free = threading.Semaphore(copies)
        # Last in, first out: what the copy that ran last needs may still be in the processor's cache.
        self._idle: deque[_Copy] = deque()
        self._preparing = threading.Lock()
        self._compiled: openvino.CompiledModel | None = None
        self._exported: openvino.Tensor | None = None

    def run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        with self._free:
            copy = self._idle_copy() or self._prepare()
            try:
                return copy.run(images)
            finally:
                self._idle.append(copy)

    def _idle_copy(self) -> _Copy | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _prepare(self) -> _Copy:
        """Returns a further copy, unless one has become idle meanwhile."""
        with self._preparing:
            if idle := self._idle_copy():
                return idle
            if self._exported is None:
                if self._compiled is None:
                    self._compiled = self._compile()
                    del self._compile  # the network's own weights are released with the last of them
                    if self._copies == 1 or not self._eager:
                        return _Copy(self._compiled)
                self._exported, self._compiled = _export(self._compiled), None
                if self._eager:
                    with ThreadPoolExecutor(self._copies) as pool:
                        self._idle.extend(pool.map(self._copy, [self._exported] * (self._copies - 1)))
            return self._copy(self._exported)

    def _copy(self, exported: openvino.Tensor) -> _Copy:
        """Returns a copy of the compiled network.

        Compared with compiling the network again, this takes a fifth of the time, and copies share the weights that
        compiling has changed: 37 MiB for the embedder.
        """
        copy = _Copy(self._import(exported))
        copy.run(np.zeros(self._shape, np.uint8))  # allocates its memory
        return copy


def _compile(
    core: openvino.Core, model: openvino.Model, shape: tuple[int, ...], properties: dict[str, Any]
) -> openvino.CompiledModel:
    fixed = model.clone()  # with the same weights
    fixed.reshape(list(shape))
    return core.compile_model(fixed, "CPU", properties)


def _export(compiled: openvino.CompiledModel) -> openvino.Tensor:
    """Returns a compiled network in memory that copies of it share."""
    stream = BytesIO()
    compiled.export_model(stream)
    data = np.frombuffer(stream.getbuffer(), np.uint8)
    exported = openvino.Tensor(openvino.Type.u8, openvino.Shape(data.shape))  # aligned, unlike `data`
    exported.data[:] = data
    return exported


class _Copy:
    """A compiled network and its infer request. Its output tensors do not move, so they are looked up once."""

    def __init__(self, compiled: openvino.CompiledModel) -> None:
        self._request = compiled.create_infer_request()
        # By position: the names of YuNet's outputs do not survive every version's graph transformations.
        self._outputs = [output.data for output in self._request.output_tensors]

    def run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        self._request.infer({0: images}, share_inputs=True, share_outputs=True)
        return [output.copy() for output in self._outputs]


class _AnySizeSession:
    """One infer request for images of any size; a size that is new takes 10 to 40 ms longer."""

    def __init__(self, compiled: Callable[[], openvino.InferRequest]) -> None:
        self._compile = compiled
        self._request: openvino.InferRequest | None = None
        self._running = threading.Lock()

    def run(self, images: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        with self._running:
            if self._request is None:
                self._request = self._compile()
            self._request.infer({0: images}, share_inputs=True, share_outputs=True)
            # Unlike those of a fixed shape, the output tensors move.
            return [output.data.copy() for output in self._request.output_tensors]
