"""The service tells nobody that it runs: in a network with a resolver that records, it looks up no name.

Both libraries that run its networks report their use unless they are kept from it: openvino when it is imported,
onnxruntime some ten seconds after a model was loaded. A program that only imports them shows that they would be heard.
"""

from __future__ import annotations

import functools
import importlib.resources
import sys
import time
from collections.abc import Callable
from pathlib import Path

import urllib3

from devtools.k8s.processes import Processes
from face_comparison.models import bundle_store
from support.namespaces import Network

SECONDS = 100.0
"""Longest wait for what must come."""

# Variables by which the reports can be off already: the tests' own, and those of build servers, which openvino heeds.
UNGUARDED = ["env", "-u", "ORT_DISABLE_TELEMETRY", "-u", "CI", "-u", "TF_BUILD", "-u", "JENKINS_URL"]

TALKATIVE = """
import time
import onnxruntime
import openvino
from onnx import TensorProto, helper

x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "graph", [x], [y])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
time.sleep(600)
"""
HEARD = {"www.google-analytics.com", "mobile.events.data.microsoft.com"}


def until(met: Callable[[], object], processes: Processes) -> None:
    end = time.monotonic() + SECONDS
    while not met():
        processes.check()
        assert time.monotonic() < end
        time.sleep(0.1)


def test_services_resolve_no_names(network: Network, tmp_path: Path) -> None:
    bundle = bundle_store.ensure_bundle("default", bundle_store.bundles_folder()).folder
    image = (importlib.resources.files("face_comparison") / "sample.jpg").read_bytes()
    program = Path(sys.executable).parent / "face-comparison"
    options = ["--host", "127.0.0.1", "--workers", "1", "--threads", "1", "--bundle", str(bundle)]
    ports = {"auto": 8080, "onnxruntime": 8081}
    unguarded = [*UNGUARDED, f"HOME={tmp_path}"]  # where a user may have consented or refused
    (tmp_path / "network").mkdir()

    def is_ready(port: int) -> bool:
        request = functools.partial(urllib3.request, "GET", f"http://127.0.0.1:{port}/readyz", retries=False)
        try:
            return network.run(request).status == 200
        except urllib3.exceptions.HTTPError:  # it does not listen yet
            return False

    def detect(port: int) -> int:
        url = f"http://127.0.0.1:{port}/prod/face_comparison"
        return urllib3.request("POST", url, body=image, retries=False, timeout=SECONDS).status

    with Network(tmp_path / "network") as other, Processes(tmp_path / "logs") as processes:
        for engine, port in ports.items():
            serve: list[str | Path] = [*unguarded, program, "serve", *options, "--engine", engine, "--port", str(port)]
            network.run(functools.partial(processes.start, engine, serve))
        for port in ports.values():
            until(functools.partial(is_ready, port), processes)
            assert network.run(functools.partial(detect, port)) == 200
        # Begun later, in a network of its own, this one is heard: by then the services would have been, too.
        other.run(lambda: processes.start("talkative", [*unguarded, sys.executable, "-c", TALKATIVE]))
        until(lambda: set(other.names.asked) >= HEARD, processes)
        for port in ports.values():
            assert network.run(functools.partial(detect, port)) == 200
        assert network.names.asked == []
