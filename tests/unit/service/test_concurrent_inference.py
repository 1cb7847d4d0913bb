"""Several threads run a network at the same time, each computing by itself."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from face_comparison import engines
from face_comparison.engines import Session, openvino

SHAPE = (1, 64, 96)
IMAGES = np.random.default_rng(1).integers(0, 256, (*SHAPE, 3)).astype(np.uint8)
LIMIT = 60
"""Seconds that no wait of a test takes unless what it waits for never happens."""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two convolutions of any batch and size, which take some milliseconds."""
    random = np.random.default_rng(0)
    weights = {
        "one": random.normal(size=(64, 3, 5, 5)).astype(np.float32),
        "two": random.normal(size=(64, 64, 3, 3)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "one"], ["features"], pads=[2, 2, 2, 2]),
        helper.make_node("Conv", ["features", "two"], ["outputs"], pads=[1, 1, 1, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "convolutions",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", "h", "w", 3])],
        [helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ["n", 64, "h", "w"])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    path = tmp_path_factory.mktemp("network") / "convolutions.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return path


class Copies:
    """Counts the copies of networks that are made, and can hold every run until `together` of them are under way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made = 0
        self.together: threading.Barrier | None = None
        copies = self

        class Copy(openvino._Copy):
            def __init__(self, compiled: Any) -> None:
                super().__init__(compiled)
                copies.made += 1

            def run(self, images: np.ndarray) -> Sequence[np.ndarray]:
                if copies.together and images.any():
                    copies.together.wait(LIMIT)
                return super().run(images)

        monkeypatch.setattr(openvino, "_Copy", Copy)


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> Copies:
    return Copies(monkeypatch)


def run_in_threads(session: Session, threads: int) -> list[Sequence[np.ndarray]]:
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(session.run, [IMAGES] * threads))


@pytest.mark.parametrize(
    ("threads", "cpus", "copies"),
    [(1, 1, 1), (1, 8, 1), (2, 2, 2), (8, 2, 2), (4, 4, 3), (8, 8, 5), (16, 64, 8), (64, 64, 8)],
)
def test_threads_share_copies_as_cores_allow(threads: int, cpus: int, copies: int) -> None:
    """A copy of all networks takes hundreds of megabytes, and no more of them compute than there are cores."""
    assert openvino.copies_for(threads, cpus) == copies


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_calling_thread_computes(name: str, network: Path) -> None:
    """An inference that is handed to another thread leaves cores idle until that thread wakes up."""
    session = engines.load(name, "cpu", 2).session(network, [SHAPE])
    run_in_threads(session, 2)
    own, whole = time.thread_time(), time.process_time()
    for _ in range(20):
        session.run(IMAGES)
    assert time.thread_time() - own > 0.6 * (time.process_time() - whole)


@pytest.mark.parametrize("eager", [False, True])
def test_threads_run_network_at_same_time(eager: bool, network: Path, copies: Copies) -> None:
    session = openvino.OpenVinoEngine(3, eager=eager).session(network, [SHAPE])
    copies.together = threading.Barrier(3)
    for _ in range(2):
        run_in_threads(session, 3)
    assert copies.made == 3


def test_excess_threads_wait_for_copy(network: Path, copies: Copies) -> None:
    session = openvino.OpenVinoEngine(2).session(network, [SHAPE])
    copies.together = threading.Barrier(2)
    run_in_threads(session, 8)
    assert copies.made == 2


def test_copies_are_made_when_needed(network: Path, copies: Copies) -> None:
    session = openvino.OpenVinoEngine(3).session(network, [SHAPE])
    for _ in range(3):
        session.run(IMAGES)
    assert copies.made == 1


def test_eager_engine_makes_copies_at_first_run(network: Path, copies: Copies) -> None:
    session = openvino.OpenVinoEngine(3, eager=True).session(network, [SHAPE])
    session.run(IMAGES)
    assert copies.made == 3


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("exact", [False, True])
def test_copies_compute_identical_outputs(eager: bool, exact: bool, network: Path, copies: Copies) -> None:
    (expected,) = openvino.OpenVinoEngine(1).session(network, [SHAPE], exact=exact).run(IMAGES)
    session = openvino.OpenVinoEngine(3, eager=eager).session(network, [SHAPE], exact=exact)
    copies.together = threading.Barrier(3)
    for (output,) in run_in_threads(session, 3):
        np.testing.assert_array_equal(output, expected)


def test_outputs_survive_next_run(network: Path) -> None:
    session = openvino.OpenVinoEngine(1).session(network, [SHAPE])
    (output,) = session.run(IMAGES)
    before = output.copy()
    session.run(255 - IMAGES)
    np.testing.assert_array_equal(output, before)


def test_failed_run_returns_its_copy(network: Path, copies: Copies) -> None:
    session = openvino.OpenVinoEngine(1).session(network, [SHAPE])
    session.run(IMAGES)
    copies.together = threading.Barrier(1)
    copies.together.abort()
    with pytest.raises(threading.BrokenBarrierError):
        session.run(IMAGES)
    copies.together = None
    session.run(IMAGES)
    assert copies.made == 1


@pytest.mark.parametrize("shape", [(2, 64, 96, 3), (1, 96, 64, 3), (1, 64, 96, 1)])
def test_other_shape_is_rejected(shape: tuple[int, ...], network: Path) -> None:
    session = openvino.OpenVinoEngine(1).session(network, [SHAPE])
    with pytest.raises(ValueError, match="no bucket has the shape"):
        session.run(np.zeros(shape, np.uint8))


FIRST_RUNS = """
import sys, threading
import numpy as np
import face_comparison.engines.openvino
import openvino

core = openvino.Core()
model = core.read_model(sys.argv[1])
model.reshape([1, 32, 32, 3])
requests = [core.compile_model(model, "CPU", {"NUM_STREAMS": 1}).create_infer_request() for _ in range(4)]
together = threading.Barrier(len(requests))

def run(request):
    together.wait()
    request.infer({0: np.zeros((1, 32, 32, 3), np.uint8)}, share_inputs=True)

threads = [threading.Thread(target=run, args=(request,)) for request in requests]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@pytest.mark.parametrize("attempt", range(3))
def test_simultaneous_first_inferences_end(attempt: int, network: Path) -> None:
    """Only in a new process does anything happen for the first time; without precautions, most attempts hang."""
    subprocess.run([sys.executable, "-c", FIRST_RUNS, str(network)], check=True, timeout=LIMIT)
